//! Finds out what the names of a plan are on this host: object keys of paths, slots, ids of cgroups.
//!
//! Paths are opened with `O_PATH`, some hundreds at a time, and the kernel tells the keys of what is open:
//! `stat()` would be wrong on some file systems. The last component may be missing; its directory may not.

use super::LoadError;
use super::state::{Host, Resolution};
use aegis_kernel_abi::{ObjectKey, SlotKey};
use aegis_policy::{CgroupRef, Object, Plan};
use aegis_probes::{Resolver, name_hash};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstatfs, openat, readlinkat};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Paths that are open at the same time. Each needs two descriptors, and one more for each link that it goes
/// through; the usual limit on open files is 1024.
const BATCH: usize = 250;

/// Links that are followed before a path counts as circular, as in the kernel.
const MAX_LINKS: usize = 40;

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

/// Resolves everything that a plan names. All findings are reported, not the first.
pub(crate) fn host(plan: &Plan, resolver: &Resolver, name_key: [u64; 2]) -> Result<Host, LoadError> {
    let mut findings = Vec::new();
    let mut wanted: HashMap<&str, &str> = HashMap::new();
    for rule in plan.rules() {
        for object in rule.objects() {
            if let Object::Path(path) = object {
                wanted.entry(path.as_str()).or_insert(rule.id().as_str());
            }
        }
    }
    let mut sorted: Vec<_> = wanted.into_iter().collect();
    sorted.sort_unstable();
    let mut host = Host { exempt: cgroups(plan, &mut findings), ..Host::default() };
    for batch in sorted.chunks(BATCH) {
        resolve_batch(batch, resolver, name_key, &mut host, &mut findings)?;
    }
    host.executable = executable(resolver)?;
    if findings.is_empty() { Ok(host) } else { Err(LoadError::Unresolved(findings)) }
}

/// Our own executable, as the self-check will meet it.
fn executable(resolver: &Resolver) -> Result<ObjectKey, LoadError> {
    key_of(resolver, Path::new("/proc/self/exe"))
}

/// The object key of what is at a path now.
pub(crate) fn key_of(resolver: &Resolver, path: &Path) -> Result<ObjectKey, LoadError> {
    let unreadable =
        |errno: Errno| LoadError::Unresolved(vec![format!("cannot open {}: {errno}", path.display())]);
    let file = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(unreadable)?;
    let keys = resolver.object_keys(&[file.as_fd()]).map_err(super::step("resolve paths"))?;
    keys.first().copied().ok_or_else(|| unreadable(Errno::NOENT))
}

/// What is open for one path while its keys are asked for.
struct Opened<'a> {
    path: &'a str,
    object: Option<OwnedFd>,
    names: Vec<(OwnedFd, OsString)>,
}

fn resolve_batch(
    batch: &[(&str, &str)],
    resolver: &Resolver,
    name_key: [u64; 2],
    host: &mut Host,
    findings: &mut Vec<String>,
) -> Result<(), LoadError> {
    let mut opened = Vec::with_capacity(batch.len());
    for (path, rule) in batch {
        match open_all(path) {
            Ok(found) => opened.push(found),
            Err(why) => findings.push(format!("rule {rule}: {path}: {why}")),
        }
    }
    let descriptors: Vec<_> = opened
        .iter()
        .flat_map(|found| found.object.iter().chain(found.names.iter().map(|(directory, _)| directory)))
        .map(AsFd::as_fd)
        .collect();
    let keys = resolver.object_keys(&descriptors).map_err(super::step("resolve paths"))?;
    let mut keys = keys.into_iter();
    for found in &opened {
        let object = found.object.as_ref().and_then(|_| keys.next());
        let slot = |(_, name): &(OwnedFd, OsString)| {
            let (parent, hash) = (keys.next()?, name_hash(name_key, name.as_bytes())?);
            Some(SlotKey { parent, name_hash: hash })
        };
        let slots = found.names.iter().filter_map(slot).collect();
        host.paths.insert(found.path.to_owned(), Resolution { object, slots });
    }
    Ok(())
}

/// Opens what is at a path, and each directory in which one of its names stands: the path's own, and where that
/// is a symbolic link, those it leads through.
fn open_all(path: &str) -> Result<Opened<'_>, String> {
    let mut names = Vec::new();
    let mut next = PathBuf::from(path);
    for _ in 0..MAX_LINKS {
        let (directory, name) = open_parent(&next)?;
        let link = readlinkat(&directory, &name, Vec::new());
        let base = next.parent().unwrap_or(Path::new("/")).to_owned();
        names.push((directory, name));
        match link {
            Ok(target) => next = base.join(OsString::from_vec(target.into_bytes())),
            // Not a link, or nothing there: the names end here.
            Err(Errno::INVAL | Errno::NOENT) => {
                let object = open_object(&next)?;
                return Ok(Opened { path, object, names });
            }
            Err(errno) => return Err(format!("cannot read it: {errno}")),
        }
    }
    Err(format!("it goes through more than {MAX_LINKS} symbolic links"))
}

fn open_parent(path: &Path) -> Result<(OwnedFd, OsString), String> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = last_name(path).ok_or("a symbolic link in it ends in `..` or `/`; name the file itself")?;
    let directory = openat(CWD, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let directory = directory.map_err(|errno| match errno {
        Errno::NOENT => format!("its directory {} does not exist; create it first", parent.display()),
        errno => format!("cannot open its directory {}: {errno}", parent.display()),
    })?;
    refuse_fleeting(&directory)?;
    Ok((directory, name.to_owned()))
}

fn last_name(path: &Path) -> Option<&OsStr> {
    path.file_name()
}

fn open_object(path: &Path) -> Result<Option<OwnedFd>, String> {
    match openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(object) => refuse_fleeting(&object).map(|()| Some(object)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(format!("cannot open it: {errno}")),
    }
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

fn cgroups(plan: &Plan, findings: &mut Vec<String>) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for cgroup in plan.exempt() {
        match cgroup_id(cgroup) {
            Ok(id) => {
                ids.insert(id);
            }
            Err(why) => findings.push(format!("[exempt] {why}")),
        }
    }
    ids
}

fn cgroup_id(cgroup: &CgroupRef) -> Result<u64, String> {
    match cgroup {
        CgroupRef::Id(id) => Ok(*id),
        CgroupRef::Path(path) => cgroup_id_of(path),
    }
}

/// The id of a cgroup by its path below the version 2 hierarchy: its inode number there.
pub(crate) fn cgroup_id_of(path: &str) -> Result<u64, String> {
    let root = aegis_probes::mount_point("cgroup2").ok_or("cgroup version 2 is not mounted on this host")?;
    let full = root.join(path.trim_start_matches('/'));
    rustix::fs::statat(CWD, &full, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| stat.st_ino)
        .map_err(|errno| format!("cgroup {path}: cannot find {}: {errno}", full.display()))
}
