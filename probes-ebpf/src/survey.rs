//! What this kernel makes of each program, one by one. Loading all of them ends at the first that is refused; this goes
//! on, so that a report can name every one. Nothing is attached or pinned, and everything is unloaded at the end.

use crate::error::{Error, call};
use crate::host::TRIAL;
use crate::object::{self, KernelTypes, holders_object, program_name, resolve_object, whole};
use crate::{holders, resolve, sys};
use aegis_kernel_abi::{Hook, Kind};
use aya::Ebpf;
use aya_obj::generated::bpf_prog_info;
use std::os::fd::AsFd;

/// What came of loading a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The kernel has nothing of that name to attach it to.
    NotThere,
    /// It is refused, in these words: those of the verifier, if it was the one.
    Refused(String),
    /// The kernel takes it, after its verifier looked at that many instructions.
    Taken {
        /// Each counts as often as the verifier came by.
        verified_instructions: u32,
    },
}

/// Tries each program of a kind of probes.
///
/// # Errors
/// If the kernel has no types, or refuses the maps, without which there is no program.
pub fn survey(kind: Kind) -> Result<Vec<(Hook, Found)>, Error> {
    let types = KernelTypes::read()?;
    let mut ebpf = object::load_maps(kind, TRIAL, &types)?;
    let mut try_one = |hook: Hook| {
        if !object::is_in(types.btf(), hook) {
            return Found::NotThere;
        }
        let loaded = object::load_program(&mut ebpf, hook, &types);
        found(loaded.and_then(|()| verified_instructions(&ebpf, &program_name(hook))))
    };
    Ok(kind.hooks().map(|hook| (hook, try_one(hook))).collect())
}

/// Tries each iterator program, by its name and what it iterates over.
///
/// # Errors
/// If the kernel has no types, or refuses an object as a whole.
pub fn survey_iterators() -> Result<Vec<(&'static str, &'static str, Found)>, Error> {
    let types = KernelTypes::read()?;
    let mut all = Vec::new();
    let objects = [(resolve_object(), &resolve::PROGRAMS[..]), (holders_object(), &holders::PROGRAMS[..])];
    for (object, programs) in objects {
        let mut ebpf = types.open(object)?;
        for (name, over) in programs {
            let loaded = object::load_iterator(&mut ebpf, name, over, &types);
            let found = found(loaded.and_then(|()| verified_instructions(&ebpf, name)));
            all.push((*name, *over, found));
        }
    }
    // Both kinds of probes have one and the same; what refuses those on hooks does not refuse it.
    let mut ebpf = object::load_maps(Kind::Fallback, TRIAL, &types)?;
    let (name, over) = (object::RECORDER_PROGRAM, object::RECORDER_OVER);
    let loaded = object::load_iterator(&mut ebpf, name, over, &types);
    all.push((name, over, found(loaded.and_then(|()| verified_instructions(&ebpf, name)))));
    Ok(all)
}

fn found(loaded: Result<u32, Error>) -> Found {
    match loaded {
        Ok(verified_instructions) => Found::Taken { verified_instructions },
        Err(error) => Found::Refused(whole(&error)),
    }
}

fn verified_instructions(ebpf: &Ebpf, name: &str) -> Result<u32, Error> {
    let program = ebpf.program(name).ok_or_else(|| Error::Object(format!("it has no program {name}")))?;
    let fd = program.fd().map_err(|error| Error::Object(whole(&error)))?;
    let described: bpf_prog_info = sys::describe(fd.as_fd()).map_err(call("describe", name))?;
    Ok(described.verified_insns)
}
