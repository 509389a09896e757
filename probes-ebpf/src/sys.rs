//! The calls of bpf(2) that aya does not offer: inner maps of any size, batches, freezing, iterators limited to
//! one task, and pins whose descriptors belong to nobody's object. Each function is one system call.

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info, bpf_map_info, bpf_prog_info};
use std::ffi::CString;
use std::io;
use std::mem::{self, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes};

fn new_attr() -> bpf_attr {
    // SAFETY: bpf_attr is a union of plain integers, for which zeros are valid; the kernel wants unused bytes 0.
    unsafe { mem::zeroed() }
}

/// One bpf(2) call; a result below 0 is an error.
///
/// # Safety
/// Every pointer in `attr` must be valid for what `cmd` does with it.
unsafe fn bpf(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: attr is a whole bpf_attr; its pointers are the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, cmd as u32, &raw mut *attr, size_of::<bpf_attr>()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The same for commands whose result is a new descriptor.
///
/// # Safety
/// As for [`bpf`]; and `cmd` must be one that returns a descriptor.
unsafe fn bpf_fd(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; a new descriptor belongs to nobody else.
    unsafe { bpf(cmd, attr).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // A borrowed descriptor is never negative.
    fd.as_raw_fd().unsigned_abs()
}

fn pointer<T: ?Sized>(bytes: &T) -> u64 {
    (std::ptr::from_ref(bytes).cast::<u8>() as usize) as u64
}

fn path_name(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// What a map is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapShape {
    pub(crate) name: &'static str,
    pub(crate) map_type: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

/// Creates a map without a name in any file system.
pub(crate) fn map_create(shape: &MapShape) -> io::Result<OwnedFd> {
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let create = unsafe { &mut attr.__bindgen_anon_1 };
    create.map_type = shape.map_type;
    create.key_size = shape.key_size;
    create.value_size = shape.value_size;
    create.max_entries = shape.max_entries;
    create.map_flags = shape.flags;
    // The last byte stays 0.
    let room = create.map_name.len().saturating_sub(1);
    for (to, from) in create.map_name.iter_mut().take(room).zip(shape.name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: no pointers in this command.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr) }
}

/// Writes one entry.
pub(crate) fn map_update<K: IntoBytes + Immutable, V: IntoBytes + Immutable>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &V,
) -> io::Result<()> {
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = raw(map);
    element.key = pointer(key.as_bytes());
    element.__bindgen_anon_1.value = pointer(value.as_bytes());
    // SAFETY: key and value are alive; the callers' types are those of the map.
    unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Reads one entry into `value`, whose size is that of the map's values (for per-CPU maps: of all CPUs').
/// False if there is none.
pub(crate) fn map_lookup<K: IntoBytes + Immutable>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &mut [u8],
) -> io::Result<bool> {
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = raw(map);
    element.key = pointer(key.as_bytes());
    element.__bindgen_anon_1.value = (value.as_mut_ptr() as usize) as u64;
    // SAFETY: the key is alive and the value has the size that the caller read from the map's description.
    match unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr) } {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes one entry; one that is not there is no error.
pub(crate) fn map_delete<K: IntoBytes + Immutable>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = raw(map);
    element.key = pointer(key.as_bytes());
    // SAFETY: the key is alive; the callers' type is that of the map.
    match unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Writes many entries at once.
pub(crate) fn map_update_batch<K: IntoBytes + Immutable, V: IntoBytes + Immutable>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> io::Result<()> {
    let mut done = 0;
    let total = keys.len().min(values.len());
    while done < total {
        let (Some(keys), Some(values)) = (keys.get(done..total), values.get(done..total)) else { break };
        let mut attr = new_attr();
        // SAFETY: writing to fields of a union of integers.
        let batch = unsafe { &mut attr.batch };
        batch.map_fd = raw(map);
        batch.keys = pointer(keys.as_bytes());
        batch.values = pointer(values.as_bytes());
        batch.count = u32::try_from(total - done).unwrap_or(u32::MAX);
        // SAFETY: both slices have `count` entries of the map's own sizes.
        unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr) }?;
        // SAFETY: the kernel wrote how many it took.
        let taken = unsafe { attr.batch.count } as usize;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        done += taken;
    }
    Ok(())
}

/// Reads all entries of a map that nobody changes, at most `capacity`.
pub(crate) fn map_read_all<K, V>(map: BorrowedFd<'_>, capacity: u32) -> io::Result<(Vec<K>, Vec<V>)>
where
    K: FromBytes + IntoBytes + Immutable + Clone,
    V: FromBytes + IntoBytes + Immutable + Clone,
{
    let room = capacity as usize;
    let mut keys: Vec<K> = vec![K::new_zeroed(); room];
    let mut values: Vec<V> = vec![V::new_zeroed(); room];
    let (mut read, mut cursor) = (0_usize, None::<u64>);
    while read < room {
        let mut next = 0_u64;
        let mut attr = new_attr();
        // SAFETY: writing to fields of a union of integers.
        let batch = unsafe { &mut attr.batch };
        batch.map_fd = raw(map);
        batch.in_batch = cursor.as_ref().map_or(0, pointer);
        batch.out_batch = (&raw mut next as usize) as u64;
        batch.keys = keys.get_mut(read..).map_or(0, |rest| (rest.as_mut_ptr() as usize) as u64);
        batch.values = values.get_mut(read..).map_or(0, |rest| (rest.as_mut_ptr() as usize) as u64);
        batch.count = u32::try_from(room - read).unwrap_or(u32::MAX);
        // SAFETY: both rests have room for `count` entries; the cursors are 8 bytes, the kernel uses 4.
        let result = unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) };
        // SAFETY: the kernel wrote how many it gave.
        let given = unsafe { attr.batch.count } as usize;
        match result {
            Ok(_) => read += given,
            // The end of the map; what was given counts.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                read += given;
                break;
            }
            Err(error) => return Err(error),
        }
        cursor = Some(next);
    }
    keys.truncate(read);
    values.truncate(read);
    Ok((keys, values))
}

/// Refuses all later writes by system calls.
pub(crate) fn map_freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = new_attr();
    // SAFETY: writing to a field of a union of integers; no pointers in this command.
    unsafe {
        attr.__bindgen_anon_2.map_fd = raw(map);
        bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr)
    }
    .map(drop)
}

/// A map by its id.
pub(crate) fn map_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = new_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.map_id = id;
    // SAFETY: no pointers in this command.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_GET_FD_BY_ID, &mut attr) }
}

/// A program by its id.
pub(crate) fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = new_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    // SAFETY: no pointers in this command.
    unsafe { bpf_fd(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attr) }
}

/// Whether a link with this id exists.
pub(crate) fn link_exists(id: u32) -> io::Result<bool> {
    let mut attr = new_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.link_id = id;
    exists(bpf_cmd::BPF_LINK_GET_FD_BY_ID, &mut attr)
}

/// Whether a program with this id exists.
pub(crate) fn program_exists(id: u32) -> io::Result<bool> {
    let mut attr = new_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    exists(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attr)
}

fn exists(get_by_id: bpf_cmd, attr: &mut bpf_attr) -> io::Result<bool> {
    // SAFETY: no pointers in these commands, and they return a descriptor.
    match unsafe { bpf_fd(get_by_id, attr) } {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Pins a map, program or link at a path on a bpf file system.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let name = path_name(path)?;
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let pinned = unsafe { &mut attr.__bindgen_anon_4 };
    pinned.pathname = (name.as_ptr() as usize) as u64;
    pinned.bpf_fd = raw(object);
    // SAFETY: the name is alive and ends with NUL.
    unsafe { bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// Opens what is pinned at a path.
pub(crate) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let name = path_name(path)?;
    let mut attr = new_attr();
    // SAFETY: writing to a field of a union of integers.
    let pinned = unsafe { &mut attr.__bindgen_anon_4 };
    pinned.pathname = (name.as_ptr() as usize) as u64;
    // SAFETY: the name is alive and ends with NUL.
    unsafe { bpf_fd(bpf_cmd::BPF_OBJ_GET, &mut attr) }
}

/// A description that BPF_OBJ_GET_INFO_BY_FD can give.
///
/// # Safety
/// The type is a plain struct of integers, for which all bytes are valid.
pub(crate) unsafe trait Description: Sized {}
// SAFETY: bindgen structs of integers, integer arrays and bit fields.
unsafe impl Description for bpf_map_info {}
// SAFETY: as above.
unsafe impl Description for bpf_prog_info {}
// SAFETY: as above.
unsafe impl Description for bpf_link_info {}

/// Describes a map, program or link; the type must fit the object.
pub(crate) fn describe<T: Description>(object: BorrowedFd<'_>) -> io::Result<T> {
    // SAFETY: promised by Description.
    let mut description: T = unsafe { mem::zeroed() };
    // SAFETY: it holds no pointers, and no room for anything behind them.
    unsafe { describe_into(object, &mut description) }?;
    Ok(description)
}

/// The same into a description that may say where there is room for more.
///
/// # Safety
/// Each pointer in the description must be valid for as many elements as are given beside it.
unsafe fn describe_into<T: Description>(object: BorrowedFd<'_>, description: &mut T) -> io::Result<()> {
    let mut attr = new_attr();
    attr.info.bpf_fd = raw(object);
    attr.info.info_len = u32::try_from(size_of::<T>()).unwrap_or(0);
    attr.info.info = (&raw mut *description as usize) as u64;
    // SAFETY: the description has the size that is given; its pointers are the caller's promise.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }.map(drop)
}

/// The ids of the maps that a program uses.
pub(crate) fn program_maps(program: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // SAFETY: promised by Description.
    let mut description: bpf_prog_info = unsafe { mem::zeroed() };
    let room = describe::<bpf_prog_info>(program)?.nr_map_ids;
    let mut ids = vec![0_u32; room as usize];
    description.nr_map_ids = room;
    description.map_ids = (ids.as_mut_ptr() as usize) as u64;
    // SAFETY: there is room for as many ids as are given; the other pointers are NULL, with no elements.
    unsafe { describe_into(program, &mut description) }?;
    ids.truncate(description.nr_map_ids as usize);
    Ok(ids)
}

/// Attaches a loaded LSM or tracepoint program to its hook, which it knows from BTF. The link lives until its last descriptor and pin are gone.
pub(crate) fn attach_by_btf(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = new_attr();
    attr.raw_tracepoint.prog_fd = raw(program);
    // SAFETY: the name is NULL, as it must be for programs that know their target from BTF.
    unsafe { bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// Runs an iterator program over all threads in our pid namespace and returns what the program wrote.
pub(crate) fn iterate_all(program: BorrowedFd<'_>) -> io::Result<std::fs::File> {
    // No thread has this id: the kernel takes it for no limit.
    iterate_thread(program, 0)
}

/// Runs an iterator program over one thread (its id in our pid namespace) and returns what the program wrote.
pub(crate) fn iterate_thread(program: BorrowedFd<'_>, thread: u32) -> io::Result<std::fs::File> {
    // union bpf_iter_link_info: { tid, pid, pid_fd }
    let limit: [u32; 4] = [thread, 0, 0, 0];
    let mut attr = new_attr();
    // SAFETY: writing to fields of a union of integers.
    let create = unsafe { &mut attr.link_create };
    create.__bindgen_anon_1.prog_fd = raw(program);
    create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    create.__bindgen_anon_3.__bindgen_anon_1.iter_info = pointer(&limit);
    create.__bindgen_anon_3.__bindgen_anon_1.iter_info_len = u32::try_from(size_of_val(&limit)).unwrap_or(0);
    // SAFETY: iter_info is alive and has the length that is given.
    let link = unsafe { bpf_fd(bpf_cmd::BPF_LINK_CREATE, &mut attr) }?;
    let mut attr = new_attr();
    attr.iter_create.link_fd = link.as_raw_fd().unsigned_abs();
    // SAFETY: no pointers in this command.
    unsafe { bpf_fd(bpf_cmd::BPF_ITER_CREATE, &mut attr) }.map(std::fs::File::from)
}

/// A descriptor of a process, by its id in our pid namespace.
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(opened) {
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of kernel memory that a map takes, as the kernel tells them beside the descriptor.
pub(crate) fn map_memory(map: BorrowedFd<'_>) -> io::Result<u64> {
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let bytes = told.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    bytes.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
