//! Operations on names, as rows: what is prepared, what is tried, and which rule must deny it.
//!
//! Each row has a directory of its own with the subdirectories `protected` and `neighbour`, which are alike; rules
//! name the first only.

use crate::outcome::Outcome;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, linkat, mknodat, openat, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// One thing to try.
#[derive(Debug)]
pub struct Row {
    /// Its name, and the id of its rule.
    pub name: &'static str,
    /// Operations of the rule.
    pub(crate) on: &'static str,
    /// The path of the rule, below `protected`.
    pub(crate) path: &'static str,
    /// Makes more files in `protected` and `neighbour`.
    pub(crate) more: fn(&Path) -> io::Result<()>,
    /// What an exempt process does in the row's directory after arming.
    pub exempt: &'static str,
    /// Tries it, in `protected` or `neighbour`.
    pub(crate) way: fn(&Path) -> io::Result<()>,
    /// The reason that the event must have. If there is none, it must stay allowed.
    pub reason: &'static str,
    /// An operation that the event must name.
    pub operation: &'static str,
}

/// What most rows have.
pub(crate) const ROW: Row = Row {
    name: "",
    on: "",
    path: "file",
    more: |_| Ok(()),
    exempt: "",
    way: |_| Ok(()),
    reason: "object",
    operation: "",
};

impl Row {
    /// Makes the row's files anew.
    pub fn prepare(&self, directory: &Path) {
        let _ = fs::remove_dir_all(directory);
        for side in ["protected", "neighbour"] {
            let at = |name: &str| directory.join(side).join(name);
            fs::create_dir_all(at("folder/deep")).expect("a directory");
            fs::create_dir_all(at("empty")).expect("a directory");
            fs::create_dir_all(at("spare/full")).expect("a directory");
            for name in ["file", "other", "folder/deep/file", "again"] {
                fs::write(at(name), "content\n").expect("a file");
            }
            fs::hard_link(at("file"), at("hard")).expect("a hard link");
            symlink("folder", at("way")).expect("a symbolic link");
            (self.more)(&directory.join(side)).expect("more files");
        }
    }

    /// The rule that protects it.
    #[must_use]
    pub fn rule(&self, directory: &Path) -> String {
        let path = directory.join("protected").join(self.path);
        let on: Vec<String> = self.on.split(' ').map(|operation| format!("\"{operation}\"")).collect();
        let (id, on, path) = (self.name, on.join(", "), path.display());
        format!("[[rule]]\nid = \"{id}\"\non = [{on}]\npath = \"{path}\"\n")
    }

    /// Tries it on one side.
    #[must_use]
    pub fn attempt(&self, directory: &Path, side: &str) -> Outcome {
        (self.way)(&directory.join(side)).into()
    }
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

fn make(path: &Path, kind: FileType) -> io::Result<()> {
    mknodat(CWD, path, kind, Mode::RUSR, 0).map_err(Into::into)
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(Into::into)
}

/// A file without a name, which then gets one.
fn link_nameless(directory: &Path, name: &str) -> io::Result<()> {
    let file = openat(CWD, directory, OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR)?;
    linkat(&file, "", CWD, directory.join(name), AtFlags::EMPTY_PATH).map_err(Into::into)
}

/// Makes a file anew, so that only its name is known, until the daemon looks.
pub(crate) const ANEW: &str = "rm protected/again && echo > protected/again";

/// All rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "truncate",
        on: "truncate",
        operation: "truncate",
        way: |at| truncate(&at.join("file")),
        ..ROW
    },
    Row {
        name: "truncate-by-descriptor",
        on: "truncate",
        operation: "truncate",
        way: |at| OpenOptions::new().write(true).open(at.join("file"))?.set_len(3),
        ..ROW
    },
    Row {
        name: "truncate-by-opening",
        on: "truncate",
        operation: "truncate",
        way: |at| File::create(at.join("file")).map(drop),
        ..ROW
    },
    Row {
        name: "truncate-by-hard-link",
        on: "truncate",
        operation: "truncate",
        way: |at| truncate(&at.join("hard")),
        ..ROW
    },
    Row {
        name: "truncate-is-writing",
        on: "write",
        operation: "truncate",
        way: |at| truncate(&at.join("file")),
        ..ROW
    },
    Row {
        name: "truncate-of-a-new-file",
        on: "truncate",
        path: "again",
        reason: "slot",
        operation: "truncate",
        exempt: ANEW,
        way: |at| truncate(&at.join("again")),
        ..ROW
    },
    Row {
        name: "create",
        on: "create",
        path: "new",
        reason: "slot",
        operation: "create",
        way: |at| create(&at.join("new")),
        ..ROW
    },
    Row {
        name: "create-by-mknod",
        on: "create",
        path: "new",
        reason: "slot",
        operation: "create",
        way: |at| make(&at.join("new"), FileType::RegularFile),
        ..ROW
    },
    Row {
        name: "create-by-writing",
        on: "write",
        path: "new",
        reason: "slot",
        operation: "create",
        way: |at| File::create(at.join("new")).map(drop),
        ..ROW
    },
    Row {
        name: "create-means-mkdir",
        on: "create",
        path: "new",
        reason: "slot",
        operation: "mkdir",
        way: |at| fs::create_dir(at.join("new")),
        ..ROW
    },
    Row {
        name: "mkdir",
        on: "mkdir",
        path: "new",
        reason: "slot",
        operation: "mkdir",
        way: |at| fs::create_dir(at.join("new")),
        ..ROW
    },
    Row {
        name: "mknod",
        on: "mknod",
        path: "new",
        reason: "slot",
        operation: "mknod",
        way: |at| make(&at.join("new"), FileType::Fifo),
        ..ROW
    },
    Row {
        name: "bind-of-a-socket",
        on: "mknod",
        path: "new",
        reason: "slot",
        operation: "mknod",
        way: |at| UnixListener::bind(at.join("new")).map(drop),
        ..ROW
    },
    Row {
        name: "symlink",
        on: "symlink",
        path: "new",
        reason: "slot",
        operation: "symlink",
        way: |at| symlink("file", at.join("new")),
        ..ROW
    },
    Row {
        name: "link-of-the-file",
        on: "link",
        operation: "link",
        way: |at| fs::hard_link(at.join("file"), at.join("new")),
        ..ROW
    },
    Row {
        name: "link-by-other-name",
        on: "link",
        operation: "link",
        way: |at| fs::hard_link(at.join("hard"), at.join("new")),
        ..ROW
    },
    Row {
        name: "link-into-the-name",
        on: "link",
        path: "new",
        reason: "slot",
        operation: "link",
        way: |at| fs::hard_link(at.join("other"), at.join("new")),
        ..ROW
    },
    Row {
        name: "link-of-a-nameless-file",
        on: "link",
        path: "new",
        reason: "slot",
        operation: "link",
        way: |at| link_nameless(at, "new"),
        ..ROW
    },
    Row {
        name: "link-of-a-new-file",
        on: "link",
        path: "again",
        reason: "slot",
        operation: "link",
        exempt: ANEW,
        way: |at| fs::hard_link(at.join("again"), at.join("new")),
        ..ROW
    },
    Row {
        name: "unlink",
        on: "unlink",
        operation: "unlink",
        way: |at| fs::remove_file(at.join("file")),
        ..ROW
    },
    Row {
        name: "unlink-by-other-name",
        on: "unlink",
        operation: "unlink",
        way: |at| fs::remove_file(at.join("hard")),
        ..ROW
    },
    Row {
        name: "unlink-of-a-new-file",
        on: "unlink",
        path: "again",
        reason: "slot",
        operation: "unlink",
        exempt: ANEW,
        way: |at| fs::remove_file(at.join("again")),
        ..ROW
    },
    Row {
        name: "rmdir",
        on: "unlink",
        path: "empty",
        operation: "unlink",
        way: |at| fs::remove_dir(at.join("empty")),
        ..ROW
    },
    Row {
        name: "rename-away",
        on: "rename",
        operation: "rename",
        way: |at| fs::rename(at.join("file"), at.join("new")),
        ..ROW
    },
    Row {
        name: "rename-by-other-name",
        on: "rename",
        operation: "rename",
        way: |at| fs::rename(at.join("hard"), at.join("new")),
        ..ROW
    },
    Row {
        name: "rename-of-a-new-file",
        on: "rename",
        path: "again",
        reason: "slot",
        operation: "rename",
        exempt: ANEW,
        way: |at| fs::rename(at.join("again"), at.join("new")),
        ..ROW
    },
    Row {
        name: "exchange-with-a-new-file",
        on: "rename",
        path: "again",
        reason: "slot",
        operation: "rename",
        exempt: ANEW,
        way: |at| exchange(&at.join("other"), &at.join("again")),
        ..ROW
    },
    Row {
        name: "rename-into-the-name",
        on: "rename",
        path: "new",
        reason: "slot",
        operation: "rename",
        way: |at| fs::rename(at.join("other"), at.join("new")),
        ..ROW
    },
    Row {
        name: "rename-over-the-file",
        on: "rename",
        operation: "rename",
        way: |at| fs::rename(at.join("other"), at.join("file")),
        ..ROW
    },
    Row {
        name: "rename-of-a-directory",
        on: "rename",
        path: "folder",
        operation: "rename",
        way: |at| fs::rename(at.join("folder"), at.join("new")),
        ..ROW
    },
    Row {
        name: "exchange",
        on: "rename",
        operation: "rename",
        way: |at| exchange(&at.join("file"), &at.join("other")),
        ..ROW
    },
    Row {
        name: "exchange-the-other-way",
        on: "rename",
        operation: "rename",
        way: |at| exchange(&at.join("other"), &at.join("file")),
        ..ROW
    },
    Row {
        name: "missing-parent-mkdir",
        on: "read",
        path: "new/deep/file",
        reason: "anchor",
        operation: "mkdir",
        way: |at| fs::create_dir(at.join("new")),
        ..ROW
    },
    Row {
        name: "missing-parent-symlink",
        on: "read",
        path: "new/deep/file",
        reason: "anchor",
        operation: "symlink",
        way: |at| symlink("folder", at.join("new")),
        ..ROW
    },
    Row {
        name: "missing-parent-rename",
        on: "read",
        path: "new/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("folder"), at.join("new")),
        ..ROW
    },
    Row {
        name: "missing-parent-create",
        on: "read",
        path: "new/deep/file",
        reason: "anchor",
        operation: "create",
        way: |at| create(&at.join("new")),
        ..ROW
    },
    Row {
        name: "missing-parent-link",
        on: "read",
        path: "new/deep/file",
        reason: "anchor",
        operation: "link",
        way: |at| fs::hard_link(at.join("other"), at.join("new")),
        ..ROW
    },
    Row {
        name: "ancestor-rename",
        on: "read",
        path: "folder/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("folder/deep"), at.join("new")),
        ..ROW
    },
    Row {
        name: "ancestor-rename-higher",
        on: "read",
        path: "folder/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("folder"), at.join("new")),
        ..ROW
    },
    Row {
        name: "ancestor-exchange",
        on: "read",
        path: "folder/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| exchange(&at.join("spare"), &at.join("folder")),
        ..ROW
    },
    Row {
        name: "ancestor-rmdir",
        on: "read",
        path: "empty/file",
        reason: "anchor",
        operation: "unlink",
        way: |at| fs::remove_dir(at.join("empty")),
        ..ROW
    },
    Row {
        name: "ancestor-replaced",
        on: "read",
        path: "empty/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("spare"), at.join("empty")),
        ..ROW
    },
    Row {
        name: "link-on-the-way-removed",
        on: "read",
        path: "way/deep/file",
        reason: "anchor",
        operation: "unlink",
        way: |at| fs::remove_file(at.join("way")),
        ..ROW
    },
    Row {
        name: "link-on-the-way-renamed",
        on: "read",
        path: "way/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("way"), at.join("new")),
        ..ROW
    },
    Row {
        name: "target-of-the-link-renamed",
        on: "read",
        path: "way/deep/file",
        reason: "anchor",
        operation: "rename",
        way: |at| fs::rename(at.join("folder"), at.join("new")),
        ..ROW
    },
];

/// `truncate(2)`: by path, without opening. Perl calls it; the libraries here only know it of a descriptor.
fn truncate(path: &Path) -> io::Result<()> {
    let status =
        Command::new("perl").args(["-e", "exit(truncate($ARGV[0], 0) ? 0 : $! + 0)"]).arg(path).status()?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.unwrap_or(0))),
    }
}
