//! The core: OTP's rules, one by one, against a model, and exhaustively in small trees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compared;
mod exhaustive;
mod histories;
mod model;
mod play;
mod rules;
mod state;
mod trees;
mod validate;
