//! The proxy on the way, what goes past it, and what one that wants a sign-in offers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

const EXAMPLE: &str = "http://proxy.example.com:3128";
/// For one look at what a proxy offers.
const LOOK: Duration = Duration::from_millis(400);
const MAX_HEAD_BYTES: usize = 16 << 10;

/// A proxy, and where it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    place: String,
}

// By hand: the URL may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.shown()).field("place", &self.place).finish()
    }
}

impl Proxy {
    /// As configurations and environments hold it: without a scheme it is http. `place` is
    /// where it is set, as it is called in messages. Fails with what is wrong and what to do.
    pub fn parse(text: &str, place: &str) -> Result<Self, String> {
        // What stands before an `@` may be a password.
        let told = text.rsplit('@').next().unwrap_or_default();
        let refused = |why: &str| {
            format!(
                "{place} holds `{told}`: {why}\nhint: write it like `{EXAMPLE}`, or take it out \
                 where no proxy is needed"
            )
        };
        let whole = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let url = match Url::parse(&whole) {
            Ok(url) => url,
            Err(url::ParseError::EmptyHost) => return Err(refused("it names no host")),
            Err(_) => return Err(refused("it is not the address of a proxy")),
        };
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(Self { url, place: place.to_owned() }),
            "http" | "https" => Err(refused("it names no host")),
            _ => Err(refused("only http and https proxies can be used")),
        }
    }

    /// Its address, without user and password.
    pub fn shown(&self) -> String {
        let port = self.url.port_or_known_default().map(|port| format!(":{port}"));
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}{}", self.url.scheme(), port.unwrap_or_default())
    }

    /// Where it is set.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn has_user(&self) -> bool {
        !self.url.username().is_empty()
    }

    /// The ways to sign in that it offers, by one look; none where it cannot be looked at.
    pub(crate) async fn offered(&self, service: &Url) -> Vec<SignIn> {
        if self.url.scheme() != "http" {
            return Vec::new();
        }
        let head = tokio::time::timeout(LOOK, self.refusal(service)).await;
        head.ok().and_then(Result::ok).map(|head| sign_ins(&head)).unwrap_or_default()
    }

    async fn refusal(&self, service: &Url) -> std::io::Result<Vec<u8>> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(80);
        let mut stream = TcpStream::connect((host, port)).await?;
        let name = service.host_str().unwrap_or_default();
        let to = format!("{name}:{}", service.port_or_known_default().unwrap_or(443));
        let ask = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        while head.len() < MAX_HEAD_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece).await? {
                0 => break,
                read => head.extend_from_slice(&piece[..read]),
            }
        }
        Ok(head)
    }
}

/// A way to sign in to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    Basic,
    Digest,
    Ntlm,
    Negotiate,
    Kerberos,
    Bearer,
}

impl SignIn {
    const ALL: [Self; 6] =
        [Self::Basic, Self::Digest, Self::Ntlm, Self::Negotiate, Self::Kerberos, Self::Bearer];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Digest => "Digest",
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
            Self::Bearer => "Bearer",
        }
    }
}

/// The first word of each challenge, of those that are known words.
fn sign_ins(head: &[u8]) -> Vec<SignIn> {
    let head = String::from_utf8_lossy(head);
    let mut found = Vec::new();
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if !name.trim().eq_ignore_ascii_case("proxy-authenticate") {
            continue;
        }
        for challenge in value.split(',') {
            let word = challenge.split_whitespace().next().unwrap_or_default();
            let known = SignIn::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(word));
            found.extend(known.filter(|known| !found.contains(known)));
        }
    }
    found
}

/// Whether a list like that of `NO_PROXY` exempts a URL: names with what is below them,
/// addresses, networks, each perhaps with a port, or `*`.
pub fn is_exempt(list: &str, url: &Url) -> bool {
    let mut entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
    entries.any(|entry| exempts(entry, url))
}

fn exempts(entry: &str, url: &Url) -> bool {
    if entry == "*" {
        return true;
    }
    let (entry, port) = match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().ok())
        }
        _ => (entry, None),
    };
    if port.is_some_and(|port: u16| url.port_or_known_default() != Some(port)) {
        return false;
    }
    let entry = entry.trim_matches(['[', ']']);
    match url.host() {
        Some(Host::Domain(name)) => {
            let entry = entry.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
            !entry.is_empty()
                && (name == entry
                    || name.strip_suffix(entry.as_str()).is_some_and(|rest| rest.ends_with('.')))
        }
        Some(Host::Ipv4(address)) => is_within(entry, address.into()),
        Some(Host::Ipv6(address)) => is_within(entry, address.into()),
        None => false,
    }
}

/// Whether an address is the one of this entry, or in its network.
fn is_within(entry: &str, address: IpAddr) -> bool {
    let (network, length) = match entry.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (entry, Some(128)),
    };
    let Some(length) = length else { return false };
    let (one, other, width): (u128, u128, u32) = match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            (u32::from(network).into(), u32::from(address).into(), 32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => (network.into(), address.into(), 128),
        _ => return false,
    };
    let shift = width - length.min(width);
    one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_refused_in_words() {
        for (text, word) in [
            ("http://", "it names no host"),
            ("https://", "it names no host"),
            ("", "it names no host"),
            ("http://me:hush@", "it names no host"),
            ("not a URL", "not the address of a proxy"),
            ("socks5://me:hush@proxy.example.com:1080", "only http and https"),
        ] {
            let told = Proxy::parse(text, "HTTPS_PROXY").unwrap_err();
            assert!(told.starts_with("HTTPS_PROXY holds `"), "{told}");
            assert!(told.contains(word) && !told.contains("hush"), "{text}: {told}");
        }
    }

    #[test]
    fn a_proxy_needs_no_scheme_and_shows_no_password() {
        for text in ["proxy.example.com:3128", "http://me:hush@proxy.example.com:3128/"] {
            let proxy = Proxy::parse(text, "all_proxy").unwrap();
            assert_eq!(proxy.shown(), "http://proxy.example.com:3128");
            assert!(!format!("{proxy:?}").contains("hush"));
        }
    }

    #[test]
    fn exemptions_of_every_form() {
        for (list, url, is) in [
            ("*", "https://api.veracode.com", true),
            ("veracode.com", "https://api.veracode.com", true),
            (".veracode.com", "https://api.veracode.com", true),
            ("*.veracode.com", "https://api.veracode.com", true),
            ("example.com, API.veracode.com", "https://api.veracode.com", true),
            ("example.com api.veracode.com", "https://api.veracode.com", true),
            ("api.veracode.com:443", "https://api.veracode.com", true),
            ("api.veracode.com:8443", "https://api.veracode.com", false),
            ("veracode.com", "https://notveracode.com", false),
            ("eracode.com", "https://api.veracode.com", false),
            ("", "https://api.veracode.com", false),
            (".", "https://api.veracode.com", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("127.0.0.1", "https://127.0.0.1:8443", true),
            ("127.0.0.1:8443", "https://127.0.0.1:8443", true),
            ("127.0.0.1:1", "https://127.0.0.1:8443", false),
            ("127.0.0.2", "https://127.0.0.1", false),
            ("::1", "https://[::1]:8443", true),
            ("[::1]:8443", "https://[::1]:8443", true),
            ("fd00::/8", "https://[fd12::1]", true),
            ("fd00::/8", "https://[fe12::1]", false),
            ("10.0.0.0/x", "https://10.1.2.3", false),
        ] {
            assert_eq!(is_exempt(list, &Url::parse(url).unwrap()), is, "{list} {url}");
        }
    }

    #[test]
    fn what_a_proxy_offers() {
        let head = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\n\
            proxy-authenticate: Negotiate, Basic realm=\"x, y\"\r\nProxy-Authenticate: NTLM\r\n\r\n";
        assert_eq!(sign_ins(head), [SignIn::Ntlm, SignIn::Negotiate, SignIn::Basic]);
        assert!(sign_ins(b"220 mail.example.com ESMTP\r\n").is_empty());
    }
}
