//! Passkeys as second factors (WebAuthn, user verification required). What a
//! browser has been asked is remembered here, in memory and for a short while: an
//! answer counts once, and only for the session that was asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use url::Url;

use crate::webauthn::{self, Passkey, Site, User};
use crate::{Error, Random};

/// How long a browser may take to answer.
pub const ASKED_MS: i64 = 5 * 60_000;
/// Of one person.
pub const MAX_PASSKEYS: usize = 20;
/// Questions that are open at once; beyond, all are forgotten.
const MAX_OPEN: usize = 10_000;

/// A passkey as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// For lists; no secret.
    pub id: String,
    /// When it was set up.
    pub created_ms: i64,
    /// When it was last used.
    pub last_used_ms: Option<i64>,
}

/// Who sets one up.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The host's number.
    pub person: i64,
    /// A UUID that stays with the person.
    pub guid: &'a str,
    /// What the browser shows.
    pub name: &'a str,
}

/// What for, and the bytes that the answer must be about.
enum Asked {
    Enrol([u8; 32]),
    Proof([u8; 32]),
}

struct Open {
    until_ms: i64,
    asked: Asked,
}

/// The site that passkeys are for, and the questions that are open.
pub struct Passkeys {
    site: Site,
    open: Mutex<HashMap<i64, Open>>,
}

impl std::fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passkeys").field("domain", &self.site.domain).finish_non_exhaustive()
    }
}

impl Passkeys {
    /// For the site at this origin, `https://name:port`. None where browsers know no
    /// passkeys: an address without a name.
    pub fn new(origin: &str, title: &str) -> Option<Self> {
        let url = Url::parse(origin).ok()?;
        let domain = url.domain()?.to_owned();
        let origin = url.origin().ascii_serialization();
        let site = Site { domain, origin, title: title.to_owned() };
        Some(Self { site, open: Mutex::default() })
    }

    /// The name of the site: elsewhere a browser refuses.
    pub fn domain(&self) -> &str {
        &self.site.domain
    }

    fn ask(&self, session: i64, asked: Asked, now_ms: i64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, held| held.until_ms > now_ms);
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(session, Open { until_ms: now_ms.saturating_add(ASKED_MS), asked });
    }

    fn asked(&self, session: i64, now_ms: i64) -> Option<Asked> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&session).filter(|held| held.until_ms > now_ms).map(|held| held.asked)
    }

    /// What a browser is asked so that a person of this session sets one up, as JSON.
    /// None for who has as many as may be.
    pub fn ask_to_enrol(
        &self,
        connection: &Connection,
        session: i64,
        owner: Owner<'_>,
        now_ms: i64,
        random: Random<'_>,
    ) -> Result<Option<String>, Error> {
        let held = of_person(connection, owner.person)?;
        if held.len() >= MAX_PASSKEYS {
            return Ok(None);
        }
        let challenge = drawn(random);
        let user = User { handle: owner.guid.as_bytes(), name: owner.name };
        let question = webauthn::creation(&self.site, &user, &challenge, &held, ASKED_MS);
        self.ask(session, Asked::Enrol(challenge), now_ms);
        Ok(Some(question.to_string()))
    }

    /// Takes a new passkey, if the browser's answer is right.
    pub fn enrol(
        &self,
        transaction: &Transaction<'_>,
        session: i64,
        person: i64,
        answer: &str,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let Some(Asked::Enrol(challenge)) = self.asked(session, now_ms) else { return Ok(false) };
        let created = webauthn::created(&self.site, &challenge, answer);
        let Some((id, passkey)) = created else { return Ok(false) };
        // One that somebody has already stays with that person.
        let added = transaction.execute(
            "insert or ignore into signin_passkeys (id, person, passkey, created_ms)
             values (?, ?, ?, ?)",
            params![id, person, stored(&passkey)?, now_ms],
        )?;
        Ok(added == 1)
    }

    /// What a browser is asked as a proof, as JSON; none for who has no passkey.
    pub fn ask_for_proof(
        &self,
        connection: &Connection,
        session: i64,
        person: i64,
        now_ms: i64,
        random: Random<'_>,
    ) -> Result<Option<String>, Error> {
        let held = of_person(connection, person)?;
        if held.is_empty() {
            return Ok(None);
        }
        let challenge = drawn(random);
        let question = webauthn::request(&self.site, &challenge, &held, ASKED_MS);
        self.ask(session, Asked::Proof(challenge), now_ms);
        Ok(Some(question.to_string()))
    }

    /// Whether the browser's answer proves a passkey of this person.
    pub fn prove(
        &self,
        transaction: &Transaction<'_>,
        session: i64,
        person: i64,
        answer: &str,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let Some(Asked::Proof(challenge)) = self.asked(session, now_ms) else { return Ok(false) };
        let Some(id) = webauthn::claimed(answer) else { return Ok(false) };
        let held: Option<String> = transaction
            .query_row(
                "select passkey from signin_passkeys where id = ? and person = ?",
                params![id, person],
                |row| row.get(0),
            )
            .optional()?;
        let Some(held) = held else { return Ok(false) };
        let held: Passkey = serde_json::from_str(&held).map_err(|_| Error::Stored("passkey"))?;
        let proven = webauthn::proven(&self.site, &challenge, &held, answer);
        let Some(passkey) = proven else { return Ok(false) };
        transaction.execute(
            "update signin_passkeys set passkey = ?, last_used_ms = ? where id = ?",
            params![stored(&passkey)?, now_ms, id],
        )?;
        Ok(true)
    }
}

fn drawn(random: Random<'_>) -> [u8; 32] {
    let mut challenge = [0; 32];
    random(&mut challenge);
    challenge
}

fn stored(passkey: &Passkey) -> Result<String, Error> {
    serde_json::to_string(passkey).map_err(|_| Error::Stored("passkey"))
}

/// The ids.
fn of_person(connection: &Connection, person: i64) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "select id from signin_passkeys where person = ? order by created_ms";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([person], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The passkeys of a person, the oldest first.
pub fn list(connection: &Connection, person: i64) -> Result<Vec<Listed>, Error> {
    let mut statement = connection.prepare_cached(
        "select id, created_ms, last_used_ms from signin_passkeys
         where person = ? order by created_ms",
    )?;
    let rows = statement.query_map([person], |row| {
        let id: Vec<u8> = row.get(0)?;
        Ok(Listed { id: HEXLOWER.encode(&id), created_ms: row.get(1)?, last_used_ms: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets one passkey of a person.
pub fn remove(transaction: &Transaction<'_>, person: i64, id: &str) -> Result<bool, Error> {
    let id = HEXLOWER.decode(id.as_bytes()).unwrap_or_default();
    let sql = "delete from signin_passkeys where person = ? and id = ?";
    Ok(transaction.execute(sql, params![person, id])? == 1)
}

/// Forgets all passkeys of a person.
pub fn remove_all(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    transaction.execute("delete from signin_passkeys where person = ?", [person])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    #[test]
    fn only_where_browsers_know_them() {
        assert!(Passkeys::new("https://127.0.0.1:8443", "x").is_none());
        assert!(Passkeys::new("https://localhost:8443", "x").is_some());
    }

    /// What a right answer is, `webauthn` shows, and a real browser.
    #[test]
    fn what_was_not_asked_is_not_taken() {
        let passkeys = Passkeys::new("https://localhost:8443", "x").unwrap();
        let owner =
            Owner { person: 1, guid: "00000000-0000-4000-8000-000000000001", name: "somebody" };
        with(|transaction, random| {
            assert!(!passkeys.enrol(transaction, 7, 1, "{}", 0).unwrap(), "nothing was asked");
            let question =
                passkeys.ask_to_enrol(transaction, 7, owner, 0, random).unwrap().unwrap();
            assert!(question.contains("\"userVerification\":\"required\""), "{question}");
            assert!(
                passkeys.ask_for_proof(transaction, 7, 1, 0, random).unwrap().is_none(),
                "has none"
            );
            for answer in ["", "{}", "null", &question] {
                assert!(!passkeys.enrol(transaction, 7, 1, answer, 0).unwrap(), "{answer}");
                assert!(!passkeys.prove(transaction, 7, 1, answer, 0).unwrap(), "{answer}");
                passkeys.ask_to_enrol(transaction, 7, owner, 0, random).unwrap();
            }
            assert!(passkeys.asked(8, 0).is_none(), "another session");
            assert!(passkeys.asked(7, ASKED_MS).is_none(), "too late");
            assert!(passkeys.asked(7, 0).is_none(), "an answer counts once");
            assert!(list(transaction, 1).unwrap().is_empty());
        });
    }
}
