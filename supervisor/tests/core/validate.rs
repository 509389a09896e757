//! What is wrong with a tree is found, where it is.

use crate::play::{SECOND, Spec, Work, group, permanent, temporary, transient};
use aegis_supervisor::{
    AutoShutdown, Backoff, ChildSpec, Excess, Flaw, Invalid, Shutdown, Strategy, SupervisorSpec, validate,
};
use std::time::Duration;

fn plain() -> SupervisorSpec<Work> {
    group(Strategy::OneForOne, [permanent("a"), permanent("b")])
}

fn backoff(first: u64, limit: u64, jitter: u8) -> Backoff {
    Backoff { first: Duration::from_secs(first), limit: Duration::from_secs(limit), jitter }
}

fn found(spec: &SupervisorSpec<Work>) -> Vec<(String, Flaw)> {
    let found = validate(spec).err().unwrap_or_default();
    found.into_iter().map(|Invalid { path, what }| (path, what)).collect()
}

/// Finds this in the tree, in one below it, and in one further below.
fn check(spec: &SupervisorSpec<Work>, name: &str, what: &[Flaw]) {
    let at = |path: String| {
        let path = path.trim_matches('/').to_owned();
        what.iter().map(|what| (path.clone(), *what)).collect::<Vec<_>>()
    };
    assert_eq!(found(spec), at(name.to_owned()));
    let one = plain().child(ChildSpec::supervisor("n", spec.clone()));
    assert_eq!(found(&one), at(format!("n/{name}")));
    let two = plain().child(ChildSpec::supervisor("m", one));
    assert_eq!(found(&two), at(format!("m/n/{name}")));
}

#[test]
fn flaws_of_supervisors() {
    check(&plain(), "", &[]);
    check(&plain().intensity(1, Duration::ZERO), "", &[Flaw::NoPeriod]);
    check(&plain().intensity(0, SECOND), "", &[]);
    for (strategy, retry, flaws) in [
        (Strategy::OneForOne, SECOND, [].as_slice()),
        (Strategy::Dynamic, SECOND, &[]),
        (Strategy::OneForAll, SECOND, &[Flaw::DegradedGroup]),
        (Strategy::RestForOne, SECOND, &[Flaw::DegradedGroup]),
        (Strategy::OneForOne, Duration::ZERO, &[Flaw::NoRetry]),
        (Strategy::OneForAll, Duration::ZERO, &[Flaw::DegradedGroup, Flaw::NoRetry]),
    ] {
        let mut spec = group(strategy, [permanent("a")]);
        spec.excess = Excess::Degrade { retry };
        check(&spec, "", flaws);
    }
}

#[test]
fn flaws_of_children() {
    let rows: [(Spec, &str, &[Flaw]); 11] = [
        (permanent("c/d"), "c/d", &[Flaw::Slash]),
        (permanent("a"), "a", &[Flaw::Twice]),
        (permanent("c").significant(), "c", &[Flaw::SignificantPermanent, Flaw::SignificantForNothing]),
        (transient("c").significant(), "c", &[Flaw::SignificantForNothing]),
        (permanent("c").backoff(backoff(2, 1, 0)), "c", &[Flaw::BackoffOrder]),
        (permanent("c").backoff(backoff(1, 1, 101)), "c", &[Flaw::BackoffJitter]),
        (permanent("c").backoff(backoff(2, 1, 255)), "c", &[Flaw::BackoffOrder, Flaw::BackoffJitter]),
        (permanent("c").backoff(backoff(1, 1, 100)), "c", &[]),
        (permanent("c").backoff(backoff(1, 2, 0)), "c", &[]),
        (permanent("c").shutdown(Shutdown::Kill), "c", &[]),
        (permanent("d"), "d", &[]),
    ];
    for (spec, name, flaws) in rows {
        check(&plain().child(spec), name, flaws);
    }
}

#[test]
fn a_child_without_a_name_has_the_path_of_nothing_below_its_supervisor() {
    let spec = plain().child(permanent(""));
    assert_eq!(found(&spec), [(String::new(), Flaw::NoName)]);
    let spec = plain().child(ChildSpec::supervisor("n", spec));
    assert_eq!(found(&spec), [("n/".to_owned(), Flaw::NoName)]);
}

#[test]
fn significant_children_need_a_supervisor_that_ends_with_them() {
    for auto in [AutoShutdown::Any, AutoShutdown::All] {
        let mut spec = plain();
        spec.auto_shutdown = auto;
        check(&spec.clone().child(transient("c").significant()), "c", &[]);
        check(&spec.clone().child(temporary("c").significant()), "c", &[]);
        check(&spec.child(permanent("c").significant()), "c", &[Flaw::SignificantPermanent]);
    }
}

#[test]
fn the_same_name_in_another_place_is_another_name() {
    let inner = ChildSpec::supervisor("n", plain());
    assert_eq!(found(&plain().child(inner)), []);
}

#[test]
fn all_flaws_are_found_in_the_order_of_the_tree() {
    let inner = ChildSpec::supervisor("n", plain().intensity(1, Duration::ZERO).child(permanent("b")));
    let spec = plain().child(permanent("a")).child(inner).child(permanent(""));
    let rows = [("a", Flaw::Twice), ("n", Flaw::NoPeriod), ("n/b", Flaw::Twice), ("", Flaw::NoName)];
    assert_eq!(found(&spec), rows.map(|(path, what)| (path.to_owned(), what)));
    assert!(aegis_supervisor::Tree::new(spec, 1).is_err());
}

#[test]
fn a_flaw_says_where_it_is_what_it_is_and_what_to_do() {
    let said = |path: &str, what| Invalid { path: path.to_owned(), what }.to_string();
    assert!(said("", Flaw::NoPeriod).starts_with("the root: restarts are counted within"));
    assert!(said("n/a", Flaw::Twice).starts_with("n/a: another child"));
    let all = [
        Flaw::NoName,
        Flaw::Slash,
        Flaw::Twice,
        Flaw::NoPeriod,
        Flaw::SignificantPermanent,
        Flaw::SignificantForNothing,
        Flaw::DegradedGroup,
        Flaw::NoRetry,
        Flaw::BackoffOrder,
        Flaw::BackoffJitter,
    ];
    let texts: std::collections::HashSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len());
    assert!(texts.iter().all(|text| text.contains(';')), "what is wrong; what to do about it");
}
