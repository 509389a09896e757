//! `cargo xtask vm run`: one command in the guest.

use super::{Added, Job, Series, Settings, aegisbpf, payload, perform};
use crate::workspace::Profile;
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::io;
use std::path::PathBuf;

/// What the options alone do not tell.
pub(super) const HELP: &str = "\
The status is that of COMMAND (of several kernels the worst); 124 if the machine hung, 125 if it crashed.

In the guest: aegisbpf, bash, coreutils, util-linux, iproute2, procps and python3; an ext4 file system on a
loop device at /scratch; AEGIS_VM=1. COMMAND starts in /root, as root. What the machine boots from is kept
in target/vm; remove that folder to get newer kernels and packages.";

/// Options of `vm run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kernel to boot: 6.1, 6.12, backports (the newest there is) or all.
    #[arg(long, default_value = "6.12", value_parser = kernels)]
    kernel: Kernels,
    #[command(flatten)]
    settings: Settings,
    /// A file or folder to bring into the guest (default DEST: /root/).
    #[arg(long, value_name = "PATH[:DEST]", value_parser = payload::added)]
    add: Vec<Added>,
    /// Folder that receives the guest's /out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// One kernel or all of them.
#[derive(Clone, Debug)]
struct Kernels(Vec<Series>);

fn kernels(text: &str) -> Result<Kernels, String> {
    if text == "all" {
        return Ok(Kernels(Series::ALL.to_vec()));
    }
    let series = Series::from_str(text, false).map_err(|_| "expected 6.1, 6.12, backports or all")?;
    Ok(Kernels(vec![series]))
}

/// Runs the command and returns its status.
pub(super) fn run(args: &Args) -> Result<u8> {
    let Kernels(kernels) = &args.kernel;
    if args.out.is_some() && kernels.len() > 1 {
        bail!("--out takes the files of one machine: choose one --kernel");
    }
    let added: Vec<Added> = aegisbpf(Profile::Dev)?.into_iter().chain(args.add.iter().cloned()).collect();
    let mut worst = 0;
    // One after the other: a machine keeps two processors busy.
    for &series in kernels {
        if kernels.len() > 1 {
            eprintln!("vm: kernel {}", series.name());
        }
        let (settings, command) = (&args.settings, &args.command);
        let job = Job { series, settings, added: &added, command, out: args.out.as_deref() };
        worst = worst.max(perform(&job, io::stdout(), io::stderr())?.status());
    }
    Ok(worst)
}
