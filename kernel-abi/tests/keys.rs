//! Keys of tables.

use aegis_kernel_abi::{InodeNumber, ObjectKey};
use zerocopy::IntoBytes;

/// The probes look objects up by the beginning of their key, so it must be the number.
#[test]
fn a_number_is_the_beginning_of_a_key() {
    for (ino, dev) in [(0, 0), (1, 2), (0x0102_0304_0506_0708, 0x0a0b_0c0d), (u64::MAX, 0), (0, u32::MAX)] {
        let (key, number) = (ObjectKey { ino, dev, inode_generation: 7 }, InodeNumber::new(ino, dev));
        assert_eq!(number.as_bytes(), &key.as_bytes()[..size_of::<InodeNumber>()], "{ino:#x} on {dev:#x}");
    }
}
