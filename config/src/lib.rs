//! The settings of the daemon: what there is, where each value is from, and what is wrong.
//!
//! [`load`] reads the layers and lays them over each other: built-in values, files, variables of the environment,
//! options of the command line. The result is [`Settings`] that are right, with the origin of each value, or a
//! [`Report`] with everything that is wrong. [`changes`] says what is different and whether that needs a new start.
//!
//! The types of the settings and the table of keys are the only places that name a key; the default file, the schema,
//! the checks and the dump follow from them. What a setting does is not known here, nothing is written, and no
//! setting is kept: who wants to know of changes loads again.
#![forbid(unsafe_code)]

mod check;
mod default;
mod dump;
mod files;
mod keys;
mod layers;
mod origin;
mod report;
mod schema;
mod settings;
mod syntax;
mod text;
mod value;

pub use check::{Flag, Loaded, compose};
pub use default::default_file;
pub use dump::{Change, changes, dump, dump_json};
pub use files::{FilesError, policy_files};
pub use keys::is_variable;
pub use layers::{FileText, Places, load, read};
pub use origin::{Origin, Origins};
pub use report::{Code, Located, Report};
pub use schema::{schema, schema_text};
pub use settings::{
    Daemon, EnforceSignal, Events, FileSink, Holders, Metrics, Mode, Policy, Settings, Sinks, StdoutSink,
    Survival, Trust, WhenFull,
};
pub use value::Value;
