//! Who acts, as records tell it: what was started, with which arguments, by whom.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, trials as trials_of};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TESTS: &[Test] = &[
    ("tree", tree),
    ("from_before_arming", from_before_arming),
    ("of_an_earlier_daemon", of_an_earlier_daemon),
    ("forged", forged),
    ("container", container),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("context", TESTS)
}

const FILE: &str = "/scratch/context-data";

fn policy() -> String {
    fs::write(FILE, "content\n").expect("a file");
    format!("version = 3\nname = \"context\"\n[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{FILE}\"\n")
}

fn armed() -> Agent {
    let policy = policy();
    let mut agent = Agent::new("aegis-context");
    agent.start(&policy, &["--enforce"]);
    agent
}

/// The file behind a name on the PATH.
fn program(name: &str) -> PathBuf {
    let found =
        ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    fs::canonicalize(found.expect("a program")).expect("its file")
}

/// The record of the only denial.
fn last(agent: &Agent) -> Value {
    agent.settle();
    agent.blocks().last().cloned().unwrap_or_default()
}

fn text(path: &Path) -> Value {
    json!(path.to_str().expect("a path in UTF-8"))
}

/// A shell starts another one, which starts Python, with arguments that nobody is to read.
fn tree() -> Result<(), Failed> {
    let agent = armed();
    let program_text = format!("open('{FILE}')");
    let script = format!("python3 -c \"{program_text}\" --password hunter2 TOKEN=hunter2 plain; true");
    let outer = Command::new("bash").args(["-c", "sh -c \"$1\"; true", "bash", &script]).output()?;
    expect("denied", String::from_utf8_lossy(&outer.stderr).contains("PermissionError"), true)?;
    let record = last(&agent);
    let (process, python) = (&record["process"], program("python3"));
    expect("executable", &process["executable"], &text(&python))?;
    expect("inode", &process["executable_ino"], &json!(fs::metadata(&python)?.ino()))?;
    expect("proven", &process["unproven"], &json!(false))?;
    expect("argv", &process["argv"], &json!(["python3", "-c", program_text, "***", "***", "***", "plain"]))?;
    expect("argv is whole", &process["argv_cut"], &json!(false))?;
    let ancestors = process["ancestors"].as_array().cloned().unwrap_or_default();
    let first: Vec<&Value> = ancestors.iter().take(2).map(|one| &one["executable"]).collect();
    expect("ancestors", first, vec![&text(&program("sh")), &text(&program("bash"))])?;
    expect("the nearest is the parent", &ancestors[0]["exec_id"], &record["parent_exec_id"])?;
    expect("secrets", record.to_string().contains("hunter2"), false)?;
    expect("container", &process["container_id"], &Value::Null)
}

/// A shell that waits for a line, and reads the file then by itself.
fn waiting() -> std::process::Child {
    let script = format!("read go; read line < {FILE}; exit 0");
    Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash")
}

fn go(mut child: std::process::Child) {
    child.stdin.take().expect("its input").write_all(b"go\n").expect("a line");
    child.wait().expect("its end");
}

fn from_before_arming() -> Result<(), Failed> {
    let child = waiting();
    let agent = armed();
    let own = std::process::id();
    go(child);
    let record = last(&agent);
    let process = &record["process"];
    expect("executable", &process["executable"], &text(&program("bash")))?;
    expect("unproven", &process["unproven"], &json!(true))?;
    let nearest = process["ancestors"][0]["exec_id"].as_str().unwrap_or_default().to_owned();
    expect("parent", &json!(nearest), &record["parent_exec_id"])?;
    expect("it is this one", nearest.split(':').next(), Some(own.to_string().as_str()))?;
    expect("which is unproven", &process["ancestors"][0]["unproven"], &json!(true))
}

/// What was started while there was a daemon, and is told by the next one.
fn of_an_earlier_daemon() -> Result<(), Failed> {
    let mut agent = armed();
    let child = waiting();
    agent.settle();
    agent.kill();
    agent.start_again();
    go(child);
    let process = &last(&agent)["process"];
    expect("executable", &process["executable"], &text(&program("bash")))?;
    let key = fs::metadata(program("bash"))?.ino();
    expect("the kernel's record has outlived it", &process["executable_ino"], &json!(key))
}

/// Forges its arguments, its name, and what seems to be its executable. The kernel lets a process name another one once nothing
/// of the old one is mapped any more: so it puts copies in the place of what is. They are made by a few instructions, as
/// Python itself cannot run between copying its own memory and replacing it.
const FORGER: &str = r#"
import ctypes, os, re, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NAME, PR_SET_MM, EXE_FILE = 15, 35, 13
own = os.stat("/proc/self/exe")
fields = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
start, end = int(fields[45]), int(fields[46])
ctypes.memset(start, ord("x"), end - start - 1)
libc.prctl(PR_SET_NAME, b"init", 0, 0, 0)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
page = lambda length: libc.mmap(None, length, 7, 0x22, -1, 0)
# Copies rdx bytes from rsi to rdi, and moves that over rsi: mremap(rdi, rdx, rdx, MAYMOVE | FIXED, rsi).
code = bytes.fromhex("4889f8 4989f0 4889d1 f3a4 4889c7 4889d6 41ba03000000 b819000000 0f05 c3")
at = page(4096)
ctypes.memmove(at, code, len(code))
replace = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_void_p] * 3)(at)
for line in open("/proc/self/maps").read().splitlines():
    found = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)", line)
    if int(found[3]) == own.st_ino:
        first, last = int(found[1], 16), int(found[2], 16)
        replace(page(last - first), first, last - first)
done = libc.prctl(PR_SET_MM, EXE_FILE, os.open("/usr/bin/true", os.O_RDONLY), 0, 0)
print(done, ctypes.get_errno(), os.readlink("/proc/self/exe"), open("/proc/self/cmdline").read()[:3], flush=True)
try:
    open(sys.argv[1])
except PermissionError:
    print("denied", flush=True)
os._exit(0)
"#;

fn forged() -> Result<(), Failed> {
    let agent = armed();
    let python = program("python3");
    let output = Command::new(&python).args(["-c", FORGER, FILE]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    expect("it is forged, and denied", said.as_str(), "0 0 /usr/bin/true xxx\ndenied\n")?;
    let record = last(&agent);
    let process = &record["process"];
    expect("comm, which anyone can set", &record["comm"], &json!("init"))?;
    expect("executable", &process["executable"], &text(&python))?;
    expect("inode", &process["executable_ino"], &json!(fs::metadata(&python)?.ino()))?;
    expect("argv", &process["argv"][0], &text(&python))?;
    expect("argv is cut", &process["argv_cut"], &json!(true))?;
    expect("proven", &process["unproven"], &json!(false))
}

fn container() -> Result<(), Failed> {
    let id = "0123456789abcdef".repeat(4);
    let root = aegis_probes::mount_point("cgroup2").ok_or("no cgroup2")?;
    let cgroup = root.join(format!("docker-{id}.scope"));
    fs::create_dir_all(&cgroup)?;
    let agent = armed();
    let script = format!("echo $$ > {}/cgroup.procs; read line < {FILE}; true", cgroup.display());
    Command::new("bash").args(["-c", &script]).output()?;
    let told = last(&agent)["process"]["container_id"].clone();
    drop(agent);
    let _ = fs::remove_dir(&cgroup);
    expect("container", told, json!(id))
}
