//! What the fields of a policy mean.
//!
//! Each module checks one kind of thing and hands on only what is valid; what is not valid is reported and left
//! out, so that the rest is checked all the same. `merge` then looks at the whole.

mod cgroup;
mod file;
mod inode;
mod merge;
mod path;
mod rule;
mod words;

use crate::diagnostic::Sink;
use crate::{Plan, Source};

/// Checks all sources. The plan is there if it could be made; it is good only if no error was reported.
pub(crate) fn policy(sources: &[Source<'_>], sink: &mut Sink) -> Option<Plan> {
    let files: Vec<file::File> = sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| file::read(index, source.text, sink))
        .collect();
    let complete = files.len() == sources.len();
    merge::merge(files, complete, sink)
}
