//! Which addresses a destination may reach: public ones, and those that its
//! `allow_networks` names. Every address is judged after its name was looked up and before a
//! connection is made to exactly this address, so that a name that leads elsewhere the next
//! time leads nowhere.
//!
//! | addresses | permitted |
//! |---|---|
//! | public | always |
//! | loopback, private, shared, unique local, documentation, benchmarking, reserved, and IPv6 addresses that stand for an IPv4 address | when a network in the list has them |
//! | link-local, and those where clouds keep credentials of the machine | when the list has the single address |
//! | multicast, broadcast, unspecified, `0.0.0.0/8`, `240.0.0.0/4` | never |
//!
//! An IPv6 address that stands for an IPv4 address (mapped, compatible, translated, NAT64,
//! 6to4, Teredo) is permitted only if both are: where names lead to `64:ff9b::/96` because the
//! machine has no IPv4, the list has to name it, and private addresses stay out of reach.
//!
//! Of a name that leads to several addresses the permitted ones are used. It is refused if
//! there are none.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use countersign_text::line;
use url::Host;

/// The addresses of a name, some time later.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// Looks up the addresses of a name.
pub type Lookup = dyn Fn(&str) -> Looking + Send + Sync;

/// Which addresses a destination may reach.
#[derive(Clone)]
pub struct Gate {
    allowed: Arc<[Network]>,
    lookup: Arc<Lookup>,
}

/// Why a connection is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// The name could not be looked up.
    Unknown(String),
    /// The gate does not permit it.
    Forbidden(String),
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(why) | Self::Forbidden(why) => f.write_str(why),
        }
    }
}

impl StdError for Barred {}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Gate {
    /// Public addresses, and these networks: such as `10.0.0.0/8`, `fd00::/8` or
    /// `192.168.1.7`.
    ///
    /// # Errors
    ///
    /// One sentence about the first network that is none.
    pub fn new(allow_networks: &[String]) -> Result<Self, String> {
        let allowed = allow_networks.iter().map(|text| Network::parse(text));
        Ok(Self { allowed: allowed.collect::<Result<_, _>>()?, lookup: Arc::new(system) })
    }

    /// With another way to look up names than that of the system.
    #[must_use]
    pub fn with_lookup(self, lookup: Arc<Lookup>) -> Self {
        Self { lookup, ..self }
    }

    /// Whether a connection to this address may be made.
    pub fn permits(&self, address: IpAddr) -> bool {
        let tier = tier(address);
        let is_outer = match tier {
            Tier::Public => true,
            Tier::Named(_) => self.allowed.iter().any(|network| network.has(address)),
            Tier::Exact(_) => self.allowed.iter().any(|network| network.is_only(address)),
            Tier::Never(_) => false,
        };
        let IpAddr::V6(v6) = address else { return is_outer };
        is_outer && self.permits_within(&within(v6))
    }

    /// Whether all IPv4 addresses in an IPv6 address are permitted. Where it may be in several
    /// places, what cannot be an address of anything is not looked at, but one must be.
    fn permits_within(&self, within: &[Ipv4Addr]) -> bool {
        if let [one] = within {
            return self.permits(IpAddr::V4(*one));
        }
        let is_never = |v4: &&Ipv4Addr| matches!(tier(IpAddr::V4(**v4)), Tier::Never(_));
        let possible: Vec<_> = within.iter().filter(|v4| !is_never(v4)).collect();
        let all = possible.iter().all(|v4| self.permits(IpAddr::V4(**v4)));
        all && possible.is_empty() == within.is_empty()
    }

    /// Fails if the address is not permitted, with the kind of address that it is.
    ///
    /// # Errors
    ///
    /// Always [`Barred::Forbidden`].
    pub fn check(&self, address: IpAddr) -> Result<(), Barred> {
        match self.permits(address) {
            true => Ok(()),
            false => Err(Barred::Forbidden(format!("{address} is {}", self.why(address)))),
        }
    }

    fn why(&self, address: IpAddr) -> String {
        match tier(address) {
            Tier::Never(kind) => format!("{kind} and can never be a destination"),
            Tier::Exact(kind) => {
                format!("{kind} and `allow_networks` does not have this single address")
            }
            Tier::Named(kind) if !self.allowed.iter().any(|network| network.has(address)) => {
                format!("{kind} and not in `allow_networks`")
            }
            Tier::Named(_) | Tier::Public => {
                "an IPv6 form of an IPv4 address that is not permitted".into()
            }
        }
    }

    /// The permitted addresses of a host, to connect to: of a name, or of an address in any
    /// spelling that URLs know.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Barred> {
        let addresses = match literal(host) {
            Some(address) => {
                self.check(address)?;
                vec![address]
            }
            None => self.look_up(host).await?,
        };
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The permitted addresses of a name.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Barred> {
        let mut refused = None;
        let mut addresses = self.addresses(name).await?;
        addresses.retain(|address| {
            let checked = self.check(*address);
            let is_permitted = checked.is_ok();
            refused = refused.take().or(checked.err());
            is_permitted
        });
        match (addresses.is_empty(), refused) {
            (true, Some(why)) => Err(led(name, &why)),
            _ => Ok(addresses),
        }
    }

    /// Fails unless every address of a name is permitted: for a name that somebody else will
    /// look up again.
    ///
    /// # Errors
    ///
    /// When one is not permitted, or when the name cannot be looked up.
    pub async fn check_all(&self, name: &str) -> Result<(), Barred> {
        for address in self.addresses(name).await? {
            self.check(address).map_err(|why| led(name, &why))?;
        }
        Ok(())
    }

    /// All addresses of a name, permitted or not; of `localhost` only those of this machine,
    /// whatever the resolver says: plain HTTP is sent there.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Barred> {
        let unknown = |why: &str| {
            Barred::Unknown(format!("the address of `{}` could not be found: {why}", line(name)))
        };
        let found = (self.lookup)(name).await;
        let mut addresses =
            found.map_err(|error| unknown(&line(&error.to_string()).to_string()))?;
        if is_localhost(name) {
            addresses.retain(IpAddr::is_loopback);
        }
        if addresses.is_empty() { Err(unknown("it has none")) } else { Ok(addresses) }
    }
}

fn led(name: &str, why: &Barred) -> Barred {
    Barred::Forbidden(format!("`{}` leads to {why}", line(name)))
}

fn system(name: &str) -> Looking {
    let name = name.to_owned();
    Box::pin(async move {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// The address that a host is, in the spelling of URLs or without brackets.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let bare = || host.parse::<Ipv6Addr>().ok();
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Ok(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => bare().map(IpAddr::V6),
    }
}

/// `localhost` and names below it: RFC 6761 keeps them for this machine.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{}` in `allow_networks` {why}", line(text));
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let base: IpAddr = address
            .parse()
            .map_err(|_| wrong("is not a network\nhint: write it like `10.0.0.0/8`"))?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => Some(longest),
            Some(text) => Some(text).filter(is_number).and_then(|text| text.parse().ok()),
        };
        let prefix = prefix
            .filter(|prefix| *prefix <= longest)
            .ok_or_else(|| wrong(&format!("has no prefix of 0 to {longest}")))?;
        let network = Self { base, prefix }.masked();
        match network.base == base {
            true => Ok(network),
            // A network by mistake is wider than what was meant.
            false => Err(wrong(&format!(
                "is an address within a network\nhint: write `{}/{prefix}` or `{base}`",
                network.base
            ))),
        }
    }

    fn masked(self) -> Self {
        let base = match self.base {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask4(self.prefix))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask6(self.prefix))),
        };
        Self { base, ..self }
    }

    fn has(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => in4(address, base, self.prefix),
            (IpAddr::V6(base), IpAddr::V6(address)) => in6(address, base, self.prefix),
            _ => false,
        }
    }

    fn is_only(&self, address: IpAddr) -> bool {
        self.base == address && self.prefix == if address.is_ipv4() { 32 } else { 128 }
    }
}

fn mask4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

fn in4(address: Ipv4Addr, base: Ipv4Addr, prefix: u8) -> bool {
    address.to_bits() & mask4(prefix) == base.to_bits()
}

fn in6(address: Ipv6Addr, base: Ipv6Addr, prefix: u8) -> bool {
    address.to_bits() & mask6(prefix) == base.to_bits()
}

/// What has to be named so that an address is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Public,
    Named(&'static str),
    Exact(&'static str),
    Never(&'static str),
}

const METADATA: Tier = Tier::Exact("a metadata address of a cloud");

/// The first that has an address decides.
const V4: [(Ipv4Addr, u8, Tier); 19] = [
    // Azure, Oracle and Alibaba keep theirs outside of the link-local range.
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(169, 254, 169, 254), 32, METADATA),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Tier::Never("unspecified")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Tier::Never("multicast")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Tier::Never("reserved or broadcast")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Tier::Exact("link-local")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Tier::Named("loopback")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Tier::Named("private")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Tier::Named("private")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Tier::Named("private")),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Tier::Named("shared by customers of a provider")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Tier::Named("reserved")),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Tier::Named("reserved")),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Tier::Named("for benchmarks")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Tier::Named("for documentation")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Tier::Named("for documentation")),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Tier::Named("for documentation")),
];

/// The first that has an address decides. What is in none of them is reserved: only
/// `2000::/3` is in use.
const V6: [(Ipv6Addr, u8, Tier); 15] = [
    // Amazon's for machines and for pods, and Google's.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23), 128, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, METADATA),
    (Ipv6Addr::UNSPECIFIED, 128, Tier::Never("unspecified")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Tier::Never("multicast")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Tier::Exact("link-local")),
    (Ipv6Addr::LOCALHOST, 128, Tier::Named("loopback")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Tier::Named("unique local")),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Tier::Named("NAT64")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Tier::Named("NAT64")),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Tier::Named("6to4")),
    // Teredo, benchmarking and whatever else has no fixed place.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Tier::Named("reserved")),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Tier::Named("for documentation")),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Tier::Named("for documentation")),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Tier::Public),
];

fn tier(address: IpAddr) -> Tier {
    let found = match address {
        IpAddr::V4(v4) => V4.iter().find(|row| in4(v4, row.0, row.1)).map(|row| row.2),
        IpAddr::V6(v6) => V6.iter().find(|row| in6(v6, row.0, row.1)).map(|row| row.2),
    };
    found.unwrap_or(if address.is_ipv4() { Tier::Public } else { Tier::Named("reserved") })
}

/// The IPv4 addresses that an IPv6 address stands for, or may stand for.
fn within(v6: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = v6.to_bits();
    let at = |from: u32| Ipv4Addr::from_bits((bits >> (96 - from)) as u32);
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // Compatible, mapped, translated, and NAT64.
        [0, 0, 0, 0, 0, 0, ..]
        | [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![at(96)],
        // A local prefix is of any length, and RFC 6052 leaves out bits 64 to 71.
        [0x64, 0xff9b, 1, ..] => {
            let joined = ((bits >> 64) << 56) | (bits & ((1 << 56) - 1));
            let spread = |prefix: u32| Ipv4Addr::from_bits((joined >> (88 - prefix)) as u32);
            vec![spread(48), spread(56), spread(64), at(96)]
        }
        [0x2002, ..] => vec![at(16)],
        // The server, and the client with its bits turned over.
        [0x2001, 0, ..] => vec![at(32), Ipv4Addr::from_bits(!at(96).to_bits())],
        _ => Vec::new(),
    }
}
