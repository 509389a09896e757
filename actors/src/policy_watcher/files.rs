//! Files whose change is a reason to read them again. They are looked at, not listened to: an editor that replaces a file, a
//! symbolic link that is swapped as a whole (`..data`), a file system that tells nothing: each is another content in the
//! end. What counts is what is in them, so a change back, or a new time stamp, is none.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often they are looked at. Reading some kilobytes costs less than what it takes to trust notices of them.
const LOOK: Duration = Duration::from_secs(1);

/// How long they must be the same before a change counts: whoever writes several files is given the time to.
const REST: Duration = Duration::from_millis(500);

/// How long they are waited for at most: a file that never rests must not hold up the others.
const UNREST: Duration = Duration::from_secs(10);

/// Files that are larger are known by their size and time alone.
const READ: u64 = 16 * 1024 * 1024;

/// By path: what was there; none if nothing could be read.
type Contents = BTreeMap<PathBuf, Option<u64>>;

/// What is different now.
struct Changed {
    contents: Contents,
    /// Since when it is as it is, and since when it is not as it was.
    rests: Instant,
    began: Instant,
}

/// The files.
pub(super) struct Files {
    watched: Vec<PathBuf>,
    /// As of the last time that they were read.
    known: Contents,
    changed: Option<Changed>,
    looked: Instant,
}

impl Files {
    /// These files, and those in these directories, as they are now.
    pub(super) fn new(watched: Vec<PathBuf>) -> Self {
        let known = contents(&watched);
        Self { watched, known, changed: None, looked: Instant::now() }
    }

    /// From now on these. What was known of them counts on, and what is new among them counts as changed: somebody may have
    /// written it since it was read.
    pub(super) fn watch(&mut self, watched: Vec<PathBuf>) {
        self.watched = watched;
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let wait = if self.changed.is_some() { REST } else { LOOK };
        now.duration_since(self.looked) >= wait
    }

    /// Whether they are others than they were, and have come to rest; from now on they are known as they are then, before
    /// anybody reads them. To be asked as often as one likes.
    pub(super) fn have_changed(&mut self, now: Instant) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.looked = now;
        if self.watched.is_empty() {
            return false;
        }
        let found = contents(&self.watched);
        if found == self.known {
            self.changed = None;
            return false;
        }
        let changed =
            self.changed.take().unwrap_or(Changed { contents: Contents::new(), rests: now, began: now });
        let rests = if changed.contents == found { changed.rests } else { now };
        if now.duration_since(rests) >= REST || now.duration_since(changed.began) >= UNREST {
            self.known = found;
            return true;
        }
        self.changed = Some(Changed { contents: found, rests, ..changed });
        false
    }
}

fn contents(watched: &[PathBuf]) -> Contents {
    let mut contents = Contents::new();
    for path in watched {
        contents.insert(path.clone(), content(path));
        let inside = fs::read_dir(path).into_iter().flatten().flatten();
        contents.extend(inside.map(|entry| (entry.path(), content(&entry.path()))));
    }
    contents
}

fn content(path: &Path) -> Option<u64> {
    let found = fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    if found.is_file() && found.len() <= READ {
        fs::read(path).ok()?.hash(&mut hasher);
    } else if found.is_file() {
        (found.len(), found.modified().ok()?).hash(&mut hasher);
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Whether a change is seen, asked at times that are as far apart as they must be.
    fn is_seen(files: &mut Files) -> bool {
        (0..4).any(|_| files.have_changed(files.looked + LOOK + REST))
    }

    #[test]
    fn what_editors_and_tools_do_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("policy"), "one").expect("a file");
        fs::create_dir(path("d")).expect("a directory");
        fs::create_dir(path("v1")).expect("a directory");
        fs::create_dir(path("v2")).expect("a directory");
        fs::write(path("v1/file"), "one").expect("a file");
        fs::write(path("v2/file"), "two").expect("a file");
        symlink("v1", path("..data")).expect("a link");
        let watched = vec![path("policy"), path("d"), path("..data/file"), path("missing")];
        let changes: [(&str, &dyn Fn()); 7] = [
            ("written in place", &|| fs::write(path("policy"), "two").expect("a file")),
            ("replaced", &|| {
                fs::write(path("new"), "three").expect("a file");
                fs::rename(path("new"), path("policy")).expect("a file");
            }),
            ("removed", &|| fs::remove_file(path("policy")).expect("a file")),
            ("made again", &|| fs::write(path("policy"), "four").expect("a file")),
            ("new in a directory", &|| fs::write(path("d/x"), "x").expect("a file")),
            ("made", &|| fs::write(path("missing"), "x").expect("a file")),
            ("swapped", &|| {
                symlink("v2", path("..new")).expect("a link");
                fs::rename(path("..new"), path("..data")).expect("a link");
            }),
        ];
        let mut files = Files::new(watched.clone());
        for (name, change) in changes {
            assert!(!is_seen(&mut files), "before: {name}");
            change();
            assert!(is_seen(&mut files), "{name}");
        }
        fs::write(path("policy"), "four").expect("a file");
        assert!(!is_seen(&mut files), "the same content is no change");
        // Whoever saw the change has not read it yet: what is written until then is the next change.
        fs::write(path("policy"), "five").expect("a file");
        assert!(is_seen(&mut files));
        fs::write(path("policy"), "six").expect("a file");
        files.watch(watched.clone());
        assert!(is_seen(&mut files), "written before the change was read");
        files.watch([watched, vec![path("v2/file")]].concat());
        assert!(is_seen(&mut files), "one more");
        assert!(!is_seen(&mut files));
    }

    #[test]
    fn what_does_not_rest_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("policy");
        fs::write(&path, "0").expect("a file");
        let mut files = Files::new(vec![path.clone()]);
        let mut now = Instant::now() + LOOK;
        for turn in 1..20 {
            fs::write(&path, turn.to_string()).expect("a file");
            assert!(!files.have_changed(now));
            now += REST;
        }
        assert!(files.have_changed(now), "it was left alone for long enough");
        let seen = (20..100).filter(|turn: &u32| {
            fs::write(&path, turn.to_string()).expect("a file");
            now += REST;
            files.have_changed(now)
        });
        assert_eq!(seen.count(), 3, "in 40 seconds without rest");
    }
}
