//! `cargo xtask vm test`: the in-guest tests, one program, on every kernel.

use super::{Added, Job, Series, Settings, Unreachable, aegisbpf, perform, side_by_side};
use crate::chaos;
use crate::report::{self, Tally, Tee};
use crate::workspace::{self, Profile};
use anyhow::{Context, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the units are, for tests that install them.
const UNITS: &str = "/usr/lib/aegis-units";
/// Where the tests are in the guest.
pub(super) const PROGRAM: &str = "/usr/bin/aegis-guest-tests";
/// Long enough for every test on a slow machine; a hung one ends the run before CI does.
const TIMEOUT: u64 = 2_400;
/// The same for the long form.
const LONG_TIMEOUT: u64 = 7_200;
/// Tells the tests that the long form is wanted.
const LONG: &str = "AEGIS_LONG";

/// Stands for every place.
const ALL: &str = "all";

/// How many options the tests get where no filter is given.
const UNFILTERED: usize = 1;

/// Options of `vm test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to run: 6.1, 6.12, backports, 6.12-preempt, 6.1-no-lsm, 6.12-no-lsm, 6.12-systemd or all.
    #[arg(long, default_value = ALL, value_parser = places())]
    kernel: String,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// The long form of the proofs that have one: more attempts, larger policies. Takes up to an hour for each kernel.
    #[arg(long)]
    long: bool,
    /// The programs as they are shipped, compiled with optimisation: that takes minutes, and halves a long form.
    #[arg(long)]
    release: bool,
    /// Run on this machine, whose kernel must load BPF LSM programs.
    #[arg(long)]
    native: bool,
}

impl Args {
    /// Every test on every kernel.
    pub(crate) fn everywhere() -> Self {
        Self { kernel: ALL.to_owned(), filter: None, long: false, release: false, native: false }
    }
}

/// A kernel and how it is booted.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) series: Series,
    cmdline: &'static str,
    /// The security modules, where they are not the usual ones.
    lsm: Option<&'static str>,
    /// Whether systemd boots it: then the tests of the units are made there, and no others.
    systemd: bool,
    /// Tests that tell nothing here which they do not tell elsewhere; left out unless a filter asks for them.
    skip: &'static [&'static str],
}

/// The same on every kernel, and one that takes minutes: each is made on one of the two. 6.1 arms in half the time.
const SEEN_ON_6_12: &[&str] = &["steps::", "large::", "accounts::displaced"];
const SEEN_ON_6_1: &[&str] = &["reload::", "verbs::", "policies::wrong"];
/// Of the command and the daemon, or the same on every kernel as far as is known: a new one has to show first of all that it
/// does what the probes say, on a file system and on an overlay.
const SEEN_ELSEWHERE: &[&str] = &[
    "accounts::",
    "chaos::",
    "daemon::",
    "forced::",
    "health::",
    "holders::",
    "large::",
    "metrics::",
    "moves::",
    "no_window::",
    "policies::",
    "reload::",
    "signals::",
    "steps::",
    "survival::",
    "verbs::",
    "workload::",
    "ext4",
    "overlayfs",
    "btrfs",
];
/// Where preemption plays no part.
const NO_RACE: &[&str] = &[
    "daemon::",
    "matrix::",
    "workload::",
    "attributes::",
    "forced::",
    "health::",
    "holders::",
    "large::",
    "metrics::",
    "verbs::",
    "policies::",
    "moves::",
    "signals::",
    "chaos::",
    "steps::",
    "reload::",
    "life::tmpfs",
    "life::overlayfs",
    "accounts::displaced",
];

impl Place {
    /// Where the matrix is run: on each kernel, booted as usual.
    pub(super) fn of_matrix(kernel: &str) -> impl Iterator<Item = &'static Self> {
        let asked = move |place: &&Self| place.name == kernel || kernel == ALL && !place.series.is_optional();
        PLACES.iter().filter(move |place| place.name == place.series.name() && asked(place))
    }

    /// Whether tests that a filter names may be here: those of the fallback and of the units have places of their own, and
    /// there are no others there.
    fn has(&self, filter: &str) -> bool {
        filter.contains("fallback") == self.lsm.is_some() && filter.contains("systemd") == self.systemd
    }
}

/// Without `bpf`: there is only the audit fallback.
const NO_BPF: Option<&str> = Some("landlock,lockdown,yama,integrity");

const PLACES: [Place; 7] = [
    Place { name: "6.1", series: Series::V6_1, cmdline: "", lsm: None, systemd: false, skip: SEEN_ON_6_12 },
    Place { name: "6.12", series: Series::V6_12, cmdline: "", lsm: None, systemd: false, skip: SEEN_ON_6_1 },
    Place {
        name: "backports",
        series: Series::Backports,
        cmdline: "",
        lsm: None,
        systemd: false,
        skip: SEEN_ELSEWHERE,
    },
    // Preemption inside the kernel brings out races that the default hides.
    Place {
        name: "6.12-preempt",
        series: Series::V6_12,
        cmdline: "preempt=full",
        lsm: None,
        systemd: false,
        skip: NO_RACE,
    },
    Place { name: "6.1-no-lsm", series: Series::V6_1, cmdline: "", lsm: NO_BPF, systemd: false, skip: &[] },
    Place { name: "6.12-no-lsm", series: Series::V6_12, cmdline: "", lsm: NO_BPF, systemd: false, skip: &[] },
    Place { name: "6.12-systemd", series: Series::V6_12, cmdline: "", lsm: None, systemd: true, skip: &[] },
];

fn places() -> Vec<&'static str> {
    PLACES.iter().map(|place| place.name).chain([ALL]).collect()
}

/// What happened at one place.
struct Row {
    place: &'static str,
    tally: Tally,
    time: Duration,
}

/// Runs the tests everywhere, prints a table, and returns the sum.
pub(crate) fn run(args: &Args) -> Result<Tally> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    let mut options = vec!["--test-threads=1".to_owned()];
    options.extend(args.filter.clone());
    let mut rows = Vec::new();
    if args.native {
        rows.push(timed("native", || native(&program(profile)?, &options, args.long))?);
    } else {
        let added = added(profile)?;
        let named = |place: &Place| [ALL, place.name].contains(&args.kernel.as_str());
        let wanted =
            |place: &&Place| named(place) && args.filter.as_ref().is_none_or(|filter| place.has(filter));
        let places = without_missing(PLACES.iter().filter(wanted).collect(), &mut rows)?;
        let test = |place: &&Place| timed(place.name, || in_guest(place, &added, &options, args.long));
        rows.extend(side_by_side(&places, test)?);
    }
    anyhow::ensure!(!rows.is_empty(), "there are no such tests at {}", args.kernel);
    Ok(summary(&rows))
}

/// Leaves out places whose kernel is optional and cannot be had: their tests were skipped. Who asks for such a place alone
/// wants to know.
fn without_missing<'a>(places: Vec<&'a Place>, rows: &mut Vec<Row>) -> Result<Vec<&'a Place>> {
    let mut left = Vec::new();
    let only = places.len() == 1;
    for place in places {
        match super::prepare(place.series) {
            Ok(()) => left.push(place),
            Err(error) if !only && place.series.is_optional() && error.is::<Unreachable>() => {
                eprintln!("SKIPPED: no test runs at {}: {error:#}", place.name);
                let tally = Tally { skipped: 1, ..Tally::default() };
                rows.push(Row { place: place.name, tally, time: Duration::ZERO });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

/// The program with the tests, freshly built.
fn program(profile: Profile) -> Result<PathBuf> {
    let build = ["test", "--package", "aegis-tests", "--test", "guest", "--no-run"];
    workspace::executable(&[&build, profile.options()].concat(), "guest")
}

/// What the tests need in the guest.
pub(super) fn added(profile: Profile) -> Result<Vec<Added>> {
    let program = Added { from: program(profile)?, to: PROGRAM.into() };
    let units = Added { from: workspace::root().join("systemd"), to: UNITS.into() };
    let others = [program, chaos::added(profile)?, units];
    Ok(aegisbpf(profile)?.into_iter().chain(others).collect())
}

fn timed(place: &'static str, run: impl FnOnce() -> Result<Tally>) -> Result<Row> {
    let start = Instant::now();
    let mut tally = run()?;
    if tally == Tally::default() {
        eprintln!("{place}: no test ran");
        tally = Tally::BROKEN;
    }
    Ok(Row { place, tally, time: start.elapsed() })
}

fn native(program: &Path, options: &[String], is_long: bool) -> Result<Tally> {
    let mut command = Command::new(program);
    if is_long {
        command.env(LONG, "1");
    }
    // What the guest's init says of its machine, the caller says here of this one: anything may be armed.
    let mut child = command
        .args(options)
        .env("AEGIS_VM", "1")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the tests")?;
    let mut tee = Tee::default();
    if let Some(mut stdout) = child.stdout.take() {
        io::copy(&mut stdout, &mut tee)?;
    }
    report::read(&tee.text(), "native", child.wait()?.success())
}

/// The machine of a place, with enough time for all tests.
pub(super) fn timed_settings(place: &Place, is_long: bool) -> Settings {
    let timeout = if is_long { LONG_TIMEOUT } else { TIMEOUT };
    let (cmdline, systemd) = (place.cmdline.to_owned(), place.systemd);
    let mut settings = Settings { cmdline, systemd, timeout, ..Settings::default() };
    if let Some(lsm) = place.lsm {
        settings.lsm = lsm.to_owned();
    }
    settings
}

fn in_guest(place: &Place, added: &[Added], options: &[String], is_long: bool) -> Result<Tally> {
    let settings = timed_settings(place, is_long);
    let long = if is_long { vec!["env".to_owned(), format!("{LONG}=1")] } else { Vec::new() };
    let program = long.into_iter().chain([PROGRAM.to_owned()]).chain(options.iter().cloned());
    let skip = if options.len() == UNFILTERED { place.skip } else { &[] };
    let skip = skip.iter().flat_map(|name| ["--skip".to_owned(), (*name).to_owned()]);
    let command: Vec<String> = program.chain(skip).collect();
    let job = Job { series: place.series, settings: &settings, added, command: &command, out: None };
    let tee = Tee::named(place.name);
    let ending = perform(&job, tee.clone(), io::stderr())?;
    report::read(&tee.text(), place.name, ending.status() == 0)
}

fn summary(rows: &[Row]) -> Tally {
    let mut sum = Tally::default();
    println!("\n{:<14}{:>8}{:>8}{:>8}{:>10}", "kernel", "passed", "failed", "skipped", "seconds");
    for Row { place, tally, time } in rows {
        let Tally { passed, failed, skipped, .. } = tally;
        let verdict = match tally {
            tally if !tally.good() => "NOT OK",
            Tally { passed: 0, .. } => "NOT RUN",
            _ => "ok",
        };
        println!("{place:<14}{passed:>8}{failed:>8}{skipped:>8}{:>10.1}  {verdict}", time.as_secs_f32());
        sum += *tally;
    }
    sum
}
