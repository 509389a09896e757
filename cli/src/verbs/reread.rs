//! How a daemon reads its settings again: the same layers as at its start, with the options that it was started with.

use super::digest;
use super::run::{live, policy_sources};
use crate::CommonArgs;
use crate::settings::{self, Flags};
use aegis_actors::reload::{Configuration, Wanted};
use aegis_actors::trust::signatures_beside;
use aegis_config::{Loaded, Settings};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Changes what is logged.
pub(super) type Log = reload::Handle<EnvFilter, Registry>;

/// The configuration of a daemon that runs.
pub(super) struct Reread {
    common: CommonArgs,
    flags: Flags,
    /// What the policy must have.
    wanted: Option<digest::Wanted>,
    /// What it was started with.
    start: Settings,
    /// What was in it when it was right the last time, for the files that are looked at.
    last: Mutex<Loaded>,
    /// None if a variable says what is logged.
    log: Option<Log>,
}

impl Reread {
    pub(super) fn new(
        common: CommonArgs,
        flags: Flags,
        wanted: Option<digest::Wanted>,
        loaded: Loaded,
        log: Option<Log>,
    ) -> Self {
        Self { common, flags, wanted, start: loaded.settings.clone(), last: Mutex::new(loaded), log }
    }
}

impl Configuration for Reread {
    fn read(&self) -> Result<Wanted, String> {
        let loaded = settings::try_load(&self.common, &self.flags).map_err(|report| report.render(false))?;
        let changes = aegis_config::changes(&self.start, &loaded.settings);
        let needs_start = changes.iter().filter(|change| change.needs_restart);
        let wanted = Wanted {
            live: live(&loaded.settings),
            policy: policy_sources(&loaded.settings, self.wanted.as_ref())
                .map_err(|error| format!("{error:#}"))?,
            log: loaded.settings.daemon.log.clone(),
            needs_start: needs_start.map(|change| change.key.to_owned()).collect(),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(wanted)
    }

    fn taken(&self, wanted: &Wanted) {
        let Some(log) = &self.log else { return };
        // The setting was checked; the subscriber lives as long as the daemon.
        if let Err(error) = log.reload(EnvFilter::new(&wanted.log)) {
            tracing::warn!(%error, "what is logged cannot be changed");
        }
    }

    fn watched(&self) -> Vec<PathBuf> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = &last.settings.policy;
        if !policy.watch {
            return Vec::new();
        }
        let signatures = policy.files.iter().flat_map(|file| signatures_of(file));
        last.sources.iter().chain(&policy.files).cloned().chain(signatures).collect()
    }
}

/// Where signatures of a policy file are, or would be looked for first: one that comes later is a change as well. A directory
/// is watched with all that is in it.
fn signatures_of(file: &Path) -> Vec<PathBuf> {
    let with = |end: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let there = signatures_beside(file).unwrap_or_default();
    there.into_iter().map(|(name, _)| name.into()).chain([with(".minisig"), with(".sig")]).collect()
}
