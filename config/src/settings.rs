//! The settings. What is written about a field here is what the default file and the schema say about it: what it
//! means, its unit and its bounds. When a change is taken is in the table of keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The daemon itself: where it keeps what, and what it logs.
    pub daemon: Daemon,
    /// What is denied, and how.
    pub policy: Policy,
    /// Whose policies are put in force.
    pub trust: Trust,
    /// How decisions are told.
    pub events: Events,
    /// What records say of who acted.
    pub context: Context,
    /// Who is never denied anything.
    pub survival: Survival,
    /// Where records are written to.
    pub sinks: Sinks,
    /// Numbers for monitoring.
    pub metrics: Metrics,
}

/// `[daemon]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// The directory in which maps, programs and links are pinned. An absolute path; the directory above it must be
    /// on a bpf file system.
    pub bpffs_root: PathBuf,
    /// The daemon's control socket. An absolute path, at most 107 bytes long.
    pub socket: PathBuf,
    /// The directory in which the local policy and the files of the policy in force are kept. An absolute path; each
    /// daemon needs its own.
    pub state_dir: PathBuf,
    /// What the daemon logs to standard error: `off`, `error`, `warn`, `info`, `debug` or `trace`, or a list of these
    /// with parts of the program, such as `info,aegis_actors=debug`. The variable AEGISBPF_LOG goes before it.
    pub log: String,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            bpffs_root: "/sys/fs/bpf/aegisbpf".into(),
            socket: "/run/aegisbpf/control.sock".into(),
            state_dir: "/var/lib/aegisbpf".into(),
            log: "info".to_owned(),
        }
    }
}

/// `[policy]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The policy: a list of absolute paths. A directory stands for its files with names in `.toml` and `.policy`, in
    /// the order of their names. All files are merged. Without any, the policy that is in force stays; where none is,
    /// nothing is denied until `aegisbpf policy apply`.
    pub files: Vec<PathBuf>,
    /// `enforce` denies what rules with this mode forbid. `observe` only reports what would be denied, whatever the
    /// policy says.
    pub mode: Mode,
    /// Whether, where the kernel refuses BPF LSM programs, the daemon starts all the same and reports what the policy
    /// would deny, although nothing is blocked then. The mode `observe` needs no such word.
    pub allow_audit_fallback: bool,
    /// What is done about processes that opened or mapped before what a policy forbids: `report` tells who they are,
    /// `kill` also kills those that an enforcing rule is on.
    pub holders: Holders,
    /// A signal for the process that an enforcing rule denies something, beside the EPERM that it gets: `none`,
    /// `term`, `int` or `kill`.
    pub enforce_signal: EnforceSignal,
    /// Whether a change of the policy's files is put in force by itself.
    pub watch: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            mode: Mode::Enforce,
            allow_audit_fallback: false,
            holders: Holders::Report,
            enforce_signal: EnforceSignal::None,
            watch: true,
        }
    }
}

/// `[trust]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// The directory with the public keys that are trusted: each of its files with a name in `.pub`, of minisign or of
    /// OpenSSH. An absolute path; nobody but root may be able to write there or above. Without it no key is
    /// trusted.
    pub directory: PathBuf,
    /// How many different trusted keys must have signed a policy, from 1 to 16.
    #[schemars(range(min = 1, max = 16))]
    pub threshold: NonZeroU8,
    /// Whether a policy without enough signatures is refused.
    pub require_signature: bool,
}

impl Default for Trust {
    fn default() -> Self {
        Self { directory: "/etc/aegisbpf/keys".into(), threshold: NonZeroU8::MIN, require_signature: false }
    }
}

/// `[events]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// Size of the ring of events between kernel and daemon, in bytes: a power of two from 4096 to 2147483648. Counts
    /// when the probes are armed, not when they are adopted.
    #[schemars(range(min = 4096, max = 2_147_483_648_u32))]
    pub ring_bytes: u32,
    /// How many equal decisions (same rule, object, program, operations) are reported in a second, each as a record
    /// of its own, from 0 to 4294967295. The others are counted and told as one summary. 0 folds nothing.
    pub per_second: u32,
}

impl Default for Events {
    fn default() -> Self {
        Self { ring_bytes: 4 * 1024 * 1024, per_second: 100 }
    }
}

/// `[context]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Whether records have the arguments of the program that acted.
    pub argv: bool,
    /// Arguments that nobody is to read: an argument that contains one of these words, in upper or lower case, is written as
    /// `***`, and if it is an option without `=`, so is the argument after it. A list of words, none of them empty.
    pub hidden_words: Vec<String>,
}

impl Default for Context {
    fn default() -> Self {
        // `passw` is part of `password` and `passwd`.
        let words = [
            "passw",
            "passphrase",
            "secret",
            "token",
            "credential",
            "apikey",
            "api_key",
            "api-key",
            "access_key",
        ];
        Self { argv: true, hidden_words: words.map(str::to_owned).to_vec() }
    }
}

/// `[survival]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Survival {
    /// Cgroups that are never denied anything, with all below them: for the way in, such as the service that you log
    /// in with. Paths from the root of the cgroup hierarchy on, such as `/system.slice/ssh.service`; each must be
    /// there when the daemon starts.
    pub cgroups: Vec<String>,
}

/// `[sinks]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sinks {
    /// Records on standard output, one JSON object per line.
    pub stdout: StdoutSink,
    /// Records in a file, one JSON object per line.
    pub file: FileSink,
}

/// `[sinks.stdout]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StdoutSink {
    /// What happens when standard output is too slow for the records. With `wait` up to 16384 of them wait, and beyond
    /// that the oldest is left out. With `drop_oldest` and `drop_newest` up to 4096 wait. Gap records tell what was left
    /// out.
    pub when_full: WhenFull,
}

impl Default for StdoutSink {
    fn default() -> Self {
        Self { when_full: WhenFull::DropNewest }
    }
}

/// `[sinks.file]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileSink {
    /// The file that records are appended to. An absolute path; without it there is no such sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What happens when the file does not take the records: `wait`, `drop_oldest` or `drop_newest`, as for standard
    /// output. With `wait` what was refused is tried again every second.
    pub when_full: WhenFull,
}

impl Default for FileSink {
    fn default() -> Self {
        Self { path: None, when_full: WhenFull::Wait }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// The address that metrics are served on, by HTTP: an address of this host alone (127.0.0.0/8 or ::1) with a
    /// port from 1 to 65535. Without it they are not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// An enum whose values are words of the configuration.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident $word:literal)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$meaning])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// All of its words.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    )+};
}

words! {
    /// The strongest mode that a rule can have.
    Mode {
        /// Deny.
        Enforce "enforce"
        /// Report only.
        Observe "observe"
    }
    /// What is done about those who hold what a policy forbids.
    Holders {
        /// Tell who they are.
        Report "report"
        /// Kill those that an enforcing rule is on.
        Kill "kill"
    }
    /// What is sent to a process that is denied something.
    EnforceSignal {
        /// Nothing.
        None "none"
        /// SIGTERM.
        Term "term"
        /// SIGINT.
        Int "int"
        /// SIGKILL.
        Kill "kill"
    }
    /// What happens when a sink is slower than the records.
    WhenFull {
        /// They wait, and are tried again.
        Wait "wait"
        /// The oldest that wait are given up.
        DropOldest "drop_oldest"
        /// The newest are given up.
        DropNewest "drop_newest"
    }
}
