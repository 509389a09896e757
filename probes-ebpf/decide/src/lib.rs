//! The decision of the probes, callable on the host.
//!
//! `decide.h` is compiled into the kernel's probes and into this crate, so what is simulated or tested here is
//! what the kernel runs. Tables are anything that implements [`Tables`]; nothing is loaded and nothing is asked
//! of the kernel. The hash of names in slot keys is here for the same reason: there is one of it.

use aegis_kernel_abi::{
    Active, Entry, GenerationInfo, Hook, InodeNumber, ObjectKey, Operations, Reason, Row, SlotKey, Verdict,
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
    hook: u32,
    is_twin: u64,
    side: *const c_void,
    mount: *const c_void,
    up: *const c_void,
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
    notice: u32,
}

/// What `side` points to.
struct Side<'a> {
    tables: &'a dyn Tables,
    name: Option<(ObjectKey, &'a [u8])>,
}

unsafe extern "C" {
    fn aegis_host_decide(request: *const RawRequest, answer: *mut RawAnswer);
    fn aegis_host_may_concern(request: *const RawRequest) -> c_int;
    fn aegis_host_name_hash(key: *const u64, words: *const u64, length: u32) -> u64;
}

/// Whether the rules may have anything to say of the object or the name of a request. False means that
/// [`decide`] finds no reason to say anything, whatever the operations.
#[must_use]
pub fn may_concern(tables: &dyn Tables, request: &Request<'_>) -> bool {
    let side = Side { tables, name: request.name };
    let raw = raw(request, &side);
    // SAFETY: as for `decide`.
    unsafe { aegis_host_may_concern(&raw const raw) != 0 }
}

fn raw(request: &Request<'_>, side: &Side<'_>) -> RawRequest {
    RawRequest {
        object: request.object,
        parent: request.name.map(|(parent, _)| parent).unwrap_or_default(),
        operations: request.operations.bits(),
        hook: u32::from(request.hook as u8),
        is_twin: 0,
        side: std::ptr::from_ref(side).cast(),
        mount: std::ptr::null(),
        up: std::ptr::null(),
    }
}

/// Decides one request.
#[must_use]
pub fn decide(tables: &dyn Tables, request: &Request<'_>) -> Answer {
    let side = Side { tables, name: request.name };
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
    let table =
        [Table::Objects, Table::Slots, Table::Rows].into_iter().find(|known| *known as c_int == table);
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
