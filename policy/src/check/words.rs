//! Values that are a single word or a short text.

use crate::diagnostic::{Code, Fault, quote};
use crate::plan::{Anchors, Name, NameError, Severity};
use crate::syntax::choice;
use aegis_kernel_abi::{Mode, Operations};

/// The most bytes of a reason: it is a remark for people, not a document.
const LONGEST_REASON: usize = 256;

/// The name of a policy or the id of a rule.
pub(super) fn name(text: &str) -> Result<Name, Fault> {
    Name::parse(text).map_err(|error| {
        let cause = match error {
            NameError::Character(character) => format!("it contains {}", quote(&character.to_string())),
            NameError::Empty | NameError::Long(_) => error.to_string(),
        };
        Fault::new(Code::BadName, format!("{} cannot be a name", quote(text))).label(cause).help(format!(
            "write 1 to {} letters, digits, dots, underscores and hyphens, without spaces or accents",
            Name::LONGEST
        ))
    })
}

pub(super) fn mode(text: &str) -> Result<Mode, Fault> {
    let found = Mode::ALL.iter().copied().find(|mode| mode.word() == text);
    found.ok_or_else(|| choice(Code::UnknownMode, "mode", text, Mode::ALL.iter().map(|mode| mode.word())))
}

pub(super) fn severity(text: &str) -> Result<Severity, Fault> {
    let found = Severity::from_word(text);
    found.ok_or_else(|| choice(Code::UnknownSeverity, "severity", text, Severity::ALL.map(Severity::word)))
}

pub(super) fn anchors(text: &str) -> Result<Anchors, Fault> {
    let found = Anchors::from_word(text);
    found.ok_or_else(|| {
        choice(Code::UnknownAnchors, "way of anchoring", text, Anchors::ALL.map(Anchors::word))
    })
}

pub(super) fn operation(text: &str) -> Result<Operations, Fault> {
    let found = Operations::from_word(text);
    found.ok_or_else(|| choice(Code::UnknownOperation, "operation", text, Operations::all_words()))
}

pub(super) fn reason(text: &str) -> Result<String, Fault> {
    let (cause, help) = if let Some(character) = text.chars().find(|character| character.is_control()) {
        let cause = format!("it contains {}", quote(&character.to_string()));
        (cause, "write it on one line, without tabs and control characters".to_owned())
    } else if text.len() > LONGEST_REASON {
        let help = format!("shorten it to {LONGEST_REASON} bytes; details can go into a comment");
        (format!("it has {} bytes", text.len()), help)
    } else {
        return Ok(text.to_owned());
    };
    Err(Fault::new(Code::BadReason, "this text cannot be a reason").label(cause).help(help))
}

/// A warning for lists: what comes again counts once.
pub(super) fn repeated(text: &str) -> Fault {
    Fault::new(Code::Repeated, format!("{} is listed twice", quote(text)))
        .label("counts once")
        .help("remove one of the two")
}
