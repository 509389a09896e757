//! Policies of everything that the language has, drawn at random: their text, their order, what is different between two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_policy::{
    Entries, NetRow, Network, Object, Operations, Plan, Protocol, Source, compile, migrate, schema,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn plan_of(texts: &[&str]) -> Plan {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "p.toml", text }).collect();
    match compile(&sources) {
        Ok(compiled) => compiled.plan,
        Err(report) => panic!("{report}\nof {texts:?}"),
    }
}

fn quoted(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap()
}

fn path() -> impl Strategy<Value = String> {
    "(/[a-c\"\\\\ é*.]{0,2}[a-c]){1,3}"
}

/// An address with what may follow it. Addresses are few, so that networks lie in each other.
fn net() -> impl Strategy<Value = String> {
    let network = prop_oneof![
        Just("*".to_owned()),
        (any::<u8>(), 0_u8..=32).prop_map(|(bits, prefix)| {
            let address = u32::from_be_bytes([10, bits & 3, 0, bits & 0x81]);
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            format!("{}/{prefix}", Ipv4Addr::from_bits(address & mask))
        }),
        (any::<u8>(), 0_u8..=128).prop_map(|(bits, prefix)| {
            let address = (0x2001_0db8_u128 << 96) | u128::from(bits & 0x83);
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            format!("[{}/{prefix}]", Ipv6Addr::from_bits(address & mask))
        }),
    ];
    let ports = prop_oneof![
        Just(String::new()),
        (1_u16..9).prop_map(|port| format!(":{port}")),
        (1_u16..5, 0_u16..4).prop_map(|(first, more)| format!(":{first}-{}", first + more)),
    ];
    let protocol = prop::sample::select(vec!["", "/tcp", "/udp"]);
    (network, ports, protocol).prop_map(|(network, ports, protocol)| format!("{network}{ports}{protocol}"))
}

fn subject() -> impl Strategy<Value = String> {
    let paths = prop::collection::vec(path(), 1..3).prop_map(|paths| quoted(&paths));
    let ids = prop::collection::vec((0_u32..50, 0_u32..9), 1..4).prop_map(|ranges| {
        let range = |(first, more): &(u32, u32)| match more {
            0 => first.to_string(),
            more => format!("\"{first}-{}\"", first + more),
        };
        format!("[{}]", ranges.iter().map(range).collect::<Vec<_>>().join(", "))
    });
    let namespaces = prop::sample::select(vec!["\"host\"", "7", "[7, \"host\", 8]"]).prop_map(str::to_owned);
    let cgroups = prop::sample::select(vec!["\"/a\"", "[\"/a/b\", \"cgid:7\"]"]).prop_map(str::to_owned);
    let keys = prop::sample::subsequence(
        vec!["exe", "ancestor", "cgroup", "uid", "gid", "user_ns", "pid_ns", "mnt_ns"],
        1..4,
    );
    (keys, paths, ids, namespaces, cgroups).prop_map(|(keys, paths, ids, namespaces, cgroups)| {
        let value = |key: &str| match key {
            "exe" | "ancestor" => paths.clone(),
            "uid" | "gid" => ids.clone(),
            "cgroup" => cgroups.clone(),
            _ => namespaces.clone(),
        };
        let fields: Vec<String> = keys.iter().map(|key| format!("{key} = {}", value(key))).collect();
        format!("{{ {} }}", fields.join(", "))
    })
}

fn subjects() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(subject(), 0..3)
}

/// Operations and objects that go together.
fn what() -> impl Strategy<Value = String> {
    let paths = || prop::collection::vec(path(), 1..3).prop_map(|paths| quoted(&paths));
    let nets = prop::collection::vec(net(), 1..6).prop_map(|nets| quoted(&nets));
    let digest = "[0-9a-f]{64}";
    let on = |words: &'static [&'static str]| {
        prop::sample::subsequence(words, 1..=words.len())
            .prop_shuffle()
            .prop_map(|words| quoted(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()))
    };
    prop_oneof![
        (
            on(&["read", "write", "append", "exec", "unlink", "create", "chmod", "xattr", "mount"]),
            paths(),
            paths()
        )
            .prop_map(|(on, paths, trees)| format!("on = {on}\npath = {paths}\nsubtree = {trees}\n")),
        (on(&["exec", "map-exec", "module"]), digest, digest)
            .prop_map(|(on, one, two)| format!("on = {on}\nsha256 = \"{one}\"\nfsverity = \"{two}\"\n")),
        (on(&["connect", "bind", "listen", "accept", "send"]), nets)
            .prop_map(|(on, nets)| format!("on = {on}\nnet = {nets}\nunix = [\"@a\", \"/run/a\"]\n")),
        (on(&["socket", "bpf", "ptrace", "read", "connect"]),)
            .prop_map(|(on,)| format!("on = {on}\nany = true\n")),
        (on(&["read", "rename", "utime"]), any::<(u16, u64, Option<u32>)>()).prop_map(
            |(on, (device, ino, version))| {
                let version = version.map(|version| format!(":{version}")).unwrap_or_default();
                format!("on = {on}\ninode = \"{}:{device}:{ino}{version}\"\n", device % 4_096)
            }
        ),
    ]
}

fn how() -> impl Strategy<Value = String> {
    let maybe = |lines: Vec<&'static str>| prop::sample::select(lines);
    (
        maybe(vec!["", "tenant = \"t\"\n", "tenant = \"t\"\naction = \"allow\"\n"]),
        maybe(vec!["", "mode = \"observe\"\n", "mode = \"enforce\"\n"]),
        maybe(vec![
            "",
            "signal = \"none\"\n",
            "signal = \"int\"\nescalate = { after = 2, within_seconds = 9 }\n",
        ]),
        maybe(vec!["", "severity = \"high\"\nmitre = [\"T1003.008\", \"T1001\"]\nlockdown = true\n"]),
        "[ -~é]{0,9}",
    )
        .prop_map(|(tenant, mode, signal, more, reason)| {
            format!("{tenant}{mode}{signal}{more}reason = {}\n", serde_json::to_string(&reason).unwrap())
        })
}

fn rule() -> impl Strategy<Value = String> {
    (what(), how(), subjects(), subjects()).prop_map(|(what, how, when, unless)| {
        let list = |key: &str, subjects: &[String]| match subjects {
            [] => String::new(),
            [one] => format!("{key} = {one}\n"),
            more => format!("{key} = [{}]\n", more.join(", ")),
        };
        format!("{what}{how}{}{}", list("when", &when), list("unless", &unless))
    })
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..6).prop_map(|rules| {
        let numbered = rules.iter().enumerate();
        numbered.map(|(number, rule)| format!("[[rule]]\nid = \"r{number}\"\n{rule}")).collect()
    })
}

const HEAD: &str = "version = 3\nname = \"p\"\nserial = 4\nexpires = 2030-01-02T03:04:05Z\n";
const TENANT: &str = "[tenant.t]\ncgroup = \"/t\"\nuser_ns = 9\nmax_rules = 99\n[exempt]\ncgroup = \"/e\"\n";

/// What all rules together say about an address, a port and a protocol, one rule after the other.
fn asked(plan: &Plan, address: IpAddr, port: u16, protocol: Protocol) -> BTreeSet<(u32, Operations)> {
    let covers = |network: Network| match (network, address) {
        (Network::Any, _) => true,
        (network, IpAddr::V4(address)) => network.covers(Network::V4(address, 32)),
        (network, IpAddr::V6(address)) => network.covers(Network::V6(address, 128)),
    };
    let matches = |object: &Object| match object {
        Object::Net(net) => {
            covers(net.network) && net.ports.contain(port) && net.protocol.is_none_or(|only| only == protocol)
        }
        other => *other == Object::Any,
    };
    let rules = (0_u32..).zip(plan.rules());
    rules
        .filter(|(_, rule)| rule.objects().iter().any(matches))
        .map(|(number, rule)| (number, rule.operations() & Operations::AT_ADDRESSES))
        .filter(|(_, operations)| !operations.is_empty())
        .collect()
}

proptest! {
    // A failure prints what it takes to repeat it; a file of seeds is not wanted.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_means_the_same(rules in rules()) {
        let whole = plan_of(&[HEAD, &format!("version = 3\n{}{TENANT}", rules.concat())]);
        let again = plan_of(&[&whole.to_toml()]);
        prop_assert_eq!(again.to_toml(), whole.to_toml());
        prop_assert_eq!(again.digest(), whole.digest());
        prop_assert!(whole.diff(&again).is_empty());
        prop_assert_eq!(again, whole);
    }

    #[test]
    fn order_and_files_do_not_matter(
        (rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        at in 0_usize..6,
    ) {
        let whole = plan_of(&[&format!("{HEAD}{}{TENANT}", rules.concat())]);
        let (one, two) = shuffled.split_at(at.min(shuffled.len()));
        let one = format!("version = 3\n{}", one.concat());
        let two = format!("{HEAD}{}{TENANT}", two.concat());
        prop_assert_eq!(plan_of(&[&one, &two]).digest(), whole.digest());
        prop_assert_eq!(&plan_of(&[&two, &one]), &whole);
        prop_assert_eq!(plan_of(&[&two, &one]).prefixes(), whole.prefixes());
    }

    #[test]
    fn plans_differ_in_their_digest_exactly_if_something_is_different(
        (one, two) in (rules(), rules()),
    ) {
        let plan = |rules: &[String]| plan_of(&[&format!("{HEAD}{}{TENANT}", rules.concat())]);
        let (one, two) = (plan(&one), plan(&two));
        prop_assert_eq!(one.diff(&two).is_empty(), one.digest() == two.digest());
        prop_assert_eq!(one.diff(&two).removed, two.diff(&one).added);
    }

    /// A look-up of the longest prefix finds what all rules together say.
    #[test]
    fn folded_networks_say_what_rules_say(
        rules in rules(),
        bits in any::<u8>(),
        is_v6: bool,
        port in 1_u16..10,
        protocol in prop::sample::select(Protocol::ALL),
    ) {
        let plan = plan_of(&[&format!("{HEAD}{}{TENANT}", rules.concat())]);
        let address = if is_v6 {
            IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(bits & 0x83)))
        } else {
            IpAddr::V4(Ipv4Addr::new(10, bits & 3, 0, bits & 0x81))
        };
        let prefixes = plan.prefixes();
        let matches = |row: &&NetRow| row.ports.contain(port) && row.protocol.is_none_or(|only| only == protocol);
        let found = prefixes.find(address).iter().filter(matches).map(|row| (row.rule, row.operations));
        prop_assert_eq!(found.collect::<BTreeSet<_>>(), asked(&plan, address, port, protocol));
    }

    #[test]
    fn old_formats_and_their_migration_mean_the_same(
        lines in prop::collection::vec(prop_oneof![
            path().prop_map(|path| ("deny_path", path)),
            any::<(u32, u64)>().prop_map(|(device, ino)| ("deny_inode", format!("{device}:{ino}"))),
            (any::<u32>(), 0_u8..=32).prop_map(|(address, prefix)| {
                ("deny_cidr", format!("{}/{prefix}", Ipv4Addr::from_bits(address)))
            }),
            any::<u128>().prop_map(|address| ("deny_ip", Ipv6Addr::from_bits(address).to_string())),
            any::<u32>().prop_map(|address| ("deny_ip", format!("::ffff:{}", Ipv4Addr::from_bits(address)))),
            (1_u16.., prop::sample::select(vec!["", ":tcp", ":udp:bind", ":any:egress", ":any:both"]))
                .prop_map(|(port, rest)| ("deny_port", format!("{port}{rest}"))),
            (2_u64..9).prop_map(|id| ("allow_cgroup", format!("cgid:{id}"))),
        ], 0..12),
    ) {
        let body: String = lines.iter().map(|(section, line)| format!("[{section}]\n{line}\n")).collect();
        let text = format!("version=2\n{body}");
        let source = Source { name: "old", text: &text };
        let plan = plan_of(&[&text]);
        let migrated = migrate(&[source], None).unwrap();
        prop_assert_eq!(&plan_of(&[&migrated.text]), &plan);
        prop_assert_eq!(&migrated.plan, &plan);
        // Written anew in the old format, and exported to it from the new one.
        let entries = Entries::read(source).unwrap();
        prop_assert_eq!(&plan_of(&[&entries.to_text()]), &plan);
        prop_assert_eq!(Entries::of(&plan), Ok(entries));
    }
}

/// What the schema takes and what the compiler takes have the same keys.
#[test]
fn the_schema_has_what_examples_use() {
    let schema = schema();
    let text = serde_json::to_string_pretty(&schema).unwrap();
    for word in
        ["\"fsverity\"", "\"within_seconds\"", "\"mnt_ns\"", "\"map-exec\"", "\"max_objects\"", "date-time"]
    {
        assert!(text.contains(word), "{word}");
    }
    assert_eq!(schema["properties"]["rule"]["items"]["required"], serde_json::json!(["id", "on"]));
}

#[test]
fn what_no_line_can_say_is_not_exported() {
    let rule = |text: &str| format!("version = 3\nname = \"p\"\n[[rule]]\nid = \"r\"\n{text}");
    let rows = [
        ("on = \"read\"\npath = \"/a\"\n", "`path` cannot be written with these operations"),
        ("on = [\"read\", \"write\", \"exec\"]\nsubtree = \"/a\"\n", "`subtree` cannot be written"),
        ("on = [\"read\", \"write\", \"exec\"]\npath = \" /a\\n\"\n", ""),
        ("on = \"connect\"\nnet = \"10.0.0.1:80\"\n", "`10.0.0.1:80` cannot be written"),
        ("on = \"listen\"\nnet = \"*:80\"\n", "`*:80` cannot be written"),
        ("on = \"bind\"\nnet = \"*:80-81\"\n", "`*:80-81` cannot be written"),
        ("on = \"connect\"\nnet = \"*:80\"\nmode = \"observe\"\n", "it observes"),
        ("on = \"connect\"\nnet = \"*:80\"\nunless = { uid = 0 }\n", "it has conditions"),
        ("on = \"connect\"\nnet = \"*:80\"\nlockdown = true\n", "it is for lockdown"),
        ("on = \"connect\"\nnet = \"*:80\"\nsignal = \"none\"\n", "it has a signal"),
    ];
    for (text, why) in rows {
        let text = rule(text);
        let Ok(compiled) = compile(&[Source { name: "p", text: &text }]) else {
            assert_eq!(why, "");
            continue;
        };
        let wrong = Entries::of(&compiled.plan).unwrap_err();
        assert!(
            wrong.len() == 1 && wrong[0].starts_with("rule `r`: ") && wrong[0].contains(why),
            "{wrong:?}"
        );
    }
    // Two exemptions that nobody asked for would come out of this one.
    let broken = plan_of(&["version = 3\nname = \"p\"\n[exempt]\ncgroup = \"/a\\n/b\"\n"]);
    assert_eq!(Entries::of(&broken).unwrap_err(), ["exempt: `/a\\n/b` does not fit on a line"]);
    let said = rule("on = [\"bind\", \"connect\"]\nnet = [\"*:22/tcp\", \"*:23\"]\n");
    assert_eq!(Entries::of(&plan_of(&[&said])).unwrap().to_text(), "version=2\n\n[deny_port]\n22:tcp\n23\n");
}

#[test]
fn sizes_are_known_before_loading() {
    let text = "version = 3\nname = \"p\"\n[[rule]]\nid = \"a\"\non = [\"connect\"]\nnet = [\"10.0.0.0/8\", \"10.1.0.0/16:80\", \"*\"]\n\
                [[rule]]\nid = \"b\"\non = \"read\"\npath = [\"/a\", \"/b\"]\nwhen = { uid = 0 }\n\
                [[rule]]\nid = \"c\"\non = \"write\"\npath = \"/a\"\nsubtree = \"/c\"\nwhen = { uid = [0] }\n";
    let sizes = plan_of(&[text]).sizes();
    assert_eq!((sizes.rules, sizes.paths, sizes.subtrees, sizes.subjects), (3, 2, 1, 1));
    // The default route of each family, and two more.
    assert_eq!((sizes.prefixes_v4, sizes.prefixes_v6), (3, 1));
    // 10.1.0.0/16 carries one row, as all ports contain port 80.
    assert_eq!(sizes.net_rows, 4);
}
