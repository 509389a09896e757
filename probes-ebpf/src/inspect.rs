//! What can be seen and done with nothing but the pins: status without a daemon, and the way down.

use crate::accounts::{Accounts, sum};
use crate::error::{Error, call, call_path};
use crate::generation::Generations;
use crate::object::{arming_id, kind_of, read_identity};
use crate::pins::{Lock, PinDir};
use crate::sys;
use aegis_kernel_abi::{ABI_VERSION, Active, Counters, GenerationInfo, Hook, Kind, Operations};
use aya_obj::generated::{bpf_link_info, bpf_prog_info};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A link that enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    /// Where it is attached.
    pub hook: Hook,
    /// The kernel's id of the link.
    pub link_id: u32,
    /// The kernel's id of its program.
    pub program_id: u32,
    /// Runs that the kernel left out because the program was running on that CPU already. Must stay 0: each
    /// would be a request that nobody decided.
    pub recursion_misses: u64,
    /// Runs of the program that the kernel has counted: it counts while `kernel.bpf_stats_enabled` is 1.
    pub run_count: u64,
    /// How long those took, in nanoseconds.
    pub run_time_ns: u64,
    /// Instructions that the verifier looked at before it took the program, each as often as it came by. It gives up at a
    /// million.
    pub verified_instructions: u32,
}

/// What the pins say.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Which generation is in force.
    pub active: Active,
    /// What it is; `None` before the first.
    pub info: Option<GenerationInfo>,
    /// Its rules' ids by number, and what each asks for.
    pub rules: Vec<(String, Operations)>,
    /// Names the arming.
    pub arming: String,
    /// The links.
    pub links: Vec<LinkInfo>,
    /// The counters of all CPUs.
    pub counters: Counters,
    /// Which kind of probes is loaded.
    pub kind: Kind,
    /// Whether a daemon holds the lock.
    pub has_daemon: bool,
}

/// Reads the pins; changes nothing.
///
/// # Errors
/// If nothing is armed there, or by another version.
pub fn inspect(pins: &PinDir) -> Result<Inspection, Error> {
    if !pins.is_armed() {
        return Err(Error::NotArmed(pins.root().to_owned()));
    }
    let identity = read_identity(pins)?.filter(|identity| identity.abi_version == ABI_VERSION);
    let known = identity.and_then(|identity| Some((kind_of(&identity)?, identity.name_key)));
    let Some((kind, name_key)) = known else {
        return Err(Error::OtherVersion { path: pins.root().to_owned(), what: "the version of the ABI" });
    };
    let generations = Generations::open(pins)?;
    let active = generations.active();
    let links =
        Hook::ALL.iter().filter_map(|hook| link_info(pins, *hook).transpose()).collect::<Result<_, _>>()?;
    Ok(Inspection {
        active,
        info: generations.info(active.generation)?,
        rules: generations.asked(active.generation)?,
        arming: arming_id(name_key),
        links,
        kind,
        counters: sum(&Accounts::open(pins)?.counters()?),
        has_daemon: pins.is_locked()?,
    })
}

/// The link of a hook, if it is pinned.
pub(crate) fn link_info(pins: &PinDir, hook: Hook) -> Result<Option<LinkInfo>, Error> {
    let path = pins.link(hook);
    if !path.exists() {
        return Ok(None);
    }
    let link = sys::open_pin(&path).map_err(call_path("open", &path))?;
    let info: bpf_link_info = sys::describe(link.as_fd()).map_err(call_path("describe", &path))?;
    // Not by its pin, which somebody may have removed: the link decides all the same, and must be seen and taken down.
    let program = sys::program_by_id(info.prog_id).map_err(call("open the program of", hook.word()))?;
    let described: bpf_prog_info = sys::describe(program.as_fd()).map_err(call("describe", hook.word()))?;
    Ok(Some(LinkInfo {
        hook,
        link_id: info.id,
        program_id: info.prog_id,
        recursion_misses: described.recursion_misses,
        run_count: described.run_cnt,
        run_time_ns: described.run_time_ns,
        verified_instructions: described.verified_insns,
    }))
}

/// How long links may take to end once their pins are gone: the kernel frees them after a grace period.
const LINKS_END: Duration = Duration::from_secs(10);

/// How long programs may take to end after their links. A link gives up its id a moment before it detaches its
/// program, and the program itself after that, so the end of the program is the end of its decisions. The kernel
/// detaches them one after the other, with grace periods for each: a busy machine takes several seconds for all.
const PROGRAMS_END: Duration = Duration::from_secs(30);

/// Takes everything down: removes the links' pins, waits until they no longer decide, removes the rest. Returns
/// the links that ended.
///
/// # Errors
/// If a pin cannot be removed, or a link or program lives on because somebody else holds it: then it may still
/// decide, although its pin is gone.
pub fn take_down(pins: &PinDir, _lock: &Lock) -> Result<Vec<LinkInfo>, Error> {
    let links: Vec<LinkInfo> =
        Hook::ALL.iter().filter_map(|hook| link_info(pins, *hook).transpose()).collect::<Result<_, _>>()?;
    let pinned = Hook::ALL.iter().filter_map(|hook| program_id(pins, *hook).transpose());
    let mut programs: Vec<(Hook, u32)> = pinned.collect::<Result<_, _>>()?;
    programs.extend(links.iter().map(|link| (link.hook, link.program_id)));
    pins.remove_links()?;
    let link_ids: Vec<_> = links.iter().map(|link| (link.hook, link.link_id)).collect();
    all_gone("link", &link_ids, LINKS_END, sys::link_exists)?;
    pins.remove_contents()?;
    all_gone("program", &programs, PROGRAMS_END, sys::program_exists)?;
    pins.remove_root()?;
    Ok(links)
}

fn program_id(pins: &PinDir, hook: Hook) -> Result<Option<(Hook, u32)>, Error> {
    let path = pins.program(hook);
    if !path.exists() {
        return Ok(None);
    }
    let program = sys::open_pin(&path).map_err(call_path("open", &path))?;
    let info: bpf_prog_info = sys::describe(program.as_fd()).map_err(call_path("describe", &path))?;
    Ok(Some((hook, info.id)))
}

fn all_gone(
    what: &str,
    ids: &[(Hook, u32)],
    within: Duration,
    exists: fn(u32) -> std::io::Result<bool>,
) -> Result<(), Error> {
    for (hook, id) in ids {
        let object = format!(
            "{what} {id} on {}: it has not ended; if another process holds it, it may still decide",
            hook.word()
        );
        if !gone(within, || exists(*id)).map_err(call("look for", &object))? {
            return Err(call("end", object)(std::io::Error::from(std::io::ErrorKind::ResourceBusy)));
        }
    }
    Ok(())
}

/// Waits until something no longer exists. False if it still does at the end of that time.
fn gone(within: Duration, exists: impl Fn() -> std::io::Result<bool>) -> std::io::Result<bool> {
    let deadline = Instant::now() + within;
    while exists()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}
