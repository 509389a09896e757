//! Ordinary work with everything attached: what no rule is on behaves as it did before arming, and nothing of it is
//! reported.
//!
//! One arming for all of it. Each rule is on names that nobody uses, in the directories that the work is done in: so their
//! names are looked up all the time.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const TESTS: &[Test] = &[
    ("build", || same("build")),
    ("package", || same("package")),
    ("stress", || same("stress")),
    ("everything_is_enforced_and_nothing_reported", quiet),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("workload", TESTS)
}

/// Where the work is done.
const BASE: &str = "/var/tmp/aegis-workload";

/// Each class of probes has a rule: that they are attached is looked at.
const OPERATIONS: &str = r#"["read", "write", "truncate", "exec", "map-exec", "create", "link", "unlink", "rename", "mkdir", "mknod", "symlink"]"#;

/// Directories with a name that nobody uses.
const PLACES: [&str; 9] = [
    "/",
    "/etc",
    "/usr/lib",
    "/tmp",
    "/usr/bin",
    "/var/lib/dpkg/info",
    "/var/tmp/aegis-workload/build",
    "/var/tmp/aegis-workload/package",
    "/var/tmp/aegis-workload/stress",
];

/// What all files below here are, and what is in them.
const DIGEST: &str = "digest() { find \"$1\" -printf '%y %m %P %l\\n' | LC_ALL=C sort; \
    find \"$1\" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; }\n";

/// A library, a program, an archive of it all, and compiled Python.
const BUILD: &str = r#"
for number in $(seq 16); do
    echo "int part_$number(int x) { return x * $number + 1; }" >"part-$number.c"
    echo "int part_$number(int x);"
done >parts.h
{
    echo '#include <stdio.h>'
    echo '#include "parts.h"'
    echo 'int main(void) { int sum = 0;'
    for number in $(seq 16); do echo "sum += part_$number(sum);"; done
    echo 'printf("%d\n", sum); return 0; }'
} >main.c
cat >Makefile <<'END'
.RECIPEPREFIX = >
parts := $(patsubst %.c,%.o,$(wildcard *.c))
all: program all.tar.gz
%.o: %.c parts.h
> tcc -c -o $@.new $< && mv $@.new $@
program: $(parts)
> tcc -o $@ $^ && ln -s $@ linked && ln $@ hard
all.tar.gz: program
> tar --sort=name --mtime=@0 --owner=0 --group=0 -cf all.tar *.c *.o program && gzip -n all.tar
END
make --silent --jobs=2
./program && ./linked && ./hard
mkdir unpacked && tar -xzf all.tar.gz -C unpacked
cp -r /usr/lib/python3*/json library
python3 -m compileall -q --invalidation-mode unchecked-hash library
seq 20000 | sort -R --random-source=main.c | sort -n | sha256sum
digest .
"#;

/// A package with a program, a link, a configuration file and scripts, which is installed, used and removed.
const PACKAGE: &str = r#"
mkdir -p tree/DEBIAN tree/opt/aegis-workload tree/etc
printf '%s\n' 'Package: aegis-workload' 'Version: 1.0' 'Architecture: all' 'Maintainer: nobody <nobody@localhost>' \
    'Description: a package to be installed' >tree/DEBIAN/control
echo /etc/aegis-workload.conf >tree/DEBIAN/conffiles
printf '#!/bin/sh\nset -e\ntouch /opt/aegis-workload/made\n' >tree/DEBIAN/postinst
printf '#!/bin/sh\nset -e\nrm -f /opt/aegis-workload/made\n' >tree/DEBIAN/prerm
chmod 755 tree/DEBIAN/postinst tree/DEBIAN/prerm
for number in $(seq 40); do echo "file $number" >"tree/opt/aegis-workload/file-$number"; done
cp /bin/true tree/opt/aegis-workload/program
ln -s program tree/opt/aegis-workload/linked
echo 'setting = 1' >tree/etc/aegis-workload.conf
dpkg-deb --build --root-owner-group tree package.deb
dpkg --install package.deb
dpkg-query --show --showformat '${Package} ${Version} ${Status}\n' aegis-workload
dpkg --verify aegis-workload
/opt/aegis-workload/linked
digest /opt/aegis-workload
dpkg --install package.deb
dpkg --purge aegis-workload
test ! -e /opt/aegis-workload && test ! -e /etc/aegis-workload.conf
"#;

/// All at the same time, for some seconds; what fails or cannot be tried is told.
const STRESS: &str = r#"
wanted='access chdir chmod copy-file dentry dir dirdeep fallocate filename fstat getdent handle link mknod mmap mprotect
    open rename symlink touch utime xattr'
options=$(for name in $wanted; do echo "--$name 1"; done)
status=0
stress-ng --verify --timeout 3 --fallocate-bytes 16M --temp-path . $options >log 2>&1 || status=$?
test $status = 0 || cat log
test $status = 0
grep -E 'fail|skip|dispatching' log | sed -E 's/\[[0-9]+\]//g' | LC_ALL=C sort -u
"#;

/// Each of the class by itself, with the status of each.
const STRESS_LONG: &str = r#"
names=$(stress-ng --class 'filesystem?' 2>&1 | sed -n "s/^class 'filesystem' stressors: //p")
test -n "$names"
for name in $names; do
    status=0
    stress-ng --verify --timeout 2 --temp-path . "--$name" 1 >log 2>&1 || status=$?
    echo "$name: status $status"
done
"#;

/// What somebody's work came to: how it ended, and all that it told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Done {
    status: Option<i32>,
    told: String,
}

/// The parts of the work, each in a directory of its own.
fn work() -> [(&'static str, &'static str); 3] {
    [("build", BUILD), ("package", PACKAGE), ("stress", if long() { STRESS_LONG } else { STRESS })]
}

/// Does one part of it from the beginning. The directory stays, as a rule is on a name in it.
fn do_it(name: &str, script: &str) -> Done {
    let directory = format!("{BASE}/{name}");
    fs::create_dir_all(&directory).expect("a directory for the work");
    let whole = format!("set -eu -o pipefail\nexec 2>&1\nfind . -mindepth 1 -delete\n{DIGEST}{script}");
    let mut command = Command::new("bash");
    command.args(["-c", &whole]).current_dir(&directory).stdin(Stdio::null());
    let output = command.env("DEBIAN_FRONTEND", "noninteractive").output().expect("bash");
    Done { status: output.status.code(), told: String::from_utf8_lossy(&output.stdout).into_owned() }
}

/// The work before arming and with everything attached, and what the agent says of it.
struct Life {
    before: Vec<Done>,
    armed: Vec<Done>,
    status: Value,
    account: Value,
    blocks: Vec<Value>,
}

fn live() -> Life {
    let all = || work().into_iter().map(|(name, script)| do_it(name, script)).collect();
    let before = all();
    let rule = |(number, place): (usize, &&str)| {
        let place = place.trim_end_matches('/');
        format!("[[rule]]\nid = \"unused-{number}\"\non = {OPERATIONS}\npath = \"{place}/aegis-nobody\"\n")
    };
    let rules: String = PLACES.iter().enumerate().map(rule).collect();
    let mut agent = Agent::new("aegis-workload");
    agent.start(&format!("version = 3\nname = \"workload\"\n{rules}"), &["--enforce"]);
    let armed = all();
    agent.settle();
    let (status, account, blocks) = (agent.json(&["status"]), agent.account(), agent.blocks());
    agent.detach();
    Life { before, armed, status, account, blocks }
}

fn life() -> &'static Life {
    static LIFE: OnceLock<Life> = OnceLock::new();
    LIFE.get_or_init(live)
}

/// It ends well, and the same with everything attached.
fn same(name: &str) -> Result<(), Failed> {
    let life = life();
    let number = work().iter().position(|(part, _)| *part == name).ok_or("no such work")?;
    let (before, armed) = (&life.before[number], &life.armed[number]);
    if before.status != Some(0) {
        return Err(format!("it does not work without the agent, either: {before:?}").into());
    }
    if armed.status != before.status {
        return Err(format!("with everything attached: {armed:?}").into());
    }
    match before.told.lines().zip(armed.told.lines()).find(|(one, other)| one != other) {
        Some((one, other)) => Err(format!("before: {one:?}; with everything attached: {other:?}").into()),
        None => expect("lines", armed.told.lines().count(), before.told.lines().count()),
    }
}

/// Each class is proven, with a rule on each of its operations; and no decision was more than allow.
fn quiet() -> Result<(), Failed> {
    let life = life();
    let classes = life.status["classes"].as_array().ok_or("no classes")?;
    let enforced = classes.iter().all(|class| class["posture"] == "ENFORCE");
    expect("all classes are enforced", (classes.is_empty(), enforced), (false, true))?;
    expect("denials and audits", life.blocks.len(), 0)?;
    expect("reported", life.account["total"]["reported"].as_u64(), Some(0))
}
