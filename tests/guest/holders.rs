//! What was opened or mapped before a policy came into force goes on working; who can go on is told, or killed.

use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::Outcome;
use aegis_tests::place::{EXEMPT, Kind, Place};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const TESTS: &[Test] = &[
    ("start_tells", start_tells),
    ("start_kills", start_kills),
    ("again_tells_again", again),
    ("who_forks_away_is_told", forking),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let on = |kind: Kind| {
        Trial::test(format!("holders::{}::told_and_killed", kind.name()), move || told_and_killed(kind))
    };
    Kind::ALL.into_iter().map(on).chain(trials_of("holders", TESTS)).collect()
}

/// What a process does before it says that it is ready.
struct Role {
    name: &'static str,
    /// A file of the place.
    file: &'static str,
    program: Program,
    exempt: bool,
    /// The rule that it is listed under, by what it holds the file, and for which operations; none if it is not.
    listed: Option<(&'static str, &'static str, &'static str)>,
}

enum Program {
    /// In Python.
    Python(&'static str),
    /// The file itself is a shell.
    Itself,
}

const OPEN: Program = Program::Python("held=os.open(path,os.O_RDONLY)\nready()");
const APPEND: Program = Program::Python("held=os.open(path,os.O_WRONLY|os.O_APPEND)\nready()");
/// Opened by `O_PATH` nothing can be read.
const PLACE: Program = Program::Python("held=os.open(path,os.O_PATH)\nready()");
const MAP: Program = Program::Python("f=os.open(path,os.O_RDONLY)\nmap(f,1,1)\nos.close(f)\nready()");
const MAP_CODE: Program = Program::Python("f=os.open(path,os.O_RDONLY)\nmap(f,5,2)\nos.close(f)\nready()");
/// Of two processes, the one that was passed a descriptor over a socket says who it is; the other closes its own.
const RECEIVE: Program = Program::Python(
    "a,b=socket.socketpair()
if os.fork()==0:
    held=socket.recv_fds(b,1,1)
    ready()
else:
    f=os.open(path,os.O_RDONLY)
    socket.send_fds(a,[b'x'],[f])
    os.close(f)
    os.wait()",
);

/// What the programs share. Memory is mapped by hand, as Python would keep a descriptor of its own.
const PRELUDE: &str = "import ctypes,os,socket,sys
path=sys.argv[1]
libc=ctypes.CDLL(None)
libc.mmap.restype=ctypes.c_void_p
libc.mmap.argtypes=[ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int,ctypes.c_int,ctypes.c_int,ctypes.c_long]
def map(f,protection,flags):
    if libc.mmap(None,4096,protection,flags,f,0) in (None,2**64-1): sys.exit('mmap failed')
def ready():
    print(os.getpid(),flush=True)
    sys.stdin.read()
";

const ROLES: &[Role] = &[
    Role {
        name: "reader",
        file: "data",
        program: OPEN,
        exempt: false,
        listed: Some(("data", "descriptor", "read")),
    },
    Role {
        name: "writer",
        file: "recreated",
        program: APPEND,
        exempt: false,
        listed: Some(("recreated", "descriptor", "write append")),
    },
    Role {
        name: "mapper",
        file: "data",
        program: MAP,
        exempt: false,
        listed: Some(("data", "mapping", "read")),
    },
    Role {
        name: "mapper of code",
        file: "library",
        program: MAP_CODE,
        exempt: false,
        listed: Some(("library", "mapping", "map-exec")),
    },
    Role {
        name: "running program",
        file: "interpreter",
        program: Program::Itself,
        exempt: false,
        listed: Some(("program", "mapping", "exec map-exec")),
    },
    Role {
        name: "receiver",
        file: "data",
        program: RECEIVE,
        exempt: false,
        listed: Some(("data", "descriptor", "read")),
    },
    Role {
        name: "observed",
        file: "observed",
        program: OPEN,
        exempt: false,
        listed: Some(("observed", "descriptor", "read")),
    },
    Role { name: "exempt", file: "data", program: OPEN, exempt: true, listed: None },
    Role { name: "place", file: "data", program: PLACE, exempt: false, listed: None },
    Role { name: "reader of a library", file: "library", program: OPEN, exempt: false, listed: None },
    Role { name: "mapper of a library", file: "library", program: MAP, exempt: false, listed: None },
    Role { name: "reader of something else", file: "control", program: OPEN, exempt: false, listed: None },
];

/// A process in a role, ended when dropped.
struct Holder {
    child: Child,
    /// Of the process that holds the file.
    pid: u64,
}

impl Holder {
    fn start(role: &Role, path: &Path) -> Self {
        let mut command = match role.program {
            Program::Python(text) => {
                let mut command = Command::new("python3");
                command.args(["-c", &format!("{PRELUDE}{text}")]);
                command
            }
            Program::Itself => {
                let mut command = Command::new(path);
                command.args(["-c", "echo $$; read line"]);
                command
            }
        };
        let mut child =
            command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(role.name);
        if role.exempt {
            fs::write(format!("{EXEMPT}/cgroup.procs"), child.id().to_string()).expect("a cgroup");
        }
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("output")).read_line(&mut line).expect(role.name);
        Self { child, pid: line.trim().parse().expect(role.name) }
    }

    fn lives(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Whoever reads from us ends as well: the receiver is no child of ours.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process in each role, and an agent without rules. They end in this order: the place is in use until then.
struct Scene {
    holders: Vec<(&'static Role, Holder)>,
    agent: Agent,
    place: Place,
}

impl Scene {
    fn make(kind: Kind) -> Self {
        let place = Place::make(kind);
        fs::write(place.path("observed"), "content\n").expect("a file");
        let mut agent = Agent::new("aegis-holders");
        agent.start("version = 3\nname = \"nothing\"\n", &["--enforce"]);
        let start = |role: &'static Role| (role, Holder::start(role, &place.path(role.file)));
        let holders = ROLES.iter().map(start).collect();
        Self { holders, agent, place }
    }

    fn policy(&self) -> String {
        let observed = self.place.path("observed").display().to_string();
        let rule = format!(
            "[[rule]]\nid = \"observed\"\non = [\"read\"]\nmode = \"observe\"\npath = \"{observed}\"\n"
        );
        self.agent.policy(&(self.place.policy() + &rule))
    }

    fn apply(&self, action: &str) -> Value {
        let mut reply = self.agent.json(&["policy", "apply", &self.policy(), "--holders", action]);
        reply["holders"].take()
    }

    /// Exactly those are listed that should be, and named rightly.
    fn check_listed(&self, report: &Value, killed: bool) -> Result<(), Failed> {
        expect("error", &report["error"], &Value::Null)?;
        let mut expected: Vec<_> = self
            .holders
            .iter()
            .filter_map(|(role, holder)| {
                let (rule, holds, operations) = role.listed?;
                let path = self.place.path(role.file).display().to_string();
                let killed = killed && rule != "observed";
                Some((holder.pid, rule.to_owned(), holds.to_owned(), operations.to_owned(), path, killed))
            })
            .collect();
        let listed = report["listed"].as_array().ok_or("no list")?;
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let mut seen: Vec<_> = listed
            .iter()
            .map(|holder| {
                let holds = holder["holds"].as_object().and_then(|holds| holds.keys().next().cloned());
                let operations: Vec<_> =
                    holder["operations"].as_array().into_iter().flatten().map(text).collect();
                let pid = holder["pid"].as_u64().unwrap_or(0);
                let killed = holder["killed"].as_bool() == Some(true);
                (
                    pid,
                    text(&holder["rule"]),
                    holds.unwrap_or_default(),
                    operations.join(" "),
                    text(&holder["path"]),
                    killed,
                )
            })
            .collect();
        expected.sort();
        seen.sort();
        expect("listed", &seen, &expected)?;
        expect("found", report["found"].as_u64(), Some(expected.len() as u64))
    }
}

fn told_and_killed(kind: Kind) -> Result<(), Failed> {
    let mut scene = Scene::make(kind);
    let report = scene.apply("report");
    scene.check_listed(&report, false)?;
    expect("killed", report["killed"].as_u64(), Some(0))?;
    expect("left", report["left"].as_u64(), Some(6))?;
    // One exempt process, and whatever there is of the survival list.
    expect("spared", report["spared"].as_u64().is_some_and(|spared| spared > 0), true)?;
    for (role, holder) in &mut scene.holders {
        expect(&format!("{} lives", role.name), holder.lives(), true)?;
    }
    let report = scene.apply("kill");
    scene.check_listed(&report, true)?;
    expect("killed", report["killed"].as_u64(), Some(6))?;
    expect("left", report["left"].as_u64(), Some(0))?;
    for (role, holder) in &mut scene.holders {
        if role.listed.is_none_or(|(rule, ..)| rule == "observed") {
            expect(&format!("{} lives", role.name), holder.lives(), true)?;
        } else {
            wait_until("whoever held something has ended", || !holder.lives());
        }
    }
    // Nobody is left to be found but the one that is observed.
    let output = scene.agent.run(&["policy", "apply", &scene.policy()]);
    expect("exit code", output.status.code(), Some(0))?;
    expect_text("table", &String::from_utf8_lossy(&output.stdout), "1 descriptor(s)")
}

const FILE: &str = "/scratch/holders-data";

fn policy(path: &str) -> String {
    fs::write(path, "content\n").expect("a file");
    format!("version = 3\nname = \"holders\"\n[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{path}\"\n")
}

fn start_tells() -> Result<(), Failed> {
    let policy = policy(FILE);
    let mut holder = Holder::start(&ROLES[0], Path::new(FILE));
    let mut agent = Agent::new("aegis-holders");
    agent.start(&policy, &["--enforce"]);
    expect("lives", holder.lives(), true)?;
    let log = agent.log();
    expect_text("log", &log, "goes on working")?;
    expect_text("log", &log, &format!("pid={}", holder.pid))?;
    agent.detach();
    Ok(())
}

fn start_kills() -> Result<(), Failed> {
    let policy = policy(FILE);
    let mut holder = Holder::start(&ROLES[0], Path::new(FILE));
    let mut agent = Agent::new("aegis-holders");
    agent.start(&policy, &["--enforce", "--holders", "kill"]);
    expect("lives", holder.lives(), false)?;
    expect_text("log", &agent.log(), "killed")?;
    agent.detach();
    Ok(())
}

/// The same policy changes nothing, and tells who holds on still.
fn again() -> Result<(), Failed> {
    let policy = policy(FILE);
    let mut holder = Holder::start(&ROLES[0], Path::new(FILE));
    let mut agent = Agent::new("aegis-holders");
    agent.start(&policy, &["--enforce"]);
    let file = agent.policy(&policy);
    let reply = agent.json(&["policy", "apply", &file]);
    expect("changed", reply["changed"].as_bool(), Some(false))?;
    expect("holder", reply["holders"]["listed"][0]["pid"].as_u64(), Some(holder.pid))?;
    let reply = agent.json(&["policy", "apply", &file, "--holders", "kill"]);
    expect("killed", reply["holders"]["killed"].as_u64(), Some(1))?;
    expect("lives", holder.lives(), false)?;
    expect("denied", File::open(FILE).map(drop).into(), Outcome::Denied)?;
    agent.detach();
    expect("allowed", File::open(FILE).map(drop).into(), Outcome::Allowed)
}

/// Each child makes another one and ends, so that no list of processes is ever whole.
const FORKING: &str = "held=os.open(path,os.O_RDONLY)
print(os.getpid(),flush=True)
import time
end=time.monotonic()+10
while time.monotonic()<end:
    if os.fork()>0: time.sleep(0.1); os._exit(0)";

/// Whoever forks fast enough gets away. Then it is said so.
fn forking() -> Result<(), Failed> {
    let mut agent = Agent::new("aegis-holders");
    agent.start("version = 3\nname = \"nothing\"\n", &["--enforce"]);
    let policy = agent.policy(&policy(FILE));
    let role =
        Role { name: "forking", file: "", program: Program::Python(FORKING), exempt: false, listed: None };
    let _holder = Holder::start(&role, Path::new(FILE));
    let output = agent.run(&["policy", "apply", &policy, "--holders", "kill", "-o", "json"]);
    let reply: Value = serde_json::from_slice(&output.stdout)?;
    let left = reply["holders"]["left"].as_u64().ok_or("it is not said how many are left")?;
    expect("exit code", output.status.code(), Some(if left == 0 { 0 } else { 5 }))?;
    if left > 0 {
        return expect_text("message", &String::from_utf8_lossy(&output.stderr), "could not be killed");
    }
    let reply = agent.json(&["policy", "apply", &policy]);
    expect("found", reply["holders"]["found"].as_u64(), Some(0))
}
