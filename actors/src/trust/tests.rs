use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

const ONE: &str = include_str!("../../../trust/tests/vectors/minisign-one.pub");
const TWO: &str = include_str!("../../../trust/tests/vectors/ssh-two.pub");
const SECRET: &str = include_str!("../../../trust/tests/vectors/minisign-one.key");
const SIGNATURE: &str = include_str!("../../../trust/tests/vectors/minisign-one.minisig");

/// A directory with two keys, in one that is ours alone.
struct Keys(TempDir);

impl Keys {
    fn make() -> Self {
        let keys = Self(TempDir::new().unwrap());
        fs::create_dir_all(keys.path("above/keys")).unwrap();
        for directory in ["above", "above/keys"] {
            keys.mode(directory, 0o755);
        }
        keys.write("above/keys/one.pub", ONE);
        keys.write("above/keys/two.pub", TWO);
        keys
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o644);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self) -> Result<Vec<(PathBuf, Key)>, TrustError> {
        trusted_keys(&self.path("above/keys"))
    }

    /// Refused with this, and the name of what is meant.
    fn refused(&self, name: &str, why: &str) {
        let told = self.read().unwrap_err().to_string();
        assert!(told.contains(why) && told.contains(&self.path(name).display().to_string()), "{why}: {told}");
    }
}

#[test]
fn keys_are_read_in_the_order_of_their_names() {
    let keys = Keys::make();
    keys.write("above/keys/README", "no key");
    keys.write("above/keys/.half.pub", "no key");
    let read = keys.read().unwrap();
    let names: Vec<_> = read.iter().map(|(path, key)| (path.clone(), key.id())).collect();
    let two = Key::parse(TWO).unwrap().id();
    assert_eq!(
        names,
        [
            (keys.path("above/keys/one.pub"), "B04ECA292ED6D06D".to_owned()),
            (keys.path("above/keys/two.pub"), two)
        ]
    );
}

#[test]
fn a_directory_that_is_not_there_has_no_keys() {
    let keys = Keys::make();
    assert!(trusted_keys(&keys.path("above/nothing")).unwrap().is_empty());
    assert!(trusted_keys(&keys.path("nothing/keys")).unwrap().is_empty());
}

#[test]
fn what_others_can_change_is_refused() {
    for (name, mode) in [
        ("above/keys", 0o777),
        ("above/keys", 0o775),
        ("above/keys", 0o1777),
        ("above", 0o757),
        ("above", 0o775),
        ("above/keys/two.pub", 0o664),
        ("above/keys/two.pub", 0o646),
    ] {
        let keys = Keys::make();
        keys.mode(name, mode);
        keys.refused(name, "others than root can change");
    }
    // As /tmp is: nobody can rename what is ours in it.
    let keys = Keys::make();
    keys.mode("above", 0o1777);
    assert_eq!(keys.read().unwrap().len(), 2);
}

/// Only root can give files away.
#[test]
fn what_belongs_to_others_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root");
        return;
    }
    for name in ["above", "above/keys", "above/keys/one.pub"] {
        let keys = Keys::make();
        std::os::unix::fs::chown(keys.path(name), Some(65_534), None).unwrap();
        keys.refused(name, "others than root can change");
    }
}

#[test]
fn links_are_refused_wherever_they_are() {
    let keys = Keys::make();
    symlink(keys.path("above/keys/one.pub"), keys.path("above/keys/link.pub")).unwrap();
    keys.refused("above/keys/link.pub", "is a link");

    let keys = Keys::make();
    fs::rename(keys.path("above/keys"), keys.path("above/real")).unwrap();
    symlink(keys.path("above/real"), keys.path("above/keys")).unwrap();
    keys.refused("above/keys", "is a link or no directory");

    let keys = Keys::make();
    fs::rename(keys.path("above"), keys.path("real")).unwrap();
    symlink(keys.path("real"), keys.path("above")).unwrap();
    keys.refused("above", "is a link or no directory");
}

/// None of these keeps whoever reads keys waiting.
#[test]
fn what_is_no_file_is_refused() {
    let keys = Keys::make();
    let fifo = keys.path("above/keys/fifo.pub");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    keys.refused("above/keys/fifo.pub", "is no regular file");

    let keys = Keys::make();
    fs::create_dir(keys.path("above/keys/directory.pub")).unwrap();
    keys.refused("above/keys/directory.pub", "is no regular file");

    let keys = Keys::make();
    let _listener = std::os::unix::net::UnixListener::bind(keys.path("above/keys/s.pub")).unwrap();
    keys.refused("above/keys/s.pub", "is a socket");

    let keys = Keys::make();
    keys.write("above/file", "");
    let told = trusted_keys(&keys.path("above/file")).unwrap_err().to_string();
    assert!(told.contains("no directory"), "{told}");
}

#[test]
fn one_that_is_no_key_leaves_none() {
    let large = "x".repeat(20_000);
    for (text, why) in [
        ("rubbish", "it is no public key"),
        (SECRET, "it is a secret key"),
        (large.as_str(), "it has 16385 bytes"),
        ("", "it is empty"),
    ] {
        let keys = Keys::make();
        keys.write("above/keys/wrong.pub", text);
        keys.refused("above/keys/wrong.pub", why);
        keys.refused("above/keys/wrong.pub", "No key is trusted until");
    }
    let keys = Keys::make();
    keys.write("above/keys/bytes.pub", b"\xff\xfe");
    keys.refused("above/keys/bytes.pub", "it is no public key");
}

#[test]
fn too_many_keys_are_another_directory() {
    let keys = Keys::make();
    for number in 0..MOST_KEYS {
        keys.write(&format!("above/keys/{number}.pub"), ONE);
    }
    keys.refused("above/keys", "has more than 256 keys");
}

#[test]
fn signatures_are_found_by_their_names() {
    let keys = Keys::make();
    keys.write("policy.toml", "");
    for name in [
        "policy.toml.minisig",
        "policy.toml.sig",
        "policy.toml.alice.minisig",
        "policy.toml.b.c.sig",
        "policy.toml.bad.sig",
    ] {
        keys.write(name, SIGNATURE);
    }
    keys.write("policy.toml.bad.sig", b"\xff");
    for other in
        ["policy.tomlsig", "policy.toml.txt", "policy.toml.sig.txt", "other.toml.sig", "policy.minisig"]
    {
        keys.write(other, "not asked for");
    }
    let found = signatures_beside(&keys.path("policy.toml")).unwrap();
    let names: Vec<_> = found.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "policy.toml.alice.minisig",
            "policy.toml.b.c.sig",
            "policy.toml.bad.sig",
            "policy.toml.minisig",
            "policy.toml.sig"
        ]
    );
    for (name, text) in found {
        let expected = if name.ends_with("bad.sig") { "\u{fffd}" } else { SIGNATURE };
        assert_eq!(text, expected, "{name}");
    }
    assert!(signatures_beside(&keys.path("above/policy.toml")).unwrap().is_empty());
    assert!(signatures_beside(&keys.path("nothing/policy.toml")).is_err());
    assert!(signatures_beside(Path::new("/")).is_err());
}

#[test]
fn signatures_have_bounds() {
    let keys = Keys::make();
    for number in 0..MOST_SIGNATURES {
        keys.write(&format!("p.{number}.sig"), "x".repeat(100_000));
    }
    let found = signatures_beside(&keys.path("p")).unwrap();
    assert!(found.iter().all(|(_, text)| text.len() == MOST_BYTES + 1), "so that it is seen to be too large");
    keys.write("p.minisig", SIGNATURE);
    let told = signatures_beside(&keys.path("p")).unwrap_err().to_string();
    assert!(told.starts_with("more than 16 signatures are beside it"), "{told}");
}

#[test]
fn a_signature_that_is_no_file_keeps_nobody_waiting() {
    let keys = Keys::make();
    rustix::fs::mknodat(rustix::fs::CWD, keys.path("p.sig"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let told = signatures_beside(&keys.path("p")).unwrap_err().to_string();
    assert!(told.contains("p.sig: it is no regular file; remove it"), "{told}");
}
