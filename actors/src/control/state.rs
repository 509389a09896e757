//! Who may do what, and what a refusal looks like. Pure.

use crate::loader::LoadError;
use crate::local::PolicyError;
use aegis_control_api::{ChildStatus, Gauge, Refusal, RefusalKind};
use aegis_supervisor::Status;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Looks.
    Read,
    /// Changes.
    Change,
}

/// Whether a peer may. The socket's mode lets in only root and the group, so whoever is connected may read.
pub(crate) fn may(access: Access, uid: u32) -> Result<(), Refusal> {
    match (access, uid) {
        (Access::Read, _) | (Access::Change, 0) => Ok(()),
        (Access::Change, _) => Err(Refusal {
            kind: RefusalKind::NotPermitted,
            message: "only root may change what is enforced; try again as root".to_owned(),
        }),
    }
}

/// Refuses a request that is meant for another pin directory. One that names none is meant for whoever answers.
pub(crate) fn other_root(own: &str, meant: Option<&str>) -> Option<Refusal> {
    meant.filter(|meant| *meant != own).map(|meant| Refusal {
        kind: RefusalKind::OtherRoot,
        message: format!(
            "the daemon on this socket is that of {own}, not of {meant}; name the other's with --socket"
        ),
    })
}

/// A refusal out of an error of the loader.
pub(crate) fn refusal(error: &LoadError) -> Refusal {
    let kind = match error {
        LoadError::Unresolved(_) => RefusalKind::Policy,
        LoadError::Kernel { .. } => RefusalKind::Failed,
    };
    Refusal { kind, message: error.whole() }
}

/// A refusal out of an error about policies.
pub(crate) fn policy_refusal(error: &PolicyError) -> Refusal {
    let kind = match error {
        PolicyError::Load(error) => return refusal(error),
        PolicyError::Wrong(_) | PolicyError::Untrusted(_) | PolicyError::UnknownSources => {
            RefusalKind::Policy
        }
        PolicyError::File { .. } => RefusalKind::Failed,
    };
    Refusal { kind, message: error.whole() }
}

/// A part of the daemon in the words of the API.
pub(crate) fn child_status(status: &Status) -> ChildStatus {
    ChildStatus {
        path: status.path.clone(),
        state: status.state.word().to_owned(),
        incarnation: status.incarnation,
        restarts: status.restarts,
        last_exit: status.last_exit.as_ref().map(|exit| exit.word().to_owned()),
        last_exit_detail: status.last_exit.as_ref().map(ToString::to_string),
        heartbeat_age_ms: status
            .silence
            .map(|silence| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX)),
        gauges: status
            .gauges
            .iter()
            .map(|(name, value)| Gauge { name: (*name).to_owned(), value: *value })
            .collect(),
        children: status.children.iter().map(child_status).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_other_pins_are_refused() {
        for (meant, refused) in [(None, false), (Some("/sys/fs/bpf/a"), false), (Some("/sys/fs/bpf/b"), true)]
        {
            assert_eq!(other_root("/sys/fs/bpf/a", meant).is_some(), refused, "{meant:?}");
        }
    }

    #[test]
    fn only_root_changes() {
        for (access, uid, allowed) in [
            (Access::Read, 1000, true),
            (Access::Change, 0, true),
            (Access::Change, 1000, false),
            // What the kernel says of users that this user namespace does not know.
            (Access::Change, 65_534, false),
        ] {
            assert_eq!(may(access, uid).is_ok(), allowed, "{access:?} by {uid:?}");
        }
    }
}
