//! One run of one machine in QEMU. Acceleration is software only, so that a run is the same everywhere.
//!
//! The guest has three disks (root, payload, and a place for `/out`) and three ports besides its console:
//! `control`, `stdout` and `stderr`. The root is opened as a snapshot: a run leaves no trace in it.

use super::image::Image;
use super::kernel::Series;
use crate::process;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a machine is looked at while it says nothing.
const GLANCE: Duration = Duration::from_millis(50);
/// The most that `/out` can hold; the file is sparse.
const OUT_BYTES: u64 = 8 << 30;
/// How much of the console is shown when a machine fails.
const CONSOLE_LINES: usize = 40;

/// What a machine is made of.
pub(super) struct Machine<'a> {
    pub(super) image: &'a Image,
    pub(super) series: Series,
    pub(super) lsm: &'a str,
    pub(super) cmdline: &'a str,
    pub(super) systemd: bool,
    pub(super) icount: bool,
    pub(super) memory: u32,
    pub(super) timeout: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The command ended with this status.
    Exited(u8),
    /// The time was over before the command ended.
    Hung,
    /// The machine stopped before the command ended.
    Crashed,
}

impl Ending {
    /// The status that tells of this ending.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Hung => super::STATUS_HUNG,
            Self::Crashed => super::STATUS_CRASHED,
        }
    }
}

/// Boots the machine with a payload, copies what its command writes, and unpacks its `/out` if asked.
pub(super) fn boot(
    machine: &Machine,
    payload: &Path,
    out: Option<&Path>,
    stdout: impl Write + Send + 'static,
    stderr: impl Write + Send + 'static,
) -> Result<Ending> {
    let folder = tempfile::Builder::new().prefix("aegis-vm-").tempdir()?;
    let at = folder.path();
    let mut disks = vec![(machine.image.root.as_path(), true), (payload, true)];
    let out_file = at.join("out");
    if out.is_some() {
        File::create(&out_file)?.set_len(OUT_BYTES)?;
        disks.push((&out_file, false));
    }
    let ports = ["control", "stdout", "stderr"];
    let listeners = ports.map(|name| UnixListener::bind(at.join(name)));
    // QEMU's own complaints come first in the same file.
    let log = at.join("console");
    let mut qemu = qemu(machine, at, &disks, &ports, &log);
    let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
    let console = File::open(&log)?;
    let ending = (|| {
        let [control, out_port, err_port] = listeners.map(|listener| accept(&listener?, &mut child));
        let pumps = [pump(out_port?, stdout), pump(err_port?, stderr)];
        let ending = watch(machine, control?, &mut child)?;
        child.kill()?;
        for pump in pumps {
            // A reader that went away, as `head` does, is no failure of the run.
            let _ = pump.join();
        }
        anyhow::Ok(ending)
    })();
    // The machine never outlives its run, whatever went wrong.
    let _ = child.kill();
    child.wait()?;
    let ending = ending.with_context(|| tail(&console))?;
    match (ending, out) {
        (Ending::Exited(_), Some(folder)) => unpack(&out_file, folder)?,
        (Ending::Hung, _) => {
            let seconds = machine.timeout.as_secs();
            eprintln!("{}vm: HUNG: the command had not ended after {seconds} s", tail(&console));
        }
        (Ending::Crashed, _) => {
            eprintln!("{}vm: CRASHED: the machine stopped before the command ended", tail(&console));
        }
        _ => {}
    }
    Ok(ending)
}

fn qemu(machine: &Machine, at: &Path, disks: &[(&Path, bool)], ports: &[&str], log: &Path) -> Command {
    let (accel, cpus) = if machine.icount { ("single", "1") } else { ("multi", "2") };
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
    command.args(["-accel", &format!("tcg,thread={accel},tb-size=512"), "-cpu", "max", "-smp", cpus]);
    command.args(["-m", &machine.memory.to_string()]);
    if machine.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.arg("-kernel").arg(machine.image.kernel(machine.series)).args(["-append", &cmdline(machine)]);
    command.args(["-chardev", &format!("file,id=console,append=on,path={}", log.display())]);
    command.args(["-serial", "chardev:console", "-device", "virtio-serial"]);
    for name in ports {
        command.args(["-chardev", &format!("socket,id={name},path={}", at.join(name).display())]);
        command.args(["-device", &format!("virtserialport,chardev={name},name={name}")]);
    }
    // NVMe and ext4 are built into these kernels: the root needs no module and no initramfs.
    command.args(["-device", "nvme,id=disks,serial=aegis"]);
    for (number, (path, snapshot)) in disks.iter().enumerate() {
        let number = number + 1;
        let snapshot = if *snapshot { "on" } else { "off" };
        let path = path.display();
        let drive =
            format!("file={path},id=disk{number},if=none,format=raw,cache=unsafe,snapshot={snapshot}");
        command.args([
            "-drive",
            &drive,
            "-device",
            &format!("nvme-ns,drive=disk{number},bus=disks,nsid={number}"),
        ]);
    }
    command
}

fn cmdline(machine: &Machine) -> String {
    let systemd = if machine.systemd { " systemd.unit=aegis-vm.target" } else { "" };
    format!(
        "console=ttyS0 quiet panic=-1 oops=panic mitigations=off lsm={} root={} rootfstype=ext4 rw \
         rootwait init={}{systemd} {}",
        machine.lsm,
        super::image::ROOT_PARTITION,
        super::root::FIRST_PATH,
        machine.cmdline
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

fn pump(mut port: UnixStream, mut to: impl Write + Send + 'static) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = port.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            to.write_all(buffer.get(..count).unwrap_or_default())?;
            to.flush()?;
        }
    })
}

/// Follows the control port to the end of the run.
fn watch(machine: &Machine, control: UnixStream, child: &mut Child) -> Result<Ending> {
    let deadline = Instant::now() + machine.timeout;
    let lines = lines(control);
    loop {
        match lines.recv_timeout(GLANCE) {
            Ok(line) => {
                if let Some(status) = line.strip_prefix("exit ") {
                    return Ok(Ending::Exited(status.parse().context("the guest told no exit status")?));
                }
                if line != "ready" {
                    eprintln!("vm: the guest says: {line}");
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(Ending::Crashed),
            Err(RecvTimeoutError::Timeout) => {}
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

fn lines(control: UnixStream) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(control).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn unpack(file: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--no-same-owner", "--file"]).arg(file).arg("--directory").arg(folder);
    process::quiet(&mut tar).context("the guest's /out did not come back")
}

fn tail(mut console: &File) -> String {
    let mut bytes = Vec::new();
    let _ = console.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let from = lines.len().saturating_sub(CONSOLE_LINES);
    let mut text = String::from("vm: the end of the machine's console:\n");
    for line in lines.iter().skip(from) {
        text += &format!("  | {line}\n");
    }
    text
}
