//! Addresses of the network.

use super::words::words;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses, ports and a protocol: what is asked for matches if all three do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Net {
    /// Which addresses.
    pub network: Network,
    /// Which ports.
    pub ports: Ports,
    /// Which protocol; none means any.
    pub protocol: Option<Protocol>,
}

/// A range of addresses. IPv4 addresses in IPv6 form (`::ffff:a.b.c.d`) are IPv4 addresses here, so each address is in
/// one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// All addresses of both families.
    Any,
    /// The addresses that begin with the first bits of this one. Its other bits are 0.
    V4(Ipv4Addr, u8),
    /// The same for IPv6.
    V6(Ipv6Addr, u8),
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// TCP, multipath too.
    Tcp = 1,
    /// UDP.
    Udp = 2,
}

words!(Protocol: Tcp "tcp", Udp "udp");

impl Ports {
    /// All of them.
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    /// Whether a port is one of them.
    #[must_use]
    pub fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether all of the others are among them.
    #[must_use]
    pub fn cover(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// The first bits of an address of 32 bits.
#[must_use]
pub(crate) fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0)
}

/// The first bits of an address of 128 bits.
#[must_use]
pub(crate) fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0)
}

impl Network {
    /// Whether all addresses of the other are in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::V4(own, prefix), Self::V4(address, longer)) => {
                prefix <= longer && (address.to_bits() & mask_v4(prefix)) == own.to_bits()
            }
            (Self::V6(own, prefix), Self::V6(address, longer)) => {
                prefix <= longer && (address.to_bits() & mask_v6(prefix)) == own.to_bits()
            }
            _ => false,
        }
    }
}

impl Net {
    /// Every address, port and protocol.
    pub const ANY: Self = Self { network: Network::Any, ports: Ports::ANY, protocol: None };

    /// Whether everything that the other matches is matched by it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.network.covers(other.network)
            && self.ports.cover(other.ports)
            && (self.protocol.is_none() || self.protocol == other.protocol)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("*"),
            Self::V4(address, 32) => write!(out, "{address}"),
            Self::V4(address, prefix) => write!(out, "{address}/{prefix}"),
            Self::V6(address, 128) => write!(out, "{address}"),
            Self::V6(address, prefix) => write!(out, "{address}/{prefix}"),
        }
    }
}

impl fmt::Display for Net {
    /// As the policy language writes it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, ports, protocol } = self;
        match (network, *ports == Ports::ANY) {
            (Network::V6(..), false) => write!(out, "[{network}]")?,
            _ => write!(out, "{network}")?,
        }
        match ports {
            _ if *ports == Ports::ANY => {}
            Ports { first, last } if first == last => write!(out, ":{first}")?,
            Ports { first, last } => write!(out, ":{first}-{last}")?,
        }
        protocol.map_or(Ok(()), |protocol| write!(out, "/{}", protocol.word()))
    }
}
