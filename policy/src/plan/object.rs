//! What rules and exemptions point at.

use super::{Net, Operations};
use std::fmt;

/// What a rule protects. Values inside a [`Plan`](crate::Plan) keep the promises below.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// What is found at a path, now and later. Absolute, not the root, without `.`, `..`, empty components, a
    /// slash at the end or NUL; at most 4095 bytes, and 255 in each component. Taken literally.
    Path(String),
    /// Everything below the directory found at a path, and the directory itself. As [`Object::Path`].
    Subtree(String),
    /// An inode by its numbers.
    Inode {
        /// Major number of the device, at most [`Object::MAJOR_MAX`].
        major: u32,
        /// Minor number of the device, at most [`Object::MINOR_MAX`].
        minor: u32,
        /// Inode number.
        ino: u64,
        /// If given, only as long as the inode has this generation: numbers are used again.
        inode_generation: Option<u32>,
    },
    /// Files with this content, by its SHA-256.
    Sha256([u8; 32]),
    /// Files that fs-verity seals with this digest.
    Verity(Verity),
    /// Addresses of the network.
    Net(Net),
    /// A unix socket: its path as in [`Object::Path`], or `@` and its abstract name.
    Unix(String),
    /// Whatever the operations can concern.
    Any,
}

/// A digest as fs-verity has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verity {
    /// Of a tree of SHA-256.
    Sha256([u8; 32]),
    /// Of a tree of SHA-512.
    Sha512([u8; 64]),
}

/// A cgroup of version 2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CgroupRef {
    /// By its path from the root of the hierarchy, such as `/system.slice/backup.service`; not the root itself.
    Path(String),
    /// By its id; not that of the root.
    Id(u64),
}

impl Object {
    /// The highest major number: the kernel gives it 12 bits.
    pub const MAJOR_MAX: u32 = (1 << 12) - 1;
    /// The highest minor number: the kernel gives it 20 bits.
    pub const MINOR_MAX: u32 = (1 << 20) - 1;

    /// The path of one that is found by a path: a file, or a directory with all below it.
    #[must_use]
    pub fn as_path(&self) -> Option<&str> {
        match self {
            Self::Path(path) | Self::Subtree(path) => Some(path),
            _ => None,
        }
    }

    /// The operations that can concern it.
    ///
    /// A path, and what is below it, can be made as well; what has a number or a content is there already. Who is looked
    /// into is known by what it was started from, a module and a mount by where they are.
    #[must_use]
    pub fn concerned_by(&self) -> Operations {
        let files = Operations::ON_FILES | Operations::ON_NAMES | Operations::ON_ATTRIBUTES;
        let seen = Operations::PTRACE | Operations::MODULE | Operations::MOUNT;
        match self {
            Self::Path(_) | Self::Subtree(_) => files | seen,
            Self::Inode { .. } => (files | seen).difference(Operations::MAKING),
            Self::Sha256(_) | Self::Verity(_) => Operations::EXEC | Operations::MAP_EXEC | Operations::MODULE,
            Self::Net(_) => Operations::AT_ADDRESSES,
            Self::Unix(_) => Operations::AT_ADDRESSES,
            Self::Any => Operations::all(),
        }
    }

    /// The key that it stands under in policies.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Subtree(_) => "subtree",
            Self::Inode { .. } => "inode",
            Self::Sha256(_) => "sha256",
            Self::Verity(_) => "fsverity",
            Self::Net(_) => "net",
            Self::Unix(_) => "unix",
            Self::Any => "any",
        }
    }
}

impl CgroupRef {
    /// Whether the other is this one or certainly below it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(outer), Self::Path(inner)) => is_below(inner, outer),
            _ => self == other,
        }
    }
}

/// Whether a path is another one, or below it.
pub(crate) fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Display for Object {
    /// As the policy language writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::Subtree(path) | Self::Unix(path) => out.write_str(path),
            Self::Sha256(digest) => Hex(digest).fmt(out),
            Self::Verity(Verity::Sha256(digest)) => write!(out, "sha256:{}", Hex(digest)),
            Self::Verity(Verity::Sha512(digest)) => write!(out, "sha512:{}", Hex(digest)),
            Self::Net(net) => net.fmt(out),
            Self::Any => out.write_str("true"),
            Self::Inode { major, minor, ino, inode_generation: None } => write!(out, "{major}:{minor}:{ino}"),
            Self::Inode { major, minor, ino, inode_generation: Some(generation) } => {
                write!(out, "{major}:{minor}:{ino}:{generation}")
            }
        }
    }
}

impl fmt::Display for CgroupRef {
    /// As the policy language writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => out.write_str(path),
            Self::Id(id) => write!(out, "cgid:{id}"),
        }
    }
}
