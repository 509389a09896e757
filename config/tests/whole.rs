//! That the types, the table of keys, the default file, the schema and the dump say the same.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use aegis_config::{
    EnforceSignal, FileText, Holders, Loaded, Mode, Origins, Settings, WhenFull, changes, compose,
    default_file, dump, dump_json, schema,
};
use proptest::prelude::*;
use serde_json::Value;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU8;
use std::path::PathBuf;

fn load_text(text: &str) -> Loaded {
    compose(&[FileText::new("config.toml", text)], &[], &[])
        .unwrap_or_else(|report| panic!("{report}\n{text}"))
}

fn of(settings: Settings) -> Loaded {
    Loaded { settings, origins: Origins::default(), sources: Vec::new() }
}

/// The default file with its keys in force.
fn uncommented() -> String {
    let is_key = |rest: &&str| rest.starts_with(|letter: char| letter.is_ascii_lowercase());
    let line = |line: &'static str| line.strip_prefix('#').filter(is_key).unwrap_or(line);
    let text: &'static str = Box::leak(default_file().into_boxed_str());
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_file_says_what_is_built_in() {
    assert_eq!(load_text(&default_file()).settings, Settings::default());
    let loaded = load_text(&uncommented());
    assert_eq!(loaded.settings, Settings::default());
    let text = dump(&loaded, true);
    let built_in: Vec<&str> = text.lines().filter(|line| line.ends_with("from built in")).collect();
    assert_eq!(built_in, ["# path is not set # from built in", "# listen is not set # from built in"]);
    assert!(default_file().lines().all(|line| line.len() <= 120 && line == line.trim_end()));
}

/// All keys of a schema, with their descriptions.
fn keys_of(schema: &Value, prefix: &str, keys: &mut Vec<(String, Value)>) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let name = format!("{prefix}{name}");
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        if property.get("properties").is_some() {
            assert_eq!(property["additionalProperties"], false, "{name}");
            keys_of(property, &format!("{name}."), keys);
        } else {
            keys.push((name, property.clone()));
        }
    }
}

#[test]
fn types_table_and_schema_have_the_same_keys() {
    let schema = schema();
    let mut keys = Vec::new();
    keys_of(&schema, "", &mut keys);
    let dumped = dump_json(&of(Settings::default()));
    let mut known: Vec<&String> = dumped.as_object().unwrap().keys().collect();
    known.sort();
    let mut named: Vec<&String> = keys.iter().map(|(name, _)| name).collect();
    named.sort();
    assert_eq!(named, known);
    for (name, property) in &keys {
        assert!(["reload", "start"].contains(&property["x-taken"].as_str().unwrap()), "{name}");
        let default = property.get("default").filter(|default| !default.is_null());
        assert_eq!(default, Some(&dumped[name]["value"]).filter(|value| !value.is_null()), "{name}");
    }
}

#[test]
fn changes_say_what_needs_a_new_start() {
    let old = Settings::default();
    assert_eq!(changes(&old, &old), []);
    let mut new = old.clone();
    new.daemon.socket = "/a".into();
    new.daemon.log = "warn".to_owned();
    new.policy.files = vec!["/p".into()];
    new.policy.allow_audit_fallback = true;
    new.events.ring_bytes = 4096;
    new.sinks.file.path = Some("/r".into());
    let text =
        |one: &aegis_config::Change| format!("{} {} {} {}", one.key, one.old, one.new, one.needs_restart);
    let found: Vec<String> = changes(&old, &new).iter().map(text).collect();
    assert_eq!(
        found,
        [
            "daemon.socket \"/run/aegisbpf/control.sock\" \"/a\" true",
            "daemon.log \"info\" \"warn\" false",
            "policy.files [] [\"/p\"] false",
            "policy.allow_audit_fallback false true true",
            "events.ring_bytes 4194304 4096 true",
            "sinks.file.path  \"/r\" false",
        ]
    );
}

fn path() -> impl Strategy<Value = PathBuf> {
    // Anything but NUL; in a place of its own, so that no two settings meet.
    "/p/[^\0]{1,20}".prop_map(PathBuf::from)
}

fn when_full() -> impl Strategy<Value = WhenFull> {
    prop::sample::select(vec![WhenFull::Wait, WhenFull::DropOldest, WhenFull::DropNewest])
}

fn settings() -> impl Strategy<Value = Settings> {
    let policy = (
        prop::collection::vec("/q/[^\0]{0,20}".prop_map(PathBuf::from), 0..4),
        prop::sample::select(vec![Mode::Enforce, Mode::Observe]),
        prop::sample::select(vec![Holders::Report, Holders::Kill]),
        prop::sample::select(vec![
            EnforceSignal::None,
            EnforceSignal::Term,
            EnforceSignal::Int,
            EnforceSignal::Kill,
        ]),
        any::<(bool, bool)>(),
    );
    let sinks = (when_full(), prop::option::of(path()), when_full());
    let events = (12_u32..32, any::<u32>(), prop::collection::vec("/[a-z][^\0]{0,10}", 0..3));
    let port = prop::option::of(1_u16..);
    let trust = (path(), 1..=16_u8, any::<bool>());
    (path(), policy, sinks, events, port, trust).prop_map(|(state, policy, sinks, events, port, trust)| {
        let mut settings = Settings::default();
        settings.daemon.state_dir = state;
        settings.daemon.log = "warn,aegis_actors::loader=trace".to_owned();
        let of_policy = &mut settings.policy;
        (of_policy.files, of_policy.mode, of_policy.holders, of_policy.enforce_signal, _) = policy.clone();
        (of_policy.watch, of_policy.allow_audit_fallback) = policy.4;
        (settings.sinks.stdout.when_full, settings.sinks.file.path, settings.sinks.file.when_full) = sinks;
        settings.events.ring_bytes = 1 << events.0;
        (settings.events.per_second, settings.survival.cgroups) = (events.1, events.2);
        (settings.trust.directory, settings.trust.require_signature) = (trust.0, trust.2);
        settings.trust.threshold = NonZeroU8::new(trust.1).expect("from 1 on");
        settings.metrics.listen = port.map(|port| SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        settings
    })
}

proptest! {
    #[test]
    fn what_is_dumped_loads_as_the_same(settings in settings(), show_origin: bool) {
        let text = dump(&of(settings.clone()), show_origin);
        let loaded = load_text(&text);
        prop_assert_eq!(changes(&settings, &loaded.settings), []);
        prop_assert_eq!(loaded.settings, settings);
    }
}
