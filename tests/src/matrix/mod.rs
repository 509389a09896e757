//! The enforcement matrix, as rows: what is prepared, what is tried, which rule must deny it and why.
//!
//! Each row has a directory of its own with the subdirectories `protected` and `neighbour`, which are alike; its rule
//! names the first only. An attempt is a text for the [hand], which has words for what it needs. A class is a file
//! with `ROWS`, and a line in [`CLASSES`].

mod anchors;
mod attributes;
mod conditions;
mod exec;
pub mod hand;
mod inodes;
mod links;
mod long;
mod mounts;
mod names;
mod namespaces;
mod overlay;
mod readers;
mod renames;
mod signals;
mod subtrees;

use crate::outcome::Outcome;
use crate::place::{EXEMPT, Kind};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// Rows of one sort, and the file systems on which they are tried.
#[derive(Debug)]
pub struct Class {
    /// Its name in test names.
    pub name: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
    kinds: &'static [Kind],
}

const ALL: &[Kind] = &Kind::ALL;
const EXT4: &[Kind] = &[Kind::Ext4];
const NOT_TMPFS: &[Kind] = &[Kind::Ext4, Kind::Overlay];
const NOT_OVERLAY: &[Kind] = &[Kind::Ext4, Kind::Tmpfs];

/// All classes. Where the file system makes no difference one is enough, as each row takes a quarter of a second there.
pub const CLASSES: &[Class] = &[
    Class { name: "readers", rows: readers::ROWS, kinds: NOT_TMPFS },
    Class { name: "names", rows: names::ROWS, kinds: ALL },
    Class { name: "links", rows: links::ROWS, kinds: ALL },
    Class { name: "renames", rows: renames::ROWS, kinds: ALL },
    Class { name: "anchors", rows: anchors::ROWS, kinds: ALL },
    Class { name: "mounts", rows: mounts::ROWS, kinds: EXT4 },
    Class { name: "namespaces", rows: namespaces::ROWS, kinds: EXT4 },
    Class { name: "overlay", rows: overlay::ROWS, kinds: EXT4 },
    Class { name: "exec", rows: exec::ROWS, kinds: NOT_TMPFS },
    Class { name: "inodes", rows: inodes::ROWS, kinds: NOT_OVERLAY },
    Class { name: "long", rows: long::ROWS, kinds: EXT4 },
    Class { name: "subtrees", rows: subtrees::ROWS, kinds: ALL },
    Class { name: "conditions", rows: conditions::ROWS, kinds: EXT4 },
    Class { name: "signals", rows: signals::ROWS, kinds: EXT4 },
    Class { name: "attributes", rows: attributes::ROWS, kinds: ALL },
];

impl Class {
    /// Its rows on a file system.
    pub fn rows_on(&self, kind: Kind) -> impl Iterator<Item = Case> {
        let on = move |row: &&'static Row| row.kinds.unwrap_or(self.kinds).contains(&kind);
        self.rows.iter().filter(on).map(|row| Case { class: self.name, row })
    }
}

/// All rows on a file system.
#[must_use]
pub fn cases(kind: Kind) -> Vec<Case> {
    CLASSES.iter().flat_map(|class| class.rows_on(kind)).collect()
}

/// What a rule is on.
#[derive(Debug, Clone, Copy)]
enum Object {
    /// A path below `protected`. `$LONG`, `$DEEP` and `$FAR` stand for what the hand has under these names.
    Path(&'static str),
    /// The inode at such a path, by its number.
    Inode(&'static str),
    /// The same, by its number and its generation.
    Generation(&'static str),
    /// Whatever the rest of the rule says.
    Other,
}

/// How an attempt must end while the policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Armed {
    /// With `EPERM`.
    Denied,
    /// With a signal.
    Killed(i32),
    /// As before: what the rule does not speak about.
    Allowed,
}

impl From<Armed> for Outcome {
    fn from(armed: Armed) -> Self {
        match armed {
            Armed::Denied => Self::Denied,
            Armed::Killed(signal) => Self::Killed(signal),
            Armed::Allowed => Self::Allowed,
        }
    }
}

/// One thing to try.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    on: &'static str,
    object: Object,
    more: &'static str,
    first: &'static str,
    keeps: &'static str,
    exempt: &'static str,
    attempt: &'static str,
    /// How it must end while the policy is in force.
    pub armed: Armed,
    /// The reason that the event must have.
    pub reason: &'static str,
    /// An operation that the event must name.
    pub operation: &'static str,
    kinds: Option<&'static [Kind]>,
}

impl Row {
    /// One that a rule on `file` denies, with these operations in it.
    const fn new(name: &'static str, on: &'static str, attempt: &'static str) -> Self {
        Self {
            name,
            on,
            object: Object::Path("file"),
            more: "",
            first: "",
            keeps: "",
            exempt: "",
            attempt,
            armed: Armed::Denied,
            reason: "object",
            operation: on,
            kinds: None,
        }
    }

    /// One that stays allowed although there is the rule: what it does not speak about.
    const fn allowed(name: &'static str, on: &'static str, attempt: &'static str) -> Self {
        Self { armed: Armed::Allowed, ..Self::new(name, on, attempt) }
    }

    /// The rule does not speak about it after all.
    const fn stays_allowed(self) -> Self {
        Self { armed: Armed::Allowed, ..self }
    }

    /// Who tries it ends with a signal.
    const fn killed(self, signal: i32) -> Self {
        Self { armed: Armed::Killed(signal), ..self }
    }

    /// The rule is on another path.
    const fn path(self, path: &'static str) -> Self {
        Self { object: Object::Path(path), ..self }
    }

    /// The rule is on the inode at this path.
    const fn inode(self, path: &'static str) -> Self {
        Self { object: Object::Inode(path), ..self }
    }

    /// The rule is on this very inode at this path, and on none that has its number later.
    const fn generation(self, path: &'static str) -> Self {
        Self { object: Object::Generation(path), ..self }
    }

    /// The rule goes on with this text, in which `$HERE` is `protected`.
    const fn more(self, text: &'static str) -> Self {
        Self { more: text, ..self }
    }

    /// The same, and the text names what the rule is on.
    const fn on_what(self, text: &'static str) -> Self {
        Self { object: Object::Other, more: text, ..self }
    }

    /// The name is what denies.
    const fn slot(self) -> Self {
        Self { reason: "slot", ..self }
    }

    /// The way is what denies.
    const fn anchor(self) -> Self {
        Self { reason: "anchor", ..self }
    }

    /// The event names this operation.
    const fn tells(self, operation: &'static str) -> Self {
        Self { operation, ..self }
    }

    /// Done in both subdirectories before arming.
    const fn first(self, code: &'static str) -> Self {
        Self { first: code, ..self }
    }

    /// The same, in the process that stays.
    const fn keeps(self, code: &'static str) -> Self {
        Self { keeps: code, ..self }
    }

    /// Done in `protected` by an exempt process after arming.
    const fn exempt(self, code: &'static str) -> Self {
        Self { exempt: code, ..self }
    }

    /// Only on these file systems.
    const fn only(self, kinds: &'static [Kind]) -> Self {
        Self { kinds: Some(kinds), ..self }
    }
}

/// A row of a class.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of the class.
    pub class: &'static str,
    /// The row.
    pub row: &'static Row,
}

/// The subdirectory that the rule is on.
pub const PROTECTED: &str = "protected";
/// The one beside it.
pub const NEIGHBOUR: &str = "neighbour";

impl Case {
    /// The id of its rule.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.class, self.row.name)
    }

    /// Makes its files anew, on these sides.
    #[must_use]
    pub fn prepare(&self, directory: &Path, sides: &[&str]) -> Outcome {
        let steps = [self.row.first, self.row.keeps].map(|step| !step.is_empty());
        let cleared = if steps == [false, false] { Outcome::Allowed } else { hand::clear(directory) };
        let _ = fs::remove_dir_all(directory);
        let mut outcome = cleared;
        for side in sides.iter().map(|side| directory.join(side)) {
            fill(&side);
            if outcome == Outcome::Allowed && steps[0] {
                outcome = hand::try_it(&side, self.row.first);
            }
            if outcome == Outcome::Allowed && steps[1] {
                outcome = hand::keep(&side, self.row.keeps);
            }
        }
        outcome
    }

    /// The rule that protects it.
    #[must_use]
    pub fn rule(&self, directory: &Path) -> String {
        let protected = directory.join(PROTECTED);
        let on: Vec<String> = self.row.on.split(' ').map(|operation| format!("\"{operation}\"")).collect();
        let object = match self.row.object {
            Object::Path(path) => {
                format!("path = \"{}/{}\"\n", protected.display(), at_length(path, &protected))
            }
            Object::Inode(path) => format!("inode = \"{}\"\n", inode_of(&protected.join(path))),
            Object::Generation(path) => {
                // A file system without generations has none here, and the row fails.
                let generation =
                    hand::number(&protected, &format!("generation('{path}')")).unwrap_or_default();
                format!("inode = \"{}:{generation}\"\n", inode_of(&protected.join(path)))
            }
            Object::Other => String::new(),
        };
        let more = self.row.more.replace("$HERE", &protected.display().to_string());
        format!("[[rule]]\nid = \"{}\"\non = [{}]\n{object}{more}\n", self.id(), on.join(", "))
    }

    /// What an exempt process does after arming.
    #[must_use]
    pub fn exempt(&self, directory: &Path) -> Outcome {
        if self.row.exempt.is_empty() {
            return Outcome::Allowed;
        }
        hand::try_in_cgroup(&directory.join(PROTECTED), EXEMPT, self.row.exempt)
    }

    /// Tries it on one side.
    #[must_use]
    pub fn attempt(&self, directory: &Path, side: &str) -> Outcome {
        hand::try_it(&directory.join(side), self.row.attempt)
    }
}

/// The files of one side.
fn fill(side: &Path) {
    let at = |name: &str| side.join(name);
    for name in ["folder/deep", "empty", "spare/full"] {
        fs::create_dir_all(at(name)).expect("a directory");
    }
    for name in ["file", "other", "folder/deep/file", "again"] {
        fs::write(at(name), "content\n").expect("a file");
    }
    fs::hard_link(at("file"), at("hard")).expect("a hard link");
    symlink("folder", at("way")).expect("a symbolic link");
}

/// A path with its long parts as long as they are.
fn at_length(path: &str, protected: &Path) -> String {
    const PATH_BYTES: usize = 4095;
    let levels = format!("{}/", "f".repeat(255)).repeat(15);
    let rest = PATH_BYTES.saturating_sub(protected.as_os_str().len() + 1 + levels.len());
    path.replace("$LONG", &"n".repeat(255))
        .replace("$DEEP", &"d/".repeat(200))
        .replace("$FAR", &format!("{levels}{}", "g".repeat(rest)))
}

/// How the policy names the inode at a path; one that nothing has if there is nothing.
fn inode_of(path: &Path) -> String {
    let (device, inode) = fs::metadata(path).map_or((0, 0), |found| (found.dev(), found.ino()));
    format!("{}:{}:{inode}", rustix::fs::major(device), rustix::fs::minor(device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_policy::{Source, compile};
    use std::collections::HashSet;

    /// What would be refused in the guest is found out here.
    #[test]
    fn rules_of_all_rows_are_one_policy() {
        for kind in Kind::ALL {
            let rules: String =
                cases(kind).iter().map(|case| case.rule(&Path::new("/place").join(case.id()))).collect();
            let text = format!("version = 3\nname = \"matrix\"\n{rules}");
            if let Err(report) = compile(&[Source { name: "matrix", text: &text }]) {
                panic!("{}: {report}", kind.name());
            }
        }
    }

    #[test]
    fn there_are_enough_and_each_has_its_name() {
        let all: Vec<Case> = CLASSES
            .iter()
            .flat_map(|class| class.rows.iter().map(|row| Case { class: class.name, row }))
            .collect();
        let ids: HashSet<String> = all.iter().map(Case::id).collect();
        assert_eq!(ids.len(), all.len());
        let denied = all.iter().filter(|case| case.row.armed != Armed::Allowed).count();
        assert!(denied >= 200, "only {denied}");
    }
}
