//! `cargo xtask vm`: virtual machines whose kernels load BPF LSM programs, for tests that need one.
//!
//! A machine takes about five seconds from power-on to result. It needs neither hardware virtualisation nor
//! the network, and nothing it does reaches the host but its output and its `/out`.

mod apt;
mod boot;
mod image;
mod kernel;
mod payload;
mod root;

use anyhow::{Result, bail};
use boot::{Ending, Machine};
use clap::{Args, Subcommand, ValueEnum};
use kernel::Series;
use payload::Added;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Status of a run whose time was over.
const STATUS_HUNG: u8 = 124;
/// Status of a run whose machine stopped early.
const STATUS_CRASHED: u8 = 125;

const RUN_HELP: &str = "The status is that of COMMAND (of several kernels the worst); 124 if the machine hung, \
125 if it crashed.\n\nIn the guest: aegisbpf, bash, coreutils, util-linux, iproute2, procps and python3; an \
ext4 file system on a loop device at /scratch; AEGIS_VM=1. COMMAND starts in /root, as root. The machine's \
files are kept below target/vm; remove that folder to get newer kernels.";

/// The verbs of `vm`.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Runs a command as root in the guest and passes on its output and status.
    #[command(after_help = RUN_HELP)]
    Run(Run),
}

/// Options of `vm run`.
#[derive(Args)]
pub(crate) struct Run {
    /// Kernel to boot: 6.1, 6.12 or all.
    #[arg(long, default_value = "6.12", value_parser = kernels)]
    kernel: Kernels,
    /// Security modules of the kernel, in order.
    #[arg(long, value_name = "LIST", default_value = "landlock,lockdown,yama,integrity,bpf")]
    lsm: String,
    /// More words for the kernel command line.
    #[arg(long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    cmdline: String,
    /// Boot systemd and run the command as a service of it.
    #[arg(long)]
    systemd: bool,
    /// Count instructions instead of time: one processor, repeatable.
    #[arg(long)]
    icount: bool,
    /// Seconds until a run counts as hung.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// A file or folder to bring into the guest (default DEST: /root/).
    #[arg(long, value_name = "PATH[:DEST]", value_parser = payload::added)]
    add: Vec<Added>,
    /// Folder that receives the guest's /out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Memory of the guest in MiB.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    memory: u32,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// One kernel or all of them.
#[derive(Clone, Debug)]
pub(crate) struct Kernels(Vec<Series>);

fn kernels(text: &str) -> Result<Kernels, String> {
    if text == "all" {
        return Ok(Kernels(Series::ALL.to_vec()));
    }
    Series::from_str(text, false)
        .map(|series| Kernels(vec![series]))
        .map_err(|_| "expected 6.1, 6.12 or all".into())
}

/// Runs a verb of `vm`.
pub(crate) fn run(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Run(args) => run_command(args).map(ExitCode::from),
    }
}

fn run_command(args: &Run) -> Result<u8> {
    let Kernels(kernels) = &args.kernel;
    if args.out.is_some() && kernels.len() > 1 {
        bail!("--out takes the files of one machine: choose one --kernel");
    }
    let image = image::ready()?;
    let payload = tempfile::NamedTempFile::new()?;
    let added: Vec<Added> = payload::aegisbpf()?.into_iter().chain(args.add.iter().cloned()).collect();
    payload::pack(payload.path(), &added, &args.command, args.systemd)?;
    let mut worst = 0;
    for &series in kernels {
        if kernels.len() > 1 {
            eprintln!("vm: kernel {}", series.name());
        }
        let machine = Machine {
            image: &image,
            series,
            lsm: &args.lsm,
            cmdline: &args.cmdline,
            systemd: args.systemd,
            icount: args.icount,
            memory: args.memory,
            timeout: Duration::from_secs(args.timeout),
        };
        let ending: Ending =
            boot::boot(&machine, payload.path(), args.out.as_deref(), io::stdout(), io::stderr())?;
        worst = worst.max(ending.status());
    }
    Ok(worst)
}
