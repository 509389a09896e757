//! The fuzzer: building programs with it, running one, and reading what it says.

use super::Inputs;
use crate::{process, workspace};
use anyhow::{Context, Result, bail};
use std::env::consts::ARCH;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An input that takes longer is a finding: a policy of this size is read in a millisecond.
const SLOWEST_SECONDS: u64 = 10;
/// So is one that takes more memory.
const MOST_MEMORY_MIB: u64 = 2_048;
/// Longer inputs are not tried; what the language has fits several times.
const LONGEST: u64 = 8_192;
/// So much of what a failed run said last is shown.
const SHOWN_LINES: usize = 40;

/// Builds the programs of all targets and returns their folder.
///
/// There is no sanitizer: what is tried has no `unsafe`, so one would find nothing and take half of the time. The variable
/// allows the flags for coverage on a stable toolchain. Optimisation across crates would triple the time of the build.
pub(super) fn build(folder: &Path) -> Result<PathBuf> {
    let triple = format!("{ARCH}-unknown-linux-gnu");
    let built = folder.join("build");
    eprintln!("fuzz: building the targets; from nothing this takes a minute or two");
    let mut cargo = workspace::cargo();
    cargo.args(["fuzz", "build", "--fuzz-dir", "fuzz", "--features", "libfuzzer", "--sanitizer", "none"]);
    cargo.args(["--target", &triple, "--target-dir"]).arg(&built);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
    process::run(&mut cargo)?;
    Ok(built.join(triple).join("release"))
}

/// A target and what it is played with.
pub(super) struct Job {
    target: String,
    program: PathBuf,
    folder: PathBuf,
    time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) target: String,
    pub(super) executions: u64,
    /// Edges of the code that were taken.
    pub(super) coverage: u64,
    /// Inputs that are kept as each of them reaches something that no other does.
    pub(super) corpus: u64,
    pub(super) elapsed: Duration,
    pub(super) finding: Option<Finding>,
}

/// What does not hold. The fuzzer ends with the first.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) input: PathBuf,
    /// What was said last.
    pub(super) said: String,
}

impl Job {
    /// Writes the seeds and the words anew; what earlier runs found stays.
    pub(super) fn ready(
        inputs: &Inputs,
        target: &str,
        programs: &Path,
        folder: &Path,
        time: Duration,
    ) -> Result<Self> {
        let folder = folder.join(target);
        for name in ["corpus", "findings"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        inputs.write(target, &folder)?;
        Ok(Self { target: target.to_owned(), program: programs.join(target), folder, time })
    }

    /// Runs the fuzzer until the time is over or something is found.
    pub(super) fn play(&self) -> Result<Played> {
        let Self { target, program, folder, time } = self;
        eprintln!("fuzz: {target} for {} s", time.as_secs());
        let log = folder.join("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command.current_dir(folder).args(["corpus", "seeds", "-dict=words", "-print_final_stats=1"]);
        command.arg(format!("-artifact_prefix={}/findings/", folder.display()));
        command.arg(format!("-max_total_time={}", time.as_secs()));
        command.arg(format!("-timeout={SLOWEST_SECONDS}"));
        command.arg(format!("-rss_limit_mb={MOST_MEMORY_MIB}"));
        command.arg(format!("-max_len={LONGEST}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let start = Instant::now();
        let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
        let elapsed = start.elapsed();
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let mut played = read(target, &said, elapsed);
        if status.success() {
            return Ok(played);
        }
        let Some(input) = written(&said) else {
            bail!("{target}: the fuzzer ended with {status}:\n{}", last_lines(&said));
        };
        played.finding = Some(Finding { input, said: last_lines(&said) });
        Ok(played)
    }
}

impl Played {
    /// Executions in a second.
    pub(super) fn rate(&self) -> u64 {
        let milliseconds = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        self.executions.saturating_mul(1_000) / milliseconds
    }
}

/// Lines of progress are `#4711 NEW cov: 1 ft: 2 corp: 3/4Kb …`. At the end there are statistics.
fn read(target: &str, said: &str, elapsed: Duration) -> Played {
    let progress: Vec<&str> = said.lines().filter(|line| line.starts_with('#')).collect();
    let last = |word: &str| progress.iter().rev().find_map(|line| number_behind(line, word)).unwrap_or(0);
    let total = said.lines().find_map(|line| number_behind(line, "stat::number_of_executed_units: "));
    Played {
        target: target.to_owned(),
        executions: total.unwrap_or_else(|| last("#")),
        coverage: last("cov: "),
        corpus: last("corp: "),
        elapsed,
        finding: None,
    }
}

fn number_behind(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The file that the fuzzer wrote what it found to.
fn written(said: &str) -> Option<PathBuf> {
    said.lines().rev().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.into())
}

/// What was said last, without progress.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
    lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "INFO: seed corpus: files: 3\n\
        #4\tINITED cov: 90 ft: 91 corp: 3/20b exec/s: 0 rss: 31Mb\n\
        #700\tNEW    cov: 1204 ft: 3000 corp: 41/2Kb lim: 8 exec/s: 350 rss: 33Mb L: 8/8 MS: 1 CopyPart-\n\
        thread 'main' panicked\n";

    #[test]
    fn figures_are_read() {
        let figures = |said: &str| {
            let played = read("a", said, Duration::from_secs(2));
            (played.executions, played.rate(), played.coverage, played.corpus)
        };
        assert_eq!(figures(SAID), (700, 350, 1204, 41));
        let ended =
            format!("{SAID}#900\tDONE   cov: 1205 corp: 42/2Kb\nstat::number_of_executed_units: 902\n");
        assert_eq!(figures(&ended), (902, 451, 1205, 42));
        assert_eq!(figures(""), (0, 0, 0, 0));
    }

    #[test]
    fn the_input_of_a_finding_is_named() {
        assert_eq!(written(SAID), None);
        let found = format!("{SAID}artifact_prefix='/f/'; Test unit written to /f/crash-0a\nBase64: \n");
        assert_eq!(written(&found), Some(PathBuf::from("/f/crash-0a")));
        assert_eq!(last_lines(SAID), "INFO: seed corpus: files: 3\nthread 'main' panicked");
    }
}
