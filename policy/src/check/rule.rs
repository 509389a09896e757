//! One rule.

use super::{file, inode, path, words};
use crate::diagnostic::{Code, Fault, Place, Sink, enumerate};
use crate::plan::{Anchors, Name, Object, Severity};
use crate::syntax::{Fields, Placed, Section};
use aegis_kernel_abi::{Mode, Operations};
use std::collections::HashSet;
use toml::de::DeTable;

pub(super) const RULE: Section = Section {
    what: "the rule",
    goes: "below a `[[rule]]`",
    keys: &["id", "on", "path", "inode", "anchors", "mode", "severity", "reason"],
};

/// A rule, as far as it is valid, with the places that matter when rules are compared.
pub(super) struct Draft {
    pub(super) id: Placed<Name>,
    pub(super) declared: Operations,
    mode: Option<Mode>,
    pub(super) severity: Severity,
    pub(super) reason: Option<String>,
    pub(super) anchors: Anchors,
    pub(super) objects: Vec<Placed<Object>>,
    /// Whether it is an entry of format 1: equal ones count once, in whatever files they stand.
    pub(super) is_entry: bool,
}

impl Draft {
    /// What an entry of format 1 means.
    pub(super) fn entry(id: Name, object: Placed<Object>) -> Self {
        Self {
            id: Placed { value: id, place: object.place },
            declared: Operations::READ | Operations::WRITE | Operations::EXEC,
            mode: None,
            severity: Severity::default(),
            reason: None,
            anchors: Anchors::default(),
            objects: vec![object],
            is_entry: true,
        }
    }

    /// The weaker of the policy's mode and its own.
    pub(super) fn mode(&self, policy: Mode) -> Mode {
        self.mode.map_or(policy, |own| own.and(policy))
    }
}

/// Reads a rule. Nothing if it has no valid id: then it cannot be compared with others.
pub(super) fn read(table: Placed<&DeTable<'_>>, sink: &mut Sink) -> Option<Draft> {
    let fields = Fields::open(&RULE, file::SECTIONS, table.value, table.place, sink);
    fields.require("id", "id = \"what-it-protects\"", sink);
    let id = fields.parsed("id", words::name, sink);
    let declared = operations(&fields, sink);
    let objects = objects(&fields, sink);
    sink.extend(never_matches(declared, &objects));
    let anchors = fields.parsed("anchors", words::anchors, sink);
    if let Some(idle) = anchors.as_ref().filter(|_| !fields.has("path")) {
        sink.push(idle_anchors().at(idle.place));
    }
    let mode = fields.parsed("mode", words::mode, sink);
    let severity = fields.parsed("severity", words::severity, sink);
    let reason = fields.parsed("reason", words::reason, sink);
    Some(Draft {
        id: id?,
        declared,
        mode: mode.map(|mode| mode.value),
        severity: severity.map(|severity| severity.value).unwrap_or_default(),
        reason: reason.map(|reason| reason.value),
        anchors: anchors.map(|anchors| anchors.value).unwrap_or_default(),
        objects,
        is_entry: false,
    })
}

/// What makes something new is asked about a name, so a rule on nothing else says nothing about an inode.
fn never_matches(declared: Operations, objects: &[Placed<Object>]) -> Option<crate::Diagnostic> {
    const ONLY_NAMES: Operations =
        Operations::CREATE.union(Operations::MKDIR).union(Operations::MKNOD).union(Operations::SYMLINK);
    if declared.is_empty() || !ONLY_NAMES.contains(declared) {
        return None;
    }
    let inode = objects.iter().find(|object| matches!(object.value, Object::Inode { .. }))?;
    let operations = enumerate(declared.words());
    let fault = Fault::new(Code::NeverMatches, format!("{operations} of an inode can never be asked for"))
        .label("what has a number is there already")
        .help("name by `path` what is not to be made, or add operations such as `read`, `write` or `unlink`");
    Some(fault.at(inode.place))
}

fn idle_anchors() -> Fault {
    Fault::new(Code::IdleAnchors, "`anchors` has no effect here")
        .label("only paths have directories above them, and the rule has none")
        .help("remove it")
}

fn operations(fields: &Fields<'_>, sink: &mut Sink) -> Operations {
    fields.require("on", "on = [\"read\", \"write\"]", sink);
    let mut all = Operations::empty();
    for text in fields.texts("on", sink) {
        let Some(operation) = text.parsed(words::operation, sink) else { continue };
        if all.contains(operation.value) {
            sink.push(words::repeated(text.value).at(text.place));
        }
        all |= operation.value;
    }
    all
}

fn objects(fields: &Fields<'_>, sink: &mut Sink) -> Vec<Placed<Object>> {
    if !fields.has("path") && !fields.has("inode") {
        sink.push(no_object(fields.place));
    }
    let mut seen = HashSet::new();
    let mut objects = Vec::new();
    let mut take = |text: Placed<&str>, object: Option<Placed<Object>>, sink: &mut Sink| {
        let Some(object) = object else { return };
        if seen.insert(object.value.clone()) {
            objects.push(object);
        } else {
            sink.push(words::repeated(text.value).at(text.place));
        }
    };
    for text in fields.texts("path", sink) {
        sink.extend(path::wildcard(text.value).map(|fault| fault.at(text.place)));
        let object = text.parsed(path::object, sink);
        take(text, object, sink);
    }
    for text in fields.texts("inode", sink) {
        let object = text.parsed(inode::object, sink);
        take(text, object, sink);
    }
    objects
}

fn no_object(place: Place) -> crate::Diagnostic {
    Fault::new(Code::NoObject, "the rule protects nothing")
        .label("it has neither `path` nor `inode`")
        .help("add what to protect, such as `path = [\"/etc/shadow\"]`")
        .at(place)
}
