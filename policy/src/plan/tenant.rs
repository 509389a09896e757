//! Those who may add restrictions of their own to a part of the host.

use super::Subject;

/// A tenant: rules of its own match only where its scope holds, so they can only take something away there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub(crate) scope: Subject,
    pub(crate) max_rules: Option<u32>,
    pub(crate) max_objects: Option<u32>,
}

impl Tenant {
    /// Whom it is about: cgroups and namespaces.
    #[must_use]
    pub fn scope(&self) -> &Subject {
        &self.scope
    }

    /// The most rules it may have.
    #[must_use]
    pub fn max_rules(&self) -> Option<u32> {
        self.max_rules
    }

    /// The most objects its rules may name together.
    #[must_use]
    pub fn max_objects(&self) -> Option<u32> {
        self.max_objects
    }
}
