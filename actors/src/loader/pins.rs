//! What can be done without a daemon: status, policy and detach from the pins alone.

use super::run::{Loader, LoaderSettings};
use super::state::{classes, generation_status, notice, unseen};
use super::state::{counts, link_status};
use super::{LoadError, accounts, step};
use aegis_control_api::{API_VERSION, AccountsReply, DetachReply, Memory, PendingRule, PolicyReply, Status};
use aegis_kernel_abi::Mode;
use aegis_probes::{
    Accounts, Error, EventRing, Generations, PinDir, Pinned, TestSettings, examine, inspect, take_down,
};
use std::path::Path;

/// The policy in force, and what names the arming.
///
/// # Errors
/// If nothing is armed there.
pub(crate) fn policy_from_pins(root: &Path) -> Result<(PolicyReply, String), LoadError> {
    let failed = || step("read the pins");
    let pins = PinDir::new(root);
    let found = inspect(&pins).map_err(failed())?;
    let generation = found.info.as_ref().map(generation_status);
    let pending = Generations::open(&pins).and_then(|all| all.pending_rules(found.active.generation));
    let pending = pending.map_err(failed())?.into_iter().map(|rule| PendingRule { rule, paths: Vec::new() });
    let reply = PolicyReply {
        version: API_VERSION,
        generation,
        rules: found.rules.into_iter().map(|(id, _)| id).collect(),
        pending: pending.collect(),
        ..PolicyReply::default()
    };
    Ok((reply, found.arming))
}

/// What became of every decision that was to be reported. Needs no lock: a daemon may be at work.
///
/// # Errors
/// If nothing is armed there.
pub fn accounts_from_pins(root: &Path) -> Result<AccountsReply, LoadError> {
    let pins = PinDir::new(root);
    // Says if nothing is armed, or another version.
    inspect(&pins).map_err(step("read the pins"))?;
    let generations = Generations::open(&pins).map_err(step("read the pins"))?;
    accounts::read(&Accounts::open(&pins).map_err(step("read the pins"))?, &generations, None)
}

/// The status. What is attached is proven by a self-check, as the daemon would, which needs its lock.
///
/// # Errors
/// If nothing is armed there, or a daemon is running after all.
pub fn status_from_pins(root: &Path) -> Result<Status, LoadError> {
    let found = inspect(&PinDir::new(root)).map_err(step("read the pins"))?;
    // Adopting changes nothing: the probes are there, and the ring is not read.
    let settings = LoaderSettings {
        bpffs_root: root.to_owned(),
        mode: Mode::Enforce,
        signal: 0,
        ring_bytes: 0,
        fallback: true,
        survival_cgroups: None,
        test: TestSettings::default(),
        witness: super::Witness::default(),
    };
    let loader = Loader::open(settings)?;
    Ok(Status {
        version: API_VERSION,
        daemon: None,
        bpffs_root: root.display().to_string(),
        generation: found.info.as_ref().map(generation_status),
        classes: loader.classes()?,
        links: found.links.iter().map(link_status).collect(),
        counts: counts(&found.counters),
        pending: loader.pending()?,
        memory: Memory { tables_bytes: loader.tables_memory()?, ..Memory::default() },
        probes: found.kind.word().to_owned(),
        notice: notice(found.kind),
        unseen: unseen(found.kind, &found.rules),
    })
}

/// Whether everything is pinned that what is in force needs; `None` if nothing is. Needs no lock.
///
/// # Errors
/// If the pins cannot be looked at, are others', or those of another version.
pub fn examine_pins(root: &Path) -> Result<Option<Pinned>, LoadError> {
    examine(&PinDir::new(root), classes).map_err(step("read the pins"))
}

/// Takes everything down. Events that nobody has read are counted.
///
/// # Errors
/// If nothing is armed there, a daemon is running, or a link lives on.
pub fn detach_pins(root: &Path) -> Result<DetachReply, LoadError> {
    let failed = || step("take down what is armed");
    if !root.is_dir() {
        return Err(failed()(Error::NotArmed(root.to_owned())));
    }
    let pins = PinDir::new(root);
    let lock = pins.lock().map_err(failed())?;
    // A ring that cannot be read is no reason to stay up.
    let ring = EventRing::open(&pins).ok();
    let links = take_down(&pins, &lock).map_err(failed())?;
    let undelivered = ring.map_or(0, |mut ring| {
        let mut count = 0;
        while ring.next(|_| ()).is_some() {
            count += 1;
        }
        count
    });
    Ok(DetachReply { version: API_VERSION, links: links.iter().map(link_status).collect(), undelivered })
}
