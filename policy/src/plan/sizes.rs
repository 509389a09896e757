//! How much a plan is, before it is resolved and loaded.

use super::{Object, Plan, Subject};
use serde::Serialize;
use std::collections::BTreeSet;

/// Counts of what a plan names, each thing once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Rules.
    pub rules: usize,
    /// Paths. Each becomes at most an object and two names, and what holds it in place.
    pub paths: usize,
    /// Directories that stand for all below them.
    pub subtrees: usize,
    /// Inodes by number.
    pub inodes: usize,
    /// Digests of contents.
    pub digests: usize,
    /// Unix sockets.
    pub unix: usize,
    /// Prefixes of IPv4.
    pub prefixes_v4: usize,
    /// Prefixes of IPv6.
    pub prefixes_v6: usize,
    /// What these carry, folded.
    pub net_rows: usize,
    /// Conditions on who acts.
    pub subjects: usize,
    /// Cgroups that are exempt.
    pub exempt: usize,
    /// Tenants.
    pub tenants: usize,
}

impl Plan {
    /// How much it is. There are no limits but memory.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let objects: BTreeSet<&Object> = self.rules.iter().flat_map(|rule| &rule.objects).collect();
        let scopes = self.tenants.values().map(|tenant| &tenant.scope);
        let conditions = self.rules.iter().flat_map(|rule| rule.when.iter().chain(&rule.unless));
        let subjects: BTreeSet<&Subject> = conditions.chain(scopes).collect();
        let prefixes = self.prefixes();
        let [prefixes_v4, prefixes_v6] = prefixes.len();
        let count = |keys: &[&str]| objects.iter().filter(|object| keys.contains(&object.key())).count();
        Sizes {
            rules: self.rules.len(),
            paths: count(&["path"]),
            subtrees: count(&["subtree"]),
            inodes: count(&["inode"]),
            digests: count(&["sha256", "fsverity"]),
            unix: count(&["unix"]),
            prefixes_v4,
            prefixes_v6,
            net_rows: prefixes.rows(),
            subjects: subjects.len(),
            exempt: self.exempt.len(),
            tenants: self.tenants.len(),
        }
    }
}
