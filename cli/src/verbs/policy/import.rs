//! `policy import`: what the C++ AegisBPF has left on a host, and what it becomes here. Nothing is put in force, and what
//! was found stays where it is.

mod keys;
mod look;

pub(crate) use look::left_behind;

use crate::Common;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::verbs::holders::harmless;
use anyhow::{Context, Result};
use clap::Args;
use look::Found;
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of `policy import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A directory that stands for /, such as a copy of another host.
    #[arg(long, value_name = "DIR", default_value = "/", conflicts_with = "policy")]
    from: PathBuf,
    /// This policy or signed bundle alone, wherever it is.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Writes what it becomes into this directory: policy.toml, and each key as keys/NAME.pub. No file there is replaced.
    /// Without it nothing is written.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The name that the policy gets; `format-1` without it, as records have it now.
    #[arg(long)]
    name: Option<String>,
    /// Takes a policy whose digest or bundle is wrong all the same, and leaves out what is no key.
    #[arg(long)]
    force: bool,
}

/// What is told.
#[derive(Debug, Serialize)]
struct Import<'a> {
    version: u32,
    #[serde(flatten)]
    found: &'a Found,
    /// The files that it becomes, and whether they were written.
    files: Vec<String>,
    written: bool,
    /// What to do then, one command each.
    next: Vec<String>,
}

/// Tells what was found; exit code 6 if something of it is wrong, and then nothing is written.
pub(super) fn run(common: &Common, args: &ImportArgs) -> Result<()> {
    let found = look::look(args)?;
    let wrong = found.wrong(args.force);
    let files = found.files();
    let written = match &args.out {
        Some(directory) if wrong == 0 => write(directory, &files).map(|()| true)?,
        _ => false,
    };
    let directory = args.out.clone().unwrap_or_else(|| PathBuf::from("DIR"));
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.join(name)).collect();
    let import = Import {
        version: 1,
        found: &found,
        files: paths.iter().map(|path| path.display().to_string()).collect(),
        written,
        next: if wrong == 0 { next(&paths) } else { Vec::new() },
    };
    match common.output {
        Format::Json => output::json(&import)?,
        Format::Table => print(&import),
    }
    if wrong > 0 {
        let message = format!("{wrong} finding(s) are wrong; nothing was written, and nothing has changed");
        return Err(Failure::new(Exit::Refused, message).into());
    }
    Ok(())
}

/// Either all files are new, or none is written.
fn write(directory: &Path, files: &[(String, String)]) -> Result<()> {
    let there =
        files.iter().map(|(name, _)| directory.join(name)).find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there {
        let message = format!("{} is there already, and is not replaced; name another --out", path.display());
        return Err(Failure::new(Exit::Failed, message).into());
    }
    for (name, text) in files {
        let path = directory.join(name);
        write_new(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// The commands that put it in force.
fn next(paths: &[PathBuf]) -> Vec<String> {
    let is_key = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "pub");
    let policies = paths.iter().filter(|path| !is_key(path)).map(|path| path.display());
    let keys = paths.iter().filter(is_key).map(|path| format!("aegisbpf keys add {}", path.display()));
    policies
        .flat_map(|path| {
            ["lint", "diff --live", "apply"].map(|verb| format!("aegisbpf policy {verb} {path}"))
        })
        .chain(keys)
        .collect()
}

fn print(import: &Import<'_>) {
    let Import { found, files, written, next, .. } = import;
    let row = |file: &look::FoundFile| [harmless(&file.path), file.bytes.to_string(), file.what.clone()];
    output::table(["found", "bytes", "what"], found.found.iter().map(row));
    for look::Finding { grade, finding, remedy } in &found.findings {
        output::line(&format!("{:<8} {finding}", grade.word()));
        output::line(&format!("         → {remedy}"));
    }
    let refused = next.is_empty();
    if !files.is_empty() && !refused {
        output::line(if *written { "written:" } else { "what it becomes, with --out DIR:" });
        files.iter().for_each(|file| output::line(&format!("  {}", harmless(file))));
        output::line("nothing is in force by that; this puts it in force:");
        next.iter().for_each(|command| output::line(&format!("  {}", harmless(command))));
    }
}
