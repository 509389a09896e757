//! How a child ended.

use std::fmt;

/// Why a child is not running any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It had nothing left to do and said so.
    Normal,
    /// It ended in an orderly way because it was to end.
    Shutdown(Cause),
    /// It ended with an error, or could not be started because of it.
    Failed(String),
    /// It panicked.
    Panicked {
        /// What the panic said.
        message: String,
        /// File, line and column, if they are known.
        place: Option<String>,
    },
    /// It was ended by force: at its stop deadline, or from outside.
    Killed,
    /// It was not ready within its start deadline.
    InitTimeout,
    /// Its heartbeat stopped, and it was ended by force.
    Hung,
}

/// What an orderly end was due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its supervisor asked.
    Asked,
    /// A supervisor's children failed more often than it may restart them.
    Intensity,
    /// A supervisor's significant children ended by themselves.
    Auto,
}

impl Exit {
    /// Whether a transient child is restarted after it. OTP: any reason but `normal`, `shutdown` and `{shutdown, _}`.
    #[must_use]
    pub const fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown(_))
    }

    /// The kind of the exit in one word, for counters and machines.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown(Cause::Asked) => "shutdown",
            Self::Shutdown(Cause::Intensity) => "gave_up",
            Self::Shutdown(Cause::Auto) => "auto_shutdown",
            Self::Failed(_) => "failed",
            Self::Panicked { .. } => "panicked",
            Self::Killed => "killed",
            Self::InitTimeout => "init_timeout",
            Self::Hung => "hung",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended by itself"),
            Self::Shutdown(Cause::Asked) => f.write_str("ended as it was asked to"),
            Self::Shutdown(Cause::Intensity) => f.write_str("gave up: its children failed too often"),
            Self::Shutdown(Cause::Auto) => f.write_str("ended with its significant children"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked { message, place: Some(place) } => write!(f, "panicked at {place}: {message}"),
            Self::Panicked { message, place: None } => write!(f, "panicked: {message}"),
            Self::Killed => f.write_str("ended by force"),
            Self::InitTimeout => f.write_str("was not ready within its start deadline"),
            Self::Hung => f.write_str("hung: its heartbeat stopped"),
        }
    }
}
