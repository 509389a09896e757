//! Paths of files and cgroups.

use crate::diagnostic::{Code, Fault, quote};
use crate::plan::Object;

/// The most bytes of a path: the kernel's `PATH_MAX` without the NUL at its end.
const LONGEST_PATH: usize = 4095;
/// The most bytes of an abstract name: what an address of the kernel has behind its first NUL.
const LONGEST_ABSTRACT: usize = 107;
/// The most bytes of a component: the kernel's `NAME_MAX`.
const LONGEST_COMPONENT: usize = 255;

/// Checks that a text is an absolute path in the one form that names are compared in. Which root is meant is up
/// to the caller.
pub(super) fn normal(text: &str) -> Result<(), Fault> {
    let Some(relative) = text.strip_prefix('/') else {
        return Err(not_absolute(text));
    };
    if text.contains('\0') {
        return Err(Fault::new(Code::NulInPath, format!("{} contains NUL", quote(text)))
            .label("no file name can contain NUL")
            .help("remove `\\u0000`"));
    }
    if let Some(cause) = unnormal(relative) {
        return Err(not_normal(text, cause));
    }
    if text.len() > LONGEST_PATH {
        return Err(too_long("path", text.len(), LONGEST_PATH));
    }
    match components(relative).map(<[u8]>::len).find(|length| *length > LONGEST_COMPONENT) {
        Some(length) => Err(too_long("component", length, LONGEST_COMPONENT)),
        None => Ok(()),
    }
}

/// A path of a rule. Which file it is, is found out when the plan is resolved.
pub(super) fn object(text: &str) -> Result<Object, Fault> {
    if text == "/" {
        return Err(Fault::new(Code::RootPath, "a rule cannot protect `/`")
            .label("the root directory itself")
            .help("name the files to protect, such as `/etc/shadow`"));
    }
    normal(text).map(|()| Object::Path(text.to_owned()))
}

/// A directory that stands for everything below it.
pub(super) fn subtree(text: &str) -> Result<Object, Fault> {
    object(text)?;
    Ok(Object::Subtree(text.to_owned()))
}

/// A unix socket.
pub(super) fn socket(text: &str) -> Result<Object, Fault> {
    let Some(name) = text.strip_prefix('@') else {
        object(text)?;
        // A longer path is no address, but it can be reached by a shorter one.
        return Ok(Object::Unix(text.to_owned()));
    };
    let fault = || Fault::new(Code::BadUnix, format!("{} is not a unix socket", quote(text)));
    match name.len() {
        0 => Err(fault()
            .label("the name behind `@` is empty")
            .help("write the name as `ss -xl` shows it, or a path")),
        length if length > LONGEST_ABSTRACT => Err(fault()
            .label(format!("its name has {length} bytes, and the kernel accepts {LONGEST_ABSTRACT}"))
            .help("nothing can have this name: check how it was made")),
        _ => Ok(Object::Unix(text.to_owned())),
    }
}

/// A warning for those who expect patterns.
pub(super) fn wildcard(text: &str) -> Option<Fault> {
    let character = text.bytes().find(|byte| b"*?".contains(byte)).map(char::from)?;
    Some(
        Fault::new(Code::Wildcard, format!("{} is taken literally", quote(text)))
            .label(format!("there are no patterns: `{character}` is part of the name"))
            .help("list each path; leave it as it is if the name really contains this character"),
    )
}

fn unnormal(relative: &str) -> Option<&'static str> {
    if relative.ends_with('/') {
        return Some("it ends with a slash");
    }
    components(relative).find_map(|component| match component {
        b"" => Some("two slashes follow each other"),
        b"." => Some("`.` is not the name of a file"),
        b".." => Some("`..` is not the name of a file"),
        _ => None,
    })
}

/// As bytes: a search for characters would be most of what a path costs.
fn components(relative: &str) -> impl Iterator<Item = &[u8]> {
    relative.as_bytes().split(|byte| *byte == b'/')
}

fn not_absolute(text: &str) -> Fault {
    let help = match text.chars().next() {
        None => "write a path such as `/etc/shadow`",
        Some('~') => "write the home directory out, such as `/root`",
        Some(_) => "write the path from the root on, beginning with `/`",
    };
    Fault::new(Code::RelativePath, format!("{} is not an absolute path", quote(text)))
        .label("does not begin with `/`")
        .help(help)
}

fn not_normal(text: &str, cause: &str) -> Fault {
    let components: Vec<&str> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    // What `..` leads to depends on symbolic links, so no path is suggested then.
    let help = if components.is_empty() || components.contains(&"..") {
        "write the path that `realpath` prints".to_owned()
    } else {
        format!("write {}", quote(&format!("/{}", components.join("/"))))
    };
    Fault::new(Code::UnnormalPath, format!("{} is not in normal form", quote(text))).label(cause).help(help)
}

fn too_long(what: &str, length: usize, longest: usize) -> Fault {
    Fault::new(Code::LongPath, format!("a {what} of {length} bytes is too long"))
        .label(format!("the kernel accepts {longest} bytes in a {what}"))
        .help("nothing can have this path: check how it was made")
}
