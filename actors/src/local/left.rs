//! What can be told of the policy in force without a daemon: the kernel decides by it, and the state directory knows where it
//! came from. Nothing is changed.

use super::PolicyError;
use super::candidate::unix_seconds;
use super::files::{StateDirectory, failed};
use super::history::{History, InForce};
use super::vouch::newest;
use crate::loader::{policy_from_pins, step};
use aegis_control_api::PolicyReply;
use aegis_probes::{PinDir, accepted};
use std::path::Path;

/// The policy in force, from the pins, and how it came into force, as far as the state directory knows; with why it cannot be
/// read, if it cannot: what is in force is known all the same.
///
/// # Errors
/// If nothing is armed there.
pub fn policy_as_left(
    bpffs_root: &Path,
    state_directory: &Path,
) -> Result<(PolicyReply, Option<PolicyError>), PolicyError> {
    let (mut reply, arming) = policy_from_pins(bpffs_root)?;
    let Some(generation) = &reply.generation else { return Ok((reply, None)) };
    let plan_digest = generation.plan_digest.clone();
    let in_force = InForce { arming, generation: generation.generation, plan_digest };
    let directory = StateDirectory::new(state_directory.to_owned());
    let path = directory.history();
    let history = directory.read_history().map_err(failed("read the history", &path));
    let read = history.and_then(|mut history| {
        // A daemon that ended meanwhile did not write what became of it.
        let settled = history.settled(&in_force);
        history.add(&settled);
        add_origin(&mut reply, &history, &in_force);
        let kernel = accepted(&PinDir::new(bpffs_root)).map_err(step("read the newest signed policy"))?;
        reply.highest_serial = newest(kernel, directory.read_accepted()?).serial;
        Ok(())
    });
    Ok((reply, read.err()))
}

/// Says how it came into force, and whether it has expired.
pub(super) fn add_origin(reply: &mut PolicyReply, history: &History, in_force: &InForce) {
    reply.entry = history.of(in_force).cloned();
    let expires = reply.entry.as_ref().and_then(|entry| entry.expires);
    reply.expired = expires.filter(|at| *at <= unix_seconds()).map(aegis_policy::moment);
}
