//! The decision of the probes, callable on the host.
//!
//! `decide.h` is compiled into the kernel's probes and into this crate, so what is simulated or tested here is
//! what the kernel runs. Tables are anything that implements [`Tables`]; nothing is loaded and nothing is asked
//! of the kernel. The hash of names in slot keys is here for the same reason: there is one of it.

use aegis_kernel_abi::{
    ASKS_GID, ASKS_PID_NS, ASKS_UID, ASKS_USER_NS, Active, Condition, Entry, GenerationInfo, Hook,
    InodeNumber, Lineage, Member, MemberKey, ObjectKey, Operations, Range, Reason, Row, SlotKey, Verdict,
};
use std::ffi::{c_int, c_void};

/// Longest name of a file in bytes.
pub const NAME_MAX: usize = 255;
const NAME_WORDS: usize = 32;

/// One request, as a probe would put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is acted upon.
    pub object: ObjectKey,
    /// The directory and name by which it was reached, if it has one.
    pub name: Option<(ObjectKey, &'a [u8])>,
    /// The directories above, the nearest first, each with the name by which the way goes down from it.
    pub above: &'a [(ObjectKey, &'a [u8])],
    /// Whether these are all that there are.
    pub is_whole: bool,
    /// What is to be done.
    pub operations: Operations,
    /// Where it is decided.
    pub hook: Hook,
}

/// The answer of one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The generation that was decided under.
    pub generation: u32,
    /// Rule number, or `RULE_NONE`.
    pub rule: u32,
    /// What happens.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Whether the operation, once done, changes what a rule's path stands for.
    pub notice: bool,
    /// Whether what is started from the object is excepted from some rule.
    pub secure: bool,
}

/// A table that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Objects.
    Objects,
    /// Slots.
    Slots,
    /// Rows.
    Rows,
    /// Conditions on who acts.
    Conditions,
    /// What these list.
    Members,
    /// Ranges of users and groups in them.
    Ranges,
}

impl Table {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Objects, Self::Slots, Self::Rows, Self::Conditions, Self::Members, Self::Ranges];
}

/// Who acts.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What is recorded of the process; `None` if nothing is.
    pub lineage: Option<Lineage>,
    /// Whether it is one of the kernel's own.
    pub is_kernel: bool,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its namespaces of users, processes and mounts; 0 for who is about to end.
    pub namespaces: [u32; 3],
    /// Its cgroup and those above, from the root on.
    pub cgroups: Vec<u64>,
}

/// What a decision looks up.
pub trait Tables {
    /// The generation in force.
    fn active(&self) -> Active;
    /// Its description.
    fn generation(&self) -> Option<&GenerationInfo>;
    /// Whether a table is there.
    fn has(&self, table: Table) -> bool;
    /// The entry of an object.
    fn object(&self, key: &InodeNumber) -> Option<&Entry>;
    /// The entry of a slot.
    fn slot(&self, key: &SlotKey) -> Option<&Entry>;
    /// A row.
    fn row(&self, index: u32) -> Option<&Row>;
    /// A condition.
    fn condition(&self, index: u32) -> Option<&Condition>;
    /// Something that a condition lists.
    fn member(&self, key: &MemberKey) -> Option<&Member>;
    /// A range of users or groups.
    fn range(&self, index: u32) -> Option<&Range>;
    /// Who acts.
    fn subject(&self) -> &Subject;
    /// The key of the name hash.
    fn name_key(&self) -> [u64; 2];
    /// Whether the survival list names the object or the subject.
    fn survives(&self, object: &ObjectKey, operations: Operations) -> bool;
    /// Whether the subject is in an exempt cgroup.
    fn is_exempt(&self) -> bool;
    /// The error that the decision shall meet wherever it could: a number of `enum aegis_force` in `request.h`.
    fn forced(&self) -> u32 {
        0
    }
}

/// `struct aegis_request` of `request.h`.
#[repr(C)]
struct RawRequest {
    object: ObjectKey,
    parent: ObjectKey,
    operations: u32,
    hook: u16,
    is_twin: u16,
    side: *const c_void,
    mount: *const c_void,
}

/// `struct aegis_answer` of `request.h`.
#[repr(C)]
#[derive(Default)]
struct RawAnswer {
    generation: u32,
    rule: u32,
    verdict: u8,
    reason: u8,
    signal: u8,
    self_check: u8,
    token: u32,
    notice: u8,
    allowing: u8,
    secure: u8,
    allowed: u64,
}

/// What `side` points to.
struct Side<'a> {
    tables: &'a dyn Tables,
    name: Option<(ObjectKey, &'a [u8])>,
    above: &'a [(ObjectKey, &'a [u8])],
    is_whole: bool,
}

unsafe extern "C" {
    fn aegis_host_decide(request: *const RawRequest, answer: *mut RawAnswer);
    fn aegis_host_may_concern(request: *const RawRequest) -> c_int;
    fn aegis_host_slot_number(key: *const u64, slot: *const SlotKey) -> u64;
    fn aegis_host_name_hash(key: *const u64, words: *const u64, length: u32) -> u64;
}

/// Whether the rules may have anything to say of the object or the name of a request. False means that
/// [`decide`] finds no reason to say anything, whatever the operations.
#[must_use]
pub fn may_concern(tables: &dyn Tables, request: &Request<'_>) -> bool {
    let side = side_of(tables, request);
    let raw = raw(request, &side);
    // SAFETY: as for `decide`.
    unsafe { aegis_host_may_concern(&raw const raw) != 0 }
}

fn side_of<'a>(tables: &'a dyn Tables, request: &Request<'a>) -> Side<'a> {
    let Request { name, above, is_whole, .. } = *request;
    Side { tables, name, above, is_whole }
}

fn raw(request: &Request<'_>, side: &Side<'_>) -> RawRequest {
    RawRequest {
        object: request.object,
        parent: request.name.map(|(parent, _)| parent).unwrap_or_default(),
        operations: request.operations.bits(),
        hook: u16::from(request.hook as u8),
        is_twin: 0,
        side: std::ptr::from_ref(side).cast(),
        mount: std::ptr::null(),
    }
}

/// Decides one request.
#[must_use]
pub fn decide(tables: &dyn Tables, request: &Request<'_>) -> Answer {
    let side = side_of(tables, request);
    let raw = raw(request, &side);
    let mut answer = RawAnswer::default();
    // SAFETY: both structs are laid out as in request.h, `side` outlives the call, and the C code only hands it
    // back to the functions below.
    unsafe { aegis_host_decide(&raw const raw, &raw mut answer) };
    Answer {
        generation: answer.generation,
        rule: answer.rule,
        // The C code writes no other values; if it did, the strictest is the right one to take it for.
        verdict: Verdict::from_byte(answer.verdict).unwrap_or(Verdict::Deny),
        reason: Reason::from_byte(answer.reason).unwrap_or(Reason::TableMissing),
        notice: answer.notice != 0,
        secure: answer.secure != 0,
    }
}

/// The hash of a name in slot keys, or `None` if it is no name: empty or longer than [`NAME_MAX`].
#[must_use]
pub fn name_hash(key: [u64; 2], name: &[u8]) -> Option<u64> {
    let length = u32::try_from(name.len()).ok().filter(|_| !name.is_empty() && name.len() <= NAME_MAX)?;
    let mut words = [0_u64; NAME_WORDS];
    for (word, chunk) in words.iter_mut().zip(name.chunks(8)) {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        *word = u64::from_ne_bytes(bytes);
    }
    // SAFETY: `key` has two words and `words` has NAME_WORDS, which is what the C code may read at most.
    Some(unsafe { aegis_host_name_hash(key.as_ptr(), words.as_ptr(), length) })
}

/// A name in a directory as one number, by which processes remember what they were started from.
#[must_use]
pub fn slot_number(key: [u64; 2], slot: &SlotKey) -> u64 {
    // SAFETY: `key` has two words, and `slot` is laid out as the C code expects.
    unsafe { aegis_host_slot_number(key.as_ptr(), std::ptr::from_ref(slot)) }
}

/// The side that C got from [`decide`].
///
/// # Safety
/// `side` is the pointer that `decide` made, during that call.
unsafe fn side<'a>(side: *const c_void) -> &'a Side<'a> {
    // SAFETY: by contract it points to a live Side.
    unsafe { &*side.cast() }
}

fn pointer<T>(found: Option<&T>) -> *const T {
    found.map_or(std::ptr::null(), std::ptr::from_ref)
}

// The functions below are called by host.c alone, with the `side` that `decide` handed in and with pointers to
// live structs of the calling C function.

#[unsafe(no_mangle)]
extern "C" fn aegis_host_active(this: *const c_void) -> Active {
    // SAFETY: see above.
    unsafe { side(this) }.tables.active()
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_generation(this: *const c_void) -> *const GenerationInfo {
    // SAFETY: see above.
    pointer(unsafe { side(this) }.tables.generation())
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_has_table(this: *const c_void, table: c_int) -> c_int {
    let table = Table::ALL.into_iter().find(|known| *known as c_int == table);
    // SAFETY: see above.
    let tables = unsafe { side(this) }.tables;
    c_int::from(table.is_some_and(|table| tables.has(table)))
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_object(this: *const c_void, key: *const InodeNumber) -> *const Entry {
    // SAFETY: see above.
    pointer(unsafe { side(this).tables.object(&*key) })
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_slot_key(request: *const RawRequest, key: *mut SlotKey) -> c_int {
    // SAFETY: see above.
    let side = unsafe { side((*request).side) };
    let hashed =
        side.name.and_then(|(parent, name)| Some((parent, name_hash(side.tables.name_key(), name)?)));
    let Some((parent, name_hash)) = hashed else { return -1 };
    // SAFETY: see above.
    unsafe { *key = SlotKey { parent, name_hash } };
    0
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_slot(this: *const c_void, key: *const SlotKey) -> *const Entry {
    // SAFETY: see above.
    pointer(unsafe { side(this).tables.slot(&*key) })
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_row(this: *const c_void, index: u32) -> *const Row {
    // SAFETY: see above.
    pointer(unsafe { side(this) }.tables.row(index))
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_survivor(request: *const RawRequest) -> c_int {
    // SAFETY: see above.
    let (side, request) = unsafe { (side((*request).side), &*request) };
    c_int::from(side.tables.survives(&request.object, Operations::from_bits_retain(request.operations)))
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_exempt(this: *const c_void) -> c_int {
    // SAFETY: see above.
    c_int::from(unsafe { side(this) }.tables.is_exempt())
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_forced(this: *const c_void) -> u32 {
    // SAFETY: see above.
    unsafe { side(this) }.tables.forced()
}

/// Fills in a directory above by its number on the way up. Returns 1, 0 if there is none, or -1 if that is not known.
#[unsafe(no_mangle)]
extern "C" fn aegis_host_above(this: *const c_void, number: u32, directory: *mut ObjectKey) -> c_int {
    // SAFETY: see above.
    let side = unsafe { side(this) };
    let Some((key, _)) = side.above.get(number as usize) else {
        return if side.is_whole { 0 } else { -1 };
    };
    // SAFETY: see above.
    unsafe { *directory = *key };
    1
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_name_key(this: *const c_void, number: u32, key: *mut SlotKey) -> c_int {
    // SAFETY: see above.
    let side = unsafe { side(this) };
    let above = side.above.get(number as usize);
    let hashed = above.and_then(|(parent, name)| Some((*parent, name_hash(side.tables.name_key(), name)?)));
    let Some((parent, name_hash)) = hashed else { return -1 };
    // SAFETY: see above.
    unsafe { *key = SlotKey { parent, name_hash } };
    0
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_condition(this: *const c_void, index: u32) -> *const Condition {
    // SAFETY: see above.
    pointer(unsafe { side(this) }.tables.condition(index))
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_range(this: *const c_void, index: u32) -> *const Range {
    // SAFETY: see above.
    pointer(unsafe { side(this) }.tables.range(index))
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_member(this: *const c_void, key: *const MemberKey) -> *const Member {
    // SAFETY: see above.
    pointer(unsafe { side(this).tables.member(&*key) })
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_lineage(this: *const c_void) -> *const Lineage {
    // SAFETY: see above.
    pointer(unsafe { side(this) }.tables.subject().lineage.as_ref())
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_has_no_exe(this: *const c_void) -> c_int {
    // SAFETY: see above.
    c_int::from(unsafe { side(this) }.tables.subject().is_kernel)
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_number_of(this: *const c_void, asked: u32) -> u32 {
    // SAFETY: see above.
    let subject = unsafe { side(this) }.tables.subject();
    let [user, pid, mnt] = subject.namespaces;
    match u16::try_from(asked) {
        Ok(ASKS_UID) => subject.uid,
        Ok(ASKS_GID) => subject.gid,
        Ok(ASKS_USER_NS) => user,
        Ok(ASKS_PID_NS) => pid,
        _ => mnt,
    }
}

#[unsafe(no_mangle)]
extern "C" fn aegis_host_cgroup(this: *const c_void, level: u32) -> u64 {
    // SAFETY: see above.
    unsafe { side(this) }.tables.subject().cgroups.get(level as usize).copied().unwrap_or(0)
}
