//! The armed probes: loaded once, pinned, and adopted by every later daemon.

use crate::accounts::{Accounts, sum};
use crate::error::{Error, call, call_path};
use crate::events::EventRing;
use crate::fallback;
use crate::fill::{Fill, Table};
use crate::generation::{Generations, capacity};
use crate::guarded::Survivors;
use crate::inspect::{LinkInfo, link_info};
use crate::lineages::Lineages;
use crate::notices::NoticeRing;
use crate::object::{self, IDENTITY, open_map, read_identity};
use crate::pins::{Lock, PinDir};
use crate::process_ring::ProcessRing;
use crate::resolve::Resolver;
use crate::self_check::{Attempt, Helper, OWN_EXECUTABLE, Way, judge, ways};
use crate::sys;
use aegis_kernel_abi::{
    ABI_VERSION, Class, Counters, Hook, Identity, Kind, LINEAGE_KNOWN, LINEAGE_UNPROVEN, Lineage, ObjectKey,
    Process, Proof, SelfCheck, Survival, SurvivalKey,
};
use aya::Ebpf;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// What the loader is free to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Size of the event ring in bytes: a power of two, at least a page. Counts only when arming.
    pub ring_bytes: u32,
    /// Whether the audit fallback will do where the kernel refuses LSM programs.
    pub fallback: bool,
    /// What tests do to the probes. Counts only when arming.
    pub test: TestSettings,
}

/// What only tests set, as constants of the probes; zeros otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestSettings {
    /// The error that every decision meets where it could: a number of `enum aegis_force` in `bpf/request.h`.
    pub force: u32,
    /// How long a decision takes, in turns of a loop, so that generations change meanwhile.
    pub pause: u32,
}

/// How the probes came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// They were loaded and pinned by us.
    Armed,
    /// They were there, pinned by an earlier daemon, and went on deciding meanwhile.
    Adopted,
}

/// The armed probes of one pin directory. Dropping it changes nothing in the kernel.
#[derive(Debug)]
pub struct Probes {
    pins: PinDir,
    lock: Lock,
    identity: Identity,
    kind: Kind,
    generations: Generations,
    self_check: OwnedFd,
    proofs: OwnedFd,
    survival: OwnedFd,
    lineages: Lineages,
    accounts: Arc<Accounts>,
    arrival: Arrival,
}

impl Probes {
    /// Adopts the probes that are pinned, or loads and pins them. Attaches nothing.
    ///
    /// # Errors
    /// If another daemon runs, others' pins are there, or the kernel refuses; nothing is left behind then.
    pub fn open(pins: &PinDir, settings: Settings) -> Result<Self, Error> {
        // Whether the kernel takes the probes is asked first: on a host that does not, all else is beside the point.
        let loaded = if pins.is_armed() { None } else { Some(fallback::load(settings)?) };
        let lock = pins.lock()?;
        let (identity, arrival) = match adoptable(pins)? {
            Some(identity) => (identity, Arrival::Adopted),
            None => (arm(pins, loaded.map_or_else(|| fallback::load(settings), Ok)?)?, Arrival::Armed),
        };
        if object::kind_of(&identity) == Some(Kind::Fallback) && !settings.fallback {
            return Err(Error::FallbackFound(pins.root().to_owned()));
        }
        Self::with(pins, lock, identity, arrival).inspect_err(|_| {
            if arrival == Arrival::Armed {
                abandon(pins);
            }
        })
    }

    fn with(pins: &PinDir, lock: Lock, identity: Identity, arrival: Arrival) -> Result<Self, Error> {
        Ok(Self {
            generations: Generations::open(pins)?,
            self_check: open_map(pins, "self_check")?,
            proofs: open_map(pins, "proofs")?,
            survival: open_map(pins, "survival")?,
            lineages: Lineages::open(pins)?,
            accounts: Arc::new(Accounts::open(pins)?),
            pins: pins.clone(),
            lock,
            kind: object::kind_of(&identity).unwrap_or(Kind::Lsm),
            identity,
            arrival,
        })
    }

    /// Whether they were loaded or adopted.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Which kind of them is loaded.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where they are pinned.
    #[must_use]
    pub fn pins(&self) -> &PinDir {
        &self.pins
    }

    /// The right to take them down.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Their generations.
    #[must_use]
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// The key of the hash of names in slot keys.
    #[must_use]
    pub fn name_key(&self) -> [u64; 2] {
        self.identity.name_key
    }

    /// Names this arming: another one counts sequence numbers, folded decisions and generations from 1 again. It follows
    /// from the key of the hash of names, which is drawn when the probes are armed, and does not give it away.
    #[must_use]
    pub fn arming_id(&self) -> String {
        object::arming_id(self.identity.name_key)
    }

    /// Opens the event ring, where an earlier reader stopped. There must be one reader at a time.
    ///
    /// # Errors
    /// If the ring cannot be mapped.
    pub fn events(&self) -> Result<EventRing, Error> {
        EventRing::open(&self.pins)
    }

    /// Opens the ring of what happens to processes. There must be one reader at a time.
    ///
    /// # Errors
    /// If the ring cannot be mapped.
    pub fn processes(&self) -> Result<ProcessRing, Error> {
        ProcessRing::open(&self.pins)
    }

    /// Opens the ring of notices. There must be one reader at a time.
    ///
    /// # Errors
    /// If the ring cannot be mapped.
    pub fn notices(&self) -> Result<NoticeRing, Error> {
        NoticeRing::open(&self.pins)
    }

    /// Attaches the probes of a class that are not attached yet, and pins their links.
    ///
    /// # Errors
    /// If the kernel refuses. What was attached before stays.
    pub fn attach(&self, class: Class) -> Result<(), Error> {
        let missing = |hook: &Hook| self.is_loaded(*hook) && !self.is_attached(*hook);
        let missing: Vec<Hook> = class.hooks(self.kind).filter(missing).collect();
        let records = class == Class::Process && !missing.is_empty();
        if records {
            self.lineages.forget_all()?;
        }
        for hook in missing {
            let path = self.pins.program(hook);
            let program = sys::open_pin(&path).map_err(call_path("open", &path))?;
            let link = sys::attach_by_btf(program.as_fd()).map_err(call("attach", hook.word()))?;
            let path = self.pins.link(hook);
            sys::pin(link.as_fd(), &path).map_err(call_path("pin", &path))?;
        }
        if records { self.lineages.record_all(&self.pins) } else { Ok(()) }
    }

    /// What is recorded of processes.
    #[must_use]
    pub fn lineages(&self) -> &Lineages {
        &self.lineages
    }

    /// Whether there is a probe for a hook: kernels may lack optional ones.
    #[must_use]
    pub fn is_loaded(&self, hook: Hook) -> bool {
        // Not by its pin, which somebody may have removed: then the hook is not attached any more, and not "not there".
        !hook.is_optional() || self.identity.program_tags.get(hook as usize).is_some_and(|tag| *tag != 0)
    }

    /// Whether a hook's probe is attached and its link pinned.
    #[must_use]
    pub fn is_attached(&self, hook: Hook) -> bool {
        self.pins.link(hook).exists()
    }

    /// The links that enforce.
    ///
    /// # Errors
    /// If a pin cannot be opened.
    pub fn links(&self) -> Result<Vec<LinkInfo>, Error> {
        Hook::ALL.iter().filter_map(|hook| link_info(&self.pins, *hook).transpose()).collect()
    }

    /// Puts these on the survival list, beside who is on it.
    ///
    /// # Errors
    /// If the table cannot be written, for instance as it is full.
    pub fn add_survivors(&self, list: &[(SurvivalKey, Survival)]) -> Result<(), Error> {
        let map = self.survival.as_fd();
        list.iter().try_for_each(|(key, survival)| {
            sys::map_update(map, key, survival).map_err(call("write", "survival"))
        })
    }

    /// Takes everybody off the survival list who is not on this one.
    ///
    /// # Errors
    /// If the kernel refuses. Some may have been taken off then.
    pub fn keep_survivors(&self, list: &[(SurvivalKey, Survival)]) -> Result<(), Error> {
        let map = self.survival.as_fd();
        let (keys, _) = sys::map_read_all::<SurvivalKey, Survival>(map, SURVIVAL_READ)
            .map_err(call("read", "survival"))?;
        for stale in keys.iter().filter(|key| !list.iter().any(|(kept, _)| kept == *key)) {
            sys::map_delete(map, stale).map_err(call("write", "survival"))?;
        }
        Ok(())
    }

    /// How full the tables are: those of the generation in force, and those that belong to none.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn fills(&self) -> Result<Vec<Fill>, Error> {
        let map = self.survival.as_fd();
        let (keys, _) = sys::map_read_all::<SurvivalKey, Survival>(map, SURVIVAL_READ)
            .map_err(call("read", "survival"))?;
        let (entries, capacity) = (keys.len() as u64, capacity(map, "survival")?);
        let mut fills = self.generations.fills(self.generations.active().generation)?;
        fills.push(Fill { table: Table::Survival, entries, capacity });
        fills.extend(self.accounts.fills()?);
        Ok(fills)
    }

    /// Bytes that the ring of events has room for.
    ///
    /// # Errors
    /// If it is not there.
    pub fn ring_bytes(&self) -> Result<u64, Error> {
        capacity(open_map(&self.pins, "events")?.as_fd(), "events")
    }

    /// The survival list.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn survivors(&self) -> Result<Survivors, Error> {
        read_survivors(self.survival.as_fd())
    }

    /// Proves that our rule in `generation` denies, on each of `hooks`. The generation may be a staged one.
    ///
    /// # Errors
    /// Names the first hook that is not proven, and why.
    pub fn prove(
        &self,
        generation: u32,
        hooks: &[Hook],
        helper: &mut Helper,
        resolver: &Resolver,
    ) -> Result<Vec<Proof>, Error> {
        let process = resolver.process(helper.pid())?;
        let executable = own_executable(resolver)?;
        if hooks.iter().any(|hook| hook.class() == Class::Process) {
            self.prove_lineages(generation, executable)?;
        }
        let tries = hooks.iter().flat_map(|hook| ways(*hook).iter().map(|way| (*hook, *way)));
        let proven = tries.map(|way| self.prove_hook(generation, way, process, helper, executable)).collect();
        // Whatever came out, nobody is judged by a spare bank any longer.
        sys::map_update(self.self_check.as_fd(), &0_u32, &SelfCheck::default())
            .map_err(call("write", "self_check"))?;
        proven
    }

    /// Proves that it is recorded what processes are started from: of one that is started now.
    fn prove_lineages(&self, generation: u32, executable: ObjectKey) -> Result<(), Error> {
        let started = Helper::start()?;
        let recorded = self.lineages.of(started.pid())?;
        let proven = recorded.is_some_and(|recorded| {
            recorded.exe.file == executable
                && recorded.flags & (LINEAGE_KNOWN | LINEAGE_UNPROVEN) == LINEAGE_KNOWN
        });
        if proven {
            return Ok(());
        }
        let why = match recorded {
            None => "nothing is recorded of a process that was started".to_owned(),
            Some(Lineage { exe, flags, .. }) => format!(
                "a process was started from inode {} of device {}, and inode {} of device {} is recorded (flags {flags:#x})",
                executable.ino, executable.dev, exe.file.ino, exe.file.dev
            ),
        };
        Err(Error::NotProven { hook: self.recording_hook(), generation, why })
    }

    /// The hook that records what is started.
    fn recording_hook(&self) -> Hook {
        match self.kind {
            Kind::Lsm => Hook::CommittedCreds,
            Kind::Fallback => Hook::SchedExec,
        }
    }

    fn prove_hook(
        &self,
        generation: u32,
        (hook, way): (Hook, Way),
        process: Process,
        helper: &mut Helper,
        executable: ObjectKey,
    ) -> Result<Proof, Error> {
        let token = random_u64()?.to_ne_bytes();
        let token = u32::from_ne_bytes([token[0], token[1], token[2], token[3]]) | 1;
        let check = SelfCheck {
            pid: process.pid,
            generation,
            start_time: process.start_time,
            hook: u32::from(hook as u8),
            token,
        };
        sys::map_update(self.self_check.as_fd(), &0_u32, &check).map_err(call("write", "self_check"))?;
        let Attempt { errno, object } = helper.attempt(hook, way)?;
        let object = object.unwrap_or((executable.ino, executable.dev));
        let mut proof = Proof::default();
        sys::map_lookup(self.proofs.as_fd(), &check.hook, proof.as_mut_bytes())
            .map_err(call("read", "proofs"))?;
        judge(hook, errno, object, &proof, (token, generation)).map(|()| proof)
    }

    /// What became of every decision that was to be reported.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts)
    }

    /// The counters, summed over all CPUs.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.accounts.counters().map(|counters| sum(&counters))
    }
}

/// The executable on which the helper, who has the same, makes its attempts.
fn own_executable(resolver: &Resolver) -> Result<ObjectKey, Error> {
    let failed = || call("look at", OWN_EXECUTABLE);
    // Not opened for reading, which a rule could deny to us.
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(OWN_EXECUTABLE).map_err(failed())?;
    let keys = resolver.object_keys(&[file.as_fd()])?;
    keys.first().copied().ok_or_else(|| failed()(io::ErrorKind::NotFound.into()))
}

/// The survival list that is pinned. Needs no lock.
///
/// # Errors
/// If the table cannot be opened or read.
pub fn survivors(pins: &PinDir) -> Result<Survivors, Error> {
    read_survivors(open_map(pins, "survival")?.as_fd())
}

fn read_survivors(map: BorrowedFd<'_>) -> Result<Survivors, Error> {
    let (keys, values) =
        sys::map_read_all::<SurvivalKey, Survival>(map, SURVIVAL_READ).map_err(call("read", "survival"))?;
    Ok(keys.into_iter().zip(values).collect())
}

/// More than the survival table can hold.
const SURVIVAL_READ: u32 = 2048;

/// The identity of pinned probes if they are ours to adopt; `None` if nothing is armed. What a broken arming
/// left behind decides nothing, as links are pinned last, and is removed.
fn adoptable(pins: &PinDir) -> Result<Option<Identity>, Error> {
    let armed = Hook::ALL.iter().any(|hook| pins.link(*hook).exists());
    let other = |what| Err(Error::OtherVersion { path: pins.root().to_owned(), what });
    if !pins.map(IDENTITY).exists() {
        return if armed { other("the missing identity") } else { pins.remove_contents().map(|()| None) };
    }
    let (identity, _) = identity_of_this_build(pins)?;
    for (hook, tag) in Hook::ALL.iter().zip(identity.program_tags) {
        let Some(link) = link_info(pins, *hook)? else { continue };
        let path = pins.program(*hook);
        let program = sys::open_pin(&path).map_err(call_path("open", &path))?;
        let info: aya_obj::generated::bpf_prog_info =
            sys::describe(program.as_fd()).map_err(call("describe", hook.word()))?;
        if info.id != link.program_id || u64::from_ne_bytes(info.tag) != tag {
            return other("a program behind a link");
        }
    }
    Ok(Some(identity))
}

/// The identity of what is pinned, if it is that of this build.
pub(crate) fn identity_of_this_build(pins: &PinDir) -> Result<(Identity, Kind), Error> {
    let other = |what| Err(Error::OtherVersion { path: pins.root().to_owned(), what });
    let Some(identity) = read_identity(pins)? else { return other("the size of the identity") };
    if identity.abi_version != ABI_VERSION {
        return other("the version of the ABI");
    }
    let Some(kind) = object::kind_of(&identity) else { return other("the kind of the programs") };
    if identity.object_digest != object::object_digest(kind) {
        return other("the digest of the programs");
    }
    Ok((identity, kind))
}

fn arm(pins: &PinDir, (kind, mut ebpf): (Kind, Ebpf)) -> Result<Identity, Error> {
    let armed = object::pin_all(&mut ebpf, kind, pins, [random_u64()?, random_u64()?])
        .and_then(|()| read_identity(pins)?.ok_or_else(|| Error::NotArmed(pins.root().to_owned())));
    armed.inspect_err(|_| abandon(pins))
}

/// Removes what an arming that failed has pinned. Nothing is attached yet, so it decides nothing; and the error
/// to tell is the first, not one of these.
fn abandon(pins: &PinDir) {
    let _ = pins.remove_contents().and_then(|()| pins.remove_root());
}

fn random_u64() -> Result<u64, Error> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer has the length that is given.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got != 8 {
        return Err(call("get", "random bytes")(io::Error::last_os_error()));
    }
    Ok(u64::from_ne_bytes(bytes))
}
