//! Tenants.

use super::{file, subject, words};
use crate::diagnostic::{Code, Fault, Sink};
use crate::plan::{Name, Subject, Tenant};
use crate::syntax::{Fields, Placed, Section, Takes, key};
use toml::de::DeTable;

pub(super) const TENANT: Section = Section {
    what: "the tenant",
    goes: "below a `[tenant.NAME]`",
    keys: &[
        subject::CGROUP,
        subject::USER_NS,
        subject::PID_NS,
        subject::MNT_NS,
        key("max_rules", Takes::Integer(0, u32::MAX as u64), "The most rules it may have."),
        key(
            "max_objects",
            Takes::Integer(0, u32::MAX as u64),
            "The most objects its rules may name together.",
        ),
    ],
    required: &[],
};

/// Reads a tenant. Nothing if it has no valid name.
pub(super) fn read(
    name: Placed<&str>,
    table: Placed<&DeTable<'_>>,
    sink: &mut Sink,
) -> Option<(Placed<Name>, Tenant)> {
    let fields = Fields::open(&TENANT, file::SECTIONS, table.value, table.place, sink);
    let scope = subject::fields_of(&fields, sink);
    if scope == Subject::default()
        && !["cgroup", "user_ns", "pid_ns", "mnt_ns"].iter().any(|key| fields.has(key))
    {
        sink.push(no_scope().at(table.place));
    }
    let mut most = |key| {
        let number = fields.integer(key, sink)?.parsed(words::count, sink)?;
        Some(number.value)
    };
    let (max_rules, max_objects) = (most("max_rules"), most("max_objects"));
    let name = name.parsed(words::name, sink)?;
    Some((name, Tenant { scope, max_rules, max_objects }))
}

fn no_scope() -> Fault {
    Fault::new(Code::NoScope, "the tenant is about nobody")
        .label("neither a cgroup nor a namespace is given")
        .help("add whom its rules are about, such as `cgroup = [\"/tenant.slice\"]`")
}
