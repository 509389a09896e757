use super::*;
use aegis_control_api::SignatureSource;
use std::fs;
use std::path::Path;

/// Keys, signatures and the policy that they are of, as real tools made them.
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/tests/vectors");

fn vector(name: &str) -> String {
    fs::read_to_string(Path::new(VECTORS).join(name)).expect("a vector")
}

fn policy(signatures: &[&str]) -> PolicySource {
    let signatures = signatures
        .iter()
        .map(|name| SignatureSource { name: (*name).to_owned(), text: vector(name) })
        .collect();
    PolicySource { signatures, ..PolicySource::unsigned("policy.toml", vector("policy.toml")) }
}

/// A directory with these keys.
fn trusting(keys: &[&str], threshold: u8) -> (tempfile::TempDir, TrustSettings) {
    let directory = tempfile::tempdir().expect("a directory");
    for key in keys {
        fs::write(directory.path().join(key), vector(key)).expect("a key");
    }
    let threshold = NonZeroU8::new(threshold).expect("a threshold");
    let settings = TrustSettings { directory: directory.path().into(), threshold, require_signature: true };
    (directory, settings)
}

#[test]
fn enough_must_have_signed_each_text() {
    let (_kept, one) = trusting(&["minisign-one.pub", "ssh-one.pub"], 1);
    let (_also, two) = trusting(&["minisign-one.pub", "ssh-one.pub"], 2);
    let signed = policy(&["minisign-one.minisig"]);
    let twice = policy(&["minisign-one.minisig", "ssh-one.sig"]);
    let mut changed = twice.clone();
    changed.text.push('\n');
    let rows: [(&TrustSettings, Vec<PolicySource>, Option<usize>); 6] = [
        (&one, vec![signed.clone()], Some(1)),
        (&two, vec![signed.clone()], None),
        (&two, vec![twice.clone()], Some(2)),
        (&one, vec![changed], None),
        // One of two files is not signed.
        (&one, vec![signed.clone(), PolicySource::unsigned("other", "version = 3\n")], None),
        (&one, vec![policy(&[])], None),
    ];
    for (index, (settings, sources, expected)) in rows.into_iter().enumerate() {
        let found = match vouch(settings, &sources) {
            Vouched::Signed(signers) => Some(signers.len()),
            Vouched::Not(why) => {
                assert!(!why.is_empty());
                None
            }
            Vouched::Empty => Some(0),
        };
        assert_eq!(found, expected, "row {index}");
    }
    assert_eq!(vouch(&one, &[]), Vouched::Empty);
}

#[test]
fn what_is_new_must_be_signed_and_what_is_in_force_goes_on() {
    let demands = |deed, signed, is_known| Demands { deed, signed, is_known };
    let not = || Vouched::Not("no key".to_owned());
    // What is asked, whether there are signatures, and whether it is refused or noted.
    let rows = [
        (demands(Deed::Apply, true, false), false, Err(())),
        (demands(Deed::Apply, true, true), false, Err(())),
        (demands(Deed::Rollback, true, false), true, Err(())),
        (demands(Deed::Start, true, false), false, Err(())),
        (demands(Deed::Start, true, true), false, Ok(true)),
        (demands(Deed::Reload, true, true), true, Ok(true)),
        (demands(Deed::Apply, false, false), false, Ok(false)),
        (demands(Deed::Apply, false, false), true, Ok(true)),
    ];
    for (demands, has_some, expected) in rows {
        let found = heed_signatures(not(), has_some, demands);
        let found = found.map(|(signers, note)| (signers.is_empty(), note.is_some())).map_err(|error| {
            assert!(error.to_string().contains("no key"), "{error}");
        });
        assert_eq!(found, expected.map(|note| (true, note)), "{demands:?} {has_some}");
    }
    let signed = Vouched::Signed(vec!["k".to_owned()]);
    let found = heed_signatures(signed, true, demands(Deed::Apply, true, false));
    assert!(found.is_ok_and(|found| found == (vec!["k".to_owned()], None)));
}

fn plan(sources: &[PolicySource]) -> Plan {
    super::super::state::join(sources, None)
        .map(|joined| joined.plan)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn numbered(serial: Option<u64>, more: &str) -> PolicySource {
    let serial = serial.map(|serial| format!("serial = {serial}\n")).unwrap_or_default();
    PolicySource::unsigned("p", format!("version = 3\nname = \"p\"\n{serial}{more}"))
}

#[test]
fn serials_only_grow() {
    let demands = |deed, is_known| Demands { deed, signed: true, is_known };
    let apply = demands(Deed::Apply, false);
    let known = [numbered(Some(7), "")];
    let highest = Accepted { serial: 7, digest: signed_digest(&known) };
    type Expected = Result<Option<u64>, &'static str>;
    let rows: [(Option<u64>, &str, Demands, Expected); 10] = [
        (Some(8), "", apply, Ok(Some(8))),
        (Some(7), "", apply, Ok(Some(7))),
        (Some(7), "# other\n", apply, Err("another policy with the serial 7")),
        (Some(6), "", apply, Err("needs a serial from 8 on")),
        (None, "", apply, Err("needs a `serial`")),
        (Some(6), "", demands(Deed::Rollback, false), Ok(None)),
        (Some(8), "", demands(Deed::Rollback, false), Ok(Some(8))),
        // What is in force is in force.
        (Some(6), "", demands(Deed::Apply, true), Ok(None)),
        (Some(7), "", demands(Deed::Start, true), Ok(Some(7))),
        (None, "", demands(Deed::Start, true), Ok(None)),
    ];
    for (serial, more, demands, expected) in rows {
        let sources = [numbered(serial, more)];
        let found = heed_serial(&plan(&sources), &sources, &highest, demands);
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found.map(|accepted| accepted.serial), expected, "{serial:?} {demands:?}");
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{serial:?} {demands:?}: {found:?}, not {expected:?}"),
        }
    }
}

/// Otherwise an old file could be put beside a new one.
#[test]
fn each_file_of_a_signed_policy_has_the_serial() {
    let rule = "[[rule]]\nid = \"r\"\non = [\"read\"]\npath = \"/a\"\n";
    let first = numbered(Some(8), "");
    let demands = Demands { deed: Deed::Apply, signed: true, is_known: false };
    for (second, is_right) in [
        (format!("version = 3\nserial = 8\n{rule}"), true),
        (format!("version = 3\n{rule}"), false),
        ("version=1\n[deny_path]\n/a\n".to_owned(), false),
    ] {
        let sources = [first.clone(), PolicySource::unsigned("second", second.clone())];
        let found = heed_serial(&plan(&sources), &sources, &Accepted::default(), demands);
        assert_eq!(found.is_ok(), is_right, "{second}");
    }
}
