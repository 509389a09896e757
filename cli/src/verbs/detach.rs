//! `detach`: the way down, with or without a daemon.

use crate::Common;
use crate::client::Client;
use crate::exit::is_unreachable;
use crate::output::{self, Format};
use aegis_actors::loader::detach_pins;
use aegis_control_api::{DetachReply, DetachRequest, paths};
use anyhow::Result;
use clap::Args;

/// Options of `detach`.
#[derive(Debug, Args)]
pub(crate) struct DetachArgs {
    /// Why; it is recorded.
    #[arg(long, value_parser = reason)]
    reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why".to_owned()) } else { Ok(text.to_owned()) }
}

/// Takes everything down and says what ended.
pub(crate) fn run(common: &Common, args: &DetachArgs) -> Result<()> {
    let request = DetachRequest { reason: args.reason.clone() };
    let reply: DetachReply =
        match Client::new(&common.socket, &common.bpffs_root).post(paths::DETACH, &request) {
            Err(error) if is_unreachable(&error) => {
                let reply = detach_pins(&common.bpffs_root)?;
                record(&common.bpffs_root.display().to_string(), &args.reason);
                reply
            }
            other => other?,
        };
    if common.output == Format::Json {
        return output::json(&reply);
    }
    for link in &reply.links {
        output::line(&format!("{}: link {} ended", link.hook, link.link_id));
    }
    if reply.undelivered > 0 {
        output::line(&format!("{} event(s) were in the ring and reached no daemon", reply.undelivered));
    }
    output::line("nothing is enforced any more");
    Ok(())
}

/// Without a daemon there is no event stream: the kernel's log, which journald keeps, gets the record. Where it
/// cannot be written, what was done stands all the same, and it is said.
fn record(root: &str, reason: &str) {
    let line = format!("<5>aegisbpf: detached {root} without a daemon: {reason}\n");
    if let Err(error) = std::fs::write("/dev/kmsg", line) {
        output::complain(&format!("the kernel's log could not be told: {error}"));
    }
}
