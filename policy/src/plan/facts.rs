//! A plan as the single things that it says, by which plans are compared.

use super::{Action, Anchors, Moment, Plan, Rule, Subject, Tenant, print_subject};
use serde::Serialize;
use std::collections::BTreeSet;

/// One thing that a plan says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fact {
    /// Of what: `policy`, `rule ID`, `tenant NAME`, `exempt`.
    pub of: String,
    /// The key.
    pub key: &'static str,
    /// One value of it.
    pub value: String,
}

/// What one plan says and another does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// What only the first says.
    pub removed: Vec<Fact>,
    /// What only the second says.
    pub added: Vec<Fact>,
}

impl Diff {
    /// Whether both mean the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

impl Plan {
    /// What is different in another plan. Plans without a difference are equal.
    #[must_use]
    pub fn diff(&self, other: &Self) -> Diff {
        let (own, others) = (self.facts(), other.facts());
        Diff {
            removed: own.difference(&others).cloned().collect(),
            added: others.difference(&own).cloned().collect(),
        }
    }

    /// All that it says.
    #[must_use]
    pub fn facts(&self) -> BTreeSet<Fact> {
        let mut facts = Facts { of: "policy".to_owned(), all: BTreeSet::new() };
        facts.say("name", &self.name);
        facts.may_say("serial", self.serial);
        facts.may_say("expires", self.expires.map(Moment));
        facts.say("mode", &self.mode.word());
        for (name, tenant) in &self.tenants {
            facts.of = format!("tenant {name}");
            facts.tenant(tenant);
        }
        for rule in &self.rules {
            facts.of = format!("rule {}", rule.id);
            facts.rule(rule);
        }
        facts.of = "exempt".to_owned();
        self.exempt.iter().for_each(|cgroup| facts.say("cgroup", cgroup));
        facts.all
    }
}

struct Facts {
    of: String,
    all: BTreeSet<Fact>,
}

impl Facts {
    fn say(&mut self, key: &'static str, value: &impl ToString) {
        self.all.insert(Fact { of: self.of.clone(), key, value: value.to_string() });
    }

    fn may_say(&mut self, key: &'static str, value: Option<impl ToString>) {
        value.into_iter().for_each(|value| self.say(key, &value));
    }

    fn tenant(&mut self, tenant: &Tenant) {
        self.say("scope", &on_one_line(&tenant.scope));
        self.may_say("max_rules", tenant.max_rules);
        self.may_say("max_objects", tenant.max_objects);
    }

    fn rule(&mut self, rule: &Rule) {
        self.may_say("tenant", rule.tenant.as_ref());
        // What is not said otherwise everywhere is left out.
        self.may_say(
            "action",
            Some(rule.action).filter(|action| *action != Action::default()).map(Action::word),
        );
        rule.declared.words().for_each(|word| self.say("on", &word));
        rule.objects.iter().for_each(|object| self.say(object.key(), object));
        rule.when.iter().for_each(|subject| self.say("when", &on_one_line(subject)));
        rule.unless.iter().for_each(|subject| self.say("unless", &on_one_line(subject)));
        self.say("mode", &rule.mode.word());
        self.may_say("signal", rule.signal.map(super::Signal::word));
        let escalation =
            rule.escalation.map(|to| format!("after {} within {} s", to.after, to.within_seconds));
        self.may_say("escalate", escalation);
        self.may_say(
            "anchors",
            Some(rule.anchors).filter(|anchors| *anchors != Anchors::default()).map(Anchors::word),
        );
        self.may_say("lockdown", rule.lockdown.then_some("true"));
        self.say("severity", &rule.severity.word());
        rule.mitre.iter().for_each(|tag| self.say("mitre", tag));
        self.may_say("reason", rule.reason.as_deref());
    }
}

/// A condition as its keys follow each other in a policy.
fn on_one_line(subject: &Subject) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = print_subject(subject, &mut text);
    text.replace("[\n    ", "[").replace(",\n]", "]").replace(",\n    ", ", ").trim_end().replace('\n', ", ")
}
