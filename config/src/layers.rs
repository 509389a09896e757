//! Reads the files of the configuration. What is in them is not known here.

use crate::check::{Flag, Loaded, compose};
use crate::report::{Code, Fault, Report};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// A directory that stands for `/`. For tests.
    pub root: Option<PathBuf>,
    /// A file that takes the place of `/etc/aegisbpf/config.toml`, and must be there.
    pub file: Option<PathBuf>,
}

/// A file, and what is wrong with it as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    pub(crate) path: PathBuf,
    /// Empty if it could not be read.
    pub(crate) text: String,
    pub(crate) faults: Vec<Fault>,
}

impl FileText {
    /// A text that was read elsewhere.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), faults: Vec::new() }
    }
}

/// A file or directory of the configuration.
enum Layer {
    Directory(&'static str),
    File(&'static str),
}

/// The layers of files, the lower first: what a package brings, what the administrator wrote, what is for this boot.
const LAYERS: [Layer; 4] = [
    Layer::Directory("/usr/lib/aegisbpf/conf.d"),
    Layer::File("/etc/aegisbpf/config.toml"),
    Layer::Directory("/etc/aegisbpf/conf.d"),
    Layer::Directory("/run/aegisbpf/conf.d"),
];

/// Nobody writes more by hand; what is larger is another file.
const LARGEST: u64 = 1024 * 1024;

/// Reads everything and lays it over each other. Can be called again, when something has changed.
///
/// # Errors
///
/// Everything that is wrong.
pub fn load(places: &Places, variables: &[(OsString, OsString)], flags: &[Flag]) -> Result<Loaded, Report> {
    compose(&read(places), variables, flags)
}

/// Reads all files, the lower layers first.
#[must_use]
pub fn read(places: &Places) -> Vec<FileText> {
    let root = rustix::process::geteuid().is_root();
    let below = |path: &str| match &places.root {
        Some(root) => root.join(path.trim_start_matches('/')),
        None => PathBuf::from(path),
    };
    let mut files = Vec::new();
    for layer in LAYERS {
        match layer {
            Layer::Directory(path) => files.extend(directory(&below(path), root)),
            Layer::File(path) => match &places.file {
                Some(path) => files.push(file(path, root).unwrap_or_else(|| absent(path))),
                None => files.extend(file(&below(path), root)),
            },
        }
    }
    files
}

/// The files of a directory whose names end in `.toml`, in the order of their names. Hidden ones are what editors leave.
fn directory(path: &Path, root: bool) -> Vec<FileText> {
    let entries = match list(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![unreadable(path, "list the directory", &error)],
    };
    entries.iter().filter_map(|path| file(path, root)).collect()
}

fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_bytes().ends_with(b".toml") && !name.as_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// A file, or nothing if there is none.
fn file(path: &Path, root: bool) -> Option<FileText> {
    match contents(path, root) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(unreadable(path, "read the file", &error)),
    }
}

fn contents(path: &Path, root: bool) -> io::Result<FileText> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {LARGEST} bytes")));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))?;
    let mut faults: Vec<Fault> = untrusted(path, "file", &metadata, root).into_iter().collect();
    // Who can write the directory can put another file there.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    faults.extend(untrusted(directory, "directory", &fs::metadata(directory)?, root));
    Ok(FileText { path: path.to_owned(), text, faults })
}

/// What is wrong with a file or directory that others than root can change.
fn untrusted(path: &Path, what: &str, metadata: &Metadata, root: bool) -> Option<Fault> {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let (mode, owner) = (metadata.permissions().mode(), metadata.uid());
    let shown = crate::text::harmless(&path.display().to_string());
    // In a directory such as /tmp only the owner of a file can put another one in its place.
    let kept = what == "directory" && mode & STICKY != 0;
    let (who, help) = if root && owner != 0 {
        (format!("it belongs to the user {owner}"), format!("chown root {shown}"))
    } else if mode & OTHERS_WRITE != 0 && !kept {
        (format!("its mode is {:o}", mode & 0o7777), format!("chmod go-w {shown}"))
    } else {
        return None;
    };
    let message = format!("others than root can change the {what} {shown}");
    let label = format!("{who}: who can write it can switch off the agent");
    Some(Fault::new(Code::Untrusted, message, label, format!("look at what is in it, then `{help}`")))
}

fn unreadable(path: &Path, operation: &str, error: &io::Error) -> FileText {
    let shown = crate::text::harmless(&path.display().to_string());
    let help = "make it readable, or move it away if it is not part of the configuration";
    let message = format!("cannot {operation} {shown}");
    let fault = Fault::new(Code::Unreadable, message, error.to_string(), help);
    FileText { path: path.to_owned(), text: String::new(), faults: vec![fault] }
}

fn absent(path: &Path) -> FileText {
    let shown = crate::text::harmless(&path.display().to_string());
    let message = format!("cannot read the file {shown}");
    let help =
        "name a file that is there with `--config`; `aegisbpf config default` prints one to begin with";
    let fault = Fault::new(Code::Unreadable, message, "there is no such file", help);
    FileText { path: path.to_owned(), text: String::new(), faults: vec![fault] }
}
