use super::*;
use proptest::prelude::*;

const POLICY: &str = "version=1\n[deny_path]\n/usr/bin/nc\n---\n";

/// A good one of this policy.
fn good(policy: &str) -> String {
    let (key, signature) = ("ab".repeat(32), "CD".repeat(64));
    let digest = ContentDigest::of(policy.as_bytes());
    format!(
        "{HEAD}\nformat_version: 1\npolicy_version: 42\ntimestamp: 1706745600\nexpires: 0\nsigner_key: {key}\n\
         signature: {signature}\npolicy_sha256: {digest}\n---\n{policy}"
    )
}

#[test]
fn the_policy_is_taken_out_as_it_is() {
    let text = good(POLICY);
    let bundle = bundle(text.as_bytes()).unwrap().unwrap();
    assert_eq!((bundle.policy, bundle.policy_version, bundle.expires), (POLICY, Some(42), None));
    assert_eq!((bundle.signer, bundle.flaws), (Some([0xab; 32]), Vec::new()));
    let dated = good(POLICY).replace("expires: 0", "expires:1738281600 ").replace(":\u{20}", ":\t");
    let dated = super::bundle(dated.as_bytes()).unwrap().unwrap();
    assert_eq!((dated.expires, dated.flaws), (Some(1_738_281_600), Vec::new()));
}

#[test]
fn damaged_bundles_are_told_apart() {
    let digit = "ab".repeat(32);
    for (old, new, told) in [
        ("/usr/bin/nc", "/usr/bin/nb", "has the SHA-256"),
        (
            "policy_version: 42",
            "policy_version: 4x",
            "`policy_version` of the bundle is `4x` and not a number",
        ),
        ("format_version: 1", "format_version: 2", "and not 1"),
        ("expires: 0\n", "", "no field `expires`"),
        ("expires: 0", "expires: 0\nexpires: 1", "`expires` twice"),
        ("expires: 0", "expires 0", "line 5 of the bundle is not `name: value`: `expires 0`"),
        ("expires: 0", "expires: 0\nlevel: 9", "unknown field `level`"),
        (digit.as_str(), "ab", "`signer_key` of the bundle is `ab`"),
        ("signature: CD", "signature: C", "not 128 hexadecimal digits"),
        ("policy_sha256: ", "policy_sha256: 0", "`policy_sha256` of the bundle is"),
        ("timestamp: 1", "timestamp: -1", "not a number"),
    ] {
        let text = good(POLICY).replacen(old, new, 1);
        let bundle = bundle(text.as_bytes()).unwrap().unwrap();
        let flaws: Vec<String> = bundle.flaws.iter().map(ToString::to_string).collect();
        assert!(flaws.iter().any(|flaw| flaw.contains(told)), "{new}: no {told:?} in {flaws:?}");
        assert!(bundle.policy.starts_with("version=1\n"), "{new}");
    }
}

#[test]
fn what_has_no_policy_is_refused() {
    let whole = good(POLICY);
    let head = whole.split(SEPARATOR).next().unwrap();
    assert_eq!(bundle(head.as_bytes()), Err(ImportFlaw::NoSeparator));
    assert_eq!(bundle(HEAD.as_bytes()), Err(ImportFlaw::NoSeparator));
    let bytes = [head.as_bytes(), b"---\nab\xff"].concat();
    assert_eq!(bundle(&bytes), Err(ImportFlaw::NotText(2)));
    for other in ["", "version=1\n", "AEGIS-POLICY-BUNDLE-V10\n---\n", " AEGIS-POLICY-BUNDLE-V1\n---\n"] {
        assert_eq!(bundle(other.as_bytes()), Ok(None), "{other:?}");
    }
}

#[test]
fn keys_are_digits_on_one_line() {
    let key = "0123456789abcdefABCDEF0123456789".repeat(2);
    assert!(hex_key(format!(" {key}\r\n").as_bytes()).is_ok_and(|key| key[..3] == [1, 0x23, 0x45]));
    for (text, flaw) in [
        (String::new(), ImportFlaw::NoKey),
        (key[1..].to_owned(), ImportFlaw::NoKey),
        (format!("{key}\n{key}"), ImportFlaw::NoKey),
        (key.replace('f', "g"), ImportFlaw::NoKey),
        (key.repeat(2), ImportFlaw::SecretKey),
    ] {
        assert_eq!(hex_key(text.as_bytes()), Err(flaw), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (bundle(&bytes), hex_key(&bytes));
        let _ = bundle(&[HEAD.as_bytes(), b"\n", &bytes].concat());
        let _ = bundle(&[HEAD.as_bytes(), b"\n", &bytes, b"\n---\n", &bytes].concat());
    }

    /// One byte of a good one is another: it is told, or the policy is the same.
    #[test]
    fn no_changed_byte_goes_unnoticed(at in 0..560_usize, byte in any::<u8>()) {
        let mut bytes = good(POLICY).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some(bundle)) = bundle(&bytes) {
            prop_assert!(!bundle.flaws.is_empty() || bundle.policy == POLICY);
            bundle.flaws.iter().for_each(|flaw| assert!(!flaw.to_string().contains(char::is_control)));
        }
    }
}
