//! From conditions of a plan to conditions of this host. Pure.

use super::state::{Host, Resolution};
use aegis_kernel_abi::{
    ASKS_ANCESTOR, ASKS_CGROUP, ASKS_EXE, ASKS_GID, ASKS_MNT_NS, ASKS_PID_NS, ASKS_UID, ASKS_USER_NS,
    MAX_ALLOWING_TENANTS, Operations,
};
use aegis_policy::{Action, CgroupRef, Name, Namespace, Plan, Rule, Subject, Tenant};
use aegis_probes::{Clause, Error, Listed, Role};
use std::collections::{BTreeMap, BTreeSet};

/// All conditions of a rule.
pub(super) fn clauses(plan: &Plan, rule: &Rule, host: &Host) -> Vec<Clause> {
    by_role(plan, rule).map(|(role, subject)| clause(role, subject, host)).collect()
}

/// Everybody whom a rule names.
pub(super) fn subjects<'a>(plan: &'a Plan, rule: &'a Rule) -> impl Iterator<Item = &'a Subject> {
    by_role(plan, rule).map(|(_, subject)| subject)
}

/// The scope of a rule's tenant, and its own conditions, each with what the rule makes of it.
fn by_role<'a>(plan: &'a Plan, rule: &'a Rule) -> impl Iterator<Item = (Role, &'a Subject)> {
    let scope = rule.tenant().and_then(|name| plan.tenants().get(name)).map(Tenant::scope);
    let scope = scope.into_iter().map(|subject| (Role::Scope, subject));
    let when = rule.when().iter().map(|subject| (Role::When, subject));
    scope.chain(when).chain(rule.unless().iter().map(|subject| (Role::Unless, subject)))
}

fn clause(role: Role, subject: &Subject, host: &Host) -> Clause {
    let mut clause = Clause { role, asks: 0, members: Vec::new(), uids: Vec::new(), gids: Vec::new() };
    for (kind, paths) in [(ASKS_EXE, subject.exe()), (ASKS_ANCESTOR, subject.ancestor())] {
        let listed = paths.iter().filter_map(|path| host.paths.get(path)).flat_map(files);
        list(&mut clause, kind, !paths.is_empty(), listed);
    }
    let ids = subject.cgroup().iter().filter_map(|cgroup| host.cgroup_id(cgroup)).map(Listed::Number);
    list(&mut clause, ASKS_CGROUP, !subject.cgroup().is_empty(), ids);
    let kinds = [ASKS_USER_NS, ASKS_PID_NS, ASKS_MNT_NS];
    for ((kind, own), named) in kinds.into_iter().zip(host.namespaces).zip(subject.namespaces()) {
        let number = |namespace: &Namespace| match namespace {
            Namespace::Host => own,
            Namespace::Number(number) => *number,
        };
        let listed = named.iter().map(|namespace| Listed::Number(number(namespace).into()));
        list(&mut clause, kind, !named.is_empty(), listed);
    }
    for (kind, ids, ranges) in
        [(ASKS_UID, subject.uid(), &mut clause.uids), (ASKS_GID, subject.gid(), &mut clause.gids)]
    {
        if !ids.ranges().is_empty() {
            clause.asks |= kind;
            ranges.extend(ids.ranges());
        }
    }
    clause
}

fn list(clause: &mut Clause, kind: u16, is_asked: bool, listed: impl Iterator<Item = Listed>) {
    if is_asked {
        clause.asks |= kind;
        clause.members.extend(listed.map(|listed| (kind, listed)));
    }
}

/// What a process at a path is started from: what is there, and whatever will be.
fn files(found: &Resolution) -> impl Iterator<Item = Listed> {
    let objects = found.objects.iter().map(|key| Listed::File(*key));
    objects.chain(found.slots.iter().map(|slot| Listed::Name(*slot)))
}

/// Tenants whose rules allow something, by their numbers from 1, with what no rule of theirs denies.
pub(super) struct Allowing<'a>(BTreeMap<&'a Name, (u16, Operations)>);

impl<'a> Allowing<'a> {
    /// Those of a plan.
    pub(super) fn of(plan: &'a Plan) -> Result<Self, Error> {
        let rules = |action| plan.rules().iter().filter(move |rule| rule.action() == action);
        let names: BTreeSet<&Name> = rules(Action::Allow).filter_map(Rule::tenant).collect();
        if names.len() > usize::from(MAX_ALLOWING_TENANTS) {
            let why =
                format!("{} tenants have rules that allow; {MAX_ALLOWING_TENANTS} is the most", names.len());
            return Err(Error::Unloadable(why));
        }
        let undenied = |name: &Name| {
            let own = rules(Action::Deny).filter(|rule| rule.tenant() == Some(name));
            Operations::all() - own.fold(Operations::empty(), |all, rule| all | rule.operations().decided())
        };
        Ok(Self(names.into_iter().zip(1..).map(|(name, number)| (name, (number, undenied(name)))).collect()))
    }

    /// The number of the tenant of a rule, if it is one of these; else 0.
    pub(super) fn number(&self, rule: &Rule) -> u16 {
        rule.tenant().and_then(|name| self.0.get(name)).map_or(0, |(number, _)| *number)
    }

    /// What a rule that allows allows, with what nobody denies there.
    pub(super) fn allowed(&self, rule: &Rule) -> Operations {
        let undenied =
            rule.tenant().and_then(|name| self.0.get(name)).map_or(Operations::empty(), |(_, all)| *all);
        rule.operations().decided() | undenied
    }
}

/// The cgroups that rules name and that are not there, with the rule.
pub(super) fn missing_cgroups<'a>(
    plan: &'a Plan,
    rule: &'a Rule,
    host: &'a Host,
) -> impl Iterator<Item = String> + 'a {
    let cgroups = subjects(plan, rule).flat_map(Subject::cgroup);
    cgroups.filter(|cgroup| host.cgroup_id(cgroup).is_none()).filter_map(|cgroup| match cgroup {
        CgroupRef::Path(path) => Some(format!("cgroup {path}: there is none")),
        CgroupRef::Id(_) => None,
    })
}
