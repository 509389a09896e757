//! The survival list: what a daemon puts on it, and whether it is what it should be. Keys are the kernel's own.

use super::run::Loader;
use super::{LoadError, resolve, step};
use aegis_control_api::{API_VERSION, MissingSurvivor, SurvivalReply, Survivor, SurvivorKind};
use aegis_kernel_abi::{
    ObjectKey, Operations, SURVIVAL_CGROUP, SURVIVAL_OBJECT, SURVIVAL_PROCESS, Survival, SurvivalKey,
};
use aegis_probes::{PinDir, Resolver, Survivors, inspect, survivors};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Objects of the survival list beside the executables of PID 1 and the daemon: where a host has its dynamic
/// loader. Without it nothing starts.
const DYNAMIC_LOADERS: [&str; 5] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

const ALL: Survival = Survival { operations: u32::MAX, reserved: 0 };
const RESTART: &str =
    "start the daemon again, which puts on the list what this host has now: `systemctl restart aegisbpf`";
const NEW_TABLE: &str =
    "what is attached goes on deciding; `aegisbpf detach` followed by `aegisbpf run` makes all tables anew";

/// Something that is known to this host, and what its entry should be.
#[derive(Debug)]
struct Known {
    what: &'static str,
    path: Option<String>,
    /// Whether it belongs on the list, or only may be there.
    belongs: bool,
    entry: Result<(SurvivalKey, Survival), LoadError>,
}

impl Known {
    /// To be used, not to be changed: whoever writes to the dynamic loader is not what survival is for. What we may not look
    /// at, such as the executable of a process that has more rights, cannot be listed.
    fn object(resolver: &Resolver, what: &'static str, path: &str) -> Option<Self> {
        let used = Operations::READ | Operations::EXEC | Operations::MAP_EXEC;
        let survival = Survival { operations: used.bits(), reserved: 0 };
        let key = |object| (SurvivalKey { object, kind: SURVIVAL_OBJECT, reserved: 0 }, survival);
        let link = if path.starts_with("/proc/") { fs::read_link(path).ok() } else { None };
        let shown = link.map_or_else(|| path.to_owned(), |link| link.display().to_string());
        let known = |belongs, entry| Some(Self { what, path: Some(shown), belongs, entry });
        match fs::metadata(path) {
            Ok(_) => known(true, resolve::key_of(resolver, Path::new(path)).map(key)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => known(false, Err(LoadError::Unresolved(vec![error.to_string()]))),
        }
    }

    fn cgroup(path: &str) -> Self {
        let entry = resolve::cgroup_id_of(path).map_err(|why| LoadError::Unresolved(vec![why])).map(|ino| {
            let object = ObjectKey { ino, ..ObjectKey::default() };
            (SurvivalKey { object, kind: SURVIVAL_CGROUP, reserved: 0 }, ALL)
        });
        Self { what: "configured cgroup", path: Some(path.to_owned()), belongs: true, entry }
    }

    fn ourselves(resolver: &Resolver) -> Self {
        let process = resolver.process(std::process::id()).map_err(step("find ourselves"));
        let entry = process.map(|process| {
            let object = ObjectKey { ino: process.start_time, dev: process.pid, inode_generation: 0 };
            (SurvivalKey { object, kind: SURVIVAL_PROCESS, reserved: 0 }, ALL)
        });
        Self { what: "the daemon", path: None, belongs: true, entry }
    }
}

/// What the list of any daemon has on this host.
fn of_host(resolver: &Resolver, cgroups: &[String]) -> Vec<Known> {
    let executable = Known::object(resolver, "executable of process 1", "/proc/1/exe");
    let loaders = DYNAMIC_LOADERS.iter().filter_map(|path| Known::object(resolver, "dynamic loader", path));
    executable.into_iter().chain(loaders).chain(cgroups.iter().map(|path| Known::cgroup(path))).collect()
}

/// What the list of this process has, if it is the daemon.
fn of_daemon(resolver: &Resolver, cgroups: &[String]) -> Vec<Known> {
    let executable = Known::object(resolver, "executable of the daemon", "/proc/self/exe");
    let own = [Known::ourselves(resolver)].into_iter().chain(executable);
    own.chain(of_host(resolver, cgroups)).collect()
}

/// The list of this process, if it is the daemon.
///
/// # Errors
/// If something that belongs on it cannot be found.
pub(super) fn entries(
    resolver: &Resolver,
    cgroups: &[String],
) -> Result<Vec<(SurvivalKey, Survival)>, LoadError> {
    of_daemon(resolver, cgroups).into_iter().filter(|known| known.belongs).map(|known| known.entry).collect()
}

impl Loader {
    /// The survival list, and whether it is what this daemon has put there.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub(crate) fn survival(&self) -> Result<SurvivalReply, LoadError> {
        let list = self.probes().survivors().map_err(step("read the survival list"))?;
        let known = of_daemon(self.resolver(), self.survival_cgroups());
        Ok(SurvivalReply {
            daemon: Some(std::process::id()),
            ..judge(&list, &known, &|pid, start| runs(self.resolver(), pid, start), &path_of_cgroup)
        })
    }
}

/// The same from the pins, where no daemon answers. `cgroups` are those that the configuration names.
///
/// # Errors
/// If nothing is armed there, or the kernel refuses.
pub fn survival_from_pins(root: &Path, cgroups: &[String]) -> Result<SurvivalReply, LoadError> {
    let pins = PinDir::new(root);
    let has_daemon = inspect(&pins).map_err(step("read the pins"))?.has_daemon;
    let resolver = Resolver::load().map_err(step("load the resolver"))?;
    let list = match survivors(&pins) {
        Ok(list) => list,
        Err(error) => return Ok(without_table(&step("read the survival list")(error).whole())),
    };
    let mut known = of_host(&resolver, cgroups);
    // Most often the daemon's as well, but nobody here knows.
    let executable = Known::object(&resolver, "this executable", "/proc/self/exe");
    known.extend(executable.map(|known| Known { belongs: false, ..known }));
    let runs = |pid, start| runs(&resolver, pid, start);
    let mut reply = judge(&list, &known, &runs, &path_of_cgroup);
    let alive = |key: &SurvivalKey| key.kind == SURVIVAL_PROCESS && runs(key.object.dev, key.object.ino);
    if has_daemon && !list.keys().any(alive) {
        reply.missing.push(missing("the daemon", None, "it runs, and no process on the list does"));
    }
    Ok(reply)
}

fn runs(resolver: &Resolver, pid: u32, start_time: u64) -> bool {
    resolver.process(pid).is_ok_and(|process| (process.pid, process.start_time) == (pid, start_time))
}

/// Most directories of the hierarchy that are looked at for one cgroup.
const CGROUPS_SEEN: usize = 100_000;

/// Where the cgroup of an id is. Its id is its inode number in the hierarchy.
fn path_of_cgroup(id: u64) -> Option<String> {
    use std::os::unix::fs::DirEntryExt;
    let root = aegis_probes::mount_point("cgroup2")?;
    let mut ahead = vec![root.clone()];
    let mut seen = 0;
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.ino() == id {
                let below = entry.path().strip_prefix(&root).ok()?.display().to_string();
                return Some(format!("/{below}"));
            }
            seen += 1;
            ahead.push(entry.path());
        }
        if seen > CGROUPS_SEEN {
            return None;
        }
    }
    None
}

fn missing(what: &str, path: Option<String>, why: &str) -> MissingSurvivor {
    MissingSurvivor { what: what.to_owned(), path, why: why.to_owned(), remedy: RESTART.to_owned() }
}

fn without_table(why: &str) -> SurvivalReply {
    let table = MissingSurvivor { remedy: NEW_TABLE.to_owned(), ..missing("the table", None, why) };
    SurvivalReply {
        version: API_VERSION,
        daemon: None,
        survivors: Vec::new(),
        missing: vec![table],
        notes: Vec::new(),
    }
}

/// Holds a list against what is known. Pure: `runs` says whether a process does, `path_of` where a cgroup is.
fn judge(
    list: &Survivors,
    known: &[Known],
    runs: &dyn Fn(u32, u64) -> bool,
    path_of: &dyn Fn(u64) -> Option<String>,
) -> SurvivalReply {
    let mut keys: Vec<(&SurvivalKey, &Survival)> = list.iter().collect();
    keys.sort_unstable();
    let mut survivors = vec![process_1()];
    let mut notes: Vec<String> = known.iter().filter_map(unseen).collect();
    for (key, survival) in keys {
        let mut survivor = survivor(key, *survival, known);
        if survivor.what.is_none() {
            notes.push(strange(key, &mut survivor, runs, path_of));
        }
        survivors.push(survivor);
    }
    survivors.sort_by_key(|survivor| survivor.kind);
    let missing = known.iter().filter(|known| known.belongs).filter_map(|known| lacking(list, known));
    SurvivalReply { version: API_VERSION, daemon: None, survivors, missing: missing.collect(), notes }
}

/// It is in the probes, and in no table.
fn process_1() -> Survivor {
    Survivor {
        kind: SurvivorKind::Process,
        key: "1".to_owned(),
        operations: words(u32::MAX),
        what: Some("process 1, in the probes".to_owned()),
        paths: Vec::new(),
    }
}

fn survivor(key: &SurvivalKey, survival: Survival, known: &[Known]) -> Survivor {
    let is_it = |known: &&Known| known.entry.as_ref().is_ok_and(|(of_known, _)| of_known == key);
    let (mut what, mut paths): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for known in known.iter().filter(is_it) {
        if !what.contains(&known.what) {
            what.push(known.what);
        }
        paths.extend(known.path.clone().filter(|path| !paths.contains(path)));
    }
    let (kind, key) = shown(key);
    let what = (!what.is_empty()).then(|| what.join(", "));
    Survivor { kind, key, operations: words(survival.operations), what, paths }
}

fn shown(key: &SurvivalKey) -> (SurvivorKind, String) {
    let ObjectKey { ino, dev, inode_generation } = key.object;
    match key.kind {
        SURVIVAL_PROCESS => (SurvivorKind::Process, format!("{dev}:{ino}")),
        SURVIVAL_CGROUP => (SurvivorKind::Cgroup, format!("cgid:{ino}")),
        _ => {
            let (major, minor) = (dev >> 20, dev & 0xf_ffff);
            (SurvivorKind::Object, format!("{major}:{minor}:{ino}:{inode_generation}"))
        }
    }
}

fn words(operations: u32) -> Vec<String> {
    if operations == u32::MAX {
        return vec!["all".to_owned()];
    }
    Operations::from_bits_truncate(operations).words().map(str::to_owned).collect()
}

/// What is to be said of an entry of which it is not known what it is.
fn strange(
    key: &SurvivalKey,
    survivor: &mut Survivor,
    runs: &dyn Fn(u32, u64) -> bool,
    path_of: &dyn Fn(u64) -> Option<String>,
) -> String {
    let shown = &survivor.key;
    match survivor.kind {
        SurvivorKind::Process if runs(key.object.dev, key.object.ino) => {
            format!("process {shown} runs, and is not the one that answers here: a daemon, if it is one")
        }
        SurvivorKind::Process => format!("process {shown} has ended: it lets nobody through"),
        SurvivorKind::Cgroup => match path_of(key.object.ino) {
            Some(path) => {
                let note = format!("cgroup {shown} ({path}) is not one that is configured");
                survivor.paths.push(path);
                note
            }
            None => format!("cgroup {shown} is gone: it lets nobody through"),
        },
        SurvivorKind::Object => format!(
            "object {shown} is neither a dynamic loader nor an executable that is known here: what one was before it was \
             replaced, or the executable of a daemon that has ended"
        ),
    }
}

/// What is to be said of something that may be on the list and cannot be looked at.
fn unseen(known: &Known) -> Option<String> {
    let error = known.entry.as_ref().err().filter(|_| !known.belongs)?;
    let (what, path) = (known.what, known.path.as_deref().unwrap_or_default());
    Some(format!("{what} cannot be looked at through {path}, so it is not on the list: {}", error.whole()))
}

/// Why something that belongs on the list is not there as it should be.
fn lacking(list: &Survivors, known: &Known) -> Option<MissingSurvivor> {
    let (key, wanted) = match &known.entry {
        Ok(entry) => entry,
        Err(error) => return Some(missing(known.what, known.path.clone(), &error.whole())),
    };
    let why = match list.get(key) {
        None => "is not on the list; if it was replaced or made anew, what it was before is".to_owned(),
        Some(found) => {
            let left = wanted.operations & !found.operations;
            if left == 0 {
                return None;
            }
            format!("is on the list, but not for {}", words(left).join(", "))
        }
    };
    Some(missing(known.what, known.path.clone(), &why))
}

#[cfg(test)]
mod tests;
