//! The digest of a plan.
//!
//! What is hashed is an encoding in which no two plans look alike: numbers have a fixed size and are little
//! endian, texts and lists say first how long they are, and each choice is led by a byte of its own.

use super::{CgroupRef, Name, Namespace, Net, Network, Object, Plan, Rule, Subject, Tenant, Verity};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Tells digests of plans from digests of other things, and of other versions of this encoding.
const DOMAIN: &str = "aegis plan 3";

/// The digest of a plan, if it was asked for before: whoever puts a plan in force asks several times. It says nothing that
/// the plan does not, so that plans do not differ by it. Whoever changes a plan gives it a new one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(OnceLock<[u8; 32]>);

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Known {}

struct Encoder(Sha256);

impl Plan {
    /// SHA-256 of what the plan means: the same on every machine, whatever the order, the layout, the comments
    /// and the number of the files it was compiled from.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.0.get_or_init(|| self.encoded())
    }

    fn encoded(&self) -> [u8; 32] {
        let mut encoder = Encoder(Sha256::new());
        encoder.text(DOMAIN);
        encoder.text(self.name.as_str());
        encoder.optional(self.serial, Encoder::long);
        encoder.optional(self.expires, Encoder::long);
        encoder.byte(self.mode as u8);
        encoder.list(self.rules.iter(), Encoder::rule);
        encoder.list(self.exempt.iter(), Encoder::cgroup);
        encoder.list(self.tenants.iter(), Encoder::tenant);
        encoder.0.finalize().into()
    }
}

impl Encoder {
    fn rule(&mut self, rule: &Rule) {
        self.text(rule.id.as_str());
        self.optional(rule.tenant.as_ref(), |out, tenant| out.text(tenant.as_str()));
        self.byte(rule.action as u8);
        self.int(rule.declared.bits());
        self.int(rule.operations().bits());
        self.list(rule.objects.iter(), Self::object);
        self.list(rule.when.iter(), Self::subject);
        self.list(rule.unless.iter(), Self::subject);
        self.byte(rule.mode as u8);
        self.optional(rule.signal, |out, signal| out.byte(signal as u8));
        self.optional(rule.escalation, |out, escalation| {
            out.int(escalation.after);
            out.int(escalation.within_seconds);
        });
        self.byte(rule.anchors as u8);
        self.byte(rule.lockdown.into());
        self.byte(rule.severity as u8);
        self.list(rule.mitre.iter(), |out, tag| out.text(tag));
        self.optional(rule.reason.as_deref(), Self::text);
    }

    fn tenant(&mut self, (name, tenant): (&Name, &Tenant)) {
        self.text(name.as_str());
        self.subject(&tenant.scope);
        self.optional(tenant.max_rules, Self::int);
        self.optional(tenant.max_objects, Self::int);
    }

    fn subject(&mut self, subject: &Subject) {
        self.list(subject.exe.iter(), |out, path| out.text(path));
        self.list(subject.ancestor.iter(), |out, path| out.text(path));
        self.list(subject.cgroup.iter(), Self::cgroup);
        for ids in [&subject.uid, &subject.gid] {
            self.list(ids.ranges().iter(), |out, (first, last)| {
                out.int(*first);
                out.int(*last);
            });
        }
        for namespaces in subject.namespaces() {
            self.list(namespaces.iter(), |out, namespace| match namespace {
                Namespace::Host => out.byte(1),
                Namespace::Number(number) => {
                    out.byte(2);
                    out.int(*number);
                }
            });
        }
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
            Object::Subtree(path) => {
                self.byte(3);
                self.text(path);
            }
            Object::Sha256(digest) => {
                self.byte(4);
                self.0.update(digest);
            }
            Object::Verity(Verity::Sha256(digest)) => {
                self.byte(5);
                self.0.update(digest);
            }
            Object::Verity(Verity::Sha512(digest)) => {
                self.byte(6);
                self.0.update(digest);
            }
            Object::Net(net) => self.net(net),
            Object::Unix(name) => {
                self.byte(8);
                self.text(name);
            }
            Object::Any => self.byte(9),
        }
    }

    fn net(&mut self, net: &Net) {
        self.byte(7);
        match net.network {
            Network::Any => self.byte(0),
            Network::V4(address, prefix) => {
                self.byte(4);
                self.0.update(address.octets());
                self.byte(prefix);
            }
            Network::V6(address, prefix) => {
                self.byte(6);
                self.0.update(address.octets());
                self.byte(prefix);
            }
        }
        self.int(net.ports.first.into());
        self.int(net.ports.last.into());
        self.optional(net.protocol, |out, protocol| out.byte(protocol as u8));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_another_name_has_another_digest_whenever_it_was_asked_for() {
        let name = || Name::parse("other").unwrap();
        let (fresh, asked) = (Plan::empty(), Plan::empty());
        let before = asked.digest();
        assert_eq!(fresh, asked, "plans do not differ by it");
        assert_eq!((asked.digest(), asked.clone().digest()), (before, before));
        assert_eq!(asked.renamed(name()).digest(), fresh.renamed(name()).digest());
        assert_ne!(Plan::empty().renamed(name()).digest(), before);
    }
}
