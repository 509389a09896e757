//! What can be asked for, as the language knows it: more than every kind of probes decides upon.

use aegis_kernel_abi as abi;
use bitflags::bitflags;

bitflags! {
    /// Operations of a rule. Those that the probes decide upon have the bits that they have there.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct Operations: u32 {
        /// Opening for reading.
        const READ = abi::OPERATION_READ;
        /// Opening for writing, at the end too.
        const WRITE = abi::OPERATION_WRITE;
        /// Starting as a program.
        const EXEC = abi::OPERATION_EXEC;
        /// Mapping as executable memory.
        const MAP_EXEC = abi::OPERATION_MAP_EXEC;
        /// Cutting or stretching a file.
        const TRUNCATE = abi::OPERATION_TRUNCATE;
        /// Making anything in a name.
        const CREATE = abi::OPERATION_CREATE;
        /// Giving a file one more name.
        const LINK = abi::OPERATION_LINK;
        /// Taking away a name.
        const UNLINK = abi::OPERATION_UNLINK;
        /// Renaming, from and onto.
        const RENAME = abi::OPERATION_RENAME;
        /// Making a directory.
        const MKDIR = abi::OPERATION_MKDIR;
        /// Making a device node, a pipe or a socket.
        const MKNOD = abi::OPERATION_MKNOD;
        /// Making a symbolic link.
        const SYMLINK = abi::OPERATION_SYMLINK;
        /// Opening for writing at the end alone.
        const APPEND = abi::OPERATION_APPEND;
        /// Changing mode bits, an access list too.
        const CHMOD = abi::OPERATION_CHMOD;
        /// Changing owner or group.
        const CHOWN = abi::OPERATION_CHOWN;
        /// Changing times.
        const UTIME = abi::OPERATION_UTIME;
        /// Setting or removing an extended attribute.
        const XATTR = abi::OPERATION_XATTR;
        /// Making a raw or packet socket.
        const SOCKET = 1 << 21;
        /// Connecting to an address, and sending to one without connecting.
        const CONNECT = 1 << 22;
        /// Taking a local address.
        const BIND = 1 << 23;
        /// Waiting for connections at a local address.
        const LISTEN = 1 << 24;
        /// Taking a connection at a local address.
        const ACCEPT = 1 << 25;
        /// Sending to an address.
        const SEND = 1 << 26;
        /// Looking into a process or changing it: `ptrace`, `/proc/PID/mem`.
        const PTRACE = 1 << 27;
        /// Loading a kernel module.
        const MODULE = 1 << 28;
        /// Mounting, moving a mount, unmounting.
        const MOUNT = 1 << 29;
        /// Using bpf(2).
        const BPF = 1 << 30;
    }
}

/// Names of the single operations as policies write them, in the order in which they are listed.
const WORDS: [(Operations, &str); 27] = [
    (Operations::READ, "read"),
    (Operations::WRITE, "write"),
    (Operations::APPEND, "append"),
    (Operations::TRUNCATE, "truncate"),
    (Operations::EXEC, "exec"),
    (Operations::MAP_EXEC, "map-exec"),
    (Operations::CREATE, "create"),
    (Operations::LINK, "link"),
    (Operations::UNLINK, "unlink"),
    (Operations::RENAME, "rename"),
    (Operations::MKDIR, "mkdir"),
    (Operations::MKNOD, "mknod"),
    (Operations::SYMLINK, "symlink"),
    (Operations::CHMOD, "chmod"),
    (Operations::CHOWN, "chown"),
    (Operations::UTIME, "utime"),
    (Operations::XATTR, "xattr"),
    (Operations::SOCKET, "socket"),
    (Operations::CONNECT, "connect"),
    (Operations::BIND, "bind"),
    (Operations::LISTEN, "listen"),
    (Operations::ACCEPT, "accept"),
    (Operations::SEND, "send"),
    (Operations::PTRACE, "ptrace"),
    (Operations::MODULE, "module"),
    (Operations::MOUNT, "mount"),
    (Operations::BPF, "bpf"),
];

impl Operations {
    /// Opening, mapping and starting.
    pub const ON_FILES: Self = Self::READ
        .union(Self::WRITE)
        .union(Self::APPEND)
        .union(Self::TRUNCATE)
        .union(Self::EXEC)
        .union(Self::MAP_EXEC);
    /// Those that put something new in a name.
    pub const MAKING: Self = Self::CREATE.union(Self::MKDIR).union(Self::MKNOD).union(Self::SYMLINK);
    /// Those that change which object a name stands for.
    pub const ON_NAMES: Self = Self::MAKING.union(Self::LINK).union(Self::UNLINK).union(Self::RENAME);
    /// Those on what is known of a file beside its content.
    pub const ON_ATTRIBUTES: Self = Self::CHMOD.union(Self::CHOWN).union(Self::UTIME).union(Self::XATTR);
    /// Those at an address.
    pub const AT_ADDRESSES: Self =
        Self::CONNECT.union(Self::BIND).union(Self::LISTEN).union(Self::ACCEPT).union(Self::SEND);

    /// The operation with that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        WORDS.iter().find(|(_, name)| *name == word).map(|(operation, _)| *operation)
    }

    /// The names of the operations in this set.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        WORDS.iter().filter(move |(operation, _)| self.contains(*operation)).map(|(_, name)| *name)
    }

    /// All names that [`Operations::from_word`] knows.
    pub fn all_words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, name)| *name)
    }

    /// The same in the probes' terms, without those that they do not decide upon.
    #[must_use]
    pub fn decided(self) -> abi::Operations {
        abi::Operations::from_bits_truncate(self.bits())
    }

    /// Those among them that no probe decides upon.
    #[must_use]
    pub fn undecided(self) -> Self {
        self.difference(Self::from_bits_truncate(self.decided().bits()))
    }

    /// With what would be a way around them.
    pub(crate) fn widened(self) -> Self {
        const WIDER: [(Operations, Operations); 4] = [
            (Operations::EXEC, Operations::MAP_EXEC),
            (Operations::WRITE, Operations::TRUNCATE.union(Operations::APPEND)),
            (Operations::CREATE, Operations::MAKING),
            (Operations::CONNECT, Operations::SEND),
        ];
        let wider = WIDER.into_iter().filter(|(operation, _)| self.contains(*operation));
        wider.fold(self, |all, (_, wider)| all | wider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_probes_decide_upon_has_their_words_and_bits() {
        for operation in abi::Operations::all() {
            let same = Operations::from_bits(operation.bits()).unwrap();
            assert_eq!(same.words().collect::<Vec<_>>(), operation.words().collect::<Vec<_>>());
            assert_eq!((same.decided(), same.undecided()), (operation, Operations::empty()));
        }
        assert_eq!(Operations::all().words().count(), WORDS.len());
        assert_eq!(Operations::WRITE.widened().undecided(), Operations::empty());
        assert_eq!((Operations::WRITE | Operations::MOUNT).undecided(), Operations::MOUNT);
    }
}
