use super::*;

const USED: Survival = Survival { operations: 0b1011, reserved: 0 };

fn key(kind: u32, dev: u32, ino: u64) -> SurvivalKey {
    SurvivalKey { object: ObjectKey { ino, dev, inode_generation: 0 }, kind, reserved: 0 }
}

fn known(what: &'static str, path: &str, key: SurvivalKey, survival: Survival) -> Known {
    Known { what, path: Some(path.to_owned()), belongs: true, entry: Ok((key, survival)) }
}

fn hold(list: &[(SurvivalKey, Survival)], known: &[Known]) -> SurvivalReply {
    let list: Survivors = list.iter().copied().collect();
    judge(&list, known, &|pid, _| pid == 7, &|id| (id == 70).then(|| "/other".to_owned()))
}

#[test]
fn what_is_as_it_should_be_has_no_findings() {
    let (loader, init) = (key(SURVIVAL_OBJECT, 8 << 20 | 1, 20), key(SURVIVAL_OBJECT, 8 << 20 | 1, 30));
    let (cgroup, daemon) = (key(SURVIVAL_CGROUP, 0, 60), key(SURVIVAL_PROCESS, 7, 99));
    let all = [
        known("executable of process 1", "/sbin/init", init, USED),
        known("dynamic loader", "/lib64/a", loader, USED),
        known("dynamic loader", "/lib/a", loader, USED),
        known("configured cgroup", "/ssh", cgroup, ALL),
        Known { path: None, ..known("the daemon", "", daemon, ALL) },
    ];
    let reply = hold(&[(loader, USED), (init, USED), (cgroup, ALL), (daemon, ALL)], &all);
    assert_eq!((reply.missing, reply.notes), (Vec::new(), Vec::new()));
    let shown: Vec<String> = reply
        .survivors
        .iter()
        .map(|one| format!("{} {} {}", one.key, one.what.as_deref().unwrap_or("?"), one.paths.join(",")))
        .collect();
    assert_eq!(
        shown,
        [
            "1 process 1, in the probes ",
            "7:99 the daemon ",
            "cgid:60 configured cgroup /ssh",
            "8:1:20:0 dynamic loader /lib64/a,/lib/a",
            "8:1:30:0 executable of process 1 /sbin/init",
        ]
    );
    assert_eq!(reply.survivors[1].operations, ["all"]);
}

#[test]
fn what_is_missing_is_named_with_a_remedy() {
    let loader = key(SURVIVAL_OBJECT, 1, 20);
    let some = Survival { operations: Operations::READ.bits(), reserved: 0 };
    let wanted = Survival { operations: (Operations::READ | Operations::EXEC).bits(), reserved: 0 };
    let gone = LoadError::Unresolved(vec!["cgroup /ssh: there is no such cgroup".to_owned()]);
    for (list, known, part) in [
        (vec![], known("dynamic loader", "/lib64/a", loader, wanted), Some("is not on the list")),
        (vec![(loader, some)], known("dynamic loader", "/lib64/a", loader, wanted), Some("not for exec")),
        (vec![(loader, wanted)], known("dynamic loader", "/lib64/a", loader, wanted), None),
        (vec![], Known { belongs: false, ..known("this executable", "/a", loader, wanted) }, None),
        (vec![], Known { entry: Err(gone), ..known("cgroup", "/ssh", loader, ALL) }, Some("no such cgroup")),
    ] {
        let missing = hold(&list, std::slice::from_ref(&known)).missing;
        assert_eq!(missing.len(), usize::from(part.is_some()), "{known:?}: {missing:?}");
        let told = missing.iter().all(|one| one.why.contains(part.unwrap_or_default()));
        assert!(told && missing.iter().all(|one| !one.remedy.is_empty()), "{missing:?}");
    }
}

#[test]
fn what_nobody_knows_is_a_note() {
    for (key, part) in [
        (key(SURVIVAL_OBJECT, 1, 20), "object 0:1:20:0 is neither"),
        (key(SURVIVAL_PROCESS, 7, 99), "process 7:99 runs"),
        (key(SURVIVAL_PROCESS, 8, 99), "process 8:99 has ended"),
        (key(SURVIVAL_CGROUP, 0, 70), "cgid:70 (/other) is not one that is configured"),
        (key(SURVIVAL_CGROUP, 0, 71), "cgid:71 is gone"),
    ] {
        let reply = hold(&[(key, ALL)], &[]);
        assert!(reply.missing.is_empty() && reply.notes.len() == 1, "{reply:?}");
        assert!(reply.notes[0].contains(part), "{:?}", reply.notes);
    }
}

#[test]
fn what_cannot_be_looked_at_is_a_note() {
    let entry = Err(LoadError::Unresolved(vec!["Permission denied".to_owned()]));
    let init = key(SURVIVAL_OBJECT, 1, 20);
    let known =
        Known { belongs: false, entry, ..known("executable of process 1", "/proc/1/exe", init, USED) };
    let reply = hold(&[], &[known]);
    assert!(reply.missing.is_empty() && reply.notes.len() == 1, "{reply:?}");
    assert!(reply.notes[0].ends_with("Permission denied"), "{:?}", reply.notes);
}

#[test]
fn without_its_table_nothing_is_as_it_should_be() {
    let reply = without_table("cannot read");
    assert_eq!((reply.missing.len(), reply.missing[0].what.as_str()), (1, "the table"));
    assert!(reply.missing[0].remedy.contains("detach"), "{:?}", reply.missing);
}
