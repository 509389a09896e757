//! A small record for tests.

use super::record::{Boot, Hook, Iterator, Kernel, Loaded, PROVEN, Record};

/// One kernel that has everything but one hook.
pub(super) fn record() -> Record {
    let kernel = Kernel {
        name: "6.1".to_owned(),
        with_bpf: boot("lsm", vec![hook("lsm", "file_open", Some(1000)), hook("lsm", "file_truncate", None)]),
        without_bpf: boot("fallback", vec![hook("fallback", "sys_exit", Some(500))]),
    };
    Record { version: Record::VERSION, kernels: vec![kernel] }
}

fn boot(armed: &str, hooks: Vec<Hook>) -> Boot {
    let resolve = Iterator {
        program: "aegis_resolve".to_owned(),
        over: "task_file".to_owned(),
        loaded: loaded(Some(20)),
    };
    Boot {
        release: "6.1.0-56-cloud-amd64".to_owned(),
        modules: vec!["landlock".to_owned()],
        armed: Some(armed.to_owned()),
        why: (armed != "lsm").then(|| "it is not called".to_owned()),
        hooks,
        iterators: vec![resolve],
    }
}

fn hook(kind: &str, name: &str, instructions: Option<u32>) -> Hook {
    Hook {
        kind: kind.to_owned(),
        class: "file".to_owned(),
        hook: name.to_owned(),
        stand_in: instructions.is_none().then(|| "path_truncate".to_owned()),
        proof: instructions.map(|_| PROVEN.to_owned()),
        loaded: loaded(instructions),
    }
}

fn loaded(instructions: Option<u32>) -> Loaded {
    Loaded { is_there: instructions.is_some(), instructions, refused: None }
}
