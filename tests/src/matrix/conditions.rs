//! Rules about somebody: by what he was started from, by whom he descends from, by cgroup, user, group and namespace;
//! and what tenants may.

use super::{EXT4, Row};

/// A program that reads a file.
const READER: &str = "copy('/bin/cat', 'reader')";
/// A shell that starts something else.
const SHELL: &str = "copy('/bin/sh', 'shell')";
/// Cgroups of this class.
const CGROUPS: &str = "os.makedirs('/sys/fs/cgroup/aegis-matrix/inner', exist_ok=True)";

macro_rules! entering {
    ($code:literal) => {
        concat!(
            "def enter(name):\n    with open(f'/sys/fs/cgroup/{name}/cgroup.procs', 'w') as file: file.write('0')\n",
            $code
        )
    };
}

/// One on reading `file`, about these.
const fn about(name: &'static str, conditions: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "read", attempt).more(conditions)
}

const READS: &str = "run('./reader', 'file')";
const WHEN_READER: &str = "when = { exe = \"$HERE/reader\" }";
const UNLESS_READER: &str = "unless = { exe = \"$HERE/reader\" }";
const WHEN_SHELL: &str = "when = { ancestor = \"$HERE/shell\" }";
const WHEN_CGROUP: &str = "when = { cgroup = \"/aegis-matrix\" }";

/// Only programs that are listed are started in a cgroup.
const LISTED: &str = "any = true\ntenant = \"listed\"
[tenant.listed]\ncgroup = \"/aegis-matrix/listed\"
[[rule]]\nid = \"conditions-listed-allowed\"\ntenant = \"listed\"\naction = \"allow\"\non = \"exec\"\npath = \"$HERE/program\"
[[rule]]\nid = \"conditions-listed-libraries\"\ntenant = \"listed\"\naction = \"allow\"\non = \"map-exec\"
subtree = [\"/usr/lib\", \"/lib\", \"/lib64\"]";
const OTHER_LISTED: &str = "any = true\ntenant = \"others\"
[tenant.others]\ncgroup = \"/aegis-matrix/others\"
[[rule]]\nid = \"conditions-others-allowed\"\ntenant = \"others\"\naction = \"allow\"\non = \"exec\"\npath = \"$HERE/program\"
[[rule]]\nid = \"conditions-others-libraries\"\ntenant = \"others\"\naction = \"allow\"\non = \"map-exec\"
subtree = [\"/usr/lib\", \"/lib\", \"/lib64\"]";
const TENANT: &str = "path = \"$HERE/file\"\ntenant = \"narrow\"
[tenant.narrow]\ncgroup = \"/aegis-matrix/narrow\"";
const OTHER_TENANT: &str = "path = \"$HERE/file\"\ntenant = \"wide\"
[tenant.wide]\ncgroup = \"/aegis-matrix/wide\"
[[rule]]\nid = \"conditions-wide-allowed\"\ntenant = \"wide\"\naction = \"allow\"\non = \"read\"\npath = \"$HERE/other\"";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    about("exe", WHEN_READER, READS).first(READER),
    about("exe-of-another-name", WHEN_READER, "run('./reader-too', 'file')")
        .first("copy('/bin/cat', 'reader'); os.link('reader', 'reader-too')"),
    about("exe-moved-away", WHEN_READER, "if os.path.exists('reader'): os.rename('reader', 'moved')
run('./moved', 'file')")
    .first(READER),
    about("exe-replaced", WHEN_READER, "copy('/bin/cat', 'new'); os.rename('new', 'reader'); run('./reader', 'file')")
        .first(READER),
    about("exe-bound-elsewhere", WHEN_READER, "unshare(NEWNS); bind('reader', 'other'); run('./other', 'file')")
        .first(READER),
    about("exe-by-descriptor", WHEN_READER, "run(f'/proc/{os.getpid()}/fd/{place(\"reader\")}', 'file')")
        .first(READER),
    about("exe-in-a-thread", "when = { exe = \"/usr/bin/python3\" }", "by_thread(lambda: read('file'))"),
    about("exe-after-fork", "when = { exe = \"/usr/bin/python3\" }", "apart(lambda: read('file'))"),
    about("another-exe", WHEN_READER, "read('file')").first(READER).stays_allowed(),
    about("a-copy-is-another-exe", WHEN_READER, "copy('reader', 'copied'); run('./copied', 'file')")
        .first(READER)
        .stays_allowed(),
    about("excepted-exe", UNLESS_READER, READS).first(READER).stays_allowed(),
    about("not-excepted-exe", UNLESS_READER, "read('file')").first(READER),
    about("copy-of-the-excepted", UNLESS_READER, "copy('reader', 'copied'); run('./copied', 'file')")
        .first(READER),
    about("started-by-the-excepted", "unless = { exe = \"$HERE/shell\" }", "run('./shell', '-c', 'cat file; exit $?')")
        .first(SHELL),
    about("ancestor", WHEN_SHELL, "run('./shell', '-c', 'cat file; exit $?')").first(SHELL),
    about("ancestor-of-an-ancestor", WHEN_SHELL, "run('./shell', '-c', 'sh -c \"cat file; exit $?\"; exit $?')")
        .first(SHELL),
    about("ancestor-that-is-gone", WHEN_SHELL, "run('./shell', '-c', 'exec cat file')").first(SHELL),
    about("ancestor-itself", WHEN_SHELL, "run('./shell', '-c', 'read line < file')").first(SHELL),
    about("no-ancestor", WHEN_SHELL, "run('sh', '-c', 'cat file; exit $?')").first(SHELL).stays_allowed(),
    about("script-by-its-interpreter", WHEN_READER, "run('./script')")
        .first("copy('/bin/cat', 'reader'); script('script', os.getcwd() + '/reader ' + os.getcwd() + '/file')"),
    about("cgroup", WHEN_CGROUP, entering!("enter('aegis-matrix'); read('file')")).first(CGROUPS),
    about("cgroup-below", WHEN_CGROUP, entering!("enter('aegis-matrix/inner'); read('file')")).first(CGROUPS),
    about("moved-between-two-reads", WHEN_CGROUP, entering!("read('file'); enter('aegis-matrix'); read('file')"))
        .first(CGROUPS),
    about("another-cgroup", WHEN_CGROUP, "read('file')").first(CGROUPS).stays_allowed(),
    about("left-the-cgroup", WHEN_CGROUP, entering!("enter('aegis-matrix'); enter('.'); read('file')"))
        .first(CGROUPS)
        .stays_allowed(),
    about("excepted-cgroup", "unless = { cgroup = \"/aegis-matrix\" }", entering!("enter('aegis-matrix'); read('file')"))
        .first(CGROUPS)
        .stays_allowed(),
    about("user", "when = { uid = \"1000-1999\" }", "os.setuid(1500); read('file')"),
    about("last-user", "when = { uid = [5, \"1000-1999\"] }", "os.setuid(1999); read('file')"),
    about("user-beyond", "when = { uid = \"1000-1999\" }", "os.setuid(2000); read('file')").stays_allowed(),
    about("effective-user", "when = { uid = \"1000-1999\" }", "os.seteuid(1500); read('file')"),
    about("excepted-user", "unless = { uid = 0 }", "read('file')").stays_allowed(),
    about("not-excepted-user", "unless = { uid = 0 }", "os.setuid(1500); read('file')"),
    about("user-of-a-namespace", "when = { uid = 0 }", "unshare(NEWUSER); read('file')"),
    about("group", "when = { gid = 1500 }", "os.setgid(1500); read('file')"),
    about("another-group", "when = { gid = 1500 }", "read('file')").stays_allowed(),
    about("pid-namespace", "when = { pid_ns = \"host\" }", "read('file')"),
    about("another-pid-namespace", "unless = { pid_ns = \"host\" }", "unshare(NEWPID); apart(lambda: read('file'))"),
    about("user-namespace", "unless = { user_ns = \"host\" }", "unshare(NEWUSER); read('file')"),
    about("mount-namespace", "unless = { mnt_ns = \"host\" }", "unshare(NEWNS); read('file')"),
    about("left-the-mount-namespace", "when = { mnt_ns = \"host\" }", "unshare(NEWNS); read('file')").stays_allowed(),
    about("all-must-hold", "when = { uid = \"1000-1999\", gid = 1500 }", "os.setgid(1500); os.setuid(1500); read('file')"),
    about("one-does-not-hold", "when = { uid = \"1000-1999\", gid = 1500 }", "os.setuid(1500); read('file')").stays_allowed(),
    about("one-of-two-holds", "when = [{ uid = 7 }, { gid = 1500 }]", "os.setgid(1500); read('file')"),
    about("excepted-all-the-same", "when = { gid = 1500 }\nunless = { uid = 1500 }", "os.setgid(1500); os.setuid(1500)
read('file')")
    .stays_allowed(),
    // About everything: so the neighbour is left alone by who asks there.
    Row { reason: "any", ..Row::new("anything", "exec", "if os.getcwd().endswith('protected'): os.setuid(1777)
run('./program')")
        .on_what("any = true\nwhen = { uid = 1777 }") }
    .first("program()"),
    Row { reason: "any", ..Row::new("not-listed", "exec", entering!("if os.getcwd().endswith('protected'): enter('aegis-matrix/listed')\nrun('./shell', '-c', 'exit 0')"))
        .on_what(LISTED) }
    .only(EXT4)
    .first("copy('/bin/sh', 'shell'); program(); os.makedirs('/sys/fs/cgroup/aegis-matrix/listed', exist_ok=True)"),
    Row::allowed("listed", "exec", entering!("if os.getcwd().endswith('protected'): enter('aegis-matrix/others')\nrun('./program')"))
        .on_what(OTHER_LISTED)
        .only(EXT4)
        .first("program(); os.makedirs('/sys/fs/cgroup/aegis-matrix/others', exist_ok=True)"),
    Row::new("tenant", "read", entering!("enter('aegis-matrix/narrow'); read('file')"))
        .on_what(TENANT)
        .only(EXT4)
        .first("os.makedirs('/sys/fs/cgroup/aegis-matrix/narrow', exist_ok=True)"),
    Row::allowed("outside-of-the-tenant", "read", "read('file')")
        .on_what(OTHER_TENANT)
        .only(EXT4)
        .first("os.makedirs('/sys/fs/cgroup/aegis-matrix/wide', exist_ok=True)"),
];
