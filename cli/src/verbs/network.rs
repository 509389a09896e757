//! `network deny`: the addresses and ports that the local policy denies.

use super::entries::change;
use super::holders::harmless;
use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use aegis_control_api::{Change, EntriesReply, paths};
use aegis_policy::{NetEntry, NetKind};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

/// What can be done about the network.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkVerb {
    /// Edits the list of denied addresses and ports. An entry is refused, and nothing changes, where the probes of this
    /// version cannot decide upon it: `policy compile` says what they cannot.
    #[command(subcommand)]
    Deny(DenyVerb),
}

/// What can be done with the list of denied addresses and ports.
#[derive(Debug, Subcommand)]
pub(crate) enum DenyVerb {
    /// Denies these, beside what the policy denies. On any error nothing changes. An entry is refused where the probes of
    /// this version cannot decide upon networks.
    Add(NetArgs),
    /// Takes these off the list. What the policy itself denies stays denied.
    Del(NetArgs),
    /// Prints the list, each entry behind its kind.
    List,
    /// Takes all addresses and ports off the list. What `block` and `allow` have put on theirs stays.
    Clear,
}

/// Entries, of kinds that are named or recognised.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct NetArgs {
    /// Entries of any kind, as `list` prints them.
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,
    /// An address: connecting to it is denied. May be given more than once, as the next two.
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Addresses with a prefix, such as 10.0.0.0/8.
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    cidr: Vec<String>,
    /// A port of all addresses, as PORT[:tcp|udp|any[:egress|connect|bind|both]].
    #[arg(long, value_name = "PORT")]
    port: Vec<String>,
}

/// The list, each kind for itself.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Networks {
    version: u32,
    file: String,
    ip: Vec<String>,
    cidr: Vec<String>,
    port: Vec<String>,
}

/// Runs the verb.
pub(crate) fn run(common: &Common, verb: &NetworkVerb) -> Result<()> {
    let NetworkVerb::Deny(verb) = verb;
    match verb {
        DenyVerb::Add(args) => change(common, paths::NETWORK, Change::Add, &args.all()?),
        DenyVerb::Del(args) => change(common, paths::NETWORK, Change::Delete, &args.all()?),
        DenyVerb::List => list(common),
        DenyVerb::Clear => change(common, paths::NETWORK, Change::Clear, &[]),
    }
}

impl NetArgs {
    /// All of them as the daemon takes them: it recognises kinds. So those that are named are held against their names here.
    fn all(&self) -> Result<Vec<String>> {
        let named = [(NetKind::Ip, &self.ip), (NetKind::Cidr, &self.cidr), (NetKind::Port, &self.port)];
        let mut all = self.entries.clone();
        for (kind, texts) in named {
            for text in texts {
                let entry = NetEntry::parse(Some(kind), text);
                all.push(
                    entry.map_err(|report| Failure::new(Exit::Refused, report.to_string()))?.to_string(),
                );
            }
        }
        Ok(all)
    }
}

fn list(common: &Common) -> Result<()> {
    let networks = by_kind(Client::new(&common.socket, &common.bpffs_root).get(paths::NETWORK)?);
    if common.output == Format::Json {
        return output::json(&networks);
    }
    let Networks { ip, cidr, port, .. } = networks;
    for (kind, entries) in [("ip", ip), ("cidr", cidr), ("port", port)] {
        entries.iter().for_each(|entry| output::line(&format!("{kind:<4} {}", harmless(entry))));
    }
    Ok(())
}

/// A daemon that knows more kinds than this command has them among the ports.
fn by_kind(reply: EntriesReply) -> Networks {
    let EntriesReply { version, file, entries } = reply;
    let mut networks = Networks { version, file, ip: Vec::new(), cidr: Vec::new(), port: Vec::new() };
    for entry in entries {
        let list = match NetEntry::parse(None, &entry).map(|entry| entry.kind()) {
            Ok(NetKind::Ip) => &mut networks.ip,
            Ok(NetKind::Cidr) => &mut networks.cidr,
            Ok(NetKind::Port) | Err(_) => &mut networks.port,
        };
        list.push(entry);
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn kinds_are_kept_apart() {
        let entries = owned(&["10.0.0.1", "2001:db8::1", "10.0.0.0/8", "22", "53:udp", "25:any:connect"]);
        let networks = by_kind(EntriesReply { version: 1, file: "f".to_owned(), entries });
        assert_eq!(networks.ip, owned(&["10.0.0.1", "2001:db8::1"]));
        assert_eq!(networks.cidr, owned(&["10.0.0.0/8"]));
        assert_eq!(networks.port, owned(&["22", "53:udp", "25:any:connect"]));
    }

    #[test]
    fn what_is_named_must_be_of_that_kind() {
        let none = || NetArgs { entries: Vec::new(), ip: Vec::new(), cidr: Vec::new(), port: Vec::new() };
        let all = NetArgs {
            entries: owned(&["::1"]),
            ip: owned(&["10.0.0.1"]),
            cidr: owned(&["10.1.2.3/8"]),
            port: owned(&["22:tcp:egress"]),
        };
        let sent = owned(&["::1", "10.0.0.1", "10.0.0.0/8", "22:tcp:connect"]);
        assert_eq!(all.all().unwrap(), sent);
        for wrong in [
            NetArgs { ip: owned(&["10.0.0.0/8"]), ..none() },
            NetArgs { cidr: owned(&["10.0.0.1"]), ..none() },
            NetArgs { port: owned(&["10.0.0.1"]), ..none() },
        ] {
            let error = wrong.all().unwrap_err();
            assert_eq!(error.downcast_ref::<Failure>().map(|failure| failure.exit), Some(Exit::Refused));
        }
    }
}
