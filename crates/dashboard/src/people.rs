//! The people who sign in to the dashboard: who they are, what they may do, how they
//! prove it. In a database of their own, `people.sqlite`; the one place in this crate
//! with SQL, and nothing here knows of pages.

mod host;
mod person;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_connector::{Clock, Random};
use countersign_signin::ticket::{self, Purpose};
use countersign_signin::{Hasher, Host, Signin, Visit, audit, factor, throttle};
use rusqlite::{Connection, OptionalExtension, Transaction};
use zeroize::Zeroizing;

pub use host::Desk;
use person::{COLUMNS, FIRST, Kind, insert, is_empty, named, read};
pub use person::{Close, Error, LIMITS, Listed, Open, Person, Role, Seal};

/// All of them, and their sign-in. Cheap to clone.
#[derive(Clone)]
pub struct People(Arc<Signin<Desk>>);

impl People {
    /// Opens their database, and makes it when it is missing.
    pub async fn open(
        path: &Path,
        seal: Seal,
        clock: Clock,
        random: Random,
    ) -> Result<Self, Error> {
        let path = path.to_owned();
        let connection = tokio::task::spawn_blocking(move || open(&path)).await;
        let connection = Mutex::new(connection.map_err(Error::database)??);
        let desk = Desk { connection, seal, clock, random };
        Ok(Self(Arc::new(Signin::new(desk, Hasher::default(), None))))
    }

    /// A step of sign-in, off the threads that answer.
    pub async fn step<T, E>(
        &self,
        act: impl FnOnce(&Signin<Desk>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<countersign_signin::Error> + Send + 'static,
    {
        let signin = Arc::clone(&self.0);
        let done = countersign_web::blocking(move || act(&signin)).await;
        done.unwrap_or_else(|error| Err(countersign_signin::Error::Host(error.to_string()).into()))
    }

    /// Whether there is anybody at all.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        self.write(|transaction, _| is_empty(transaction)).await
    }

    /// Everybody, by name.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        self.write(|transaction, _| {
            let mut statement = transaction.prepare(&format!(
                "select {COLUMNS}, last_sign_in_ms, password is not null from people
                 left join signin_people on signin_people.person = people.id order by name"
            ))?;
            let rows = statement.query_map([], |row| {
                Ok((read(row)?, row.get(4)?, row.get::<_, Option<bool>>(5)?))
            })?;
            let mut all = Vec::new();
            for row in rows {
                let (person, last_ms, is_active) = row?;
                let has_factor = factor::is_set(transaction, person.id)?;
                let is_active = is_active == Some(true);
                all.push(Listed { person, is_active, has_factor, last_ms });
            }
            Ok(all)
        })
        .await
    }

    /// Adds somebody, who chooses a password by the link of this token.
    pub async fn add(&self, name: &str, role: Role) -> Result<Zeroizing<String>, Error> {
        let name = name.to_owned();
        self.write(move |transaction, signin| {
            let id = insert(transaction, &name, role, signin.host().now_ms())?;
            signin.note(transaction, LOCAL, "person.add", &name, &Visit::default())?;
            let random = &*signin.host().random;
            Ok(ticket::issue(transaction, Purpose::Activate, id, signin.host().now_ms(), random)?)
        })
        .await
    }

    /// Takes somebody away, with sessions and all.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.write(move |transaction, signin| {
            let person = named(transaction, &name)?.ok_or(Error(Kind::NotFound(name)))?;
            transaction.execute("delete from people where id = ?", [person.id])?;
            countersign_signin::forget(transaction, person.id)?;
            Ok(signin.note(transaction, LOCAL, "person.remove", &person.name, &Visit::default())?)
        })
        .await
    }

    /// A link to choose another password; ends a lock-out, and with `factors` forgets
    /// the second factor as well.
    pub async fn reset(&self, name: &str, factors: bool) -> Result<Zeroizing<String>, Error> {
        let name = name.to_owned();
        self.write(move |transaction, signin| {
            let person = named(transaction, &name)?.ok_or(Error(Kind::NotFound(name)))?;
            throttle::unlock(transaction, person.id, signin.host().now_ms())?;
            if factors {
                factor::reset(transaction, person.id)?;
            }
            signin.note(transaction, LOCAL, "person.reset", &person.name, &Visit::default())?;
            let purpose = match countersign_signin::password::is_set(transaction, person.id)? {
                true => Purpose::Reset,
                false => Purpose::Activate,
            };
            Ok(ticket::issue(
                transaction,
                purpose,
                person.id,
                signin.host().now_ms(),
                &*signin.host().random,
            )?)
        })
        .await
    }

    /// The token of the link by which the first person, an operator, sets up an
    /// account; none once there is somebody.
    pub async fn first_link(&self) -> Result<Option<Zeroizing<String>>, Error> {
        self.write(|transaction, signin| {
            if !is_empty(transaction)? {
                return Ok(None);
            }
            let (now_ms, random) = (signin.host().now_ms(), &*signin.host().random);
            Ok(Some(ticket::issue(transaction, Purpose::Activate, FIRST, now_ms, random)?))
        })
        .await
    }

    /// Notes how people reach the dashboard, for links.
    pub async fn keep_url(&self, url: &str) -> Result<(), Error> {
        let url = url.to_owned();
        self.write(move |transaction, _| {
            transaction.execute("insert or replace into place (id, url) values (1, ?)", [url])?;
            Ok(())
        })
        .await
    }

    /// How people reach the dashboard, as it was last started.
    pub async fn url(&self) -> Result<Option<String>, Error> {
        self.write(|transaction, _| {
            let sql = "select url from place where id = 1";
            Ok(transaction.query_row(sql, [], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Writes down what somebody did, in the chain.
    pub async fn note(
        &self,
        person: &Person,
        act: &'static str,
        target: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        let (name, target, visit) = (person.name.clone(), target.to_owned(), visit.clone());
        self.write(move |transaction, signin| {
            Ok(signin.note(transaction, &name, act, &target, &visit)?)
        })
        .await
    }

    /// Follows the chain of what was done.
    pub async fn verify(&self) -> Result<audit::Verdict, Error> {
        self.write(|transaction, _| Ok(audit::verify(transaction)?)).await
    }

    /// Folds the log of the database into its file, at the end. Where somebody else has it
    /// open, the log stays: whoever closes the database last folds it in.
    pub async fn close(&self) {
        let fold = |connection: &Connection| {
            connection.busy_timeout(Duration::ZERO)?;
            connection.query_row("pragma journal_mode = delete", [], |_| Ok(()))?;
            Ok(())
        };
        let _: Result<(), countersign_signin::Error> =
            self.step(move |signin| signin.host().read(fold)).await;
    }

    async fn write<T, F>(&self, act: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>, &Signin<Desk>) -> Result<T, Error> + Send + 'static,
    {
        self.step(|signin| signin.host().write(|transaction| act(transaction, signin))).await
    }
}

/// Who acts at the command line of this machine.
const LOCAL: &str = "(command line)";

/// `user_version` of the database; counted up when its tables change, so that an older program
/// leaves it alone.
const SCHEMA_VERSION: i32 = 1;

fn open(path: &Path) -> Result<Connection, Error> {
    let path = countersign_files::database(path).map_err(|error| Error(Kind::File(error)))?;
    let shown = path.display().to_string();
    let failed = |what: String| Error(Kind::Open { path: shown.clone(), what });
    let prepare = || -> Result<Option<Connection>, Error> {
        let connection = Connection::open(&path)?;
        let version: i32 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
        if version > SCHEMA_VERSION {
            return Ok(None);
        }
        connection.execute_batch(
            "pragma busy_timeout = 10000;
             pragma journal_mode = wal;
             pragma synchronous = full;
             create table if not exists people (
                id integer primary key autoincrement,
                name text not null unique collate nocase,
                role text not null,
                added_ms integer not null
             ) strict;
             create table if not exists place (id integer primary key, url text not null) strict;",
        )?;
        countersign_signin::prepare(&connection)?;
        if version < SCHEMA_VERSION {
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        Ok(Some(connection))
    };
    let opened = prepare().map_err(|error| failed(error.to_string()))?;
    opened.ok_or(Error(Kind::Newer(shown)))
}
