//! Wrong policies: each row says which diagnostics are expected where; the snapshot shows how they read.

use aegis_policy::{Code, Report, Source, compile};
use std::collections::BTreeSet;

/// A policy and the diagnostics it must give, as `line:column code`, in order.
struct Row {
    name: &'static str,
    text: &'static str,
    expected: &'static [&'static str],
}

const HEAD: &str = "version = 3\nname = \"p\"\n";
const RULE: &str = "version = 3\nname = \"p\"\n[[rule]]\nid = \"a\"\non = \"read\"\n";
const EXEMPT: &str = "version = 3\nname = \"p\"\n[exempt]\n";

macro_rules! rows {
    ($($head:ident $name:literal $text:literal => [$($expected:literal),*])+) => {
        [$((&$head, Row { name: $name, text: $text, expected: &[$($expected),*] }),)+]
    };
}

const NONE: &str = "";
const LINES: &str = "version=1\n";

const ROWS: &[(&&str, Row)] = &rows! {
    NONE "empty text" "" => ["1:1 E0102", "1:1 E0102"]
    NONE "unquoted string" "version = 3\nname = payroll\nmode = observe\n" => ["2:8 E0002", "3:8 E0002"]
    NONE "unclosed string" "version = 3\nname = \"payroll\n" => ["2:16 E0002"]
    NONE "unclosed list" "version = 3\nname = \"p\"\n[[rule]]\non = [\"read\"\nid = \"a\"\n" => ["5:1 E0002"]
    NONE "key given twice" "version = 3\nname = \"p\"\nname = \"q\"\n" => ["3:1 E0002"]
    NONE "windows path in double quotes" "version = 3\nname = \"p\"\n[[rule]]\npath = \"C:\\Windows\"\n" => ["4:12 E0002"]
    NONE "not a key and value" "version = 3\nname = \"p\"\nhello\n" => ["3:6 E0002"]
    NONE "no version" "name = \"p\"\n" => ["1:1 E0102"]
    NONE "another version" "version = 4\nnane = 4\n" => ["1:11 E0201"]
    NONE "version 1 in another way" "version = 0x1\n[deny_path]\n" => ["1:11 E0201"]
    NONE "version beyond all numbers" "version = 99999999999999999999999999\n" => ["1:11 E0201"]
    NONE "version is a string" "version = \"3\"\nname = \"p\"\n" => ["1:11 E0103"]
    NONE "no name" "version = 3\n" => ["1:1 E0102"]
    NONE "name with a space" "version = 3\nname = \"pay roll\"\n" => ["2:8 E0202"]
    NONE "empty name" "version = 3\nname = \"\"\n" => ["2:8 E0202"]
    NONE "name of 64 bytes"
        "version = 3\nname = \"0123456789012345678901234567890123456789012345678901234567890123\"\n"
        => ["2:8 E0202"]
    NONE "name with an escape sequence" "version = 3\nname = \"a\\u001b[31mb\"\n" => ["2:8 E0202"]
    HEAD "serial 0" "serial = 0\n" => ["3:10 E0203"]
    HEAD "negative serial" "serial = -1\n" => ["3:10 E0203"]
    HEAD "serial beyond 64 bits" "serial = 18446744073709551616\n" => ["3:10 E0203"]
    HEAD "serial with a fraction" "serial = 1.5\n" => ["3:10 E0103"]
    HEAD "misspelt mode" "mode = \"enforced\"\n" => ["3:8 E0204"]
    HEAD "mode of another tool" "mode = \"audit\"\n" => ["3:8 E0204"]
    HEAD "mode without meaning" "mode = \"later\"\n" => ["3:8 E0204"]
    HEAD "mode is a boolean" "mode = true\n" => ["3:8 E0103"]
    HEAD "misspelt key" "seriel = 3\n" => ["3:1 E0101"]
    HEAD "key without meaning" "colour = 3\n" => ["3:1 E0101"]
    HEAD "key of a rule at the top" "path = \"/a\"\n" => ["3:1 E0101"]
    HEAD "rule as a table" "[rule]\nid = \"a\"\n" => ["3:1 E0103"]
    HEAD "rules that are no tables" "rule = [1]\n" => ["3:9 E0103"]
    HEAD "exempt is a string" "exempt = \"/a\"\n" => ["3:10 E0103"]
    HEAD "empty rule" "[[rule]]\n" => ["3:1 E0102", "3:1 E0102", "3:1 E0302"]
    RULE "no object" "" => ["3:1 E0302"]
    RULE "key of the top in a rule" "path = \"/a\"\nserial = 3\n" => ["7:1 E0101"]
    RULE "misspelt key in a rule" "paths = [\"/a\"]\n" => ["6:1 E0101"]
    RULE "severity without meaning" "path = \"/a\"\nseverity = \"urgent\"\n" => ["7:12 E0304"]
    RULE "misspelt severity" "path = \"/a\"\nseverity = \"HIGH\"\n" => ["7:12 E0304"]
    RULE "reason on two lines" "path = \"/a\"\nreason = \"one\\ntwo\"\n" => ["7:10 E0305"]
    RULE "unknown key with an escape sequence" "path = \"/a\"\n\"\\u001b[2J\" = 1\n" => ["7:1 E0101"]
    RULE "relative path" "path = \"etc/shadow\"\n" => ["6:8 E0401"]
    RULE "home directory" "path = \"~/.ssh/id_rsa\"\n" => ["6:8 E0401"]
    RULE "empty path" "path = \"\"\n" => ["6:8 E0401"]
    RULE "root directory" "path = \"/\"\n" => ["6:8 E0402"]
    RULE "dots" "path = [\"/a/../b\", \"/a/./b\"]\n" => ["6:9 E0403", "6:20 E0403"]
    RULE "slashes" "path = [\n  \"/a//b\",\n  \"/a/b/\",\n  \"//\",\n]\n" => ["7:3 E0403", "8:3 E0403", "9:3 E0403"]
    RULE "NUL" "path = \"/a\\u0000b\"\n" => ["6:8 E0405"]
    RULE "pattern" "path = \"/srv/*.db\"\n" => ["6:8 W0002"]
    RULE "path twice" "path = [\"/a\", \"/b\", \"/a\"]\n" => ["6:21 W0001"]
    RULE "path is a number" "path = [\"/a\", 7]\n" => ["6:15 E0103"]
    RULE "path is a table" "path = { file = \"/a\" }\n" => ["6:8 E0103"]
    RULE "no paths" "path = []\n" => ["6:8 E0104"]
    RULE "wide characters before the place" "path = [\"/日本語\", \"é\"]\n" => ["6:17 E0401"]
    RULE "inode of a device number" "inode = \"2049:131\"\n" => ["6:9 E0407"]
    RULE "inode in words" "inode = \"sda1:131\"\n" => ["6:9 E0406"]
    RULE "inode with signs" "inode = [\"8:1:+131\", \"8:1:-1\", \"8:1:0x83\", \"8::1\"]\n"
        => ["6:10 E0406", "6:22 E0406", "6:32 E0406", "6:44 E0406"]
    RULE "inode is a number" "inode = 131\n" => ["6:9 E0103"]
    RULE "numbers too big" "inode = [\"4096:1:1\", \"8:1048576:1\", \"8:1:18446744073709551616\", \"8:1:1:4294967296\"]\n"
        => ["6:10 E0408", "6:22 E0408", "6:37 E0408", "6:65 E0408"]
    RULE "second rule with the same id" "path = \"/a\"\n[[rule]]\nid = \"a\"\non = \"read\"\npath = \"/b\"\n" => ["8:6 E0301"]
    RULE "observed and enforced"
        "path = \"/a\"\n[[rule]]\nid = \"b\"\non = [\"read\", \"write\"]\npath = [\"/b\", \"/a\"]\nmode = \"observe\"\n"
        => ["10:15 W0003"]
    HEAD "no operation" "[[rule]]\nid = \"a\"\non = []\npath = \"/a\"\n" => ["5:6 E0104"]
    HEAD "misspelt operations" "[[rule]]\nid = \"a\"\non = [\"raed\", \"mmap\", \"connect\", \"write\", \"write\"]\npath = \"/a\"\n"
        => ["5:7 E0303", "5:15 E0303", "5:23 E0307", "5:43 W0001"]
    HEAD "several at once" "mode = \"on\"\n[[rule]]\nid = \"ü\"\non = 4\nspath = \"/a\"\n[exempt]\ncgroups = \"/a\"\n"
        => ["3:8 E0204", "5:6 E0202", "6:6 E0103", "7:1 E0101", "9:1 E0101"]
    EXEMPT "no cgroup" "" => ["3:1 E0102"]
    EXEMPT "relative cgroup" "cgroup = \"system.slice\"\n" => ["4:10 E0501"]
    EXEMPT "wrong ids" "cgroup = [\"cgid:\", \"cgid:x\", \"cgid:0\", \"cgid:18446744073709551616\"]\n"
        => ["4:11 E0501", "4:20 E0501", "4:30 E0501", "4:40 E0408"]
    EXEMPT "root cgroup" "cgroup = [\"/\", \"/sys/fs/cgroup\", \"/sys/fs/cgroup/unified/\", \"cgid:1\"]\n"
        => ["4:11 E0502", "4:16 E0502", "4:34 E0502", "4:61 E0502"]
    EXEMPT "mount point twice" "cgroup = [\"/sys/fs/cgroup/sys/fs/cgroup/a\", \"/sys/fs/cgroup/unified/sys/fs/cgroup\"]\n"
        => ["4:11 E0501", "4:45 E0501"]
    EXEMPT "cgroup with dots" "cgroup = \"/sys/fs/cgroup/a/../b\"\n" => ["4:10 E0403"]
    RULE "anchors without meaning" "path = \"/a\"\nanchors = \"hodl\"\n" => ["7:11 E0306"]
    RULE "anchors without paths" "inode = \"8:1:131\"\nanchors = \"follow\"\n" => ["7:11 W0004"]
    HEAD "making an inode" "[[rule]]\nid = \"a\"\non = [\"create\", \"mkdir\"]\npath = \"/a\"\ninode = [\"8:1:131\", \"8:1:132\"]\n"
        => ["7:10 E0307"]
    NONE "sections for the network in version 2" "# two\n\n version = 2 \r\n[deny_ip]\n::1\n10.0.0.0/8\nhost\n::1\n::ffff:1.2.3.4\n1.2.3.4\n"
        => ["6:1 E0602", "7:1 E0602", "8:1 W0001", "10:1 W0001"]
    LINES "wrong prefixes" "[deny_cidr]\n10.0.0.1\n10.0.0.0/33\n10.0.0.0/\n10.1.0.0/8\n10.0.0.0/8\n::/129\n"
        => ["3:1 E0602", "4:1 E0408", "5:1 E0602", "7:1 W0001", "8:1 E0408"]
    LINES "wrong ports" "[deny_port]\n0\n65536\n22:tpc\n22:tcp:egres\n22:tcp:bind:now\nssh\n22\n22:any:both\n53:udp:egress\n53:udp:connect\n"
        => ["3:1 E0604", "4:1 E0604", "5:1 E0605", "6:1 E0606", "7:1 E0602", "8:1 E0604", "10:1 W0001", "12:1 W0001"]
    NONE "lines without a version" "# forgotten\n[deny_path]\n/a\n" => ["1:1 E0102"]
    LINES "versions" "version=1\nversion=3\nname=p\n/a\n[deny_path]\n/a\n"
        => ["2:1 E0003", "3:1 E0201", "4:1 E0101", "5:1 E0003"]
    LINES "unknown sections" "[deny_paths]\na\n[[rule]]\nid = 1\n[exempt]\n[deny_ip_port]\n[\u{1b}]\n"
        => ["2:1 E0105", "4:1 E0105", "6:1 E0105", "7:1 E0105", "8:1 E0105"]
    LINES "wrong paths" "[deny_path]\netc/shadow\n/\n  /a//b\n/a/\n/srv/*.db\n/a\u{0}b\n[deny_path\n"
        => ["3:1 E0401", "4:1 E0402", "5:3 E0403", "6:1 E0403", "7:1 W0002", "8:1 E0405", "9:1 E0401"]
    LINES "wrong inodes" "[deny_inode]\n131\n8:1:131\n0x8:1\n4294967296:1\n8: 1\n1:18446744073709551616\n"
        => ["3:1 E0409", "4:1 E0409", "5:1 E0409", "6:1 E0408", "7:1 E0409", "8:1 E0408"]
    LINES "wrong cgroups" "[allow_cgroup]\nsystem.slice\n/\ncgid:x\n/sys/fs/cgroup\n/a/../b\n"
        => ["3:1 E0501", "4:1 E0502", "5:1 E0501", "6:1 E0502", "7:1 E0403"]
    LINES "entries twice" "[deny_path]\n/a\n/a\n[deny_inode]\n1:2\n[deny_path]\n /a\n[deny_inode]\n01:2\n[allow_cgroup]\n/c\n/sys/fs/cgroup/c\n"
        => ["4:1 W0001", "8:2 W0001", "10:1 W0001", "13:1 W0001"]
    HEAD "expiry that is no moment" "expires = 2030-12-31\n" => ["3:11 E0206"]
    HEAD "expiry without an offset" "expires = 2030-12-31T00:00:00\n" => ["3:11 E0206"]
    HEAD "expiry before 1970" "expires = 1969-12-31T23:59:59Z\n" => ["3:11 E0206"]
    HEAD "expiry that is of the year 10000 in UTC" "expires = 9999-12-31T23:59:59-00:01\n" => ["3:11 E0206"]
    HEAD "expiry in quotes" "expires = \"2030-12-31T00:00:00Z\"\n" => ["3:11 E0103"]
    HEAD "connecting to a path" "[[rule]]\nid = \"a\"\non = \"connect\"\npath = [\"/a\", \"/b\"]\n" => ["5:6 E0307", "6:9 E0307"]
    HEAD "reading an address" "[[rule]]\nid = \"a\"\non = [\"read\", \"connect\"]\nnet = \"10.0.0.1\"\n" => ["5:7 E0307"]
    HEAD "reading a content" "[[rule]]\nid = \"a\"\non = \"read\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n"
        => ["5:6 E0307", "6:10 E0307"]
    HEAD "bpf of a path" "[[rule]]\nid = \"a\"\non = \"bpf\"\npath = \"/a\"\n" => ["5:6 E0307", "6:8 E0307"]
    RULE "any is not true" "any = false\n" => ["6:7 E0103"]
    RULE "any and a path" "path = \"/a\"\nany = true\nmode = \"observe\"\n" => ["6:8 W0009"]
    RULE "subtree of everything" "subtree = \"/\"\n" => ["6:11 E0402"]
    RULE "below a subtree" "path = [\"/srv/a\", \"/srv\", \"/srvs\"]\nsubtree = [\"/srv\", \"/srv/b\"]\n"
        => ["6:9 W0009", "6:19 W0009", "7:20 W0009"]
    RULE "digests" "sha256 = [\"abc\", \"z3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]\nfsverity = [\"md5:00\", \"sha512:00\"]\n"
        => ["6:11 E0411", "6:18 E0411", "7:13 E0411", "7:23 E0411"]
    HEAD "wrong addresses" "[[rule]]\nid = \"a\"\non = \"connect\"\nnet = [\"10.0.0\", \"10.0.0.0/33\", \"10.1.2.3/8\", \"[::1:80\", \"[::1]80\", \"example.org\", \"\", \"10.0.0.0/8:x\", \"::1:80/tcp\"]\n"
        => ["6:8 E0602", "6:18 E0408", "6:33 E0603", "6:47 E0602", "6:58 E0602", "6:69 E0602", "6:84 E0602", "6:88 E0604"]
    HEAD "wrong ports and protocols" "[[rule]]\nid = \"a\"\non = \"bind\"\nnet = [\"*:0\", \"*:65536\", \"*:90-80\", \"*:80/tpc\", \"*:80/sctp\"]\n"
        => ["6:8 E0604", "6:15 E0604", "6:26 E0604", "6:37 E0605", "6:49 E0605"]
    HEAD "networks in each other" "[[rule]]\nid = \"a\"\non = \"connect\"\nnet = [\"10.1.0.0/16:80\", \"10.0.0.0/8\", \"10.2.0.0/16\", \"10.0.0.1:80\", \"*:80\"]\n"
        => ["6:8 W0009", "6:40 W0009", "6:55 W0009"]
    HEAD "unix sockets" "[[rule]]\nid = \"a\"\non = \"connect\"\nunix = [\"run/a.sock\", \"@\", \"/run/*.sock\"]\n"
        => ["6:9 E0401", "6:23 E0412", "6:28 W0002"]
    RULE "conditions that say nothing" "path = \"/a\"\nwhen = {}\nunless = []\n" => ["7:8 E0313", "8:10 E0104"]
    RULE "conditions with mistakes" "path = \"/a\"\nwhen = { exe = \"nginx\", uid = [-1, \"9-5\", \"root\", 4294967295], gids = 4, pid_ns = [\"hots\", 0], cgroup = \"/\" }\n"
        => ["7:16 E0401", "7:32 E0503", "7:36 E0503", "7:43 E0503", "7:51 E0503", "7:64 E0101", "7:84 E0504", "7:92 E0504", "7:105 E0502"]
    RULE "condition of another kind" "path = \"/a\"\nwhen = [\"/a\"]\nunless = \"root\"\n" => ["7:9 E0103", "8:10 E0103"]
    RULE "numbers of another kind" "path = \"/a\"\nwhen = { uid = 1.5, user_ns = true }\n" => ["7:16 E0103", "7:31 E0103"]
    RULE "conditions twice" "path = \"/a\"\nwhen = { exe = [\"/b\", \"/b\"], cgroup = [\"/c\", \"/sys/fs/cgroup/c\", \"/d*\"], pid_ns = [4, \"host\", 4], uid = [1, 1] }\n"
        => ["7:23 W0001", "7:46 W0001", "7:66 W0002", "7:95 W0001"]
    RULE "exceptions of everybody" "path = \"/a\"\n[rule.when]\ncgroup = \"/web.slice/a\"\nuid = 33\n[[rule.unless]]\nuid = 0\n[[rule.unless]]\ncgroup = \"/web.slice\"\n"
        => ["12:1 W0007"]
    RULE "exceptions that anybody can use" "path = \"/a\"\nunless = { exe = \"/tmp/backup\" }\n" => ["7:10 W0008"]
    RULE "follows what anybody can move" "path = \"/var/tmp/spool/a\"\nanchors = \"follow\"\n" => ["6:8 W0008"]
    RULE "signals" "path = \"/a\"\nsignal = \"sigterm\"\nescalate = { after = 0 }\n" => ["7:10 E0310", "8:12 E0102", "8:22 E0311"]
    RULE "escalation without a signal" "path = \"/a\"\nsignal = \"kill\"\nescalate = { after = 5, within_seconds = 30 }\n" => ["8:12 E0311"]
    RULE "escalation of another kind" "path = \"/a\"\nsignal = \"term\"\nescalate = 5\n" => ["8:12 E0103"]
    RULE "words of other tools"
        "file = \"/a\"\nsignal = \"SIGKILL\"\naction = \"block\"\n[[rule]]\nid = \"b\"\non = \"mmap\"\ndirectory = \"/a\"\n"
        => ["6:1 E0101", "7:10 E0310", "8:10 E0308", "11:6 E0303", "12:1 E0101"]
    HEAD "starting an address" "[[rule]]\nid = \"a\"\non = [\"exec\", \"connect\"]\nnet = \"10.0.0.1\"\n" => ["5:7 E0307"]
    RULE "techniques" "path = \"/a\"\nmitre = [\"T1003\", \"TA0006\", \"T1003.8\", \"T1003\"]\n" => ["7:19 E0312", "7:29 E0312", "7:40 W0001"]
    RULE "allowing without a tenant" "path = \"/a\"\naction = \"allow\"\n" => ["7:10 E0309"]
    RULE "action without meaning" "path = \"/a\"\naction = \"denny\"\n" => ["7:10 E0308"]
    RULE "lockdown is a word" "path = \"/a\"\nlockdown = \"yes\"\n" => ["7:12 E0103"]
    RULE "tenant that is not there" "path = \"/a\"\ntenant = \"web\"\n[tenant.wed]\ncgroup = \"/web.slice\"\n" => ["7:10 E0703"]
    RULE "tenant that is nowhere" "path = \"/a\"\ntenant = \"web\"\n" => ["7:10 E0703"]
    HEAD "tenants with mistakes" "[tenant]\nc = 4\n[tenant.web]\nmax_rules = -1\n[tenant.\"a b\"]\nuser_ns = \"host\"\nexe = \"/a\"\n"
        => ["4:1 E0103", "5:9 E0701", "6:13 E0408", "7:9 E0202", "9:1 E0101"]
    RULE "tenant beyond its limits" "path = [\"/a\", \"/b\"]\ntenant = \"web\"\n[[rule]]\nid = \"b\"\non = \"read\"\npath = \"/c\"\ntenant = \"web\"\n[tenant.web]\ncgroup = \"/w\"\nmax_rules = 1\nmax_objects = 2\n"
        => ["9:6 E0704", "9:6 E0704"]
    RULE "allowing what nothing denies" "path = \"/a\"\ntenant = \"web\"\naction = \"allow\"\n[[rule]]\nid = \"b\"\non = \"exec\"\nany = true\ntenant = \"web\"\n[tenant.web]\ncgroup = \"/w\"\n"
        => ["4:6 W0010"]
    HEAD "what survives" "[[rule]]\nid = \"a\"\non = \"exec\"\npath = [\"/lib64/ld-linux-x86-64.so.2\", \"/usr/bin/aegisbpf\"]\n"
        => ["6:9 W0005", "6:40 W0005"]
    HEAD "a host that cannot start anything" "[[rule]]\nid = \"a\"\non = \"exec\"\nsubtree = \"/usr\"\n[[rule]]\nid = \"b\"\non = \"map-exec\"\nany = true\n"
        => ["6:11 W0006", "10:7 W0006"]
    EXEMPT "cgroup twice in two forms" "cgroup = [\"/a\", \"/sys/fs/cgroup/a\"]\n" => ["4:17 W0001"]
};

/// All diagnostics of these sources, whether or not they are accepted, but for notes.
fn report(sources: &[Source<'_>]) -> Report {
    match compile(sources) {
        Ok(compiled) => compiled.warnings.without_notes(),
        Err(report) => report,
    }
}

/// Compares the places and codes, demands a cause and a remedy for each, and returns how it reads.
fn check(name: &str, sources: &[Source<'_>], expected: &[&str], wrong: &mut Vec<String>) -> String {
    let report = report(sources);
    let found: Vec<String> = report
        .located()
        .map(|found| format!("{}:{} {}", found.start.line, found.start.column, found.code))
        .collect();
    if found != expected {
        wrong.push(format!("{name}: expected {expected:?}, found {found:?}\n{report}"));
    }
    for found in report.diagnostics() {
        let help = found.help.as_deref().unwrap_or_default();
        if found.message.is_empty() || found.label.is_empty() || help.is_empty() {
            wrong.push(format!("{name}: message, cause or remedy is missing: {found:?}"));
        }
    }
    let rendered = report.render(false);
    if rendered.contains(|character: char| character.is_control() && character != '\n') {
        wrong.push(format!("{name}: control characters in {rendered:?}"));
    }
    format!("### {name}\n{rendered}\n")
}

/// Checks one file, and demands that nothing went wrong so far.
fn check_file(name: &str, text: &str, expected: &[&str]) -> String {
    let mut wrong = Vec::new();
    let rendered = check(name, &[Source { name: "p.toml", text }], expected, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rendered
}

#[test]
fn wrong_policies_are_told_where_and_why() {
    let (mut all, mut wrong) = (String::new(), Vec::new());
    for (head, row) in ROWS {
        let text = format!("{head}{}", row.text);
        all.push_str(&check(row.name, &[Source { name: "p.toml", text: &text }], row.expected, &mut wrong));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!("one_file", all);
}

#[test]
fn limits_are_exact() {
    let path = |bytes: usize| format!("{RULE}path = \"{}\"\n", &"/abcdefg".repeat(1000)[..bytes]);
    let component = |bytes: usize| format!("{RULE}path = \"/{}\"\n", "a".repeat(bytes));
    let reason = |bytes: usize| format!("{RULE}path = \"/a\"\nreason = \"{}\"\n", "r".repeat(bytes));
    let id = |bytes: usize| {
        format!("{HEAD}[[rule]]\nid = \"{}\"\non = \"read\"\npath = \"/a\"\n", "i".repeat(bytes))
    };
    let inode = |text: &str| format!("{RULE}inode = \"{text}\"\n");
    for accepted in [
        path(4095),
        component(255),
        reason(256),
        id(63),
        inode("4095:1048575:18446744073709551615:4294967295"),
        format!("{HEAD}serial = 18446744073709551615\n"),
    ] {
        check_file("the most that is accepted", &accepted, &[]);
    }
    let mut all = String::new();
    all.push_str(&check_file("path of 4096 bytes", &path(4096), &["6:8 E0404"]));
    all.push_str(&check_file("component of 256 bytes", &component(256), &["6:8 E0404"]));
    all.push_str(&check_file("reason of 257 bytes", &reason(257), &["7:10 E0305"]));
    all.push_str(&check_file("id of 64 bytes", &id(64), &["4:6 E0202"]));
    insta::assert_snapshot!("limits", all);
}

#[test]
fn files_are_compared() {
    let source = |name, text| Source { name, text };
    let one = "version = 3\nname = \"p\"\nserial = 1\nmode = \"enforce\"\n[[rule]]\nid = \"a\"\non = \"read\"\npath = \"/a\"\n";
    let two = "version = 3\nname = \"q\"\nserial = 2\nmode = \"observe\"\n\n[[rule]]\nid = \"a\"\non = \"exec\"\npath = \"/b\"\n";
    let broken = "version = 3\nname = \"p\"\n[[rule]\n";
    let nameless = "version = 3\n";
    let (mut all, mut wrong) = (String::new(), Vec::new());
    let lines = "version=1\n[deny_path]\n/a\n[allow_cgroup]\n/c\n";
    let clash = "version = 3\nname = \"p\"\n[[rule]]\nid = \"deny_path-a\"\non = \"read\"\npath = \"/a\"\n";
    let tenant = "version = 3\nname = \"p\"\n[tenant.web]\ncgroup = \"/w\"\n";
    let rows: [(&str, Vec<Source<'_>>, &[&str]); 9] = [
        ("a tenant in two files", vec![source("1", tenant), source("2", tenant)], &["3:9 E0702"]),
        ("equal entries in two files", vec![source("1", lines), source("2", lines)], &["3:1 W0001"]),
        ("both formats", vec![source("1", lines), source("2", one)], &[]),
        ("format 3 has to give the name", vec![source("1", lines), source("2", nameless)], &["1:1 E0102"]),
        ("an id that an entry has", vec![source("1", lines), source("2", clash)], &["4:6 E0301"]),
        ("no file", vec![], &["1:1 E0001"]),
        (
            "contradictions",
            vec![source("10.toml", one), source("20.toml", two)],
            &["2:8 E0205", "3:10 E0205", "4:8 E0205", "7:6 E0301"],
        ),
        (
            "the name may be in the broken file",
            vec![source("1", nameless), source("2", broken)],
            &["3:8 E0002"],
        ),
        ("no file has a name", vec![source("1", nameless), source("2", nameless)], &["1:1 E0102"]),
    ];
    for (name, sources, expected) in rows {
        all.push_str(&check(name, &sources, expected, &mut wrong));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!("several_files", all);
}

#[test]
fn the_order_of_files_does_not_change_what_is_found() {
    let limited = format!("{RULE}path = \"/a\"\ntenant = \"t\"\n[tenant.t]\nmnt_ns = 7\nmax_objects = 0\n");
    let unlimited = format!("{HEAD}[tenant.t]\nmnt_ns = 7\n");
    let enforcing = format!("{RULE}path = \"/a\"\nmode = \"enforce\"\n");
    let observing = enforcing.replace("\"a\"", "\"b\"").replace("enforce", "observe");
    let mode = |mode: &str, text: &str| text.replacen("name", &format!("mode = \"{mode}\"\nname"), 1);
    let pairs = [
        ("limits of a tenant that is there twice", limited, unlimited),
        ("modes of a policy that differ", mode("observe", &enforcing), mode("enforce", &observing)),
    ];
    for (name, one, other) in pairs {
        let codes = |texts: [&str; 2]| -> BTreeSet<Code> {
            let report = report(&texts.map(|text| Source { name: "p", text }));
            report.diagnostics().iter().map(|found| found.code).collect()
        };
        assert_eq!(codes([&one, &other]), codes([&other, &one]), "{name}");
    }
}

#[test]
fn every_code_has_a_row() {
    let from_rows = ROWS.iter().flat_map(|(_, row)| row.expected).filter_map(|found| found.split(' ').nth(1));
    // These need several files, no file, or long texts.
    let elsewhere = ["E0001", "E0205", "E0404", "E0410", "E0702", "N0001"];
    let tested: BTreeSet<&str> = from_rows.chain(elsewhere).collect();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    assert_eq!(known.len(), Code::ALL.len(), "a number is used twice");
    assert_eq!(tested, known);
    assert!(Code::ALL.iter().all(|code| code.explanation().ends_with('.')));
}

#[test]
fn what_is_left_open_is_a_note() {
    let notes = |text: &str| {
        let warnings = compile(&[Source { name: "p.toml", text }]).unwrap().warnings;
        (warnings.notes(), warnings.clone().without_notes().is_empty(), warnings.to_string())
    };
    let text = format!("{RULE}path = \"/etc/shadow\"\n");
    let (count, is_clean, shown) = notes(&text);
    assert_eq!((count, is_clean), (1, true));
    insta::assert_snapshot!("note", shown);
    let disks = "[[rule]]\nid = \"disks\"\non = [\"read\", \"write\"]\npath = \"/dev/sda\"\n";
    assert_eq!(notes(&format!("{text}{disks}")).0, 0);
}

#[test]
fn sarif_has_places_and_rules() {
    let text = format!("{RULE}path = \"/a\"\n[[rule]]\nid = \"a\"\non = \"read\"\npath = \"/é*\"\n");
    let report = report(&[Source { name: "a b/é.toml", text: &text }]);
    let mut sarif = report.to_sarif("1.2.3");
    // The rules are those of the table of codes.
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].take();
    assert_eq!(rules.as_array().unwrap().len(), Code::ALL.len());
    insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&sarif).unwrap());
}

#[test]
fn json_has_positions_and_remedies() {
    let text = format!("{RULE}path = \"/a\"\n[[rule]]\nid = \"a\"\non = \"read\"\npath = \"/é*\"\n");
    let report = report(&[Source { name: "p.toml", text: &text }]);
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn colour_is_only_used_when_asked_for() {
    let report = report(&[Source { name: "evil\u{1b}[2J.toml", text: "name = 1\u{1b}[31m\n" }]);
    assert!(!report.to_string().contains('\u{1b}'), "{report:?}");
    assert!(report.render(true).contains("\u{1b}["));
    assert!(!report.render(true).contains("\u{1b}[2J"));
}

#[test]
fn nothing_reaches_the_terminal_but_text() {
    let text = "version = 3 # \u{9b}2J \u{7f}\u{8}\nname = # \u{9b}2J \u{202e}\n";
    let shown = report(&[Source { name: "evil\u{1b}[2J\n\u{9b}.toml", text }]);
    let rendered = shown.render(false);
    let harmful = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(rendered.contains("name = # ¤2J") && !rendered.contains(harmful), "{rendered:?}");
    for text in
        ["# \u{feff}\nversion=1\nversion=1\u{9b}2J\n", "version = 0\u{9b}2J\n", "version =_a\u{85} = 1\n"]
    {
        let rendered = report(&[Source { name: "p", text }]).render(false);
        assert!(!rendered.contains(harmful), "{rendered:?}");
    }
}

#[test]
fn strange_texts_are_reported_and_do_no_harm() {
    let deep = format!("a = {}", "[".repeat(100_000));
    for text in [
        "\u{feff}version = 3\r\nname = \"p\"\r\n",
        "\0",
        "[[rule]]\n[rule.x]\n[rule]",
        "[a]\n[a.b]\n[[a]]",
        "=",
        &deep,
    ] {
        let report = report(&[Source { name: "strange", text }]);
        assert_eq!(report.render(false).is_empty(), report.is_empty());
        assert_eq!(report.located().count(), report.diagnostics().len());
    }
}
