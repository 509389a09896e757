//! Every byte of a message, a signature and a key, changed. What then still counts is exactly what means nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{ALL, MINISIGN, MINISIGN_TWO, POLICY, SSH, counts, decoded, encoded};

const MESSAGE: &[u8] = POLICY.as_bytes();
const COMMENT: &str = "untrusted comment: ";

/// Each byte with one bit changed, and what could be taken for something that means nothing.
fn others(byte: u8) -> impl Iterator<Item = u8> {
    let bits = (0..8).map(move |bit| byte ^ 1 << bit);
    bits.chain(*b"\n\r \tA=").filter(move |other| *other != byte)
}

/// Tries each change at each position. What is no text never gets as far as here.
fn every_change(text: &str, mut check: impl FnMut(&str, usize, u8)) {
    for (at, byte) in text.bytes().enumerate() {
        for other in others(byte) {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = other;
            if let Ok(changed) = String::from_utf8(changed) {
                check(&changed, at, other);
            }
        }
    }
}

/// Whether a byte can be another one without that anything changes: the text of an untrusted comment, as long as it stays
/// one line, and the last line end, as long as it stays one.
fn means_nothing(text: &str, at: usize, other: u8) -> bool {
    if at + 1 == text.len() {
        return other == b'\r';
    }
    text.starts_with(COMMENT) && (COMMENT.len()..end_of_first(text)).contains(&at) && other != b'\n'
}

fn end_of_first(text: &str) -> usize {
    text.find('\n').unwrap()
}

#[test]
fn every_byte_of_a_message_counts() {
    for vector in ALL {
        let mut changed = MESSAGE.to_vec();
        for at in 0..MESSAGE.len() {
            for other in others(MESSAGE[at]) {
                changed[at] = other;
                assert!(!counts(vector.key, &changed, vector.signature), "{}: {at} {other}", vector.name);
            }
            changed[at] = MESSAGE[at];
            assert!(!counts(vector.key, &MESSAGE[..at], vector.signature), "{}: cut at {at}", vector.name);
        }
        assert!(!counts(vector.key, &[MESSAGE, b"\n"].concat(), vector.signature));
        assert!(!counts(vector.key, &[b"\n", MESSAGE].concat(), vector.signature));
        assert!(counts(vector.key, &changed, vector.signature), "nothing is changed any more");
    }
}

#[test]
fn every_byte_of_a_signature_counts() {
    for vector in ALL {
        every_change(vector.signature, |changed, at, other| {
            let good = counts(vector.key, MESSAGE, changed);
            let nothing = means_nothing(vector.signature, at, other);
            assert_eq!(good, nothing, "{}: {at} {:?}", vector.name, char::from(other));
        });
    }
}

/// The comment of a key of OpenSSH means nothing as long as it stays on its line; a line end there is none behind it.
#[test]
fn every_byte_of_a_key_counts() {
    for vector in ALL {
        every_change(vector.key, |changed, at, other| {
            let good = counts(changed, MESSAGE, vector.signature);
            let comment = vector.key.rfind(' ').unwrap();
            let stays = other != b'\n' || at + 2 == vector.key.len();
            let ssh = vector.name.starts_with("ssh") && at > comment && stays;
            let nothing = means_nothing(vector.key, at, other) || ssh;
            assert_eq!(good, nothing, "{}: {at} {:?}", vector.name, char::from(other));
        });
    }
}

#[test]
fn what_is_cut_or_added_does_not_count() {
    for vector in ALL {
        let whole = vector.signature.trim_end();
        for at in 0..whole.len() {
            assert!(!counts(vector.key, MESSAGE, &whole[..at]), "{}: cut at {at}", vector.name);
            let without = format!("{}{}", &whole[..at], &whole[at + 1..]);
            let comment = whole.starts_with(COMMENT) && (COMMENT.len()..end_of_first(whole)).contains(&at);
            let cut = whole.starts_with('-') && whole.as_bytes()[at] == b'\n' && is_body(whole, at);
            assert_eq!(
                counts(vector.key, MESSAGE, &without),
                comment || cut,
                "{}: without {at}",
                vector.name
            );
        }
        assert!(counts(vector.key, MESSAGE, &format!("{whole}\n\r\n\n")), "line ends behind it");
        assert!(counts(vector.key, MESSAGE, &whole.replace('\n', "\r\n")), "line ends of another system");
        assert!(!counts(vector.key, MESSAGE, &format!("{whole} ")));
        assert!(!counts(vector.key, MESSAGE, &format!("\n{whole}")));
    }
}

/// Not behind the first line and not before the last: how the armor of OpenSSH is cut into lines means nothing.
fn is_body(text: &str, at: usize) -> bool {
    at > end_of_first(text) && at < text.rfind('\n').unwrap()
}

/// Lines of minisign are signed together: none fits in another place or beside those of another signature.
#[test]
fn lines_of_minisign_cannot_be_moved() {
    let (one, two): (Vec<&str>, Vec<&str>) =
        (MINISIGN.signature.lines().collect(), MINISIGN_TWO.signature.lines().collect());
    for choice in 1..16_usize {
        let lines: Vec<&str> =
            (0..4).map(|line| if choice >> line & 1 == 1 { two[line] } else { one[line] }).collect();
        let text = lines.join("\n");
        // The untrusted comments are the same.
        assert_eq!(counts(MINISIGN.key, MESSAGE, &text), choice == 1, "{choice}");
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)] {
        let mut lines = one.clone();
        lines.swap(a, b);
        assert!(!counts(MINISIGN.key, MESSAGE, &lines.join("\n")), "{a} for {b}");
    }
    let (head, global) = (decoded(one[1]), decoded(one[3]));
    let swapped = [&head[..10], global.as_slice()].concat();
    let text = [one[0], &encoded(&swapped), one[2], &encoded(&head[10..])].join("\n");
    assert!(!counts(MINISIGN.key, MESSAGE, &text), "one signature in the place of the other");
    // What is signed for the comment are the first signature and the comment: no byte goes from one into the other.
    let moved = [one[0], one[1], &one[2].replacen("comment: p", "comment: ", 1), one[3]].join("\n");
    assert!(!counts(MINISIGN.key, &[b"p", MESSAGE].concat(), &moved));
    assert!(!counts(MINISIGN.key, MESSAGE, &moved));
}

/// The number in the second half of a signature of Ed25519 could be larger by the order of the curve, and fit the same. It
/// would be a signature that nobody made.
#[test]
fn a_signature_has_one_number() {
    let lines: Vec<&str> = MINISIGN.signature.lines().collect();
    let mut first = decoded(lines[1]);
    add_order(&mut first[42..74]);
    assert!(!counts(MINISIGN.key, MESSAGE, &[lines[0], &encoded(&first), lines[2], lines[3]].join("\n")));
    let mut global = decoded(lines[3]);
    add_order(&mut global[32..64]);
    assert!(!counts(MINISIGN.key, MESSAGE, &[lines[0], lines[1], lines[2], &encoded(&global)].join("\n")));

    let body: String = SSH.signature.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = decoded(&body);
    let mut fields = fields(&bytes[10..]);
    let last = fields.last_mut().unwrap();
    let from = last.len() - 32;
    add_order(&mut last[from..]);
    assert!(!counts(SSH.key, MESSAGE, &block(&bytes[..10], &fields)));
}

fn add_order(number: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in number.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
    }
}

/// The fields of OpenSSH say how long they are: no byte goes from one into the next.
#[test]
fn bytes_of_openssh_cannot_be_moved() {
    let body: String = SSH.signature.lines().filter(|line| !line.starts_with('-')).collect();
    let bytes = decoded(&body);
    let (head, fields) = (&bytes[..10], fields(&bytes[10..]));
    assert_eq!(fields.len(), 5, "key, namespace, reserved, digest, signature");
    assert!(counts(SSH.key, MESSAGE, &block(head, &fields)));
    for at in 0..fields.len() - 1 {
        let mut forth = fields.clone();
        if let Some(byte) = forth[at].pop() {
            forth[at + 1].insert(0, byte);
            assert!(!counts(SSH.key, MESSAGE, &block(head, &forth)), "from {at} on");
        }
        let mut back = fields.clone();
        if !back[at + 1].is_empty() {
            let byte = back[at + 1].remove(0);
            back[at].push(byte);
            assert!(!counts(SSH.key, MESSAGE, &block(head, &back)), "back to {at}");
        }
    }
    for at in 0..fields.len() {
        let mut longer = fields.clone();
        longer[at].push(0);
        assert!(!counts(SSH.key, MESSAGE, &block(head, &longer)), "more in {at}");
    }
    let more = [fields, vec![Vec::new()]].concat();
    assert!(!counts(SSH.key, MESSAGE, &block(head, &more)), "one more");
}

fn fields(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
        fields.push(behind[..length].to_vec());
        rest = &behind[length..];
    }
    fields
}

fn block(head: &[u8], fields: &[Vec<u8>]) -> String {
    let mut bytes = head.to_vec();
    for field in fields {
        bytes.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
        bytes.extend(field);
    }
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", encoded(&bytes))
}
