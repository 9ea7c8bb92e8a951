//! Sessions: a random token in a cookie, only its digest here. It ends after a
//! while without a request, and after a longer one in any case ([`Limits`]).

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use zeroize::Zeroizing;

use crate::{Error, Random, digest, token};

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a request.
    pub idle_ms: i64,
    /// In any case; a day at most.
    pub longest_ms: i64,
}

impl Default for Limits {
    /// A quarter of an hour, and a day.
    fn default() -> Self {
        Self { idle_ms: 15 * 60_000, longest_ms: LONGEST_MS }
    }
}

/// Whatever the host says.
const LONGEST_MS: i64 = 24 * 3_600_000;

/// How long a second factor is fresh enough for what needs one.
pub const PRIVILEGED_MS: i64 = 10 * 60_000;
/// Of one person at once; the oldest ends. Those that wait for a second factor are as many
/// again: whoever has the password ends no session of who has both.
const MAX_SESSIONS: i64 = 20;
/// In a row, then it ends.
pub const FAILURES: u32 = 5;

/// How far a sign-in has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The password was right; the second factor is missing.
    Password,
    /// A second factor must be set up first.
    Enrol,
    /// All of it.
    Full,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Enrol => "enrol",
            Self::Full => "full",
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        [Self::Password, Self::Enrol, Self::Full]
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or(Error::Stored("session"))
    }
}

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// For lists; no secret.
    pub id: i64,
    /// Whose.
    pub person: i64,
    /// How far it has come.
    pub stage: Stage,
    /// When it began.
    pub begun_ms: i64,
    /// When it was last seen.
    pub seen_ms: i64,
    /// When a second factor was last given.
    pub proven_ms: Option<i64>,
    /// Where it began.
    pub address: String,
    /// What it began with.
    pub agent: String,
}

impl Session {
    /// Whether it goes on by these limits.
    pub fn goes_on(&self, limits: Limits, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.seen_ms) < limits.idle_ms
            && now_ms.saturating_sub(self.begun_ms) < limits.longest_ms.min(LONGEST_MS)
    }

    /// Whether a second factor is fresh enough for what needs one.
    pub fn is_privileged(&self, now_ms: i64) -> bool {
        let proven = self.proven_ms.map(|ms| now_ms.saturating_sub(ms));
        self.stage == Stage::Full && proven.is_some_and(|age_ms| age_ms < PRIVILEGED_MS)
    }
}

/// Where a session begins.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Network address.
    pub address: &'a str,
    /// What the browser calls itself; cut to 200 characters.
    pub agent: &'a str,
}

/// A new session. Its token goes into a cookie and nowhere else.
pub fn begin(
    transaction: &Transaction<'_>,
    person: i64,
    stage: Stage,
    origin: Origin<'_>,
    now_ms: i64,
    random: Random<'_>,
) -> Result<Zeroizing<String>, Error> {
    // An idle one may be good by the limits of its host; one of a day never is.
    transaction.execute(
        "delete from signin_sessions where begun_ms <= ?",
        [now_ms.saturating_sub(LONGEST_MS)],
    )?;
    let token = token(random);
    let agent: String = origin.agent.chars().filter(|c| !c.is_control()).take(200).collect();
    transaction.execute(
        "insert into signin_sessions
            (digest, person, stage, begun_ms, seen_ms, proven_ms, address, agent)
         values (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
        params![
            digest(&token),
            person,
            stage.as_str(),
            now_ms,
            (stage == Stage::Full).then_some(now_ms),
            origin.address,
            agent
        ],
    )?;
    if stage == Stage::Full {
        signed_in(transaction, person, now_ms)?;
    }
    end_oldest(transaction, person)?;
    Ok(token)
}

fn signed_in(transaction: &Transaction<'_>, person: i64, now_ms: i64) -> Result<(), Error> {
    transaction.execute(
        "insert into signin_people (person, last_sign_in_ms) values (?1, ?2)
         on conflict (person) do update set last_sign_in_ms = excluded.last_sign_in_ms",
        params![person, now_ms],
    )?;
    Ok(())
}

fn end_oldest(transaction: &Transaction<'_>, person: i64) -> Result<(), Error> {
    for is_full in [false, true] {
        transaction.execute(
            "delete from signin_sessions where person = ?1 and (stage = 'full') = ?2 and id not in (
                select id from signin_sessions where person = ?1 and (stage = 'full') = ?2
                order by id desc limit ?3)",
            params![person, is_full, MAX_SESSIONS],
        )?;
    }
    Ok(())
}

const COLUMNS: &str = "id, person, stage, begun_ms, seen_ms, proven_ms, address, agent";

fn read(row: &Row<'_>) -> rusqlite::Result<(Session, String)> {
    let session = Session {
        id: row.get(0)?,
        person: row.get(1)?,
        stage: Stage::Password,
        begun_ms: row.get(3)?,
        seen_ms: row.get(4)?,
        proven_ms: row.get(5)?,
        address: row.get(6)?,
        agent: row.get(7)?,
    };
    Ok((session, row.get(2)?))
}

/// The session of a token, whether or not it [goes on](Session::goes_on).
pub fn find(connection: &Connection, token: &str) -> Result<Option<Session>, Error> {
    one(connection, "digest = ?", params![digest(token)])
}

fn one(
    connection: &Connection,
    which: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Option<Session>, Error> {
    let sql = format!("select {COLUMNS} from signin_sessions where {which}");
    let found = connection.prepare_cached(&sql)?.query_row(key, read).optional()?;
    found
        .map(|(session, stage)| Ok(Session { stage: Stage::parse(&stage)?, ..session }))
        .transpose()
}

/// The session of this number, whatever became of its token.
pub(crate) fn get(connection: &Connection, person: i64, id: i64) -> Result<Option<Session>, Error> {
    one(connection, "person = ? and id = ?", params![person, id])
}

/// Counts a failure; true when it was one too many, and the session has ended.
pub(crate) fn failed(transaction: &Transaction<'_>, id: i64) -> Result<bool, Error> {
    let sql = "update signin_sessions set failures = failures + 1 where id = ?
        returning failures";
    let failures: Option<u32> = transaction.query_row(sql, [id], |row| row.get(0)).optional()?;
    let has_ended = failures.is_some_and(|failures| failures >= FAILURES);
    if has_ended {
        transaction.execute("delete from signin_sessions where id = ?", [id])?;
    }
    Ok(has_ended)
}

/// It was seen: idle time counts from now.
pub fn seen(transaction: &Transaction<'_>, id: i64, now_ms: i64) -> Result<(), Error> {
    let sql = "update signin_sessions set seen_ms = max(seen_ms, ?2) where id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, now_ms])?;
    Ok(())
}

/// The same session with more rights, under a new token: the old one is worth
/// nothing, so whoever put it there has gained nothing.
pub fn raise(
    transaction: &Transaction<'_>,
    person: i64,
    id: i64,
    now_ms: i64,
    random: Random<'_>,
) -> Result<Zeroizing<String>, Error> {
    let token = token(random);
    transaction.execute(
        "update signin_sessions
         set digest = ?2, stage = 'full', proven_ms = ?3, seen_ms = ?3, failures = 0
         where id = ?1 and person = ?4",
        params![id, digest(&token), now_ms, person],
    )?;
    signed_in(transaction, person, now_ms)?;
    end_oldest(transaction, person)?;
    Ok(token)
}

/// Ends one session of a person.
pub fn end(transaction: &Transaction<'_>, person: i64, id: i64) -> Result<bool, Error> {
    let sql = "delete from signin_sessions where person = ? and id = ?";
    Ok(transaction.execute(sql, [person, id])? == 1)
}

/// Ends all sessions of a person, but for one.
pub fn end_others(
    transaction: &Transaction<'_>,
    person: i64,
    but: Option<i64>,
) -> Result<(), Error> {
    let sql = "delete from signin_sessions where person = ? and id is not ?";
    transaction.execute(sql, params![person, but])?;
    Ok(())
}

/// The sessions of a person that go on, the newest first.
pub fn of_person(
    connection: &Connection,
    person: i64,
    limits: Limits,
    now_ms: i64,
) -> Result<Vec<Session>, Error> {
    let sql = format!("select {COLUMNS} from signin_sessions where person = ? order by id desc");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([person], read)?;
    let mut sessions = Vec::new();
    for row in rows {
        let (session, stage) = row?;
        sessions.push(Session { stage: Stage::parse(&stage)?, ..session });
    }
    sessions.retain(|session| session.goes_on(limits, now_ms));
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    const LIMITS: Limits = Limits { idle_ms: 15 * 60_000, longest_ms: 24 * 3_600_000 };
    const ORIGIN: Origin<'_> = Origin { address: "203.0.113.5", agent: "a browser" };

    #[test]
    fn they_end_when_idle_and_in_any_case() {
        with(|transaction, random| {
            let token = begin(transaction, 1, Stage::Full, ORIGIN, 0, random).unwrap();
            let at = |ms| {
                let session = find(transaction, &token).unwrap().unwrap();
                Some(session).filter(|session| session.goes_on(LIMITS, ms))
            };
            assert!(at(LIMITS.idle_ms).is_none());
            let mut now_ms = 0;
            while now_ms + LIMITS.idle_ms - 1 < LIMITS.longest_ms {
                now_ms += LIMITS.idle_ms - 1;
                let session = at(now_ms).expect("it was seen in time");
                seen(transaction, session.id, now_ms).unwrap();
            }
            assert!(at(LIMITS.longest_ms).is_none(), "a day is enough");
            assert!(find(transaction, "").unwrap().is_none());
        });
    }

    #[test]
    fn more_rights_come_with_another_token() {
        with(|transaction, random| {
            let token = begin(transaction, 1, Stage::Password, ORIGIN, 0, random).unwrap();
            let session = find(transaction, &token).unwrap().unwrap();
            assert!(session.stage == Stage::Password && !session.is_privileged(1));
            let raised = raise(transaction, 1, session.id, 2, random).unwrap();
            assert!(find(transaction, &token).unwrap().is_none());
            let session = find(transaction, &raised).unwrap().unwrap();
            assert!(session.stage == Stage::Full && session.is_privileged(3));
            assert!(!session.is_privileged(2 + PRIVILEGED_MS));
        });
    }

    #[test]
    fn a_person_ends_only_own_sessions() {
        with(|transaction, random| {
            let mut ids = Vec::new();
            for person in [1, 1, 2] {
                let token = begin(transaction, person, Stage::Full, ORIGIN, 0, random).unwrap();
                ids.push(find(transaction, &token).unwrap().unwrap().id);
            }
            assert!(!end(transaction, 1, ids[2]).unwrap());
            end_others(transaction, 1, Some(ids[1])).unwrap();
            let left = of_person(transaction, 1, LIMITS, 1).unwrap();
            assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [ids[1]]);
            assert_eq!(of_person(transaction, 2, LIMITS, 1).unwrap().len(), 1);
            for _ in 0..50 {
                begin(transaction, 3, Stage::Full, ORIGIN, 1, random).unwrap();
            }
            assert_eq!(of_person(transaction, 3, LIMITS, 2).unwrap().len(), MAX_SESSIONS as usize);
        });
    }
}
