//! Names and numbers of what is decided upon and what comes out.

use aegis_kernel_abi::{Class, Hook, Kind, Mode, Operations, Reason, Verdict};
use std::collections::HashSet;
use std::fmt::Debug;

/// Every number has one value and one word, and all others have none.
fn check<T: Copy + Debug + PartialEq>(
    all: &[T],
    number: fn(T) -> u8,
    from_byte: fn(u8) -> Option<T>,
    word: fn(T) -> &'static str,
) {
    let found: Vec<T> = (0..=u8::MAX).filter_map(from_byte).collect();
    assert_eq!(found, all);
    assert!(all.iter().all(|value| from_byte(number(*value)) == Some(*value)), "{all:?}");
    let words: HashSet<&str> = all.iter().map(|value| word(*value)).collect();
    assert_eq!(words.len(), all.len(), "{words:?}");
}

#[test]
fn numbers_and_words_are_unique() {
    check(Hook::ALL, |value| value as u8, Hook::from_byte, Hook::word);
    check(Class::ALL, |value| value as u8, Class::from_byte, Class::word);
    check(Verdict::ALL, |value| value as u8, Verdict::from_byte, Verdict::word);
    check(Mode::ALL, |value| value as u8, Mode::from_byte, Mode::word);
    check(Reason::ALL, |value| value as u8, Reason::from_byte, Reason::word);
}

#[test]
fn operations_have_words() {
    let words: Vec<&str> = Operations::all_words().collect();
    assert_eq!(
        words,
        [
            "read", "write", "exec", "map-exec", "truncate", "create", "link", "unlink", "rename", "mkdir",
            "mknod", "symlink", "append", "chmod", "chown", "utime", "xattr"
        ]
    );
    for word in &words {
        let operation = Operations::from_word(word).unwrap();
        assert_eq!(operation.words().collect::<Vec<_>>(), [*word]);
    }
    assert_eq!(Operations::all().words().collect::<Vec<_>>(), words);
    assert_eq!(Operations::from_bits_retain(0x1000).words().count(), 0);
    for unknown in ["", "Read", "open", "read "] {
        assert_eq!(Operations::from_word(unknown), None, "{unknown:?}");
    }
}

/// An undecidable request is denied where a decided one may not be, so none may be missing here.
#[test]
fn undecidable_reasons() {
    let undecidable: Vec<Reason> =
        Reason::ALL.iter().copied().filter(|reason| reason.is_undecidable()).collect();
    let expected = [
        Reason::TableMissing,
        Reason::MixedGenerations,
        Reason::NameUnreadable,
        Reason::TooManyRows,
        Reason::WalkIncomplete,
        Reason::SubjectUnknown,
    ];
    assert_eq!(undecidable, expected);
}

#[test]
fn something_enforces_only_if_all_say_so() {
    for one in Mode::ALL {
        for other in Mode::ALL {
            let both = *one == Mode::Enforce && *other == Mode::Enforce;
            assert_eq!(one.and(*other) == Mode::Enforce, both, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn each_hook_is_in_one_class() {
    for hook in Hook::ALL {
        let classes: Vec<Class> = Class::ALL
            .iter()
            .copied()
            .filter(|class| Kind::ALL.iter().any(|kind| class.hooks(*kind).any(|one| one == *hook)))
            .collect();
        // The audit fallback decides and records at once.
        let expected =
            if *hook == Hook::SchedExec { vec![Class::Exec, Class::Process] } else { vec![hook.class()] };
        assert_eq!(classes, expected, "{hook:?}");
    }
}

/// A hook that kernels may lack is one for which another is called there: of the same class, and one that no kernel lacks.
#[test]
fn optional_hooks_have_a_stand_in() {
    for hook in Hook::ALL {
        assert_eq!(hook.is_optional(), hook.stand_in().is_some(), "{hook:?}");
        if let Some(other) = hook.stand_in() {
            assert!(!other.is_optional() && other.class() == hook.class(), "{hook:?}");
        }
    }
}
