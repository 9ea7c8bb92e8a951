//! Who we are to the store: signing in, renewing before the token lapses, and once more
//! when it is refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_files::{self as files, Secrecy};
use countersign_text::line;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::Clock;
use crate::error::{Error, Fault};
use crate::kv::http::{Answer, Http, Method};
use crate::kv::{KvConfig, SecretText, SignIn};

/// A message of the store is repeated up to so many characters.
const SAID: usize = 300;
/// What a file with a token or the like holds at most.
const MAX_SECRET_BYTES: u64 = 1 << 20;

pub(super) struct Session {
    config: Arc<KvConfig>,
    http: Http,
    clock: Clock,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Zeroizing<String>,
    /// When half of its life is over; none when it cannot be renewed or never lapses.
    renew_ms: Option<i64>,
    life_seconds: i64,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: i64,
    #[serde(default)]
    renewable: bool,
}

#[derive(Deserialize)]
struct Looked {
    ttl: i64,
    #[serde(default)]
    creation_ttl: i64,
    #[serde(default)]
    renewable: bool,
}

impl Session {
    pub(super) fn new(config: Arc<KvConfig>, clock: Clock) -> Result<Self, Error> {
        let http = Http::new(&config)?;
        Ok(Self { config, http, clock, token: Mutex::new(None) })
    }

    /// Sends a request as who we are. Refused with 403, it is sent once more with a new
    /// token, if there is a new one to be had: nothing was done the first time.
    pub(super) fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, Error> {
        let token = self.token()?;
        let answer = self.http.send(method, path, query, Some(&token), body)?;
        if answer.status != 403 {
            return Ok(answer);
        }
        match self.another_than(&token)? {
            Some(token) => self.http.send(method, path, query, Some(&token), body),
            None => Ok(answer),
        }
    }

    fn token(&self) -> Result<Zeroizing<String>, Error> {
        let mut held = self.held();
        let mut token = match held.take() {
            Some(token) => token,
            None => self.sign_in()?,
        };
        if token.renew_ms.is_some_and(|ms| ms <= (self.clock)()) {
            token = self.renew(token)?;
        }
        let text = token.text.clone();
        *held = Some(token);
        Ok(text)
    }

    fn another_than(&self, refused: &str) -> Result<Option<Zeroizing<String>>, Error> {
        let mut held = self.held();
        // Another thread was faster.
        if let Some(token) = held.as_ref().filter(|token| token.text.as_str() != refused) {
            return Ok(Some(token.text.clone()));
        }
        let token = self.sign_in()?;
        let text = token.text.clone();
        *held = Some(token);
        Ok((text.as_str() != refused).then_some(text))
    }

    fn held(&self) -> MutexGuard<'_, Option<Token>> {
        // What a panic left behind is a token or none: both are fine.
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign_in(&self) -> Result<Token, Error> {
        let (mount, body) = match &self.config.sign_in {
            SignIn::Token(text) => {
                let text = read("token", text)?;
                return self.look_up(text);
            }
            SignIn::AppRole { mount, role_id, secret_id } => {
                let secret_id = secret_id.as_ref().map(|text| read("secret id", text));
                let secret_id = secret_id.transpose()?;
                let body = json!({ "role_id": role_id, "secret_id": secret_id.as_deref() });
                (mount, Zeroizing::new(body.to_string()))
            }
            SignIn::Jwt { mount, role, jwt } => {
                let jwt = read("JWT", jwt)?;
                let body = json!({ "role": role, "jwt": jwt.as_str() });
                (mount, Zeroizing::new(body.to_string()))
            }
        };
        let mut path = vec!["auth"];
        path.extend(mount.split('/'));
        path.push("login");
        let answer = self.http.send(Method::Post, &path, &[], None, Some(body.as_bytes()))?;
        match answer.status {
            200 => Ok(self.token_of(answer.auth()?)),
            400..=404 => {
                let what = format!("failed to sign in at `auth/{mount}`{}", said(&answer));
                let hint = format!(
                    "see role and secret of `{}`; a secret id may have expired or been used up",
                    self.config.keys
                );
                Err(Error::elsewhere(Fault::Denied, what, &hint))
            }
            _ => Err(self.refusal(&format!("sign in at `auth/{mount}`"), &answer)),
        }
    }

    /// A token that was handed to us says how long it lives, if it may ask.
    fn look_up(&self, text: Zeroizing<String>) -> Result<Token, Error> {
        let path = ["auth", "token", "lookup-self"];
        let answer = self.http.send(Method::Get, &path, &[], Some(&text), None)?;
        let looked = (answer.status == 200).then(|| answer.data::<Looked>().ok());
        Ok(match looked.flatten() {
            Some(looked) if looked.renewable && looked.ttl > 0 => {
                let life_seconds = looked.creation_ttl.max(looked.ttl);
                let until_half = (looked.ttl - life_seconds / 2).max(0);
                let renew_ms = Some((self.clock)().saturating_add(until_half.saturating_mul(1000)));
                Token { text, renew_ms, life_seconds }
            }
            _ => Token { text, renew_ms: None, life_seconds: 0 },
        })
    }

    fn token_of(&self, auth: Auth) -> Token {
        let half_ms = auth.lease_duration.saturating_mul(500);
        let lapses = auth.lease_duration > 0;
        // One that cannot be renewed is replaced in the same way: by signing in.
        let is_handed = matches!(self.config.sign_in, SignIn::Token(_));
        let renews = lapses && (auth.renewable || !is_handed);
        Token {
            text: Zeroizing::new(auth.client_token),
            renew_ms: renews.then(|| (self.clock)().saturating_add(half_ms)),
            life_seconds: auth.lease_duration,
        }
    }

    fn renew(&self, token: Token) -> Result<Token, Error> {
        let path = ["auth", "token", "renew-self"];
        let answer = self.http.send(Method::Post, &path, &[], Some(&token.text), Some(b"{}"))?;
        let renewed = match answer.status {
            200 => answer.auth::<Auth>().ok().map(|auth| self.token_of(auth)),
            _ => None,
        };
        match (renewed, &self.config.sign_in) {
            // At the end of its longest life a token gets less and less.
            (Some(renewed), _) if renewed.life_seconds >= token.life_seconds / 2 => {
                Ok(Token { life_seconds: token.life_seconds, ..renewed })
            }
            (_, SignIn::AppRole { .. } | SignIn::Jwt { .. }) => self.sign_in(),
            (Some(renewed), SignIn::Token(_)) => Ok(renewed),
            // It works until it lapses; then the store's own answer says so.
            (None, SignIn::Token(_)) => Ok(Token { renew_ms: None, ..token }),
        }
    }

    /// What a status means, and what to do.
    pub(super) fn refusal(&self, doing: &str, answer: &Answer) -> Error {
        let said = said(answer);
        let (fault, hint) = match answer.status {
            300..=399 => (
                Fault::Config,
                "that node hands over to another: set `KEYS.address` to the active one or to what stands before all",
            ),
            403 => (
                Fault::Denied,
                "the token is bad or expired, or its policy is too narrow; docs/reference/vault.md has one that is enough",
            ),
            404 => {
                (Fault::Config, "nothing is mounted there: see `KEYS.mount` and `KEYS.namespace`")
            }
            412 | 472 | 473 => {
                (Fault::Unreachable, "that node lags behind or is on standby: try again")
            }
            429 => (Fault::Unreachable, "the store limits how often it is asked: try again later"),
            503 if answer.says("sealed") || answer.says("Sealed") => {
                (Fault::Unreachable, "the store is sealed: somebody has to unseal it")
            }
            500.. => {
                (Fault::Unreachable, "the store is not well: see its log, and try again later")
            }
            _ => (Fault::Protocol, ""),
        };
        let what = format!("failed to {doing}: status {}{said}", answer.status);
        Error::elsewhere(fault, what, &hint.replace("KEYS", self.config.keys))
    }
}

/// What the store says, kept short and on one line. It answers with rules and paths,
/// but what stands before it may repeat the request: nothing long is taken over.
fn said(answer: &Answer) -> String {
    let text = answer.errors().join("; ");
    let is_long = |word: &&str| word.len() >= 64;
    let words = text.split_whitespace().map(|word| if is_long(&word) { "…" } else { word });
    let words = words.collect::<Vec<_>>().join(" ");
    match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", line(&words).at_most(SAID)),
    }
}

fn read(what: &str, text: &SecretText) -> Result<Zeroizing<String>, Error> {
    let text = match text {
        SecretText::Given(text) => text.clone(),
        // Orchestrators put tokens where everybody in a container reads them.
        SecretText::File(path) => files::read_text(path, Secrecy::Open, MAX_SECRET_BYTES)?,
    };
    let trimmed = Zeroizing::new(text.trim().to_owned());
    match trimmed.is_empty() {
        true => {
            let what = format!("the {what} for the vault is empty");
            Err(Error::elsewhere(Fault::Config, what, ""))
        }
        false => Ok(trimmed),
    }
}
