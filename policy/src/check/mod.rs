//! What the fields of a policy mean.
//!
//! Each module checks one kind of thing and hands on only what is valid; what is not valid is reported and left
//! out, so that the rest is checked all the same. `merge` then looks at the whole.

mod addresses;
mod answer;
mod cgroup;
mod digest;
mod file;
mod format1;
mod inode;
mod lint;
mod merge;
mod net;
mod parts;
mod path;
mod rule;
mod subject;
mod tenant;
mod what;
mod words;

pub use addresses::NetKind;
pub(crate) use addresses::{NetEntry, net_entry};
pub(crate) use file::{TOP, serial_of};
pub(crate) use format1::{device, is_meant as is_format_1};

use crate::diagnostic::{Code, Fault, Sink};
use crate::plan::{CgroupRef, Object};
use crate::{Plan, Source};

/// Checks all sources. The plan is there if it could be made; it is good only if no error was reported.
pub(crate) fn policy(sources: &[Source<'_>], sink: &mut Sink) -> Option<Plan> {
    let files: Vec<file::File> = sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| {
            if format1::is_meant(source.text) {
                Some(format1::read(index, source.text, sink))
            } else {
                file::read(index, source.text, sink)
            }
        })
        .collect();
    let complete = files.len() == sources.len();
    merge::merge(files, complete, sink)
}

/// What a word of the command line would mean as an entry of `[deny_path]` or `[deny_inode]`.
pub(crate) fn deny_entry(text: &str) -> Result<Object, Fault> {
    format1::deny_entry(text)
}

/// What a word of the command line would mean as an entry of `[allow_cgroup]`.
pub(crate) fn allow_entry(text: &str) -> Result<CgroupRef, Fault> {
    format1::on_one_line(text)?;
    cgroup::cgroup(text)
}

/// The fault of a file that is not of format 1 where no other can be edited.
pub(crate) fn not_format_1() -> Fault {
    Fault::new(Code::UnsupportedVersion, "this file is not of format 1")
        .label("it does not begin with `version=1`")
        .help("move what it says into a policy of its own, and remove it here")
}
