//! Who has signed, how many must have, and how the others are refused.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use aegis_trust::{Flaw, Given, Key, Signature, Trust, verify};
use common::{
    ALL, LEGACY, MINISIGN, MINISIGN_TWO, OTHER_NAMESPACE, OURS, POLICY, RSA, SHA256, SSH, SSH_TWO, Vector,
    counts, keys, signed, trust,
};
use std::num::NonZeroU8;

const MESSAGE: &[u8] = POLICY.as_bytes();

#[test]
fn each_signature_is_by_its_key_alone() {
    for by in ALL {
        assert_eq!(Signature::parse(by.signature).unwrap().key_id(), by.id);
        for key in ALL {
            assert_eq!(
                counts(key.key, MESSAGE, by.signature),
                by.id == key.id,
                "{} by {}",
                by.name,
                key.name
            );
        }
    }
    assert!(counts(OURS.key, MESSAGE, OURS.signature), "what `aegisbpf policy sign` makes");
    assert!(counts(SSH.key, MESSAGE, SHA256), "either digest of OpenSSH");
}

#[test]
fn enough_different_keys_must_have_signed() {
    for threshold in 1..=4_u8 {
        let trust = trust(keys(&ALL), threshold);
        for have in 0..=4 {
            let texts: Vec<&str> = ALL.iter().take(have).map(|vector| vector.signature).collect();
            let outcome = signed(&trust, MESSAGE, &texts);
            assert_eq!(outcome.is_ok(), have >= usize::from(threshold), "{have} of {threshold}");
            let signers = outcome.unwrap_or_else(|refusal| refusal.signers);
            assert_eq!(signers.len(), have);
        }
    }
}

#[test]
fn order_means_nothing() {
    let trust = trust(keys(&ALL), 3);
    let straight = [SSH.signature, "rubbish", MINISIGN.signature, SSH_TWO.signature];
    let mut other = straight;
    let ids = |texts: &[&str]| {
        let signers = signed(&trust, MESSAGE, texts).unwrap();
        signers.iter().map(|signer| signer.key.id()).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        other.rotate_left(1);
        assert_eq!(ids(&other), ids(&straight));
        other.reverse();
        assert_eq!(ids(&other), ids(&straight));
        other.reverse();
    }
}

#[test]
fn who_signs_twice_counts_once() {
    let trust_two = trust(keys(&[&SSH, &MINISIGN]), 2);
    for texts in [[SSH.signature, SSH.signature], [SSH.signature, SHA256]] {
        let refusal = signed(&trust_two, MESSAGE, &texts).unwrap_err();
        assert_eq!(refusal.rejected[0].flaw, Flaw::Repeated(SSH.id.to_owned()));
    }
    // The same secret key, as minisign and as OpenSSH has it, is one of two.
    let twice = vec![
        Key::parse(MINISIGN.key).unwrap(),
        Key::from_ed25519(&common::raw(MINISIGN.key), "").unwrap(),
        Key::parse(MINISIGN.key).unwrap(),
    ];
    let too_few = Trust::new(twice, NonZeroU8::new(2).unwrap()).unwrap_err();
    assert_eq!(too_few, Flaw::TooFewKeys { keys: 1, threshold: 2 });
}

#[test]
fn more_than_there_are_keys_cannot_sign() {
    let none = Trust::new(Vec::new(), NonZeroU8::MIN).unwrap_err().to_string();
    assert_eq!(
        none,
        "1 trusted key(s) must have signed, and there are only 0; add keys with `aegisbpf keys add`, or lower trust.threshold"
    );
    assert!(Trust::new(keys(&ALL), NonZeroU8::new(5).unwrap()).is_err());
}

/// Two keys with one number: minisign draws them, and anybody can draw the same.
#[test]
fn a_number_of_minisign_names_no_key() {
    let mut line = common::decoded(MINISIGN_TWO.key.lines().nth(1).unwrap());
    let number = common::decoded(MINISIGN.key.lines().nth(1).unwrap());
    line[2..10].copy_from_slice(&number[2..10]);
    let impostor = Key::parse(&common::encoded(&line)).unwrap();
    assert_eq!(impostor.id(), MINISIGN.id);
    let rightful = Key::parse(MINISIGN.key).unwrap();
    let both = trust(vec![impostor.clone(), rightful.clone()], 1);
    let signers = signed(&both, MESSAGE, &[MINISIGN.signature]).unwrap();
    assert_eq!(signers[0].key, rightful);
    let refusal = signed(&trust(vec![impostor], 1), MESSAGE, &[MINISIGN.signature]).unwrap_err();
    assert_eq!(refusal.rejected[0].flaw, Flaw::Unfit(MINISIGN.id.to_owned()));
}

#[test]
fn what_does_not_count_is_told_with_a_remedy() {
    let block = SSH.signature.trim_end();
    let cut: String = block.lines().filter(|line| !line.contains("END")).collect::<Vec<_>>().join("\n");
    let four = MINISIGN.signature.trim_end();
    let rows: &[(&str, &str)] = &[
        ("", "it is empty; copy it again"),
        (
            "rubbish",
            "it is no signature; sign with `aegisbpf policy sign`, `minisign -S` or `ssh-keygen -Y sign -n aegisbpf-policy`",
        ),
        (&format!(" {block}"), "it is no signature; sign with"),
        (MINISIGN.key, "it looks like a signature of minisign, but it is damaged; copy or make it again"),
        (
            LEGACY,
            "it is in the old form of minisign, which is not accepted; sign again with `minisign -S -H`",
        ),
        (
            OTHER_NAMESPACE,
            "it was made for `file`, not for `aegisbpf-policy`; sign again with `ssh-keygen -Y sign -n aegisbpf-policy`",
        ),
        (RSA.1, "its type is `ssh-rsa`, and only ssh-ed25519 is verified"),
        (&cut, "it looks like a signature of OpenSSH, but it is damaged"),
        (
            &format!("{block}\n{block}\n"),
            "there is more in it than one signature; put each signature into a file of its own",
        ),
        (&format!("{block}\ntrailing"), "there is more in it than one signature"),
        (&format!("{four}\n{four}\n"), "there is more in it than one signature"),
        (&format!("{four}\ntrailing"), "there is more in it than one signature"),
        (&"x".repeat(16_385), "it has 16385 bytes, 16384 are the most; is it the right file?"),
        (
            MINISIGN_TWO.signature,
            "it is by the key 4D8B08EE2622E3DB, which is not trusted; is that key to be trusted, add it with `aegisbpf keys add`",
        ),
        (
            SSH_TWO.signature,
            "it is by the key SHA256:bUdLEDRiFb9lrW7NOR6AhM5HnULQyd7VuDr3SVx/clA, which is not trusted",
        ),
    ];
    let trust = trust(keys(&[&MINISIGN, &SSH]), 1);
    for (text, why) in rows {
        let refusal = signed(&trust, MESSAGE, &[text]).unwrap_err();
        let told = refusal.rejected[0].flaw.to_string();
        assert!(told.starts_with(why), "{text:?}\n{told}");
        assert!(told.contains("; "), "no remedy: {told}");
    }
    let unfit = signed(&trust, b"version = 3", &[SSH.signature]).unwrap_err();
    let why = format!(
        "it says that it is by the key {}, but does not fit this policy; sign the policy again",
        SSH.id
    );
    assert!(unfit.rejected[0].flaw.to_string().starts_with(&why));
}

#[test]
fn a_refusal_tells_of_each_signature() {
    let trust = trust(keys(&[&MINISIGN, &SSH]), 2);
    let given = |name, text| Given { name, text };
    let signatures = [
        given("p.minisig", MINISIGN.signature),
        given("p.two.minisig", MINISIGN_TWO.signature),
        given("p.\u{1b}.sig", "x"),
    ];
    let told = verify(&trust, MESSAGE, &signatures).unwrap_err().to_string();
    assert_eq!(
        told,
        "1 trusted key(s) have signed the policy, 2 must have\n  \
         p.minisig: good, by the key B04ECA292ED6D06D\n  \
         p.two.minisig: it is by the key 4D8B08EE2622E3DB, which is not trusted; is that key to be trusted, add it with \
         `aegisbpf keys add`\n  \
         p.\\u{1b}.sig: it is no signature; sign with `aegisbpf policy sign`, `minisign -S` or `ssh-keygen -Y sign -n \
         aegisbpf-policy`"
    );
    let none = verify(&trust, MESSAGE, &[]).unwrap_err().to_string();
    assert_eq!(
        none,
        "0 trusted key(s) have signed the policy, 2 must have; there is no signature: sign it with `aegisbpf policy sign`, \
         and keep what that writes beside it"
    );
}

/// One key at least, as the type says.
#[test]
fn nobody_is_never_enough() {
    assert_eq!(NonZeroU8::new(0), None);
    let empty: [&Vector; 0] = [];
    assert!(Trust::new(keys(&empty), NonZeroU8::MIN).is_err());
}
