//! Secrets of tokens: 32 random bytes, shown once, kept as a digest.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use countersign_connector::Random;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// So that scanners for lost secrets, and people, know one when they see it.
const PREFIX: &str = "csa_";
const MAX_PRESENTED_BYTES: usize = 512;

/// A new secret. It has no way back from its digest.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes one.
    pub fn generate(random: &Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random(&mut *bytes);
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
        Self(Zeroizing::new(format!("{PREFIX}{}", *text)))
    }

    /// The text that its holder presents.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret, which is random throughout: nothing slower is needed.
#[derive(Debug, Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The bytes.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// What it is looked up by.
    pub(crate) fn handle<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|at| self.0[at])
    }

    /// In a time that says nothing.
    pub(crate) fn is(&self, other: &[u8; 32]) -> Choice {
        self.0.ct_eq(other)
    }
}

/// The digest of the secret that a request presents; where it presents none, that of none,
/// so that it takes the same way as a wrong one.
pub(crate) fn presented(headers: &HeaderMap) -> Digest {
    Digest::of(&read(headers).unwrap_or_default())
}

/// `Bearer SECRET`, once.
fn read(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.to_str().ok().filter(|value| value.len() <= MAX_PRESENTED_BYTES)?;
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Zeroizing::new(rest.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_one_bearer_header_and_shown_nowhere() {
        let random: Random = std::sync::Arc::new(|buffer| buffer.fill(7));
        let secret = Secret::generate(&random);
        let text = secret.expose();
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 43, "{text}");
        assert!(!format!("{secret:?}").contains(&text[4..]));
        let of = |values: Vec<String>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a value"));
            }
            bool::from(presented(&headers).is(&secret.digest().bytes()))
        };
        let bearer = format!("Bearer {text}");
        assert!(of(vec![bearer.clone()]) && of(vec![format!("bEARER  {text} ")]));
        for wrong in [
            vec![],
            vec![bearer.clone(), bearer.clone()],
            vec![text.to_owned()],
            vec![format!("Basic {text}")],
            vec![format!("{bearer}x")],
            vec!["Bearer ".to_owned()],
        ] {
            assert!(!of(wrong.clone()), "{wrong:?}");
        }
    }
}
