//! The state directory: the local policy, and the sources of the policy in force. Files are replaced as a whole.
//!
//! Root reads from here what is to be in force, so nobody else may be able to write here. The directory is made
//! when something is first kept.

use super::PolicyError;
use crate::trusted::{demand_trusted, flags, open_trusted};
use aegis_control_api::PolicySource;
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The state directory.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
}

/// A file that is written and not yet in its place. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Aside {
    new: PathBuf,
    place: PathBuf,
}

/// The local policy, of format 1.
const LOCAL: &str = "local.policy";
/// What it was before `policy reset`.
const BEFORE_RESET: &str = "local.policy.before-reset";
/// Files of that kind that are kept beside each other.
const KEPT: u32 = 100;
/// The sources of the policy in force, as JSON.
const APPLIED: &str = "applied.json";

impl StateDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file of the local policy.
    pub(super) fn local(&self) -> PathBuf {
        self.path.join(LOCAL)
    }

    /// Where the sources of the policy in force are.
    pub(super) fn applied(&self) -> PathBuf {
        self.path.join(APPLIED)
    }

    /// The local policy; none if there is no file.
    pub(super) fn read_local(&self) -> Result<Option<PolicySource>, PolicyError> {
        let path = self.local();
        let text = self.read(&path).map_err(failed("read the local policy", &path))?;
        Ok(text.map(|text| PolicySource::unsigned(path.display().to_string(), text)))
    }

    /// The sources that were kept. None if there are none, or they cannot be read: then it is as if nobody had
    /// kept them.
    pub(super) fn read_applied(&self) -> Option<Vec<PolicySource>> {
        let text = self.read(&self.applied()).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Writes a new local policy beside the one that is there.
    pub(super) fn write_local(&self, text: &str) -> Result<Aside, PolicyError> {
        self.write(LOCAL, text.as_bytes()).map_err(failed("write the local policy", &self.local()))
    }

    /// Keeps the sources of the policy in force.
    pub(super) fn keep_applied(&self, sources: &[PolicySource]) -> io::Result<()> {
        self.write(APPLIED, &serde_json::to_vec(sources)?)?.put()
    }

    /// Takes the local policy out of force, and keeps it under another name. None if there is none.
    pub(super) fn set_aside(&self) -> io::Result<Option<PathBuf>> {
        let kept = self.free_name();
        match std::fs::rename(self.local(), &kept) {
            Ok(()) => {
                settle(&self.path);
                Ok(Some(kept))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A name for a file that is set aside. Beyond the last, that one is taken again.
    fn free_name(&self) -> PathBuf {
        let name = |number: u32| match number {
            1 => self.path.join(BEFORE_RESET),
            number => self.path.join(format!("{BEFORE_RESET}.{number}")),
        };
        (1..KEPT).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(KEPT))
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        let text = self.read_bytes(path)?.map(String::from_utf8).transpose();
        text.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// What is in a file that nobody else can have written; none if there is none.
    pub(super) fn read_bytes(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let opened = std::fs::metadata(&self.path)
            .and_then(|found| demand_trusted(&self.path, &found))
            .and_then(|()| open_trusted(OpenOptions::new().read(true), path));
        match opened {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the directory, if it is not there.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        demand_trusted(&self.path, &std::fs::metadata(&self.path)?)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<Aside> {
        self.make()?;
        let place = self.path.join(name);
        let aside = Aside { new: self.path.join(format!("{name}.new")), place };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(flags(OFlags::NOFOLLOW))
            .open(&aside.new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(aside)
    }
}

impl Aside {
    /// Puts it in its place, so that it is still there after a crash of the machine.
    pub(super) fn put(self) -> io::Result<()> {
        std::fs::rename(&self.new, &self.place)?;
        self.place.parent().into_iter().for_each(settle);
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // It is not there once it was put; otherwise the next write replaces it.
        let _ = std::fs::remove_file(&self.new);
    }
}

/// Makes a rename last. It has happened: that it may not outlast a crash of the machine is only told.
fn settle(path: &Path) {
    if let Err(error) = File::open(path).and_then(|directory| directory.sync_all()) {
        let path = path.display();
        tracing::warn!(
            "{path} cannot be written to the disk now ({error}); a crash of the machine may undo the change"
        );
    }
}

pub(super) fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> PolicyError + 'a {
    move |source| PolicyError::File { operation, path: path.to_owned(), source, consequence: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// A state directory of its own, removed at the end.
    struct Scratch(StateDirectory);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("aegis-state-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(StateDirectory::new(path))
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0.path).into_iter().flatten().flatten();
            let mut names: Vec<_> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.path);
        }
    }

    fn text(directory: &StateDirectory) -> Option<String> {
        directory.read_local().ok().flatten().map(|source| source.text)
    }

    #[test]
    fn files_are_replaced_whole_or_not_at_all() {
        let scratch = Scratch::new("whole");
        let directory = &scratch.0;
        assert!(directory.read_local().is_ok_and(|local| local.is_none()));
        assert!(directory.set_aside().is_ok_and(|kept| kept.is_none()));
        assert!(directory.write_local("one").is_ok_and(|aside| aside.put().is_ok()));
        let mode = |path: &Path| fs::metadata(path).map(|found| found.mode() & 0o7777).ok();
        assert_eq!((mode(&directory.path), mode(&directory.local())), (Some(0o700), Some(0o600)));
        let aside = directory.write_local("two");
        assert_eq!(text(directory).as_deref(), Some("one"));
        drop(aside);
        assert_eq!((text(directory).as_deref(), scratch.names()), (Some("one"), vec![LOCAL.to_owned()]));
        assert!(directory.set_aside().is_ok_and(|kept| kept.is_some()));
        assert_eq!((text(directory), scratch.names()), (None, vec![BEFORE_RESET.to_owned()]));
        assert!(directory.write_local("three").is_ok_and(|aside| aside.put().is_ok()));
        assert!(directory.set_aside().is_ok_and(|kept| kept.is_some()));
        assert_eq!(scratch.names().len(), 2, "what was kept before is still there");
    }

    #[test]
    fn sources_are_kept() {
        let scratch = Scratch::new("kept");
        assert_eq!(scratch.0.read_applied(), None);
        let sources = vec![PolicySource::unsigned("p", "version=1\n")];
        assert!(scratch.0.keep_applied(&sources).is_ok());
        assert_eq!(scratch.0.read_applied(), Some(sources));
        assert!(fs::write(scratch.0.path.join(APPLIED), "{").is_ok());
        assert_eq!(scratch.0.read_applied(), None);
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        let scratch = Scratch::new("trust");
        let directory = &scratch.0;
        assert!(directory.write_local("one").is_ok_and(|aside| aside.put().is_ok()));
        for (path, mode) in [(directory.local(), 0o620), (directory.path.clone(), 0o702)] {
            let before = fs::metadata(&path).map(|found| found.permissions());
            assert!(fs::set_permissions(&path, Permissions::from_mode(mode)).is_ok());
            let error = directory.read_local().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("chmod go-w"), "{error}");
            assert!(before.is_ok_and(|before| fs::set_permissions(&path, before).is_ok()));
        }
        let elsewhere = directory.path.join("elsewhere");
        assert!(fs::rename(directory.local(), &elsewhere).is_ok());
        assert!(std::os::unix::fs::symlink(&elsewhere, directory.local()).is_ok());
        assert!(directory.read_local().is_err());
    }
}
