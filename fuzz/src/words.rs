//! The words of the language, for fuzzers: they would take long to find them letter by letter.

use aegis_policy::schema;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the schema of format 3 does not have: format 1, and how values are written.
const OTHERS: &[&str] = &[
    "version=1\n",
    "version=2\n",
    "[deny_path]\n",
    "[deny_inode]\n",
    "[deny_ip]\n",
    "[deny_cidr]\n",
    "[deny_port]\n",
    "[allow_cgroup]\n",
    ":tcp:bind",
    ":udp:connect",
    ":any:egress",
    ":both",
    "cgid:",
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "version = 3\n",
    "[[rule]]\n",
    "[[rule.when]]\n",
    "[[rule.unless]]\n",
    "[exempt]\n",
    "[tenant.a]\n",
    " = ",
    "[\"",
    "\", \"",
    "\"]",
    "\"\"\"",
    "'''",
    "{ ",
    " }",
    "true",
    "*",
    "::ffff:",
    "::",
    "/tcp",
    "/udp",
    "10.0.0.0/8",
    "[2001:db8::/32]:443",
    "255.255.255.255",
    "sha256:",
    "sha512:",
    "host",
    "@",
    "/../",
    "/./",
    "//",
    "T1003.008",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:60.9",
    "-23:59",
    "+23:59",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "0x",
    "0o",
    "0b",
    "\\u001b",
    "\\u009b",
    "untrusted comment: ",
    "trusted comment: ",
    "-----BEGIN SSH SIGNATURE-----",
    "-----END SSH SIGNATURE-----",
    "ssh-ed25519 ",
    "aegisbpf-policy",
    "\r\n",
    "\u{feff}",
    "\u{85}",
    "\u{9b}",
    "\u{202e}",
    "\0",
];

/// All of them, each once.
#[must_use]
pub fn words() -> Vec<String> {
    let mut words: BTreeSet<String> = OTHERS.iter().map(|word| (*word).to_owned()).collect();
    collect(&schema(), &mut words);
    words.into_iter().collect()
}

/// Keys, and the words that they take.
fn collect(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(keys)) = object.get("properties") {
                words.extend(keys.keys().map(|key| format!("{key} = ")));
            }
            if let Some(Value::Array(choices)) = object.get("enum") {
                words.extend(choices.iter().filter_map(Value::as_str).map(|word| format!("\"{word}\"")));
            }
            object.values().for_each(|inner| collect(inner, words));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, words)),
        _ => {}
    }
}

/// The words as a dictionary of libFuzzer.
#[must_use]
pub fn dictionary() -> String {
    let escaped = |word: &String| -> String {
        let byte = |byte: u8| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        word.bytes().map(byte).collect()
    };
    words().iter().map(|word| format!("\"{}\"\n", escaped(word))).collect()
}
