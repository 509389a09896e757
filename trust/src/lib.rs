//! Who may say what is in force: keys that are trusted, and whether enough of them have signed a policy.
//!
//! [`Key::parse`] reads a public key, of minisign or of OpenSSH. [`Trust`] is a set of them, and how many must have signed.
//! [`verify`] says who has signed exactly these bytes, or for each signature why it does not count.
//!
//! What is not here: files, clocks, and secret keys. Where keys are kept and who may write there is for whoever reads
//! them; how new a policy is, is said in the policy itself.
#![forbid(unsafe_code)]

mod base64;
mod flaw;
mod key;
mod minisign;
mod signature;
mod ssh;
mod verify;

pub use flaw::Flaw;
pub use key::{Key, Kind};
pub use signature::Signature;
pub use verify::{Given, Refusal, Rejected, Signer, Trust, verify};

/// What a signature of OpenSSH must say that it is for. One that was made for something else, such as a commit, is none
/// for a policy.
pub const NAMESPACE: &str = "aegisbpf-policy";

/// A key or a signature is smaller; what is larger is not looked at.
pub const MOST_BYTES: usize = 16 * 1024;
