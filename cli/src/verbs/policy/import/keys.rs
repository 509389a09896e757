//! Keys in hexadecimal digits, as the C++ AegisBPF has them, in the form of OpenSSH.

use super::look::{Found, Grade, read, shown};
use aegis_policy::import::hex_key;
use aegis_trust::Key;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "etc/aegisbpf/keys";

/// A key that can be trusted here.
#[derive(Debug, Serialize)]
pub(super) struct FoundKey {
    from: String,
    id: String,
    name: String,
    #[serde(skip)]
    text: String,
}

impl FoundKey {
    /// Its file, below the directory of all.
    pub(super) fn file(&self) -> (String, String) {
        (format!("keys/{}.pub", self.name), self.text.clone())
    }
}

/// What a key is called here.
pub(super) fn id(raw: &[u8; 32]) -> Option<String> {
    Key::from_ed25519(raw, "").ok().map(|key| key.id())
}

/// Looks at the keys below a root. Those that are in our own form already are left out.
pub(super) fn look(found: &mut Found, root: &Path) -> Result<()> {
    let directory = root.join(DIRECTORY);
    for path in files(&directory)? {
        let Some(bytes) = read(&path)? else { continue };
        if std::str::from_utf8(&bytes).is_ok_and(|text| Key::parse(text).is_ok()) {
            continue;
        }
        let name = name(&path);
        let key = hex_key(&bytes).map_err(|flaw| flaw.to_string()).and_then(|raw| {
            Key::from_ed25519(&raw, &format!("imported-{name}")).map_err(|flaw| flaw.to_string())
        });
        match key {
            Ok(key) => take(found, &path, (&bytes, &key), name),
            Err(why) => {
                found.file(&path, &bytes, "no key".to_owned());
                let remedy = "copy it again from whoever made it, or say --force to leave it out";
                found.say(Grade::Wrong, format!("{}: {why}", shown(&path)), remedy);
            }
        }
    }
    if !found.keys.is_empty() {
        let finding = format!("{} has keys in hexadecimal digits", shown(&directory));
        let remedy = "as long as they are in trust.directory no key is trusted here: move them somewhere else before `keys add`";
        found.say(Grade::Note, finding, remedy);
    }
    Ok(())
}

fn take(found: &mut Found, path: &Path, (bytes, key): (&[u8], &Key), name: String) {
    found.file(path, bytes, format!("key {}", key.id()));
    if found.keys.iter().any(|other| other.name == name) {
        let finding = format!("{}: another key would have the name `{name}` as well", shown(path));
        found.say(Grade::Wrong, finding, "rename one of the two, or say --force to leave this one out");
        return;
    }
    let (from, text) = (path.display().to_string(), key.to_text());
    found.keys.push(FoundKey { from, id: key.id(), name, text });
}

/// In the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The name of its file, of letters, digits, `.`, `_` and `-` alone: it becomes part of a line, and of another name.
fn name(path: &Path) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}
