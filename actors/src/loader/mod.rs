//! Puts policies in force: resolves a plan on this host, stages it, proves it, flips it in.
//!
//! Any failure leaves the generation in force untouched, and says in which step it happened.

mod accounts;
mod actor;
mod holders;
mod look;
mod names;
mod paths;
mod pins;
mod read;
mod resolve;
mod run;
mod state;
mod stopwatch;
mod subjects;
mod survival;
mod walk;

pub(crate) use actor::{LoaderChild, LoaderRef};
pub use names::RuleNames;
pub(crate) use pins::policy_from_pins;
pub use pins::{accounts_from_pins, detach_pins, examine_pins, status_from_pins};
pub use run::{Loader, LoaderSettings};
pub use state::{counts, link_status};
pub use survival::survival_from_pins;

pub(crate) use state::hex;
pub use stopwatch::Witness;
pub(crate) use stopwatch::{Stopwatch, log};

use aegis_probes::Error as ProbeError;

/// Why a policy was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The policy cannot be resolved on this host. Each finding names the rule, the cause and the remedy.
    #[error("{}", .0.join("\n"))]
    Unresolved(Vec<String>),
    /// The kernel could not do it, or what it did is not what was meant.
    #[error("cannot {step}")]
    Kernel {
        /// The step that failed.
        step: &'static str,
        /// Why.
        source: ProbeError,
    },
}

impl LoadError {
    /// Whether the kernel refuses LSM programs altogether, or does not call them: nothing can be enforced then.
    #[must_use]
    pub fn is_lsm_refused(&self) -> bool {
        matches!(
            self,
            Self::Kernel {
                source: ProbeError::LsmRefused { .. }
                    | ProbeError::LsmNotCalled { .. }
                    | ProbeError::NoFallback { .. }
                    | ProbeError::FallbackFound(_),
                ..
            }
        )
    }

    /// The error with all of its causes.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}

pub(crate) fn step(step: &'static str) -> impl FnOnce(ProbeError) -> LoadError {
    move |source| match source {
        // Not the kernel's doing: the policy cannot be held by tables.
        ProbeError::Unloadable(why) => LoadError::Unresolved(vec![why]),
        source => LoadError::Kernel { step, source },
    }
}
