//! The hash of names is SipHash-1-3.

use aegis_decide::{NAME_MAX, name_hash};
use siphasher::sip::SipHasher13;
use std::collections::HashSet;
use std::hash::Hasher;

const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

fn published(key: [u64; 2], name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key[0], key[1]);
    hasher.write(name);
    hasher.finish()
}

#[test]
fn equals_the_published_hash() {
    let bytes: Vec<u8> = (0..=u8::MAX).map(|byte| byte.wrapping_mul(37).wrapping_add(1)).collect();
    for length in 1..=NAME_MAX {
        for name in [&bytes[..length], &vec![0xff; length], &vec![b'a'; length]] {
            assert_eq!(name_hash(KEY, name), Some(published(KEY, name)), "{length} bytes");
        }
    }
}

/// Published values: the bytes 0, 1, 2 … under the key of the bytes 0 to 15.
#[test]
fn known_answers() {
    let rows: [(usize, [u8; 8]); 3] = [
        (1, [0x93, 0xca, 0x57, 0x7d, 0xf3, 0x9b, 0xf4, 0xc9]),
        (8, [0x8e, 0x9a, 0x29, 0x8d, 0x11, 0x95, 0x90, 0x36]),
        (15, [0x56, 0x99, 0x51, 0x2a, 0x6d, 0xd8, 0x20, 0xd3]),
    ];
    for (length, hash) in rows {
        let name: Vec<u8> = (0..).take(length).collect();
        assert_eq!(name_hash(KEY, &name), Some(u64::from_le_bytes(hash)), "{length} bytes");
    }
}

#[test]
fn the_key_counts() {
    let keys = [KEY, [KEY[0] ^ 1, KEY[1]], [KEY[0], KEY[1] ^ 1], [0, 0], [KEY[1], KEY[0]]];
    let hashes: HashSet<Option<u64>> = keys.iter().map(|key| name_hash(*key, b"shadow")).collect();
    assert_eq!(hashes.len(), keys.len());
}

#[test]
fn what_is_no_name_has_no_hash() {
    for (length, is_name) in [(0, false), (1, true), (NAME_MAX, true), (NAME_MAX + 1, false), (4096, false)] {
        assert_eq!(name_hash(KEY, &vec![b'a'; length]).is_some(), is_name, "{length} bytes");
    }
}

/// Bytes that are not there count as well: a name is not the same with zeros behind it.
#[test]
fn the_length_counts() {
    let hashes: HashSet<Option<u64>> = (1..=16).map(|length| name_hash(KEY, &vec![0; length])).collect();
    assert_eq!(hashes.len(), 16);
}
