//! The repository as cargo sees it: folders, packages, and the programs cargo builds.

use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// The cargo that started this program, at the repository's root.
pub(crate) fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// `cargo metadata` of the workspace's own packages.
pub(crate) fn metadata() -> Result<Value> {
    let text = process::output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata wrote something that is not JSON")
}

/// True if the workspace has a package of this name.
pub(crate) fn has_package(name: &str) -> Result<bool> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array();
    Ok(packages.is_some_and(|packages| packages.iter().any(|package| package["name"] == name)))
}

/// How programs are compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    /// As tests are: the one that nearly everything uses.
    Dev,
    /// As it is shipped.
    Release,
}

impl Profile {
    /// Cargo's options for it.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &[],
            Self::Release => &["--release"],
        }
    }
}

/// Builds with cargo and returns the path of the executable of the named target.
pub(crate) fn executable(args: &[&str], target: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(args).arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`cargo {}` ended with {}", args.join(" "), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("`cargo {}` built no executable `{target}`", args.join(" ")))
}
