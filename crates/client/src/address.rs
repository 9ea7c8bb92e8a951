//! The address of a service as people write it, and the mistake that is likely behind one
//! that cannot be right or leads nowhere.

use countersign_signing::Region;
use countersign_text::line;
use url::{Host, Url};

/// Wrong letters that make a host a misspelt one.
const FEW: usize = 2;

/// A URL as it was typed; fails with what is wrong, and in a hint the URL that was
/// probably meant.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    // What stands before an `@` may be a password.
    let told = line(text.rsplit('@').next().unwrap_or_default()).to_string();
    let whole = format!("https://{text}");
    let is_host = |url: &Url| {
        let name = url.host_str().unwrap_or_default();
        name.contains(['.', ':']) || name == "localhost"
    };
    let without_scheme = Url::parse(&whole).ok().filter(is_host).map(|url| shown(&url));
    match (Url::parse(text), without_scheme) {
        // `api.veracode.com:443` has a scheme, as URLs go.
        (Ok(url), Some(meant)) if url.cannot_be_a_base() => Err(lacks_scheme(&told, &meant)),
        (Err(url::ParseError::RelativeUrlWithoutBase), Some(meant)) => {
            Err(lacks_scheme(&told, &meant))
        }
        (Ok(url), _) => Ok(url),
        (Err(error), _) => Err(format!(
            "`{told}` is not a URL: {error}\nhint: for example `https://api.veracode.com`"
        )),
    }
}

fn lacks_scheme(told: &str, meant: &str) -> String {
    format!("`{told}` does not begin with `https://`\nhint: give `{meant}`")
}

/// The host name that is signed: without port.
pub(crate) fn check(url: &Url, allow_http_loopback: bool) -> Result<String, String> {
    let right = shown(url);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "user and password do not belong into the URL of the service\nhint: give `{right}`"
        ));
    }
    let host = url.host_str().ok_or_else(|| format!("`{url}` has no host"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let right = meant(url).unwrap_or(right);
        return Err(format!("`{url}` must be scheme, host and port alone\nhint: give `{right}`"));
    }
    match url.scheme() {
        "https" => Ok(host.to_owned()),
        "http" if is_loopback(url) && allow_http_loopback => Ok(host.to_owned()),
        "http" if is_loopback(url) => Err(format!(
            "`{url}` is not https\nhint: for a loopback address, allow it with `--allow-http-loopback`"
        )),
        _ => Err(format!("`{url}` is not https\nhint: give `{}`", secure(url))),
    }
}

/// The same host by https, or the one that was meant.
fn secure(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    meant(url).unwrap_or_else(|| format!("https://{}{port}", url.host_str().unwrap_or_default()))
}

/// Scheme, host and port of a URL: user, password and path are nobody's business.
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The service of Veracode's whose host is nearly this one, or that stands behind its
/// pages for people.
pub(crate) fn meant(url: &Url) -> Option<String> {
    let Some(Host::Domain(host)) = url.host() else { return None };
    let host = host.trim_end_matches('.');
    if Region::of_rest_host(host).is_some() {
        return None;
    }
    let right = |region: &Region| format!("https://{}", region.rest_host());
    let of_pages = Region::ALL.iter().find(|region| {
        let domain = region.rest_host().trim_start_matches("api.");
        host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    });
    if let Some(region) = of_pages {
        return Some(right(region));
    }
    let nearest = Region::ALL.iter().map(|region| (distance(host, region.rest_host()), region));
    let (letters, region) = nearest.min_by_key(|(letters, _)| *letters)?;
    (letters <= FEW).then(|| right(region))
}

/// Letters to put in, take out or change.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = before + usize::from(letter != *wanted);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        for (host, right) in [
            ("api.veracode.co", Some("https://api.veracode.com")),
            ("api.veracode.e", Some("https://api.veracode.eu")),
            ("api.veracode.de", Some("https://api.veracode.eu")),
            ("ap.veracode.us", Some("https://api.veracode.us")),
            ("api.vercode.com", Some("https://api.veracode.com")),
            ("api.varacode.eu", Some("https://api.veracode.eu")),
            ("veracode.com", Some("https://api.veracode.com")),
            ("analysiscenter.veracode.eu", Some("https://api.veracode.eu")),
            ("web.analysiscenter.veracode.com", Some("https://api.veracode.com")),
            ("api.veracode.com", None),
            ("api.veracode.us", None),
            ("notveracode.com", None),
            ("veracode.example.com", None),
            ("127.0.0.1", None),
        ] {
            let url = Url::parse(&format!("https://{host}:8443/x")).unwrap();
            assert_eq!(meant(&url).as_deref(), right, "{host}");
        }
    }

    #[test]
    fn urls_that_are_none_are_mended() {
        for (text, right) in [
            ("api.veracode.com", "https://api.veracode.com"),
            ("api.veracode.com:443", "https://api.veracode.com"),
            ("localhost:8443", "https://localhost:8443"),
            ("127.0.0.1:8443", "https://127.0.0.1:8443"),
            ("[::1]:8443/x", "https://[::1]:8443"),
            ("me:hush@api.veracode.eu", "https://api.veracode.eu"),
            ("", "https://api.veracode.com"),
            ("https://", "https://api.veracode.com"),
            ("not a URL", "https://api.veracode.com"),
        ] {
            let told = parse_url(text).unwrap_err();
            assert!(told.ends_with(&format!("`{right}`")), "{text}: {told}");
            assert!(!told.contains("hush"), "{told}");
        }
        assert_eq!(
            parse_url(" https:/api.veracode.com ").unwrap().host_str(),
            Some("api.veracode.com")
        );
    }

    #[test]
    fn a_url_with_more_than_a_host_is_mended() {
        for (url, right) in [
            ("https://api.veracode.com/appsec/v1", "https://api.veracode.com"),
            ("https://veracode.example.com:8443/api?x=y", "https://veracode.example.com:8443"),
            ("https://analysiscenter.veracode.com/auth/", "https://api.veracode.com"),
            ("https://api.veracode.com#x", "https://api.veracode.com"),
            ("http://api.veracode.eu", "https://api.veracode.eu"),
            ("ftp://veracode.example.com:2121", "https://veracode.example.com:2121"),
        ] {
            let refused = check(&Url::parse(url).unwrap(), false).unwrap_err();
            assert!(refused.ends_with(&format!("give `{right}`")), "{url}: {refused}");
        }
    }
}
