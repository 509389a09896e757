//! How a rule answers, and the words that there are for it.

use super::{file, words};
use crate::diagnostic::{Code, Fault, Sink};
use crate::plan::{Escalation, Operations, Signal};
use crate::syntax::{Fields, Section, Takes, key};
use aegis_kernel_abi::Mode;
use std::collections::BTreeSet;

pub(super) const ESCALATE: Section = Section {
    what: "`escalate`",
    goes: "into `escalate = { … }`",
    keys: &[
        key("after", Takes::Integer(1, u32::MAX as u64), "With which denial of one process, counted from 1."),
        key("within_seconds", Takes::Integer(1, u32::MAX as u64), "Within how many seconds."),
    ],
    required: &["after", "within_seconds"],
};

/// What a rule says about it.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) signal: Option<Signal>,
    pub(super) escalation: Option<Escalation>,
    pub(super) mitre: BTreeSet<String>,
}

pub(super) fn read(fields: &Fields<'_>, sink: &mut Sink) -> Answer {
    let signal = fields.parsed("signal", words::signal, sink);
    let mut mitre = BTreeSet::new();
    for text in fields.texts("mitre", sink) {
        let Some(tag) = text.parsed(words::mitre, sink) else { continue };
        if !mitre.insert(tag.value) {
            sink.push(words::repeated(text.value).at(text.place));
        }
    }
    let signal = signal.map(|signal| signal.value);
    Answer { signal, escalation: escalation(fields, signal, sink), mitre }
}

fn escalation(fields: &Fields<'_>, signal: Option<Signal>, sink: &mut Sink) -> Option<Escalation> {
    let table = fields.table("escalate", sink)?;
    let own = Fields::open(&ESCALATE, file::SECTIONS, table.value, table.place, sink);
    let mut number = |key, example| {
        own.require(key, example, sink);
        own.integer(key, sink)?.parsed(words::positive, sink).map(|number| number.value)
    };
    let (after, within_seconds) =
        (number("after", "after = 5"), number("within_seconds", "within_seconds = 30"));
    if !fields.has("signal") || !matches!(signal, None | Some(Signal::Int | Signal::Term)) {
        sink.push(idle_escalation().at(table.place));
    }
    Some(Escalation { after: after?, within_seconds: within_seconds? })
}

fn idle_escalation() -> Fault {
    Fault::new(Code::BadEscalation, "there is no signal that could become SIGKILL")
        .label("`signal` is neither `int` nor `term`")
        .help("add `signal = \"term\"`, or remove `escalate`")
}

pub(super) fn modes() -> Vec<&'static str> {
    Mode::ALL.iter().map(|mode| mode.word()).collect()
}

pub(super) fn operations() -> Vec<&'static str> {
    Operations::all_words().collect()
}
