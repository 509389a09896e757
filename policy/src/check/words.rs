//! Values that are a single word or a short text.

use crate::diagnostic::{Code, Fault, quote};
use crate::plan::{Action, Anchors, Name, NameError, Operations, Severity, Signal};
use crate::syntax::choice;
use aegis_kernel_abi::Mode;
use toml::de::DeInteger;

/// The most bytes of a reason: it is a remark for people, not a document.
pub(super) const LONGEST_REASON: u32 = 256;

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
    found.ok_or_else(|| choice(Code::UnknownSeverity, "severity", text, Severity::all_words()))
}

pub(super) fn anchors(text: &str) -> Result<Anchors, Fault> {
    let found = Anchors::from_word(text);
    found.ok_or_else(|| choice(Code::UnknownAnchors, "way of anchoring", text, Anchors::all_words()))
}

pub(super) fn operation(text: &str) -> Result<Operations, Fault> {
    let found = Operations::from_word(text);
    found.ok_or_else(|| choice(Code::UnknownOperation, "operation", text, Operations::all_words()))
}

pub(super) fn reason(text: &str) -> Result<String, Fault> {
    let (cause, help) = if let Some(character) = text.chars().find(|character| character.is_control()) {
        let cause = format!("it contains {}", quote(&character.to_string()));
        (cause, "write it on one line, without tabs and control characters".to_owned())
    } else if text.len() > LONGEST_REASON as usize {
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

pub(super) fn action(text: &str) -> Result<Action, Fault> {
    Action::from_word(text).ok_or_else(|| choice(Code::UnknownAction, "action", text, Action::all_words()))
}

pub(super) fn signal(text: &str) -> Result<Signal, Fault> {
    Signal::from_word(text).ok_or_else(|| choice(Code::UnknownSignal, "signal", text, Signal::all_words()))
}

/// An integer of 32 bits.
pub(super) fn count(number: &DeInteger<'_>) -> Result<u32, Fault> {
    u32::from_str_radix(number.as_str(), number.radix()).map_err(|_| {
        Fault::new(Code::NumberTooBig, format!("{} is out of range", quote(number.as_str())))
            .label(format!("below 0 or above {}", u32::MAX))
            .help("check the number")
    })
}

/// The same, from 1.
pub(super) fn positive(number: &DeInteger<'_>) -> Result<u32, Fault> {
    count(number).ok().filter(|number| *number > 0).ok_or_else(|| {
        Fault::new(Code::BadEscalation, format!("{} is out of range", quote(number.as_str())))
            .label(format!("below 1 or above {}", u32::MAX))
            .help("write how many denials, and within how many seconds, such as 5 and 30")
    })
}

/// A technique of MITRE ATT&CK.
pub(super) fn mitre(text: &str) -> Result<String, Fault> {
    let (technique, part) = text.split_once('.').unwrap_or((text, "000"));
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if technique.strip_prefix('T').is_some_and(|number| digits(number, 4)) && digits(part, 3) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(Code::BadMitre, format!("{} is not a technique of MITRE ATT&CK", quote(text)))
        .label("not a T, four digits, and for a sub-technique a dot and three more")
        .help("write it as https://attack.mitre.org does, such as `T1003` or `T1003.008`"))
}

/// A moment, in seconds since 1970. Parts of a second are left out.
pub(super) fn moment(text: &str) -> Result<u64, Fault> {
    seconds(text).ok_or_else(|| {
        Fault::new(Code::BadExpiry, format!("{} is not a moment of the years 1970 to 9999", quote(text)))
            .label("date, time of day and offset from UTC are needed")
            .help("write it as `2030-12-31T00:00:00Z`")
    })
}

/// `2030-12-31T00:00:00Z`, with the offset of a time zone instead of the `Z` if there is one.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let behind = time.find(['Z', '+', '-'])?;
    let (time, offset) = time.split_at_checked(behind)?;
    let numbers = |text: &str, by: char| -> Option<Vec<u64>> {
        text.split(by).map(|number| number.split('.').next()?.parse().ok()).collect()
    };
    let offset = match offset.split_at_checked(1)? {
        ("Z", _) => 0,
        (sign, of_day) => {
            let [hours, minutes] = numbers(of_day, ':')?[..] else { return None };
            let seconds = i64::try_from(hours * 3_600 + minutes * 60).ok()?;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let [hour, minute, second] = numbers(time, ':')?[..] else { return None };
    let of_day = hour * 3_600 + minute * 60 + second;
    let seconds = (crate::moment::day(year, month, day)? * 86_400 + of_day).checked_sub_signed(offset)?;
    // In UTC it may be a moment of the next year, and years of five digits cannot be written.
    (seconds / 86_400 < crate::moment::day(10_000, 1, 1)?).then_some(seconds)
}
