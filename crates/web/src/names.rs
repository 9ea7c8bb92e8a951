//! The names that a listener for browsers answers to, and as what a browser addresses
//! it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use hyper::Uri;
use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls_pki_types::CertificateDer;

/// The names of one listener.
#[derive(Debug, Clone)]
pub struct Names {
    address: SocketAddr,
    certificate: Option<Arc<CertificateDer<'static>>>,
    /// The origin by which people reach it through a proxy.
    public: Option<String>,
}

/// As what a browser addresses a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Such as `http://127.0.0.1:8460`.
    pub origin: String,
    /// Through a proxy in front, on this machine.
    pub is_proxied: bool,
}

impl Names {
    /// `certificate` is the one that it shows; `public` the origin by which people reach
    /// it through a proxy on this machine.
    pub fn new(
        address: SocketAddr,
        certificate: Option<CertificateDer<'static>>,
        public: Option<String>,
    ) -> Self {
        Self { address, certificate: certificate.map(Arc::new), public }
    }

    /// How people reach it.
    pub fn url(&self) -> String {
        let Self { address, certificate, public } = self;
        match (public, certificate) {
            (Some(public), _) => public.clone(),
            (None, None) => format!("http://{address}"),
            (None, Some(_)) if address.ip().is_unspecified() => {
                format!("https://localhost:{}", address.port())
            }
            (None, Some(_)) => format!("https://{address}"),
        }
    }

    /// What a `Host` header addresses; none when it is another's name.
    pub fn site(&self, host: &str) -> Option<Site> {
        let host = host.to_ascii_lowercase();
        if let Some(public) = &self.public
            && public.split_once("://").is_some_and(|(_, own)| own == host)
        {
            return Some(Site { origin: public.clone(), is_proxied: true });
        }
        let (scheme, usual_port) = match self.certificate {
            Some(_) => ("https", 443),
            None => ("http", 80),
        };
        let url = url::Url::parse(&format!("{scheme}://{host}")).ok()?;
        let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        let name = url.host_str().filter(|_| is_plain)?;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_port = url.port().unwrap_or(usual_port) == self.address.port();
        let is_loopback =
            bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let is_own = match &self.certificate {
            // Whoever could point another name here has no certificate for it.
            Some(certificate) => is_loopback && is_port || is_named(certificate, bare),
            None => is_loopback && is_port,
        };
        is_own.then(|| Site { origin: url.origin().ascii_serialization(), is_proxied: false })
    }
}

fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) =
        (ParsedCertificate::try_from(certificate), ServerName::try_from(name))
    else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

impl Site {
    /// Of a listener that speaks TLS with every client, and so needs no list of names:
    /// whoever could point another name at it has no certificate for that.
    pub fn over_tls(host: Option<&str>) -> Self {
        let origin = host.map(|host| format!("https://{host}")).unwrap_or_default();
        Self { origin, is_proxied: false }
    }

    /// Whether the browser speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// Where a request comes from: the other end of the connection or, through a proxy on
    /// this machine, what the proxy says.
    pub fn client(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let forwarded = forwarded
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .filter(|_: &IpAddr| self.is_proxied && peer.is_some_and(|peer| peer.is_loopback()));
        forwarded.or(peer).map(|ip| ip.to_canonical())
    }
}

/// The host that a request addresses. HTTP/2 names it in the target.
pub fn host_of<'r>(headers: &'r HeaderMap, target: &'r Uri) -> Option<&'r str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| target.authority().map(|authority| authority.as_str()))
}

/// Scheme and host of the address by which people reach a listener, as browsers write an
/// origin; none if it has a path, or is not of the web.
pub fn public_origin(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
    });
    parsed.map(|url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn only_our_own_names_are_answered_to() {
        let names = Names::new(
            SocketAddr::from(([127, 0, 0, 1], 8460)),
            None,
            Some("https://findings.example.com".into()),
        );
        for (host, origin) in [
            ("127.0.0.1:8460", Some("http://127.0.0.1:8460")),
            ("LocalHost:8460", Some("http://localhost:8460")),
            ("[::1]:8460", Some("http://[::1]:8460")),
            ("findings.example.com", Some("https://findings.example.com")),
            ("findings.example.com:8460", None),
            ("127.0.0.1", None),
            ("127.0.0.1:80", None),
            ("rebound.example.com:8460", None),
            ("127.0.0.1.example.com:8460", None),
            ("user@127.0.0.1:8460", None),
            ("127.0.0.1:8460/x", None),
            ("", None),
        ] {
            let site = names.site(host);
            assert_eq!(site.as_ref().map(|site| site.origin.as_str()), origin, "{host}");
        }
    }

    #[test]
    fn over_tls_the_names_of_the_certificate_are_ours() {
        let made = rcgen::generate_simple_self_signed(["findings.example.com".to_owned()]).unwrap();
        let address = SocketAddr::from(([192, 0, 2, 1], 443));
        let names = Names::new(address, Some(made.cert.der().clone()), None);
        for (host, is_ours) in [
            ("findings.example.com", true),
            ("findings.example.com:8443", true),
            ("localhost", true),
            ("localhost:444", false),
            ("example.com", false),
        ] {
            assert_eq!(names.site(host).is_some_and(|site| site.is_secure()), is_ours, "{host}");
        }
        assert_eq!(names.url(), "https://192.0.2.1:443");
    }

    #[test]
    fn addresses_for_people_are_origins() {
        let origin = public_origin("https://a.example.com/");
        assert_eq!(origin.as_deref(), Some("https://a.example.com"));
        for bad in
            ["", "a.example.com", "ftp://a.example.com", "https://a.example.com/x", "https://u@a"]
        {
            assert_eq!(public_origin(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_proxy_in_front_says_who_the_client_is() {
        let parts = |peer: [u8; 4], forwarded: &str| {
            let mut request = Request::new(());
            request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
            let peer = SocketAddr::from((peer, 9));
            request.extensions_mut().insert(ConnectInfo(peer));
            request.into_parts().0
        };
        let site = |is_proxied| Site { origin: String::new(), is_proxied };
        for (is_proxied, peer, forwarded, client) in [
            (true, [127, 0, 0, 1], "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            (true, [127, 0, 0, 1], "unknown", "127.0.0.1"),
            (true, [192, 0, 2, 1], "198.51.100.7", "192.0.2.1"),
            (false, [127, 0, 0, 1], "198.51.100.7", "127.0.0.1"),
        ] {
            let found = site(is_proxied).client(&parts(peer, forwarded));
            assert_eq!(found, Some(client.parse().unwrap()), "{forwarded} from {peer:?}");
        }
    }
}
