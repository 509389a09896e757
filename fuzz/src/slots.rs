//! Where a single value can stand.

/// A place for one value.
pub(crate) enum Slot {
    /// In quotes behind a key of format 3.
    Key { key: &'static str, before: &'static str, after: &'static str },
    /// Behind a key of format 3 as it is, as numbers and moments are.
    Bare { key: &'static str, before: &'static str },
    /// On a line of format 2.
    Line { section: &'static str },
    /// A word of the command line to be denied.
    Deny,
    /// A word of the command line to be excepted.
    Allow,
    /// A word of the command line to be denied on the network.
    Net,
}

macro_rules! top {
    ($text:literal) => {
        concat!("version = 3\nname = \"p\"\n", $text)
    };
}
macro_rules! rule {
    ($text:literal) => {
        concat!("version = 3\nname = \"p\"\n[[rule]]\nid = \"a\"\n", $text)
    };
}
/// A rule to which nothing is missing.
macro_rules! whole {
    ($text:literal) => {
        concat!(
            "version = 3\nname = \"p\"\n[[rule]]\nid = \"a\"\non = [\"read\", \"exec\"]\npath = [\"/a\"]\n",
            $text
        )
    };
}

const fn key(key: &'static str, before: &'static str) -> Slot {
    Slot::Key { key, before, after: "\n" }
}

/// New ones come last: the kept inputs name them by number.
pub(crate) const SLOTS: &[Slot] = &[
    Slot::Deny,
    Slot::Allow,
    Slot::Line { section: "deny_path" },
    Slot::Line { section: "deny_inode" },
    Slot::Line { section: "deny_ip" },
    Slot::Line { section: "deny_cidr" },
    Slot::Line { section: "deny_port" },
    Slot::Line { section: "allow_cgroup" },
    key("net", rule!("on = [\"connect\", \"bind\"]\nnet = ")),
    key("unix", rule!("on = [\"connect\", \"bind\"]\nunix = ")),
    key("inode", rule!("on = \"read\"\ninode = ")),
    key("sha256", rule!("on = \"exec\"\nsha256 = ")),
    key("fsverity", rule!("on = \"exec\"\nfsverity = ")),
    key("path", rule!("on = [\"read\", \"create\"]\npath = ")),
    key("subtree", rule!("on = [\"write\", \"rename\"]\nsubtree = ")),
    Slot::Key { key: "on", before: rule!("on = "), after: "\npath = \"/a\"\n" },
    key("exe", whole!("[[rule.when]]\nexe = ")),
    key("ancestor", whole!("[[rule.unless]]\nancestor = ")),
    key("cgroup", whole!("[[rule.unless]]\ncgroup = ")),
    key("uid", whole!("[[rule.when]]\nuid = ")),
    key("gid", whole!("[[rule.unless]]\ngid = ")),
    key("user_ns", whole!("[[rule.when]]\nuser_ns = ")),
    key("exempt", top!("[exempt]\ncgroup = ")),
    key("mitre", whole!("mitre = ")),
    key("reason", whole!("reason = ")),
    key("severity", whole!("severity = ")),
    key("signal", whole!("signal = ")),
    key("anchors", whole!("anchors = ")),
    key("mode", whole!("mode = ")),
    key("action", whole!("action = ")),
    key("name", "version = 3\nname = "),
    Slot::Key { key: "id", before: top!("[[rule]]\nid = "), after: "\non = \"read\"\npath = \"/a\"\n" },
    Slot::Key { key: "tenant", before: top!("[tenant."), after: "]\nmnt_ns = 7\nmax_rules = 1\n" },
    Slot::Bare { key: "expires", before: top!("expires = ") },
    Slot::Bare { key: "serial", before: top!("serial = ") },
    Slot::Bare { key: "uid", before: whole!("[[rule.when]]\nuid = ") },
    Slot::Bare { key: "pid_ns", before: whole!("[[rule.unless]]\npid_ns = ") },
    Slot::Bare { key: "escalate", before: whole!("escalate = ") },
    Slot::Bare { key: "max_rules", before: top!("[tenant.t]\nmnt_ns = 7\nmax_rules = ") },
    Slot::Net,
];

impl Slot {
    /// The key whose values are good seeds.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self {
            Self::Key { key, .. } | Self::Bare { key, .. } => Some(key),
            Self::Line { .. } | Self::Deny | Self::Allow | Self::Net => None,
        }
    }

    /// Whether its values stand in quotes.
    pub(crate) fn quotes(&self) -> bool {
        matches!(self, Self::Key { .. })
    }
}

/// A string of TOML. It may have all that one of JSON may have, but for the last control character of ASCII.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
