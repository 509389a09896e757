//! What is attempted, and how each attempt must end.

use super::attempt::Way;

/// When in the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is armed.
    Before,
    /// The policy is in force.
    Armed,
    /// The daemon is dead.
    Killed,
    /// Everything has been taken down.
    Detached,
}

/// How an attempt must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nobody is in its way.
    Allowed,
    /// Refused, with a record.
    Denied(Denial),
}

/// What the record must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Denial {
    /// The rule's id.
    pub(super) rule: &'static str,
    /// Why, in the kernel's word.
    pub(super) reason: &'static str,
    /// The name that the kernel came to in the end, below the scratch directory.
    pub(super) object: &'static str,
}

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) stage: Stage,
    /// The operation, and what is special about it.
    pub(super) op: &'static str,
    pub(super) way: Way,
    /// The name that the attacker uses, below the scratch directory.
    pub(super) name: &'static str,
    pub(super) expected: Expected,
}

// Names below the scratch directory.
pub(super) const SECRET: &str = "secret.txt";
pub(super) const SOFT: &str = "soft-link";
pub(super) const HARD: &str = "elsewhere/hard-link";
pub(super) const REPLACED: &str = "replaced.txt";
pub(super) const ABSENT: &str = "absent.txt";
pub(super) const NEIGHBOUR: &str = "neighbour.txt";
// Both keep the name of the original: programs of many names in one file go by it.
pub(super) const PROGRAM: &str = "denied/true";
pub(super) const OTHER_PROGRAM: &str = "allowed/true";
pub(super) const SCRIPT: &str = "script";
pub(super) const OTHER_SCRIPT: &str = "other-script";

/// A rule of the demo's policy.
pub(super) struct Rule {
    pub(super) id: &'static str,
    /// As in the policy language.
    pub(super) operations: &'static str,
    pub(super) name: &'static str,
}

/// The policy: one rule for each file, so that the table shows which one it was.
pub(super) const RULES: [Rule; 5] = [
    Rule { id: "secret-file", operations: r#""read", "write""#, name: SECRET },
    Rule { id: "replaced-file", operations: r#""read", "write""#, name: REPLACED },
    Rule { id: "absent-file", operations: r#""read", "write""#, name: ABSENT },
    Rule { id: "program", operations: r#""exec""#, name: PROGRAM },
    Rule { id: "script", operations: r#""exec""#, name: SCRIPT },
];

/// By the identity of the object.
const fn object(rule: &'static str, object: &'static str) -> Expected {
    Expected::Denied(Denial { rule, reason: "object", object })
}

/// By the name in its directory.
const fn slot(rule: &'static str, object: &'static str) -> Expected {
    Expected::Denied(Denial { rule, reason: "slot", object })
}

const fn row(stage: Stage, op: &'static str, way: Way, name: &'static str, expected: Expected) -> Row {
    Row { stage, op, way, name, expected }
}

const BEFORE: Stage = Stage::Before;
const ARMED: Stage = Stage::Armed;
const KILLED: Stage = Stage::Killed;
const DETACHED: Stage = Stage::Detached;
const ALLOWED: Expected = Expected::Allowed;

/// The attack, in order.
pub(super) const ROWS: &[Row] = &[
    row(BEFORE, "read before arming", Way::Read, SECRET, ALLOWED),
    row(BEFORE, "exec before arming", Way::Exec, PROGRAM, ALLOWED),
    row(ARMED, "read", Way::Read, SECRET, object("secret-file", SECRET)),
    row(ARMED, "write", Way::Write, SECRET, object("secret-file", SECRET)),
    row(ARMED, "read by symbolic link", Way::Read, SOFT, object("secret-file", SECRET)),
    row(ARMED, "read by hard link", Way::Read, HARD, object("secret-file", HARD)),
    row(ARMED, "read by descriptor", Way::ReadByDescriptor, SECRET, object("secret-file", SECRET)),
    row(ARMED, "read after replacing it", Way::ReadReplaced, REPLACED, slot("replaced-file", REPLACED)),
    row(ARMED, "write to make it", Way::Create, ABSENT, slot("absent-file", ABSENT)),
    row(ARMED, "move another file there", Way::MoveIn, ABSENT, slot("absent-file", ABSENT)),
    row(ARMED, "exec", Way::Exec, PROGRAM, object("program", PROGRAM)),
    row(ARMED, "exec by dynamic loader", Way::ExecByLoader, PROGRAM, object("program", PROGRAM)),
    row(ARMED, "exec by #! of a script", Way::Exec, OTHER_SCRIPT, object("program", PROGRAM)),
    row(ARMED, "exec of a #! script", Way::Exec, SCRIPT, object("script", SCRIPT)),
    row(ARMED, "read of a neighbour", Way::Read, NEIGHBOUR, ALLOWED),
    row(ARMED, "write to a neighbour", Way::Write, NEIGHBOUR, ALLOWED),
    row(ARMED, "exec of another program", Way::Exec, OTHER_PROGRAM, ALLOWED),
    row(ARMED, "exec of it by dynamic loader", Way::ExecByLoader, OTHER_PROGRAM, ALLOWED),
    row(KILLED, "read after kill -9", Way::Read, SECRET, object("secret-file", SECRET)),
    row(KILLED, "exec after kill -9", Way::Exec, PROGRAM, object("program", PROGRAM)),
    row(DETACHED, "read after detach", Way::Read, SECRET, ALLOWED),
    row(DETACHED, "write after detach", Way::Write, SECRET, ALLOWED),
    row(DETACHED, "exec after detach", Way::Exec, PROGRAM, ALLOWED),
];
