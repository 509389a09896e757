//! Labels. The fields of [`Label`] are private and it can be made from the types below alone, each of which has few
//! values: whoever wants to put a text into one must come here first.

use crate::reload::Outcome;
use aegis_control_api::Posture;
use aegis_kernel_abi::{Class, GapReason, Hook, Kind, Mode, Reason, Verdict};
use aegis_probes::Table;
use aegis_supervisor::State;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelKey, EncodeLabelValue, LabelEncoder};
use std::fmt::{Error, Write};

/// A label: its name, and one of few values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    name: &'static str,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Word(&'static str),
    Digest([u8; DIGEST]),
}

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

impl EncodeLabel for Label {
    fn encode(&self, mut encoder: LabelEncoder) -> Result<(), Error> {
        let mut key = encoder.encode_label_key()?;
        EncodeLabelKey::encode(&self.name, &mut key)?;
        let mut value = key.encode_label_value()?;
        match &self.value {
            Value::Word(word) => EncodeLabelValue::encode(word, &mut value)?,
            Value::Digest(digest) => digest.iter().try_for_each(|byte| write!(value, "{byte:02x}"))?,
        }
        value.finish()
    }
}

/// Makes labels from enums that have a word for each value.
macro_rules! labels {
    ($($kind:ty => $name:literal),* $(,)?) => {
        $(impl From<$kind> for Label {
            fn from(one: $kind) -> Self {
                Self { name: $name, value: Value::Word(one.word()) }
            }
        })*
    };
}

labels! {
    Class => "class",
    Hook => "hook",
    Verdict => "verdict",
    Posture => "posture",
    Mode => "mode",
    Kind => "kind",
    Reason => "reason",
    GapReason => "reason",
    State => "state",
    Part => "part",
    Queue => "queue",
    Outcome => "result",
    Table => "table",
    Version => "version",
}

/// The digest of a plan. There is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanDigest([u8; DIGEST]);

impl PlanDigest {
    /// Out of its hexadecimal digits; `None` if it is anything else.
    pub(super) fn parse(hex: &str) -> Option<Self> {
        let mut digest = [0; DIGEST];
        if hex.len() != 2 * DIGEST || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl From<PlanDigest> for Label {
    fn from(PlanDigest(digest): PlanDigest) -> Self {
        Self { name: "plan_digest", value: Value::Digest(digest) }
    }
}

/// One of few out of its word; `None` if there is no such one.
pub(super) fn find<T: Copy>(all: &[T], word: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| word(*one) == text)
}

/// The version of this program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version;

impl Version {
    fn word(self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// Enums of words that only metrics have.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($one:ident => $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($one),* }

        impl $name {
            /// Each of them.
            pub(super) const ALL: &[Self] = &[$(Self::$one),*];

            /// As it is written.
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$one => $word),* }
            }
        }
    };
}

words! {
    /// A part of the daemon, by its path in the tree.
    Part {
        Loader => "loader",
        Spool => "spool",
        PolicyWatcher => "policy_watcher",
        Sinks => "sinks",
        Stdout => "sinks/stdout",
        EventsFile => "sinks/events_file",
        Pipeline => "pipeline",
        Router => "pipeline/router",
        RingbufReader => "pipeline/ringbuf_reader",
        Control => "control",
        Health => "health",
    }
}

words! {
    /// A queue whose depth a part shows.
    Queue {
        Router => "to_route",
        Stdout => "to_stdout",
        EventsFile => "to_events_file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No label holds a `String` or borrows from one: whatever is in it was there when this was compiled, or is a digest.
    #[test]
    fn labels_hold_no_text_of_others() {
        fn check<T: Copy + 'static>() {}
        check::<Label>();
    }

    #[test]
    fn only_digests_are_digests() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            PlanDigest::parse(&digest).map(|PlanDigest(bytes)| bytes[..2].to_vec()),
            Some(vec![1, 0x23])
        );
        for wrong in [
            "",
            "ab",
            &digest[1..],
            &digest.replace('a', "+"),
            &digest.replace("ab", "ä"),
            &format!("{digest}0"),
        ] {
            assert_eq!(PlanDigest::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_known_words_are_taken() {
        let part = |text| find(Part::ALL, Part::word, text);
        assert_eq!(part("sinks/stdout"), Some(Part::Stdout));
        for wrong in ["", "sinks/", "/etc/shadow", "stdout"] {
            assert_eq!(part(wrong), None, "{wrong:?}");
        }
    }
}
