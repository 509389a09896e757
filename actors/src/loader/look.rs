//! What takes the kernel many calls to tell, for those who ask again and again: it is kept for a moment. It proves
//! nothing, and `status` does not use it.

use super::run::Loader;
use super::{LoadError, step};
use aegis_control_api::LinkStatus;
use aegis_probes::Fill;
use std::fs;
use std::time::{Duration, Instant};

/// How long it is kept: who scrapes asks every few seconds, and what asks more often costs no more.
const KEPT: Duration = Duration::from_secs(1);

/// Whether the kernel counts runs of programs, and how long they take.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What the kernel said of what is armed.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    at: Instant,
    generation: u32,
    pub(crate) links: Vec<LinkStatus>,
    pub(crate) tables_bytes: u64,
    pub(crate) fills: Vec<Fill>,
    pub(crate) ring_bytes: u64,
    /// Whether the kernel counts runs of programs now; `None` if that cannot be told here.
    pub(crate) counts_runs: Option<bool>,
}

impl Look {
    /// Another generation has other tables, however short the time.
    fn holds(&self, generation: u32, now: Instant) -> bool {
        self.generation == generation && now.saturating_duration_since(self.at) < KEPT
    }
}

impl Loader {
    /// What the kernel says of links, programs and tables, as of now or of a moment ago.
    ///
    /// # Errors
    /// If a pin cannot be read.
    pub(crate) fn look(&self, now: Instant) -> Result<Look, LoadError> {
        let generation = self.active_generation();
        if let Some(look) = self.looked.borrow().as_ref().filter(|look| look.holds(generation, now)) {
            return Ok(look.clone());
        }
        let failed = || step("look at the tables");
        let look = Look {
            at: now,
            generation,
            links: self.links()?,
            tables_bytes: self.tables_memory()?,
            fills: self.probes().fills().map_err(failed())?,
            ring_bytes: self.probes().ring_bytes().map_err(failed())?,
            counts_runs: fs::read_to_string(STATISTICS).ok().and_then(|text| counts_runs(&text)),
        };
        self.looked.replace(Some(look.clone()));
        Ok(look)
    }
}

fn counts_runs(text: &str) -> Option<bool> {
    match text.trim() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_for_a_moment_and_for_one_generation() {
        let now = Instant::now();
        let look = Look {
            at: now,
            generation: 3,
            links: Vec::new(),
            tables_bytes: 0,
            fills: Vec::new(),
            ring_bytes: 0,
            counts_runs: None,
        };
        let after = |millis| now + Duration::from_millis(millis);
        for (generation, at, holds) in
            [(3, now, true), (3, after(999), true), (3, after(1_000), false), (4, now, false)]
        {
            assert_eq!(look.holds(generation, at), holds, "{generation} {at:?}");
        }
    }

    #[test]
    fn what_the_kernel_writes_is_0_or_1() {
        for (text, counts) in [("0\n", Some(false)), ("1\n", Some(true)), ("", None), ("2\n", None)] {
            assert_eq!(counts_runs(text), counts, "{text:?}");
        }
    }
}
