//! `doctor`: what is wrong with the host, the daemon and the policy in force, and what to do about it.

mod findings;

use super::{health, policy, status};
use crate::Common;
use crate::CommonArgs;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::settings::{self, Flags};
use aegis_actors::host::capabilities;
use aegis_actors::loader::examine_pins;
use aegis_control_api::{API_VERSION, AccountsReply, TreeReply, paths};
use anyhow::Result;
use findings::{Finding, Grade, Seen, findings};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    findings: Vec<Finding>,
}

/// Prints what is wrong and what helps; exit code 5 if something must be done, 3 to all but root.
pub(crate) fn run(args: &CommonArgs, common: &Common, output: Format) -> Result<()> {
    let report = Report { version: API_VERSION, findings: findings(&look(args, common)) };
    match output {
        Format::Json => output::json(&report)?,
        Format::Table => print(&report.findings),
    }
    let wrong = report.findings.iter().filter(|finding| finding.grade == Grade::Wrong).count();
    if wrong == 0 {
        return Ok(());
    }
    // To others the kernel refuses everything, so what was found says nothing about the host.
    if !crate::is_root() {
        return Err(Failure::new(
            Exit::NotPermitted,
            "only root can find out what is wrong; try again as root",
        )
        .into());
    }
    Err(Failure::new(Exit::Degraded, format!("{wrong} finding(s) need something to be done")).into())
}

/// Looks at everything, and changes nothing.
fn look(args: &CommonArgs, common: &Common) -> Seen {
    let client = Client::new(&common.socket, &common.bpffs_root);
    let loaded = settings::try_load(args, &Flags::of(args));
    let mut checks = health::checks(&capabilities());
    checks.push(health::pins(&examine_pins(&common.bpffs_root).map_err(|error| error.whole())));
    Seen {
        checks,
        left_behind: loaded.as_ref().ok().and_then(|loaded| policy::not_imported(args, &loaded.settings)),
        configuration: loaded.err().map(|report| report.errors()),
        status: status::read(common).map_err(|error| format!("{error:#}")),
        tree: client.get::<TreeReply>(paths::TREE).ok(),
        accounts: client.get::<AccountsReply>(paths::ACCOUNTS).ok(),
    }
}

fn print(findings: &[Finding]) {
    for Finding { grade, what, finding, remedy } in findings {
        output::line(&format!("{:<8} {what}: {finding}", grade.word()));
        if let Some(remedy) = remedy {
            output::line(&format!("         → {remedy}"));
        }
    }
}
