//! Where a finding is, as URIs.

use std::borrow::Cow;
use std::net::Ipv6Addr;

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
            let host = host(location.host.as_deref()?)?;
            let port = location.port.as_deref().filter(|port| is_port(port));
            let scheme = if matches!(port, Some("443" | "8443")) { "https" } else { "http" };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let path = path_and_query(location.path.as_deref().unwrap_or_default());
            Some(Self { origin: format!("{scheme}://{host}{port}"), path })
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
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (authority, None),
        };
        let port = match port.filter(|port| !port.is_empty()) {
            Some(port) if is_port(port) => format!(":{port}"),
            Some(_) => return None,
            None => String::new(),
        };
        let origin = format!("{scheme}://{}{port}", host(name)?);
        Some(Self { origin, path: path_and_query(path) })
    }

    /// The whole of it.
    pub(crate) fn uri(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Host and path as a URI reference without a scheme, for readers that only take
    /// files: what leads upwards is resolved, the query is left out.
    pub(crate) fn relative_uri(&self) -> String {
        let host = self.origin.split_once("://").map_or("", |(_, host)| host);
        let path = self.path.split('?').next().unwrap_or_default();
        let mut kept: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
                "" | "." => {}
                ".." => {
                    kept.pop();
                }
                _ => kept.push(segment),
            }
        }
        kept.insert(0, host);
        let mut uri = String::new();
        // A colon would make a scheme of what is before it.
        push_encoded(&mut uri, &kept.join("/"), "/@!$&'()*+,;=", Percent::Kept);
        uri
    }
}

/// A web address in a text, valid as a URI; none when it is none.
pub(crate) fn web_uri(text: &str) -> Option<String> {
    Address::parse(text).map(|address| address.uri())
}

/// A host as URIs have it: in small letters, a name in other scripts as its A-labels,
/// such as `xn--bcher-kva.example`. None when it is no host.
pub(crate) fn host(host: &str) -> Option<Cow<'_, str>> {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = literal {
        return address.parse::<Ipv6Addr>().is_ok().then(|| host.to_ascii_lowercase().into());
    }
    let name = match host.is_ascii() {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL).ok()?,
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(is_plain)).then_some(name)
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

/// A relative path as a URI reference.
pub(crate) fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    push_encoded(&mut uri, path, "/@", Percent::Encoded);
    uri
}

/// A path with slashes, relative to the root of the sources: no drive, never upwards;
/// none when nothing is left of it.
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

/// From paths of scans to paths of a repository. Scans know a Java class by its package,
/// and readers look for a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    root: Option<String>,
    /// Longest beginning first.
    maps: Vec<(String, String)>,
}

impl Paths {
    /// `maps` are `FROM=TO`: a path that begins with the folders FROM begins with TO
    /// instead; the longest FROM counts, an empty one is every path's. A source file that
    /// none of them fits is below `root`.
    ///
    /// # Errors
    ///
    /// When a map has no `=` or a path of a repository is absolute or leads upwards; in
    /// words for people.
    pub fn new(root: Option<&str>, maps: &[String]) -> Result<Self, String> {
        let inside = |path: &str| {
            let plain = path.trim().replace('\\', "/");
            let is_outside = plain.starts_with('/')
                || plain.split('/').any(|part| part == ".." || part.ends_with(':'));
            if is_outside {
                return Err(format!(
                    "`{path}` is not a path within a repository\nhint: write it relative to the root of the repository, such as `src/main/java`"
                ));
            }
            Ok(relative_path(path))
        };
        let mut read = Vec::new();
        for map in maps {
            let (from, to) = map.split_once('=').ok_or_else(|| {
                format!(
                    "`{map}` is not FROM=TO\nhint: for example `--map-path com/example=src/main/java/com/example`"
                )
            })?;
            read.push((relative_path(from).unwrap_or_default(), inside(to)?.unwrap_or_default()));
        }
        // The last of two alike counts, as with other options.
        read.reverse();
        read.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Ok(Self { root: root.map(inside).transpose()?.flatten(), maps: read })
    }

    /// Whether every path stays what it is.
    pub fn is_empty(&self) -> bool {
        self.root.is_none() && self.maps.is_empty()
    }

    /// The path of a source file, relative to the root of the sources.
    pub(crate) fn source(&self, path: &str) -> Option<String> {
        let path = relative_path(path)?;
        Some(match (self.mapped(&path), &self.root) {
            (Some(mapped), _) => mapped,
            (None, Some(root)) => format!("{root}/{path}"),
            (None, None) => path,
        })
    }

    /// The path of what is no source, such as a component.
    pub(crate) fn other(&self, path: &str) -> Option<String> {
        let path = relative_path(path)?;
        Some(self.mapped(&path).unwrap_or(path))
    }

    fn mapped(&self, path: &str) -> Option<String> {
        self.maps.iter().find_map(|(from, to)| {
            let rest = match (from.as_str(), path.strip_prefix(from.as_str())?) {
                ("", rest) => rest,
                (_, "") => "",
                (_, rest) => rest.strip_prefix('/')?,
            };
            match (to.as_str(), rest) {
                ("", "") => None,
                ("", rest) => Some(rest.to_owned()),
                (to, "") => Some(to.to_owned()),
                (to, rest) => Some(format!("{to}/{rest}")),
            }
        })
    }
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
            "http://ü ü.example/",
            "http://ü<.example/",
            "http://\u{202e}x.example/",
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
            ("https://Bücher.example:8443/ä", "https://xn--bcher-kva.example:8443/%C3%A4"),
            ("http://日本語.example", "http://xn--wgv71a119e.example/"),
            ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
            ("https://straße.example/", "https://xn--strae-oqa.example/"),
            ("https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/"),
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
        let location = Location { host: Some("bücher.example".into()), ..Location::default() };
        assert_eq!(Address::of(&location).unwrap().uri(), "http://xn--bcher-kva.example/");
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
            let found = relative_path(path).map(|path| encoded(&path));
            assert_eq!(found.as_deref(), uri, "{path}");
        }
    }

    #[test]
    fn paths_become_those_of_a_repository() {
        let maps = ["com/x=app/src/com/x", "com/x/y=lib", "C:\\build\\a=", "gen=gen2", "gen=out"];
        let paths = Paths::new(Some("./src/main/java/"), &maps.map(str::to_owned)).unwrap();
        for (path, source, other) in [
            ("com/x/F.java", "app/src/com/x/F.java", "app/src/com/x/F.java"),
            ("com\\x\\F.java", "app/src/com/x/F.java", "app/src/com/x/F.java"),
            ("com/x/y/G.java", "lib/G.java", "lib/G.java"),
            ("com/x", "app/src/com/x", "app/src/com/x"),
            ("com/xy/F.java", "src/main/java/com/xy/F.java", "com/xy/F.java"),
            ("org/F.java", "src/main/java/org/F.java", "org/F.java"),
            ("build/a/b.c", "b.c", "b.c"),
            ("build/a", "src/main/java/build/a", "build/a"),
            ("gen/a.c", "out/a.c", "out/a.c"),
        ] {
            assert_eq!(paths.source(path).as_deref(), Some(source), "{path}");
            assert_eq!(paths.other(path).as_deref(), Some(other), "{path}");
        }
        let all = Paths::new(None, &["=src".to_owned()]).unwrap();
        assert_eq!(all.source("/a.c").as_deref(), Some("src/a.c"));
        assert_eq!(all.source(".."), None);
        assert!(Paths::new(Some("."), &[]).unwrap().is_empty());
        for (root, map) in [
            (None, "com/x"),
            (None, "com/x=/etc"),
            (None, "com/x=../up"),
            (None, "com/x=C:\\src"),
            (Some("/abs"), "a=b"),
            (Some("a/../../b"), "a=b"),
            (Some("\\\\server\\share"), "a=b"),
        ] {
            let error = Paths::new(root, &[map.to_owned()]).unwrap_err();
            assert!(error.contains("hint: "), "{error}");
        }
    }
}
