//! What good policies mean, and that the same meaning has the same digest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_kernel_abi::Mode;
use aegis_policy::{
    Action, Anchors, CgroupRef, Escalation, Object, Operations, Plan, Severity, Signal, Source, compile,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const EVERYTHING: &str = r#"
version = 3
name = "protect-payroll"
serial = 0x10
expires = 2030-12-31T01:30:00+01:30

[[rule]]
id = "start"
on = "exec"
anchors = "follow"
path = '/opt/tool "x"'
mode = "observe"
severity = "critical"
reason = "see the handbook"
signal = "term"
escalate = { after = 5, within_seconds = 30 }
mitre = ["T1059.004", "T1003"]

[rule.when]
cgroup = "/web.slice"
uid = [33, "1000-1999"]

[[rule.unless]]
exe = "/usr/bin/apt"
[[rule.unless]]
ancestor = ["/usr/sbin/cron"]
user_ns = "host"
pid_ns = [4026531836, "host"]

[tenant.shop]
cgroup = "/shop.slice"
mnt_ns = 4026531841
max_rules = 20
max_objects = 400

[[rule]]
id = "shop"
tenant = "shop"
on = ["connect", "exec"]
subtree = "/opt"
net = ["10.0.0.0/8:443/tcp", "[2001:db8::/32]:80-90", "*:53"]
unix = ["/run/docker.sock", "@bus"]
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
fsverity = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

[[rule]]
id = "shop-tools"
tenant = "shop"
action = "allow"
on = "exec"
path = "/opt/till"

[[rule]]
id = "last-resort"
on = "mount"
any = true
lockdown = true

[[rule]]
id = "keys"
on = ["write", "read"]
path = ["/srv/payroll/keys.db", "/srv/a"]
inode = ["8:1:131:7", "8:1:131"]

[exempt]
cgroup = ["/sys/fs/cgroup/unified/a", "/sys/fs/cgroup/b.service", "/c/d", "cgid:9"]
"#;

/// Compiles one text and says what is wrong if it is refused.
fn plan(text: &str) -> Plan {
    plan_of(&[text])
}

fn plan_of(texts: &[&str]) -> Plan {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "p.toml", text }).collect();
    match compile(&sources) {
        Ok(compiled) => compiled.plan,
        Err(report) => panic!("{report}\nof {texts:?}"),
    }
}

#[test]
fn every_field_arrives() {
    let plan = plan(EVERYTHING);
    assert_eq!(
        (plan.name().as_str(), plan.serial(), plan.mode()),
        ("protect-payroll", Some(16), Mode::Enforce)
    );
    let inode = |inode_generation| Object::Inode { major: 8, minor: 1, ino: 131, inode_generation };
    let path = |text: &str| Object::Path(text.to_owned());
    assert_eq!(plan.expires(), Some(1_924_905_600));
    let [keys, last, shop, tools, start] = plan.rules() else { panic!("{:?}", plan.rules()) };
    assert_eq!((keys.id().as_str(), start.id().as_str()), ("keys", "start"));
    assert_eq!(keys.declared(), Operations::READ | Operations::WRITE);
    assert_eq!(
        keys.operations(),
        Operations::READ | Operations::WRITE | Operations::APPEND | Operations::TRUNCATE
    );
    assert_eq!((keys.mode(), keys.severity(), keys.reason()), (Mode::Enforce, Severity::Medium, None));
    assert_eq!(keys.objects(), [path("/srv/a"), path("/srv/payroll/keys.db"), inode(None), inode(Some(7))]);
    assert_eq!(start.declared(), Operations::EXEC);
    assert_eq!(start.operations(), Operations::EXEC | Operations::MAP_EXEC);
    assert_eq!((keys.anchors(), start.anchors()), (Anchors::Hold, Anchors::Follow));
    assert_eq!((start.mode(), start.severity()), (Mode::Observe, Severity::Critical));
    assert_eq!((start.reason(), start.objects()), (Some("see the handbook"), &[path("/opt/tool \"x\"")][..]));
    assert_eq!(start.signal(), Some(Signal::Term));
    assert_eq!(start.escalation(), Some(Escalation { after: 5, within_seconds: 30 }));
    assert_eq!(start.mitre().iter().collect::<Vec<_>>(), ["T1003", "T1059.004"]);
    let [when] = start.when() else { panic!("{:?}", start.when()) };
    assert_eq!((when.uid().ranges(), when.uid().contain(1_999)), (&[(33, 33), (1_000, 1_999)][..], true));
    assert_eq!(when.cgroup().iter().map(ToString::to_string).collect::<Vec<_>>(), ["/web.slice"]);
    let [ancestor, exe] = start.unless() else { panic!("{:?}", start.unless()) };
    assert!(exe.exe().contains("/usr/bin/apt") && ancestor.ancestor().contains("/usr/sbin/cron"));
    assert_eq!(ancestor.namespaces().map(std::collections::BTreeSet::len), [1, 2, 0]);
    let objects: Vec<String> =
        shop.objects().iter().map(|object| format!("{} {object}", object.key())).collect();
    assert_eq!(objects[0], "subtree /opt");
    assert_eq!(
        objects[3..],
        [
            "net *:53",
            "net 10.0.0.0/8:443/tcp",
            "net [2001:db8::/32]:80-90",
            "unix /run/docker.sock",
            "unix @bus",
        ]
    );
    assert_eq!(shop.operations().words().collect::<Vec<_>>(), ["exec", "map-exec", "connect", "send"]);
    assert_eq!(shop.operations().undecided(), Operations::CONNECT | Operations::SEND);
    assert_eq!((tools.action(), tools.tenant().unwrap().as_str()), (Action::Allow, "shop"));
    assert_eq!((last.lockdown(), last.objects()), (true, &[Object::Any][..]));
    let tenant = plan.tenants().values().next().unwrap();
    assert_eq!((tenant.max_rules(), tenant.max_objects()), (Some(20), Some(400)));
    assert!(!tenant.scope().cgroup().is_empty());
    let exempt: Vec<String> = plan.exempt().iter().map(CgroupRef::to_string).collect();
    assert_eq!(exempt, ["/a", "/b.service", "/c/d", "cgid:9"]);
}

#[test]
fn a_rule_enforces_only_if_the_policy_does() {
    let rule = "[[rule]]\nid = \"r\"\non = \"read\"\npath = \"/a\"\n";
    for (policy, own, expected) in [
        ("enforce", "enforce", Mode::Enforce),
        ("enforce", "observe", Mode::Observe),
        ("observe", "enforce", Mode::Observe),
        ("observe", "observe", Mode::Observe),
    ] {
        let plan = plan(&format!("version = 3\nname = \"p\"\nmode = \"{policy}\"\n{rule}mode = \"{own}\"\n"));
        assert_eq!(plan.rules()[0].mode(), expected, "{policy} {own}");
    }
}

#[test]
fn what_is_not_heeded_is_named() {
    let undecided = |text: &str| plan(&format!("version = 3\nname = \"p\"\n{text}")).undecided();
    let rule = |text: &str| format!("[[rule]]\nid = \"r\"\n{text}");
    assert_eq!(undecided(&rule("on = [\"write\", \"unlink\"]\npath = \"/a\"\nsignal = \"kill\"\n")), [""; 0]);
    let text = rule("on = \"read\"\nsubtree = \"/a\"\nwhen = { uid = 0 }\n");
    assert_eq!(undecided(&text), [""; 0]);
    let text = rule("on = [\"connect\", \"mount\"]\nunix = \"/a\"\npath = \"/b\"\nlockdown = true\n");
    let [named] = &undecided(&text)[..] else { panic!() };
    assert!(
        named.ends_with(
            "upon `connect`, `mount`, `unix` and `lockdown`: remove the rule, or these parts of it"
        ),
        "{named}"
    );
}

#[test]
fn a_policy_expires_at_its_moment() {
    let expiring = plan(EVERYTHING);
    assert_eq!(expiring.expired(1_924_905_599), None);
    assert_eq!(expiring.expired(1_924_905_600).as_deref(), Some("2030-12-31T00:00:00Z"));
    assert_eq!(Plan::empty().expired(u64::MAX), None);
}

#[test]
fn the_empty_policy_can_be_written() {
    let empty = Plan::empty();
    assert_eq!(plan(&empty.to_toml()), empty);
}

/// The encoding is part of the contract: digests are kept and compared across versions.
#[test]
fn the_digest_stays_what_it_is() {
    let hex: String = plan(EVERYTHING).digest().iter().map(|byte| format!("{byte:02x}")).collect();
    insta::assert_snapshot!("digest", hex);
}

#[test]
fn each_difference_of_meaning_changes_the_digest() {
    let changes = [
        ("protect-payroll", "protect-payrolls"),
        ("serial = 0x10", "serial = 0x11"),
        ("serial = 0x10", ""),
        ("serial = 0x10", "mode = \"observe\""),
        ("\"exec\"", "[\"exec\", \"map-exec\"]"),
        ("\"exec\"", "\"map-exec\""),
        ("mode = \"observe\"", ""),
        ("critical", "high"),
        ("anchors = \"follow\"", ""),
        ("reason = \"see", "reason = \"See"),
        ("\"/srv/a\"", "\"/srv/b\""),
        ("\"8:1:131\"", "\"8:1:132\""),
        ("131:7", "131:8"),
        ("\"cgid:9\"", "\"cgid:8\""),
        ("id = \"keys\"", "id = \"key\""),
        ("/c/d\"", "/c/e\""),
        ("+01:30", "+01:29"),
        ("\"term\"", "\"int\""),
        ("after = 5", "after = 6"),
        ("within_seconds = 30", "within_seconds = 31"),
        ("escalate =", "# escalate ="),
        ("T1003", "T1004"),
        ("/web.slice", "/wed.slice"),
        ("uid = [33", "uid = [34"),
        ("uid = [33", "gid = [33"),
        ("[rule.when]", "[[rule.unless]]"),
        ("1000-1999", "1000-2000"),
        ("exe = \"/usr/bin/apt\"", "exe = \"/usr/bin/aptx\""),
        ("exe = \"/usr/bin/apt\"", "ancestor = \"/usr/bin/apt\""),
        ("user_ns = \"host\"", "mnt_ns = \"host\""),
        ("4026531836", "4026531837"),
        ("\n[[rule.unless]]\nancestor", "\nancestor"),
        ("cgroup = \"/shop.slice\"", "cgroup = \"/ship.slice\""),
        ("max_rules = 20", "max_rules = 21"),
        ("max_objects = 400", ""),
        ("subtree = \"/opt\"", "path = \"/opt\""),
        (":443/tcp", ":443/udp"),
        (":443/tcp", ":444/tcp"),
        (":443/tcp", ":443"),
        ("10.0.0.0/8", "10.0.0.0/9"),
        ("2001:db8::/32", "2001:db9::/32"),
        ("*:53", "*:53-54"),
        ("@bus", "@bux"),
        ("sha256 = \"e3", "sha256 = \"e4"),
        ("sha256:e3", "sha256:e4"),
        ("action = \"allow\"", ""),
        ("lockdown = true", ""),
    ];
    let mut digests = vec![plan(EVERYTHING).digest()];
    for (from, to) in changes {
        let changed = EVERYTHING.replacen(from, to, 1);
        assert_ne!(changed, EVERYTHING, "{from}");
        digests.push(plan(&changed).digest());
    }
    let all = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), all);
}

/// A rule as text; its id is given when it is put into a policy.
fn rule() -> impl Strategy<Value = String> {
    let operations =
        prop::sample::subsequence(vec!["read", "write", "exec", "map-exec"], 1..=4).prop_shuffle();
    // Names with everything TOML must escape and everything paths allow.
    let path = "(/[a-z\"\\\\ \t\u{1}é*.]{0,3}[a-z]){1,3}";
    let inode = (0u32..4096, 0u32..1 << 20, any::<u64>(), any::<Option<u32>>());
    let objects = (prop::collection::vec(path, 1..4), prop::collection::vec(inode, 1..3));
    let mode = prop::sample::select(vec!["enforce", "observe"]);
    let severity = prop::sample::select(vec!["low", "medium", "high", "critical"]);
    let anchors = prop::sample::select(vec!["hold", "follow"]);
    (operations, objects, (mode, anchors), severity, "[ -~é]{0,20}").prop_map(|(on, (paths, inodes), (mode, anchors), severity, reason)| {
        let inodes: Vec<String> = inodes
            .into_iter()
            .map(|(major, minor, ino, generation)| match generation {
                Some(generation) => format!("{major}:{minor}:{ino}:{generation}"),
                None => format!("{major}:{minor}:{ino}"),
            })
            .collect();
        let list = |items: &[String]| serde_json::to_string(items).unwrap();
        let on = serde_json::to_string(&on).unwrap();
        let reason = serde_json::to_string(&reason).unwrap();
        let (paths, inodes) = (list(&paths), list(&inodes));
        format!("on = {on}\npath = {paths}\ninode = {inodes}\nmode = \"{mode}\"\nanchors = \"{anchors}\"\nseverity = \"{severity}\"\nreason = {reason}\n")
    })
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..6).prop_map(|rules| {
        rules
            .iter()
            .enumerate()
            .map(|(number, rule)| format!("[[rule]]\nid = \"r{number}\"\n{rule}"))
            .collect()
    })
}

proptest! {
    // A failure prints what it takes to repeat it; a file of seeds is not wanted.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_files_do_not_matter(
        (rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        at in 0usize..6,
    ) {
        let head = "version = 3\nname = \"p\"\nserial = 4\n";
        let whole = plan(&format!("{head}{}", rules.concat()));
        let (one, two) = shuffled.split_at(at.min(shuffled.len()));
        let one = format!("# first\nversion = 3\n{}", one.join("\n# next\n"));
        let two = format!("{head}\n{}", two.join("\n\n"));
        let split = plan_of(&[&one, &two]);
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(split.digest(), whole.digest());
        prop_assert_eq!(plan_of(&[&two, &one]).digest(), whole.digest());
    }

    #[test]
    fn what_is_printed_means_the_same(rules in rules()) {
        let whole = plan(&format!("version = 3\nname = \"p\"\n{}", rules.concat()));
        let again = plan(&whole.to_toml());
        prop_assert_eq!(again.digest(), whole.digest());
        prop_assert_eq!(again.to_toml(), whole.to_toml());
        prop_assert_eq!(again, whole);
    }

    #[test]
    fn no_text_breaks_the_compiler(text in "(version|name|rule|id|on|path|=|3|\"|\\[|\\]|\\{|\\}|\\.|,|\n| |é|\\PC){0,40}") {
        let sources = [Source { name: "any", text: &text }];
        if let Err(report) = compile(&sources) {
            prop_assert!(report.errors() > 0);
            prop_assert!(!report.render(false).is_empty());
        }
    }
}

/// Work must grow with the size of the policy and not faster: as one rule, as many, and with the check of
/// observing against enforcing rules.
#[test]
fn a_hundred_thousand_paths_compile_quickly() {
    let paths: Vec<String> =
        (0..100_000).map(|number| format!("\"/srv/data/{:03}/{number:06}\"", number % 997)).collect();
    let list = paths.join(",\n");
    let one = format!("version = 3\nname = \"p\"\n[[rule]]\nid = \"a\"\non = \"read\"\npath = [\n{list}]\n");
    let mut many = "version = 3\nname = \"p\"\n".to_owned();
    for (number, path) in paths.iter().enumerate() {
        many.push_str(&format!("[[rule]]\nid = \"r{number}\"\non = [\"read\"]\npath = {path}\n"));
    }
    let both = format!(
        "{one}[[rule]]\nid = \"b\"\non = [\"read\", \"write\"]\nmode = \"observe\"\npath = [\n{list}]\n"
    );
    // Many times what it takes, and a small part of what anything quadratic would.
    let bound = Duration::from_secs(20);
    let lines: String = paths.iter().map(|path| path.trim_matches('"').to_owned() + "\n").collect();
    let lines = format!("version=1\n[deny_path]\n{lines}");
    for (name, text) in [("one rule", one), ("many rules", many), ("two rules", both), ("format 1", lines)] {
        let start = Instant::now();
        let compiled = compile(&[Source { name: "big.toml", text: &text }]).unwrap();
        let took = start.elapsed();
        println!("{name}: {took:?}, {} warnings", compiled.warnings.warnings());
        assert!(took < bound, "{name} took {took:?}");
    }
}
