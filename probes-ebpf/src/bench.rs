//! The yardstick of benchmarks: a probe that does nothing. No daemon ever loads it.

use crate::error::{Error, call};
use crate::object::{Aligned, KernelTypes, whole};
use crate::sys;
use aegis_kernel_abi::Hook;
use aya::programs::{BtfTracePoint, Lsm};
use std::os::fd::{AsFd, OwnedFd};

static EMPTY_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/empty.bpf.o")));

/// An empty probe, attached as long as this lives.
#[derive(Debug)]
pub struct Empty {
    _link: OwnedFd,
}

/// Attaches the empty probe to `file_open`. It is pinned nowhere.
///
/// # Errors
/// If the kernel refuses.
pub fn attach_empty() -> Result<Empty, Error> {
    attach("aegis_empty", Hook::FileOpen)
}

/// Attaches the empty probe to `bprm_check_security`. It is pinned nowhere.
///
/// # Errors
/// If the kernel refuses.
pub fn attach_empty_start() -> Result<Empty, Error> {
    attach("aegis_empty_start", Hook::BprmCheck)
}

/// Attaches the empty probe to `inode_unlink`. It is pinned nowhere.
///
/// # Errors
/// If the kernel refuses.
pub fn attach_empty_unlink() -> Result<Empty, Error> {
    attach("aegis_empty_unlink", Hook::InodeUnlink)
}

/// Attaches the empty probe to `sys_exit`: what the audit fallback costs at the least. It is pinned nowhere.
///
/// # Errors
/// If the kernel refuses.
pub fn attach_empty_exit() -> Result<Empty, Error> {
    attach("aegis_empty_exit", Hook::SysExit)
}

fn attach(name: &str, hook: Hook) -> Result<Empty, Error> {
    let failed = |error: &dyn std::error::Error| Error::Object(whole(error));
    let types = KernelTypes::read()?;
    let mut ebpf = types.open(&EMPTY_OBJECT.0)?;
    let program = ebpf.program_mut(name).ok_or_else(|| Error::Object(format!("it has no program {name}")))?;
    let word = hook.word();
    let loaded = if hook.is_tracepoint() {
        <&mut BtfTracePoint>::try_from(&mut *program).and_then(|program| program.load(word, types.btf()))
    } else {
        <&mut Lsm>::try_from(&mut *program).and_then(|program| program.load(word, types.btf()))
    };
    loaded.map_err(|error| failed(&error))?;
    let fd = program.fd().map_err(|error| failed(&error))?;
    // The link keeps the program.
    sys::attach_by_btf(fd.as_fd()).map(|link| Empty { _link: link }).map_err(call("attach", word))
}
