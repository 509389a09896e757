//! Every error that a probe can meet, forced one after the other: the operation is denied, for that reason, and
//! counted. What is only observed goes on.
//!
//! The probes are loaded by this process, as the command cannot set what only tests may.

use aegis_actors::host::{Mode, TestSettings};
use aegis_actors::loader::{Loader, LoaderSettings, Witness};
use aegis_kernel_abi::{Event, Operations, Reason};
use aegis_policy::{Plan, Source, compile};
use aegis_tests::check::expect;
use aegis_tests::long;
use aegis_tests::outcome::{Outcome, of_command};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A forced error: its number in `enum aegis_force`, and what it is.
struct Forced {
    number: u32,
    name: &'static str,
    reason: Reason,
}

const FORCED: [Forced; 11] = [
    Forced { number: 1, name: "description_missing", reason: Reason::TableMissing },
    Forced { number: 2, name: "description_of_another_generation", reason: Reason::MixedGenerations },
    Forced { number: 3, name: "objects_missing", reason: Reason::TableMissing },
    Forced { number: 4, name: "entry_of_another_generation", reason: Reason::MixedGenerations },
    Forced { number: 5, name: "too_many_rows", reason: Reason::TooManyRows },
    Forced { number: 6, name: "rows_missing", reason: Reason::TableMissing },
    Forced { number: 7, name: "row_missing", reason: Reason::TableMissing },
    Forced { number: 8, name: "row_of_another_generation", reason: Reason::MixedGenerations },
    Forced { number: 9, name: "directory_of_another_generation", reason: Reason::MixedGenerations },
    Forced { number: 10, name: "slots_missing", reason: Reason::TableMissing },
    Forced { number: 11, name: "name_unreadable", reason: Reason::NameUnreadable },
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |forced: &'static Forced| {
        Trial::test(format!("forced::{}", forced.name), move || check_forced(forced))
    };
    FORCED.iter().map(trial).collect()
}

const DIRECTORY: &str = "/scratch/forced";

/// What is denied, wherever the error is met: making directories, which goes the way of most hooks, and writing, which goes
/// the shorter one of opening. Nothing that the tests need depends on either.
fn plan(mode: &str) -> Plan {
    let rule = |operation: &str, name: &str| {
        format!("[[rule]]\nid = \"{operation}\"\non = [\"{operation}\"]\npath = \"{DIRECTORY}/{name}\"\n")
    };
    let rules = rule("mkdir", "made") + &rule("write", "written");
    let text = format!("version = 3\nname = \"forced\"\nmode = \"{mode}\"\n{rules}");
    compile(&[Source { name: "forced.toml", text: &text }]).expect("a policy").plan
}

/// Probes that this test has armed, taken down in the end.
struct Armed(Loader);

impl Armed {
    fn with(force: u32, mode: &str) -> Self {
        let settings = LoaderSettings {
            bpffs_root: PathBuf::from("/sys/fs/bpf/aegis-forced"),
            mode: Mode::Enforce,
            signal: 0,
            ring_bytes: 1 << 20,
            fallback: false,
            // This process is on the list: it takes everything down again.
            survival_cgroups: Some(Vec::new()),
            test: TestSettings { force, pause: 0 },
            witness: Witness::default(),
        };
        let mut armed = Self(Loader::open(settings).expect("armed probes"));
        armed.0.apply(plan(mode)).expect("a policy in force");
        armed
    }

    fn undecidable(&self) -> u64 {
        self.0.counts().expect("counts").undecidable
    }

    /// The reasons that events of an operation have given since the last time.
    fn reasons(&self, operation: Operations) -> BTreeSet<&'static str> {
        let mut ring = self.0.probes().events().expect("the event ring");
        let mut reasons = BTreeSet::new();
        let mut take = |event: &Event| {
            if event.operations & operation.bits() != 0 {
                reasons.insert(Reason::from_byte(event.reason).map_or("none", Reason::word));
            }
        };
        while ring.next(|event| take(event.expect("an event"))).is_some() {}
        reasons
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.detach().expect("everything taken down");
    }
}

fn make(name: &str) -> Outcome {
    of_command(Command::new("mkdir").arg(Path::new(DIRECTORY).join(name)))
}

fn write(name: &str) -> Outcome {
    of_command(Command::new("tee").arg("-a").arg(Path::new(DIRECTORY).join(name)).stdin(Stdio::null()))
}

fn check_forced(forced: &Forced) -> Result<(), Failed> {
    let number = forced.number;
    let _ = fs::remove_dir_all(DIRECTORY);
    fs::create_dir_all(DIRECTORY).expect("a directory");
    fs::write(Path::new(DIRECTORY).join("written"), "content\n").expect("a file");
    expect("before arming", (make("before"), write("written")), (Outcome::Allowed, Outcome::Allowed))?;
    let armed = Armed::with(number, "enforce");
    let before = armed.undecidable();
    // The name with the rule on it leads to every place where an error can be met.
    expect("the protected name", make("made"), Outcome::Denied)?;
    expect("counted", armed.undecidable() > before, true)?;
    expect("its reason", armed.reasons(Operations::MKDIR), BTreeSet::from([forced.reason.word()]))?;
    let before = armed.undecidable();
    expect("the protected file", write("written"), Outcome::Denied)?;
    expect("counted", armed.undecidable() > before, true)?;
    expect("its reason", armed.reasons(Operations::WRITE), BTreeSet::from([forced.reason.word()]))?;
    let before = armed.undecidable();
    let other = make("other");
    // A neighbour does not come to the rows of the name.
    let meets = !(4..=8).contains(&number);
    expect("another name", other, if meets { Outcome::Denied } else { Outcome::Allowed })?;
    expect("counted again", armed.undecidable() > before, meets)?;
    drop(armed);
    // Loading takes long in an emulated machine; on the host all of them are observed, too.
    if number == 1 || long() {
        let armed = Armed::with(number, "observe");
        let before = armed.undecidable();
        expect("only observed", (make("made"), write("written")), (Outcome::Allowed, Outcome::Allowed))?;
        expect("counted all the same", armed.undecidable() > before, true)?;
    }
    expect("after detach", (make("after"), write("written")), (Outcome::Allowed, Outcome::Allowed))
}
