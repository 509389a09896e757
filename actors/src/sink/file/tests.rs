//! What may be at the path, and what becomes of a file that is moved away.

use super::*;
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
