//! What was measured, as it is kept in `docs/compatibility.json` and as the program in the guest writes it. Hooks, classes and
//! kinds are words here: which there are is for that program to say.

use crate::workspace;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;

/// Where it is kept, and the page that is made from it.
pub(super) const JSON: &str = "docs/compatibility.json";
pub(super) const PAGE: &str = "docs/compatibility.md";

/// What was measured on every kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The form of this document.
    pub(super) version: u32,
    /// Oldest first.
    pub(super) kernels: Vec<Kernel>,
}

/// What was measured on one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kernel {
    /// Its name among the tasks: a series, or where it is from.
    pub(super) name: String,
    /// Booted with `bpf` among the security modules.
    pub(super) with_bpf: Boot,
    /// Booted without.
    pub(super) without_bpf: Boot,
}

/// What the program in the guest writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Boot {
    /// What the kernel calls itself.
    pub(super) release: String,
    /// The security modules in force.
    pub(super) modules: Vec<String>,
    /// The kind of probes that was armed; none if all were refused.
    pub(super) armed: Option<String>,
    /// Why it is not the one that denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// Each hook of the kind that was armed; of all kinds if none was.
    pub(super) hooks: Vec<Hook>,
    /// The programs that tell object keys and holders.
    pub(super) iterators: Vec<Iterator>,
}

/// A hook and its program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) kind: String,
    pub(super) class: String,
    pub(super) hook: String,
    /// What is called in its place where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stand_in: Option<String>,
    /// [`PROVEN`], or why not; none if it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<String>,
    #[serde(flatten)]
    pub(super) loaded: Loaded,
}

/// An iterator program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Iterator {
    pub(super) program: String,
    pub(super) over: String,
    #[serde(flatten)]
    pub(super) loaded: Loaded,
}

/// What came of loading a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loaded {
    /// Whether the kernel has what it is attached to.
    pub(super) is_there: bool,
    /// How many instructions the verifier looked at, if it took the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<u32>,
    /// What it said, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// How a proof is called that holds.
pub(super) const PROVEN: &str = "proven";

/// How far a program goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing to attach it to.
    NotThere,
    /// It is refused.
    Refused,
    /// It loads.
    Loads,
    /// It is attached, and the self-check did not find it doing what it should.
    Unproven,
    /// The self-check found it denying, or reporting, what it should.
    Proven,
}

impl Loaded {
    /// How far the program goes, if nobody proves it.
    pub(super) fn state(&self) -> State {
        match (self.is_there, self.instructions) {
            (false, _) => State::NotThere,
            (true, None) => State::Refused,
            (true, Some(_)) => State::Loads,
        }
    }
}

impl Hook {
    /// How far its program goes.
    pub(super) fn state(&self) -> State {
        match self.proof.as_deref() {
            None => self.loaded.state(),
            Some(PROVEN) => State::Proven,
            Some(_) => State::Unproven,
        }
    }
}

impl Record {
    /// The form that is written now.
    pub(super) const VERSION: u32 = 1;

    /// What was recorded; `None` if nothing was yet.
    pub(super) fn read() -> Result<Option<Self>> {
        let path = workspace::root().join(JSON);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {JSON}"))?;
        let record = serde_json::from_str(&text);
        record.map(Some).with_context(|| format!("{JSON} is not what `cargo xtask compat` writes"))
    }

    /// Its text.
    pub(super) fn text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).context("what was measured is no JSON")?;
        Ok(text + "\n")
    }

    /// What was measured on the kernel of that name.
    pub(super) fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}
