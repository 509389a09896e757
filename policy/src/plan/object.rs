//! What rules and exemptions point at.

use std::fmt;

/// What a rule protects. Values inside a [`Plan`](crate::Plan) keep the promises below.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// What is found at a path, now and later. Absolute, not the root, without `.`, `..`, empty components, a
    /// slash at the end or NUL; at most 4095 bytes, and 255 in each component. Taken literally.
    Path(String),
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
}

impl fmt::Display for Object {
    /// As the policy language writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => out.write_str(path),
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
