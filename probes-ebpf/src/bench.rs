//! The yardstick of benchmarks: a probe that does nothing. No daemon ever loads it.

use crate::error::{Error, call};
use crate::object::{Aligned, kernel_btf, whole};
use crate::sys;
use aegis_kernel_abi::Hook;
use aya::EbpfLoader;
use aya::programs::{Lsm, ProgramError};
use std::os::fd::{AsFd, OwnedFd};

static EMPTY_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/empty.bpf.o")));

const PROGRAM: &str = "aegis_empty";

/// The empty probe, attached as long as this lives.
#[derive(Debug)]
pub struct Empty {
    _link: OwnedFd,
}

/// Attaches the empty probe to `file_open`. It is pinned nowhere.
///
/// # Errors
/// If the kernel refuses.
pub fn attach_empty() -> Result<Empty, Error> {
    let failed = |error: &dyn std::error::Error| Error::Object(whole(error));
    let btf = kernel_btf()?;
    let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(&EMPTY_OBJECT.0).map_err(|error| failed(&error))?;
    let program =
        ebpf.program_mut(PROGRAM).ok_or_else(|| Error::Object(format!("it has no program {PROGRAM}")))?;
    let program: &mut Lsm = program.try_into().map_err(|error: ProgramError| failed(&error))?;
    let hook = Hook::FileOpen.word();
    program.load(hook, &btf).map_err(|error| failed(&error))?;
    let fd = program.fd().map_err(|error| failed(&error))?;
    // The link keeps the program.
    sys::attach_lsm(fd.as_fd()).map(|link| Empty { _link: link }).map_err(call("attach", hook))
}
