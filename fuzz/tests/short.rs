//! The short form: each target takes its seeds, and random changes of them for five seconds. `AEGIS_LONG=1` goes on for
//! ten minutes, `AEGIS_SEED` is the number that a failed run has printed. `cargo xtask fuzz` is the form that sees which
//! code an input reaches.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_fuzz::{Changes, FORMAT1, FORMAT3, MERGED, SIGNATURES, Target, VALUES, dictionary};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn try_one(target: &Target, input: &[u8], of: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target.check(input)));
    let found = outcome.unwrap_or_else(|_| Err("it panicked, as told above".to_owned()));
    if let Err(found) = found {
        let input = input.escape_ascii();
        panic!("{found}\n\n{} with {of}; in the syntax of `printf` the input is\n{input}", target.name);
    }
}

fn play(target: &Target) {
    let seconds = if std::env::var_os("AEGIS_LONG").is_some() { 600 } else { 5 };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let number = std::env::var("AEGIS_SEED").ok().map_or(now, |number| number.parse().unwrap());
    let seeds = target.seeds().unwrap();
    seeds.iter().for_each(|seed| try_one(target, seed, "a seed"));
    let (start, mut tried) = (Instant::now(), 0);
    let mut changes = Changes::new(seeds, number);
    while start.elapsed() < Duration::from_secs(seconds) {
        try_one(target, &changes.another(), &format!("AEGIS_SEED={number}"));
        tried += 1;
    }
    eprintln!("{}: {tried} random inputs in {seconds} s, AEGIS_SEED={number}", target.name);
    assert!(tried > 100, "{}: only {tried} inputs in {seconds} s", target.name);
}

#[test]
fn format_3_holds() {
    play(&FORMAT3);
}

#[test]
fn formats_1_and_2_hold() {
    play(&FORMAT1);
}

#[test]
fn values_hold() {
    play(&VALUES);
}

#[test]
fn merged_files_hold() {
    play(&MERGED);
}

#[test]
fn signatures_hold() {
    play(&SIGNATURES);
}

/// libFuzzer refuses a dictionary as a whole for one wrong line.
#[test]
fn the_dictionary_is_one() {
    let dictionary = dictionary();
    assert!(dictionary.lines().count() > 100);
    for line in dictionary.lines() {
        let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap();
        assert!(!inner.is_empty() && inner.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    }
    for word in ["\"path = \"", "\"\\\"map-exec\\\"\"", "\"version=1\\x0a\""] {
        assert!(dictionary.lines().any(|line| line == word), "{word}");
    }
}
