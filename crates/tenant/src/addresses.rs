//! Allow-lists of addresses: single ones, `a.b.c.*`, and `a.b.c.[from-to]`.

use std::net::IpAddr;

/// Whether some entry of an allow-list matches an address.
pub fn is_allowed(address: IpAddr, allowed: &[String]) -> bool {
    let address = address.to_canonical();
    allowed.iter().any(|entry| matches_address(entry, address))
}

/// Whether an entry has one of the three forms.
pub fn is_address_entry(entry: &str) -> bool {
    let Some((network, last)) = entry.rsplit_once('.') else {
        return entry.parse::<IpAddr>().is_ok();
    };
    let inside = last.strip_prefix('[').and_then(|range| range.strip_suffix(']'));
    let range = inside.and_then(|range| range.split_once('-'));
    let range = range.and_then(|(from, to)| Some((from.parse::<u8>().ok()?, to.parse().ok()?)));
    let is_last = last == "*" || last.parse::<u8>().is_ok() || range.is_some_and(|(a, b)| a <= b);
    is_last && format!("{network}.0").parse::<std::net::Ipv4Addr>().is_ok()
}

fn matches_address(entry: &str, address: IpAddr) -> bool {
    if entry.parse() == Ok(address) {
        return true;
    }
    let IpAddr::V4(address) = address else { return false };
    let octets = address.octets();
    let Some((network, last)) = entry.rsplit_once('.') else { return false };
    if network != format!("{}.{}.{}", octets[0], octets[1], octets[2]) {
        return false;
    }
    let range = last.strip_prefix('[').and_then(|range| range.strip_suffix(']'));
    match range.and_then(|range| range.split_once('-')) {
        Some((from, to)) => {
            let octet = |text: &str| text.parse::<u8>().ok();
            octet(from).zip(octet(to)).is_some_and(|(from, to)| (from..=to).contains(&octets[3]))
        }
        None => last == "*",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_lists() {
        let at = |text: &str| text.parse().unwrap();
        assert!(matches_address("74.0.0.5", at("74.0.0.5")));
        assert!(matches_address("74.0.0.*", at("74.0.0.200")));
        assert!(matches_address("74.0.0.[0-99]", at("74.0.0.99")));
        for (entry, address) in [
            ("74.0.0.5", "74.0.0.6"),
            ("74.0.0.*", "74.0.1.1"),
            ("74.0.*.*", "74.0.0.1"),
            ("74.0.0.[0-99]", "74.0.0.100"),
            ("", "74.0.0.1"),
        ] {
            assert!(!matches_address(entry, at(address)), "{entry} {address}");
        }
    }

    #[test]
    fn address_entries() {
        for good in ["74.0.0.5", "74.0.0.*", "74.0.0.[0-99]", "::1"] {
            assert!(is_address_entry(good), "{good}");
        }
        for bad in ["", "74.0.*.*", "74.0.*.1", "74.0.0", "74.0.0.[9-1]", "74.0.0.256", "*", "x"] {
            assert!(!is_address_entry(bad), "{bad}");
        }
    }
}
