use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use countersign_deliveries::gate::{Barred, Gate};
use proptest::prelude::*;

pub(crate) fn gate(networks: &[&str]) -> Gate {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    Gate::new(&networks).unwrap()
}

/// Names lead to these addresses, whatever they are.
pub(crate) fn leading(gate: Gate, addresses: &[&str]) -> Gate {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    gate.with_lookup(Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    }))
}

fn permits(networks: &[&str], address: &str) -> bool {
    gate(networks).permits(address.parse().unwrap())
}

/// One of each kind that has to be named, with the smallest network that has it.
const NAMED: [(&str, &str); 30] = [
    ("127.0.0.1", "127.0.0.0/8"),
    ("127.255.255.254", "127.0.0.0/8"),
    ("10.0.0.1", "10.0.0.0/8"),
    ("172.16.0.1", "172.16.0.0/12"),
    ("172.31.255.255", "172.16.0.0/12"),
    ("192.168.0.1", "192.168.0.0/16"),
    ("100.64.0.1", "100.64.0.0/10"),
    ("100.127.255.255", "100.64.0.0/10"),
    ("192.0.0.8", "192.0.0.0/24"),
    ("192.0.2.1", "192.0.2.0/24"),
    ("198.51.100.1", "198.51.100.0/24"),
    ("203.0.113.1", "203.0.113.0/24"),
    ("198.18.0.1", "198.18.0.0/15"),
    ("198.19.255.255", "198.18.0.0/15"),
    ("192.88.99.1", "192.88.99.0/24"),
    ("::1", "::1"),
    ("fc00::1", "fc00::/7"),
    ("fdff::1", "fc00::/7"),
    ("fec0::1", "fec0::/10"),
    ("100::1", "100::/64"),
    ("2001:db8::1", "2001:db8::/32"),
    ("3fff::1", "3fff::/20"),
    ("2001:2::1", "2001:2::/48"),
    ("::ffff:8.8.8.8", "::ffff:0:0/96"),
    ("::8.8.8.8", "::/96"),
    ("::ffff:0:8.8.8.8", "::ffff:0:0:0/96"),
    ("64:ff9b::8.8.8.8", "64:ff9b::/96"),
    ("64:ff9b:1::8.8.8.8", "64:ff9b:1::/48"),
    ("2002:808:808::1", "2002::/16"),
    // Server 8.8.8.8, client 8.8.4.4.
    ("2001:0:808:808:0:0:f7f7:fbfb", "2001::/32"),
];

/// Those that only the single address names.
const EXACT: [&str; 13] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "168.63.129.16",
    "192.0.0.192",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "169.254.169.253",
];

const NEVER: [&str; 9] = [
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "::",
    "ff02::1",
    "ff0e::1",
];

#[test]
fn what_is_not_public_has_to_be_named() {
    for (address, network) in NAMED {
        assert!(!permits(&[], address), "{address}");
        assert!(permits(&[network], address), "{address} in {network}");
    }
    for address in EXACT {
        assert!(!permits(&["0.0.0.0/0", "::/0"], address), "{address}");
        assert!(permits(&[address], address), "{address}");
    }
    for address in NEVER {
        assert!(!permits(&["0.0.0.0/0", "::/0", address], address), "{address}");
    }
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
        "2001:4860:4860::8888",
        "2003::1",
        "3ffe::1",
    ] {
        assert!(permits(&[], address), "{address}");
        // A list adds to what is public.
        assert!(permits(&["10.0.0.0/8"], address), "{address}");
    }
}

#[test]
fn an_address_within_another_is_judged_as_well() {
    let all = ["::/0"];
    for address in [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "64:ff9b:1::10.0.0.1",
        // Teredo: server 10.0.0.1, and client 10.0.0.1.
        "2001:0:a00:1:0:0:f7f7:fbfb",
        "2001:0:808:808:0:0:f5ff:fffe",
        // RFC 6052 with prefixes of 48, 56 and 64 bits.
        "64:ff9b:1:a00:0:100::",
        "64:ff9b:1:a:0:1::",
        "64:ff9b:1:0:a:0:100:0",
        "::ffff:0.0.0.0",
        "64:ff9b::255.255.255.255",
    ] {
        assert!(!permits(&all, address), "{address}");
    }
    let both = ["::/0", "10.0.0.0/8"];
    for address in [
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100::",
        "2001:0:a00:1:0:0:f7f7:fbfb",
    ] {
        assert!(permits(&both, address), "{address}");
        assert!(!permits(&["10.0.0.0/8"], address), "{address}");
    }
    let metadata = ["64:ff9b::/96", "169.254.169.254"];
    assert!(permits(&metadata, "64:ff9b::169.254.169.254"));
}

#[test]
fn networks_that_are_none() {
    for (network, why) in [
        ("", "not a network"),
        ("intern.example.com", "not a network"),
        ("10.0.0.0/33", "prefix"),
        ("fd00::/129", "prefix"),
        ("10.0.0.0/", "prefix"),
        ("10.0.0.0/+8", "prefix"),
        ("10.0.0.0/-8", "prefix"),
        ("10.0.0.0/255.0.0.0", "prefix"),
        ("10.1.2.3/8", "write `10.0.0.0/8` or `10.1.2.3`"),
        ("fd00::1/8", "write `fd00::/8` or `fd00::1`"),
        ("[::1]", "not a network"),
    ] {
        let refused = Gate::new(&[network.to_owned()]).unwrap_err();
        assert!(refused.contains(why), "{network}: {refused}");
    }
}

#[tokio::test]
async fn a_name_leads_to_what_is_permitted_or_nowhere() {
    let mixed = leading(gate(&[]), &["127.0.0.1", "1.1.1.1", "fd00::1"]);
    assert_eq!(mixed.resolve("hook.example.com", 7).await.unwrap(), ["1.1.1.1:7".parse().unwrap()]);
    let all = mixed.check_all("hook.example.com").await.unwrap_err();
    assert!(
        matches!(&all, Barred::Forbidden(why) if why.contains("127.0.0.1 is loopback")),
        "{all}"
    );

    let inner = leading(gate(&[]), &["10.0.0.1", "fd00::1"]);
    let refused = inner.resolve("hook.example.com", 7).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`hook.example.com` leads to 10.0.0.1 is private and not in `allow_networks`"
    );
    let none = leading(gate(&[]), &[]).resolve("hook.example.com", 7).await;
    assert!(matches!(none, Err(Barred::Unknown(_))), "{none:?}");
    // Plain HTTP may go to `localhost`: nobody else may be that.
    let foreign = leading(gate(&[]), &["1.1.1.1"]).resolve("x.LocalHost.", 7).await;
    assert!(matches!(foreign, Err(Barred::Unknown(_))), "{foreign:?}");
}

#[tokio::test]
async fn literals_are_judged_in_every_spelling() {
    let gate = leading(gate(&[]), &["1.1.1.1"]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "[::1]",
        "::1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "0",
        "[::]",
        "[64:ff9b::7f00:1]",
    ] {
        let refused = gate.resolve(host, 7).await;
        assert!(matches!(refused, Err(Barred::Forbidden(_))), "{host}: {refused:?}");
    }
    assert!(gate.resolve("[2606:4700::1111]", 7).await.is_ok());
}

proptest! {
    /// Of unique local ones, where no address is more than another.
    #[test]
    fn a_network_has_what_has_its_prefix(bits: u128, other: u128, prefix in 8u8..=128) {
        let mask = u128::MAX << (128 - prefix);
        let base = ((bits >> 7) | (0xfc << 120)) & mask;
        let named = gate(&[&format!("{}/{prefix}", Ipv6Addr::from_bits(base))]);
        let permits = |bits| named.permits(Ipv6Addr::from_bits(bits).into());
        prop_assert!(permits(base | (other & !mask)));
        // The last bit of the prefix is another one.
        prop_assert!(!permits((base | (other & !mask)) ^ (1 << (128 - prefix))));
    }
}
