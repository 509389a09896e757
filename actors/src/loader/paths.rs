//! What the paths of a plan are on this host: by path, and in the order of the plan.

use super::state::Resolution;
use super::subjects::subjects;
use aegis_policy::{Object, Plan};

/// Resolutions of all paths of a plan. Its rules name them in another order than that of the paths, and looking each of
/// them up would take longer than what is done with it, so that it is written down where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paths {
    /// In the order of the paths, each once.
    found: Vec<(String, Resolution)>,
    /// For each path in the order of the plan, which of these it is.
    named: Vec<usize>,
}

/// What is to be found out for a plan: for its objects, and for those who act.
pub(super) struct Wanted<'a> {
    /// Each path once, with the first rule that names it, in an order in which neighbours follow each other.
    pub(super) paths: Vec<(&'a str, &'a str)>,
    /// As in [`Paths`].
    named: Vec<usize>,
}

/// The paths that a plan names.
pub(super) fn wanted(plan: &Plan) -> Wanted<'_> {
    let named = plan.rules().iter().flat_map(|rule| {
        let paths = rule.objects().iter().filter_map(Object::as_path);
        paths.map(|path| (path, rule.id().as_str()))
    });
    let mut all: Vec<(&str, &str, usize)> =
        named.enumerate().map(|(index, (path, rule))| (path, rule, index)).collect();
    let count = all.len();
    let by_conditions = plan.rules().iter().flat_map(|rule| {
        let paths = subjects(plan, rule).flat_map(|subject| subject.exe().iter().chain(subject.ancestor()));
        // They are looked up, and have no place in the order of the objects.
        paths.map(|path| (path.as_str(), rule.id().as_str(), usize::MAX))
    });
    all.extend(by_conditions);
    all.sort_unstable_by_key(|(path, _, index)| (*path, *index));
    let mut wanted = Wanted { paths: Vec::with_capacity(all.len()), named: vec![0; count] };
    for (path, rule, index) in all {
        if wanted.paths.last().is_none_or(|(last, _)| *last != path) {
            wanted.paths.push((path, rule));
        }
        if let Some(named) = wanted.named.get_mut(index) {
            *named = wanted.paths.len() - 1;
        }
    }
    wanted
}

impl Paths {
    /// What is wanted and not found yet.
    pub(super) fn of(wanted: &Wanted<'_>) -> Self {
        Self { found: Vec::with_capacity(wanted.paths.len()), named: wanted.named.clone() }
    }

    /// Puts the next path there, in the order in which they are wanted.
    pub(super) fn push(&mut self, path: &str, found: Resolution) {
        self.found.push((path.to_owned(), found));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// What a path is.
    pub(crate) fn get(&self, path: &str) -> Option<&Resolution> {
        let index = self.found.binary_search_by_key(&path, |(path, _)| path).ok()?;
        self.found.get(index).map(|(_, found)| found)
    }

    /// All that was found.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Resolution> {
        self.found.iter().map(|(_, found)| found)
    }

    /// The same, by path.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Resolution)> {
        self.found.iter_mut().map(|(path, found)| (path.as_str(), found))
    }

    /// What each path is, in the order in which the plan names them, and repeated as it repeats them.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &Resolution)> {
        let found = self.named.iter().filter_map(|index| self.found.get(*index));
        found.map(|(path, found)| (path.as_str(), found))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(String, Resolution); N]> for Paths {
    /// As of a plan that names them in their order.
    fn from(found: [(String, Resolution); N]) -> Self {
        let mut found = Vec::from(found);
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { named: (0..found.len()).collect(), found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_policy::{Rule, Source, compile};

    #[test]
    fn each_path_is_found_where_the_plan_names_it() {
        let text = r#"
            version = 3
            name = "paths"
            [[rule]]
            id = "a"
            on = ["read"]
            path = ["/z", "/b", "/m"]
            [[rule]]
            id = "b"
            on = ["read"]
            path = ["/m", "/a"]
            inode = "1:2:3"
            [[rule]]
            id = "c"
            on = ["write"]
            path = "/b"
        "#;
        let plan = compile(&[Source { name: "test", text }]).unwrap().plan;
        let wanted = wanted(&plan);
        assert_eq!(wanted.paths, [("/a", "b"), ("/b", "a"), ("/m", "a"), ("/z", "a")]);
        let mut paths = Paths::of(&wanted);
        for (path, _) in &wanted.paths {
            paths.push(path, Resolution { stuck: Some((*path).to_owned()), ..Resolution::default() });
        }
        let objects = plan.rules().iter().flat_map(Rule::objects);
        let expected: Vec<_> = objects.filter_map(Object::as_path).collect();
        assert_eq!(expected, ["/b", "/m", "/z", "/a", "/m", "/b"]);
        assert_eq!(paths.named().map(|(path, _)| path).collect::<Vec<_>>(), expected);
        assert!(paths.named().all(|(path, found)| found.stuck.as_deref() == Some(path)));
        for path in ["/a", "/b", "/m", "/z"] {
            assert_eq!(paths.get(path).unwrap().stuck.as_deref(), Some(path));
        }
        assert_eq!(paths.get("/c"), None);
    }
}
