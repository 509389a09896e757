//! Which container a cgroup belongs to.
//!
//! By the names that container runtimes give cgroups; it asks no runtime. What a container makes below its own cgroup does
//! not count, as the name nearest to the root does.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Digits of the id of a container.
const DIGITS: usize = 64;
/// What stands before the id in the names that runtimes make for systemd.
const BEFORE: [&str; 6] = ["docker-", "cri-containerd-", "crio-", "libpod-", "cri-o-", "nerdctl-"];
/// Below which names a bare id is one of a container.
const ABOVE: [&str; 5] = ["docker", "kubepods", "containerd", "crio", "libpod_parent"];
/// The most cgroups that are known at once: a host has some hundreds. When there are more, those deepest down are not.
const CGROUPS: usize = 8_192;
/// How often all cgroups are looked at anew, at most.
const LOOK: Duration = Duration::from_secs(1);

/// The id of the container that a cgroup belongs to, by its path from the root of the hierarchy on.
pub(crate) fn container_id(path: &str) -> Option<&str> {
    let mut is_below = false;
    for component in path.split('/') {
        if let Some(id) = named(component) {
            return Some(id);
        }
        if is_below && is_id(component) {
            return Some(component);
        }
        let is_above = |name: &str| {
            let rest = component.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        };
        is_below = is_below || ABOVE.iter().any(|name| is_above(name));
    }
    None
}

/// The id in the name of a cgroup that says of which runtime it is.
fn named(component: &str) -> Option<&str> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let prefixed = || BEFORE.iter().find_map(|before| name.strip_prefix(before));
    // `kubepods-besteffort-pod1.slice:cri-containerd:ID`, where the runtime was told of systemd and does not use it.
    let listed = || match name.rsplit_once(':') {
        Some((before, id)) if before.contains(':') => Some(id),
        _ => None,
    };
    prefixed().or_else(listed).filter(|id| is_id(id))
}

fn is_id(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The containers of cgroups, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    known: HashMap<u64, Option<Box<str>>>,
    looked: Option<Instant>,
}

impl Containers {
    /// The container that a cgroup belongs to; `None` if to none, or the cgroup is not known.
    pub(crate) fn of(&mut self, cgroup: u64) -> Option<String> {
        if !self.known.contains_key(&cgroup) && self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            if let Some(root) = aegis_probes::mount_point("cgroup2") {
                self.look(&root, CGROUPS);
            }
        }
        self.known.get(&cgroup)?.as_deref().map(str::to_owned)
    }

    /// Looks at all cgroups, those nearest to the root first. What is known of those that are gone stays while there is
    /// room.
    fn look(&mut self, root: &Path, most: usize) {
        let mut found: HashMap<u64, Option<Box<str>>> = HashMap::new();
        let mut next: VecDeque<(PathBuf, String)> = VecDeque::from([(root.to_owned(), String::new())]);
        while let Some((directory, path)) = next.pop_front() {
            // One that is gone meanwhile has nothing below it.
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                if found.len() >= most {
                    self.known = found;
                    return;
                }
                let path = format!("{path}/{}", entry.file_name().to_string_lossy());
                found.insert(entry.ino(), container_id(&path).map(Into::into));
                next.push_back((entry.path(), path));
            }
        }
        if self.known.len().saturating_add(found.len()) > most {
            self.known.clear();
        }
        self.known.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn names_of_runtimes() {
        let id = "0123456789abcdef".repeat(4);
        let other = "f".repeat(64);
        let forms = [
            format!("/system.slice/docker-{id}.scope"),
            format!("/docker/{id}"),
            format!("/docker/{id}/init.scope"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/crio-{id}.scope"),
            format!("/kubepods/besteffort/pod0f/{id}"),
            format!("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{id}"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope"),
            format!("/libpod_parent/libpod-{id}"),
            // What a container makes below itself is not another one.
            format!("/system.slice/docker-{id}.scope/docker-{other}.scope"),
        ];
        for form in &forms {
            assert_eq!(container_id(form), Some(id.as_str()), "{form}");
        }
        let none = [
            String::new(),
            "/".to_owned(),
            "/system.slice/docker.service".to_owned(),
            format!("/{id}"),
            format!("/system.slice/{id}"),
            format!("/machine.slice/libpod-conmon-{id}.scope"),
            format!("/system.slice/docker-{}.scope", &id[1..]),
            format!("/system.slice/docker-{id}0.scope"),
            format!("/dockerish/{id}"),
            format!("/docker/{}", id.to_uppercase()),
            format!("/a/x:{id}"),
        ];
        for form in &none {
            assert_eq!(container_id(form), None, "{form}");
        }
    }

    #[test]
    fn cgroups_are_found_by_their_ids_within_the_bound() {
        let id = "a".repeat(64);
        let root = std::env::temp_dir().join(format!("aegis-containers-{}", std::process::id()));
        let deep = root.join(format!("docker/{id}"));
        fs::create_dir_all(&deep).unwrap();
        let mut containers = Containers { looked: Some(Instant::now()), ..Containers::default() };
        containers.look(&root, 8);
        let ino = fs::metadata(&deep).unwrap().ino();
        assert_eq!(containers.of(ino), Some(id.clone()));
        assert_eq!(containers.of(fs::metadata(root.join("docker")).unwrap().ino()), None);
        assert_eq!(containers.of(u64::MAX), None);
        fs::remove_dir(&deep).unwrap();
        containers.look(&root, 8);
        assert_eq!(containers.of(ino), Some(id), "it is gone, and what happened in it is told later");
        containers.look(&root, 1);
        assert_eq!((containers.known.len(), containers.of(ino)), (1, None));
        fs::remove_dir_all(&root).unwrap();
    }
}
