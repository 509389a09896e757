//! What a policy means, independent of machine, file layout and order.
//!
//! A plan cannot be built but by [`compile`](crate::compile) and [`Plan::empty`], so one that exists is valid.

mod anchors;
mod digest;
mod facts;
mod manner;
mod name;
mod net;
mod object;
mod operations;
mod prefixes;
mod print;
mod sizes;
mod subject;
mod tenant;
mod undecided;
mod words;

pub use anchors::Anchors;
pub use facts::{Diff, Fact};
pub use manner::{Action, Escalation, Signal};
pub use name::{Name, NameError};
pub use net::{Net, Network, Ports, Protocol};
pub use object::{CgroupRef, Object, Verity};
pub use operations::Operations;
pub use prefixes::{NetRow, Prefixes};
pub use sizes::Sizes;
pub use subject::{Ids, Namespace, Subject};
pub use tenant::Tenant;

pub(crate) use digest::Known;
pub(crate) use net::{mask_v4, mask_v6};
pub(crate) use object::is_below;
pub(crate) use print::Moment;
use print::print_subject;
use words::words;

use aegis_kernel_abi::Mode;
use std::collections::{BTreeMap, BTreeSet};

/// A compiled policy. Two plans are equal exactly if their digests are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(crate) name: Name,
    pub(crate) serial: Option<u64>,
    pub(crate) expires: Option<u64>,
    pub(crate) mode: Mode,
    pub(crate) rules: Vec<Rule>,
    pub(crate) exempt: BTreeSet<CgroupRef>,
    pub(crate) tenants: BTreeMap<Name, Tenant>,
    /// Made when it is asked for first.
    pub(crate) digest: Known,
}

/// What is not to be done with some objects, by some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(crate) id: Name,
    pub(crate) tenant: Option<Name>,
    pub(crate) action: Action,
    pub(crate) declared: Operations,
    pub(crate) objects: Vec<Object>,
    pub(crate) when: Vec<Subject>,
    pub(crate) unless: Vec<Subject>,
    pub(crate) mode: Mode,
    pub(crate) signal: Option<Signal>,
    pub(crate) escalation: Option<Escalation>,
    pub(crate) anchors: Anchors,
    pub(crate) lockdown: bool,
    pub(crate) severity: Severity,
    pub(crate) mitre: BTreeSet<String>,
    pub(crate) reason: Option<String>,
}

/// How much a match matters to those who look at it. Changes no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Severity {
    /// Worth a note.
    Low = 1,
    /// If the policy does not say.
    #[default]
    Medium = 2,
    /// Worth a look today.
    High = 3,
    /// Worth waking somebody.
    Critical = 4,
}

impl Plan {
    /// The policy without rules and exemptions, named `empty`: applied, it denies nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            name: Name::of_empty_policy(),
            serial: None,
            expires: None,
            mode: Mode::Enforce,
            rules: Vec::new(),
            exempt: BTreeSet::new(),
            tenants: BTreeMap::new(),
            digest: Known::default(),
        }
    }

    /// The same plan by another name.
    pub(crate) fn renamed(self, name: Name) -> Self {
        Self { name, digest: Known::default(), ..self }
    }

    /// What the policy is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its serial number, from 1.
    #[must_use]
    pub fn serial(&self) -> Option<u64> {
        self.serial
    }

    /// From when on it is not to be put in force anew, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// Whether it has expired at a moment in seconds since 1970; if so, since when, as policies write moments.
    #[must_use]
    pub fn expired(&self, now: u64) -> Option<String> {
        self.expires.filter(|expires| *expires <= now).map(|expires| Moment(expires).to_string())
    }

    /// The mode of the policy as a whole. It is contained in the mode of each rule.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules, ordered by id. The number of a rule is its index.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Cgroups that are, with all below them, excepted from all rules.
    #[must_use]
    pub fn exempt(&self) -> &BTreeSet<CgroupRef> {
        &self.exempt
    }

    /// Those who have rules of their own, by name.
    #[must_use]
    pub fn tenants(&self) -> &BTreeMap<Name, Tenant> {
        &self.tenants
    }
}

impl Rule {
    /// Brings what it lists into its order and takes each once.
    pub(crate) fn normal(mut self) -> Self {
        for list in [&mut self.when, &mut self.unless] {
            list.sort_unstable();
            list.dedup();
        }
        self.objects.sort_unstable();
        self.objects.dedup();
        self
    }

    /// Its id, unique in the policy.
    #[must_use]
    pub fn id(&self) -> &Name {
        &self.id
    }

    /// The tenant whose rule it is; none if it is the host's.
    #[must_use]
    pub fn tenant(&self) -> Option<&Name> {
        self.tenant.as_ref()
    }

    /// What it does with what it matches.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// The operations that are decided upon: those declared, and what would be a way around them.
    ///
    /// With `exec` also `map-exec`: a dynamic loader, called as a command, starts a program by mapping it, and no
    /// exec of that program ever happens. With `write` also `append`, and `truncate`, which empties a file without
    /// opening it. With `create` also `mkdir`, `mknod` and `symlink`: it means making anything in that name. With
    /// `connect` also `send`, which needs no connection.
    #[must_use]
    pub fn operations(&self) -> Operations {
        self.declared.widened()
    }

    /// The operations as the policy names them.
    #[must_use]
    pub fn declared(&self) -> Operations {
        self.declared
    }

    /// The weaker of the policy's mode and its own.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The signal for who is denied something; none if the policy leaves that to the daemon.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        self.signal
    }

    /// When that signal becomes SIGKILL, if ever.
    #[must_use]
    pub fn escalation(&self) -> Option<Escalation> {
        self.escalation
    }

    /// Whether it only counts when the daemon is gone and that is to lock the host down.
    #[must_use]
    pub fn lockdown(&self) -> bool {
        self.lockdown
    }

    /// Whom it is about: one of these must hold, or there are none and it is about everybody.
    #[must_use]
    pub fn when(&self) -> &[Subject] {
        &self.when
    }

    /// Who is excepted: for whom one of these holds.
    #[must_use]
    pub fn unless(&self) -> &[Subject] {
        &self.unless
    }

    /// Techniques of MITRE ATT&CK that it is about, such as `T1003.008`.
    #[must_use]
    pub fn mitre(&self) -> &BTreeSet<String> {
        &self.mitre
    }

    /// How much a match matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Why the rule exists, in the author's words: at most 256 bytes without control characters.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What becomes of it when a directory or link on the way to one of its paths moves, or is missing.
    #[must_use]
    pub fn anchors(&self) -> Anchors {
        self.anchors
    }

    /// What it protects: at least one object, in order, each once.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }
}

words!(Severity: Low "low", Medium "medium", High "high", Critical "critical");
