//! What may be at the path, and what becomes of a file that is moved away.

use super::super::queue::{Waiting, WhenFull};
use super::super::state::{Item, Told};
use super::*;
use crate::router::{Numbering, Summary};
use crate::spool::{Journal, Store, WhenFulls};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events");
    (directory, path)
}

#[test]
fn only_a_regular_file_is_one() {
    let (directory, path) = place();
    let refused = |path: &Path, why: &str| {
        let error = EventsFile::open(path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(directory.path(), "it is a directory: name a regular file");
    refused(Path::new("/dev/null"), "it is a device: name a regular file");
    refused(&directory.path().join("none/events"), "make its directory first");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(&path, "it is a FIFO: name a regular file");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    refused(&path, "it is a symbolic link: name a regular file");
    assert!(!directory.path().join("elsewhere").exists());
    fs::remove_file(&path).unwrap();
    let (_, torn) = EventsFile::open(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    assert!(!torn && mode & !0o640 == 0, "{mode:o}");
}

#[test]
fn a_line_that_is_not_whole_is_seen() {
    let (_directory, path) = place();
    for (text, expected) in [("", false), ("{}\n", false), ("{}\n{\"ty", true)] {
        fs::write(&path, text).unwrap();
        assert_eq!(EventsFile::open(&path).unwrap().1, expected, "{text:?}");
    }
}

#[test]
fn lines_go_on_in_a_new_file_when_the_old_one_is_moved_away() {
    let (directory, path) = place();
    let old = directory.path().join("events.1");
    let (mut file, _) = EventsFile::open(&path).unwrap();
    file.write_all(b"one\n").unwrap();
    assert_eq!(file.prepare().unwrap(), None);
    fs::rename(&path, &old).unwrap();
    assert_eq!(file.prepare().unwrap(), Some(false));
    file.write_all(b"two\n").unwrap();
    // Somebody has put another one there, which is not whole.
    fs::write(directory.path().join("other"), "thr").unwrap();
    fs::rename(directory.path().join("other"), &path).unwrap();
    assert_eq!(file.prepare().unwrap(), Some(true));
    fs::remove_file(&path).unwrap();
    assert_eq!(file.prepare().unwrap(), Some(false));
    file.write_all(b"four\n").unwrap();
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!((text(&old), text(&path)), ("one\n".to_owned(), "four\n".to_owned()));
    // What is there now is refused, until it is gone.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(file.prepare().is_err());
    fs::remove_dir(&path).unwrap();
    assert_eq!(file.prepare().unwrap(), Some(false));
}

#[test]
fn an_account_that_cannot_be_kept_is_no_reason_to_stop() {
    let (directory, _) = place();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
    let (cursor, progress) = open_cursor(&state, "0123456789abcdef", 2);
    assert!(cursor.is_none());
    assert_eq!(progress.delivered, [Delivered::default(); 2]);
    let outbox = Outbox::new(WhenFull::Wait, Some(progress));
    let mut books = FileBooks { cursor, outbox };
    let delivered = Delivered { upto: 3, events: 3, ..Delivered::default() };
    books.set_delivered(1, &delivered);
    books.keep();
    assert_eq!(books.delivered(1), delivered);
}

const ARMING: &str = "0123456789abcdef";

/// What a daemon has of the file, without its thread.
struct Daemon {
    store: Store,
    press: Press<Followed, FileBooks>,
    settings: watch::Sender<Live>,
}

fn named(path: &Path) -> Live {
    Live { events_file: Some(path.to_owned()), ..Live::default() }
}

impl Daemon {
    /// One that begins where the kernel has given out so many numbers, all of which were taken from the ring.
    fn begin(path: &Path, state: &Path, taken: u64) -> Self {
        let sinks = WhenFulls { stdout: WhenFull::DropNewest, events_file: WhenFull::Wait };
        let store = Store::new(Journal::default(), Numbering::default(), sinks, Progress::default());
        store.were_taken(0, taken);
        let settings = watch::Sender::new(named(path));
        let out = Followed { settings: settings.subscribe(), file: None };
        let (cursor, kept) = open_cursor(state, ARMING, 1);
        let outbox = store.events_file.clone();
        outbox.turn_on();
        outbox.progress().replace(kept);
        let press = Press::new(out, FileBooks { cursor, outbox }, Numbering::default(), false);
        Self { store, press, settings }
    }

    fn events_file(&self) -> &Outbox {
        &self.store.events_file
    }

    fn push(&self, told: Told) {
        let line = match told {
            Told::Event { cpu, sequence } => {
                format!("{{\"cpu\":{cpu},\"first\":{sequence},\"last\":{sequence}}}")
            }
            Told::Summary(Summary { first, last, .. }) => format!("{{\"first\":{first},\"last\":{last}}}"),
            _ => unreachable!(),
        };
        self.events_file().push(Waiting::Line(Item { line: line.into(), told }));
    }

    fn print(&mut self) {
        let outbox = self.events_file().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.press.print_until_empty(&outbox));
    }
}

/// The numbers of CPU 0, and those of folded decisions, that files tell of.
fn told(paths: &[PathBuf]) -> [BTreeSet<u64>; 2] {
    let mut told = [BTreeSet::new(), BTreeSet::new()];
    for path in paths {
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            let range = record["first"].as_u64().unwrap()..=record["last"].as_u64().unwrap();
            told[usize::from(record["cpu"].is_null())].extend(range);
        }
    }
    told
}

#[test]
fn the_file_is_another_one_or_none_from_one_line_to_the_next() {
    let (directory, path) = place();
    let (other, state) = (directory.path().join("other"), directory.path().join("state"));
    let mut daemon = Daemon::begin(&path, &state, 0);
    let event = |sequence| Told::Event { cpu: 0, sequence };
    daemon.push(event(1));
    daemon.print();
    // Another one, which ends in the middle of a line.
    fs::write(&other, "{\"ty").unwrap();
    daemon.settings.send_replace(named(&other));
    daemon.push(event(2));
    daemon.print();
    // Not to be opened: lines wait for it.
    daemon.settings.send_replace(named(directory.path()));
    daemon.push(event(3));
    daemon.print();
    assert_eq!(daemon.events_file().waiting(), 1);
    daemon.settings.send_replace(named(&other));
    daemon.print();
    // None: what still waits goes where the rest went; then it is off, and told later what it missed.
    daemon.settings.send_replace(Live::default());
    daemon.push(event(4));
    daemon.print();
    daemon.push(event(5));
    daemon.events_file().turn_off();
    daemon.push(event(6));
    assert_eq!((daemon.events_file().waiting(), daemon.events_file().summarised()), (0, None));
    daemon.settings.send_replace(named(&path));
    daemon.events_file().turn_on();
    daemon.push(event(7));
    daemon.print();
    let lines =
        |path: &Path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let line = |number| format!("{{\"cpu\":0,\"first\":{number},\"last\":{number}}}");
    assert_eq!(lines(&other), ["{\"ty".to_owned(), line(2), line(3), line(4)]);
    let there = lines(&path);
    assert_eq!((there.len(), &there[0], &there[2]), (3, &line(1), &line(7)));
    let gap: Value = serde_json::from_str(&there[1]).unwrap();
    assert_eq!((&gap["reason"], &gap["first"], &gap["last"]), (&"sink_off".into(), &5.into(), &6.into()));
}

#[test]
fn a_file_that_cannot_be_opened_is_known_before() {
    let (directory, path) = place();
    EventsFile::check(&path).unwrap();
    assert!(!path.exists(), "looking makes none");
    fs::write(&path, "").unwrap();
    EventsFile::check(&path).unwrap();
    let refused = |path: &Path, why: &str| {
        let error = EventsFile::check(path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(directory.path(), "it is a directory: name a regular file");
    refused(&directory.path().join("none/events"), "make its directory first");
    refused(&path.join("events"), "name a file in a directory");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Daemons are killed before they write, between writing and keeping their account, in the middle of a line; the file
    /// is moved away, and the account damaged: over all of their lines no number is missing.
    #[test]
    fn nothing_is_lost_in_silence_by_those_who_are_killed(
        lives in prop::collection::vec((0_u64..150, 0_u64..100, 0_u8..7), 1..12),
    ) {
        let (directory, path) = place();
        let (old, state) = (directory.path().join("events.1"), directory.path().join("state"));
        let cursor = state.join(CURSOR);
        let (mut taken, mut folded) = (0, 0);
        for (printed, more, end) in lives {
            let mut daemon = Daemon::begin(&path, &state, taken);
            let mut hand_on = |daemon: &Daemon, count: u64| {
                (taken + 1..=taken + count).for_each(|sequence| daemon.push(Told::Event { cpu: 0, sequence }));
                taken += count;
            };
            hand_on(&daemon, printed);
            daemon.print();
            let kept = fs::read(&cursor).unwrap();
            hand_on(&daemon, more);
            if let Some(before) = daemon.events_file().summarised() && more > 0 {
                folded = (before + more).max(folded);
                let summary = Summary { storm: None, first: before + 1, last: folded, from_ns: 0, to_ns: 0 };
                daemon.push(Told::Summary(summary));
            }
            if end > 0 {
                daemon.print();
            }
            match end {
                1 => fs::write(&cursor, kept).unwrap(),
                2 => File::options().append(true).open(&path).unwrap().write_all(b"{\"cpu\":0,\"fi").unwrap(),
                3 if !old.exists() => fs::rename(&path, &old).unwrap(),
                4 => fs::write(&cursor, "no account").unwrap(),
                5 => fs::remove_file(&cursor).unwrap(),
                _ => {}
            }
        }
        let mut daemon = Daemon::begin(&path, &state, taken);
        daemon.print();
        let before = daemon.events_file().summarised().unwrap();
        if before < folded {
            let summary = Summary { storm: None, first: before + 1, last: folded, from_ns: 0, to_ns: 0 };
            daemon.push(Told::Summary(summary));
            daemon.print();
        }
        let expected = [(1..=taken).collect::<BTreeSet<_>>(), (1..=folded).collect()];
        prop_assert_eq!(told(&[old, path]), expected);
        let progress = daemon.events_file().progress().clone().unwrap();
        prop_assert_eq!((progress.delivered[0].upto, progress.summarised), (taken, folded));
    }
}
