//! What the audit fallback costs, on the machine itself: opening and closing a file, and starting a program, with
//! nothing attached, with an empty program in its place, and with policies of 1 and of 1,000 rules.
//!
//! Times of a machine that does other things as well mean little by themselves. So all are measured in turn, round
//! after round; of each turn the best batch counts; and told are ratios within a round, by their median and spread.
//! Nothing but files in the given directory is named by a rule, and nothing is denied.

use crate::error::{Error, call};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const ROUNDS: usize = 9;
/// Batches of a turn, and how often each does what is measured.
const OPENS: (u32, u32) = (40, 1_000);
const STARTS: (u32, u32) = (40, 10);
const TARGET: f64 = 1.08;

/// What is attached.
const WAYS: [&str; 4] = ["nothing", "empty program", "1 rule", "1,000 rules"];

/// Does something many times; nanoseconds for once.
type Measure = fn(&Scene) -> Result<f64, Error>;

/// What is done.
const OPERATIONS: [(&str, Measure); 3] = [
    ("open+close", |scene| opens(&scene.free)),
    ("open+close beside a rule's file", |scene| opens(&scene.beside)),
    ("fork+exec", |_| starts()),
];

/// The ratio of something to the same with nothing attached.
#[derive(Debug, Serialize)]
struct Ratio {
    operation: &'static str,
    with: &'static str,
    /// Nanoseconds, the median over the rounds.
    nanoseconds: f64,
    median: f64,
    least: f64,
    most: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    rounds: usize,
    ratios: Vec<Ratio>,
    /// What open+close with one rule may be.
    target: f64,
    met: bool,
}

/// The files, in a directory with a bpf file system of its own.
struct Scene {
    directory: PathBuf,
    free: PathBuf,
    beside: PathBuf,
}

/// Measures and writes the report.
pub(crate) fn main(directory: &str, json: bool) -> ExitCode {
    match measure(Path::new(directory)) {
        Ok(report) if json => println!("{:#}", serde_json::json!(report)),
        Ok(report) => print!("{}", table(&report)),
        Err(error) => {
            eprintln!("aegis-bench: {error}");
            return ExitCode::FAILURE;
        }
    }
    // A missed target is a finding, which the report names; the measurement itself went well.
    ExitCode::SUCCESS
}

fn measure(directory: &Path) -> Result<Report, Error> {
    let scene = Scene::make(directory)?;
    // By operation, way and round.
    let mut found = vec![vec![Vec::new(); WAYS.len()]; OPERATIONS.len()];
    for round in 1..=ROUNDS {
        for (way, name) in WAYS.iter().enumerate() {
            let kept = scene.attach(way)?;
            for ((_, measure), found) in OPERATIONS.iter().zip(&mut found) {
                let time = measure(&scene)?;
                if let Some(found) = found.get_mut(way) {
                    found.push(time);
                }
            }
            scene.take_away(kept)?;
            eprintln!("aegis-bench: round {round} of {ROUNDS}, {name}");
        }
    }
    Ok(report(&found))
}

fn report(found: &[Vec<Vec<f64>>]) -> Report {
    let mut ratios = Vec::new();
    for ((operation, _), found) in OPERATIONS.iter().zip(found) {
        let Some(bare) = found.first() else { continue };
        for (with, times) in WAYS.iter().zip(found) {
            let mut each: Vec<f64> = times.iter().zip(bare).map(|(time, bare)| time / bare).collect();
            let (median, least, most) = spread(&mut each);
            let (nanoseconds, ..) = spread(&mut times.clone());
            ratios.push(Ratio { operation, with, nanoseconds, median, least, most });
        }
    }
    let first = ratios.iter().find(|ratio| ratio.operation == OPERATIONS[0].0 && ratio.with == WAYS[2]);
    let met = first.is_some_and(|ratio| ratio.median <= TARGET);
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    Report { kernel, rounds: ROUNDS, ratios, target: TARGET, met }
}

/// Median, least and most.
fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).map_or(f64::NAN, |value| (value * 1000.0).round() / 1000.0);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

fn table(report: &Report) -> String {
    let mut text = format!("Linux {}, {} rounds\n\n", report.kernel, report.rounds);
    let head = ["ns", "median", "least", "most"];
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{:<34}{:<16}{:>10}{:>9}{:>9}{:>9}",
        "", "attached", head[0], head[1], head[2], head[3]
    );
    for Ratio { operation, with, nanoseconds, median, least, most } in &report.ratios {
        let _ = writeln!(
            text,
            "{operation:<34}{with:<16}{nanoseconds:>10.0}{median:>9.3}{least:>9.3}{most:>9.3}"
        );
    }
    let verdict = if report.met { "met" } else { "MISSED" };
    let _ = writeln!(text, "\nopen+close with 1 rule: at most {:.2} times nothing  {verdict}", report.target);
    text
}

/// What a turn keeps attached.
enum Kept {
    Nothing,
    Empty(aegis_probes::bench::Empty),
    Armed,
}

impl Scene {
    fn make(directory: &Path) -> Result<Self, Error> {
        let path = |name: &str| directory.join(name);
        for name in ["ruled", "free"] {
            fs::create_dir_all(path(name)).map_err(call("make", name))?;
        }
        let scene =
            Self { directory: directory.to_owned(), free: path("free/file"), beside: path("ruled/file") };
        for file in [&scene.free, &scene.beside] {
            fs::write(file, "content\n").map_err(call("write", file.display()))?;
        }
        for (name, rules) in [("2.toml", 1), ("3.toml", 1_000)] {
            let mut policy = "version = 3\nname = \"bench\"\n".to_owned();
            for number in 0..rules {
                let file = path("ruled").join(format!("rule-{number}"));
                fs::write(&file, "").map_err(call("write", file.display()))?;
                let file = file.display();
                let _ = write!(
                    policy,
                    "[[rule]]\nid = \"rule-{number}\"\non = [\"read\", \"exec\"]\npath = \"{file}\"\n"
                );
            }
            fs::write(path(name), policy).map_err(call("write", name))?;
        }
        Ok(scene)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("aegisbpf");
        command.args(words).arg("--bpffs-root").arg(self.directory.join("bpf/pins"));
        command.arg("--socket").arg(self.directory.join("socket")).stdin(Stdio::null()).env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &[&str]) -> Result<String, Error> {
        let output = self.command(words).output().map_err(call("start", "aegisbpf"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(Error::Agent { command: words.join(" "), said: text(&output.stderr) })
    }

    /// Attaches what a way is about. The daemon is gone afterwards: measured is the kernel.
    fn attach(&self, way: usize) -> Result<Kept, Error> {
        match way {
            0 => return Ok(Kept::Nothing),
            1 => return Ok(Kept::Empty(aegis_probes::bench::attach_empty_exit()?)),
            _ => {}
        }
        let policy = self.directory.join(format!("{way}.toml"));
        let mut command = self.command(&["run", "--observe", "--policy", &policy.display().to_string()]);
        command.arg("--state-dir").arg(self.directory.join("state"));
        let mut daemon = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(call("start", "aegisbpf"))?;
        let mut said = Vec::new();
        for line in daemon.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            said.push(line.map_err(call("hear from", "aegisbpf"))?);
            if said.last().is_some_and(|line| line.split_whitespace().any(|word| word == "ready")) {
                break;
            }
        }
        daemon.kill().and_then(|()| daemon.wait()).map_err(call("end", "aegisbpf"))?;
        let status = self.run(&["status", "-o", "json"]);
        match status {
            Ok(status) if status.contains("\"probes\": \"fallback\"") => Ok(Kept::Armed),
            // Taken down before it is told.
            Ok(_) => self.take_away(Kept::Armed).and(Err(Error::NotFallback)),
            Err(_) => Err(Error::Agent { command: "run".to_owned(), said: said.join("\n") }),
        }
    }

    fn take_away(&self, kept: Kept) -> Result<(), Error> {
        match kept {
            Kept::Nothing => Ok(()),
            Kept::Empty(empty) => {
                drop(empty);
                Ok(())
            }
            Kept::Armed => self.run(&["detach", "--reason", "end of measurement"]).map(drop),
        }
    }
}

fn best((batches, times): (u32, u32), mut once: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut best = f64::INFINITY;
    for _ in 0..batches {
        let start = nanoseconds();
        for _ in 0..times {
            once()?;
        }
        best = best.min((nanoseconds() - start) / f64::from(times));
    }
    Ok(best)
}

fn opens(file: &Path) -> Result<f64, Error> {
    best(OPENS, || {
        openat(CWD, file, OFlags::RDONLY, Mode::empty()).map(drop).map_err(call("open", file.display()))
    })
}

fn starts() -> Result<f64, Error> {
    best(STARTS, || Command::new("/bin/true").status().map(drop).map_err(call("start", "/bin/true")))
}

#[expect(clippy::cast_precision_loss, reason = "the clock has few nanoseconds")]
fn nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_within_a_round() {
        // The second round is twice as slow for all of them.
        let rows = vec![
            vec![100.0, 200.0, 100.0],
            vec![105.0, 210.0, 106.0],
            vec![107.0, 214.0, 200.0],
            vec![108.0, 216.0, 108.0],
        ];
        let report = report(&[rows.clone(), rows.clone(), rows]);
        let medians: Vec<f64> = report.ratios.iter().take(4).map(|ratio| ratio.median).collect();
        assert_eq!(medians, [1.0, 1.05, 1.07, 1.08]);
        assert!(report.met && (report.ratios[2].most - 2.0).abs() < 1e-9);
    }
}
