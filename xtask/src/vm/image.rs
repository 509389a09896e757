//! The cache of what a machine boots from: kernels and the root image, below `target/vm`. It is made once and
//! made anew only when its recipe changes; remove the folder to get newer kernels and packages.

use super::kernel::{self, Fetched, Series, Unreachable};
use super::{apt, root};
use crate::{process, workspace};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Room in the root image beyond what is in it; the file is sparse.
const FREE_MIB: u64 = 768;
/// Size of the ext4 file system that the guest mounts at /scratch: the matrix has some thirty inodes for each row.
const SCRATCH_MIB: u64 = 128;

/// Identity of the root disk and of its only partition: disks have no fixed names in the guest.
const DISK_SIGNATURE: u32 = 0xae91_5001;
/// The kernel's name for that partition.
pub(super) const ROOT_PARTITION: &str = "PARTUUID=ae915001-01";
/// Where the partition begins.
const PARTITION_MIB: u32 = 1;

/// The files a machine boots from.
pub(super) struct Image {
    cache: PathBuf,
    /// The disk with the root file system, which no run changes.
    pub(super) root: PathBuf,
}

impl Image {
    /// The kernel image of a series.
    pub(super) fn kernel(&self, series: Series) -> PathBuf {
        series.image(&self.cache)
    }

    /// Whether a machine with this kernel can be booted.
    fn has(&self, series: Series) -> bool {
        self.root.exists() && self.kernel(series).exists()
    }
}

/// The image of the current recipe with the kernel of a series, made now if there is none. Without a kernel that is
/// optional and cannot be had, it is made for the others, and made anew once that kernel is there.
pub(super) fn ready(series: Series) -> Result<Image> {
    let cache = workspace::root().join("target/vm");
    fs::create_dir_all(&cache)?;
    let suite = apt::host_suite()?;
    let image = Image { root: cache.join(format!("root-{}.disk", recipe(&suite))), cache };
    if image.has(series) {
        return Ok(image);
    }
    // Held until the end of this function: a second run waits here and then finds the image.
    let lock = File::create(image.cache.join("lock"))?;
    lock.lock().context("cannot lock the image cache")?;
    if !image.has(series) {
        make(&image, &suite, series)?;
    }
    Ok(image)
}

fn recipe(suite: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (suite, root::recipe(), Series::ALL.map(Series::name), FREE_MIB, SCRATCH_MIB).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn make(image: &Image, suite: &str, wanted: Series) -> Result<()> {
    let start = Instant::now();
    let refreshed = apt::refresh();
    if wanted.is_optional() { refreshed.context(Unreachable(wanted)) } else { refreshed }?;
    // Before what is there is removed: without the kernel that is wanted, it goes on being used for the others.
    let kernels = kernels(&image.cache, wanted)?;
    eprintln!("vm: making the root file system from {suite} packages; this happens once and takes a minute");
    remove_old(&image.cache, &kernels)?;
    let work = tempfile::Builder::new().prefix(MAKING).tempdir_in(&image.cache)?;
    let folder = work.path().join("root");
    fs::create_dir(&folder)?;
    root::make(&folder, suite)?;
    kernels.into_iter().try_for_each(|kernel| kernel.place(&image.cache, &folder))?;
    let stage = folder.join("usr/lib/aegis-vm");
    fs::create_dir_all(&stage)?;
    scratch(&stage.join("scratch.img"))?;
    let new = work.path().join("root.disk");
    disk(&new, used_mib(&folder)? + FREE_MIB, &folder)?;
    fs::rename(new, &image.root)?;
    eprintln!("vm: root file system made in {:.0} s", start.elapsed().as_secs_f32());
    Ok(())
}

/// Downloads every kernel, but those that are optional, not wanted, and cannot be had.
fn kernels(cache: &Path, wanted: Series) -> Result<Vec<Fetched>> {
    let mut kernels = Vec::new();
    let mut order = Series::ALL;
    // The one that may be missing first, if all of this is for its sake.
    order.sort_by_key(|series| *series != wanted);
    for series in order {
        match kernel::fetch(series, cache) {
            Ok(kernel) => kernels.push(kernel),
            Err(error) if series.is_optional() && series != wanted => {
                eprintln!("vm: WARNING: the image is made without one of the kernels: {error:#}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(kernels)
}

/// Makes the file system that the guest mounts at /scratch.
fn scratch(path: &Path) -> Result<()> {
    File::create(path)?.set_len(SCRATCH_MIB << 20)?;
    process::quiet(mke2fs("lazy_itable_init=1").arg(path))
}

/// Makes a disk with one partition that holds a folder's contents.
fn disk(path: &Path, mib: u64, contents: &Path) -> Result<()> {
    let file = File::create(path)?;
    file.set_len((u64::from(PARTITION_MIB) + mib) << 20)?;
    let table = partition_table(u32::try_from(mib << 11).context("the root is too large for a partition")?);
    file.write_all_at(&table, 440)?;
    let mut command = mke2fs(&format!("lazy_itable_init=1,root_owner=0:0,offset={}", PARTITION_MIB << 20));
    // The root lives for one run; a journal would only slow it down.
    command.args(["-O", "^has_journal", "-d"]).arg(contents).arg(path).arg(format!("{mib}M"));
    process::quiet(&mut command)
}

fn mke2fs(options: &str) -> Command {
    let mut command = process::tool("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-E", options]);
    command
}

/// The end of a master boot record, from byte 440: signature, one Linux partition of that many sectors,
/// magic.
fn partition_table(sectors: u32) -> [u8; 72] {
    const LINUX: u8 = 0x83;
    const FIRST_SECTOR: u32 = PARTITION_MIB << 11;
    let fields: [(usize, &[u8]); 5] = [
        (0, &DISK_SIGNATURE.to_le_bytes()),
        (10, &[LINUX]),
        (14, &FIRST_SECTOR.to_le_bytes()),
        (18, &sectors.to_le_bytes()),
        (70, &[0x55, 0xaa]),
    ];
    let mut table = [0; 72];
    for (at, bytes) in fields {
        for (slot, byte) in table.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }
    table
}

fn used_mib(folder: &Path) -> Result<u64> {
    let text = process::output(process::tool("du").args(["-sm"]).arg(folder))?;
    let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
    number.context("du wrote no number")
}

/// Folders in which something is made.
pub(super) const MAKING: &str = "making-";

/// Removes images and kernels of before, and the remains of a run that was interrupted while making one. The root goes
/// first: without it no kernel counts as there.
fn remove_old(cache: &Path, kernels: &[Fetched]) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(cache)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    for prefix in ["root-", kernel::IMAGES] {
        names
            .iter()
            .filter(|name| name.starts_with(prefix))
            .try_for_each(|name| fs::remove_file(cache.join(name)))?;
    }
    let in_use = |name: &&String| kernels.iter().any(|kernel| kernel.folder() == cache.join(name));
    let mut remains = names.iter().filter(|name| name.starts_with(MAKING) && !in_use(name));
    remains.try_for_each(|name| Ok(fs::remove_dir_all(cache.join(name))?))
}
