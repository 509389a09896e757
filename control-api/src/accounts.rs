//! What became of every decision that was to be reported, as sums that anybody can check.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The accounts, since arming.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct AccountsReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// Each CPU.
    pub cpus: Vec<CpuAccount>,
    /// The sum; its `cpu` is none.
    pub total: CpuAccount,
    /// How many folded decisions summaries have told of.
    pub summarised: u64,
    /// How many are still to be told of.
    pub unsummarised: u64,
    /// How many equal decisions are sent in a second before the others are folded; 0 folds none.
    pub events_per_second: u64,
    /// What was in the ring and was no event, and had no number by which it could be told; since the daemon has
    /// started. None without a daemon.
    pub malformed: Option<u64>,
    /// The generation in force.
    pub generation: u32,
    /// How often each of its rules caused a decision.
    pub hits: Vec<RuleHits>,
    /// What does not add up; empty if everything does.
    pub wrong: Vec<String>,
}

/// What became of the decisions of one CPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CpuAccount {
    /// Its number.
    pub cpu: Option<u32>,
    /// Decisions that were to be reported: `submitted` + `suppressed` + `dropped` + `deciding`.
    pub reported: u64,
    /// Went into the ring.
    pub submitted: u64,
    /// Were folded.
    pub suppressed: u64,
    /// Found no room in the ring.
    pub dropped: u64,
    /// Tasks that are between their decision and its fate at this moment.
    pub deciding: u64,
    /// The last sequence number: `delivered` + the sum of `gaps` + `in_daemon` + `in_ring`.
    pub sequence: u64,
    /// The last number that was taken from the ring.
    pub taken: u64,
    /// The last number up to which each was delivered or told of in a gap.
    pub upto: u64,
    /// Numbers that were delivered in their turn.
    pub delivered: u64,
    /// Numbers that were delivered after they had been told of in a gap, in which they are still counted.
    pub late: u64,
    /// Numbers in gaps.
    pub gaps: Vec<GapCount>,
    /// Numbers that the daemon has taken and not yet delivered.
    pub in_daemon: u64,
    /// Numbers that nobody has taken: in the ring, or dropped and not yet told of.
    pub in_ring: u64,
    /// `reported` - `submitted` - `suppressed` - `dropped` - `deciding`, and `sequence` less all of its parts; both 0
    /// if everything adds up.
    pub balance: [i64; 2],
}

/// How many numbers are in gaps of one reason.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GapCount {
    /// The reason, as in gap records.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// How often a rule caused a decision, whatever became of the event.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct RuleHits {
    /// Its number in the generation in force.
    pub number: u32,
    /// Its id.
    pub rule: String,
    /// How often.
    pub hits: u64,
}
