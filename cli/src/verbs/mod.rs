//! One file per verb.

pub(crate) mod allow;
pub(crate) mod block;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod detach;
pub(crate) mod digest;
pub(crate) mod doctor;
pub(crate) mod entries;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod holders;
pub(crate) mod keys;
pub(crate) mod manner;
pub(crate) mod metrics;
pub(crate) mod network;
mod password;
pub(crate) mod policy;
mod reread;
pub(crate) mod run;
pub(crate) mod sinks;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod survival;
pub(crate) mod tree;
