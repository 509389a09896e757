//! `config`: what is set, where it is set, and what can be set.

use crate::CommonArgs;
use crate::client::Client;
use crate::output::{self, Format};
use crate::settings::{self, Flags};
use aegis_control_api::{ReloadReply, paths};
use anyhow::Result;
use clap::Subcommand;

/// What can be done with the configuration. Only `reload` needs a daemon.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Checks files and variables, and says everything that is wrong, why, and what to write instead.
    Check,
    /// Prints the settings that count, as a file that says the same.
    Dump {
        /// Say of each where it is set.
        #[arg(long)]
        show_origin: bool,
    },
    /// Has the daemon read its configuration and policy files again, and waits until it has taken or refused them.
    Reload,
    /// Prints a file with every setting, its documentation and its built-in value.
    Default,
    /// Prints the JSON schema of the files, for editors.
    Schema,
}

/// Runs the verb.
pub(crate) fn run(common: &CommonArgs, verb: &ConfigVerb) -> Result<()> {
    match verb {
        ConfigVerb::Check => check(common),
        ConfigVerb::Dump { show_origin } => dump(common, *show_origin),
        ConfigVerb::Reload => reload(common),
        ConfigVerb::Default => {
            output::line(aegis_config::default_file().trim_end());
            Ok(())
        }
        ConfigVerb::Schema => output::json(&aegis_config::schema()),
    }
}

fn reload(args: &CommonArgs) -> Result<()> {
    let common = settings::places(args);
    let client = Client::new(&common.socket, &common.bpffs_root);
    let reply: ReloadReply = client.post(paths::RELOAD, &serde_json::Value::Null)?;
    if common.output == Format::Json {
        return output::json(&reply);
    }
    match reply.changed.as_slice() {
        [] => output::line("nothing has changed"),
        changed => output::line(&format!("taken: {}", changed.join(", "))),
    }
    if !reply.needs_start.is_empty() {
        output::note(&format!("these need a new start of the daemon: {}", reply.needs_start.join(", ")));
    }
    Ok(())
}

fn check(common: &CommonArgs) -> Result<()> {
    let flags = Flags::of(common);
    if common.output == Format::Json {
        return match settings::try_load(common, &flags) {
            Ok(_) => output::json::<[(); 0]>(&[]),
            Err(report) => {
                output::json(&report)?;
                Err(settings::refusal(&report).into())
            }
        };
    }
    let loaded = settings::load(common, &flags)?;
    for source in &loaded.sources {
        output::line(&format!("read {}", super::holders::harmless(&source.display().to_string())));
    }
    output::line(&format!("no errors in {} file(s) of the configuration", loaded.sources.len()));
    Ok(())
}

fn dump(common: &CommonArgs, show_origin: bool) -> Result<()> {
    let loaded = settings::load(common, &Flags::of(common))?;
    match common.output {
        Format::Json => output::json(&aegis_config::dump_json(&loaded)),
        Format::Table => {
            output::line(aegis_config::dump(&loaded, show_origin).trim_end());
            Ok(())
        }
    }
}
