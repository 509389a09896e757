//! `status --tree`: the parts of the daemon.

use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use aegis_control_api::{ChildStatus, TreeReply, paths};
use anyhow::Result;

/// Prints the tree; exit code 5 if a part of it is not running.
pub(crate) fn run(common: &Common) -> Result<()> {
    let reply: TreeReply = Client::new(&common.socket, &common.bpffs_root).get(paths::TREE)?;
    match common.output {
        Format::Json => output::json(&reply)?,
        Format::Table => {
            let mut rows = Vec::new();
            reply.root.children.iter().for_each(|child| row(child, 0, &mut rows));
            let head = ["part", "state", "incarnation", "restarts", "heartbeat", "queues", "last exit"];
            output::table(head, rows);
        }
    }
    if reply.root.children.iter().all(is_well) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Degraded, "a part of the daemon is not running").into())
    }
}

fn is_well(child: &ChildStatus) -> bool {
    child.state == "running" && child.children.iter().all(is_well)
}

fn row(child: &ChildStatus, depth: usize, rows: &mut Vec<[String; 7]>) {
    let name = child.path.rsplit('/').next().unwrap_or_default();
    let gauges: Vec<String> =
        child.gauges.iter().map(|gauge| format!("{} {}", gauge.name, gauge.value)).collect();
    rows.push([
        format!("{}{name}", "  ".repeat(depth)),
        child.state.clone(),
        child.incarnation.to_string(),
        child.restarts.to_string(),
        child.heartbeat_age_ms.map(|age| format!("{age} ms")).unwrap_or_default(),
        gauges.join(", "),
        child.last_exit_detail.as_deref().map(super::holders::harmless).unwrap_or_default(),
    ]);
    child.children.iter().for_each(|child| row(child, depth + 1, rows));
}
