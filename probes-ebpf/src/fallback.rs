//! Which kind of probes this kernel gets: those that deny, or where it refuses them the audit fallback.
//!
//! It is found out by trying. The list of security modules does not tell: some kernels list `bpf` and refuse the
//! programs, and one that does not list it takes them, attaches them, and never calls them.

use crate::error::{Error, call};
use crate::object::{self, Aligned, KernelTypes, whole};
use crate::probes::Settings;
use crate::sys;
use aegis_kernel_abi::{Hook, Kind};
use aya::Ebpf;
use aya::maps::Array;
use aya::programs::{Lsm, ProgramError};
use std::fs::File;
use std::os::fd::AsFd;

static CALLED_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/called.bpf.o")));

/// Loads the probes that deny, or where the kernel refuses them, and that will do, the audit fallback.
pub(crate) fn load(settings: Settings) -> Result<(Kind, Ebpf), Error> {
    let refused = match load_lsm(settings) {
        Ok(ebpf) => return Ok((Kind::Lsm, ebpf)),
        Err(refused @ (Error::LsmRefused { .. } | Error::LsmNotCalled { .. })) => refused,
        Err(other) => return Err(other),
    };
    if !settings.fallback {
        return Err(refused);
    }
    let why = |fallback: Error| Error::NoFallback { refused: whole(&refused), fallback: whole(&fallback) };
    object::load(Kind::Fallback, settings).map(|ebpf| (Kind::Fallback, ebpf)).map_err(why)
}

/// Loads the probes that deny, if the kernel takes such probes and calls them.
pub(crate) fn load_lsm(settings: Settings) -> Result<Ebpf, Error> {
    let ebpf = object::load(Kind::Lsm, settings)?;
    if is_called()? { Ok(ebpf) } else { Err(Error::LsmNotCalled { hook: Hook::FileOpen }) }
}

/// Whether the kernel calls LSM programs: attaches one that only counts, opens a file, and looks.
fn is_called() -> Result<bool, Error> {
    let failed = |error: &dyn std::error::Error| Error::Object(whole(error));
    let types = KernelTypes::read()?;
    let mut ebpf = types.open(&CALLED_OBJECT.0)?;
    let program = ebpf.program_mut("aegis_called");
    let program = program.ok_or_else(|| Error::Object("it has no program aegis_called".to_owned()))?;
    let program: &mut Lsm = program.try_into().map_err(|error: ProgramError| failed(&error))?;
    let hook = Hook::FileOpen.word();
    program.load(hook, types.btf()).map_err(|error| failed(&error))?;
    let fd = program.fd().map_err(|error| failed(&error))?;
    let link = sys::attach_by_btf(fd.as_fd()).map_err(call("attach", hook))?;
    File::open("/proc/self/exe").map_err(call("open", "/proc/self/exe"))?;
    drop(link);
    let calls = ebpf.map("calls").ok_or_else(|| Error::Object("it has no map calls".to_owned()))?;
    let calls = Array::<_, u64>::try_from(calls).map_err(|error| failed(&error))?;
    calls.get(&0, 0).map(|count| count > 0).map_err(|error| failed(&error))
}
