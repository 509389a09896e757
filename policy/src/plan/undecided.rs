//! What the language has and this version does not heed. A rule that has some of it is refused as a whole by whoever loads
//! it: a part of a rule would be another rule.

use super::{Object, Plan, Rule};
use crate::diagnostic::enumerate;

impl Plan {
    /// Each rule that cannot be in force with this version, with what is missing. Empty if all can be in force.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let told = |rule: &Rule| {
            let missing = rule.undecided();
            (!missing.is_empty()).then(|| {
                let missing = enumerate(missing);
                format!(
                    "rule {}: this version cannot decide upon {missing}: remove the rule, or these parts of it",
                    rule.id
                )
            })
        };
        self.rules.iter().filter_map(told).collect()
    }
}

impl Rule {
    fn undecided(&self) -> Vec<&'static str> {
        // What is added to an operation as a way around it goes without being named.
        let operations = self.declared.widened().undecided();
        let named = operations & self.declared;
        let mut missing: Vec<&str> = if named.is_empty() { operations } else { named }.words().collect();
        let objects = self.objects.iter();
        missing.extend(
            objects
                .filter(|object| {
                    !matches!(
                        object,
                        Object::Path(_) | Object::Subtree(_) | Object::Inode { .. } | Object::Any
                    )
                })
                .map(Object::key),
        );
        // Objects of one key follow each other in their order.
        missing.dedup();
        let others = [("lockdown", self.lockdown)];
        missing.extend(others.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key));
        missing
    }
}
