//! The account of another arming, one that is damaged, and one that was killed in the middle of being written.

use super::*;
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const ARMING: &str = "0123456789abcdef";
const CPUS: usize = 3;

fn directory() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    (directory, state)
}

fn open(state: &Path, arming_id: &str) -> (Cursor, Found, Progress) {
    Cursor::open(state, "sink", arming_id, CPUS).unwrap()
}

fn keep(cursor: &mut Cursor, progress: &Progress) {
    let next = cursor.next(progress);
    cursor.keep(&next);
}

fn progress(upto: u64) -> Progress {
    let delivered = vec![Delivered { upto, events: upto, ..Delivered::default() }; CPUS];
    Progress { summarised: upto, delivered, told: ToldStorms::new() }
}

#[test]
fn an_account_outlives_its_daemon() {
    let (_directory, state) = directory();
    for upto in 0..5 {
        let (mut cursor, found, kept) = open(&state, ARMING);
        assert_eq!((found, kept), (if upto == 0 { Found::Nothing } else { Found::Kept }, progress(upto)));
        keep(&mut cursor, &progress(upto + 1));
    }
    let length = fs::metadata(state.join("sink")).unwrap().len();
    assert_eq!(length, 8_192, "of a size that does not grow");
}

#[test]
fn another_arming_begins_from_nothing() {
    let (_directory, state) = directory();
    let (mut cursor, ..) = open(&state, ARMING);
    (1..4).for_each(|upto| keep(&mut cursor, &progress(upto)));
    let (mut cursor, found, kept) = open(&state, "fedcba9876543210");
    assert_eq!((found, kept), (Found::Nothing, progress(0)));
    keep(&mut cursor, &progress(7));
    let (_, found, kept) = open(&state, "fedcba9876543210");
    assert_eq!((found, kept), (Found::Kept, progress(7)));
}

#[test]
fn what_is_damaged_counts_as_not_told() {
    let (_directory, state) = directory();
    let (mut cursor, ..) = open(&state, ARMING);
    (1..=2).for_each(|upto| keep(&mut cursor, &progress(upto)));
    let file = state.join("sink");
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (_, found, kept) = open(&state, ARMING);
    assert_eq!((found, kept), (Found::Kept, progress(1)), "the other place holds");
    bytes[4_096 + 40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (mut cursor, found, kept) = open(&state, ARMING);
    assert_eq!((found, kept), (Found::Damaged, progress(0)));
    keep(&mut cursor, &progress(9));
    assert_eq!(open(&state, ARMING).2, progress(9));
    for text in ["", "{}", "some text that is no account\n"] {
        fs::write(&file, text).unwrap();
        let (_, found, kept) = open(&state, ARMING);
        let expected = if text.is_empty() { Found::Nothing } else { Found::Damaged };
        assert_eq!((found, kept), (expected, progress(0)));
    }
}

#[test]
fn what_others_could_have_written_is_not_read() {
    let (_directory, state) = directory();
    let (mut cursor, ..) = open(&state, ARMING);
    keep(&mut cursor, &progress(5));
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (path, wrong, right) in [(state.join("sink"), 0o620, 0o600), (state.clone(), 0o777, 0o700)] {
        mode(&path, wrong);
        let error = Cursor::open(&state, "sink", ARMING, CPUS).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        mode(&path, right);
    }
    fs::rename(state.join("sink"), state.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", state.join("sink")).unwrap();
    assert!(Cursor::open(&state, "sink", ARMING, CPUS).is_err());
}

#[test]
fn nothing_is_counted_to_a_wrong_storm() {
    let key = |rule| StormKey { rule, ..StormKey::default() };
    let told = |count| Summarised { since: 5, count, last: 9 };
    let other = Progress { summarised: 10, told: [(key(1), told(10))].into(), delivered: Vec::new() };
    let storm = Storm { since: 5, suppressed: 30, last: 9, ..Storm::default() };
    for (summarised, count) in [(0, 10), (10, 10), (11, 30)] {
        assert_eq!(baseline(summarised, &other, &[(key(1), storm)]), [(key(1), told(count))].into());
    }
}

proptest! {
    /// Whatever part of a place a kill left, the account is the last one or the one before it.
    #[test]
    fn killed_at_any_moment_one_of_both_is_there(upto in 1_u64..9, written in 0_usize..4_096) {
        let (_directory, state) = directory();
        let (mut cursor, ..) = open(&state, ARMING);
        (1..=upto).for_each(|upto| keep(&mut cursor, &progress(upto)));
        let file = state.join("sink");
        let before = fs::read(&file).unwrap();
        keep(&mut cursor, &progress(upto + 1));
        let mut after = fs::read(&file).unwrap();
        let place = if (upto + 1) % 2 == 0 { 0 } else { 4_096 };
        after[place + written..place + 4_096].copy_from_slice(&before[place + written..place + 4_096]);
        fs::write(&file, &after).unwrap();
        let (_, found, kept) = open(&state, ARMING);
        prop_assert_eq!(found, Found::Kept);
        prop_assert!(kept == progress(upto) || kept == progress(upto + 1));
    }
}
