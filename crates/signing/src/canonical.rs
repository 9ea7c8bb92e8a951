//! The string that is signed. The only place that builds it, for both
//! directions. It looks like a query string and is deliberately not encoded.

use crate::error::{Error, Kind};

/// The signed parts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    method: &'a str,
    host: &'a str,
    target: &'a str,
}

impl<'a> Request<'a> {
    /// * `method`: any case, signed in upper case.
    /// * `host`: the host name without port, any case, signed in lower case.
    /// * `target`: path and query exactly as they go over the wire.
    pub fn new(method: &'a str, host: &'a str, target: &'a str) -> Self {
        Self { method, host, target }
    }

    /// The canonical string for this request and id.
    pub fn canonical_string(&self, id: &str) -> String {
        let mut text = String::with_capacity(
            23 + id.len() + self.host.len() + self.target.len() + self.method.len(),
        );
        text.push_str("id=");
        text.push_str(id);
        text.push_str("&host=");
        let host = text.len();
        text.push_str(self.host);
        text[host..].make_ascii_lowercase();
        text.push_str("&url=");
        text.push_str(self.target);
        text.push_str("&method=");
        let method = text.len();
        text.push_str(self.method);
        text[method..].make_ascii_uppercase();
        text
    }
}

/// Host name without port, and request target, of an absolute URL, both as
/// written. A URL without a path has the empty target; HTTP clients send and
/// sign `/` for it.
pub fn split_url(url: &str) -> Result<(&str, &str), Error> {
    let (_, rest) = url.split_once("://").ok_or(Error(Kind::UrlForm))?;
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, target) = rest.split_at(end.unwrap_or(rest.len()));
    let target = target.split_once('#').map_or(target, |(target, _)| target);
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    let host = if host_port.starts_with('[') {
        host_port.find(']').map(|end| &host_port[..=end])
    } else {
        host_port.split(':').next()
    };
    match host {
        Some(host) if !host.is_empty() => Ok((host, target)),
        _ => Err(Error(Kind::UrlForm)),
    }
}
