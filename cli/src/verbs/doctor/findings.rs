//! What follows from what was seen. Pure.

use super::health::{Check, PINS};
use aegis_control_api::{AccountsReply, ChildStatus, Posture, Status, TreeReply};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What was looked at.
pub(super) struct Seen {
    /// Of the host.
    pub(super) checks: Vec<Check>,
    /// How many errors are in the configuration; none if it is right.
    pub(super) configuration: Option<usize>,
    /// A policy of the C++ AegisBPF, where none of ours is configured.
    pub(super) left_behind: Option<PathBuf>,
    /// Of the daemon, or of the pins; or why there is none.
    pub(super) status: Result<Status, String>,
    /// None without a daemon.
    pub(super) tree: Option<TreeReply>,
    pub(super) accounts: Option<AccountsReply>,
}

/// Whether something must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grade {
    Fine,
    /// Known, and perhaps meant.
    Notice,
    Wrong,
}

impl Grade {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Notice => "notice",
            Self::Wrong => "WRONG",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    pub(super) what: &'static str,
    pub(super) finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

fn fine(what: &'static str, finding: impl Into<String>) -> Finding {
    Finding { grade: Grade::Fine, what, finding: finding.into(), remedy: None }
}

fn notice(what: &'static str, finding: impl Into<String>, remedy: &str) -> Finding {
    Finding { grade: Grade::Notice, what, finding: finding.into(), remedy: Some(remedy.to_owned()) }
}

fn wrong(what: &'static str, finding: impl Into<String>, remedy: &str) -> Finding {
    Finding { grade: Grade::Wrong, ..notice(what, finding, remedy) }
}

/// Everything that is to be said, in the order in which it should be put right.
pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let mut all: Vec<Finding> = seen.checks.iter().map(of_host).collect();
    all.push(of_configuration(seen.configuration));
    all.extend(seen.left_behind.as_deref().map(of_left_behind));
    match &seen.status {
        Ok(status) => {
            all.push(of_posture(status));
            all.push(of_daemon(status));
            all.extend(of_counts(status));
            all.extend(of_pending(status));
        }
        Err(why) => all.push(wrong(
            "armed",
            format!("nothing is: {why}"),
            "start the daemon: `systemctl start aegisbpf`, or `aegisbpf run`",
        )),
    }
    all.extend(seen.tree.iter().flat_map(of_tree));
    all.extend(seen.accounts.iter().flat_map(of_accounts));
    all
}

fn of_host(check: &Check) -> Finding {
    let remedy = match check.name {
        "kernel types" => "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF",
        "security modules" => "add `bpf` to the boot option lsm=, or ask whoever provides the kernel",
        "BPF LSM programs" => {
            "boot a kernel from 6.1 on with CONFIG_BPF_LSM, with `bpf` in lsm=, and run as root"
        }
        "audit fallback" => "only needed where the kernel refuses BPF LSM programs",
        "BPF iterators" => "run as root, with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN",
        "bpf file system" => "mount -t bpf bpf /sys/fs/bpf",
        PINS => {
            "what is attached goes on deciding; `aegisbpf config reload` puts back links, and `aegisbpf detach` followed by \
             `aegisbpf run` everything"
        }
        _ => "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1",
    };
    if check.ok {
        fine(check.name, check.finding.clone())
    } else if ["audit fallback", "cgroup version 2"].contains(&check.name) {
        notice(check.name, check.finding.clone(), remedy)
    } else {
        wrong(check.name, check.finding.clone(), remedy)
    }
}

fn of_configuration(errors: Option<usize>) -> Finding {
    match errors {
        None => fine("configuration", "without errors"),
        Some(errors) => wrong(
            "configuration",
            format!("{errors} error(s); a daemon does not start with it, and one that runs does not take it"),
            "`aegisbpf config check` names each with its place",
        ),
    }
}

fn of_left_behind(policy: &Path) -> Finding {
    notice(
        "C++ AegisBPF",
        format!("it has left a policy on this host, {}, and no policy is configured here", policy.display()),
        "`aegisbpf policy import` shows what it becomes, and `policy import --out DIR` writes that",
    )
}

fn of_posture(status: &Status) -> Finding {
    let why: Vec<&str> = status.classes.iter().filter_map(|class| class.why.as_deref()).collect();
    let finding = format!("{} {}", status.posture().word(), why.join("; "));
    let finding = finding.trim_end().to_owned();
    match status.posture() {
        Posture::Enforce => fine("posture", finding),
        Posture::Observe => notice(
            "posture",
            format!("{finding}: what the policy forbids is reported, and not denied"),
            "set policy.mode, or the mode of the policy, to enforce when the reports are what you expect",
        ),
        Posture::AuditFallback => notice(
            "posture",
            format!("{finding}: nothing is blocked on this host"),
            "boot a kernel that takes BPF LSM programs",
        ),
        Posture::Degraded => wrong(
            "posture",
            finding,
            "put the policy in force again, which attaches and proves everything anew: `aegisbpf config reload`, or \
             `aegisbpf policy apply FILE`",
        ),
        Posture::Off => notice(
            "posture",
            format!("{finding}: no rule is in force"),
            "name a policy in policy.files, or `aegisbpf policy apply FILE`",
        ),
    }
}

fn of_daemon(status: &Status) -> Finding {
    match &status.daemon {
        Some(daemon) => fine("daemon", format!("pid {}, version {}", daemon.pid, daemon.version)),
        None => wrong(
            "daemon",
            "none answers; what is armed goes on deciding, and nobody delivers events",
            "start it: `systemctl start aegisbpf`, or `aegisbpf run`; it adopts what is armed",
        ),
    }
}

fn of_counts(status: &Status) -> Vec<Finding> {
    let counts = &status.counts;
    let mut all = Vec::new();
    if counts.undecidable > 0 {
        all.push(wrong(
            "decisions",
            format!("{} could not be made, and were denied where a rule enforces", counts.undecidable),
            "look for reasons other than object and slot: `aegisbpf events`; docs/policy.md says what each means",
        ));
    }
    if counts.dropped > 0 {
        all.push(notice(
            "events",
            format!("the ring had no room for {}; gap records tell of them", counts.dropped),
            "raise events.ring_bytes for the next arming, or lower events.per_second",
        ));
    }
    let missed: u64 = status.links.iter().map(|link| link.recursion_misses).sum();
    if missed > 0 {
        all.push(wrong(
            "runs",
            format!("the kernel left out {missed} runs of probes"),
            "report this as a bug",
        ));
    }
    all
}

fn of_pending(status: &Status) -> Vec<Finding> {
    let one = |rule: &aegis_control_api::PendingRule| {
        notice(
            "pending",
            format!("rule {} is without effect on {}", rule.rule, rule.paths.join(", ")),
            "it is resolved by itself when the way to it is there; correct the path if it never will be",
        )
    };
    status.pending.iter().map(one).collect()
}

fn of_tree(tree: &TreeReply) -> Vec<Finding> {
    let mut workers = Vec::new();
    gather(&tree.root, &mut workers);
    let unwell = workers.iter().filter(|part| part.state != "running").map(|part| {
        wrong(
            "parts",
            format!("{} is {}; {}", part.path, part.state, part.last_exit_detail.as_deref().unwrap_or("")),
            "the log tells why; it is started again by itself",
        )
    });
    let restarted =
        workers.iter().filter(|part| part.state == "running" && part.incarnation > 0).map(|part| {
            notice(
                "parts",
                format!(
                    "{} was started {} more time(s); the last time because it {}",
                    part.path,
                    part.incarnation,
                    part.last_exit_detail.as_deref().unwrap_or("went with another")
                ),
                "the log tells why",
            )
        });
    unwell.chain(restarted).collect()
}

fn gather<'a>(child: &'a ChildStatus, into: &mut Vec<&'a ChildStatus>) {
    if child.children.is_empty() && !child.path.is_empty() {
        into.push(child);
    }
    child.children.iter().for_each(|child| gather(child, into));
}

fn of_accounts(accounts: &AccountsReply) -> Vec<Finding> {
    let one = |what: &String| {
        wrong("accounts", what.clone(), "report this as a bug, with `aegisbpf events account`")
    };
    if accounts.wrong.is_empty() {
        return vec![fine(
            "accounts",
            format!("{} decisions reported, all accounted for", accounts.total.reported),
        )];
    }
    accounts.wrong.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_control_api::{API_VERSION, ClassStatus, Counts, LinkStatus, Memory, PendingRule};

    fn status() -> Status {
        Status {
            version: API_VERSION,
            daemon: None,
            bpffs_root: "/sys/fs/bpf/aegisbpf".to_owned(),
            generation: None,
            classes: vec![ClassStatus {
                class: "file".to_owned(),
                posture: Posture::Enforce,
                proven_at_ns: Some(1),
                why: None,
            }],
            links: Vec::new(),
            counts: Counts::default(),
            pending: Vec::new(),
            memory: Memory::default(),
            probes: "lsm".to_owned(),
            notice: None,
            unseen: Vec::new(),
        }
    }

    fn seen(status: Status) -> Seen {
        let checks = Vec::new();
        let status = Ok(status);
        Seen { checks, configuration: None, left_behind: None, status, tree: None, accounts: None }
    }

    fn graded(seen: &Seen, what: &str) -> Vec<Grade> {
        let all = findings(seen);
        all.iter().for_each(|one| assert_eq!(one.remedy.is_none(), one.grade == Grade::Fine, "{one:?}"));
        all.into_iter().filter(|finding| finding.what == what).map(|finding| finding.grade).collect()
    }

    #[test]
    fn each_state_has_its_grade() {
        type Change = fn(&mut Status);
        let rows: [(&str, Change, Grade); 8] = [
            ("posture", |_| {}, Grade::Fine),
            ("posture", |status| status.classes[0].posture = Posture::Degraded, Grade::Wrong),
            ("posture", |status| status.classes[0].posture = Posture::Observe, Grade::Notice),
            ("daemon", |_| {}, Grade::Wrong),
            ("decisions", |status| status.counts.undecidable = 1, Grade::Wrong),
            ("events", |status| status.counts.dropped = 1, Grade::Notice),
            (
                "runs",
                |status| {
                    status.links.push(LinkStatus {
                        hook: String::new(),
                        link_id: 1,
                        program_id: 1,
                        recursion_misses: 1,
                        run_count: 1,
                        run_time_ns: 1,
                    });
                },
                Grade::Wrong,
            ),
            (
                "pending",
                |status| status.pending.push(PendingRule { rule: "r".to_owned(), paths: Vec::new() }),
                Grade::Notice,
            ),
        ];
        for (what, change, grade) in rows {
            let mut changed = status();
            change(&mut changed);
            assert_eq!(graded(&seen(changed), what), [grade], "{what}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let none = Seen { status: Err("no pins".to_owned()), configuration: Some(2), ..seen(status()) };
        assert_eq!(graded(&none, "armed"), [Grade::Wrong]);
        assert_eq!(graded(&none, "configuration"), [Grade::Wrong]);
        let left = Seen { left_behind: Some("/etc/aegisbpf/policy.conf".into()), ..seen(status()) };
        assert_eq!(graded(&left, "C++ AegisBPF"), [Grade::Notice]);
        let check = |name, ok| Check { name, ok, finding: String::new() };
        let checks =
            vec![check("BPF LSM programs", false), check("cgroup version 2", false), check(PINS, false)];
        let host = Seen { checks, ..seen(status()) };
        assert_eq!(graded(&host, "BPF LSM programs"), [Grade::Wrong]);
        assert_eq!(graded(&host, "cgroup version 2"), [Grade::Notice]);
        assert_eq!(graded(&host, PINS), [Grade::Wrong]);
    }
}
