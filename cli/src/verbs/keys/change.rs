//! `keys add` and `keys remove`: which keys are trusted from now on.

use super::{Shown, distinct, read, trusted};
use crate::exit::{Exit, Failure};
use crate::file;
use crate::output::{self, Format};
use aegis_config::Trust;
use aegis_trust::Key;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What has become of which keys.
#[derive(Debug, Serialize)]
struct Changed {
    version: u32,
    changed: bool,
    keys: Vec<Shown>,
}

fn tell(format: Format, changed: bool, keys: &[(PathBuf, Key)], text: &str) -> Result<()> {
    if format == Format::Json {
        let keys = keys.iter().map(|(path, key)| Shown::of(key, path)).collect();
        return output::json(&Changed { version: 1, changed, keys });
    }
    for (path, key) in keys {
        let Shown { id, file, .. } = Shown::of(key, path);
        output::line(&format!("{id} {text} ({file})"));
    }
    Ok(())
}

pub(super) fn add(format: Format, trust: &Trust, file: &Path) -> Result<()> {
    let key = read(file)?;
    let known = trusted(trust)?;
    // In another form it is another file: each form verifies signatures of its own.
    let same = |(_, other): &&(PathBuf, Key)| *other == key && other.id() == key.id();
    if let Some(there) = known.iter().find(same) {
        return tell(format, false, std::slice::from_ref(there), "is trusted already");
    }
    make(&trust.directory)?;
    let path = trust.directory.join(key.file_name());
    if path.symlink_metadata().is_ok() {
        let why = format!(
            "{} is there already, with another key in it; look at both, and remove one",
            path.display()
        );
        return Err(Failure::new(Exit::Refused, why).into());
    }
    file::replace(&path, &key.to_text())?;
    // As whoever trusts it will read it.
    if let Err(error) = trusted(trust) {
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    tell(format, true, &[(path, key)], "is trusted from now on")
}

/// Makes the directory of keys, for everybody to read, whatever the umask is.
fn make(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .and_then(|()| std::fs::set_permissions(directory, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot make the directory of keys {}", directory.display()))
}

pub(super) fn remove(format: Format, trust: &Trust, named: &str, force: bool) -> Result<()> {
    let known = trusted(trust)?;
    let (gone, left): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|(path, key)| is_named(path, key, named));
    if gone.is_empty() {
        anyhow::bail!(
            "no trusted key is called {named:?}, and no such file has one; `aegisbpf keys list` shows all"
        );
    }
    let (left, threshold) = (distinct(left.iter().map(|(_, key)| key)), trust.threshold);
    if left < usize::from(threshold.get()) && !force {
        let why = format!(
            "{left} key(s) would be left, and {threshold} must have signed a policy; add another one first, or say --force"
        );
        return Err(Failure::new(Exit::Refused, why).into());
    }
    for (path, _) in &gone {
        std::fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    tell(format, true, &gone, "is trusted no longer")
}

/// By what it is called, by its file among the trusted ones, or by another file that has it.
fn is_named(path: &Path, key: &Key, named: &str) -> bool {
    let by_file = || path == Path::new(named) || path.file_name() == Some(named.as_ref());
    let elsewhere = || {
        std::fs::metadata(named).is_ok_and(|found| found.is_file())
            && read(Path::new(named)).is_ok_and(|other| other == *key)
    };
    key.id().eq_ignore_ascii_case(named) || by_file() || elsewhere()
}
