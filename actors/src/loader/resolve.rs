//! Finds out what the names of a plan are on this host: object keys of paths, slots, ids of cgroups.
//!
//! Paths are opened with `O_PATH`, some hundreds at a time, and the kernel tells the keys of what is open:
//! `stat()` would be wrong on some file systems. Components may be missing.

use super::LoadError;
use super::paths::{Paths, wanted};
use super::state::{Host, Resolution};
use super::subjects::subjects;
use super::walk::{Directory, Place, Walked, Walker};
use aegis_kernel_abi::{ObjectKey, SlotKey};
use aegis_policy::{CgroupRef, Plan, Subject};
use aegis_probes::{Resolver, name_hash};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Descriptors that are open before the kernel is asked what they are. The usual limit is 1024; one more path, with
/// all directories on its way, must still fit.
const DESCRIPTORS: usize = 500;

/// File systems on which an inode's number and generation last as long as the file does. Others (FUSE, NFS,
/// vfat, proc …) give the same file another identity later, so that a rule would silently lose it.
const LASTING: [(u64, &str); 11] = [
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0xF2F5_2010, "f2fs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
    (0x794C_7630, "overlayfs"),
    (0x7371_7368, "squashfs"),
    (0xE0F5_E1E2, "erofs"),
    (0x9660, "iso9660"),
    (0x6265_6572, "sysfs"),
];

/// Resolves everything that a plan names. With what was found `earlier`, symbolic links are followed only as they were
/// then. Paths that lead nowhere are part of the result: whether that is an error the caller knows.
pub(crate) fn host(
    plan: &Plan,
    resolver: &Resolver,
    name_key: [u64; 2],
    earlier: Option<&Paths>,
) -> Result<Host, LoadError> {
    let mut findings = Vec::new();
    let wanted = wanted(plan);
    let mut host = Host { paths: Paths::of(&wanted), ..Host::default() };
    cgroups(plan, &mut host, &mut findings);
    conditions(plan, &mut host, &mut findings);
    let mut walker = Walker::new();
    let mut batch = Batch::default();
    for (path, rule) in &wanted.paths {
        let known = earlier.map(|earlier| earlier.get(path).map_or(&[][..], |found| found.links.as_slice()));
        let mut walked = walker.walk(path, known);
        leave_out_fleeting(&mut walked);
        if let Some(why) = &walked.stuck {
            host.stuck.push(format!("rule {rule}: {path}: {why}"));
        }
        batch.add(path, walked);
        if batch.descriptors >= DESCRIPTORS {
            std::mem::take(&mut batch).resolve(resolver, name_key, &mut host)?;
        }
    }
    batch.resolve(resolver, name_key, &mut host)?;
    if findings.is_empty() { Ok(host) } else { Err(LoadError::Unresolved(findings)) }
}

/// The object key of what is at a path now.
pub(crate) fn key_of(resolver: &Resolver, path: &Path) -> Result<ObjectKey, LoadError> {
    let unreadable =
        |errno: Errno| LoadError::Unresolved(vec![format!("cannot open {}: {errno}", path.display())]);
    let file = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(unreadable)?;
    let keys = resolver.object_keys(&[file.as_fd()]).map_err(super::step("resolve paths"))?;
    keys.first().copied().ok_or_else(|| unreadable(Errno::NOENT))
}

/// Keys of the steps to a directory.
#[derive(Debug)]
struct Keys {
    /// Its own.
    own: ObjectKey,
    /// Those of all that could move.
    anchors: Arc<[ObjectKey]>,
}

/// Paths that have been walked, and whose keys are asked for together.
#[derive(Default)]
struct Batch<'a> {
    walked: Vec<(&'a str, Walked<Keys>)>,
    descriptors: usize,
}

impl<'a> Batch<'a> {
    fn add(&mut self, path: &'a str, walked: Walked<Keys>) {
        let fresh = places(&walked).filter(|(directory, _)| directory.keys.get().is_none());
        // A directory that several paths share is counted for each: that errs towards small batches.
        let mut last: Option<&Rc<Directory<Keys>>> = None;
        for (directory, _) in fresh {
            let again = self.walked.last().and_then(|(_, before)| before.names.first());
            let same = |other: &Rc<Directory<Keys>>| Rc::ptr_eq(other, directory);
            if !last.is_some_and(same) && !again.is_some_and(|(before, _)| same(before)) {
                self.descriptors += directory.steps.len();
            }
            last = Some(directory);
        }
        self.descriptors += usize::from(walked.object.is_some());
        self.walked.push((path, walked));
    }

    fn resolve(self, resolver: &Resolver, name_key: [u64; 2], host: &mut Host) -> Result<(), LoadError> {
        let mut directories: Vec<&Rc<Directory<Keys>>> = Vec::new();
        for (directory, _) in self.walked.iter().flat_map(|(_, walked)| places(walked)) {
            let known = directory.keys.get().is_some()
                || directories.last().is_some_and(|last| Rc::ptr_eq(last, directory));
            if !known {
                directories.push(directory);
            }
        }
        let steps = directories.iter().flat_map(|directory| &directory.steps).map(|step| step.file.as_fd());
        let objects = self.walked.iter().filter_map(|(_, walked)| walked.object.as_ref()).map(AsFd::as_fd);
        let descriptors: Vec<_> = steps.chain(objects).collect();
        let keys = resolver.object_keys(&descriptors).map_err(super::step("resolve paths"))?;
        let mut keys = keys.into_iter();
        for directory in directories {
            let of_steps: Vec<_> = directory.steps.iter().zip(&mut keys).collect();
            let own = of_steps.last().map(|(_, key)| *key).unwrap_or_default();
            let anchors = of_steps.iter().filter(|(step, _)| step.can_move).map(|(_, key)| *key).collect();
            // Set already if the directory came twice, with the same keys.
            let _ = directory.keys.set(Keys { own, anchors });
        }
        for (path, walked) in &self.walked {
            let objects = walked.object.as_ref().and_then(|_| keys.next()).into_iter().collect();
            let slots = walked.names.iter().filter_map(|place| slot(place, name_key)).collect();
            let anchors = places(walked).filter_map(|(directory, _)| directory.keys.get());
            let anchors = anchors.map(|keys| Arc::clone(&keys.anchors)).collect();
            let missing = walked.missing.as_ref().and_then(|place| slot(place, name_key));
            let (links, stuck) = (walked.links.clone(), walked.stuck.clone());
            let is_there = walked.object.is_some() || stuck.is_some();
            let found = Resolution { objects, slots, anchors, missing, links, stuck, is_there };
            host.paths.push(path, found);
        }
        Ok(())
    }
}

/// All names of a path, with the directories they stand in.
fn places<K>(walked: &Walked<K>) -> impl Iterator<Item = &Place<K>> {
    walked.names.iter().chain(&walked.missing)
}

fn slot((directory, name): &Place<Keys>, name_key: [u64; 2]) -> Option<SlotKey> {
    let parent = directory.keys.get()?.own;
    Some(SlotKey { parent, name_hash: name_hash(name_key, name.as_bytes())? })
}

/// Leaves out what is on file systems on which an identity does not last, and says so.
fn leave_out_fleeting(walked: &mut Walked<Keys>) {
    let mut why = None;
    let mut lasts = |(directory, _): &Place<Keys>| {
        // The keys of a directory are known if an earlier path came through it, and was looked at then.
        let depended_on = directory.steps.iter().filter(|step| step.can_move).map(|step| &step.file);
        let fleeting = depended_on.chain(directory.file()).find_map(|file| refuse_fleeting(file).err());
        let fleeting = if directory.keys.get().is_some() { None } else { fleeting };
        let lasts = fleeting.is_none();
        why = why.take().or(fleeting);
        lasts
    };
    walked.names.retain(&mut lasts);
    walked.missing.take_if(|place| !lasts(place));
    let fleeting = walked.object.as_ref().and_then(|object| refuse_fleeting(object).err());
    if fleeting.is_some() {
        walked.object = None;
    }
    walked.stuck = walked.stuck.take().or(why).or(fleeting);
}

fn refuse_fleeting(on: &OwnedFd) -> Result<(), String> {
    let stat = fstatfs(on).map_err(|errno| format!("cannot find out its file system: {errno}"))?;
    // The magic is a 32-bit number in a wider, signed field.
    let magic = u64::try_from(stat.f_type).unwrap_or(0) & 0xffff_ffff;
    if LASTING.iter().any(|(known, _)| *known == magic) {
        return Ok(());
    }
    let known: Vec<_> = LASTING.iter().map(|(_, name)| *name).collect();
    Err(format!(
        "its file system (magic {magic:#x}) gives files no lasting identity; rules work on {}",
        known.join(", ")
    ))
}

/// Finds the exempt cgroups. One that is not there yet, as its service has not started, excepts nobody until it is:
/// a host must not go without its rules because of an exception from them.
fn cgroups(plan: &Plan, host: &mut Host, findings: &mut Vec<String>) {
    for cgroup in plan.exempt() {
        match cgroup {
            CgroupRef::Id(id) => {
                host.exempt.insert(*id);
            }
            CgroupRef::Path(path) => match find_cgroup(path) {
                Ok(Some(id)) => {
                    host.exempt.insert(id);
                }
                Ok(None) => host.pending_exempt.push(path.clone()),
                Err(why) => findings.push(format!("[exempt] {why}")),
            },
        }
    }
}

/// Finds the cgroups and namespaces that conditions name. A cgroup that is not there has nobody in it.
fn conditions(plan: &Plan, host: &mut Host, findings: &mut Vec<String>) {
    let named = plan
        .rules()
        .iter()
        .flat_map(|rule| subjects(plan, rule).flat_map(Subject::cgroup).map(move |cgroup| (rule, cgroup)));
    for (rule, cgroup) in named {
        let CgroupRef::Path(path) = cgroup else { continue };
        if host.cgroups.contains_key(path) {
            continue;
        }
        match find_cgroup(path) {
            Ok(Some(id)) => _ = host.cgroups.insert(path.clone(), id),
            Ok(None) => {}
            Err(why) => findings.push(format!("rule {}: {why}", rule.id())),
        }
    }
    let by_namespace = plan.rules().iter().flat_map(|rule| subjects(plan, rule));
    if by_namespace.flat_map(Subject::namespaces).all(BTreeSet::is_empty) {
        return;
    }
    for (number, kind) in host.namespaces.iter_mut().zip(["user", "pid", "mnt"]) {
        match namespace_of_the_host(kind) {
            Ok(found) => *number = found,
            Err(why) => findings.push(why),
        }
    }
}

/// The number of a namespace in which the first process is.
fn namespace_of_the_host(kind: &str) -> Result<u32, String> {
    let path = format!("/proc/1/ns/{kind}");
    let link = std::fs::read_link(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let text = link.to_string_lossy();
    let number = text.trim_start_matches(kind).trim_start_matches(":[").trim_end_matches(']').parse();
    number.map_err(|_| format!("{path} is {text}, which names no namespace"))
}

/// The id of a cgroup by its path below the version 2 hierarchy: its inode number there. None if it is not there.
fn find_cgroup(path: &str) -> Result<Option<u64>, String> {
    let root = aegis_probes::mount_point("cgroup2").ok_or("cgroup version 2 is not mounted on this host")?;
    let full = root.join(path.trim_start_matches('/'));
    match rustix::fs::statat(CWD, &full, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat.st_ino)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(format!("cgroup {path}: cannot look at {}: {errno}", full.display())),
    }
}

/// The id of a cgroup that must be there.
pub(crate) fn cgroup_id_of(path: &str) -> Result<u64, String> {
    find_cgroup(path)?
        .ok_or_else(|| format!("cgroup {path}: there is no such cgroup; make it first, or start its service"))
}
