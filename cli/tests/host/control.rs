//! The control socket of a real daemon, with its own limits: the examples of the documents, peers that may not change
//! anything, and peers that behave badly. It is the daemon of the audit fallback, so nothing is denied by it.

use crate::armed::Armed;
use crate::fallback;
use crate::peer::{Peer, request, rest};
use crate::place::trial;
use crate::refused::ignored_unless;
use aegis_control_api::{ROUTES, RefusalKind};
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let cannot = fallback::why_not();
    let no_curl = cannot.or_else(|| (!has("curl")).then_some("there is no curl"));
    let no_setpriv = no_curl.or_else(|| (!has("setpriv")).then_some("there is no setpriv"));
    let short = (std::env::var_os("AEGIS_LONG").is_none()).then_some("it takes a minute; set AEGIS_LONG=1");
    let trial = |name: &str, why: Option<&str>, test: fn()| {
        let trial = trial(&format!("control::{name}"), test);
        ignored_unless(why.is_none(), why.unwrap_or_default(), trial)
    };
    vec![
        trial("examples", no_curl, examples),
        trial("others_change_nothing", no_setpriv, others_change_nothing),
        trial("bad_peers_leave_nothing", cannot, bad_peers_leave_nothing),
        trial("patience_ends", cannot.or(short), patience_ends),
    ]
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

const DOCUMENT: &str = include_str!("../../../docs/operations.md");
const SOCKET: &str = "/run/aegisbpf/control.sock";

/// The examples of the document: each a command that begins with `curl`, on one line or continued by `\`.
fn documented() -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("curl ") {
            continue;
        }
        let mut example = line.to_owned();
        while example.ends_with('\\') {
            example.push('\n');
            example.push_str(lines.next().expect("a continued line"));
        }
        examples.push(example);
    }
    examples
}

/// The method and path of an example.
fn asks(example: &str) -> (&'static str, &str) {
    let (_, path) = example.split_once("http://aegisbpf").expect("an address");
    let end = path.find(|letter: char| "?' \n".contains(letter)).unwrap_or(path.len());
    let posts = example.contains(" -X POST") || example.contains("--json ");
    (if posts { "post" } else { "get" }, &path[..end])
}

/// Each example does what it says, in the order of the document, and there is one for each route.
fn examples() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let examples = documented();
    for route in ROUTES {
        let has_one = examples.iter().any(|example| asks(example) == (route.method, route.path));
        assert!(has_one, "no example of {} {}", route.method, route.path);
    }
    for example in &examples {
        let here = example.replace(SOCKET, &armed.socket().display().to_string());
        let ran = Command::new("sh").arg("-c").arg(&here).current_dir(armed.place.path("")).output().unwrap();
        let told = format!(
            "{here}\n{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        // One that follows is ended by its own limit, and says so.
        let expected = if example.contains("--max-time") { 28 } else { 0 };
        assert_eq!(ran.status.code(), Some(expected), "{told}");
        if here.contains("/metrics") {
            assert!(ran.stdout.starts_with(b"# HELP aegis_"), "{told}");
            continue;
        }
        let mut documents = serde_json::Deserializer::from_slice(&ran.stdout).into_iter::<Value>();
        assert!(documents.next().is_some_and(|document| document.is_ok()), "no JSON: {told}");
        assert!(documents.all(|document| document.is_ok()), "{told}");
    }
    armed.wait_for_its_end();
}

/// Each request that changes something, by a user who could open the socket: refused, and nothing has changed.
fn others_change_nothing() {
    let armed = Armed::start(&["run", "--observe"]);
    for (path, mode) in [(armed.place.path(""), 0o755), (armed.socket(), 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let peer = Peer::of(&armed.socket());
    let ask = |path| peer.says(&request("get", path)).body().unwrap();
    let now = || {
        let mut status = ask("/v1/status");
        let generation = status["generation"].take();
        let lists = ["/v1/policy", "/v1/block", "/v1/allow", "/v1/network"].map(ask);
        (generation, status["links"].take(), lists)
    };
    let before = now();
    for route in ROUTES {
        let socket = armed.socket().display().to_string();
        let url = format!("http://aegisbpf{}", route.path);
        let body = String::from_utf8(request(route.method, route.path)).unwrap();
        let (_, body) = body.split_once("\r\n\r\n").unwrap();
        let mut words =
            vec!["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "-w", "\n%{http_code}"];
        words.extend(["--unix-socket", &socket, "-X"]);
        let method = route.method.to_uppercase();
        words.extend([method.as_str(), "-H", "content-type: application/json"]);
        // The body is one that root's request would be carried out with.
        let body = body.replace("cause", "reason");
        if route.method == "post" {
            words.extend(["-d", &body]);
        }
        words.push(&url);
        let ran = Command::new("setpriv").args(&words).current_dir("/").output().unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        let (answer, code) = told.rsplit_once('\n').unwrap_or_else(|| panic!("{url}: {ran:?}"));
        if route.method == "get" {
            assert_eq!(code, "200", "{url}: {answer}");
            continue;
        }
        let refusal: aegis_control_api::Refusal = serde_json::from_str(answer).expect(answer);
        assert_eq!((code, refusal.kind), ("403", RefusalKind::NotPermitted), "{url}: {answer}");
    }
    assert_eq!(now(), before);
    assert!(restarted(&ask("/v1/tree")["root"]).is_empty());
}

/// The parts that were started again, from a part on.
pub(crate) fn restarted(part: &Value) -> Vec<String> {
    let mut all = Vec::new();
    if part["incarnation"] != 0 || part["restarts"] != 0 {
        all.push(part.to_string());
    }
    all.extend(part["children"].as_array().into_iter().flatten().flat_map(restarted));
    all
}

/// How many descriptors the daemon has open.
pub(crate) fn descriptors(armed: &Armed) -> usize {
    let pid = armed.status()["daemon"]["pid"].as_u64().expect("a daemon");
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// There are no more than before, at the latest when the last idle connection is cut.
pub(crate) fn no_more_than(armed: &Armed, before: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = descriptors(armed);
        if now <= before {
            return;
        }
        assert!(Instant::now() < deadline, "{now} descriptors are open, and were {before}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// All kinds of bad peers at once; others are answered all the time, and no connection is left over.
fn bad_peers_leave_nothing() {
    let armed = Armed::start(&["run", "--observe"]);
    let before = descriptors(&armed).max(descriptors(&armed));
    let peer = Peer::of(&armed.socket());
    let followers: Vec<UnixStream> =
        (0..16).map(|_| peer.begins(&request("get", "/v1/events?follow=true"))).collect();
    let full = peer.says(&request("get", "/v1/events?follow=true"));
    assert_eq!((full.status(), full.refusal().unwrap().kind), (Some(503), RefusalKind::Busy));
    let slow: Vec<UnixStream> =
        (0..8).map(|number| peer.begins(&request("post", "/v1/block")[..15 * (number + 1)])).collect();
    let silent: Vec<UnixStream> = (0..8).map(|_| peer.begins(b"")).collect();
    let huge = [b"GET /v1/status HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 10_000_000]].concat();
    for (bytes, codes) in [
        (huge.as_slice(), &[Some(431)][..]),
        (&[0xff; 100_000], &[Some(400), Some(431), None]),
        (b"hello\r\n\r\n", &[Some(400)]),
    ] {
        let answer = peer.says(bytes);
        assert!(codes.contains(&answer.status()), "{:?}", answer.status());
        // Whoever asks properly is answered meanwhile.
        let asked = Instant::now();
        assert_eq!(peer.says(&request("get", "/v1/policy")).status(), Some(200));
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    let large = request("post", "/v1/block").len() + 10_000_000;
    let large = format!(
        "POST /v1/block HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {large}\r\n\r\n"
    );
    let large = [large.as_bytes(), &vec![b' '; 10_000_000]].concat();
    assert_eq!(peer.says(&large).status(), Some(413));
    drop((followers, slow, silent));
    at_once(&peer);
    no_more_than(&armed, before);
    assert_eq!(restarted(&peer.says(&request("get", "/v1/tree")).body().unwrap()["root"]), [""; 0]);
}

/// 200 at once: each is answered, told to come again, or closed.
fn at_once(peer: &Peer) {
    let codes: Vec<_> = std::thread::scope(|scope| {
        let ask = || peer.says(&request("get", "/v1/policy")).status();
        let all: Vec<_> = (0..200).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |code| codes.iter().filter(|found| **found == code).count();
    let (done, busy, closed) = (count(Some(200)), count(Some(503)), count(None));
    eprintln!("of 200 at once {done} were answered, {busy} told to come again, {closed} closed");
    assert_eq!(done + busy + closed, 200, "{codes:?}");
    assert!(done >= 48, "as many as may be at a time are answered");
}

/// The daemon's own limits for slow peers, to the end of each.
fn patience_ends() {
    let armed = Armed::start(&["run", "--observe"]);
    let before = descriptors(&armed).max(descriptors(&armed));
    let peer = Peer::of(&armed.socket());
    let body = request("post", "/v1/block");
    let pipelined = request("get", "/v1/openapi.json");
    let pipelined = String::from_utf8(pipelined).unwrap().replace("connection: close\r\n", "").repeat(1_000);
    let cut = |begun: UnixStream, least: u64| {
        let answer = rest(begun);
        let range = Duration::from_secs(least)..Duration::from_secs(least + 10);
        assert!(range.contains(&(answer.took + Duration::from_secs(1))), "{:?}, not {least} s", answer.took);
        answer.status()
    };
    let headers = || assert_eq!(cut(peer.begins(&body[..30]), 10), None);
    let piece = || assert_eq!(cut(peer.begins(&body[..body.len() - 5]), 30), Some(408));
    let reading = || {
        let stuck = peer.begins(&[]);
        stuck.set_nonblocking(true).unwrap();
        let _ = std::io::Write::write_all(&mut &stuck, pipelined.as_bytes());
        std::thread::sleep(Duration::from_secs(62));
        stuck.set_nonblocking(false).unwrap();
        let answer = rest(stuck);
        assert!(answer.took < Duration::from_secs(5), "it was cut while it took nothing: {:?}", answer.took);
    };
    std::thread::scope(|scope| {
        scope.spawn(headers);
        scope.spawn(piece);
        scope.spawn(reading);
    });
    assert!(armed.log().contains("took nothing of its answer"), "{}", armed.log());
    no_more_than(&armed, before);
}
