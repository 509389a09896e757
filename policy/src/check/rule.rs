//! One rule.

use super::{answer, file, subject, what, words};
use crate::diagnostic::{Code, Fault, Place, Sink};
use crate::plan::{Action, Anchors, Name, Object, Operations, Rule, Severity, Signal, Subject};
use crate::syntax::{Fields, Placed, Section, Takes, key};
use aegis_kernel_abi::Mode;
use toml::de::DeTable;

const PATHS: Takes = Takes::Texts("^/");

pub(super) const RULE: Section = Section {
    what: "the rule",
    goes: "below a `[[rule]]`",
    keys: &[
        key("id", Takes::Name, "Its id, unique in the whole policy."),
        key("tenant", Takes::Name, "The tenant whose rule it is: it only matches in that tenant's scope."),
        key(
            "action",
            Takes::Word(Action::all_words),
            "`deny`, or in a tenant `allow`: then what it matches is not denied by rules of that tenant.",
        ),
        key("on", Takes::Words(answer::operations), "The operations it is about."),
        key("path", PATHS, "Absolute paths, taken literally: what is found there, now and later."),
        key("subtree", PATHS, "Directories, by absolute paths: everything below them, and they themselves."),
        key(
            "inode",
            Takes::Texts("^[0-9]+:[0-9]+:[0-9]+(:[0-9]+)?$"),
            "Inodes by number: `major:minor:inode`, with `:generation` behind it if wanted.",
        ),
        key("sha256", Takes::Texts("^[0-9a-fA-F]{64}$"), "Files with this content, by SHA-256."),
        key(
            "fsverity",
            Takes::Texts("^(sha256:)?[0-9a-fA-F]{64}$|^sha512:[0-9a-fA-F]{128}$"),
            "Files that fs-verity seals with this digest.",
        ),
        key(
            "net",
            Takes::Texts(""),
            "Addresses: `ADDRESS[/PREFIX][:PORT[-PORT]][/tcp|/udp]`, `*` for any address, brackets around IPv6 with a port.",
        ),
        key("unix", Takes::Texts("^[/@]"), "Unix sockets: paths, or `@` and an abstract name."),
        key("any", Takes::Flag, "Whatever the operations can concern."),
        key(
            "when",
            Takes::Alternatives(&subject::WHEN),
            "Whom it is about; one of several must hold. Without it, everybody.",
        ),
        key("unless", Takes::Alternatives(&subject::UNLESS), "Who is excepted; one of several is enough."),
        key(
            "anchors",
            Takes::Word(Anchors::all_words),
            "What becomes of it when a directory above one of its paths is renamed.",
        ),
        key("mode", Takes::Word(answer::modes), "The weaker of this and the policy's mode counts."),
        key(
            "signal",
            Takes::Word(Signal::all_words),
            "The signal for a process that is denied something. Without it, what the daemon was told.",
        ),
        key("escalate", Takes::Table(&answer::ESCALATE), "When that signal becomes SIGKILL."),
        key(
            "severity",
            Takes::Word(Severity::all_words),
            "How much a match matters to those who look at it.",
        ),
        key(
            "mitre",
            Takes::Texts("^T[0-9]{4}(\\.[0-9]{3})?$"),
            "Techniques of MITRE ATT&CK that it is about.",
        ),
        key("reason", Takes::Text(words::LONGEST_REASON), "Why it exists, on one line."),
        key(
            "lockdown",
            Takes::Flag,
            "It only counts when the daemon is gone and that is to lock the host down.",
        ),
    ],
    required: &["id", "on"],
};

/// A rule, as far as it is valid, with the places that matter when rules are compared.
pub(super) struct Draft {
    /// Without its objects and conditions; with its own mode, whatever that of the policy.
    rule: Rule,
    /// Where its id is.
    pub(super) place: Place,
    own_mode: Option<Mode>,
    pub(super) tenant: Option<Placed<Name>>,
    pub(super) objects: Vec<Placed<Object>>,
    pub(super) when: Vec<Placed<Subject>>,
    pub(super) unless: Vec<Placed<Subject>>,
    /// Whether it is an entry of format 1: equal ones count once, in whatever files they stand.
    pub(super) is_entry: bool,
}

impl Draft {
    /// What an entry of format 1 means.
    pub(super) fn entry(id: Name, declared: Operations, object: Placed<Object>) -> Self {
        Self {
            rule: Rule { declared, ..blank(id) },
            place: object.place,
            own_mode: None,
            tenant: None,
            objects: vec![object],
            when: Vec::new(),
            unless: Vec::new(),
            is_entry: true,
        }
    }

    /// All places that it knows.
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        let tenant = self.tenant.iter_mut().map(|tenant| &mut tenant.place);
        let objects = self.objects.iter_mut().map(|object| &mut object.place);
        let subjects = self.when.iter_mut().chain(&mut self.unless).map(|subject| &mut subject.place);
        std::iter::once(&mut self.place).chain(tenant).chain(objects).chain(subjects)
    }

    pub(super) fn id(&self) -> &Name {
        &self.rule.id
    }

    pub(super) fn declared(&self) -> Operations {
        self.rule.declared
    }

    pub(super) fn action(&self) -> Action {
        self.rule.action
    }

    pub(super) fn anchors(&self) -> Anchors {
        self.rule.anchors
    }

    /// Whether it always counts, for everybody.
    pub(super) fn is_for_all(&self) -> bool {
        self.when.is_empty()
            && self.unless.is_empty()
            && self.tenant.is_none()
            && self.rule.action == Action::Deny
            && !self.rule.lockdown
    }

    /// The weaker of the policy's mode and its own.
    pub(super) fn mode(&self, policy: Mode) -> Mode {
        self.own_mode.map_or(policy, |own| own.and(policy))
    }

    /// The rule under the policy's mode.
    pub(super) fn finish(self, policy: Mode) -> Rule {
        let mode = self.mode(policy);
        let values = |list: Vec<Placed<Subject>>| list.into_iter().map(|subject| subject.value).collect();
        Rule {
            mode,
            tenant: self.tenant.map(|tenant| tenant.value),
            objects: self.objects.into_iter().map(|object| object.value).collect(),
            when: values(self.when),
            unless: values(self.unless),
            ..self.rule
        }
        .normal()
    }
}

/// A rule that has nothing yet but its id.
fn blank(id: Name) -> Rule {
    Rule {
        id,
        tenant: None,
        action: Action::default(),
        declared: Operations::empty(),
        objects: Vec::new(),
        when: Vec::new(),
        unless: Vec::new(),
        mode: Mode::Enforce,
        signal: None,
        escalation: None,
        anchors: Anchors::default(),
        lockdown: false,
        severity: Severity::default(),
        mitre: std::collections::BTreeSet::new(),
        reason: None,
    }
}

/// Reads a rule. Nothing if it has no valid id: then it cannot be compared with others.
pub(super) fn read(table: Placed<&DeTable<'_>>, sink: &mut Sink) -> Option<Draft> {
    let fields = Fields::open(&RULE, file::SECTIONS, table.value, table.place, sink);
    fields.require("id", "id = \"what-it-protects\"", sink);
    let id = fields.parsed("id", words::name, sink);
    let tenant = fields.parsed("tenant", words::name, sink);
    let action = fields.parsed("action", words::action, sink);
    if let Some(allow) =
        action.as_ref().filter(|action| action.value == Action::Allow && !fields.has("tenant"))
    {
        sink.push(allow_of_host().at(allow.place));
    }
    let on = what::operations(&fields, sink);
    let objects = what::objects(&fields, sink);
    what::never_matches(&on, &objects, &fields, sink);
    let when = conditions(&fields, "when", &subject::WHEN, sink);
    let unless = conditions(&fields, "unless", &subject::UNLESS, sink);
    let anchors = fields.parsed("anchors", words::anchors, sink);
    if let Some(idle) = anchors.as_ref().filter(|_| !["path", "subtree"].iter().any(|key| fields.has(key))) {
        sink.push(idle_anchors().at(idle.place));
    }
    let mode = fields.parsed("mode", words::mode, sink);
    let answer = answer::read(&fields, sink);
    let severity = fields.parsed("severity", words::severity, sink);
    let reason = fields.parsed("reason", words::reason, sink);
    let lockdown = fields.flag("lockdown", sink).is_some();
    let id = id?;
    let rule = Rule {
        action: action.map(|action| action.value).unwrap_or_default(),
        declared: on.iter().fold(Operations::empty(), |all, operation| all | operation.value),
        signal: answer.signal,
        escalation: answer.escalation,
        mitre: answer.mitre,
        anchors: anchors.map(|anchors| anchors.value).unwrap_or_default(),
        severity: severity.map(|severity| severity.value).unwrap_or_default(),
        reason: reason.map(|reason| reason.value),
        lockdown,
        ..blank(id.value)
    };
    let own_mode = mode.map(|mode| mode.value);
    Some(Draft { rule, place: id.place, own_mode, tenant, objects, when, unless, is_entry: false })
}

fn conditions(
    fields: &Fields<'_>,
    key: &str,
    section: &'static Section,
    sink: &mut Sink,
) -> Vec<Placed<Subject>> {
    let tables = fields.alternatives(key, sink);
    tables.into_iter().filter_map(|table| subject::read(section, table, sink)).collect()
}

fn allow_of_host() -> Fault {
    Fault::new(Code::AllowOfHost, "only a tenant can have a rule that allows")
        .label("it would take something away from other rules")
        .help("write the exception into the rule that denies, as `unless`, or the cgroup into `[exempt]`")
}

fn idle_anchors() -> Fault {
    Fault::new(Code::IdleAnchors, "`anchors` has no effect here")
        .label("only paths have directories above them, and the rule has none")
        .help("remove it")
}
