//! A host in memory: people by name, a clock that the test sets, and what owners are told.
#![expect(clippy::unwrap_used, reason = "only tests call these")]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use countersign_signin::session::{Limits, Stage};
use countersign_signin::totp::Secret;
use countersign_signin::{
    Begun, Error, Event, Given, Hasher, Host, Link, Owner, Policy, Purpose, Refusal, Seat, Signin,
    Visit, Who,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use zeroize::Zeroizing;

pub(crate) const PASSWORD: &str = "plum-Kettle7-orbit";
pub(crate) const OTHER: &str = "Cedar-lantern-42";
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;

#[derive(Debug, Clone)]
pub(crate) struct Person {
    id: i64,
    name: String,
    is_open: bool,
    must_have_factor: bool,
}

impl Owner for Person {
    fn id(&self) -> i64 {
        self.id
    }

    fn guid(&self) -> &str {
        "00000000-0000-4000-8000-000000000001"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn words(&self) -> Vec<&str> {
        vec![&self.name]
    }

    fn is_open(&self, address: &str) -> bool {
        self.is_open && !address.starts_with("203.0.113.")
    }
}

pub(crate) struct Memory {
    connection: Mutex<Connection>,
    now_ms: AtomicI64,
    next: AtomicU64,
    told: Mutex<Vec<(String, String)>>,
    sends_links: bool,
}

impl Host for Memory {
    type Owner = Person;

    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.next.fetch_add(1, Ordering::SeqCst);
            chunk.copy_from_slice(
                &next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..chunk.len()],
            );
        }
    }

    fn read<T>(&self, act: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        act(&self.connection.lock().unwrap())
    }

    fn write<T, E: From<Error> + From<rusqlite::Error>>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection.lock().unwrap();
        let transaction = connection.transaction()?;
        let done = act(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn owner(&self, connection: &Connection, who: Who<'_>) -> Result<Option<Person>, Error> {
        let (id, name) = match who {
            Who::Id(0) => {
                let (name, is_open) = (String::new(), true);
                return Ok(Some(Person { id: 0, name, is_open, must_have_factor: false }));
            }
            Who::Id(id) => (Some(id), None),
            Who::Name(name) => (None, Some(name)),
        };
        let sql = "select id, name, is_open, must_have_factor from people where id = ? or name = ?";
        let row = |row: &rusqlite::Row<'_>| {
            let (id, name) = (row.get(0)?, row.get(1)?);
            Ok(Person { id, name, is_open: row.get(2)?, must_have_factor: row.get(3)? })
        };
        Ok(connection.query_row(sql, params![id, name], row).optional()?)
    }

    fn policy(&self, _: &Connection, owner: &Person) -> Result<Policy, Error> {
        Ok(Policy {
            must_have_factor: owner.must_have_factor,
            sessions: Limits::default(),
            password_life_ms: Some(90 * 24 * HOUR_MS),
        })
    }

    fn seal(&self, person: i64, secret: &[u8]) -> Vec<u8> {
        [&person.to_be_bytes(), secret].concat()
    }

    fn unseal(&self, person: i64, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(sealed.strip_prefix(&person.to_be_bytes())?.to_vec()))
    }

    fn sends_links(&self) -> bool {
        self.sends_links
    }

    fn send(
        &self,
        _: &Transaction<'_>,
        owner: &Person,
        link: Link<'_>,
        token: &str,
    ) -> Result<(), Error> {
        let what = match link {
            Link::Unlock { .. } => "slowed",
            Link::Activate => "first password",
            Link::Reset { .. } => "password",
            Link::Address(_) => "verify address",
        };
        self.told.lock().unwrap().push((format!("{}: {what}", owner.name), token.to_owned()));
        Ok(())
    }

    fn tell(&self, _: &Transaction<'_>, owner: &Person, event: Event<'_>) -> Result<(), Error> {
        let what = match event {
            Event::NotSlowed => "not slowed",
            Event::PasswordChanged => "password changed",
            Event::FactorSet(_) => "factor set",
            Event::FactorRemoved => "factor removed",
            Event::CodesRenewed => "codes renewed",
            Event::AddressWished(_) => "address wished",
            Event::AddressChanged(_) => "address changed",
        };
        self.told.lock().unwrap().push((format!("{}: {what}", owner.name), String::new()));
        Ok(())
    }

    fn set_address(&self, _: &Transaction<'_>, _: i64, _: &str) -> Result<(), Error> {
        Ok(())
    }

    fn chose_password(&self, _: &Transaction<'_>, _: i64) -> Result<(), Error> {
        Ok(())
    }

    fn admit(
        &self,
        transaction: &Transaction<'_>,
        _: Person,
        name: &str,
    ) -> Result<Result<Person, String>, Error> {
        if name.is_empty() {
            return Ok(Err("a name is missing".into()));
        }
        transaction.execute("insert into people (name) values (?)", [name])?;
        Ok(Ok(self.owner(transaction, Who::Name(name))?.unwrap()))
    }
}

/// The people, and what tests do with them.
pub(crate) struct Desk(pub(crate) Arc<Signin<Memory>>);

pub(crate) fn at(address: &str) -> Visit {
    Visit { address: address.into(), agent: "a browser".into(), device: None }
}

pub(crate) fn code(text: &str) -> Given {
    Given::Code(Zeroizing::new(text.into()))
}

/// The same browser, after an answer that may have brought a cookie.
pub(crate) fn after(visit: &Visit, begun: &Begun) -> Visit {
    let device = begun.device.clone().or_else(|| visit.device.clone());
    Visit { device, ..visit.clone() }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(true)
    }

    pub(crate) fn with(sends_links: bool) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        countersign_signin::prepare(&connection).unwrap();
        connection
            .execute_batch(
                "create table people (
                    id integer primary key autoincrement,
                    name text not null unique collate nocase,
                    is_open integer not null default 1,
                    must_have_factor integer not null default 0
                 );
                 insert into people (name) values ('dana'), ('rita');",
            )
            .unwrap();
        let host = Memory {
            connection: Mutex::new(connection),
            now_ms: AtomicI64::new(1_780_272_000_000),
            next: AtomicU64::new(1),
            told: Mutex::default(),
            sends_links,
        };
        let desk = Self(Arc::new(Signin::new(host, Hasher::default(), None)));
        for id in [1, 2] {
            desk.sql(&format!("insert into signin_people (person) values ({id})"));
        }
        desk
    }

    /// With passwords set, by links.
    pub(crate) fn furnished() -> Self {
        let desk = Self::new();
        for name in ["dana", "rita"] {
            desk.choose(name, PASSWORD, &at("192.0.2.1")).unwrap();
        }
        desk.told();
        desk
    }

    pub(crate) fn sql(&self, sql: &str) {
        self.0
            .host()
            .write(|transaction| -> Result<_, Error> { Ok(transaction.execute_batch(sql)?) })
            .unwrap();
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.0
            .host()
            .read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?))
            .unwrap()
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.0.host().now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.host().now_ms()
    }

    /// What owners were told since the last time, without the tokens.
    pub(crate) fn told(&self) -> Vec<String> {
        self.0.host().told.lock().unwrap().drain(..).map(|(what, _)| what).collect()
    }

    /// The token of the newest link.
    pub(crate) fn link(&self) -> String {
        self.0.host().told.lock().unwrap().last().unwrap().1.clone()
    }

    pub(crate) fn link_of(&self, what: &str) -> String {
        let told = self.0.host().told.lock().unwrap();
        told.iter().find(|(said, _)| said == what).unwrap().1.clone()
    }

    /// What was done, the oldest first.
    pub(crate) fn acts(&self) -> Vec<String> {
        self.0
            .host()
            .read(|connection| {
                let filter = countersign_signin::audit::Filter::default();
                let newest = countersign_signin::audit::newest(connection, &filter, 10_000)?;
                Ok(newest.into_iter().rev().map(|(_, entry)| entry.act).collect())
            })
            .unwrap()
    }

    pub(crate) fn invite(&self, name: &str) -> String {
        let host = self.0.host();
        host.write(|transaction| {
            let owner = host.owner(transaction, Who::Name(name))?.unwrap();
            countersign_signin::invite(host, transaction, &owner, true)
        })
        .unwrap();
        self.link()
    }

    pub(crate) fn choose(
        &self,
        name: &str,
        password: &str,
        visit: &Visit,
    ) -> Result<Begun, Refusal> {
        let is_first = self.count(&format!(
            "select count(*) from signin_people s join people p on p.id = s.person
             where p.name = '{name}' and s.password is null"
        ));
        let purpose = if is_first == 1 { Purpose::Activate } else { Purpose::Reset };
        self.0.choose(purpose, &self.invite(name), "", (password, password), visit)
    }

    pub(crate) fn seat(&self, begun: &Begun, visit: &Visit) -> Seat<Person> {
        self.0.seat(&begun.token, visit).unwrap().expect("a session")
    }

    pub(crate) fn is_over(&self, seat: &Seat<Person>) -> bool {
        self.count(&format!("select count(*) from signin_sessions where id = {}", seat.session.id))
            == 0
    }

    /// Signed in, on a browser that the account knows from now on.
    pub(crate) fn enter(&self, name: &str, visit: &Visit) -> (Seat<Person>, Visit) {
        let begun = self.0.sign_in(name, PASSWORD, visit).unwrap();
        assert_eq!(begun.stage, Stage::Full);
        let visit = after(visit, &begun);
        (self.seat(&begun, &visit), visit)
    }

    /// Sets an app up; answers its secret and the recovery codes. The code that was used is
    /// old afterwards.
    pub(crate) fn enrol(&self, seat: &Seat<Person>, visit: &Visit) -> (Secret, Vec<String>) {
        let new = self.0.enrolment(seat, None).unwrap();
        let shown = new.secret.code_at(self.now()).unwrap();
        let enrolled = self.0.enrol(seat, &new.sealed, &code(&shown), visit).unwrap();
        self.advance(MINUTE_MS);
        let codes = enrolled.codes.unwrap().iter().map(|code| code.to_string()).collect();
        (new.secret, codes)
    }
}

/// The sentence of a refusal, for comparing.
pub(crate) fn why<T>(result: Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "done".into(),
        Err(Refusal::Password { why, .. }) => why.into(),
        Err(refusal) => format!("{refusal:?}"),
    }
}
