//! From sources and entries to a plan, and from one list to the next. Pure.

use super::PolicyError;
use aegis_control_api::{Change, EntriesRequest, PolicySource};
use aegis_policy::{AllowEntry, Compiled, DenyEntry, Entries, NetEntry, Plan, Report, Source};
use std::collections::BTreeSet;

/// A list of the local policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// What it denies.
    Block,
    /// The cgroups that it exempts.
    Allow,
    /// The addresses and ports that it denies.
    Network,
}

/// Stands for the sources where there are none: a policy needs a name.
const ONLY_LOCAL: Source<'_> = Source { name: "(local)", text: "version = 3\nname = \"local\"\n" };

/// A plan, and what the compiler warned of.
pub(crate) struct Joined {
    pub(crate) plan: Plan,
    pub(crate) warnings: Vec<String>,
}

/// Joins the sources of a policy with the local one, if there is one.
pub(crate) fn join(sources: &[PolicySource], local: Option<&PolicySource>) -> Result<Joined, PolicyError> {
    if sources.is_empty() && local.is_none() {
        return Ok(Joined { plan: Plan::empty(), warnings: Vec::new() });
    }
    let head = sources.is_empty().then_some(ONLY_LOCAL);
    let all: Vec<Source<'_>> = head.into_iter().chain(sources.iter().chain(local).map(source)).collect();
    let Compiled { plan, warnings } = aegis_policy::compile(&all).map_err(|report| wrong(&report))?;
    let warnings = warnings.without_notes();
    let warnings = warnings.located().map(|warning| warning.message.to_string()).collect();
    Ok(Joined { plan, warnings })
}

/// Whether an expired policy may be put in force: one that is in force already, or was the last on this host. What is to be
/// known then.
///
/// # Errors
/// If it is a new one.
pub(crate) fn heed_expiry(
    plan: &Plan,
    now: u64,
    is_known: impl FnOnce() -> bool,
) -> Result<Option<String>, PolicyError> {
    let Some(since) = plan.expired(now) else { return Ok(None) };
    if is_known() {
        return Ok(Some(format!(
            "the policy has expired at {since}, and stays in force: put a newer one in force"
        )));
    }
    Err(PolicyError::Wrong(format!(
        "the policy {} has expired at {since}: it is not put in force anew. Give it another `expires`, if it is still right",
        plan.name()
    )))
}

fn source(source: &PolicySource) -> Source<'_> {
    Source { name: &source.name, text: &source.text }
}

fn wrong(report: &Report) -> PolicyError {
    PolicyError::Wrong(report.to_string())
}

/// The entries of the local policy.
pub(crate) fn entries(local: Option<&PolicySource>) -> Result<Entries, PolicyError> {
    local
        .map_or(Ok(Entries::default()), |local| Entries::read(source(local)).map_err(|report| wrong(&report)))
}

/// The local policy with these entries. None without any: then it is as if there were no file.
pub(crate) fn local(name: &str, entries: &Entries) -> Option<PolicySource> {
    (!entries.is_empty()).then(|| PolicySource::unsigned(name, entries.to_text()))
}

/// What is on a list.
pub(crate) fn listed(entries: &Entries, list: List) -> Vec<String> {
    match list {
        List::Block => entries.deny.iter().map(ToString::to_string).collect(),
        List::Allow => entries.allow.iter().map(ToString::to_string).collect(),
        List::Network => entries.net.iter().map(ToString::to_string).collect(),
    }
}

/// Changes a list, whole or not at all, and says what was put on it or taken off.
pub(crate) fn edit(
    entries: &mut Entries,
    list: List,
    request: &EntriesRequest,
) -> Result<Vec<String>, PolicyError> {
    match list {
        List::Block => edit_set(&mut entries.deny, DenyEntry::parse, request),
        List::Allow => {
            refuse_ids(request)?;
            edit_set(&mut entries.allow, AllowEntry::parse, request)
        }
        List::Network => edit_set(&mut entries.net, |text| NetEntry::parse(None, text), request),
    }
}

/// The lists outlast a boot, and ids of cgroups are counted anew in each: what has this number then is another one.
fn refuse_ids(request: &EntriesRequest) -> Result<(), PolicyError> {
    let ids: Vec<&str> =
        request.entries.iter().map(String::as_str).filter(|entry| entry.starts_with("cgid:")).collect();
    if request.change != Change::Add || ids.is_empty() {
        return Ok(());
    }
    Err(PolicyError::Wrong(format!(
        "{}: the number of a cgroup is that of another one after the next boot, and the list is kept; name it by its path, \
         such as /system.slice/backup.service",
        ids.join(", ")
    )))
}

fn edit_set<T: Ord + Clone + ToString>(
    set: &mut BTreeSet<T>,
    parse: impl Fn(&str) -> Result<T, Report>,
    request: &EntriesRequest,
) -> Result<Vec<String>, PolicyError> {
    let parsed: Vec<Result<T, Report>> = request.entries.iter().map(|text| parse(text)).collect();
    let reports: Vec<String> =
        parsed.iter().filter_map(|entry| entry.as_ref().err()).map(ToString::to_string).collect();
    if !reports.is_empty() {
        return Err(PolicyError::Wrong(reports.concat()));
    }
    let given: BTreeSet<T> = parsed.into_iter().flatten().collect();
    let changed: BTreeSet<T> = match request.change {
        Change::Add => given.difference(set).cloned().collect(),
        Change::Delete => {
            let missing: Vec<String> = given.difference(set).map(ToString::to_string).collect();
            if !missing.is_empty() {
                let missing = missing.join(", ");
                return Err(PolicyError::Wrong(format!(
                    "not on the list: {missing}; `list` shows what is, and nothing has changed"
                )));
            }
            given
        }
        Change::Clear => std::mem::take(set),
    };
    match request.change {
        Change::Add => set.extend(changed.iter().cloned()),
        Change::Delete => set.retain(|entry| !changed.contains(entry)),
        Change::Clear => {}
    }
    Ok(changed.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: Change, entries: &[&str]) -> EntriesRequest {
        EntriesRequest { change, entries: entries.iter().map(|entry| (*entry).to_owned()).collect() }
    }

    fn named(name: &str, text: &str) -> PolicySource {
        PolicySource::unsigned(name, text)
    }

    /// What a row expects: what changed and what is there then, or a part of the error.
    type Expected = Result<(&'static [&'static str], &'static [&'static str]), &'static str>;

    #[test]
    fn an_expired_policy_is_not_put_in_force_anew() {
        let text = "version = 3\nname = \"p\"\nexpires = 2030-12-31T00:00:00Z\n";
        let plan = join(&[named("p", text)], None).unwrap().plan;
        let moment = 1_924_905_600;
        assert_eq!(heed_expiry(&plan, moment - 1, || false).unwrap(), None);
        let refused = heed_expiry(&plan, moment, || false).unwrap_err().to_string();
        assert!(refused.contains("the policy p has expired at 2030-12-31T00:00:00Z"), "{refused}");
        let note = heed_expiry(&plan, moment, || true).unwrap().unwrap();
        assert!(note.contains("stays in force"), "{note}");
    }

    #[test]
    fn lists_change_whole_or_not_at_all() {
        let rows: [(List, Change, &[&str], Expected); 19] = [
            (List::Block, Change::Add, &["/b", "/a", "/b"], Ok((&["/a", "/b"], &["/a", "/b"]))),
            (List::Block, Change::Add, &["/a", "8:1:7"], Ok((&["8388609:7"], &["/a", "/b", "8388609:7"]))),
            (List::Block, Change::Add, &["/c", "d"], Err("E0401")),
            (List::Block, Change::Add, &["/c\n[allow_cgroup]\n/x"], Err("E0410")),
            (List::Block, Change::Delete, &["/a", "/c"], Err("not on the list: /c")),
            (List::Allow, Change::Add, &["/sys/fs/cgroup/x", "/y"], Ok((&["/x", "/y"], &["/x", "/y"]))),
            (List::Allow, Change::Add, &["/"], Err("E0502")),
            (List::Block, Change::Delete, &["8388609:7"], Ok((&["8388609:7"], &["/a", "/b"]))),
            (List::Block, Change::Clear, &[], Ok((&["/a", "/b"], &[]))),
            (List::Block, Change::Clear, &[], Ok((&[], &[]))),
            (List::Allow, Change::Delete, &["/x"], Ok((&["/x"], &["/y"]))),
            (List::Allow, Change::Add, &["/y"], Ok((&[], &["/y"]))),
            (
                List::Network,
                Change::Add,
                &["22:tcp", "10.0.0.1", "10.1.0.0/8"],
                Ok((&["22:tcp", "10.0.0.0/8", "10.0.0.1"], &["22:tcp", "10.0.0.0/8", "10.0.0.1"])),
            ),
            (List::Network, Change::Add, &["::1", "65536"], Err("E0604")),
            (List::Network, Change::Add, &["22\n[deny_path]\n/a"], Err("E0602")),
            (List::Network, Change::Delete, &["22"], Err("not on the list: 22")),
            (List::Network, Change::Delete, &["10.0.0.0/8"], Ok((&["10.0.0.0/8"], &["22:tcp", "10.0.0.1"]))),
            (List::Network, Change::Clear, &[], Ok((&["22:tcp", "10.0.0.1"], &[]))),
            // The other lists are as they were.
            (List::Allow, Change::Add, &[], Ok((&[], &["/y"]))),
        ];
        let mut entries = Entries::default();
        for (list, change, given, expected) in rows {
            let before = entries.clone();
            match (edit(&mut entries, list, &request(change, given)), expected) {
                (Ok(changed), Ok((what, after))) => {
                    assert_eq!((changed, listed(&entries, list)), (owned(what), owned(after)), "{given:?}");
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{given:?}: {error}");
                    assert_eq!(entries, before, "{given:?}");
                }
                (result, expected) => unreachable!("{given:?}: {result:?}, not {expected:?}"),
            }
            let again = super::entries(local("local.policy", &entries).as_ref());
            assert!(again.is_ok_and(|again| again == entries));
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn sources_and_local_are_one_policy() {
        let applied = named("p.toml", "version = 3\nname = \"p\"\n");
        let lines = named("p.conf", "version=1\n[deny_path]\n/a\n");
        let local = named("local.policy", "version=1\n[deny_path]\n/a\n/b\n");
        let rows: [(&[&PolicySource], Option<&PolicySource>, &str, usize); 5] = [
            (&[], None, "empty", 0),
            (&[], Some(&local), "local", 2),
            (&[&applied], None, "p", 0),
            (&[&applied, &lines], Some(&local), "p", 2),
            (&[&lines], Some(&local), "format-1", 2),
        ];
        for (sources, local, name, rules) in rows {
            let sources: Vec<PolicySource> = sources.iter().map(|source| (*source).clone()).collect();
            let joined = join(&sources, local)
                .map(|joined| (joined.plan.name().to_string(), joined.plan.rules().len()));
            assert!(joined.is_ok_and(|found| found == (name.to_owned(), rules)), "{name}");
        }
        let wrong = named("local.policy", "version=1\n[deny_path]\na\n");
        let error = join(&[applied], Some(&wrong)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("local.policy:3:1"), "{error}");
    }
}
