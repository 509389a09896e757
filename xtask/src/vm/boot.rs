//! One run of one machine in QEMU. Acceleration is software only, so that a run is the same everywhere.
//!
//! The guest has three disks (root, payload, and a place for `/out`) and three ports besides its console:
//! `control`, `stdout` and `stderr`. The root is opened as a snapshot: a run leaves no trace in it.

use super::Job;
use super::image::{Image, ROOT_PARTITION};
use super::payload::PAYLOAD;
use super::root::FIRST_PATH;
use crate::process;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The ports of the guest, and the sockets behind them.
const PORTS: [&str; 3] = ["control", "stdout", "stderr"];
/// File with the kernel's console.
const CONSOLE: &str = "console";
/// File behind the guest's third disk.
const OUT: &str = "out";
/// How often a machine is looked at while it says nothing.
const GLANCE: Duration = Duration::from_millis(50);
/// The most that `/out` can hold; the file is sparse.
const OUT_BYTES: u64 = 8 << 30;
/// Status of a command whose reader went away: that of SIGPIPE, which ends such a command elsewhere.
const STATUS_UNHEARD: u8 = 128 + 13;
/// How much of the console is shown when a machine fails.
const CONSOLE_LINES: usize = 40;

/// What can happen in a run.
enum News {
    /// The guest wrote a line to its control port.
    Line(String),
    /// The control port closed.
    Silence,
    /// Nobody takes the command's output any more.
    Unheard,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The command ended with this status.
    Exited(u8),
    /// The time was over before the command ended.
    Hung,
    /// The machine stopped before the command ended.
    Crashed,
}

impl Ending {
    /// The status that tells of this ending.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Hung => super::STATUS_HUNG,
            Self::Crashed => super::STATUS_CRASHED,
        }
    }
}

/// Boots a machine that finds its payload in the folder of the run.
pub(super) fn boot(
    job: &Job,
    image: &Image,
    folder: &Path,
    stdout: impl Write + Send + 'static,
    stderr: impl Write + Send + 'static,
) -> Result<Ending> {
    let out = folder.join(OUT);
    if job.out.is_some() {
        File::create(&out)?.set_len(OUT_BYTES)?;
    }
    let listeners = PORTS.map(|name| UnixListener::bind(folder.join(name)));
    // What QEMU itself complains of comes first in the same file.
    let log = File::create(folder.join(CONSOLE))?;
    let mut console = File::open(folder.join(CONSOLE))?;
    let mut qemu = qemu(job, image, folder);
    let qemu = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = qemu.spawn().context("cannot start QEMU")?;
    let followed = follow(job, listeners, &mut child, stdout, stderr);
    // The machine never outlives its run, whatever went wrong.
    let _ = child.kill();
    child.wait()?;
    let ending = followed.with_context(|| tail(&mut console))?;
    match ending {
        Ending::Exited(_) => {
            job.out.map_or(Ok(()), |folder| unpack(&out, folder))?;
        }
        Ending::Hung => {
            let seconds = job.settings.timeout;
            eprintln!("{}vm: HUNG: the command had not ended after {seconds} s", tail(&mut console));
        }
        Ending::Crashed => {
            eprintln!("{}vm: CRASHED: the machine stopped before the command ended", tail(&mut console));
        }
    }
    Ok(ending)
}

fn follow(
    job: &Job,
    listeners: [io::Result<UnixListener>; 3],
    child: &mut Child,
    stdout: impl Write + Send + 'static,
    stderr: impl Write + Send + 'static,
) -> Result<Ending> {
    let [control, out_port, err_port] = listeners.map(|listener| accept(&listener?, child));
    let (sender, receiver) = channel();
    let pumps = [pump(out_port?, stdout, sender.clone()), pump(err_port?, stderr, sender.clone())];
    listen(control?, sender);
    let ending = watch(Duration::from_secs(job.settings.timeout), &receiver, child)?;
    child.kill()?;
    for pump in pumps {
        // It has nothing to tell: what it could not write has ended the run already.
        let _ = pump.join();
    }
    Ok(ending)
}

fn qemu(job: &Job, image: &Image, folder: &Path) -> Command {
    let cpus = if job.settings.icount { "1" } else { "2" };
    // If this process is killed, the machine goes with it.
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-reboot",
        "-display",
        "none",
    ]);
    // One thread for both processors: with one each, a processor was seen to run into the breakpoint by which the
    // kernel patches its own code, after the kernel was done with it, and the machine died.
    command.args(["-accel", "tcg,thread=single,tb-size=512", "-cpu", "max", "-smp", cpus]);
    command.args(["-m", &job.settings.memory.to_string()]);
    if job.settings.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.arg("-kernel").arg(image.kernel(job.series)).args(["-append", &cmdline(job)]);
    command.args(["-chardev", &format!("file,id=console,append=on,path={}", folder.join(CONSOLE).display())]);
    command.args(["-serial", "chardev:console", "-device", "virtio-serial"]);
    for name in PORTS {
        command.args(["-chardev", &format!("socket,id={name},path={}", folder.join(name).display())]);
        command.args(["-device", &format!("virtserialport,chardev={name},name={name}")]);
    }
    // NVMe and ext4 are built into these kernels: the root needs no module and no initramfs.
    command.args(["-device", "nvme,id=disks,serial=aegis"]);
    disk(&mut command, 1, &image.root, "on");
    disk(&mut command, 2, &folder.join(PAYLOAD), "on");
    if job.out.is_some() {
        disk(&mut command, 3, &folder.join(OUT), "off");
    }
    command
}

/// Adds a disk; on a snapshot the guest's writes are dropped in the end.
fn disk(command: &mut Command, number: u8, file: &Path, snapshot: &str) {
    let file = file.display();
    let drive = format!("file={file},id=disk{number},if=none,format=raw,cache=unsafe,snapshot={snapshot}");
    command.args([
        "-drive",
        &drive,
        "-device",
        &format!("nvme-ns,drive=disk{number},bus=disks,nsid={number}"),
    ]);
}

fn cmdline(job: &Job) -> String {
    let systemd = if job.settings.systemd { " systemd.unit=aegis-vm.target" } else { "" };
    format!(
        "console=ttyS0 quiet panic=-1 oops=panic mitigations=off lsm={} root={ROOT_PARTITION} rootwait \
         rootfstype=ext4 rw init={FIRST_PATH}{systemd} {}",
        job.settings.lsm, job.settings.cmdline
    )
}

/// Waits for QEMU to connect, as long as there is a QEMU.
fn accept(listener: &UnixListener, child: &mut Child) -> Result<UnixStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot accept a port of the machine"),
        }
        if let Some(status) = child.try_wait()? {
            bail!("QEMU did not start: {status}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Copies what the guest writes; says so when nobody takes it any more.
fn pump(mut port: UnixStream, mut to: impl Write + Send + 'static, news: Sender<News>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = port.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if to.write_all(bytes).and_then(|()| to.flush()).is_err() {
                // The receiver is gone once the run is over.
                let _ = news.send(News::Unheard);
                return;
            }
        }
    })
}

/// Reads the control port.
fn listen(control: UnixStream, news: Sender<News>) {
    thread::spawn(move || {
        for line in BufReader::new(control).lines().map_while(Result::ok) {
            if news.send(News::Line(line)).is_err() {
                return;
            }
        }
        let _ = news.send(News::Silence);
    });
}

/// Follows the run to its end.
fn watch(timeout: Duration, news: &Receiver<News>, child: &mut Child) -> Result<Ending> {
    let deadline = Instant::now() + timeout;
    loop {
        match news.recv_timeout(GLANCE) {
            Ok(News::Line(line)) => {
                if let Some(status) = line.strip_prefix("exit ") {
                    return Ok(Ending::Exited(status.parse().context("the guest told no exit status")?));
                }
                if line != "ready" {
                    eprintln!("vm: the guest says: {line}");
                }
            }
            Ok(News::Unheard) => return Ok(Ending::Exited(STATUS_UNHEARD)),
            Ok(News::Silence) => return Ok(Ending::Crashed),
            Err(_) => {}
        }
        if Instant::now() > deadline {
            return Ok(Ending::Hung);
        }
        // The port closes with QEMU; this covers a QEMU that left it open to something else.
        if child.try_wait()?.is_some() {
            return Ok(Ending::Crashed);
        }
    }
}

fn unpack(file: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--no-same-owner", "--file"]).arg(file).arg("--directory").arg(folder);
    process::quiet(&mut tar).context("the guest's /out did not come back")
}

fn tail(console: &mut File) -> String {
    let mut bytes = Vec::new();
    // A console that cannot be read is shown as empty: this text only helps to understand a failure.
    let _ = console.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(CONSOLE_LINES);
    lines.iter().skip(from).map(|line| format!("vm console: {line}\n")).collect()
}
