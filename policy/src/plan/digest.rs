//! The digest of a plan.
//!
//! What is hashed is an encoding in which no two plans look alike: numbers have a fixed size and are little
//! endian, texts and lists say first how long they are, and each choice is led by a byte of its own.

use super::{CgroupRef, Object, Plan, Rule};
use sha2::{Digest, Sha256};

/// Tells digests of plans from digests of other things, and of other versions of this encoding.
const DOMAIN: &str = "aegis plan 2";

struct Encoder(Sha256);

impl Plan {
    /// SHA-256 of what the plan means: the same on every machine, whatever the order, the layout, the comments
    /// and the number of the files it was compiled from.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut encoder = Encoder(Sha256::new());
        encoder.text(DOMAIN);
        encoder.text(self.name.as_str());
        encoder.optional(self.serial, Encoder::long);
        encoder.byte(self.mode as u8);
        encoder.list(self.rules.iter(), Encoder::rule);
        encoder.list(self.exempt.iter(), Encoder::cgroup);
        encoder.0.finalize().into()
    }
}

impl Encoder {
    fn rule(&mut self, rule: &Rule) {
        self.text(rule.id.as_str());
        self.int(rule.declared.bits());
        self.int(rule.operations().bits());
        self.byte(rule.mode as u8);
        self.byte(rule.severity as u8);
        self.optional(rule.reason.as_deref(), Self::text);
        self.byte(rule.anchors as u8);
        self.list(rule.objects.iter(), Self::object);
    }

    fn object(&mut self, object: &Object) {
        match object {
            Object::Path(path) => {
                self.byte(1);
                self.text(path);
            }
            Object::Inode { major, minor, ino, inode_generation } => {
                self.byte(2);
                self.int(*major);
                self.int(*minor);
                self.long(*ino);
                self.optional(*inode_generation, Self::int);
            }
        }
    }

    fn cgroup(&mut self, cgroup: &CgroupRef) {
        match cgroup {
            CgroupRef::Path(path) => {
                self.byte(1);
                self.text(path);
            }
            CgroupRef::Id(id) => {
                self.byte(2);
                self.long(*id);
            }
        }
    }

    fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut encode: impl FnMut(&mut Self, T)) {
        self.long(items.len() as u64);
        items.for_each(|item| encode(self, item));
    }

    fn optional<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            encode(self, value);
        }
    }

    fn text(&mut self, text: &str) {
        self.long(text.len() as u64);
        self.0.update(text);
    }

    fn long(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn int(&mut self, number: u32) {
        self.0.update(number.to_le_bytes());
    }

    fn byte(&mut self, byte: u8) {
        self.0.update([byte]);
    }
}
