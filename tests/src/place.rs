//! Places: the same files on different file systems.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system that the files are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// On a loop device.
    Ext4,
    /// In memory.
    Tmpfs,
    /// With the files in the lower layer.
    Overlay,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ext4, Self::Tmpfs, Self::Overlay];

    /// Its name in test names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Tmpfs => "tmpfs",
            Self::Overlay => "overlayfs",
        }
    }
}

/// A directory with the files of the tests.
#[derive(Debug)]
pub struct Place {
    base: PathBuf,
    /// The directory.
    pub directory: PathBuf,
    /// The same directory, bound elsewhere.
    pub bound: PathBuf,
}

/// The cgroup that policies exempt.
pub const EXEMPT: &str = "/sys/fs/cgroup/aegis-exempt";

impl Place {
    /// Makes the files.
    #[must_use]
    pub fn make(kind: Kind) -> Self {
        let base = match kind {
            Kind::Ext4 => PathBuf::from("/scratch/aegis"),
            Kind::Tmpfs => PathBuf::from("/tmp/aegis"),
            Kind::Overlay => PathBuf::from("/tmp/aegis-overlay"),
        };
        let bound = base.join("bound");
        let mut directory = base.join("files");
        [&directory, &bound].iter().for_each(|path| fs::create_dir_all(path).expect("a directory"));
        fill(&directory);
        if kind == Kind::Overlay {
            let [upper, work, merged] = ["upper", "work", "merged"].map(|name| base.join(name));
            [&upper, &work, &merged].iter().for_each(|path| fs::create_dir_all(path).expect("a directory"));
            let layers = format!(
                "lowerdir={},upperdir={},workdir={}",
                directory.display(),
                upper.display(),
                work.display()
            );
            mount(&["-t", "overlay", "overlay", "-o", &layers, &merged.display().to_string()]);
            directory = merged;
        }
        mount(&["--bind", &directory.display().to_string(), &bound.display().to_string()]);
        fs::create_dir_all(EXEMPT).expect("a cgroup");
        Self { base, directory, bound }
    }

    /// A file of the place.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The policy that protects the place.
    #[must_use]
    pub fn policy(&self) -> String {
        let file = |name: &str| format!("\"{}\"", self.path(name).display());
        let rule = |id: &str, on: &str, files: &[&str]| {
            let files: Vec<_> = files.iter().map(|name| file(name)).collect();
            format!("[[rule]]\nid = \"{id}\"\non = [{on}]\npath = [{}]\n", files.join(", "))
        };
        [
            "version = 3\nname = \"place\"\n".to_owned(),
            rule("data", "\"read\", \"write\"", &["data"]),
            rule("program", "\"exec\"", &["program", "script", "interpreter"]),
            rule("library", "\"map-exec\"", &["library"]),
            rule("recreated", "\"read\", \"write\"", &["recreated"]),
            rule("missing", "\"read\", \"write\"", &["missing"]),
            "[exempt]\ncgroup = [\"/aegis-exempt\"]\n".to_owned(),
        ]
        .concat()
    }

    /// Lets an exempt process run a shell script in the directory.
    pub fn as_exempt(&self, script: &str) {
        let whole =
            format!("echo $$ > {EXEMPT}/cgroup.procs && cd '{}' && {script}", self.directory.display());
        let output = Command::new("sh").args(["-c", &whole]).output().expect("sh");
        assert!(output.status.success(), "{script}: {output:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.bound).output();
        let _ = Command::new("umount").arg(self.base.join("merged")).output();
        let _ = fs::remove_dir_all(&self.base);
    }
}

fn mount(arguments: &[&str]) {
    let output = Command::new("mount").args(arguments).output().expect("mount");
    assert!(output.status.success(), "mount {arguments:?}: {output:?}");
}

fn fill(directory: &Path) {
    let path = |name: &str| directory.join(name);
    for name in ["data", "recreated", "control"] {
        fs::write(path(name), "content\n").expect("a file");
    }
    fs::create_dir_all(path("elsewhere")).expect("a directory");
    fs::hard_link(path("data"), path("elsewhere/hard")).expect("a hard link");
    symlink("../data", path("elsewhere/soft")).expect("a symbolic link");
    for name in ["program", "control-program", "library"] {
        fs::copy("/bin/true", path(name)).expect("a program");
    }
    fs::copy("/bin/sh", path("interpreter")).expect("a program");
    write_script(&path("script"), "/bin/sh");
    write_script(&path("control-script"), "/bin/sh");
    symlink("interpreter", path("interpreter-link")).expect("a symbolic link");
}

/// Writes a script that does nothing.
pub fn write_script(path: &Path, interpreter: &str) {
    fs::write(path, format!("#!{interpreter}\nexit 0\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a script");
}
