//! Random requests: mutations of valid ones, from a seed. Each is answered or closed within the limits, no part of the
//! daemon is started again, and it answers as before afterwards. `AEGIS_LONG=1` goes on for ten minutes, `AEGIS_SEED`
//! repeats a run as far as the order of the threads allows.

use crate::armed::Armed;
use crate::control::{descriptors, no_more_than, restarted};
use crate::fallback;
use crate::peer::{Answer, Peer, request, requests, rest_or_end};
use crate::refused::ignored_unless;
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The test of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let why = fallback::why_not();
    let trial = Trial::test("control::random_requests", || {
        random_requests();
        Ok(())
    });
    vec![ignored_unless(why.is_none(), why.unwrap_or_default(), trial)]
}

const THREADS: u64 = 4;
/// How long nothing may come before the peer says that it has sent all.
const SILENCE: Duration = Duration::from_millis(100);
/// A connection on which nothing more comes is closed at once, whatever it was about; a change may take its time.
const LIMIT: Duration = Duration::from_secs(60);

/// Numbers from a seed: `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }
}

/// What is put in somewhere.
const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    ":",
    " ",
    "/",
    "?",
    "%00",
    "%",
    "\0",
    "{",
    "}",
    "[",
    "\"",
    ",",
    "-1",
    "0",
    "true",
    "99999999999999999999",
    "content-length: 5\r\n",
    "transfer-encoding: chunked\r\n",
    "expect: 100-continue\r\n",
    "upgrade: h2c\r\n",
    "connection: keep-alive\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
    "OPTIONS",
    "HEAD",
    "CONNECT",
    "DELETE",
    "aegis-bpffs-root: /else\r\n",
    "?after=18446744073709551615",
    "&follow=true",
    "\u{fffd}",
    "\\u0000",
    "add",
    "delete",
];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    let to = at + random.below((bytes.len() - at).min(64) + 1);
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => drop(bytes.drain(at..to)),
        3 => {
            let times = [1, 2, 50, 2_000][random.below(4)];
            let piece = bytes[at..to].repeat(times);
            drop(bytes.splice(at..at, piece));
        }
        4 => {
            let word = WORDS[random.below(WORDS.len())];
            drop(bytes.splice(at..at, word.bytes()));
        }
        5 => {
            let noise: Vec<u8> = (0..random.below(16)).map(|_| random.next().to_le_bytes()[0]).collect();
            drop(bytes.splice(at..to, noise));
        }
        // A word in the place of another one.
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            drop(bytes.splice(at..to, word.bytes()));
        }
    }
}

/// The next request. Those that change something are rarer, as each is proven in the kernel.
fn next(random: &mut Random, valid: &[(bool, Vec<u8>)]) -> Vec<u8> {
    loop {
        let (changes, bytes) = &valid[random.below(valid.len())];
        if *changes && random.below(8) > 0 {
            continue;
        }
        let mut bytes = bytes.clone();
        for _ in 0..random.below(4) {
            mutate(random, &mut bytes);
        }
        return bytes;
    }
}

/// What came is what may come.
fn check(sent: &[u8], answer: &Answer, seed: u64) {
    let told = || {
        let sent = String::from_utf8_lossy(sent);
        format!("seed {seed}: {sent:?}: {:?} after {:?}", String::from_utf8_lossy(&answer.bytes), answer.took)
    };
    assert!(answer.took < LIMIT, "{}", told());
    assert!(answer.bytes.is_empty() || answer.status().is_some(), "no HTTP: {}", told());
    // What is no HTTP has no words. Neither has an answer to HEAD.
    let wordless = String::from_utf8_lossy(&answer.bytes).contains("content-length: 0\r\n");
    if answer.status().is_some_and(|code| code >= 400)
        && !wordless
        && !sent.windows(4).any(|four| four == b"HEAD")
    {
        assert!(answer.refusal().is_some(), "{}", told());
    }
}

type Counts = BTreeMap<Option<u16>, u64>;

fn attack(peer: &Peer, seed: u64, end: Instant) -> Counts {
    let mut random = Random(seed);
    let valid = requests();
    let mut counts = Counts::new();
    while Instant::now() < end {
        let sent = next(&mut random, &valid);
        let answer = rest_or_end(peer.begins(&sent), SILENCE);
        check(&sent, &answer, seed);
        *counts.entry(answer.status()).or_default() += 1;
    }
    counts
}

fn random_requests() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = std::env::var("AEGIS_SEED").ok().map_or(now, |seed| seed.parse().expect("a number"));
    let seconds = if std::env::var_os("AEGIS_LONG").is_some() { 600 } else { 5 };
    eprintln!("random requests for {seconds} s, AEGIS_SEED={seed}");
    let armed = Armed::start(&["run", "--observe"]);
    let before = descriptors(&armed).max(descriptors(&armed));
    let peer = Peer::of(&armed.socket());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut counts = Counts::new();
    std::thread::scope(|scope| {
        let attackers: Vec<_> =
            (0..THREADS).map(|number| (seed.wrapping_add(number), peer.clone())).collect();
        let attackers: Vec<_> =
            attackers.into_iter().map(|(seed, peer)| scope.spawn(move || attack(&peer, seed, end))).collect();
        for attacker in attackers {
            for (code, count) in attacker.join().unwrap() {
                *counts.entry(code).or_default() += count;
            }
        }
    });
    eprintln!("{} requests with seed {seed}: {counts:?}", counts.values().sum::<u64>());
    let log = armed.log();
    assert!(!log.contains("panicked"), "seed {seed}: {log}");
    let tree = peer.says(&request("get", "/v1/tree")).body().expect("a tree");
    assert_eq!(restarted(&tree["root"]), [""; 0], "seed {seed}: {log}");
    assert_eq!(peer.says(&request("get", "/v1/status")).status(), Some(200), "seed {seed}");
    no_more_than(&armed, before);
}
