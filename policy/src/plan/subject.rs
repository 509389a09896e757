//! Who acts.

use super::CgroupRef;
use std::collections::BTreeSet;
use std::fmt;

/// A condition on who acts. It holds if every list that has something in it has something that fits; at least one has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// What it was started from: paths as in [`Object::Path`](crate::Object::Path).
    pub(crate) exe: BTreeSet<String>,
    /// What it or one of its ancestors was started from.
    pub(crate) ancestor: BTreeSet<String>,
    /// The cgroup it is in, or one above.
    pub(crate) cgroup: BTreeSet<CgroupRef>,
    /// Its user.
    pub(crate) uid: Ids,
    /// Its group.
    pub(crate) gid: Ids,
    /// Its namespaces.
    pub(crate) user_ns: BTreeSet<Namespace>,
    pub(crate) pid_ns: BTreeSet<Namespace>,
    pub(crate) mnt_ns: BTreeSet<Namespace>,
}

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Namespace {
    /// That of the host: the one in which the machine was started.
    Host,
    /// By its number, as the links in `/proc/PID/ns` show it.
    Number(u32),
}

/// Numbers of users or groups: ranges that neither overlap nor touch, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ids(Vec<(u32, u32)>);

impl Ids {
    /// Takes ranges in any order; both ends are included.
    pub(crate) fn new(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// The ranges, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Whether a number is among them.
    #[must_use]
    pub fn contain(&self, id: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&id))
    }

    fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|(first, last)| self.0.iter().any(|(from, to)| from <= first && last <= to))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Subject {
    /// Paths of executables.
    #[must_use]
    pub fn exe(&self) -> &BTreeSet<String> {
        &self.exe
    }

    /// Paths of executables of it or of an ancestor.
    #[must_use]
    pub fn ancestor(&self) -> &BTreeSet<String> {
        &self.ancestor
    }

    /// Cgroups, with all below them.
    #[must_use]
    pub fn cgroup(&self) -> &BTreeSet<CgroupRef> {
        &self.cgroup
    }

    /// Users.
    #[must_use]
    pub fn uid(&self) -> &Ids {
        &self.uid
    }

    /// Groups.
    #[must_use]
    pub fn gid(&self) -> &Ids {
        &self.gid
    }

    /// Namespaces of users, processes and mounts, in this order.
    #[must_use]
    pub fn namespaces(&self) -> [&BTreeSet<Namespace>; 3] {
        [&self.user_ns, &self.pid_ns, &self.mnt_ns]
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether everybody for whom the other holds is somebody for whom this one does. False where that is not certain.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        fn wider<T: Ord>(own: &BTreeSet<T>, other: &BTreeSet<T>) -> bool {
            own.is_empty() || (!other.is_empty() && other.is_subset(own))
        }
        let cgroups = self.cgroup.is_empty()
            || (!other.cgroup.is_empty()
                && other.cgroup.iter().all(|inner| self.cgroup.iter().any(|outer| outer.covers(inner))));
        let ids = |own: &Ids, other: &Ids| own.is_empty() || (!other.is_empty() && own.cover(other));
        cgroups
            && wider(&self.exe, &other.exe)
            && (wider(&self.ancestor, &other.ancestor)
                || (!other.exe.is_empty() && wider(&self.ancestor, &other.exe)))
            && ids(&self.uid, &other.uid)
            && ids(&self.gid, &other.gid)
            && wider(&self.user_ns, &other.user_ns)
            && wider(&self.pid_ns, &other.pid_ns)
            && wider(&self.mnt_ns, &other.mnt_ns)
    }
}

impl fmt::Display for Namespace {
    /// As the policy language writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => out.write_str("host"),
            Self::Number(number) => number.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn ranges_are_joined() {
        type Ranges = &'static [(u32, u32)];
        let rows: [(Ranges, Ranges); 4] = [
            (&[], &[]),
            (&[(5, 9), (1, 4)], &[(1, 9)]),
            (&[(1, 9), (3, 4), (11, 12)], &[(1, 9), (11, 12)]),
            (&[(0, u32::MAX), (7, 7)], &[(0, u32::MAX)]),
        ];
        for (ranges, joined) in rows {
            assert_eq!(Ids::new(ranges.to_vec()).ranges(), joined, "{ranges:?}");
        }
    }
}
