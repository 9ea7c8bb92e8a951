//! Headers of every answer to a browser.

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// What the pages of a face may do that others may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Pages show others of our own in frames.
    pub have_frames: bool,
    /// Scripts fetch from our own paths.
    pub fetch: bool,
    /// Nothing is ever served without TLS.
    pub are_always_secure: bool,
}

/// The headers, ready to be added.
#[derive(Debug, Clone)]
pub struct SecurityHeaders(Vec<(HeaderName, HeaderValue)>);

impl SecurityHeaders {
    /// Scripts, styles and pictures from our own paths alone, nothing that could read the
    /// pages from elsewhere, nothing kept by caches.
    pub fn new(pages: Pages) -> Self {
        let own_frames = "frame-src 'self'; ";
        let own_requests = "connect-src 'self'; ";
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             {}{}form-action 'self'; base-uri 'none'; frame-ancestors {}",
            if pages.have_frames { own_frames } else { "" },
            if pages.fetch { own_requests } else { "" },
            if pages.have_frames { "'self'" } else { "'none'" },
        );
        let policy = HeaderValue::from_str(&policy);
        let mut headers = vec![
            (CONTENT_SECURITY_POLICY, policy.expect("words that headers take")),
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (
                X_FRAME_OPTIONS,
                HeaderValue::from_static(if pages.have_frames { "SAMEORIGIN" } else { "DENY" }),
            ),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                HeaderValue::from_static("same-origin"),
            ),
        ];
        if pages.are_always_secure {
            let year = HeaderValue::from_static("max-age=31536000");
            headers.push((STRICT_TRANSPORT_SECURITY, year));
        }
        Self(headers)
    }

    /// Adds them. An answer that says itself how it is cached keeps that.
    pub fn add_to(&self, answer: &mut HeaderMap) {
        for (name, value) in &self.0 {
            answer.insert(name, value.clone());
        }
        answer.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_face_gets_what_it_needs_and_no_more() {
        let added = |pages| {
            let mut headers = HeaderMap::new();
            SecurityHeaders::new(pages).add_to(&mut headers);
            headers
        };
        let none = Pages { have_frames: false, fetch: false, are_always_secure: false };
        let least = added(none);
        assert_eq!(
            least[CONTENT_SECURITY_POLICY],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(least[X_FRAME_OPTIONS], "DENY");
        assert_eq!(least[CACHE_CONTROL], "no-store");
        assert!(!least.contains_key(STRICT_TRANSPORT_SECURITY));
        let all = added(Pages { have_frames: true, fetch: true, are_always_secure: true });
        let policy = all[CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in ["frame-src 'self';", "connect-src 'self';", "frame-ancestors 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(all[X_FRAME_OPTIONS], "SAMEORIGIN");
        assert!(all.contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn an_asset_keeps_its_own_rule_for_caches() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        let pages = Pages { have_frames: false, fetch: false, are_always_secure: false };
        SecurityHeaders::new(pages).add_to(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "private");
    }
}
