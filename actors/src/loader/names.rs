//! Ids of rules by generation, for whoever writes records. What the rules say is not known here.

use crate::lock::locked;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Generations whose rule ids are remembered: events of older ones have long left the ring.
const REMEMBERED: u32 = 16;

/// Ids of rules by generation. The newest few generations stay known.
#[derive(Debug, Clone, Default)]
pub struct RuleNames(Arc<Mutex<HashMap<u32, Ids>>>);

/// The ids of a generation, one behind the other in one text: there may be many, and of several generations.
#[derive(Debug, Default)]
struct Ids {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Ids {
    fn get(&self, rule: usize) -> Option<&str> {
        let start = rule.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(rule)?)
    }
}

impl<'a> FromIterator<&'a str> for Ids {
    fn from_iter<I: IntoIterator<Item = &'a str>>(ids: I) -> Self {
        let mut all = Self::default();
        for id in ids {
            all.text.push_str(id);
            all.ends.push(all.text.len());
        }
        all
    }
}

impl RuleNames {
    /// The id of a rule.
    #[must_use]
    pub fn get(&self, generation: u32, rule: u32) -> Option<String> {
        let names = locked(&self.0);
        names.get(&generation)?.get(usize::try_from(rule).ok()?).map(str::to_owned)
    }

    pub(super) fn put<'a>(&self, generation: u32, ids: impl IntoIterator<Item = &'a str>) {
        let ids = ids.into_iter().collect();
        let mut names = locked(&self.0);
        names.insert(generation, ids);
        names.retain(|known, _| known.saturating_add(REMEMBERED) > generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_by_number_for_some_generations() {
        let names = RuleNames::default();
        names.put(1, ["one", "", "three"]);
        names.put(2, []);
        let known = |generation, rule| names.get(generation, rule);
        let of_first: Vec<_> = (0..4).map(|rule| known(1, rule)).collect();
        let expected = ["one", "", "three"].map(|id| Some(id.to_owned()));
        assert_eq!(of_first, [&expected[..], &[None]].concat());
        assert_eq!((known(2, 0), known(3, 0), known(1, u32::MAX)), (None, None, None));
        names.put(1 + REMEMBERED, ["later"]);
        assert_eq!((known(1, 0), known(1 + REMEMBERED, 0)), (None, Some("later".to_owned())));
    }
}
