//! How far a sink has come, in a small file of the state directory. Killed at any moment, the daemon leaves the account as
//! it was before the last lines, or after them: at worst some are told twice.
//!
//! The file has two places of one size. The account goes into each of them in turn, in one write, with a number that
//! grows and a sum over all of it: of those that are whole, the one with the highest number holds.
//!
//! What was told of each storm is not kept: how many decisions were told of is, so that none is left out or told of as if
//! it were new, and [`baseline`] is all that can be known of the rest.

use super::outbox::{Progress, ToldStorms};
use crate::trusted::{demand_trusted, open_trusted};
use aegis_kernel_abi::{Delivered, GAP_REASONS, Storm, StormKey, Summarised};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    turn: u64,
    summarised: u64,
    delivered: Vec<Delivered>,
}

/// Begins each place, with the version of what follows.
const MAGIC: u64 = u64::from_le_bytes(*b"aegsink1");
/// Words before those of the CPUs: magic, turn, two for the arming, summarised, CPUs.
const HEAD: usize = 6;
/// Words of each CPU.
const EACH: usize = 3 + GAP_REASONS;

/// Bytes of one place: the words and their sum, in whole pages.
fn size(cpus: usize) -> usize {
    ((HEAD + EACH * cpus + 1) * size_of::<u64>()).next_multiple_of(4_096)
}

/// FNV-1a: tells a place that is whole from one that is not. It keeps nobody from forging it; the mode of the file does.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The id of an arming in two words; it has 16 characters.
fn words_of(arming_id: &str) -> [u64; 2] {
    let mut bytes = arming_id.bytes().chain(std::iter::repeat(0));
    std::array::from_fn(|_| u64::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0))))
}

fn encode(turn: u64, arming_id: &str, progress: &Progress) -> Vec<u8> {
    let [first, second] = words_of(arming_id);
    let cpus = progress.delivered.len();
    let mut words = vec![MAGIC, turn, first, second, progress.summarised, cpus as u64];
    for Delivered { upto, events, late, gaps } in &progress.delivered {
        words.extend([*upto, *events, *late]);
        words.extend(gaps);
    }
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend(sum(&bytes).to_le_bytes());
    bytes.resize(size(cpus), 0);
    bytes
}

/// What a place has.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Nothing was written here yet.
    Empty,
    /// The account of this arming.
    Ours(Kept),
    /// That of another, with its turn.
    Others(u64),
    /// Not all of it was written, or something else.
    Damaged,
}

fn decode(bytes: &[u8], arming_id: &str, cpus: usize) -> Place {
    if bytes.iter().all(|byte| *byte == 0) {
        return Place::Empty;
    }
    let length = (HEAD + EACH * cpus) * size_of::<u64>();
    let (Some(body), Some(told)) = (bytes.get(..length), bytes.get(length..length + size_of::<u64>())) else {
        return Place::Damaged;
    };
    let mut words = body.chunks_exact(size_of::<u64>()).map(word);
    let mut next = || words.next().unwrap_or_default();
    let (magic, turn, arming, summarised, found) = (next(), next(), [next(), next()], next(), next());
    if magic != MAGIC || found != cpus as u64 || word(told) != sum(body) {
        return Place::Damaged;
    }
    if arming != words_of(arming_id) {
        return Place::Others(turn);
    }
    let mut one =
        || Delivered { upto: next(), events: next(), late: next(), gaps: std::array::from_fn(|_| next()) };
    let delivered = (0..cpus).map(|_| one()).collect();
    Place::Ours(Kept { turn, summarised, delivered })
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// How the account begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// As it was left.
    Kept,
    /// From 0: nothing was told in this sink since arming.
    Nothing,
    /// From 0, as what is there cannot be read.
    Damaged,
}

fn choose(places: [Place; 2], cpus: usize) -> (Found, Kept) {
    let mut kept = Kept { turn: 0, summarised: 0, delivered: vec![Delivered::default(); cpus] };
    let mut found = Found::Nothing;
    let mut damaged = 0;
    for place in places {
        match place {
            Place::Ours(ours) if found != Found::Kept || ours.turn > kept.turn => {
                (found, kept) = (Found::Kept, Kept { turn: ours.turn.max(kept.turn), ..ours });
            }
            Place::Ours(_) | Place::Empty => {}
            // It is written over, in its turn.
            Place::Others(turn) => kept.turn = kept.turn.max(turn),
            Place::Damaged => damaged += 1,
        }
    }
    // One that is not whole is what a kill leaves; the other is the one before it, and at worst some is told twice.
    // Without any of ours, numbers are told from 1 on: what is not known becomes a gap of reason `crash`.
    if damaged > 0 && found == Found::Nothing {
        found = Found::Damaged;
    }
    (found, kept)
}

/// The file that keeps the account.
#[derive(Debug)]
pub(super) struct Cursor {
    file: File,
    arming_id: String,
    turn: u64,
    has_failed: bool,
}

impl Cursor {
    /// Opens it, makes it where there is none, and reads it.
    pub(super) fn open(
        directory: &Path,
        name: &str,
        arming_id: &str,
        cpus: usize,
    ) -> io::Result<(Self, Found, Progress)> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        demand_trusted(directory, &std::fs::metadata(directory)?)?;
        let mut options = File::options();
        // Not truncated: what the last daemon left is read.
        let file =
            open_trusted(options.read(true).write(true).create(true).truncate(false), &directory.join(name))?;
        let size = size(cpus);
        let mut bytes = vec![0; 2 * size];
        let length = read_at_most(&file, &mut bytes)?;
        if length < bytes.len() {
            // All of its room is taken now, so that a full disk is no obstacle later.
            file.write_all_at(&vec![0; bytes.len() - length], length as u64)?;
        }
        let (first, second) = bytes.split_at(size);
        let (found, kept) = choose([first, second].map(|place| decode(place, arming_id, cpus)), cpus);
        let Kept { turn, summarised, delivered } = kept;
        let cursor = Self { file, arming_id: arming_id.to_owned(), turn, has_failed: false };
        Ok((cursor, found, Progress { summarised, delivered, told: ToldStorms::new() }))
    }

    /// What is to be kept next. Apart from keeping it, so that nobody else who looks at it waits for the disk.
    pub(super) fn next(&self, progress: &Progress) -> Vec<u8> {
        encode(self.turn.wrapping_add(1), &self.arming_id, progress)
    }

    /// Keeps it, in one write. If it cannot be written, the one before it holds: after a kill, more is told twice.
    pub(super) fn keep(&mut self, next: &[u8]) {
        let turn = self.turn.wrapping_add(1);
        let place = if turn & 1 == 0 { 0 } else { next.len() as u64 };
        match self.file.write_all_at(next, place) {
            Ok(()) => (self.turn, self.has_failed) = (turn, false),
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "how far the events file has come cannot be kept for the next daemon now");
                }
            }
        }
    }
}

fn read_at_most(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// What counts as told of each storm in a sink in which so many folded decisions were told of. `other` is a sink of which
/// this is known by storm.
///
/// A sink that has not come as far as the other is given the same: the numbers between them are told without a storm.
/// For one that has come farther everything that is in a storm now counts as told, and the numbers that are left are told
/// without one. Either way no decision is counted to a storm that is not its own.
pub(super) fn baseline(summarised: u64, other: &Progress, storms: &[(StormKey, Storm)]) -> ToldStorms {
    if summarised <= other.summarised {
        return other.told.clone();
    }
    let told = |storm: &Storm| Summarised { since: storm.since, count: storm.suppressed, last: storm.last };
    storms.iter().map(|(key, storm)| (*key, told(storm))).collect()
}

#[cfg(test)]
mod tests;
