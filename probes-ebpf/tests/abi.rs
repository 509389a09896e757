//! Both sides of the kernel line have the same structs: the C header is made from the Rust structs, and here what
//! the compiler made of it is compared with them, field by field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod btf;

use aegis_kernel_abi::{
    self as abi, Accepted, Active, Condition, Counters, Delivered, Entry, Event, ExecEvent, Exempt,
    GenerationInfo, Held, Identity, Image, InodeNumber, Ledger, Lineage, MemberKey, Membership, Notice,
    ObjectKey, Process, ProcessEvent, Proof, Range, ReaderMark, Resolved, Row, RuleInfo, SelfCheck, SlotKey,
    Storm, StormKey, Summarised, Survival, SurvivalKey,
};
use btf::{Btf, Member, Struct};
use std::mem::offset_of;

const HEADER: &str = include_str!("../bpf/abi.h");

/// A struct as Rust lays it out, by its name in C.
struct Layout {
    name: &'static str,
    rust: Struct,
}

macro_rules! layout {
    ($name:literal, $type:path { $($field:ident),+ $(,)? }) => {
        Layout {
            name: $name,
            rust: Struct {
                size: size_of::<$type>(),
                members: vec![$(Member {
                    name: stringify!($field).to_owned(),
                    offset: offset_of!($type, $field),
                    size: field_size(|value: &$type| &value.$field),
                }),+],
            },
        }
    };
}

fn field_size<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

fn keys_and_values() -> Vec<Layout> {
    vec![
        layout!("aegis_object_key", ObjectKey { ino, dev, inode_generation }),
        layout!("aegis_inode_number", InodeNumber { ino, dev }),
        layout!("aegis_slot_key", SlotKey { parent, name_hash }),
        layout!("aegis_entry", Entry { generation, inode_generation, first_row, row_count, flags }),
        layout!(
            "aegis_row",
            Row {
                generation,
                operations,
                rule,
                mode,
                signal,
                flags,
                first_condition,
                condition_count,
                tenant
            }
        ),
        layout!("aegis_rule_info", RuleInfo { id, flags, operations, escalate_after, escalate_within }),
        layout!("aegis_exempt", Exempt { generation, reserved }),
        layout!(
            "aegis_generation_info",
            GenerationInfo {
                generation,
                flags,
                operations,
                enforced_operations,
                rules,
                objects,
                slots,
                rows,
                exempt,
                conditions,
                members,
                ranges,
                reserved,
                mode,
                pending,
                subtree_operations,
                serial,
                built_at_ns,
                plan_digest,
                table_digest,
                policy,
            }
        ),
        layout!("aegis_survival_key", SurvivalKey { object, kind, reserved }),
        layout!("aegis_survival", Survival { operations, reserved }),
        layout!("aegis_accepted", Accepted { serial, digest }),
        layout!(
            "aegis_identity",
            Identity { abi_version, size, name_key, object_digest, program_tags, kind, reserved }
        ),
        layout!("aegis_active", Active { generation, enforced_operations }),
        layout!("aegis_self_check", SelfCheck { pid, generation, start_time, hook, token }),
        layout!("aegis_proof", Proof { token, generation, rule, verdict, reason, reserved, time_ns, object }),
    ]
}

fn subjects() -> Vec<Layout> {
    vec![
        layout!(
            "aegis_condition",
            Condition { generation, role, asks, list, first_uid, first_gid, uid_count, gid_count }
        ),
        layout!("aegis_member_key", MemberKey { member, list, kind }),
        layout!("aegis_member", abi::Member { generation, reserved }),
        layout!("aegis_range", Range { generation, first, last, reserved }),
        layout!("aegis_image", Image { file, name }),
        layout!("aegis_lineage", Lineage { flags, count, exe, ancestors, denied_since, denials }),
    ]
}

fn records() -> Vec<Layout> {
    vec![
        layout!(
            "aegis_event",
            Event {
                abi_version,
                kind,
                hook,
                verdict,
                reason,
                signal,
                flags,
                cpu,
                generation,
                sequence,
                time_ns,
                operations,
                rule,
                pid,
                tid,
                start_time,
                parent_start_time,
                ppid,
                uid,
                gid,
                mount_namespace,
                pid_namespace,
                path_bytes,
                path_components,
                cgroup,
                object,
                executable,
                lineage,
                reserved,
                comm,
                path,
            }
        ),
        layout!("aegis_notice", Notice { generation, hook, time_ns }),
        layout!("aegis_resolved", Resolved { descriptor, reserved, object }),
        layout!("aegis_process", Process { pid, reserved, start_time }),
        layout!(
            "aegis_held",
            Held { object, opened, start_time, first, end, pid, pid_here, tid, uid, kind, operations, comm }
        ),
        layout!("aegis_membership", Membership { cgroup, start_time, pid, reserved }),
    ]
}

fn processes() -> Vec<Layout> {
    vec![
        layout!(
            "aegis_process_event",
            ProcessEvent {
                abi_version,
                kind,
                flags,
                lineage,
                time_ns,
                pid,
                maker,
                start_time,
                maker_start_time,
                executable,
            }
        ),
        layout!(
            "aegis_exec_event",
            ExecEvent { process, path_bytes, path_components, argv_bytes, reserved, path, argv }
        ),
    ]
}

fn accounts() -> Vec<Layout> {
    vec![
        layout!(
            "aegis_counters",
            Counters {
                submitted,
                suppressed,
                dropped,
                sequence,
                reported,
                undecidable,
                survived,
                exempted,
                unseen,
                untold,
                audited,
                denied,
            }
        ),
        layout!(
            "aegis_storm_key",
            StormKey { object, executable, generation, rule, operations, hook, verdict, reason, reserved }
        ),
        layout!("aegis_storm", Storm { since, window, in_window, suppressed, last }),
        layout!("aegis_summarised", Summarised { since, count, last }),
        layout!("aegis_ledger", Ledger { events_per_second, summarised, reading }),
        layout!("aegis_delivered", Delivered { upto, events, late, gaps }),
        layout!("aegis_reader_mark", ReaderMark { taken, turn, pages }),
    ]
}

fn layouts() -> impl Iterator<Item = Layout> {
    keys_and_values().into_iter().chain(subjects()).chain(records()).chain(processes()).chain(accounts())
}

fn check(object: &[u8]) {
    let btf = Btf::of_object(object);
    for Layout { name, rust } in layouts() {
        let found = btf.find(name);
        assert_eq!(found.as_ref(), Some(&rust), "struct {name}: left is C, right is Rust");
    }
}

#[test]
fn deciding_probes_have_the_layouts() {
    check(aegis_probes::lsm_object());
}

#[test]
fn probes_of_the_fallback_have_the_layouts() {
    check(aegis_probes::fallback_object());
}

#[test]
fn resolving_probes_have_the_layouts() {
    check(aegis_probes::resolve_object());
}

#[test]
fn looking_probes_have_the_layouts() {
    check(aegis_probes::holders_object());
}

/// The list above is complete.
#[test]
fn every_struct_is_compared() {
    let mut compared: Vec<&str> = layouts().map(|layout| layout.name).collect();
    let name = |line: &'static str| line.strip_prefix("struct ")?.strip_suffix(" {");
    let mut declared: Vec<&str> = HEADER.lines().filter_map(name).collect();
    compared.sort_unstable();
    declared.sort_unstable();
    assert_eq!(compared, declared);
}
