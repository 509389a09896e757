//! Attackers that try without pause what the policy denies, and neighbours that do what nobody denies.

use aegis_tests::outcome::Outcome;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Something that is tried again and again.
pub(crate) struct Attempt {
    /// Its name, and that of the rule that denies it.
    pub(crate) name: &'static str,
    /// Whether a rule denies it.
    pub(crate) is_denied: bool,
    /// Whether the audit fallback sees it, which looks at what has succeeded.
    is_seen_by_fallback: bool,
    attempt: fn(&Path) -> Outcome,
}

const fn denied(name: &'static str, is_seen_by_fallback: bool, attempt: fn(&Path) -> Outcome) -> Attempt {
    Attempt { name, is_denied: true, is_seen_by_fallback, attempt }
}

const fn allowed(name: &'static str, attempt: fn(&Path) -> Outcome) -> Attempt {
    Attempt { name, is_denied: false, is_seen_by_fallback: true, attempt }
}

const ATTEMPTS: &[Attempt] = &[
    denied("open", true, |base| File::open(base.join("secret")).map(drop).into()),
    denied("exec", true, |base| exec(&base.join("program"))),
    denied("unlink", false, |base| fs::remove_file(base.join("kept")).into()),
    denied("rename-onto", false, |base| fs::rename(base.join("other"), base.join("target")).into()),
    allowed("open of another file", |base| File::open(base.join("open")).map(drop).into()),
    allowed("exec of another program", |base| exec(&base.join("free-program"))),
    allowed("rename and unlink of other files", |base| {
        let (from, to) = (base.join("own"), base.join("own-renamed"));
        fs::write(&from, "").and_then(|()| fs::rename(&from, &to)).and_then(|()| fs::remove_file(&to)).into()
    }),
];

fn exec(program: &Path) -> Outcome {
    Command::new(program).status().map(drop).into()
}

/// Makes the files in a directory, and the policy that protects them.
pub(crate) fn scene(base: &Path) -> std::io::Result<String> {
    for name in ["secret", "kept", "other", "target", "open"] {
        fs::write(base.join(name), "content\n")?;
    }
    for name in ["program", "free-program"] {
        fs::copy("/bin/true", base.join(name))?;
    }
    let rule = |id: &str, operation: &str, file: &str| {
        let path = base.join(file).display().to_string();
        format!("[[rule]]\nid = \"{id}\"\non = [\"{operation}\"]\npath = \"{path}\"\n")
    };
    Ok([
        "version = 3\nname = \"chaos\"\n".to_owned(),
        rule("open", "read", "secret"),
        rule("exec", "exec", "program"),
        rule("unlink", "unlink", "kept"),
        rule("rename-onto", "rename", "target"),
    ]
    .concat())
}

/// What came of one of them.
#[derive(Debug, Default)]
struct Count {
    attempts: AtomicU64,
    /// Ended as it should not have.
    wrong: AtomicU64,
}

/// All of them at work. Dropping it ends them.
pub(crate) struct Attackers {
    counts: Arc<Vec<Count>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    is_enforced: bool,
}

/// What was tried of one thing, and how often it ended wrongly.
pub(crate) struct Tally {
    pub(crate) attempt: &'static Attempt,
    pub(crate) attempts: u64,
    pub(crate) wrong: u64,
}

impl Attackers {
    /// Begins. Where nothing is enforced everything must succeed, and only what the fallback sees is tried.
    pub(crate) fn start(base: &Path, is_enforced: bool, pause: Duration) -> Self {
        let counts = Arc::new(ATTEMPTS.iter().map(|_| Count::default()).collect());
        let mut attackers = Self { counts, is_over: Arc::default(), threads: Vec::new(), is_enforced };
        // Those that cost a process each do not slow down the others.
        for is_exec in [false, true] {
            let pause = if is_exec { pause.max(EXEC_PAUSE) } else { pause };
            attackers.threads.push(attackers.attack(base.to_owned(), is_exec, pause));
        }
        attackers
    }

    fn attack(&self, base: PathBuf, is_exec: bool, pause: Duration) -> JoinHandle<()> {
        let (counts, is_over) = (Arc::clone(&self.counts), Arc::clone(&self.is_over));
        let is_enforced = self.is_enforced;
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for (attempt, count) in ATTEMPTS.iter().zip(counts.iter()) {
                    let is_mine = attempt.name.starts_with("exec") == is_exec;
                    if is_mine && (is_enforced || attempt.is_seen_by_fallback) {
                        attempt.once(&base, is_enforced, count);
                        if !pause.is_zero() {
                            std::thread::sleep(pause);
                        }
                    }
                }
            }
        })
    }

    /// What came of them so far.
    pub(crate) fn tallies(&self) -> Vec<Tally> {
        let tally = |(attempt, count): (&'static Attempt, &Count)| Tally {
            attempt,
            attempts: count.attempts.load(Ordering::Relaxed),
            wrong: count.wrong.load(Ordering::Relaxed),
        };
        ATTEMPTS.iter().zip(self.counts.iter()).map(tally).collect()
    }

    /// Ends them.
    pub(crate) fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("attackers do not panic");
        }
    }
}

/// Starting a process copies the tables of this one: without a pause it does little else.
const EXEC_PAUSE: Duration = Duration::from_millis(10);

impl Attempt {
    fn once(&self, base: &Path, is_enforced: bool, count: &Count) {
        let expected = if self.is_denied && is_enforced { Outcome::Denied } else { Outcome::Allowed };
        let outcome = (self.attempt)(base);
        count.attempts.fetch_add(1, Ordering::Relaxed);
        if outcome != expected {
            count.wrong.fetch_add(1, Ordering::Relaxed);
            eprintln!("chaos: {}: {outcome:?} instead of {expected:?}", self.name);
        }
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.stop();
    }
}
