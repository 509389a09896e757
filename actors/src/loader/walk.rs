//! Walks a path one component at a time, as the kernel does, and keeps open what a rule on it depends on: the
//! directories and symbolic links on the way, the names at its end, and what is there.

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatxAttributes, StatxFlags, openat, readlinkat, statx,
};
use rustix::io::Errno;
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Links that are followed before a path counts as circular, as in the kernel.
const MAX_LINKS: usize = 40;

/// Something on the way to a directory.
pub(super) struct Step {
    pub(super) file: OwnedFd,
    /// Whether it could be renamed or removed, so that the way would lead elsewhere. The root of a mount cannot:
    /// the mount stays where it is.
    pub(super) can_move: bool,
}

/// A directory, with the way that leads to it.
pub(super) struct Directory<K> {
    /// In the order in which they are passed; the last is the directory.
    pub(super) steps: Vec<Step>,
    /// What the kernel says they are, once it was asked.
    pub(super) keys: OnceCell<K>,
    /// Where the symbolic links on the way lead.
    links: Vec<PathBuf>,
}

impl<K> Directory<K> {
    pub(super) fn file(&self) -> Option<&OwnedFd> {
        self.steps.last().map(|step| &step.file)
    }
}

/// A name in a directory.
pub(super) type Place<K> = (Rc<Directory<K>>, OsString);

/// What is open for one path.
pub(super) struct Walked<K> {
    /// What is there; none if nothing is.
    pub(super) object: Option<OwnedFd>,
    /// The path's own name, and where that is a symbolic link, those that it leads through.
    pub(super) names: Vec<Place<K>>,
    /// The first name on the way at which it does not go on, if it is not the last.
    pub(super) missing: Option<Place<K>>,
    /// Where the symbolic links lead that were followed.
    pub(super) links: Vec<PathBuf>,
    /// Why the walk ended before it should; none if something is only missing.
    pub(super) stuck: Option<String>,
}

impl<K> Walked<K> {
    fn new() -> Self {
        Self { object: None, names: Vec::new(), missing: None, links: Vec::new(), stuck: None }
    }
}

/// The links that may be followed; all, if it is not said. Whoever owns a name can make a link of it. Followed when
/// nobody asked for it, it would turn the rule on something else, whatever that is.
pub(super) type Known<'a> = Option<&'a [PathBuf]>;

fn admit(known: Known<'_>, target: &Path) -> Result<(), String> {
    if known.is_none_or(|known| known.iter().any(|link| link == target)) {
        return Ok(());
    }
    Err(format!(
        "a symbolic link to {} is on it now; apply the policy again if that is right",
        target.display()
    ))
}

/// Where a way ends.
enum Way<K> {
    There(Rc<Directory<K>>),
    Missing(Place<K>, Option<String>),
}

/// Walks paths, best in their order: the directory of the last path stays open for the next.
pub(super) struct Walker<K> {
    last: Option<(PathBuf, Rc<Directory<K>>)>,
}

impl<K> Walker<K> {
    pub(super) fn new() -> Self {
        Self { last: None }
    }

    /// Walks an absolute path, as far as it goes.
    pub(super) fn walk(&mut self, path: &str, known: Known<'_>) -> Walked<K> {
        let mut walked = Walked::new();
        if let Err(why) = self.walk_into(&mut walked, path, known) {
            walked.object = None;
            walked.stuck = Some(why);
        }
        walked
    }

    fn walk_into(&mut self, walked: &mut Walked<K>, path: &str, known: Known<'_>) -> Result<(), String> {
        let mut next = PathBuf::from(path);
        for _ in 0..MAX_LINKS {
            let name =
                next.file_name().ok_or("a symbolic link in it ends in `..` or `/`; name the file itself")?;
            let name = name.to_owned();
            let base = next.parent().unwrap_or(Path::new("/")).to_owned();
            let directory = match self.directory(&base, known)? {
                Way::There(directory) => directory,
                Way::Missing(place, why) => {
                    walked.missing = Some(place);
                    return why.map_or(Ok(()), Err);
                }
            };
            walked.links.extend(directory.links.iter().cloned());
            let file = directory.file().ok_or("it has no directory")?;
            let link = readlinkat(file, &name, Vec::new());
            let object = if link.is_ok() { Ok(None) } else { open(file, &name, OFlags::empty()) };
            walked.names.push((directory, name));
            match link {
                Ok(target) => {
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    admit(known, &target)?;
                    next = base.join(&target);
                    walked.links.push(target);
                }
                // Not a link, or nothing there: the names end here.
                Err(Errno::INVAL | Errno::NOENT) => {
                    walked.object = object?;
                    return Ok(());
                }
                Err(errno) => return Err(format!("cannot read it: {errno}")),
            }
        }
        Err(circular())
    }

    fn directory(&mut self, path: &Path, known: Known<'_>) -> Result<Way<K>, String> {
        if let Some((last, directory)) = &self.last
            && last == path
            && directory.links.iter().all(|link| admit(known, link).is_ok())
        {
            return Ok(Way::There(Rc::clone(directory)));
        }
        let way = walk_to(path, known)?;
        if let Way::There(directory) = &way {
            self.last = Some((path.to_owned(), Rc::clone(directory)));
        }
        Ok(way)
    }
}

fn walk_to<K>(path: &Path, known: Known<'_>) -> Result<Way<K>, String> {
    let mut steps = vec![root()?];
    let mut links = Vec::new();
    let mut left: VecDeque<OsString> = path.components().map(owned).collect();
    while let Some(name) = left.pop_front() {
        let here = steps.last().ok_or("it has no beginning")?;
        let next = match name.as_encoded_bytes() {
            b"/" => Ok(Some(Next::Directory(root()?))),
            b"." => continue,
            b".." => {
                let up = open(&here.file, &name, OFlags::DIRECTORY)?.ok_or("a directory vanished")?;
                Ok(Some(Next::Directory(Step { file: up, can_move: false })))
            }
            _ => next(here, &name),
        };
        let why = match next {
            Ok(Some(Next::Directory(step))) => {
                steps.push(step);
                continue;
            }
            Ok(Some(Next::Link(step, target))) => {
                let admitted = if links.len() < MAX_LINKS { admit(known, &target) } else { Err(circular()) };
                match admitted {
                    Ok(()) => {
                        target.components().rev().for_each(|component| left.push_front(owned(component)));
                        links.push(target);
                        // Before the directory it stands in, which is still the place where we are.
                        steps.insert(steps.len() - 1, step);
                        continue;
                    }
                    Err(why) => Some(why),
                }
            }
            Ok(None) => None,
            Err(why) => Some(why),
        };
        let directory = Rc::new(Directory { steps, keys: OnceCell::new(), links });
        return Ok(Way::Missing((directory, name), why));
    }
    Ok(Way::There(Rc::new(Directory { steps, keys: OnceCell::new(), links })))
}

/// What a name on the way is.
enum Next {
    Directory(Step),
    Link(Step, PathBuf),
}

/// Looks at one name; none if it is not there.
fn next(here: &Step, name: &OsStr) -> Result<Option<Next>, String> {
    let Some(file) = open(&here.file, name, OFlags::empty())? else { return Ok(None) };
    match kind(&file)?.0 {
        FileType::Symlink => {
            let target =
                readlinkat(&file, "", Vec::new()).map_err(|errno| format!("cannot read a link: {errno}"))?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            Ok(Some(Next::Link(Step { file, can_move: true }, target)))
        }
        FileType::Directory => {
            // As a directory, so that what is mounted on demand is mounted.
            let Some(file) = open(&here.file, name, OFlags::DIRECTORY)? else { return Ok(None) };
            let (_, is_mount) = kind(&file)?;
            Ok(Some(Next::Directory(Step { file, can_move: !is_mount })))
        }
        _ => Err(format!("{} on the way to it is no directory", name.display())),
    }
}

/// The root of our mount namespace, which nobody can move.
fn root() -> Result<Step, String> {
    let file = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    file.map(|file| Step { file, can_move: false }).map_err(|errno| format!("cannot open /: {errno}"))
}

fn owned(component: Component<'_>) -> OsString {
    component.as_os_str().to_owned()
}

fn kind(file: &OwnedFd) -> Result<(FileType, bool), String> {
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)
        .map_err(|errno| format!("cannot look at its directories: {errno}"))?;
    let is_mount = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Ok((FileType::from_raw_mode(found.stx_mode.into()), is_mount))
}

fn open(directory: &OwnedFd, name: &OsStr, kind: OFlags) -> Result<Option<OwnedFd>, String> {
    match openat(directory, name, kind | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(format!("cannot open {}: {errno}", name.display())),
    }
}

fn circular() -> String {
    format!("it goes through more than {MAX_LINKS} symbolic links")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn walked_with(path: &Path, known: Known<'_>) -> Result<Walked<()>, String> {
        let mut walked = Walker::new().walk(path.to_str().unwrap(), known);
        walked.stuck.take().map_or(Ok(walked), Err)
    }

    fn walked(path: &Path) -> Result<Walked<()>, String> {
        walked_with(path, None)
    }

    fn movable<K>(directory: &Directory<K>) -> usize {
        directory.steps.iter().filter(|step| step.can_move).count()
    }

    /// A scratch directory, and how many directories above its files could move.
    fn scratch() -> (tempfile::TempDir, usize) {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        let above = movable(&walked(&base.path().join("file")).unwrap().names[0].0);
        (base, above)
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let (base, above) = scratch();
        let at = |path: &str| walked(&base.path().join(path)).unwrap();
        assert!(above >= 1, "the scratch directory itself");
        assert!(at("file").object.is_some());
        let absent = at("absent");
        assert!(absent.object.is_none() && absent.missing.is_none());
        assert_eq!(absent.names[0].1, "absent");
        let deeper = at("no/such/directory");
        let (directory, name) = deeper.missing.unwrap();
        assert!(deeper.names.is_empty());
        assert_eq!((name.to_str(), movable(&directory)), (Some("no"), above));
    }

    #[test]
    fn links_on_the_way_and_at_the_end() {
        let (base, above) = scratch();
        let path = |name: &str| base.path().join(name);
        fs::create_dir_all(path("real/deep")).unwrap();
        fs::write(path("real/deep/file"), "").unwrap();
        symlink("real", path("way")).unwrap();
        symlink("../../file", path("real/deep/end")).unwrap();
        // real, deep and the link itself, beside what is above.
        let found = walked(&path("way/deep/file")).unwrap();
        assert_eq!(movable(&found.names[0].0), above + 3);
        let found = walked(&path("way/deep/end")).unwrap();
        let names: Vec<_> = found.names.iter().map(|(_, name)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["end", "file"]);
        assert!(found.object.is_some());
        let links = [PathBuf::from("real"), PathBuf::from("../../file")];
        assert_eq!(found.links[..2], links, "and the first once more, on the way of the second");
        assert!(walked_with(&path("way/deep/end"), Some(&links)).is_ok());
        for known in [&links[..1], &links[1..], &[]] {
            let refused = walked_with(&path("way/deep/end"), Some(known));
            assert!(refused.is_err_and(|why| why.contains("is on it now")), "{known:?}");
        }
        symlink("circle", path("circle")).unwrap();
        assert!(walked(&path("circle")).is_err_and(|why| why.contains("symbolic links")));
        assert!(walked(&path("circle/file")).is_err_and(|why| why.contains("symbolic links")));
        assert!(walked(&path("file/file")).is_err_and(|why| why.contains("no directory")));
        symlink("..", path("up")).unwrap();
        assert!(walked(&path("up")).is_err_and(|why| why.contains("name the file itself")));
    }
}
