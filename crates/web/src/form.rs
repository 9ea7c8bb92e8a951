//! Forms that only our own pages can send: each carries a token that follows from a
//! cookie, which no other site can read.

use axum::body::Body;
use axum::response::Response;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::body::{self, Unread};
use crate::cookie::{Cookies, Jar};
use crate::page::Hindrance;
use crate::query::Query;

/// Size of a form.
const MAX_BYTES: usize = 64 * 1024;
/// Fields of a form.
const MAX_FIELDS: usize = 1024;

/// The cookie that the forms of a visitor are bound to.
pub struct FormKey {
    cookie: String,
    /// It is not in the browser yet.
    is_new: bool,
}

impl FormKey {
    /// That of the session, where there is one; else one of its own, made of random bytes
    /// at the first visit.
    pub fn new(
        session: Option<String>,
        cookies: Cookies,
        headers: &HeaderMap,
        random: &dyn Fn(&mut [u8]),
    ) -> Self {
        if let Some(cookie) = session.or_else(|| cookies.get(headers, Jar::FORM)) {
            return Self { cookie, is_new: false };
        }
        let mut bytes = [0; 32];
        random(&mut bytes);
        Self { cookie: BASE64URL_NOPAD.encode(&bytes), is_new: true }
    }

    /// What the forms of a page carry.
    pub fn token(&self) -> String {
        token(&self.cookie)
    }

    /// The fields of a form that one of our pages sent.
    ///
    /// # Errors
    ///
    /// When it did not come whole, or from elsewhere.
    pub async fn fields(&self, body: Body) -> Result<Query, Hindrance> {
        let fields = fields(body).await.map_err(Hindrance::Unread)?;
        if self.fits(&fields) { Ok(fields) } else { Err(Hindrance::Outdated) }
    }

    /// Whether a form came from one of our pages.
    pub fn fits(&self, form: &Query) -> bool {
        let given = form.get("token").unwrap_or_default();
        !self.is_new && bool::from(self.token().as_bytes().ct_eq(given.as_bytes()))
    }

    /// Has the browser keep it with the page that carries its token.
    pub fn hand_out(&self, cookies: Cookies, page: &mut Response) {
        if self.is_new {
            cookies.put(page, Jar::FORM, &self.cookie);
        }
    }
}

impl std::fmt::Debug for FormKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormKey").field("is_new", &self.is_new).finish_non_exhaustive()
    }
}

/// What the forms of a page carry that is sent together with this cookie.
pub fn token(cookie: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie.as_bytes()).expect("any length is a key");
    mac.update(b"form");
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The fields of a form.
pub async fn fields(body: Body) -> Result<Query, Unread> {
    let bytes = body::read(body, MAX_BYTES).await?;
    Ok(Query::parse(&bytes, MAX_FIELDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{COOKIE, SET_COOKIE};

    const COOKIES: Cookies = Cookies::new("x-", true);

    fn form(token: &str) -> Query {
        Query::parse(format!("a=b&token={token}"), 10)
    }

    fn random(buffer: &mut [u8]) {
        buffer.fill(7);
    }

    #[test]
    fn forms_belong_to_their_session() {
        let key =
            |session: &str| FormKey::new(Some(session.into()), COOKIES, &HeaderMap::new(), &random);
        assert!(key("one").fits(&form(&token("one"))));
        for other in ["", "x", &token("two"), &token("one")[1..]] {
            assert!(!key("one").fits(&form(other)), "{other}");
        }
        assert!(!key("one").fits(&Query::parse("a=b", 10)));
    }

    #[test]
    fn a_first_visit_gets_a_key_that_is_good_from_the_second_on() {
        let first = FormKey::new(None, COOKIES, &HeaderMap::new(), &random);
        assert!(!first.fits(&form(&first.token())), "no browser has sent its cookie");
        let mut page = Response::default();
        first.hand_out(COOKIES, &mut page);
        let set = page.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, set.split(';').next().unwrap().parse().unwrap());
        let second = FormKey::new(None, COOKIES, &headers, &random);
        assert!(second.fits(&form(&first.token())));
        let mut page = Response::default();
        second.hand_out(COOKIES, &mut page);
        assert!(page.headers().is_empty());
    }

    #[tokio::test]
    async fn forms_are_small() {
        assert_eq!(fields(Body::from("a=b+c")).await.unwrap().get("a"), Some("b c"));
        let large = fields(Body::from("a".repeat(MAX_BYTES + 1))).await;
        assert_eq!(large.err(), Some(Unread::TooLarge));
    }
}
