//! Holds what was measured against what was recorded. What the kernel calls itself, and its words, may differ: a new point
//! release alone is no finding.

use super::record::{Boot, Kernel, Loaded, Record, State};
use std::collections::BTreeMap;
use std::fmt;

/// By how many per cent a count may grow before somebody has to look at it. The verifier gives up at a million, and what grows
/// by little, many times, is seen in what is recorded.
const MAY_GROW: u32 = 10;

/// Everything that is not as recorded, for people.
pub(super) fn findings(recorded: &Record, measured: &Kernel) -> Vec<String> {
    let name = &measured.name;
    let Some(recorded) = recorded.kernel(name) else {
        return vec![format!("{name}: nothing is recorded of this kernel")];
    };
    let boots = [
        ("with bpf", &recorded.with_bpf, &measured.with_bpf),
        ("without bpf", &recorded.without_bpf, &measured.without_bpf),
    ];
    boots
        .into_iter()
        .flat_map(|(boot, before, now)| {
            of_boot(before, now).into_iter().map(move |finding| format!("{name}, {boot}: {finding}"))
        })
        .collect()
}

/// Says so if the kernel is one of another series than the one that was recorded: 7.4 where it was 7.3.
pub(super) fn other_series(recorded: &Record, measured: &Kernel) -> Option<String> {
    let now = &measured.with_bpf.release;
    let before = &recorded.kernel(&measured.name)?.with_bpf.release;
    (series(before) != series(now))
        .then(|| format!("{} is Linux {now} now, and was {before} when it was recorded", measured.name))
}

/// The first two numbers of a release.
fn series(release: &str) -> Vec<&str> {
    release.split(|letter: char| !letter.is_ascii_digit()).take(2).collect()
}

/// A program, by what names it in a message.
type Programs<'a> = BTreeMap<String, (State, &'a Loaded)>;

fn of_boot(before: &Boot, now: &Boot) -> Vec<String> {
    let mut findings = Vec::new();
    if before.armed != now.armed {
        let kind = |boot: &Boot| boot.armed.clone().unwrap_or_else(|| "none".to_owned());
        let why = now.why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        findings.push(format!(
            "the probes that can be armed are {}{why}, and were {}",
            kind(now),
            kind(before)
        ));
    }
    let (before, now) = (programs(before), programs(now));
    for (program, (state, loaded)) in &now {
        match before.get(program) {
            None => findings.push(format!("{program} {state}, and is not recorded")),
            Some((was, _)) if was != state => {
                let why = loaded.refused.as_ref().map_or(String::new(), |why| format!(" ({why})"));
                findings.push(format!("{program} {state}{why}, and when it was recorded it {was}"));
            }
            Some((_, recorded)) => findings.extend(grown(program, recorded, loaded)),
        }
    }
    let gone = before.keys().filter(|program| !now.contains_key(*program));
    findings.extend(gone.map(|program| format!("{program} is recorded, and there is none now")));
    findings
}

fn programs(boot: &Boot) -> Programs<'_> {
    let hooks = boot
        .hooks
        .iter()
        .map(|hook| (format!("the program on {} ({})", hook.hook, hook.kind), (hook.state(), &hook.loaded)));
    let iterators = boot.iterators.iter().map(|iterator| {
        (format!("the iterator program {}", iterator.program), (iterator.loaded.state(), &iterator.loaded))
    });
    hooks.chain(iterators).collect()
}

fn grown(program: &str, before: &Loaded, now: &Loaded) -> Option<String> {
    let (before, now) = (before.instructions?, now.instructions?);
    let most = u64::from(before) * u64::from(100 + MAY_GROW) / 100;
    (u64::from(now) > most).then(|| {
        format!(
            "the verifier looks at {now} instructions of {program}, and at {before} when it was recorded: {most} are the most"
        )
    })
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotThere => "has nothing to be attached to",
            Self::Refused => "is refused",
            Self::Loads => "loads",
            Self::Unproven => "is attached and not proven",
            Self::Proven => "is proven",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Changes a measurement that is as recorded; the findings must hold each of these texts, and be as many.
    fn check(change: impl FnOnce(&mut Kernel), expected: &[&[&str]]) {
        let recorded = sample::record();
        let mut measured = recorded.kernels[0].clone();
        change(&mut measured);
        let found = findings(&recorded, &measured);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, texts) in found.iter().zip(expected) {
            assert!(texts.iter().all(|text| finding.contains(text)), "{finding}");
        }
    }

    fn instructions(kernel: &mut Kernel, count: u32) {
        kernel.with_bpf.hooks[0].loaded.instructions = Some(count);
    }

    #[test]
    fn what_is_as_recorded_is_no_finding() {
        check(|_| {}, &[]);
        check(|kernel| kernel.with_bpf.release = "6.1.99-cloud".to_owned(), &[]);
        check(|kernel| kernel.with_bpf.modules.clear(), &[]);
    }

    #[test]
    fn counts_may_grow_by_a_tenth() {
        check(|kernel| instructions(kernel, 1), &[]);
        check(|kernel| instructions(kernel, 1100), &[]);
        check(|kernel| instructions(kernel, 1101), &[&["file_open", "1101", "1000", "1100 are the most"]]);
        check(
            |kernel| kernel.with_bpf.iterators[0].loaded.instructions = Some(31),
            &[&["aegis_resolve", "31", "at 20 when"]],
        );
    }

    #[test]
    fn other_states_are_found() {
        let refuse = |kernel: &mut Kernel| {
            let loaded = &mut kernel.with_bpf.hooks[0].loaded;
            (loaded.instructions, loaded.refused) = (None, Some("too complex".to_owned()));
            kernel.with_bpf.hooks[0].proof = None;
        };
        check(refuse, &[&["file_open", "is refused (too complex)", "it is proven"]]);
        let unproven = |kernel: &mut Kernel| kernel.without_bpf.hooks[0].proof = Some("no".to_owned());
        check(unproven, &[&["without bpf", "sys_exit", "not proven"]]);
        let there = |kernel: &mut Kernel| kernel.with_bpf.hooks[1].loaded.is_there = true;
        check(there, &[&["file_truncate", "nothing to be attached to"]]);
        check(|kernel| kernel.with_bpf.armed = None, &[&["are none", "were lsm"]]);
    }

    #[test]
    fn other_programs_are_found() {
        check(|kernel| drop(kernel.with_bpf.hooks.remove(1)), &[&["file_truncate", "there is none now"]]);
        let rename = |kernel: &mut Kernel| "inode_new".clone_into(&mut kernel.with_bpf.hooks[1].hook);
        check(rename, &[&["inode_new", "is not recorded"], &["file_truncate", "there is none now"]]);
        check(|kernel| "6.99".clone_into(&mut kernel.name), &[&["6.99", "nothing is recorded"]]);
    }

    #[test]
    fn another_series_is_said() {
        let recorded = sample::record();
        let mut measured = recorded.kernels[0].clone();
        for (release, other) in [("6.1.0-99-cloud-amd64", false), ("6.10.0-1", true), ("7.1.0", true)] {
            release.clone_into(&mut measured.with_bpf.release);
            assert_eq!(other_series(&recorded, &measured).is_some(), other, "{release}");
        }
    }
}
