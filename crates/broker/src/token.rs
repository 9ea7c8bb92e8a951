//! Tokens of callers: 32 random bytes, shown once, kept as a digest.

use std::fmt;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use countersign_client::Random;

use crate::error::Error;

/// So that scanners for lost secrets, and people, know one when they see it.
const PREFIX: &str = "csb_";
const MAX_PRESENTED_BYTES: usize = 512;

/// A new token. It has no way back from its digest.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes one.
    pub fn generate(random: &Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random(&mut *bytes);
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
        Self(Zeroizing::new(format!("{PREFIX}{}", *text)))
    }

    /// The text that the caller presents.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a token. The token is random throughout, so nothing slower is needed.
#[derive(Debug, Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// 64 hex digits, as `sha256sum` prints them.
    pub fn parse(hex: &str) -> Result<Self, Error> {
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::input("the SHA-256 of a token is 64 hex digits"))
    }

    /// The bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn handle<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|at| self.0[at])
    }

    /// In a time that says nothing.
    pub(crate) fn is(&self, other: &[u8; 32]) -> Choice {
        self.0.ct_eq(other)
    }
}

/// The digest of the token that a request presents; where it presents none, that of
/// none, so that it takes the same way as a wrong one.
pub(crate) fn presented(headers: &HeaderMap) -> Digest {
    Digest::of(&read(headers).unwrap_or_default())
}

/// `Bearer TOKEN`, or Basic with the token as password and any user.
fn read(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.to_str().ok().filter(|value| value.len() <= MAX_PRESENTED_BYTES)?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(BASE64.decode(rest.trim().as_bytes()).ok()?);
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_both_schemes_and_shown_nowhere() {
        let random: Random = std::sync::Arc::new(|buffer| buffer.fill(7));
        let token = Token::generate(&random);
        let text = token.expose();
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 43, "{text}");
        assert!(!format!("{token:?}").contains(&text[4..]));
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let of = |values: Vec<String>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a value"));
            }
            bool::from(presented(&headers).is(&token.digest().bytes()))
        };
        let bearer = format!("Bearer {text}");
        assert!(of(vec![bearer.clone()]) && of(vec![format!("bEARER  {text} ")]));
        assert!(of(vec![basic(&format!("ci:{text}"))]) && of(vec![basic(&format!(":{text}"))]));
        for wrong in [
            vec![],
            vec![bearer.clone(), bearer],
            vec![text.to_owned()],
            vec![format!("Token {text}")],
            vec![format!("Bearer {text}x")],
            vec![basic(text)],
            vec![basic(&format!("{text}:"))],
            vec!["Basic !".to_owned()],
            vec!["Bearer ".to_owned()],
        ] {
            assert!(!of(wrong.clone()), "{wrong:?}");
        }
        let hex = data_encoding::HEXUPPER.encode(&token.digest().bytes());
        assert_eq!(Digest::parse(&hex).expect("a digest").bytes(), token.digest().bytes());
        assert!(Digest::parse("00").is_err() && Digest::parse(&"zz".repeat(32)).is_err());
    }
}
