//! Running other programs: what was run is named in every error.

use anyhow::{Context, Result, bail};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::{env, io};

/// Runs a command whose output belongs on the user's screen, but not among results: it goes to stderr. Its
/// failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let started = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    let status = started.with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a command in place of this program: its output and its status are the result.
pub(crate) fn status(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    // As shells do it: a program that a signal ended has the signal's number and 128.
    let signal = status.signal().map_or(1, |signal| 128 + signal);
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(signal)).unwrap_or(1)))
}

/// Runs a command in silence; its whole output is shown only when it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

/// Runs a command and returns what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!(
            "{} ended with {}:\n{}",
            line(command),
            output.status,
            String::from_utf8_lossy(&said).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote something not UTF-8", line(command)))
}

/// The path of a program. The sbin folders are searched too: users other than root lack them in PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// A command for a program that may live in an sbin folder.
pub(crate) fn tool(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| program.into()))
}

/// True if this process is root.
pub(crate) fn is_root() -> bool {
    // The owner of /proc/self is the effective user: no unsafe call, no extra crate.
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
