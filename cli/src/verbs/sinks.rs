//! Where `run` writes records, and what happens where it cannot keep up.

use crate::settings::Flags;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options about sinks.
#[derive(Debug, Clone, Args)]
pub(crate) struct SinkArgs {
    /// Records are added to this file too, each as a line of JSON, as on standard output. It must be a regular file, or
    /// not there yet; its directory must be there. When it is renamed or removed, a new one is begun at the same path.
    /// Setting sinks.file.path.
    #[arg(long, value_name = "FILE", value_parser = crate::absolute)]
    events_file: Option<PathBuf>,
    /// What happens when the events file does not take lines, as its disk is full. Nothing else waits for it. Setting
    /// sinks.file.when_full, built in is wait.
    #[arg(long, value_enum, value_name = "WHAT")]
    events_file_when_full: Option<Full>,
    /// The same for standard output, as its reader is slow. Setting sinks.stdout.when_full, built in is drop_newest.
    #[arg(long, value_enum, value_name = "WHAT")]
    stdout_when_full: Option<Full>,
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

impl Full {
    fn word(self) -> &'static str {
        match self {
            Self::Wait => aegis_config::WhenFull::Wait,
            Self::DropOldest => aegis_config::WhenFull::DropOldest,
            Self::DropNewest => aegis_config::WhenFull::DropNewest,
        }
        .word()
    }
}

impl SinkArgs {
    /// What is given, as the top layer of the settings.
    pub(crate) fn flags(&self, flags: &mut Flags) {
        flags.path("sinks.file.path", "--events-file", self.events_file.as_deref());
        let word = |full: Option<Full>| full.map(Full::word);
        flags.word("sinks.file.when_full", "--events-file-when-full", word(self.events_file_when_full));
        flags.word("sinks.stdout.when_full", "--stdout-when-full", word(self.stdout_when_full));
    }
}
