//! Puts the first policy in force, and resolves the paths of the policy in force again when something on the way to them changes: a name with a rule on
//! it gets another file, a directory above it is renamed although nobody holds it, a file system is mounted.
//!
//! The kernel tells before the change is made, and cannot tell when it is done. So the paths are resolved a moment
//! later, and twice more after longer times. Until then a rule knows the new file by its name alone. This actor puts
//! nothing in force but the plan that is in force.

mod files;
mod run;
mod state;

pub(crate) use run::WatcherChild;
