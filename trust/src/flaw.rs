//! What can be wrong with a key, a signature or a set of keys, and what to do about it.

use crate::{MOST_BYTES, NAMESPACE};

/// Why a text is no key or no signature, why a signature does not count, or why nobody can sign enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Somebody's secret.
    #[error(
        "it is a secret key; give the public one, whose file mostly ends in `.pub`, and keep this one to yourself"
    )]
    SecretKey,
    /// Bare bytes in hexadecimal digits.
    #[error(
        "it is a key in hexadecimal digits, as the C++ AegisBPF has them; `aegisbpf policy import` converts these"
    )]
    HexKey,
    /// Larger than anything that is meant.
    #[error("it has {0} bytes, {MOST_BYTES} are the most; is it the right file?")]
    TooLarge(usize),
    /// Nothing is in it.
    #[error("it is empty; copy it again")]
    Empty,
    /// Another kind of text.
    #[error(
        "it is no public key; give the file `.pub` that `aegisbpf keys generate`, `minisign -G` or `ssh-keygen -t \
         ed25519` has made"
    )]
    NoKey,
    /// A text with two keys, or with something behind the key.
    #[error("there is more in it than one key; put each key into a file of its own")]
    MoreThanOneKey,
    /// The key is not whole.
    #[error("it looks like a key of {0}, but it is damaged; copy it again from whoever made it")]
    DamagedKey(&'static str),
    /// A kind of key that nothing is verified with here.
    #[error("its type is {0}, and only ssh-ed25519 is verified; make one with `ssh-keygen -t ed25519`")]
    Algorithm(String),
    /// Bytes that no secret key belongs to.
    #[error(
        "no secret key can belong to it, so anybody could have signed; ask whoever made it for a new one"
    )]
    Weak,

    /// Another kind of text.
    #[error(
        "it is no signature; sign with `aegisbpf policy sign`, `minisign -S` or `ssh-keygen -Y sign -n {NAMESPACE}`"
    )]
    NoSignature,
    /// A text with two signatures, or with something behind the signature.
    #[error("there is more in it than one signature; put each signature into a file of its own")]
    MoreThanOneSignature,
    /// The signature is not whole.
    #[error("it looks like a signature of {0}, but it is damaged; copy or make it again")]
    DamagedSignature(&'static str),
    /// The form of old versions of minisign, without a digest.
    #[error("it is in the old form of minisign, which is not accepted; sign again with `minisign -S -H`")]
    Legacy,
    /// Made for another purpose.
    #[error(
        "it was made for {0}, not for `{NAMESPACE}`; sign again with `ssh-keygen -Y sign -n {NAMESPACE}`"
    )]
    Namespace(String),
    /// By somebody else.
    #[error(
        "it is by the key {0}, which is not trusted; is that key to be trusted, add it with `aegisbpf keys add`"
    )]
    Unknown(String),
    /// For other bytes.
    #[error(
        "it says that it is by the key {0}, but does not fit this policy; sign the policy again if nobody was to change it"
    )]
    Unfit(String),
    /// Who has signed already.
    #[error("it is by the key {0}, which has signed already and counts once; have somebody else sign")]
    Repeated(String),

    /// Nobody can sign enough.
    #[error(
        "{threshold} trusted key(s) must have signed, and there are only {keys}; add keys with `aegisbpf keys add`, or \
         lower trust.threshold"
    )]
    TooFewKeys {
        /// How many different ones there are.
        keys: usize,
        /// How many must have signed.
        threshold: u8,
    },
}
