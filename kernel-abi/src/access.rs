//! What is decided upon (operations, hooks, classes) and what comes out (verdict, reason).

use bitflags::bitflags;

bitflags! {
    /// Operations of one request, of a rule, or of a whole generation.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Operations: u32 {
        /// Opening for reading.
        const READ = OPERATION_READ;
        /// Opening for writing, appending or truncating.
        const WRITE = OPERATION_WRITE;
        /// Starting as a program: `execve`, a script's interpreter, a program's dynamic loader.
        const EXEC = OPERATION_EXEC;
        /// Mapping as executable memory, by `mmap` or a later `mprotect`.
        const MAP_EXEC = OPERATION_MAP_EXEC;
        /// Cutting or stretching a file: `truncate`, `ftruncate`, opening with `O_TRUNC`.
        const TRUNCATE = OPERATION_TRUNCATE;
        /// Making a regular file.
        const CREATE = OPERATION_CREATE;
        /// Giving a file one more name. Concerns the file and the new name.
        const LINK = OPERATION_LINK;
        /// Taking away a name: `unlink` and, of a directory, `rmdir`.
        const UNLINK = OPERATION_UNLINK;
        /// Renaming, exchanging too. Concerns the file and name at both ends.
        const RENAME = OPERATION_RENAME;
        /// Making a directory.
        const MKDIR = OPERATION_MKDIR;
        /// Making a device node, a pipe or a socket.
        const MKNOD = OPERATION_MKNOD;
        /// Making a symbolic link.
        const SYMLINK = OPERATION_SYMLINK;
        /// Opening for writing at the end.
        const APPEND = OPERATION_APPEND;
        /// Changing mode bits, an access list too.
        const CHMOD = OPERATION_CHMOD;
        /// Changing owner or group.
        const CHOWN = OPERATION_CHOWN;
        /// Changing times.
        const UTIME = OPERATION_UTIME;
        /// Setting or removing an extended attribute.
        const XATTR = OPERATION_XATTR;
    }
}

/// Bit of [`Operations::READ`].
pub const OPERATION_READ: u32 = 1;
/// Bit of [`Operations::WRITE`].
pub const OPERATION_WRITE: u32 = 2;
/// Bit of [`Operations::EXEC`].
pub const OPERATION_EXEC: u32 = 4;
/// Bit of [`Operations::MAP_EXEC`].
pub const OPERATION_MAP_EXEC: u32 = 8;
/// Bit of [`Operations::TRUNCATE`].
pub const OPERATION_TRUNCATE: u32 = 16;
/// Bit of [`Operations::CREATE`].
pub const OPERATION_CREATE: u32 = 32;
/// Bit of [`Operations::LINK`].
pub const OPERATION_LINK: u32 = 64;
/// Bit of [`Operations::UNLINK`].
pub const OPERATION_UNLINK: u32 = 128;
/// Bit of [`Operations::RENAME`].
pub const OPERATION_RENAME: u32 = 256;
/// Bit of [`Operations::MKDIR`].
pub const OPERATION_MKDIR: u32 = 512;
/// Bit of [`Operations::MKNOD`].
pub const OPERATION_MKNOD: u32 = 1024;
/// Bit of [`Operations::SYMLINK`].
pub const OPERATION_SYMLINK: u32 = 2048;
/// Bit of [`Operations::APPEND`].
pub const OPERATION_APPEND: u32 = 65536;
/// Bit of [`Operations::CHMOD`].
pub const OPERATION_CHMOD: u32 = 131072;
/// Bit of [`Operations::CHOWN`].
pub const OPERATION_CHOWN: u32 = 262144;
/// Bit of [`Operations::UTIME`].
pub const OPERATION_UTIME: u32 = 524288;
/// Bit of [`Operations::XATTR`].
pub const OPERATION_XATTR: u32 = 1048576;

/// Names of the single operations as policies and records write them.
const OPERATION_NAMES: [(Operations, &str); 17] = [
    (Operations::READ, "read"),
    (Operations::WRITE, "write"),
    (Operations::EXEC, "exec"),
    (Operations::MAP_EXEC, "map-exec"),
    (Operations::TRUNCATE, "truncate"),
    (Operations::CREATE, "create"),
    (Operations::LINK, "link"),
    (Operations::UNLINK, "unlink"),
    (Operations::RENAME, "rename"),
    (Operations::MKDIR, "mkdir"),
    (Operations::MKNOD, "mknod"),
    (Operations::SYMLINK, "symlink"),
    (Operations::APPEND, "append"),
    (Operations::CHMOD, "chmod"),
    (Operations::CHOWN, "chown"),
    (Operations::UTIME, "utime"),
    (Operations::XATTR, "xattr"),
];

impl Operations {
    /// Those that change which object a name stands for.
    pub const ON_NAMES: Self = Self::CREATE
        .union(Self::LINK)
        .union(Self::UNLINK)
        .union(Self::RENAME)
        .union(Self::MKDIR)
        .union(Self::MKNOD)
        .union(Self::SYMLINK);
    /// Those that put something where nothing was.
    pub const MAKING: Self = Self::ON_NAMES.difference(Self::UNLINK);
    /// Those on what is known of a file beside its content.
    pub const ON_ATTRIBUTES: Self = Self::CHMOD.union(Self::CHOWN).union(Self::UTIME).union(Self::XATTR);

    /// The operation with that name in the policy language.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        OPERATION_NAMES.iter().find(|(_, name)| *name == word).map(|(operation, _)| *operation)
    }

    /// The names of the operations in this set, in a fixed order. Bits without a name are left out.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        OPERATION_NAMES.iter().filter(move |(operation, _)| self.contains(*operation)).map(|(_, name)| *name)
    }

    /// All names that [`Operations::from_word`] knows.
    pub fn all_words() -> impl Iterator<Item = &'static str> {
        OPERATION_NAMES.iter().map(|(_, name)| *name)
    }
}

/// Makes a `u8` enum with the conversions that untrusted bytes need.
macro_rules! byte_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $value:literal => $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $value,)+ }

        impl $name {
            /// All values, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value with that number, if there is one.
            #[must_use]
            pub fn from_byte(byte: u8) -> Option<Self> {
                match byte { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// Its name in records, metrics and output.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

byte_enum! {
    /// Where a probe is attached: the LSM hook or tracepoint, by the kernel's name.
    Hook {
        /// A file is opened; also the real file below an overlay.
        FileOpen = 0 => "file_open",
        /// A file is mapped.
        MmapFile = 1 => "mmap_file",
        /// A mapping changes its protection.
        FileMprotect = 2 => "file_mprotect",
        /// A program, script or interpreter is about to be started.
        BprmCheck = 3 => "bprm_check_security",
        /// A file is truncated by its path; up to 6.1 also by a descriptor.
        PathTruncate = 4 => "path_truncate",
        /// A file is truncated by a descriptor. Not in 6.1.
        FileTruncate = 5 => "file_truncate",
        /// A regular file is made.
        InodeCreate = 6 => "inode_create",
        /// A file gets one more name.
        InodeLink = 7 => "inode_link",
        /// A name is taken away.
        InodeUnlink = 8 => "inode_unlink",
        /// A symbolic link is made.
        InodeSymlink = 9 => "inode_symlink",
        /// A directory is made.
        InodeMkdir = 10 => "inode_mkdir",
        /// A directory is removed.
        InodeRmdir = 11 => "inode_rmdir",
        /// A device node, pipe or socket is made.
        InodeMknod = 12 => "inode_mknod",
        /// Something is renamed; asked twice for an exchange.
        InodeRename = 13 => "inode_rename",
        /// As `inode_mknod` or `inode_create`, where the mount is known.
        PathMknod = 14 => "path_mknod",
        /// As `inode_link`, where the mount is known.
        PathLink = 15 => "path_link",
        /// As `inode_unlink`, where the mount is known.
        PathUnlink = 16 => "path_unlink",
        /// As `inode_symlink`, where the mount is known.
        PathSymlink = 17 => "path_symlink",
        /// As `inode_mkdir`, where the mount is known.
        PathMkdir = 18 => "path_mkdir",
        /// As `inode_rmdir`, where the mount is known.
        PathRmdir = 19 => "path_rmdir",
        /// As `inode_rename`, where the mount is known.
        PathRename = 20 => "path_rename",
        /// A system call has ended: one that opens or maps a file by name. Only of the audit fallback.
        SysExit = 21 => "sys_exit",
        /// A program has been started. Only of the audit fallback.
        SchedExec = 22 => "sched_process_exec",
        /// A program has been started, and is recorded.
        CommittedCreds = 23 => "bprm_committed_creds",
        /// A process is made, and takes over what is recorded.
        TaskAlloc = 24 => "task_alloc",
        /// A process has been made, and the daemon is told. In the audit fallback it takes over what is recorded, too.
        SchedFork = 25 => "sched_process_fork",
        /// Attributes are changed: mode bits, owner, group, times, size.
        InodeSetattr = 26 => "inode_setattr",
        /// An extended attribute is set; up to 6.1 also an access list.
        InodeSetxattr = 27 => "inode_setxattr",
        /// An extended attribute is removed; up to 6.1 also an access list.
        InodeRemovexattr = 28 => "inode_removexattr",
        /// An access list is set. Not in 6.1.
        InodeSetAcl = 29 => "inode_set_acl",
        /// An access list is removed. Not in 6.1.
        InodeRemoveAcl = 30 => "inode_remove_acl",
        /// As `inode_setattr` for mode bits, where the mount is known.
        PathChmod = 31 => "path_chmod",
        /// As `inode_setattr` for owner and group, where the mount is known.
        PathChown = 32 => "path_chown",
        /// A process ends, and the daemon is told.
        SchedExit = 33 => "sched_process_exit",
    }
}

byte_enum! {
    /// How the probes are asked by the kernel: which of the two objects is loaded.
    Kind {
        /// By LSM hooks, before an operation: they can deny.
        Lsm = 0 => "lsm",
        /// By tracepoints, after it: the audit fallback, which can only report.
        Fallback = 1 => "fallback",
    }
}

byte_enum! {
    /// A group of hooks that are attached and proven together.
    Class {
        /// Opening and mapping files.
        File = 0 => "file",
        /// Starting programs.
        Exec = 1 => "exec",
        /// Making, linking, renaming and removing names.
        Name = 2 => "name",
        /// Following processes, so that it is known who acts. Denies nothing.
        Process = 3 => "process",
        /// Changing what is known of a file beside its content, and its size.
        Attr = 4 => "attr",
    }
}

byte_enum! {
    /// The answer of one decision.
    Verdict {
        /// Go on.
        Allow = 0 => "allow",
        /// Go on; a rule that only observes would have denied.
        Audit = 1 => "audit",
        /// Refused with `EPERM`.
        Deny = 2 => "deny",
    }
}

byte_enum! {
    /// How a rule, a policy or a command line wants decisions to end.
    Mode {
        /// Report only: the strongest verdict is `audit`.
        Observe = 0 => "observe",
        /// Refuse: the strongest verdict is `deny`.
        Enforce = 1 => "enforce",
    }
}

byte_enum! {
    /// Why a decision ended as it did. Reasons from [`Reason::TableMissing`] on are *undecidable* requests:
    /// they are denied when an enforcing rule of the generation could have matched the operation.
    Reason {
        /// No rule concerns the request, or nothing is armed.
        None = 0 => "none",
        /// The object's identity has a rule.
        Object = 1 => "object",
        /// The name in its directory has a rule.
        Slot = 2 => "slot",
        /// A rule would have denied, but the survival list is never denied.
        Survival = 3 => "survival",
        /// A rule would have denied, but the subject is in an exempt cgroup.
        Exempt = 4 => "exempt",
        /// The daemon's own operation that must be denied.
        SelfCheck = 5 => "self_check",
        /// A rule would lose its file: what is to be moved or removed is a directory or link on the way to it, or
        /// what is to be made stands where that way goes on.
        Anchor = 6 => "anchor",
        /// A directory above has a rule on its subtree.
        Subtree = 7 => "subtree",
        /// A rule is on whatever the operation can concern.
        Any = 8 => "any",
        /// A table of the generation in force is not there.
        TableMissing = 9 => "table_missing",
        /// Tables of two generations were seen in one decision.
        MixedGenerations = 10 => "mixed_generations",
        /// The name of the file could not be read while it was being renamed.
        NameUnreadable = 11 => "name_unreadable",
        /// An object has more rows than a probe can look at, or more directories above it have rules than that.
        TooManyRows = 12 => "too_many_rows",
        /// Not all directories above could be looked at: there are too many, or they are not known.
        WalkIncomplete = 13 => "walk_incomplete",
        /// A rule is about somebody, and it is not known whether that is who asks.
        SubjectUnknown = 14 => "subject_unknown",
    }
}

byte_enum! {
    /// Why sequence numbers were not delivered: index of [`Delivered::gaps`](crate::Delivered::gaps).
    GapReason {
        /// The ring had no room.
        Dropped = 0 => "dropped",
        /// A daemon had taken them from the ring and ended before it delivered them.
        Crash = 1 => "crash",
        /// A sink was too slow.
        SinkFull = 2 => "sink_full",
        /// A sink refused them.
        SinkFailed = 3 => "sink_failed",
        /// What was in the ring was no event.
        Malformed = 4 => "malformed",
        /// A sink was not there.
        SinkOff = 5 => "sink_off",
    }
}

impl Reason {
    /// Whether the request could not be decided by the rules.
    #[must_use]
    pub fn is_undecidable(self) -> bool {
        self >= Self::TableMissing
    }
}

impl Hook {
    /// The class it belongs to.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::FileOpen
            | Self::MmapFile
            | Self::FileMprotect
            | Self::PathTruncate
            | Self::FileTruncate
            | Self::SysExit => Class::File,
            Self::BprmCheck | Self::SchedExec => Class::Exec,
            Self::CommittedCreds | Self::TaskAlloc | Self::SchedFork | Self::SchedExit => Class::Process,
            Self::InodeSetattr
            | Self::InodeSetxattr
            | Self::InodeRemovexattr
            | Self::InodeSetAcl
            | Self::InodeRemoveAcl
            | Self::PathChmod
            | Self::PathChown => Class::Attr,
            _ => Class::Name,
        }
    }

    /// Whether it belongs to a kind of probes. Those that only follow processes on tracepoints belong to both.
    #[must_use]
    pub fn is_of(self, kind: Kind) -> bool {
        match self {
            Self::SchedFork | Self::SchedExit => true,
            Self::SysExit | Self::SchedExec => kind == Kind::Fallback,
            _ => kind == Kind::Lsm,
        }
    }

    /// Whether it is a tracepoint, and not an LSM hook.
    #[must_use]
    pub fn is_tracepoint(self) -> bool {
        self.is_of(Kind::Fallback)
    }

    /// Whether kernels that are supported may lack it, because another hook is called in its place there.
    #[must_use]
    pub fn is_optional(self) -> bool {
        matches!(self, Self::FileTruncate | Self::InodeSetAcl | Self::InodeRemoveAcl)
    }

    /// The hook that is called in its place by kernels that lack it; `None` if all that are supported have it.
    #[must_use]
    pub fn stand_in(self) -> Option<Self> {
        match self {
            Self::FileTruncate => Some(Self::PathTruncate),
            Self::InodeSetAcl => Some(Self::InodeSetxattr),
            Self::InodeRemoveAcl => Some(Self::InodeRemovexattr),
            _ => None,
        }
    }
}

impl Kind {
    /// All of its hooks.
    pub fn hooks(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.iter().copied().filter(move |hook| hook.is_of(self))
    }

    /// The operations that its hooks see. Rules on others have no effect under it.
    #[must_use]
    pub fn sees(self) -> Operations {
        match self {
            Self::Lsm => Operations::all(),
            Self::Fallback => Operations::READ
                .union(Operations::WRITE)
                .union(Operations::APPEND)
                .union(Operations::EXEC)
                .union(Operations::MAP_EXEC),
        }
    }
}

impl Class {
    /// Its hooks among those of a kind; none if that kind cannot see what the class is about. The audit fallback both asks
    /// and records when a program has been started.
    pub fn hooks(self, kind: Kind) -> impl Iterator<Item = Hook> {
        let records = move |hook: &Hook| self == Self::Process && *hook == Hook::SchedExec;
        kind.hooks().filter(move |hook| hook.class() == self || records(hook))
    }
}

impl Mode {
    /// The weaker of two: something enforces only if all who have a say in it enforce.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
}
