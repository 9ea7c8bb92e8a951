//! Tokens of OAuth clients: asked for with HTTP Basic, kept in memory until
//! shortly before they lapse, and forgotten with the client that they are of.

use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_signing::OAuthClient;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, Kind};

/// A token is replaced this long before it lapses, so that it outlives the request
/// that it authorises.
const MARGIN_MS: i64 = 60_000;
/// Seconds that a token lives when the service does not say.
const UNSAID_SECONDS: i64 = 3600;
pub(crate) const TARGET: &str = "/api/authn/v2/oauth2/token";
pub(crate) const FORM: &str = "grant_type=client_credentials";

#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Token>>);

struct Token {
    client_id: String,
    lapses_ms: i64,
    header: Zeroizing<String>,
}

/// No `Debug`: it holds the token.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<i64>,
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, Option<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of the `Authorization` header, if there is a token that lives.
    pub(crate) fn live(&self, client_id: &str, now_ms: i64) -> Option<Zeroizing<String>> {
        let held = self.lock();
        let token = held.as_ref()?;
        let is_live = token.client_id == client_id && now_ms < token.lapses_ms - MARGIN_MS;
        is_live.then(|| token.header.clone())
    }

    /// Takes the token out of the answer; the value of the `Authorization` header.
    pub(crate) fn keep(
        &self,
        client_id: &str,
        answer: &[u8],
        now_ms: i64,
    ) -> Result<Zeroizing<String>, Error> {
        // What cannot be read is not repeated: it may hold the token.
        let answer: Answer = serde_json::from_slice(answer).map_err(|_| {
            Error::new(Kind::NotJson("it holds no token".into()), format!("POST {TARGET}"))
        })?;
        let lives_ms = answer.expires_in.unwrap_or(UNSAID_SECONDS).clamp(0, 86_400) * 1000;
        let token = Zeroizing::new(answer.access_token);
        let header = Zeroizing::new(format!("Bearer {}", *token));
        let (client_id, lapses_ms) = (client_id.to_owned(), now_ms + lives_ms);
        *self.lock() = Some(Token { client_id, lapses_ms, header: header.clone() });
        Ok(header)
    }

    /// Whether there was one of this client.
    pub(crate) fn forget(&self, client_id: &str) -> bool {
        let mut held = self.lock();
        let is_of_it = held.as_ref().is_some_and(|token| token.client_id == client_id);
        if is_of_it {
            *held = None;
        }
        is_of_it
    }
}

/// The headers that ask for a token.
pub(crate) fn headers(client: &OAuthClient) -> Result<HeaderMap, Error> {
    let mut basic = Zeroizing::new(client.id.clone().into_bytes());
    basic.push(b':');
    basic.extend_from_slice(client.secret.expose());
    let basic = Zeroizing::new(format!("Basic {}", *Zeroizing::new(BASE64.encode(&basic))));
    let mut value = HeaderValue::from_str(&basic)
        .map_err(|_| Error::config("the OAuth client cannot travel in a header"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([
        (header::AUTHORIZATION, value),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ]))
}
