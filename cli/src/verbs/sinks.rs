//! Where `run` writes records, and what happens where it cannot keep up.

use aegis_actors::tree::{EventsFileSettings, WhenFull};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options about sinks.
#[derive(Debug, Clone, Args)]
pub(crate) struct SinkArgs {
    /// Records are added to this file too, each as a line of JSON, as on standard output. It must be a regular file, or
    /// not there yet; its directory must be there. When it is renamed or removed, a new one is begun at the same path.
    #[arg(long, value_name = "FILE", value_parser = crate::absolute)]
    events_file: Option<PathBuf>,
    /// What happens when the events file does not take lines, as its disk is full. Nothing else waits for it.
    #[arg(
        long,
        value_enum,
        default_value_t = Full::Wait,
        value_name = "WHAT",
        requires = "events_file"
    )]
    events_file_when_full: Full,
    /// The same for standard output, as its reader is slow.
    #[arg(long, value_enum, default_value_t = Full::DropNewest, value_name = "WHAT")]
    stdout_when_full: Full,
}

/// What happens when a sink does not take lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Full {
    /// Up to 16,384 lines wait, and what was refused is tried again every second. Beyond that the oldest is left out,
    /// which a gap record tells.
    Wait,
    /// Up to 4,096 lines wait. Beyond that the oldest is left out, and what is refused is given up; gap records tell.
    DropOldest,
    /// The same, but the newest is left out.
    DropNewest,
}

impl From<Full> for WhenFull {
    fn from(full: Full) -> Self {
        match full {
            Full::Wait => Self::Wait,
            Full::DropOldest => Self::DropOldest,
            Full::DropNewest => Self::DropNewest,
        }
    }
}

impl SinkArgs {
    /// What happens when standard output cannot keep up.
    pub(crate) fn stdout_when_full(&self) -> WhenFull {
        self.stdout_when_full.into()
    }

    /// The events file, if there is to be one.
    pub(crate) fn events_file(&self) -> Option<EventsFileSettings> {
        let when_full = self.events_file_when_full.into();
        self.events_file.clone().map(|path| EventsFileSettings { path, when_full })
    }
}
