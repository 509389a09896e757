//! The looking probes on this machine's own kernel: they find what a process of ours holds. Nothing is armed for
//! this; it needs root and a kernel with BTF.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may")]
#![allow(clippy::disallowed_methods, reason = "tests end what they spawn")]

use aegis_kernel_abi::{HELD_DESCRIPTOR, HELD_MAPPING, Held, Hook, Kind, ObjectKey, Operations};
use aegis_probes::{Found, HolderProbes, Resolver, survey, survey_iterators};
use libtest_mimic::{Arguments, Failed, Trial};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

type Test = (&'static str, fn(&HolderProbes) -> Result<(), Failed>);

const TESTS: &[Test] = &[
    ("descriptor_is_found", descriptor),
    ("descriptor_of_a_thread_is_found_once", thread),
    ("place_is_not_held", place),
    ("program_is_found", program),
    ("cgroups_end_at_the_root", cgroups),
    ("programs_are_measured", measured),
];

fn main() {
    let why = HolderProbes::load().err().map(|error| error.to_string());
    let trial = |(name, test): &'static Test| {
        let trial = Trial::test(format!("holders::{name}"), || test(&HolderProbes::load()?));
        if let Some(why) = &why {
            eprintln!("skipped: holders::{name}: needs root and a kernel with BTF and iterators: {why}");
        }
        trial.with_ignored_flag(why.is_some())
    };
    libtest_mimic::run(&Arguments::from_args(), TESTS.iter().map(trial).collect()).exit();
}

/// A process that holds something, ended when dropped.
struct Holder(Child);

impl Holder {
    /// Starts one that prints a line once it holds it.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut String::new()).expect("a line");
        Self(child)
    }

    fn shell(script: &str, argument: &Path) -> Self {
        Self::start(Command::new("sh").args(["-c", script, "sh"]).arg(argument))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn file(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("aegis-holders-{}-{name}", std::process::id()));
    fs::write(&path, "content\n").expect("a file");
    path
}

fn key(file: &File) -> ObjectKey {
    Resolver::load().expect("a resolver").object_keys(&[file.as_fd()]).expect("keys")[0]
}

/// What a process holds of a file.
fn held(probes: &HolderProbes, pid: u32, object: ObjectKey) -> Vec<Held> {
    let mut found = Vec::new();
    let ours = |held: &Held| held.pid_here == pid && (held.object == object || held.opened == object);
    probes
        .each(|held| {
            if ours(held) {
                found.push(*held);
            }
        })
        .expect("the probes look");
    found
}

#[expect(clippy::needless_pass_by_value, reason = "a test reads better without borrowing each literal")]
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), Failed> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, saw {seen:?}").into()) }
}

fn descriptor(probes: &HolderProbes) -> Result<(), Failed> {
    let path = file("descriptor");
    let holder = Holder::shell("exec 8<\"$1\" 9>>\"$1\"; echo ready; read line", &path);
    let object = key(&File::open(&path).expect("a file"));
    fs::remove_file(&path).expect("a file");
    let mut found = held(probes, holder.0.id(), object);
    found.sort_by_key(|held| held.first);
    let seen: Vec<_> = found.iter().map(|held| (held.kind, held.first, held.operations)).collect();
    let (read, append) = (Operations::READ.bits(), (Operations::WRITE | Operations::APPEND).bits());
    expect("held", seen, vec![(HELD_DESCRIPTOR, 8, read), (HELD_DESCRIPTOR, 9, append)])?;
    let process = Resolver::load()?.process(holder.0.id())?;
    let first = found.first().ok_or("nothing is held")?;
    expect("process", (first.pid, first.start_time), (process.pid, process.start_time))?;
    expect("name", first.comm.starts_with(b"sh\0"), true)
}

/// Threads share the descriptors of their process.
fn thread(probes: &HolderProbes) -> Result<(), Failed> {
    let path = file("thread");
    let opened = File::open(&path).expect("a file");
    fs::remove_file(&path).expect("a file");
    let (ready, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let found = held(probes, std::process::id(), key(&opened));
    drop(ready);
    let _ = thread.join();
    let numbers: Vec<_> = found.iter().map(|held| held.first).collect();
    expect("descriptors", numbers, vec![u64::from(opened.as_raw_fd().unsigned_abs())])
}

/// Opened by `O_PATH` nothing can be read.
fn place(probes: &HolderProbes) -> Result<(), Failed> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = file("place");
    let opened = File::options().read(true).custom_flags(libc::O_PATH).open(&path).expect("a place");
    fs::remove_file(&path).expect("a file");
    expect("held", held(probes, std::process::id(), key(&opened)), Vec::new())
}

/// A running program is mapped, and was not opened to be read.
fn program(probes: &HolderProbes) -> Result<(), Failed> {
    let path = file("program");
    fs::copy("/bin/sh", &path).expect("a program");
    let holder = Holder::start(Command::new(&path).args(["-c", "echo ready; read line"]));
    let object = key(&File::open(&path).expect("a file"));
    fs::remove_file(&path).expect("a file");
    let found = held(probes, holder.0.id(), object);
    let run = Operations::EXEC | Operations::MAP_EXEC;
    let seen: Vec<_> = found.iter().map(|held| (held.kind, held.operations)).collect();
    expect("held", seen, vec![(HELD_MAPPING, run.bits())])
}

fn cgroups(probes: &HolderProbes) -> Result<(), Failed> {
    let found = probes.memberships(std::process::id())?;
    let process = Resolver::load()?.process(std::process::id())?;
    let last = found.last().ok_or("no cgroup")?;
    // The root of the hierarchy has this id on every host.
    expect("root", last.cgroup, 1)?;
    expect("process", (last.pid, last.start_time), (process.pid, process.start_time))?;
    expect("nobody", probes.memberships(u32::MAX >> 2)?, Vec::new())
}

/// What loads has been looked at. Of the probes on hooks each is told of, whether this kernel takes them or not.
fn measured(_: &HolderProbes) -> Result<(), Failed> {
    let iterators = survey_iterators()?;
    expect("iterators", iterators.len() > 2, true)?;
    for (program, _, found) in iterators {
        let is_taken = matches!(found, Found::Taken { verified_instructions } if verified_instructions > 0);
        expect(program, (is_taken, &found), (true, &found))?;
    }
    for kind in Kind::ALL {
        let told: Vec<Hook> = survey(*kind)?.into_iter().map(|(hook, _)| hook).collect();
        expect("hooks", told, kind.hooks().collect())?;
    }
    Ok(())
}
