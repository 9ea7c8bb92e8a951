//! Whether a request comes from one of our own pages.

use hyper::header::{HeaderMap, HeaderName, ORIGIN};

use crate::page::Hindrance;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether everything that a browser says of where a request comes from names our own
/// pages. A program says nothing, and is judged by other things.
pub fn is_own(headers: &HeaderMap, is_own_origin: impl Fn(&str) -> bool) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    origins.all(|origin| origin.to_str().is_ok_and(&is_own_origin))
        && sites.all(|site| site == "same-origin" || site == "none")
}

/// The same as an answer.
///
/// # Errors
///
/// When something names pages that are not of `own`.
pub fn must_be_own(headers: &HeaderMap, own: Option<&str>) -> Result<(), Hindrance> {
    let is_own = is_own(headers, |origin| Some(origin) == own);
    if is_own { Ok(()) } else { Err(Hindrance::Outdated) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_browser_says_must_name_us() {
        let own = "http://127.0.0.1:1";
        for (origins, sites, is_ours) in [
            (&[][..], &[][..], true),
            (&[own], &["same-origin"], true),
            (&[own], &["none"], true),
            (&["null"], &[], false),
            (&["http://127.0.0.1:2"], &[], false),
            (&[own, "http://evil.example.com"], &[], false),
            (&[], &["same-site"], false),
            (&[], &["cross-site"], false),
            (&[own], &["same-origin", "cross-site"], false),
        ] {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            for site in sites {
                headers.append(SEC_FETCH_SITE, site.parse().unwrap());
            }
            assert_eq!(is_own(&headers, |origin| origin == own), is_ours, "{origins:?} {sites:?}");
        }
    }
}
