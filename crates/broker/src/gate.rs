//! Whether a request is meant for this broker at all. A page in a browser can be made
//! to send requests to a loopback address, under a name of its own choice; it cannot
//! choose the headers that are looked at here.

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use super::listen::Address;
use super::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names that the broker answers to.
pub(crate) struct Gate {
    hosts: Vec<String>,
}

impl Gate {
    pub(crate) fn new(address: &Address) -> Self {
        let hosts = match address {
            Address::Loopback(address) => {
                let (ip, port) = (address.ip(), address.port());
                let mut names =
                    vec![if address.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }];
                if ["127.0.0.1", "::1"].contains(&ip.to_string().as_str()) {
                    names.push("localhost".into());
                }
                let with_port = names.iter().map(|name| format!("{name}:{port}")).collect();
                if port == 80 { [with_port, names].concat() } else { with_port }
            }
            // No page can reach a socket.
            Address::Socket(_) => vec!["localhost".into()],
        };
        Self { hosts }
    }

    pub(crate) fn check(&self, request: &Parts) -> Result<(), Refusal> {
        if request.method == Method::CONNECT {
            return Err(Refusal::bad_target("it is not a path"));
        }
        let host = only(&request.headers, &header::HOST)
            .ok_or_else(|| Refusal::bad_request("there must be one `Host`"))?;
        let is_own = |host: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
        let is_misdirected = request.uri.authority().is_some_and(|authority| {
            !is_own(authority.as_str()) || request.uri.scheme_str() != Some("http")
        });
        if !is_own(host) || is_misdirected {
            return Err(Refusal::host());
        }
        self.check_origin(&request.headers)
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_own = |origin: &str| {
            origin
                .strip_prefix("http://")
                .is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
        };
        let origins = headers.get_all(header::ORIGIN).iter();
        let are_own = origins.map(|origin| origin.to_str()).all(|origin| origin.is_ok_and(is_own));
        let sites = headers.get_all(SEC_FETCH_SITE).iter();
        let are_same =
            sites.map(|site| site.as_bytes()).all(|site| site == b"same-origin" || site == b"none");
        if are_own && are_same { Ok(()) } else { Err(Refusal::origin()) }
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
