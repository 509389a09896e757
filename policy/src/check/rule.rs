//! One rule.

use super::{file, inode, path, words};
use crate::diagnostic::{Code, Fault, Place, Sink};
use crate::plan::{Name, Object, Severity};
use crate::syntax::{Fields, Placed, Section};
use aegis_kernel_abi::{Mode, Operations};
use std::collections::HashSet;
use toml::de::DeTable;

pub(super) const RULE: Section = Section {
    what: "the rule",
    goes: "below a `[[rule]]`",
    keys: &["id", "on", "path", "inode", "mode", "severity", "reason"],
};

/// A rule, as far as it is valid, with the places that matter when rules are compared.
pub(super) struct Draft {
    pub(super) id: Placed<Name>,
    pub(super) declared: Operations,
    mode: Option<Mode>,
    pub(super) severity: Severity,
    pub(super) reason: Option<String>,
    pub(super) objects: Vec<Placed<Object>>,
}

impl Draft {
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
    let mode = fields.parsed("mode", words::mode, sink);
    let severity = fields.parsed("severity", words::severity, sink);
    let reason = fields.parsed("reason", words::reason, sink);
    Some(Draft {
        id: id?,
        declared,
        mode: mode.map(|mode| mode.value),
        severity: severity.map(|severity| severity.value).unwrap_or_default(),
        reason: reason.map(|reason| reason.value),
        objects,
    })
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
