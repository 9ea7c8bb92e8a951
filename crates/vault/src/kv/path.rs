//! One path of a KV version 2 engine that others read and write too: not a vault of
//! ours, but a place where a secret is wanted. What it holds besides stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::http::Method;
use super::session::Session;
use super::{KvConfig, Options, Write, check_engine, check_places, not_version_2, place};
use crate::Clock;
use crate::error::{Error, Fault};
use crate::payload::Document;

/// A path, `MOUNT/data/PATH` by its configuration.
pub struct KvPath {
    config: Arc<KvConfig>,
    session: Session,
}

/// What is at a path: keys, and texts or other JSON.
#[derive(Clone, Default)]
pub struct KvSecret {
    /// As the store counts; 0 when nothing was ever there.
    version: u64,
    /// JSON.
    members: BTreeMap<String, Zeroizing<String>>,
}

impl std::fmt::Debug for KvPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KvPath").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for KvSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KvSecret").field("version", &self.version).finish_non_exhaustive()
    }
}

impl KvSecret {
    /// The text under a key; none when there is none, or no text.
    pub fn text(&self, key: &str) -> Option<Zeroizing<String>> {
        serde_json::from_str(self.members.get(key)?).ok().map(Zeroizing::new)
    }

    /// Puts a text under a key.
    pub fn set(&mut self, key: &str, text: &str) {
        // Room for all of it, so that no shorter copy is left behind.
        let mut json = Zeroizing::new(Vec::with_capacity(2 + 6 * text.len()));
        if serde_json::to_writer(&mut *json, text).is_ok()
            && let Ok(json) = str::from_utf8(&json)
        {
            self.members.insert(key.to_owned(), Zeroizing::new(json.to_owned()));
        }
    }

    /// The body that writes it, unless somebody else was faster.
    fn body(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let length: usize = self.members.iter().map(|(key, json)| 6 * key.len() + json.len()).sum();
        // Room for all of it, so that no shorter copy is left behind.
        let room = 64 + 4 * self.members.len() + length;
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        let mut data: BTreeMap<_, &RawValue> = BTreeMap::new();
        for (key, json) in &self.members {
            data.insert(key, serde_json::from_str(json)?);
        }
        serde_json::to_writer(&mut *body, &Write { options: Options { cas: self.version }, data })?;
        debug_assert_eq!(body.capacity(), room, "it was moved");
        Ok(body)
    }
}

impl KvPath {
    /// Checks the configuration, whose `path` is the secret itself. Nothing is sent yet.
    pub fn open(config: KvConfig, clock: Clock) -> Result<Self, Error> {
        check_places(&config)?;
        let config = Arc::new(config);
        Ok(Self { session: Session::new(config.clone(), clock)?, config })
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        place(&self.config)
    }

    /// What is there now. Refuses what is part of a vault of ours.
    pub fn read(&self) -> Result<KvSecret, Error> {
        let answer = self.session.call(Method::Get, &self.path("data"), &[], None)?;
        let read: Read<'_> = match answer.status {
            200 => answer.data()?,
            404 if answer.is_bare() => return Ok(KvSecret::default()),
            // Deleted or destroyed, and counted on from there.
            404 if answer.has_data() => answer.data()?,
            _ => return Err(self.refusal("read", &answer)),
        };
        let Some(data) = read.data else {
            return Ok(KvSecret { version: read.metadata.version, members: BTreeMap::new() });
        };
        if Document::parse(data.get().as_bytes()).is_some() {
            let what = format!("{} is a secret of a vault of countersign", self.place());
            let hint = format!("set `{}.path` to a path of its own", self.config.keys);
            return Err(Error::elsewhere(Fault::Config, what, &hint));
        }
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(data.get()).map_err(|_| {
                let what = format!("what is at {} is no set of keys", self.place());
                Error::elsewhere(Fault::Protocol, what, "")
            })?;
        let wiped = |(key, json): (String, &RawValue)| (key, Zeroizing::new(json.get().to_owned()));
        let members = members.into_iter().map(wiped).collect();
        Ok(KvSecret { version: read.metadata.version, members })
    }

    /// Writes a further version after the one that was read. `false`, and nothing is
    /// written, when there is another by now. After an error it may have been written.
    pub fn write(&self, secret: &KvSecret) -> Result<bool, Error> {
        check_engine(&self.session, &self.config)?;
        let body = secret.body().map_err(|_| {
            let what = format!("what is at {} is no JSON", self.place());
            Error::elsewhere(Fault::Protocol, what, "")
        })?;
        let answer = self.session.call(Method::Post, &self.path("data"), &[], Some(&body))?;
        match answer.status {
            200 => Ok(true),
            204 => Err(not_version_2(&self.config)),
            _ if answer.says("did not match the current version") => Ok(false),
            _ => Err(self.refusal("write", &answer)),
        }
    }

    fn path<'p>(&'p self, verb: &'p str) -> Vec<&'p str> {
        let mut path: Vec<_> = self.config.mount.split('/').collect();
        path.push(verb);
        path.extend(self.config.path.split('/'));
        path
    }

    fn refusal(&self, doing: &str, answer: &super::Answer) -> Error {
        self.session.refusal(&format!("{doing} {}", self.place()), answer)
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Version,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_json_and_show_nothing() {
        let mut secret = KvSecret { version: 7, ..KvSecret::default() };
        let odd = "quote \" back \\ line \n tab \t ü \u{7f} \u{1}";
        secret.set(odd, odd);
        secret.set("b", "plain");
        secret.members.insert("n".into(), Zeroizing::new("[1,{}]".into()));
        assert_eq!(secret.text(odd).as_deref().map(String::as_str), Some(odd));
        assert_eq!(secret.text("n"), None);
        assert_eq!(secret.text("absent"), None);
        let body: serde_json::Value = serde_json::from_slice(&secret.body().unwrap()).unwrap();
        assert_eq!(body["options"]["cas"], 7);
        assert_eq!(body["data"], serde_json::json!({ odd: odd, "b": "plain", "n": [1, {}] }));
        assert!(!format!("{secret:?}").contains("plain"));
    }
}
