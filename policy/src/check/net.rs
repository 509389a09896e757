//! Addresses of the network.

use super::inode;
use crate::diagnostic::{Code, Fault, quote};
use crate::plan::{Net, Network, Ports, Protocol, mask_v4, mask_v6};
use crate::syntax::choice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What all forms look like.
const HELP: &str = "write `ADDRESS[/PREFIX][:PORT[-PORT]][/tcp|/udp]`, such as `10.0.0.0/8:443/tcp`, \
                    `[2001:db8::/32]:443`, or `*:53/udp` for any address";

/// Bits of the prefix of IPv4 addresses in IPv6 form.
const MAPPED: u8 = 96;

/// Addresses, ports and a protocol.
pub(super) fn net(text: &str) -> Result<Net, Fault> {
    let (network, rest) = split(text)?;
    let network = match network {
        "*" => Network::Any,
        other => exact(text, other)?,
    };
    let (rest, protocol) = match rest.rsplit_once('/') {
        Some((rest, word)) => (rest, Some(protocol(word)?)),
        None => (rest, None),
    };
    let ports = match rest.strip_prefix(':') {
        Some(range) => ports(range)?,
        None if rest.is_empty() => Ports::ANY,
        None => {
            return Err(malformed(
                text,
                "something follows the address that is neither a port nor a protocol",
            ));
        }
    };
    Ok(Net { network, ports, protocol })
}

/// The addresses, without brackets, and what follows them.
fn split(text: &str) -> Result<(&str, &str), Fault> {
    if let Some(inner) = text.strip_prefix('[') {
        let (network, rest) =
            inner.split_once(']').ok_or_else(|| malformed(text, "a bracket is not closed"))?;
        // Both `[2001:db8::/32]:443` and `[2001:db8::]/32:443` are in use; the second is not taken, as a port behind it
        // looks like a part of the prefix.
        if !network.contains('/')
            && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
            && rest.starts_with('/')
        {
            return Err(malformed(text, "the prefix is outside of the brackets"));
        }
        return Ok((network, rest));
    }
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    let end = match text.find(['/', ':']) {
        // An IPv6 address; where it has no brackets, no port can follow it.
        _ if colons > 1 => text.find('/').unwrap_or(text.len()),
        Some(end) => end,
        None => text.len(),
    };
    let (address, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    // A prefix is digits, a protocol is a word.
    let prefix = rest.strip_prefix('/').unwrap_or_default();
    let digits = prefix.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((address, rest));
    }
    Ok(text.split_at_checked(end + 1 + digits).unwrap_or((text, "")))
}

/// Addresses of which no bit is set that the prefix leaves open.
fn exact(text: &str, network: &str) -> Result<Network, Fault> {
    let found = prefix(text, network)?;
    let (address, length, clean) = found;
    if address == clean {
        return Ok(canonical(address, length));
    }
    let meant = canonical(clean, length);
    Err(Fault::new(Code::HostBits, format!("{} has bits behind its prefix", quote(network)))
        .label(format!("a prefix of {length} bits leaves them open"))
        .help(format!("write `{meant}` for all of these addresses, or `{address}` for this one alone")))
}

/// An entry of `[deny_cidr]`, where such bits mean nothing.
pub(super) fn loose(text: &str) -> Result<Network, Fault> {
    prefix(text, text).map(|(_, length, clean)| canonical(clean, length))
}

/// An address, how many bits count, and the same with only those set.
fn prefix(text: &str, network: &str) -> Result<(IpAddr, u8, IpAddr), Fault> {
    let (address, length) = match network.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (network, None),
    };
    let address: IpAddr =
        address.parse().map_err(|_| malformed(text, &format!("{} is not an IP address", quote(address))))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            u8::try_from(inode::number("prefix of such an address", digits, most.into())?).unwrap_or(most)
        }
        Some(_) => return Err(malformed(text, "the prefix is not a decimal number")),
        None => most,
    };
    let clean = match address {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask_v4(length))),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask_v6(length))),
    };
    Ok((address, length, clean))
}

/// IPv4 addresses in IPv6 form are IPv4 addresses.
fn canonical(address: IpAddr, length: u8) -> Network {
    match address {
        IpAddr::V4(address) => Network::V4(address, length),
        IpAddr::V6(address) => match (address.to_ipv4_mapped(), length.checked_sub(MAPPED)) {
            (Some(address), Some(length)) => Network::V4(address, length),
            _ => Network::V6(address, length),
        },
    }
}

fn protocol(word: &str) -> Result<Protocol, Fault> {
    Protocol::from_word(word)
        .ok_or_else(|| choice(Code::BadProtocol, "protocol", word, Protocol::all_words()))
}

fn ports(text: &str) -> Result<Ports, Fault> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(text, first)?, port(text, last)?);
    if first > last {
        return Err(bad_port(text, "the range ends before it begins").help(format!("write `{last}-{first}`")));
    }
    Ok(Ports { first, last })
}

/// A port that a program can be reached at.
pub(super) fn port(whole: &str, digits: &str) -> Result<u16, Fault> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let found = digits.parse().ok().filter(|port| *port > 0 && is_number);
    found.ok_or_else(|| {
        bad_port(whole, "not a number from 1 to 65535")
            .help("write a port such as `443`, or a range such as `8000-8999`; leave it out for all ports")
    })
}

fn bad_port(text: &str, cause: &str) -> Fault {
    Fault::new(Code::BadPort, format!("{} is not a port", quote(text))).label(cause)
}

fn malformed(text: &str, cause: &str) -> Fault {
    Fault::new(Code::BadNet, format!("{} is not an address of the network", quote(text)))
        .label(cause)
        .help(HELP)
}

#[cfg(test)]
mod tests {
    use super::net;

    #[test]
    fn each_form_is_read_and_written() {
        let rows = [
            ("10.0.0.0/8:443/tcp", "10.0.0.0/8:443/tcp"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/32:1-65535", "10.1.2.3:1-65535"),
            ("10.0.0.0/8/udp", "10.0.0.0/8/udp"),
            ("10.0.0.1/tcp", "10.0.0.1/tcp"),
            ("*", "*"),
            ("*:53/udp", "*:53/udp"),
            ("*/tcp", "*/tcp"),
            ("::1", "::1"),
            ("::1/udp", "::1/udp"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8::/32/tcp", "2001:db8::/32/tcp"),
            ("[2001:db8::/32]:80-90/tcp", "[2001:db8::/32]:80-90/tcp"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "::1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("[::ffff:10.0.0.1]:22", "10.0.0.1:22"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ];
        for (text, written) in rows {
            let found = net(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(found.to_string(), written, "{text}");
            assert_eq!(net(written).unwrap(), found, "{text}");
        }
    }
}
