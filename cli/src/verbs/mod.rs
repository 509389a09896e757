//! One file per verb.

pub(crate) mod demo;
pub(crate) mod detach;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod holders;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod status;
