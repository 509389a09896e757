//! Rules on addresses of the network, as a table that is asked for the longest prefix: such a table gives one answer, so
//! each prefix carries what its shorter ones say as well.

use super::{Net, Network, Object, Operations, Plan, Ports, Protocol, mask_v6};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a rule says at some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetRow {
    /// Index of the rule.
    pub rule: u32,
    /// Its operations at addresses.
    pub operations: Operations,
    /// Of which protocol; none means any.
    pub protocol: Option<Protocol>,
    /// At which ports.
    pub ports: Ports,
}

/// First bits of an address, on the left, and how many they are.
type Prefix = (u128, u8);

/// All prefixes that rules name, with everything that is said about the addresses that have none longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    v4: BTreeMap<Prefix, Vec<NetRow>>,
    v6: BTreeMap<Prefix, Vec<NetRow>>,
}

/// Bits behind an IPv4 address that is on the left of 128.
const BEHIND_V4: u32 = 96;

impl Plan {
    /// What its rules say about addresses. The order of rules and of what they list does not matter.
    #[must_use]
    pub fn prefixes(&self) -> Prefixes {
        let mut prefixes = Prefixes::default();
        for (number, rule) in (0_u32..).zip(&self.rules) {
            let operations = rule.operations() & Operations::AT_ADDRESSES;
            for object in &rule.objects {
                let net = match object {
                    Object::Net(net) => *net,
                    Object::Any if !operations.is_empty() => Net::ANY,
                    _ => continue,
                };
                let Net { network, ports, protocol } = net;
                prefixes.add(network, NetRow { rule: number, operations, protocol, ports });
            }
        }
        for family in [&mut prefixes.v4, &mut prefixes.v6] {
            fold(family);
        }
        prefixes
    }
}

impl Prefixes {
    fn add(&mut self, network: Network, row: NetRow) {
        match network {
            Network::Any => {
                self.v4.entry((0, 0)).or_default().push(row);
                self.v6.entry((0, 0)).or_default().push(row);
            }
            Network::V4(address, prefix) => {
                let bits = u128::from(address.to_bits()) << BEHIND_V4;
                self.v4.entry((bits, prefix)).or_default().push(row);
            }
            Network::V6(address, prefix) => {
                self.v6.entry((address.to_bits(), prefix)).or_default().push(row);
            }
        }
    }

    /// What is said about an address: what the longest prefix carries that it begins with.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> &[NetRow] {
        let (family, bits, width) = match address.to_canonical() {
            IpAddr::V4(address) => (&self.v4, u128::from(address.to_bits()) << BEHIND_V4, 32_u8),
            IpAddr::V6(address) => (&self.v6, address.to_bits(), 128),
        };
        let found = (0..=width).rev().find_map(|length| family.get(&(bits & mask_v6(length), length)));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// How many prefixes there are, of IPv4 and of IPv6.
    #[must_use]
    pub fn len(&self) -> [usize; 2] {
        [self.v4.len(), self.v6.len()]
    }

    /// Whether no rule is about addresses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == [0; 2]
    }

    /// How many rows they carry together.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.v4.values().chain(self.v6.values()).map(Vec::len).sum()
    }
}

/// In this order a prefix follows all that it begins with, and those that are still open are a stack.
fn fold(family: &mut BTreeMap<Prefix, Vec<NetRow>>) {
    let mut open: Vec<(Prefix, Vec<NetRow>)> = Vec::new();
    for (prefix, rows) in family {
        while open.last().is_some_and(|((bits, length), _)| prefix.0 & mask_v6(*length) != *bits) {
            open.pop();
        }
        if let Some((_, outer)) = open.last() {
            rows.extend_from_slice(outer);
        }
        join(rows);
        open.push((*prefix, rows.clone()));
    }
}

/// Takes rows of one rule together where their ports overlap or touch.
fn join(rows: &mut Vec<NetRow>) {
    rows.sort_unstable();
    rows.dedup_by(|next, row| {
        let same = (row.rule, row.operations, row.protocol) == (next.rule, next.operations, next.protocol);
        let joins = same && next.ports.first <= row.ports.last.saturating_add(1);
        if joins {
            row.ports.last = row.ports.last.max(next.ports.last);
        }
        joins
    });
}
