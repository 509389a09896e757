//! Prometheus' own checker of metrics, for the test that has it read ours. The distribution's package has it beside a
//! server, so the package is unpacked and not installed: no service comes to be, and nothing is started.

use crate::{process, vm, workspace};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the tests where it is.
pub(crate) const VARIABLE: &str = "AEGIS_PROMTOOL";

const PROGRAM: &str = "promtool";
const PACKAGE: &str = "prometheus";
/// Where the package has it.
const PACKED: &str = "usr/bin/promtool";
/// Where it is kept. Remove the file for a newer one.
const KEPT: &str = "target/tools/promtool";

/// The checker on the path, or the one that is kept, fetched now if there is none.
pub(crate) fn ready() -> Result<PathBuf> {
    choose(process::find(PROGRAM), workspace::root().join(KEPT), fetch)
}

fn choose(
    on_path: Option<PathBuf>,
    kept: PathBuf,
    fetch: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if let Some(found) = on_path {
        return Ok(found);
    }
    if !kept.is_file() {
        fetch(&kept).with_context(|| {
            format!("cannot get {PROGRAM}; put one on the path, such as that of the package {PACKAGE}")
        })?;
    }
    Ok(kept)
}

/// Whoever is interrupted in this leaves nothing under the name that is looked for.
fn fetch(kept: &Path) -> Result<()> {
    let tools = kept.parent().context("it has no folder")?;
    fs::create_dir_all(tools)?;
    let work = tempfile::Builder::new().prefix("fetching-").tempdir_in(tools)?;
    eprintln!("setup: unpacking {PROGRAM} of the package {PACKAGE}; this happens once");
    unpack(work.path())?;
    let unpacked = work.path().join(PACKED);
    // What it is linked to might be missing here.
    process::output(Command::new(&unpacked).arg("--version"))?;
    fs::rename(&unpacked, kept).with_context(|| format!("cannot make {}", kept.display()))
}

/// With the lists that are there; if that fails they may be missing or old.
fn unpack(folder: &Path) -> Result<()> {
    let Err(error) = vm::unpack(&[], PACKAGE, folder) else { return Ok(()) };
    if !process::is_root() {
        bail!("{error:#}\nrun this and try again:\n  sudo apt-get update");
    }
    process::quiet(Command::new("apt-get").arg("update"))?;
    vm::unpack(&[], PACKAGE, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(_: &Path) -> Result<()> {
        bail!("it was fetched")
    }

    #[test]
    fn it_is_fetched_once_and_only_if_none_is_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, other) = (folder.path().join("kept"), PathBuf::from("/usr/bin/promtool"));
        assert_eq!(choose(Some(other.clone()), kept.clone(), never).unwrap(), other);
        let wrong = choose(None, kept.clone(), never).unwrap_err();
        assert!(format!("{wrong:#}").ends_with("it was fetched"), "{wrong:#}");
        let make = |path: &Path| Ok(fs::write(path, "")?);
        assert_eq!(choose(None, kept.clone(), make).unwrap(), kept);
        assert_eq!(choose(None, kept.clone(), never).unwrap(), kept);
    }
}
