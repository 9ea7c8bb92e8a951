//! Where a finding is, as URIs.

use countersign_findings::Location;

/// A web address, in the parts that readers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `https`, host, and port where one was named.
    pub(crate) origin: String,
    /// Path and query, beginning with a slash.
    pub(crate) path: String,
}

impl Address {
    /// The address of a dynamic finding, from its URL or else from the parts of it.
    /// Names and passwords in it are left out.
    pub(crate) fn of(location: &Location) -> Option<Self> {
        location.url.as_deref().and_then(Self::parse).or_else(|| {
            let host = location.host.as_deref().filter(|host| is_host(host))?;
            let port = location.port.as_deref().filter(|port| is_port(port));
            let scheme = if matches!(port, Some("443" | "8443")) { "https" } else { "http" };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let path = path_and_query(location.path.as_deref().unwrap_or_default());
            Some(Self { origin: format!("{scheme}://{}{port}", host.to_ascii_lowercase()), path })
        })
    }

    fn parse(url: &str) -> Option<Self> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if !is_host(host) || !port.is_none_or(|port| port.is_empty() || is_port(port)) {
            return None;
        }
        let origin = format!("{scheme}://{}", authority.trim_end_matches(':').to_ascii_lowercase());
        Some(Self { origin, path: path_and_query(path) })
    }

    /// The whole of it.
    pub(crate) fn uri(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

/// A web address in a text, valid as a URI; none when it is none.
pub(crate) fn web_uri(text: &str) -> Option<String> {
    Address::parse(text).map(|address| address.uri())
}

fn is_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            !host.is_empty() && host.len() <= 253 && host.bytes().all(is_plain)
        }
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A fragment never reaches a server, so none is kept.
fn path_and_query(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut all = String::from("/");
    push_encoded(&mut all, path.strip_prefix('/').unwrap_or(path), "/:@!$&'()*+,;=", Percent::Kept);
    if let Some(query) = query {
        all.push('?');
        push_encoded(&mut all, query, "/?:@!$&'()*+,;=", Percent::Kept);
    }
    all
}

/// The path of a file as a URI reference relative to the root of the sources: no
/// scheme, no drive, never upwards; none when nothing is left of it.
pub(crate) fn relative_uri(path: &str) -> Option<String> {
    let path = relative_path(path)?;
    let mut uri = String::with_capacity(path.len());
    push_encoded(&mut uri, &path, "/@", Percent::Encoded);
    Some(uri)
}

/// The same as a plain path with slashes.
pub(crate) fn relative_path(path: &str) -> Option<String> {
    let path = path.trim().replace('\\', "/");
    let path = match path.as_bytes() {
        [drive, b':', b'/', ..] if drive.is_ascii_alphabetic() => &path[2..],
        _ => &path,
    };
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    (!kept.is_empty()).then(|| kept.join("/"))
}

/// Whether a percent sign may be one of an encoding already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Percent {
    /// It is where two hex digits follow.
    Kept,
    /// It is a character like any other.
    Encoded,
}

/// Adds text with everything encoded but unreserved characters and those named.
pub(crate) fn push_encoded(uri: &mut String, text: &str, also: &str, percent: Percent) {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_triplet =
            || bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        let is_plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(byte)
            || also.as_bytes().contains(byte)
            || (*byte == b'%' && percent == Percent::Kept && is_triplet());
        if is_plain {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_web_address_is_none() {
        for text in [
            "",
            "/a",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
            "https://a b/",
            "https://a:0/",
            "https://a:99999/",
            "https://a:x/",
            "http://[::zz]/",
            "//host/x",
        ] {
            assert_eq!(web_uri(text), None, "{text}");
        }
    }

    #[test]
    fn web_addresses_are_valid_and_carry_no_password() {
        for (text, uri) in [
            ("https://Shop.example.com", "https://shop.example.com/"),
            ("HTTPS://u:p@h:443/a b?q=<x>#top", "https://h:443/a%20b?q=%3Cx%3E"),
            ("http://[::1]:8080/ä%41%zz", "http://[::1]:8080/%C3%A4%41%25zz"),
            ("https://a@b@c/x|y", "https://c/x%7Cy"),
            ("https://h?x=1", "https://h/?x=1"),
            ("https://h:/x", "https://h/x"),
        ] {
            assert_eq!(web_uri(text).as_deref(), Some(uri), "{text}");
        }
        let location = Location {
            host: Some("H.example.com".into()),
            port: Some("443".into()),
            path: Some("/x y".into()),
            ..Location::default()
        };
        assert_eq!(Address::of(&location).unwrap().uri(), "https://h.example.com:443/x%20y");
    }

    #[test]
    fn paths_stay_within_the_sources() {
        for (path, uri) in [
            ("src/main/A.java", Some("src/main/A.java")),
            ("C:\\Users\\x y\\#%41.cs", Some("Users/x%20y/%23%2541.cs")),
            ("\\\\server\\share\\a.cs", Some("server/share/a.cs")),
            ("/var//a/./b.js", Some("var/a/b.js")),
            ("../../etc/passwd", Some("etc/passwd")),
            ("a/../../b", Some("b")),
            ("javascript:alert(1)", Some("javascript%3Aalert%281%29")),
            ("", None),
            ("..", None),
            ("C:\\", None),
        ] {
            assert_eq!(relative_uri(path).as_deref(), uri, "{path}");
        }
    }
}
