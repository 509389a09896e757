//! The compiled probes inside this binary, and how they get into the kernel.

use crate::error::{Error, call, call_path};
use crate::pins::PinDir;
use crate::probes::Settings;
use crate::sys;
use aegis_kernel_abi::{ABI_VERSION, HOOKS, Hook, Identity, Kind};
use aya::programs::{BtfTracePoint, Iter, Lsm, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use aya_obj::btf::BtfKind;
use aya_obj::generated::bpf_prog_info;
use sha2::{Digest, Sha256};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use zerocopy::IntoBytes;

/// Aligned, as parsers of ELF want it.
#[repr(C, align(8))]
pub(crate) struct Aligned<T: ?Sized>(pub(crate) T);

static LSM_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/lsm.bpf.o")));
static HOLDERS_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/holders.bpf.o")));
static FALLBACK_OBJECT: &Aligned<[u8]> =
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/fallback.bpf.o")));
static RESOLVE_OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/resolve.bpf.o")));

/// The object with the deciding probes.
#[must_use]
pub fn lsm_object() -> &'static [u8] {
    &LSM_OBJECT.0
}

/// The object with the probes of the audit fallback.
#[must_use]
pub fn fallback_object() -> &'static [u8] {
    &FALLBACK_OBJECT.0
}

/// The object of a kind of probes.
fn object_of(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Lsm => lsm_object(),
        Kind::Fallback => fallback_object(),
    }
}

/// The object with the probes that tell object keys.
#[must_use]
pub fn resolve_object() -> &'static [u8] {
    &RESOLVE_OBJECT.0
}

/// The object with the probes that tell who holds files.
#[must_use]
pub fn holders_object() -> &'static [u8] {
    &HOLDERS_OBJECT.0
}

/// SHA-256 of the object with the deciding probes of a kind: which build of them this is.
#[must_use]
pub fn object_digest(kind: Kind) -> [u8; 32] {
    Sha256::digest(object_of(kind)).into()
}

/// The name of a hook's program in the object.
pub(crate) fn program_name(hook: Hook) -> String {
    format!("aegis_{}", hook.word())
}

/// The types of the running kernel, for as long as somebody needs them: to read them takes some ten milliseconds, and some
/// 30 MB, so all probes that are loaded together share them.
pub struct KernelTypes(Arc<Shared>);

struct Shared {
    btf: Btf,
    /// With types of its own, which it reads whenever one is made, and does not hand out.
    loader: Mutex<EbpfLoader<'static>>,
}

/// Those that somebody has. They are the same as long as the machine runs.
static KEPT: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

impl KernelTypes {
    /// Reads them, unless they are there.
    ///
    /// # Errors
    /// If the kernel has no BTF.
    pub fn read() -> Result<Self, Error> {
        // Whoever panicked with it left it whole; the same holds of the loader.
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = kept.upgrade() {
            return Ok(Self(shared));
        }
        let btf = Btf::from_sys_fs().map_err(|error| Error::Btf(error.to_string()))?;
        let shared = Arc::new(Shared { btf, loader: Mutex::new(EbpfLoader::new()) });
        *kept = Arc::downgrade(&shared);
        Ok(Self(shared))
    }

    /// The types themselves.
    pub(crate) fn btf(&self) -> &Btf {
        &self.0.btf
    }

    /// Loads the maps of an object that needs no settings, and makes its programs ready to be loaded.
    pub(crate) fn open(&self, object: &[u8]) -> Result<Ebpf, Error> {
        let mut loader = self.0.loader.lock().unwrap_or_else(PoisonError::into_inner);
        loader.load(object).map_err(|error| Error::Object(whole(&error)))
    }
}

/// An error with all of its causes, as aya keeps the verifier's words in the last of them.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Loads a kind of probes into the kernel; nothing is attached or pinned. Dropping it unloads all.
pub(crate) fn load(kind: Kind, settings: Settings) -> Result<Ebpf, Error> {
    let types = KernelTypes::read()?;
    let mut ebpf = load_maps(kind, settings, &types)?;
    for hook in kind.hooks().filter(|hook| !hook.is_optional() || is_in(types.btf(), *hook)) {
        load_program(&mut ebpf, hook, &types)?;
    }
    load_iterator(&mut ebpf, RECORDER_PROGRAM, RECORDER_OVER, &types)?;
    Ok(ebpf)
}

/// Loads the maps of a kind of probes, and makes its programs ready to be loaded.
pub(crate) fn load_maps(kind: Kind, settings: Settings, types: &KernelTypes) -> Result<Ebpf, Error> {
    EbpfLoader::new()
        .btf(Some(types.btf()))
        .map_max_entries("events", settings.ring_bytes)
        .map_max_entries("reader", crate::accounts::possible_cpus()?)
        .override_global("test_force", &settings.test.force, true)
        .override_global("test_pause", &settings.test.pause, true)
        // Storage of tasks, which nobody here looks into by aya.
        .allow_unsupported_maps()
        .load(object_of(kind))
        .map_err(|error| Error::Object(whole(&error)))
}

/// Loads the program of a hook.
pub(crate) fn load_program(ebpf: &mut Ebpf, hook: Hook, types: &KernelTypes) -> Result<(), Error> {
    let program = program_mut(ebpf, hook)?;
    let loaded = if hook.is_tracepoint() {
        <&mut BtfTracePoint>::try_from(program).and_then(|program| program.load(hook.word(), types.btf()))
    } else {
        <&mut Lsm>::try_from(program).and_then(|program| program.load(hook.word(), types.btf()))
    };
    loaded.map_err(|error| refused(hook, &error))
}

/// Loads an iterator program by its name, over things of this kind.
pub(crate) fn load_iterator(
    ebpf: &mut Ebpf,
    name: &str,
    over: &str,
    types: &KernelTypes,
) -> Result<(), Error> {
    let program: &mut Iter = ebpf
        .program_mut(name)
        .ok_or_else(|| Error::Object(format!("it has no program {name}")))?
        .try_into()
        .map_err(|error: ProgramError| Error::Object(whole(&error)))?;
    program.load(over, types.btf()).map_err(|error| Error::Object(whole(&error)))
}

/// Whether the running kernel has a hook.
pub(crate) fn is_in(btf: &Btf, hook: Hook) -> bool {
    // What aya looks for when it loads a program on it.
    let (name, kind) = if hook.is_tracepoint() {
        (format!("btf_trace_{}", hook.word()), BtfKind::Typedef)
    } else {
        (format!("bpf_lsm_{}", hook.word()), BtfKind::Func)
    };
    btf.id_by_type_name_kind(&name, kind).is_ok()
}

/// Tells a kernel that takes no LSM programs at all from one whose verifier does not take ours.
fn refused(hook: Hook, error: &ProgramError) -> Error {
    let message = whole(error);
    let errno = match error {
        ProgramError::LoadError { io_error, .. } => io_error.raw_os_error(),
        // The hook is not among the kernel's functions: it is built without BPF LSM.
        ProgramError::Btf(_) => Some(libc::EOPNOTSUPP),
        _ => None,
    };
    // ENOTSUPP (524) is the kernel's own number for "no such trampoline here"; it has no name in libc.
    match errno {
        Some(libc::EPERM | libc::EOPNOTSUPP | 524) if !hook.is_tracepoint() => {
            Error::LsmRefused { hook, message }
        }
        _ => Error::Object(format!("the verifier refuses {}: {message}", hook.word())),
    }
}

fn program_mut(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut Program, Error> {
    let name = program_name(hook);
    ebpf.program_mut(&name).ok_or_else(|| Error::Object(format!("it has no program {name}")))
}

/// What is named after the key that an arming drew, without giving the key away.
pub(crate) fn arming_id(name_key: [u64; 2]) -> String {
    let mut hash = Sha256::new_with_prefix("aegis arming");
    name_key.iter().for_each(|word| hash.update(word.to_le_bytes()));
    hash.finalize().iter().take(ARMING_ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Enough that no two armings of a host share an id by chance.
const ARMING_ID_BYTES: usize = 8;

/// Pins maps and programs, the identity last: its pin says that all others are there.
pub(crate) fn pin_all(ebpf: &mut Ebpf, kind: Kind, pins: &PinDir, name_key: [u64; 2]) -> Result<(), Error> {
    pins.create()?;
    let mut program_tags = [0; HOOKS];
    for (hook, tag) in Hook::ALL.iter().zip(&mut program_tags).filter(|(hook, _)| hook.is_of(kind)) {
        let program: &Program = program(ebpf, *hook)?;
        let fd = match program.fd() {
            Ok(fd) => fd,
            Err(ProgramError::NotLoaded) if hook.is_optional() => continue,
            Err(error) => return Err(Error::Object(whole(&error))),
        };
        *tag = program_tag(fd.as_fd()).map_err(call("describe", hook.word()))?;
        let path = pins.program(*hook);
        sys::pin(fd.as_fd(), &path).map_err(call_path("pin", &path))?;
    }
    let path = pins.program_named(RECORDER);
    let recorder = ebpf.program(RECORDER_PROGRAM);
    let recorder = recorder.ok_or_else(|| Error::Object(format!("it has no program {RECORDER_PROGRAM}")))?;
    let recorder = recorder.fd().map_err(|error| Error::Object(whole(&error)))?;
    sys::pin(recorder.as_fd(), &path).map_err(call_path("pin", &path))?;
    for name in MAPS.iter().filter(|name| **name != IDENTITY) {
        let map = ebpf.map(name).ok_or_else(|| Error::Object(format!("it has no map {name}")))?;
        map.pin(pins.map(name)).map_err(|error| Error::Object(whole(&error)))?;
    }
    let identity = Identity {
        abi_version: ABI_VERSION,
        size: u32::try_from(size_of::<Identity>()).unwrap_or(0),
        name_key,
        object_digest: object_digest(kind),
        program_tags,
        kind: u32::from(kind as u8),
        reserved: 0,
    };
    let map = ebpf.map(IDENTITY).ok_or_else(|| Error::Object(format!("it has no map {IDENTITY}")))?;
    // Written before it has its name: whoever finds the name finds what it stands for.
    let (draft, path) = (pins.map("identity_draft"), pins.map(IDENTITY));
    map.pin(&draft).map_err(|error| Error::Object(whole(&error)))?;
    let map = sys::open_pin(&draft).map_err(call_path("open", &draft))?;
    sys::map_update(map.as_fd(), &0_u32, &identity).map_err(call_path("write", &draft))?;
    std::fs::rename(&draft, &path).map_err(call_path("rename", &draft))
}

fn program(ebpf: &Ebpf, hook: Hook) -> Result<&Program, Error> {
    let name = program_name(hook);
    ebpf.program(&name).ok_or_else(|| Error::Object(format!("it has no program {name}")))
}

/// The tag of a loaded program: a hash of its instructions.
pub(crate) fn program_tag(program: std::os::fd::BorrowedFd<'_>) -> std::io::Result<u64> {
    sys::describe::<bpf_prog_info>(program).map(|info| u64::from_ne_bytes(info.tag))
}

pub(crate) const IDENTITY: &str = "identity";

/// The ring of what happens to processes.
pub(crate) const PROCESSES: &str = "process_events";

/// What is recorded of processes.
pub(crate) const LINEAGES: &str = "lineages";

/// The program that records processes that are there already.
pub(crate) const RECORDER: &str = "record_processes";
/// The same in the object, and what it iterates over.
pub(crate) const RECORDER_PROGRAM: &str = "aegis_record_processes";
pub(crate) const RECORDER_OVER: &str = "task";

/// All maps of the object by name. Those that are banked hold the tables of generations.
pub(crate) const MAPS: [&str; 25] = [
    "objects",
    "slots",
    "rows",
    "rules",
    "exempt",
    "conditions",
    "members",
    "ranges",
    "generations",
    "active",
    "self_check",
    "proofs",
    "survival",
    "counters",
    "events",
    "notices",
    PROCESSES,
    "hits",
    "storms",
    "summarised",
    "ledger",
    "reader",
    "accepted",
    LINEAGES,
    IDENTITY,
];

/// Opens a pinned map.
pub(crate) fn open_map(pins: &PinDir, name: &str) -> Result<OwnedFd, Error> {
    let path = pins.map(name);
    sys::open_pin(&path).map_err(call_path("open", &path))
}

/// Reads the identity of pinned probes; `None` if its size is not ours.
pub(crate) fn read_identity(pins: &PinDir) -> Result<Option<Identity>, Error> {
    use aya_obj::generated::bpf_map_info;
    let map = open_map(pins, IDENTITY)?;
    let info: bpf_map_info = sys::describe(map.as_fd()).map_err(call("describe", IDENTITY))?;
    if info.value_size as usize != size_of::<Identity>() {
        return Ok(None);
    }
    let mut identity: Identity = zerocopy::FromZeros::new_zeroed();
    sys::map_lookup(map.as_fd(), &0_u32, identity.as_mut_bytes()).map_err(call("read", IDENTITY))?;
    Ok(Some(identity))
}

/// The kind of probes that an identity says are loaded; `None` if it is none that this version knows.
pub(crate) fn kind_of(identity: &Identity) -> Option<Kind> {
    u8::try_from(identity.kind).ok().and_then(Kind::from_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armings_have_ids_of_their_own() {
        let id = arming_id([1, 2]);
        assert_eq!((id.len(), &id), (16, &arming_id([1, 2])));
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, arming_id([2, 1]));
        assert_ne!(id, arming_id([1, 3]));
    }
}
