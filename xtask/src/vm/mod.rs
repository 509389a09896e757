//! `cargo xtask vm`: virtual machines whose kernels load BPF LSM programs, for tests that need one.
//!
//! A machine takes about five seconds from power-on to result. It needs neither hardware virtualisation nor
//! the network, and nothing it does reaches the host but its output and its `/out`.

mod apt;
mod boot;
mod folder;
mod image;
mod kernel;
mod matrix;
mod payload;
mod root;
mod run;
mod test;

pub(crate) use apt::unpack;
pub(crate) use boot::Ending;
pub(crate) use kernel::{Series, Unreachable};
pub(crate) use payload::{Added, aegisbpf};
pub(crate) use test::{Args as TestArgs, run as test};

use crate::{report, setup};
use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Status of a run whose time was over.
const STATUS_HUNG: u8 = 124;
/// Status of a run whose machine stopped early.
const STATUS_CRASHED: u8 = 125;

/// The verbs of `vm`.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Runs a command as root in the guest and passes on its output and status.
    #[command(after_help = run::HELP)]
    Run(run::Args),
    /// Runs the in-guest tests on every kernel.
    Test(TestArgs),
    /// Runs the enforcement matrix and counts its rows by class.
    Matrix(matrix::Args),
}

/// Runs a verb of `vm`.
pub(crate) fn run(verb: &Verb) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    match verb {
        Verb::Run(args) => run::run(args).map(ExitCode::from),
        Verb::Matrix(args) => matrix::run(args),
        Verb::Test(args) => test(args).map(|tally| report::conclude(&tally)),
    }
}

/// What a machine is like, beside its kernel.
#[derive(Args, Clone)]
pub(crate) struct Settings {
    /// Security modules of the kernel, in order.
    #[arg(long, value_name = "LIST", default_value = Self::LSM)]
    pub(crate) lsm: String,
    /// More words for the kernel command line.
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    pub(crate) cmdline: String,
    /// Boot systemd and run the command as a service of it.
    #[arg(long)]
    pub(crate) systemd: bool,
    /// Count instructions instead of time: one processor, repeatable.
    #[arg(long)]
    pub(crate) icount: bool,
    /// Seconds until a run counts as hung.
    #[arg(long, value_name = "SECONDS", default_value_t = Self::TIMEOUT)]
    pub(crate) timeout: u64,
    /// Memory of the guest in MiB.
    #[arg(long, value_name = "MB", default_value_t = Self::MEMORY)]
    pub(crate) memory: u32,
}

impl Settings {
    const LSM: &str = "landlock,lockdown,yama,integrity,bpf";
    const TIMEOUT: u64 = 300;
    const MEMORY: u32 = 2048;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lsm: Self::LSM.to_owned(),
            cmdline: String::new(),
            systemd: false,
            icount: false,
            timeout: Self::TIMEOUT,
            memory: Self::MEMORY,
        }
    }
}

/// One run: a machine, what is brought into it, and what it does.
pub(crate) struct Job<'a> {
    /// The kernel.
    pub(crate) series: Series,
    /// The machine.
    pub(crate) settings: &'a Settings,
    /// Files brought into the guest.
    pub(crate) added: &'a [Added],
    /// What the guest runs.
    pub(crate) command: &'a [String],
    /// Where the guest's `/out` goes.
    pub(crate) out: Option<&'a Path>,
}

/// Makes sure that a machine with this kernel can be booted, before machines run side by side: making what they boot from
/// would take it from under them.
pub(crate) fn prepare(series: Series) -> Result<()> {
    image::ready(series).map(drop)
}

/// Machines that run at the same time: each emulates its processors in one thread.
const AT_ONCE: usize = 2;

/// Does the work for each item, as many at a time as there are processors for. Results are in the order of the items.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return anyhow::Ok(results) };
            results.push((index, work(item)?));
        }
    };
    let results: Result<Vec<_>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(take)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a machine's run panicked"))?)
            .collect()
    });
    let mut results: Vec<(usize, R)> = results?.into_iter().flatten().collect();
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Boots a machine for the job, copies what its command writes, and tells how it ended.
pub(crate) fn perform(
    job: &Job,
    stdout: impl Write + Send + 'static,
    stderr: impl Write + Send + 'static,
) -> Result<Ending> {
    let image = image::ready(job.series)?;
    let folder = folder::RunFolder::new()?;
    payload::pack(folder.path(), job)?;
    boot::boot(job, &image, folder.path(), stdout, stderr)
}
