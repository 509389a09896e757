//! What a path stands for changes: the daemon hears of it and resolves again; until then the rule is pending, and
//! says so.

use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TESTS: &[Test] = &[
    ("new_file_in_a_name_is_known_by_itself", new_file),
    ("follow_lets_directories_move", follow),
    ("follow_waits_for_a_mount", mount_later),
    ("exempt_may_move_what_is_held", exempt_move),
    ("exempt_cgroup_may_come_later", exempt_later),
    ("file_keeps_its_rule_under_another_name", moved_file),
    ("bent_name_turns_the_rule_on_nobody", bent_name),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("moves", TESTS)
}

/// A directory for one test, removed in the end.
struct Scene {
    base: PathBuf,
}

impl Scene {
    fn make() -> Self {
        let base = PathBuf::from("/scratch/moves");
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("folder/deep")).expect("a directory");
        fs::write(base.join("folder/deep/file"), "content\n").expect("a file");
        fs::create_dir_all(CGROUP).expect("a cgroup");
        Self { base }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    fn policy(&self, path: &str, anchors: &str) -> String {
        let path = self.at(path);
        format!(
            "version = 3\nname = \"moves\"\n[[rule]]\nid = \"the-file\"\non = [\"read\"]\npath = \"{}\"\nanchors = \
             \"{anchors}\"\n[exempt]\ncgroup = \"/aegis-moves\"\n",
            path.display()
        )
    }

    /// Lets an exempt process run a script in the directory.
    fn as_exempt(&self, script: &str) -> Output {
        let script = format!("echo $$ > {CGROUP}/cgroup.procs && cd {} && {script}", self.base.display());
        Command::new("sh").args(["-c", &script]).output().expect("sh")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.at("mounted")).output();
        let _ = fs::remove_dir_all(&self.base);
    }
}

/// Of these tests alone, so that nothing of others is in it when it is to be removed.
const CGROUP: &str = "/sys/fs/cgroup/aegis-moves";

fn read(path: &Path) -> Outcome {
    File::open(path).map(drop).into()
}

fn pending(agent: &Agent) -> Value {
    agent.json(&["status"])["pending"].clone()
}

/// A new file in a protected name is covered by the name at once, and by itself a moment later.
fn new_file() -> Result<(), Failed> {
    let scene = Scene::make();
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "hold"), &["--enforce"]);
    let output = scene.as_exempt("rm folder/deep/file && echo new > folder/deep/file");
    expect("exempt", output.status.success(), true)?;
    expect("by its name", read(&scene.at("folder/deep/file")), Outcome::Denied)?;
    // No rule is on linking.
    fs::hard_link(scene.at("folder/deep/file"), scene.at("other-name")).expect("a link");
    wait_until("the new file is known by itself", || read(&scene.at("other-name")) == Outcome::Denied);
    agent.detach();
    expect("after detach", read(&scene.at("other-name")), Outcome::Allowed)
}

fn follow() -> Result<(), Failed> {
    let scene = Scene::make();
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "follow"), &["--enforce"]);
    expect("armed", read(&scene.at("folder/deep/file")), Outcome::Denied)?;
    expect("nothing is pending", pending(&agent), Value::Array(vec![]))?;
    fs::rename(scene.at("folder"), scene.at("moved")).expect("a directory that nobody holds");
    wait_until("the rule is pending", || pending(&agent)[0]["rule"] == "the-file");
    let path = pending(&agent)[0]["paths"][0].as_str().map(PathBuf::from);
    expect("the path", path, Some(scene.at("folder/deep/file")))?;
    fs::create_dir_all(scene.at("folder/deep")).expect("a directory");
    fs::write(scene.at("folder/deep/file"), "new\n").expect("a file");
    wait_until("nothing is pending", || pending(&agent) == Value::Array(vec![]));
    expect("the new file", read(&scene.at("folder/deep/file")), Outcome::Denied)?;
    agent.detach();
    expect("after detach", read(&scene.at("folder/deep/file")), Outcome::Allowed)
}

fn mount_later() -> Result<(), Failed> {
    let scene = Scene::make();
    fs::create_dir_all(scene.at("mounted")).expect("a directory");
    let mut agent = Agent::new("aegis-moves");
    agent.start("version = 3\nname = \"small\"\n", &["--enforce"]);
    let file = agent.policy(&scene.policy("mounted/deep/file", "follow"));
    let reply = agent.json(&["policy", "apply", &file]);
    expect("pending", reply["pending"][0]["rule"].as_str(), Some("the-file"))?;
    let made = Command::new("sh")
        .args(["-c", "mount -t tmpfs none mounted && mkdir mounted/deep && echo > mounted/deep/file"])
        .current_dir(&scene.base)
        .output()
        .expect("sh");
    expect("mounted", made.status.success(), true)?;
    wait_until("the file is denied", || read(&scene.at("mounted/deep/file")) == Outcome::Denied);
    wait_until("nothing is pending", || pending(&agent) == Value::Array(vec![]));
    Ok(())
}

/// What is held may be moved by those who are exempt. The name that is gone is protected then.
fn exempt_move() -> Result<(), Failed> {
    let scene = Scene::make();
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "hold"), &["--enforce"]);
    let held: Outcome = fs::rename(scene.at("folder"), scene.at("moved")).into();
    expect("held", held, Outcome::Denied)?;
    expect("exempt", scene.as_exempt("mv folder moved").status.success(), true)?;
    let make = || Outcome::from(fs::create_dir(scene.at("folder")));
    wait_until("the name that is gone is protected", || match make() {
        Outcome::Denied => true,
        _ => {
            let _ = fs::remove_dir(scene.at("folder"));
            false
        }
    });
    agent.settle();
    let told = |block: &Value| block["operations"][0] == "mkdir" && block["reason"] == "anchor";
    expect("told", agent.blocks().iter().any(told), true)
}

/// Nobody is excepted until the cgroup is there; then its members are.
fn exempt_later() -> Result<(), Failed> {
    let scene = Scene::make();
    fs::remove_dir(CGROUP).expect("an empty cgroup");
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "hold"), &["--enforce"]);
    expect("pending", pending(&agent)[0]["rule"].as_str(), Some("[exempt]"))?;
    fs::create_dir_all(CGROUP).expect("a cgroup");
    expect("everybody is denied", read(&scene.at("folder/deep/file")), Outcome::Denied)?;
    wait_until("members are excepted", || scene.as_exempt("cat folder/deep/file").status.success());
    expect("others are still denied", read(&scene.at("folder/deep/file")), Outcome::Denied)?;
    expect("nothing is pending", pending(&agent), Value::Array(vec![]))
}

/// A file keeps its rule under another name, also after the paths have been resolved again.
fn moved_file() -> Result<(), Failed> {
    let scene = Scene::make();
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "hold"), &["--enforce"]);
    let generation = || agent.json(&["status"])["generation"]["generation"].as_u64();
    // No rule is on renaming the file itself.
    fs::rename(scene.at("folder/deep/file"), scene.at("moved")).expect("a rename");
    fs::write(scene.at("folder/deep/file"), "new\n").expect("another file");
    wait_until("the paths are resolved again", || generation() > Some(1));
    expect("the file that moved", read(&scene.at("moved")), Outcome::Denied)?;
    expect("the file that came", read(&scene.at("folder/deep/file")), Outcome::Denied)
}

/// Whoever owns a protected name cannot turn the rule on another file.
fn bent_name() -> Result<(), Failed> {
    let scene = Scene::make();
    fs::write(scene.at("victim"), "content\n").expect("a file");
    let mut agent = Agent::new("aegis-moves");
    agent.start(&scene.policy("folder/deep/file", "hold"), &["--enforce"]);
    fs::remove_file(scene.at("folder/deep/file")).expect("no rule is on unlinking");
    std::os::unix::fs::symlink(scene.at("victim"), scene.at("folder/deep/file")).expect("a link");
    wait_until("the rule is pending", || pending(&agent)[0]["rule"] == "the-file");
    expect("the other file", read(&scene.at("victim")), Outcome::Allowed)?;
    let _ = fs::remove_file(scene.at("folder/deep/file"));
    fs::write(scene.at("folder/deep/file"), "new\n").expect("a file");
    wait_until("nothing is pending", || pending(&agent) == Value::Array(vec![]));
    expect("the file at the path", read(&scene.at("folder/deep/file")), Outcome::Denied)
}
