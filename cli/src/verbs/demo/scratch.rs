//! The directory with the files that are attacked.

use super::rows::{
    HARD, NEIGHBOUR, OTHER_PROGRAM, OTHER_SCRIPT, PROGRAM, REPLACED, RULES, SCRIPT, SECRET, SOFT,
};
use crate::output;
use anyhow::{Context, Result, bail};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory; removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    directory: PathBuf,
    loader: Option<PathBuf>,
}

/// Where it may be, beside the place for temporary files: the first that lets programs run.
const PLACES: [&str; 2] = ["/tmp", "/var/tmp"];

/// A name for a file on its way to another name.
const PASSING: &str = "passing.txt";
const POLICY: &str = "policy.toml";

impl Scratch {
    /// Makes the directory and its files.
    pub(super) fn make() -> Result<Self> {
        let places = [vec![std::env::temp_dir()], PLACES.map(PathBuf::from).to_vec()].concat();
        let mut why = Vec::new();
        for place in &places {
            match Self::make_below(place) {
                Ok(scratch) => return Ok(scratch),
                Err(error) => why.push(format!("{error:#}")),
            }
        }
        bail!("no place for the demo's files: {}", why.join("; "))
    }

    fn make_below(place: &Path) -> Result<Self> {
        // Rules and records have paths without links.
        let place = place.canonicalize().with_context(|| format!("cannot use {}", place.display()))?;
        let directory = place.join(format!("aegis-demo-{}", std::process::id()));
        let mut builder = DirBuilder::new();
        builder
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        // From here on the directory is removed whatever happens.
        let mut scratch = Self { directory, loader: None };
        scratch.fill().with_context(|| format!("cannot fill {}", scratch.directory.display()))?;
        Command::new(scratch.path(PROGRAM))
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot run programs below {}", place.display()))?;
        scratch.loader = interpreter(&fs::read(scratch.path(PROGRAM))?);
        if scratch.loader.is_none() {
            output::note(
                "demo: `true` needs no dynamic loader on this host: attempts by way of it are left out",
            );
        }
        Ok(scratch)
    }

    fn fill(&self) -> Result<()> {
        for directory in ["elsewhere", "denied", "allowed"] {
            fs::create_dir(self.path(directory))?;
        }
        for name in [SECRET, REPLACED, NEIGHBOUR] {
            fs::write(self.path(name), "content\n")?;
        }
        fs::hard_link(self.path(SECRET), self.path(HARD))?;
        symlink(SECRET, self.path(SOFT))?;
        let program = on_path("true").context("no program `true` on the PATH")?;
        for name in [PROGRAM, OTHER_PROGRAM] {
            fs::copy(&program, self.path(name))?;
        }
        self.write_script(SCRIPT, "/bin/sh")?;
        self.write_script(OTHER_SCRIPT, &self.path(PROGRAM).display().to_string())?;
        Ok(())
    }

    fn write_script(&self, name: &str, interpreter: &str) -> io::Result<()> {
        fs::write(self.path(name), format!("#!{interpreter}\nexit 0\n"))?;
        fs::set_permissions(self.path(name), Permissions::from_mode(0o700))
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The loader of dynamically linked programs, if `true` needs one.
    pub(super) fn dynamic_loader(&self) -> Option<&Path> {
        self.loader.as_deref()
    }

    /// Writes the policy and names its file.
    pub(super) fn write_policy(&self) -> Result<PathBuf> {
        let mut text = "version = 3\nname = \"demo\"\n".to_owned();
        for rule in &RULES {
            let path = self.path(rule.name);
            let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            // What JSON escapes, TOML escapes the same way.
            let path = serde_json::to_string(path)?;
            let (id, operations) = (rule.id, rule.operations);
            text += &format!("\n[[rule]]\nid = \"{id}\"\non = [{operations}]\npath = [{path}]\n");
        }
        fs::write(self.path(POLICY), text).context("cannot write the policy")?;
        Ok(self.path(POLICY))
    }

    /// Another file, to be moved somewhere.
    pub(super) fn passing(&self) -> Result<PathBuf> {
        let path = self.path(PASSING);
        fs::write(&path, "other content\n").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            output::note(&format!("demo: cannot remove {}: {error}", self.directory.display()));
        }
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// The dynamic loader that a 64-bit little-endian ELF file asks for: the string in its segment of type
/// `PT_INTERP` (elf(5)).
fn interpreter(elf: &[u8]) -> Option<PathBuf> {
    const MAGIC: &[u8] = b"\x7fELF\x02\x01";
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let offset = |at: usize| usize::try_from(number(at, 8)?).ok();
    if !elf.starts_with(MAGIC) {
        return None;
    }
    let (headers, size) = (offset(32)?, usize::try_from(number(54, 2)?).ok()?);
    let count = usize::try_from(number(56, 2)?).ok()?;
    let header = (0..count)
        .filter_map(|index| headers.checked_add(index * size))
        .find(|header| number(*header, 4) == Some(PT_INTERP))?;
    let (start, length) = (offset(header + 8)?, offset(header + 32)?);
    let text = elf.get(start..start.checked_add(length)?)?.strip_suffix(b"\0")?;
    Some(PathBuf::from(std::str::from_utf8(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_of_this_test_is_found() {
        let loader = interpreter(&fs::read("/proc/self/exe").unwrap());
        assert!(loader.is_none_or(|path| path.is_file()));
    }

    #[test]
    fn what_is_no_program_has_no_loader() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &[0xff; 64]] {
            assert_eq!(interpreter(bytes), None);
        }
        let mut broken = b"\x7fELF\x02\x01".to_vec();
        broken.resize(64, 0xff);
        assert_eq!(interpreter(&broken), None);
    }

    #[test]
    fn the_policy_is_one_that_compiles() {
        let scratch = Scratch::make().unwrap();
        let text = fs::read_to_string(scratch.write_policy().unwrap()).unwrap();
        let compiled = aegis_policy::compile(&[aegis_policy::Source { name: POLICY, text: &text }]).unwrap();
        assert_eq!(compiled.plan.rules().len(), RULES.len());
        let directory = scratch.directory().to_owned();
        drop(scratch);
        assert!(!directory.exists());
    }
}
