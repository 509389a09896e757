//! Entries of formats 1 and 2 for the network.

use super::net;
use crate::diagnostic::{Code, Fault, quote};
use crate::plan::{Net, Network, Operations, Ports, Protocol};
use crate::syntax::choice;
use std::net::IpAddr;

/// What can be written in the sections for the network.
const ONE_ADDRESS: &str = "write an address such as `10.0.0.1` or `2001:db8::1`, without a port";
const ADDRESSES: &str = "write addresses such as `10.0.0.0/8` or `2001:db8::/32`, without a port";
const ONE_PORT: &str = "write a port such as `22`; with a protocol and a direction, `22:tcp:bind`";

/// A section for the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetKind {
    /// `[deny_ip]`: one address.
    Ip,
    /// `[deny_cidr]`: addresses with a prefix in common.
    Cidr,
    /// `[deny_port]`: a port of all addresses.
    Port,
}

impl NetKind {
    /// What the section is called.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Ip => "deny_ip",
            Self::Cidr => "deny_cidr",
            Self::Port => "deny_port",
        }
    }

    /// The section that a text looks as if it belonged to. What is in none is told best by the one it is most like.
    fn of(text: &str) -> Self {
        let colons = text.bytes().filter(|byte| *byte == b':').count();
        if text.contains('/') {
            Self::Cidr
        } else if text.parse::<IpAddr>().is_ok() || text.contains('.') || text.contains("::") || colons > 2 {
            Self::Ip
        } else {
            Self::Port
        }
    }
}

/// What a word of the command line would mean as an entry for the network: of this section, or of the one that it looks
/// like.
pub(crate) fn net_entry(kind: Option<NetKind>, text: &str) -> Result<NetEntry, Fault> {
    match kind.unwrap_or_else(|| NetKind::of(text)) {
        NetKind::Ip => deny_ip(text),
        NetKind::Cidr => deny_cidr(text),
        NetKind::Port => deny_port(text),
    }
}

/// An entry for the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NetEntry {
    pub(crate) net: Net,
    pub(crate) operations: Operations,
}

impl NetEntry {
    fn connecting(network: Network) -> Self {
        let net = Net { network, ports: Ports::ANY, protocol: None };
        Self { net, operations: Operations::CONNECT }
    }

    /// Whether a line of format 1 or 2 can say it: connecting to addresses, or a port of all of them.
    pub(crate) fn can_be_said(&self) -> bool {
        let Net { network, ports, protocol } = self.net;
        let ways = Operations::CONNECT | Operations::BIND;
        match (network, ports == Ports::ANY) {
            (Network::Any, false) => {
                ports.first == ports.last && !self.operations.is_empty() && ways.contains(self.operations)
            }
            (Network::Any, true) | (_, false) => false,
            (_, true) => protocol.is_none() && self.operations == Operations::CONNECT,
        }
    }

    /// The section that it stands in, and its line there.
    pub(crate) fn line(&self) -> (NetKind, String) {
        let Net { network, ports, protocol } = self.net;
        if ports == Ports::ANY {
            let is_one = matches!(network, Network::V4(_, 32) | Network::V6(_, 128));
            return (if is_one { NetKind::Ip } else { NetKind::Cidr }, network.to_string());
        }
        let protocol = protocol.map_or("any", Protocol::word);
        let line = match direction(self.operations) {
            "both" if protocol == "any" => ports.first.to_string(),
            "both" => format!("{}:{protocol}", ports.first),
            direction => format!("{}:{protocol}:{direction}", ports.first),
        };
        (NetKind::Port, line)
    }
}

/// The word of format 1 for what of a port is denied.
fn direction(operations: Operations) -> &'static str {
    match (operations.contains(Operations::CONNECT), operations.contains(Operations::BIND)) {
        (true, true) => "both",
        (false, true) => "bind",
        _ => "connect",
    }
}

pub(super) fn deny_ip(text: &str) -> Result<NetEntry, Fault> {
    if text.contains('/') {
        return Err(Fault::new(Code::BadNet, format!("{} is not one address", quote(text)))
            .label("it has a prefix")
            .help("write it below `[deny_cidr]`"));
    }
    net::loose(text).map(NetEntry::connecting).map_err(|fault| of_line(fault, Code::BadNet, ONE_ADDRESS))
}

pub(super) fn deny_cidr(text: &str) -> Result<NetEntry, Fault> {
    if !text.contains('/') {
        return Err(Fault::new(Code::BadNet, format!("{} is one address", quote(text)))
            .label("it has no prefix")
            .help("write it below `[deny_ip]`, or with a prefix such as `/24`"));
    }
    net::loose(text).map(NetEntry::connecting).map_err(|fault| of_line(fault, Code::BadNet, ADDRESSES))
}

/// A fault of a value that format 3 has as well, with what can be written here.
fn of_line(fault: Fault, code: Code, help: &str) -> Fault {
    fault.instead_of(code, |fault| fault.help(help))
}

/// `port[:tcp|udp|any[:egress|connect|bind|both]]`.
pub(super) fn deny_port(text: &str) -> Result<NetEntry, Fault> {
    const PROTOCOLS: [&str; 3] = ["any", "tcp", "udp"];
    const DIRECTIONS: [&str; 4] = ["both", "connect", "egress", "bind"];
    let mut fields = text.split(':');
    let port = net::port(text, fields.next().unwrap_or_default())
        .map_err(|fault| of_line(fault, Code::BadPort, ONE_PORT))?;
    let (protocol, direction) = (fields.next().unwrap_or("any"), fields.next().unwrap_or("both"));
    if fields.next().is_some() {
        return Err(Fault::new(Code::BadNet, format!("{} is not a port of format 1", quote(text)))
            .label("it has more than three parts")
            .help("write `port:protocol:direction`, such as `22:tcp:bind`"));
    }
    if !PROTOCOLS.contains(&protocol) {
        return Err(choice(Code::BadProtocol, "protocol", protocol, PROTOCOLS));
    }
    let operations = match direction {
        "both" => Operations::CONNECT | Operations::BIND,
        "connect" | "egress" => Operations::CONNECT,
        "bind" => Operations::BIND,
        other => return Err(choice(Code::UnknownDirection, "direction", other, DIRECTIONS)),
    };
    let ports = Ports { first: port, last: port };
    Ok(NetEntry {
        net: Net { network: Network::Any, ports, protocol: Protocol::from_word(protocol) },
        operations,
    })
}
