use super::*;
use aegis_kernel_abi::{ABI_VERSION, ARGV_BYTES, PATH_BYTES, PROCESS_EXEC, PROCESS_EXIT, PROCESS_FORK};

const SECOND: u64 = 1_000_000_000;

fn key(ino: u64) -> ObjectKey {
    ObjectKey { ino, dev: 1, inode_generation: 2 }
}

fn process(pid: u32) -> Process {
    Process { pid, start_time: u64::from(pid) * 10 }
}

fn event(kind: u8, pid: u32, time_ns: u64, ino: u64) -> ProcessEvent {
    ProcessEvent {
        abi_version: u16::try_from(ABI_VERSION).unwrap(),
        kind,
        lineage: LINEAGE_KNOWN,
        time_ns,
        pid,
        start_time: process(pid).start_time,
        executable: key(ino),
        ..ProcessEvent::default()
    }
}

fn context() -> Context {
    let mut context = Context::default();
    context.redact(Redaction::new(true, &["secret".to_owned()]));
    context
}

fn exec(context: &mut Context, pid: u32, time_ns: u64, ino: u64, argv: &str) {
    let mut exec = ExecEvent {
        process: event(PROCESS_EXEC, pid, time_ns, ino),
        path_bytes: 0,
        path_components: 2,
        argv_bytes: 0,
        reserved: 0,
        path: [0; PATH_BYTES],
        argv: [0; ARGV_BYTES],
    };
    let path = format!("p{ino}\0bin\0");
    exec.path[..path.len()].copy_from_slice(path.as_bytes());
    exec.path_bytes = u16::try_from(path.len()).unwrap();
    exec.argv[..argv.len()].copy_from_slice(argv.as_bytes());
    exec.argv_bytes = u16::try_from(argv.len()).unwrap();
    context.told(ProcessTold::Exec(&exec));
}

fn fork(context: &mut Context, maker: u32, pid: u32, time_ns: u64, ino: u64) {
    let made = ProcessEvent {
        maker,
        maker_start_time: process(maker).start_time,
        ..event(PROCESS_FORK, pid, time_ns, ino)
    };
    context.told(ProcessTold::Fork(&made));
}

fn asked(pid: u32, time_ns: u64, ino: u64) -> Asked {
    Asked { process: process(pid), time_ns, executable: key(ino), lineage: LINEAGE_KNOWN }
}

fn paths(record: &ProcessRecord) -> Vec<(&str, Option<&str>)> {
    record.ancestors.iter().map(|one| (one.exec_id.as_str(), one.executable.as_deref())).collect()
}

#[test]
fn a_tree_of_processes() {
    let mut context = context();
    exec(&mut context, 1, 5, 100, "init\0");
    fork(&mut context, 1, 2, 6, 100);
    exec(&mut context, 2, 7, 200, "sh\0-c\0echo\0\0");
    fork(&mut context, 2, 3, 8, 200);
    let record = context.of(&asked(3, 9, 200));
    assert_eq!(record.executable.as_deref(), Some("/bin/p200"), "what it was made as");
    exec(&mut context, 3, 10, 300, "python3\0--secret\0x\0");
    let record = context.of(&asked(3, 11, 300));
    assert_eq!((record.executable.as_deref(), record.unproven), (Some("/bin/p300"), false));
    assert_eq!(record.argv.as_deref(), Some(["python3", "***", "***"].map(str::to_owned).as_slice()));
    assert_eq!(paths(&record), [("2:20", Some("/bin/p200")), ("1:10", Some("/bin/p100"))]);
    assert!(record.ancestors_cut, "who made the first is not known");
    let record = context.of(&asked(2, 11, 200));
    assert_eq!(record.argv, Some(["sh", "-c", "echo", ""].map(str::to_owned).to_vec()));
}

#[test]
fn what_is_not_known_is_absent() {
    let mut context = context();
    let record = context.of(&asked(7, 9, 100));
    assert_eq!((record.executable_ino, &record.executable, &record.argv), (Some(100), &None, &None));
    assert!(record.ancestors.is_empty() && record.ancestors_cut);
    exec(&mut context, 7, 10, 100, "a\0");
    assert_eq!(context.of(&asked(7, 9, 100)).executable, None, "it was started later");
    assert_eq!(context.of(&asked(7, 11, 101)).executable, None, "the kernel has recorded something else");
    let unknown = Asked { lineage: 0, executable: ObjectKey::default(), ..asked(7, 11, 0) };
    let record = context.of(&unknown);
    assert_eq!((record.executable_ino, record.executable, record.unproven), (None, None, true));
    let other = Asked { process: Process { pid: 7, start_time: 1 }, ..asked(7, 11, 100) };
    assert_eq!(context.of(&other).executable, None, "another process had that id");
}

#[test]
fn a_decision_is_that_of_the_program_of_its_time() {
    let mut context = context();
    for turn in 1..=6 {
        exec(&mut context, 1, turn * 10, turn, "a\0");
    }
    assert_eq!(context.of(&asked(1, 45, 4)).executable.as_deref(), Some("/bin/p4"));
    assert_eq!(context.of(&asked(1, 25, 2)).executable, None, "it is not kept any more");
    let next = context.of(&asked(1, 65, 6));
    assert_eq!(next.executable.as_deref(), Some("/bin/p6"));
}

#[test]
fn no_more_are_kept_than_there_is_room_for() {
    let mut context = context();
    let last = u32::try_from(KEPT).unwrap();
    (1..=last).for_each(|pid| exec(&mut context, pid, 1, 100, "a\0"));
    // It was met lately.
    assert!(context.of(&asked(1, 2, 100)).executable.is_some());
    exec(&mut context, last + 1, 1, 100, "a\0");
    assert_eq!(context.sums(), Sums { kept: KEPT as u64, evicted: 1, malformed: 0 });
    assert!(context.of(&asked(1, 2, 100)).executable.is_some());
    assert_eq!(context.of(&asked(2, 2, 100)).executable, None);
    assert_eq!(context.turns.len(), KEPT);
}

#[test]
fn who_has_ended_is_kept_for_a_while() {
    let mut context = context();
    exec(&mut context, 1, 1, 100, "a\0");
    exec(&mut context, 2, 1, 100, "a\0");
    context.told(ProcessTold::Exit(&event(PROCESS_EXIT, 1, SECOND, 100)));
    assert!(context.of(&asked(1, 2, 100)).executable.is_some());
    context.told(ProcessTold::Exit(&event(PROCESS_EXIT, 9, SECOND + GRACE_NS + 1, 100)));
    assert_eq!(context.of(&asked(1, 2, 100)).executable, None);
    assert!(context.of(&asked(2, 2, 100)).executable.is_some());
    assert_eq!((context.sums().kept, context.turns.len(), context.ended.len()), (1, 1, 0));
}

#[test]
fn chains_of_processes_are_cut() {
    let mut context = context();
    exec(&mut context, 1, 1, 100, "a\0");
    (1..100).for_each(|pid| fork(&mut context, pid, pid + 1, 2, 100));
    let record = context.of(&asked(100, 3, 100));
    assert_eq!((record.ancestors.len(), record.ancestors_cut), (ANCESTORS, true));
    assert_eq!(record.ancestors[0].exec_id, "99:990");
}

#[test]
fn those_that_were_there_are_unproven() {
    let mut context = context();
    let one = |pid, parent, ino| Found {
        process: process(pid),
        parent,
        image: Image {
            executable: key(ino),
            path: Some(format!("/p{ino}")),
            unproven: true,
            ..Image::default()
        },
    };
    exec(&mut context, 3, 1, 300, "a\0");
    context.found(vec![one(1, 0, 100), one(2, 1, 200), one(3, 1, 999)], true);
    let record = context.of(&asked(2, 5, 200));
    assert_eq!((record.executable.as_deref(), record.unproven), (Some("/p200"), true));
    assert_eq!((paths(&record), record.ancestors_cut), (vec![("1:10", Some("/p100"))], false));
    assert_eq!(
        context.of(&asked(3, 5, 300)).executable.as_deref(),
        Some("/bin/p300"),
        "the kernel knows better"
    );
    fork(&mut context, 2, 4, 6, 200);
    let record = context.of(&asked(4, 7, 200));
    assert!(record.unproven && record.ancestors[0].unproven, "{record:?}");
    // What it seems to be is not what the kernel has recorded of it.
    assert_eq!(context.of(&asked(2, 5, 201)).executable, None);
    exec(&mut context, 4, 8, 400, "b\0");
    assert!(!context.of(&asked(4, 9, 400)).unproven);
}

#[test]
fn other_words_hide_what_is_kept() {
    let mut context = context();
    exec(&mut context, 1, 1, 100, "a\0pin=1\0");
    context.redact(Redaction::new(true, &["pin".to_owned()]));
    assert_eq!(context.of(&asked(1, 2, 100)).argv, Some(vec!["a".to_owned(), "***".to_owned()]));
    context.redact(Redaction::default());
    assert_eq!(context.of(&asked(1, 2, 100)).argv, None);
}
