//! The allow-list of an account, and where this machine comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::reach::Reach;

/// The address that the service sees, if that can be known here: not behind a
/// proxy, and not where addresses are translated on the way.
pub(super) async fn seen_by(reach: &Reach<'_>) -> Option<IpAddr> {
    let url = reach.parsed().filter(|_| reach.proxy().is_none())?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default()?;
    let service = tokio::net::lookup_host((host, port)).await.ok()?.next()?;
    let any: SocketAddr = match service {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Connecting chooses the way and sends nothing.
    let socket = tokio::net::UdpSocket::bind(any).await.ok()?;
    socket.connect(service).await.ok()?;
    let own = socket.local_addr().ok()?.ip().to_canonical();
    let is_translated = is_private(own) && !is_private(service.ip().to_canonical());
    (!is_translated).then_some(own)
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_link_local()
                || v4.is_loopback()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether an entry allows an address: a single one, `a.b.c.*`, `a.b.c.[from-to]`.
pub(super) fn is_allowed(address: IpAddr, allowed: &[String]) -> bool {
    allowed.iter().any(|entry| allows(entry.trim(), address))
}

fn allows(entry: &str, address: IpAddr) -> bool {
    if let Ok(single) = entry.parse::<IpAddr>() {
        return single == address;
    }
    let IpAddr::V4(address) = address else { return false };
    let [a, b, c, last] = address.octets();
    let Some(wanted) = entry.strip_prefix(&format!("{a}.{b}.{c}.")) else { return false };
    let range = wanted.strip_prefix('[').and_then(|range| range.strip_suffix(']'));
    match range.and_then(|range| range.split_once('-')) {
        Some((from, to)) => {
            let octet = |text: &str| text.trim().parse::<u8>().ok();
            octet(from).zip(octet(to)).is_some_and(|(from, to)| (from..=to).contains(&last))
        }
        None => wanted == "*",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_each_form() {
        let at = |text: &str| text.parse().unwrap();
        for (entry, address, is) in [
            ("74.0.0.5", "74.0.0.5", true),
            ("74.0.0.*", "74.0.0.200", true),
            ("74.0.0.[0-99]", "74.0.0.99", true),
            ("::1", "::1", true),
            ("74.0.0.5", "74.0.0.6", false),
            ("74.0.0.*", "74.0.1.1", false),
            ("74.0.0.[0-99]", "74.0.0.100", false),
            ("*", "74.0.0.1", false),
            ("", "74.0.0.1", false),
        ] {
            assert_eq!(is_allowed(at(address), &[entry.to_owned()]), is, "{entry} {address}");
        }
    }
}
