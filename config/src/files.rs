//! The files of the policy, as the settings name them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Why the files of the policy are not known.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A directory that cannot be listed.
    #[error("cannot list the directory of policies {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory without policies: that it should mean "deny nothing" is not to be assumed.
    #[error(
        "the directory of policies {0} has no file with a name in `.toml` or `.policy`; put one there, or take the \
         directory out of `policy.files`"
    )]
    Empty(PathBuf),
}

/// The files that `policy.files` stands for: each directory is replaced by its files with names in `.toml` and
/// `.policy`, in the order of their names. Other paths are passed on as they are, whatever is there.
///
/// # Errors
///
/// A directory that cannot be listed, or has no policy.
pub fn policy_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FilesError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(directory(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn directory(path: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let failed = |source| FilesError::List { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file.extension().and_then(OsStr::to_str);
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if matches!(extension, Some("toml" | "policy")) && !hidden {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(FilesError::Empty(path.to_owned()));
    }
    files.sort();
    Ok(files)
}
