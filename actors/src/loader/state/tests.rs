//! What paths keep when they are resolved again.

use super::*;

const PATH: &str = "/dir/file";

fn key(ino: u64, inode_generation: u32) -> ObjectKey {
    ObjectKey { ino, dev: 1, inode_generation }
}

fn slot(parent: u64) -> SlotKey {
    SlotKey { parent: key(parent, 7), name_hash: 1 }
}

/// One path on a host.
fn host(found: Resolution) -> Host {
    Host { paths: Paths::from([(PATH.to_owned(), found)]), ..Host::default() }
}

/// What is known of the path after it was found like this.
fn kept(before: &Paths, found: Resolution) -> Paths {
    let mut host = host(found);
    keep(before, &mut host);
    host.paths
}

fn found(paths: &Paths) -> &Resolution {
    paths.get(PATH).unwrap()
}

fn there(object: ObjectKey) -> Resolution {
    Resolution { objects: vec![object], slots: vec![slot(2)], is_there: true, ..Resolution::default() }
}

#[test]
fn a_file_that_is_replaced_again_and_again_keeps_the_newest_and_the_first() {
    let mut paths = host(there(key(100, 1))).paths;
    for number in 101..200 {
        paths = kept(&paths, there(key(number, 1)));
        let again = kept(&paths, there(key(number, 1)));
        assert_eq!(again, paths, "looking again changes nothing");
        assert!(found(&paths).objects.contains(&key(number, 1)), "what is there is covered");
    }
    let numbers: Vec<u64> = found(&paths).objects.iter().map(|key| key.ino).collect();
    assert_eq!(numbers, std::iter::once(100).chain(135..200).collect::<Vec<_>>());
}

#[test]
fn numbers_that_say_nothing_of_reuse_are_not_kept() {
    let paths = kept(&host(there(key(100, 0))).paths, there(key(101, 0)));
    assert_eq!(found(&paths).objects, [key(101, 0)]);
}

#[test]
fn numbers_that_are_others_now_are_not_kept() {
    let mut now = host(there(key(101, 1)));
    now.paths.push("/dir/other", there(key(100, 2)));
    keep(&host(there(key(100, 1))).paths, &mut now);
    assert_eq!(found(&now.paths).objects, [key(101, 1)]);
}

#[test]
fn a_path_that_leads_nowhere_does_not_grow() {
    let anchors = |number| vec![[key(2, 7), key(number, 7)].into()];
    let before = Resolution { anchors: anchors(3), slots: vec![slot(2), slot(3)], ..there(key(100, 1)) };
    let stuck = || Resolution {
        slots: vec![slot(2)],
        anchors: anchors(4),
        stuck: Some("a circle".to_owned()),
        ..Resolution::default()
    };
    let once = kept(&host(before).paths, stuck());
    let mut paths = once.clone();
    for _ in 0..100 {
        paths = kept(&paths, stuck());
    }
    assert_eq!(paths, once);
    let found = found(&paths);
    let held: usize = found.anchors.iter().map(|anchors| anchors.len()).sum();
    assert_eq!((found.slots.len(), held, found.objects.len()), (2, 3, 1));
}

#[test]
fn a_file_that_was_removed_is_missing_although_it_is_kept() {
    let paths =
        kept(&host(there(key(100, 1))).paths, Resolution { slots: vec![slot(2)], ..Resolution::default() });
    assert_eq!((found(&paths).objects.as_slice(), found(&paths).is_there), ([key(100, 1)].as_slice(), false));
}

#[test]
fn operations_need_the_classes_that_decide_upon_them() {
    use Class::{Attr, Exec, File, Name, Process};
    let rows = [
        (Operations::empty(), &[][..]),
        (Operations::READ, &[File, Process]),
        (Operations::APPEND, &[File, Process]),
        (Operations::EXEC, &[File, Exec, Process]),
        (Operations::UNLINK, &[Name, Process]),
        (Operations::CHMOD, &[Attr, Process]),
        (Operations::XATTR | Operations::LINK, &[Name, Attr, Process]),
        // By the hook on attributes alone where it is an overlay that truncates.
        (Operations::TRUNCATE, &[File, Attr, Process]),
        (Operations::all(), &[File, Exec, Name, Attr, Process]),
    ];
    for (operations, expected) in rows {
        assert_eq!(classes(operations), expected, "{operations:?}");
    }
}
