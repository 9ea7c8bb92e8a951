//! The way out of this machine: through a proxy that the configuration or the environment
//! names, or past it.

use countersign_client::{Config as ClientConfig, Proxy, Url, is_exempt};

use crate::config::Config;
use crate::failure::Failure;

const OF_CONFIG: &str = "`client.proxy` in config.toml";

/// How a URL is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the operating system says: nothing of ours names a proxy.
    Usual,
    /// Past the proxy that is named.
    Direct,
    Through(Proxy),
}

impl Way {
    pub(crate) fn to(url: &Url, config: &Config) -> Result<Self, Failure> {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self::by(url, config.client.proxy.as_deref(), &get)
    }

    fn by(
        url: &Url,
        configured: Option<&str>,
        get: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| get(name).map(|value| (value, *name)))
        };
        let of_scheme: &[_] = match url.scheme() {
            "http" => &["HTTP_PROXY", "http_proxy"],
            _ => &["HTTPS_PROXY", "https_proxy"],
        };
        let named = configured.map(|text| (text.to_owned(), OF_CONFIG));
        let named = named.or_else(|| first(of_scheme));
        let Some((text, place)) = named.or_else(|| first(&["ALL_PROXY", "all_proxy"])) else {
            return Ok(Self::Usual);
        };
        let exempt = first(&["NO_PROXY", "no_proxy"]);
        Ok(match exempt.is_some_and(|(list, _)| is_exempt(&list, url)) {
            true => Self::Direct,
            false => Self::Through(Proxy::parse(text.trim(), place).map_err(Failure::usage)?),
        })
    }

    pub(crate) fn apply(self, client: &mut ClientConfig) {
        match self {
            Self::Usual => {}
            Self::Direct => client.is_direct = true,
            Self::Through(proxy) => client.proxy = Some(proxy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(url: &str, configured: Option<&str>, set: &[(&str, &str)]) -> Result<Way, Failure> {
        let get = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Way::by(&Url::parse(url).unwrap(), configured, &get)
    }

    fn proxy(text: &str, place: &str) -> Way {
        Way::Through(Proxy::parse(text, place).unwrap())
    }

    #[test]
    fn the_first_that_names_a_proxy_counts() {
        let (url, p, q) = ("https://api.veracode.com", "p.example.com:1", "http://q.example.com:2");
        for (configured, set, found) in [
            (None, vec![], Way::Usual),
            (None, vec![("HTTPS_PROXY", p)], proxy(p, "HTTPS_PROXY")),
            (None, vec![("https_proxy", p)], proxy(p, "https_proxy")),
            (None, vec![("ALL_PROXY", p)], proxy(p, "ALL_PROXY")),
            (None, vec![("all_proxy", p)], proxy(p, "all_proxy")),
            (None, vec![("all_proxy", p), ("https_proxy", q)], proxy(q, "https_proxy")),
            (None, vec![("HTTP_PROXY", p)], Way::Usual),
            (Some(p), vec![("HTTPS_PROXY", q)], proxy(p, OF_CONFIG)),
            (Some(p), vec![("NO_PROXY", "veracode.com")], Way::Direct),
            (Some(p), vec![("no_proxy", ".veracode.com")], Way::Direct),
            (None, vec![("https_proxy", p), ("no_proxy", "*")], Way::Direct),
            (Some(p), vec![("NO_PROXY", "example.com")], proxy(p, OF_CONFIG)),
        ] {
            assert_eq!(way(url, configured, &set).unwrap(), found, "{configured:?} {set:?}");
        }
        let plain = [("http_proxy", p), ("HTTPS_PROXY", q)];
        assert_eq!(way("http://127.0.0.1:1", None, &plain).unwrap(), proxy(p, "http_proxy"));
    }

    #[test]
    fn a_proxy_without_a_host_is_not_ignored() {
        let refused = way("https://api.veracode.com", None, &[("HTTPS_PROXY", "http://")]);
        let told = refused.unwrap_err().to_string();
        assert!(told.starts_with("HTTPS_PROXY holds `http://`: it names no host"), "{told}");
        let exempt = [("HTTPS_PROXY", "http://"), ("NO_PROXY", "veracode.com")];
        assert_eq!(way("https://api.veracode.com", None, &exempt).unwrap(), Way::Direct);
    }
}
