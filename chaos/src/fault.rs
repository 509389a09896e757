//! What can go wrong, as words. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What goes wrong in a part of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It panics in something that it does once.
    Panic,
    /// It panics in something that it does for each item of a stream.
    PanicInStream,
    /// It ends with an error.
    Error,
    /// It ends as if it had nothing more to do.
    End,
    /// Its thread is blocked for so many milliseconds, and goes on then.
    Block(u64),
    /// Its thread turns in an endless loop.
    Loop,
    /// It ends with an error, and panics when it is started again.
    InitPanic,
    /// It ends with an error, and cannot be started the first time.
    InitError,
    /// It ends with an error, and takes so many milliseconds more to start again.
    InitSlow(u64),
}

impl Kind {
    /// Whether it is met by whoever is started next, instead of by whoever runs.
    pub(crate) fn is_at_start(self) -> bool {
        matches!(self, Self::InitPanic | Self::InitError | Self::InitSlow(_))
    }

    /// Whether the part is another one afterwards.
    pub(crate) fn ends_the_part(self) -> bool {
        !matches!(self, Self::Block(_))
    }

    /// Whether only the end of the process helps.
    pub(crate) fn ends_the_process(self) -> bool {
        matches!(self, Self::Loop)
    }

    /// How long it lasts by itself.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::Block(millis) | Self::InitSlow(millis) => Duration::from_millis(millis),
            _ => Duration::ZERO,
        }
    }

    /// How often the part ends because of it.
    pub(crate) fn exits(self) -> usize {
        match self {
            Self::Block(_) => 0,
            Self::InitPanic | Self::InitError => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic => f.write_str("panic"),
            Self::PanicInStream => f.write_str("panic-in-stream"),
            Self::Error => f.write_str("error"),
            Self::End => f.write_str("end"),
            Self::Block(millis) => write!(f, "block:{millis}"),
            Self::Loop => f.write_str("loop"),
            Self::InitPanic => f.write_str("init-panic"),
            Self::InitError => f.write_str("init-error"),
            Self::InitSlow(millis) => write!(f, "init-slow:{millis}"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, millis) = text.split_once(':').unwrap_or((text, ""));
        let millis = || millis.parse().map_err(|error| format!("{text}: {error}"));
        Ok(match word {
            "panic" => Self::Panic,
            "panic-in-stream" => Self::PanicInStream,
            "error" => Self::Error,
            "end" => Self::End,
            "block" => Self::Block(millis()?),
            "loop" => Self::Loop,
            "init-panic" => Self::InitPanic,
            "init-error" => Self::InitError,
            "init-slow" => Self::InitSlow(millis()?),
            _ => return Err(format!("no fault is called {text}")),
        })
    }
}

/// What is done to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A part of it fails.
    Inside {
        /// Its names from the root.
        part: &'static str,
        /// How.
        kind: Kind,
    },
    /// SIGKILL, and a new start.
    Kill,
    /// SIGTERM, and a new start.
    Terminate,
    /// SIGSTOP, and SIGCONT after so many milliseconds.
    Stop(u64),
    /// SIGKILL for each process that the daemon starts to prove a policy with, while one is applied.
    KillHelpers,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside { part, kind } => write!(f, "{kind} in {part}"),
            Self::Kill => f.write_str("SIGKILL"),
            Self::Terminate => f.write_str("SIGTERM"),
            Self::Stop(millis) => write!(f, "SIGSTOP for {millis} ms"),
            Self::KillHelpers => f.write_str("SIGKILL for helpers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in [Kind::Panic, Kind::Block(12), Kind::InitSlow(3), Kind::Loop, Kind::InitError] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("block".parse::<Kind>().is_err() && "nonsense".parse::<Kind>().is_err());
    }
}
