//! What is a key, and how the others are refused.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod common;

use aegis_trust::{Key, Kind};
use common::{ALL, ECDSA, MINISIGN, RSA, SECRETS, SSH};

fn refused(text: &str) -> String {
    Key::parse(text).unwrap_err().to_string()
}

#[test]
fn keys_are_called_as_their_tools_call_them() {
    for vector in ALL {
        let key = Key::parse(vector.key).unwrap();
        assert_eq!(key.id(), vector.id);
        assert_eq!(key.to_text(), vector.key);
        let kind = if vector.name.starts_with("ssh") { Kind::Ssh } else { Kind::Minisign };
        assert_eq!(key.kind(), kind);
    }
    assert_eq!(Key::parse(SSH.key).unwrap().comment(), "one@example.org");
    assert_eq!(Key::parse(MINISIGN.key).unwrap().comment(), "minisign public key B04ECA292ED6D06D");
    assert_eq!((Kind::Ssh.word(), Kind::Minisign.word()), ("ssh", "minisign"));
}

#[test]
fn names_of_files_have_no_slashes() {
    assert_eq!(
        Key::parse(SSH.key).unwrap().file_name(),
        "SHA256-O9e5bC1SieMpypu_ptGi+ik3A9A5PqqtpLeCaw83iBI.pub"
    );
    assert_eq!(Key::parse(MINISIGN.key).unwrap().file_name(), "B04ECA292ED6D06D.pub");
}

#[test]
fn the_line_alone_is_a_key() {
    let line = MINISIGN.key.lines().nth(1).unwrap();
    for text in [line.to_owned(), format!("{line}\n"), format!("{line}\r\n\r\n")] {
        let key = Key::parse(&text).unwrap();
        assert_eq!((key.id().as_str(), key.comment()), (MINISIGN.id, ""));
    }
    let without_comment = SSH.key.replace(" one@example.org", "");
    let key = Key::parse(&without_comment).unwrap();
    assert_eq!((key.id().as_str(), key.comment()), (SSH.id, ""));
    assert_eq!(key.to_text(), without_comment);
    assert!(Key::parse(&MINISIGN.key.replace('\n', "\r\n")).is_ok());
}

/// The bytes behind the number of minisign, as a key of OpenSSH.
#[test]
fn two_forms_of_a_key_are_one_key() {
    let (minisign, ssh) = (Key::parse(MINISIGN.key).unwrap(), Key::parse(SSH.key).unwrap());
    assert_ne!(minisign, ssh);
    let again = Key::from_ed25519(&common::raw(MINISIGN.key), "one and\nthe same").unwrap();
    assert_eq!(again, minisign);
    assert_ne!(again.id(), minisign.id());
    assert_eq!(again.comment(), "one and the same");
    assert_eq!(Key::parse(&again.to_text()).unwrap(), minisign);
}

#[test]
fn what_is_no_key_is_refused_with_a_remedy() {
    let line = MINISIGN.key.lines().nth(1).unwrap();
    let shorter = line.get(..52).unwrap();
    let damaged = SSH.key.replacen("AAAA", "AAAB", 1);
    let rows: &[(&str, &str)] = &[
        ("", "it is empty; copy it again"),
        ("\n\n", "it is empty; copy it again"),
        ("key", "it is no public key; give the file `.pub` that"),
        ("two\nlines", "it is no public key; give the file `.pub` that"),
        (SECRETS[0], "it is a secret key; give the public one"),
        (SECRETS[0].lines().nth(1).unwrap(), "it is a secret key; give the public one"),
        (&"0aF9".repeat(32), "it is a secret key; give the public one"),
        (SECRETS[1], "it is a secret key; give the public one"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n", "it is a secret key"),
        (
            &"0aF9".repeat(16),
            "it is a key in hexadecimal digits, as the C++ AegisBPF has them; `aegisbpf policy import`",
        ),
        (shorter, "it looks like a key of minisign, but it is damaged"),
        ("untrusted comment: x", "it looks like a key of minisign, but it is damaged"),
        (&damaged, "it looks like a key of OpenSSH, but it is damaged"),
        ("ssh-ed25519", "it looks like a key of OpenSSH, but it is damaged"),
        (
            RSA.0,
            "its type is `ssh-rsa`, and only ssh-ed25519 is verified; make one with `ssh-keygen -t ed25519`",
        ),
        (ECDSA, "its type is `ecdsa-sha2-nistp256`, and only ssh-ed25519 is verified"),
        ("sk-ssh-ed25519@openssh.com AAAA", "its type is `sk-ssh-ed25519@openssh.com`, and only"),
        (
            &format!("{0}{0}", SSH.key),
            "there is more in it than one key; put each key into a file of its own",
        ),
        (
            &format!("{0}{0}", MINISIGN.key),
            "there is more in it than one key; put each key into a file of its own",
        ),
        (&"x".repeat(16_385), "it has 16385 bytes, 16384 are the most; is it the right file?"),
    ];
    for (text, why) in rows {
        let refused = refused(text);
        assert!(refused.starts_with(why), "{text:?}\n{refused}");
        assert!(refused.contains("; "), "no remedy: {refused}");
    }
}

/// Points of small order, of which anything can be claimed, and bytes that are no point.
#[test]
fn bytes_without_a_secret_key_are_no_key() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    for raw in [[0; 32], one, no_point, [0xff; 32]] {
        let refused = Key::from_ed25519(&raw, "").unwrap_err().to_string();
        assert!(refused.starts_with("no secret key can belong to it"), "{refused}");
    }
}
