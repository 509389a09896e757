//! Format 1: what its entries mean, said once more in format 3, and editing it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_kernel_abi::Mode;
use aegis_policy::{
    AllowEntry, Anchors, Code, DenyEntry, Entries, NetEntry, NetKind, Object, Operations, Plan, Report,
    Source, compile,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

fn plan_of(texts: &[&str]) -> Plan {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "p", text }).collect();
    match compile(&sources) {
        Ok(compiled) => compiled.plan,
        Err(report) => panic!("{report}\nof {texts:?}"),
    }
}

/// What is decided, without the names of the rules.
fn decisions(plan: &Plan) -> BTreeSet<(Object, Operations, Mode, Anchors)> {
    let rules = plan.rules().iter();
    rules
        .flat_map(|rule| {
            let what = (rule.operations(), rule.mode(), rule.anchors());
            rule.objects().iter().map(move |object| (object.clone(), what.0, what.1, what.2))
        })
        .collect()
}

#[test]
fn entries_mean_what_they_say() {
    let text = "\u{feff}# by hand\r\n  version = 1\r\n\r\n[deny_path]\r\n /etc/shadow \r\n/opt/a b=c#d\r\n\
                [allow_cgroup]\r\n/sys/fs/cgroup/system.slice/backup.service\r\n/system.slice\r\ncgid:9\r\n\
                [deny_inode]\r\n8388609:131\r\n[deny_path]\r\n#/etc/passwd\r\n/etc/gshadow";
    let plan = plan_of(&[text]);
    assert_eq!((plan.name().as_str(), plan.serial(), plan.mode()), ("format-1", None, Mode::Enforce));
    let rules: Vec<String> =
        plan.rules().iter().map(|rule| format!("{} {}", rule.id(), rule.objects()[0])).collect();
    assert_eq!(rules[0], "deny_inode-8388609-131 8:1:131");
    assert_eq!(rules[1], "deny_path-etc-gshadow /etc/gshadow");
    assert_eq!(rules[2], "deny_path-etc-shadow /etc/shadow");
    assert!(
        rules[3].starts_with("deny_path.") && rules[3].ends_with(".opt-a_b_c_d /opt/a b=c#d"),
        "{rules:?}"
    );
    let exempt: Vec<String> = plan.exempt().iter().map(ToString::to_string).collect();
    assert_eq!(exempt, ["/system.slice", "/system.slice/backup.service", "cgid:9"]);
    for rule in plan.rules() {
        let all = ["read", "write", "append", "truncate", "exec", "map-exec"];
        assert_eq!(rule.operations().words().collect::<Vec<_>>(), all);
        assert_eq!((rule.mode(), rule.anchors()), (Mode::Enforce, Anchors::Hold));
    }
    // Where something is said in format 3, that counts for all.
    let merged = plan_of(&[text, "version = 3\nname = \"p\"\nmode = \"observe\"\n"]);
    assert_eq!((merged.name().as_str(), merged.rules()[2].mode()), ("p", Mode::Observe));
    assert_eq!(plan_of(&[&plan.to_toml()]), plan);
}

#[test]
fn a_policy_without_sections_is_empty() {
    for text in ["version=1", "version=2\n# nothing\n[deny_path]\n"] {
        let plan = plan_of(&[text]);
        assert!(plan.rules().is_empty() && plan.exempt().is_empty(), "{text:?}");
    }
}

fn codes(report: &Report) -> Vec<Code> {
    report.diagnostics().iter().map(|found| found.code).collect()
}

#[test]
fn words_become_entries() {
    let deny = [
        ("/etc/shadow", "/etc/shadow"),
        ("/a: b", "/a: b"),
        ("8388609:131", "8388609:131"),
        ("8:1:131", "8388609:131"),
        ("4095:1048575:1", "4294967295:1"),
    ];
    for (word, line) in deny {
        assert_eq!(DenyEntry::parse(word).unwrap().to_string(), line);
    }
    let wrong = [
        ("", Code::RelativePath),
        ("etc/shadow", Code::RelativePath),
        ("/a\n/b", Code::NotALine),
        ("/a ", Code::NotALine),
        (" /a", Code::NotALine),
        ("131", Code::BadDeviceInode),
        ("8:1:131:7", Code::BadDeviceInode),
        ("4096:1:1", Code::NumberTooBig),
        ("[deny_path]", Code::RelativePath),
        ("#x", Code::RelativePath),
    ];
    for (word, code) in wrong {
        let report = DenyEntry::parse(word).unwrap_err();
        assert_eq!(codes(&report), [code], "{word:?}: {report}");
    }
    for (word, line) in [("/sys/fs/cgroup/a", "/a"), ("/a", "/a"), ("cgid:07", "cgid:7")] {
        assert_eq!(AllowEntry::parse(word).unwrap().to_string(), line);
    }
    for (word, code) in [("a", Code::BadCgroup), ("/", Code::RootCgroup), ("/a\n/b", Code::NotALine)] {
        let report = AllowEntry::parse(word).unwrap_err();
        assert_eq!(codes(&report), [code], "{word:?}: {report}");
    }
}

#[test]
fn words_become_entries_for_the_network() {
    use NetKind::{Cidr, Ip, Port};
    for (word, kind, line) in [
        ("10.0.0.1", Ip, "10.0.0.1"),
        ("2001:DB8::1", Ip, "2001:db8::1"),
        ("1:2:3:4:5:6:7:8", Ip, "1:2:3:4:5:6:7:8"),
        ("10.1.2.3/8", Cidr, "10.0.0.0/8"),
        ("2001:db8::/32", Cidr, "2001:db8::/32"),
        ("::/0", Cidr, "::/0"),
        // One address, however it is written.
        ("10.0.0.1/32", Ip, "10.0.0.1"),
        ("22", Port, "22"),
        ("22:any:both", Port, "22"),
        ("53:udp", Port, "53:udp"),
        ("22:tcp:bind", Port, "22:tcp:bind"),
        ("25:any:egress", Port, "25:any:connect"),
    ] {
        let entry = NetEntry::parse(None, word).unwrap();
        assert_eq!((entry.kind(), entry.to_string().as_str()), (kind, line), "{word}");
        assert_eq!(NetEntry::parse(None, line).unwrap(), entry, "{word}");
        assert_eq!(NetEntry::parse(Some(kind), line).unwrap(), entry, "{word}");
    }
    for (kind, word, code) in [
        (None, "", Code::BadPort),
        (None, "65536", Code::BadPort),
        (None, "ssh", Code::BadPort),
        (None, "10.0.0.256", Code::BadNet),
        (None, "10.0.0.0/33", Code::NumberTooBig),
        (None, "22:sctp", Code::BadProtocol),
        (None, "22:tcp:in", Code::UnknownDirection),
        (None, "22\n[allow_cgroup]\n/x", Code::BadNet),
        (None, "22\n[allow_cgroup]", Code::BadPort),
        (None, "2001:db8::1\n::2", Code::BadNet),
        (Some(Ip), "10.0.0.0/8", Code::BadNet),
        (Some(Cidr), "10.0.0.1", Code::BadNet),
        (Some(Port), "10.0.0.1", Code::BadPort),
    ] {
        let report = NetEntry::parse(kind, word).unwrap_err();
        assert_eq!(codes(&report), [code], "{word:?}: {report}");
    }
}

#[test]
fn only_good_files_of_format_1_are_edited() {
    for (text, code) in [
        ("version = 3\nname = \"p\"\n", Code::UnsupportedVersion),
        ("", Code::UnsupportedVersion),
        ("version=1\n[deny_path]\na\n", Code::RelativePath),
    ] {
        let report = Entries::read(Source { name: "local", text }).unwrap_err();
        assert_eq!(codes(&report), [code], "{text:?}");
    }
}

fn path() -> impl Strategy<Value = String> {
    // Everything that a line can hold, and that lines, ids or TOML could get wrong.
    "(/[a-z\"\\\\\\[\\]#=:. é-]{0,3}[a-z_]){1,4}"
}

proptest! {
    // A failure prints what it takes to repeat it; a file of seeds is not wanted.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_formats_decide_the_same(
        paths in prop::collection::vec(path(), 0..8),
        inodes in prop::collection::vec((0u32..4096, 0u32..1 << 20, any::<u64>()), 0..4),
        cgroups in prop::collection::vec(("(/[a-z]{1,3}){1,3}", any::<bool>()), 0..3),
        ids in prop::collection::vec(2u64.., 0..3),
    ) {
        let (mut lines, mut toml) = ("version=1\n".to_owned(), "version = 3\nname = \"p\"\n".to_owned());
        let mut rule = |number: &str, key: &str, value: &str| {
            let value = serde_json::to_string(value).unwrap();
            write!(toml, "[[rule]]\nid = \"{number}\"\non = [\"read\", \"write\", \"exec\"]\n{key} = {value}\n").unwrap();
        };
        lines.push_str("[deny_path]\n");
        for (number, path) in paths.iter().enumerate() {
            writeln!(lines, "  {path}\t").unwrap();
            rule(&format!("p{number}"), "path", path);
        }
        lines.push_str("[deny_inode]\n");
        for (number, (major, minor, ino)) in inodes.iter().enumerate() {
            writeln!(lines, "{}:{ino}", u64::from(*major) << 20 | u64::from(*minor)).unwrap();
            rule(&format!("i{number}"), "inode", &format!("{major}:{minor}:{ino}"));
        }
        let mut exempt: Vec<String> = ids.iter().map(|id| format!("cgid:{id}")).collect();
        exempt.extend(cgroups.iter().map(|(path, _)| path.clone()));
        if !exempt.is_empty() {
            writeln!(toml, "[exempt]\ncgroup = {}", serde_json::to_string(&exempt).unwrap()).unwrap();
        }
        lines.push_str("[allow_cgroup]\n");
        ids.iter().for_each(|id| writeln!(lines, "cgid:{id}").unwrap());
        for (path, mounted) in &cgroups {
            writeln!(lines, "{}{path}", if *mounted { "/sys/fs/cgroup" } else { "" }).unwrap();
        }
        let (one, three) = (plan_of(&[&lines]), plan_of(&[&toml]));
        prop_assert_eq!(decisions(&one), decisions(&three));
        prop_assert_eq!(one.exempt(), three.exempt());
        // One rule for each entry, and what is written anew means the same.
        prop_assert_eq!(one.rules().len(), decisions(&one).len());
        let entries = Entries::read(Source { name: "p", text: &lines }).unwrap();
        prop_assert_eq!(&plan_of(&[&entries.to_text()]), &one);
        prop_assert_eq!(Entries::read(Source { name: "p", text: &entries.to_text() }).unwrap(), entries);
    }

    #[test]
    fn no_line_breaks_the_compiler(text in "(version=[123]|\\[|\\]|deny_path|deny_inode|allow_cgroup|deny_ip|#|=|/|:|[0-9]|\n|\r| |é|\\PC){0,40}") {
        let text = format!("version=1\n{text}");
        if let Err(report) = compile(&[Source { name: "any", text: &text }]) {
            prop_assert!(report.errors() > 0);
            prop_assert!(!report.render(false).is_empty());
        }
    }
}
