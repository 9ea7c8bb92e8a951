//! The people who sign in to the dashboard: who they are, what they may do, how they
//! prove it. In a database of their own, `people.sqlite`; the one place in this crate
//! with SQL, and nothing here knows of pages.

mod host;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_connector::{Clock, Random};
use countersign_signin::session::Limits;
use countersign_signin::ticket::{self, Purpose};
use countersign_signin::{Hasher, Host, Signin, Visit, audit, factor, throttle};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use zeroize::Zeroizing;

pub use host::Desk;

/// When a session of the dashboard ends by itself.
pub const LIMITS: Limits = Limits { idle_ms: 60 * 60_000, longest_ms: 12 * 3_600_000 };

const MAX_NAME_CHARS: usize = 64;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// See everything.
    Reader,
    /// And run, pause and resume syncs, and fetch data paths.
    Operator,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Reader, Self::Operator]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or("expected `reader` or `operator`")
    }
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Row id; never used again.
    pub id: i64,
    /// Name, unique without regard to case.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they were added.
    pub added_ms: i64,
}

/// A person in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub person: Person,
    /// Whether they have set a password.
    pub is_active: bool,
    /// Whether there is a second factor.
    pub has_factor: bool,
    /// When they last signed in.
    pub last_ms: Option<i64>,
}

/// Closes a secret for a person.
pub type Close = Box<dyn Fn(i64, &[u8]) -> Vec<u8> + Send + Sync>;

/// Opens what was closed; none when that was not for this person.
pub type Open = Box<dyn Fn(i64, &[u8]) -> Option<Zeroizing<Vec<u8>>> + Send + Sync>;

/// Seals secrets of second factors; the key is the caller's.
pub struct Seal {
    /// Closes.
    pub seal: Close,
    /// Opens.
    pub unseal: Open,
}

/// Why something did not happen.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    File(countersign_files::Error),
    Open { path: String, what: String },
    Database(String),
    Name(String),
    Exists(String),
    NotFound(String),
}

impl Error {
    fn database(what: impl std::fmt::Display) -> Self {
        Self(Kind::Database(what.to_string()))
    }

    /// A name that was given cannot be used, or is nobody's; or others could have
    /// written to the database, which is to be put right.
    pub fn is_input(&self) -> bool {
        match &self.0 {
            Kind::Name(_) | Kind::Exists(_) | Kind::NotFound(_) => true,
            Kind::File(error) => error.is_exposed(),
            _ => false,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::File(error) => error.fmt(f),
            Kind::Open { path, what } => write!(f, "failed to open the people in `{path}`: {what}"),
            Kind::Database(what) => write!(f, "the database of people failed: {what}"),
            Kind::Name(name) => write!(
                f,
                "`{}` is not the name of a person\nhint: up to {MAX_NAME_CHARS} letters, digits and `-_.@`",
                name.escape_debug()
            ),
            Kind::Exists(name) => {
                write!(f, "there is already a person `{name}`\nhint: choose another name")
            }
            Kind::NotFound(name) => write!(
                f,
                "there is no person `{}`\nhint: `countersign people list` names them",
                name.escape_debug()
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::database(error)
    }
}

impl From<countersign_signin::Error> for Error {
    fn from(error: countersign_signin::Error) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        Self::database(source.unwrap_or_else(|| error.to_string()))
    }
}

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
        let done = tokio::task::spawn_blocking(move || act(&signin)).await;
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

/// Whose link the very first one is: nobody's, as ids begin with 1.
const FIRST: i64 = 0;

/// Who acts at the command line of this machine.
const LOCAL: &str = "(command line)";

const COLUMNS: &str = "people.id, people.name, people.role, people.added_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Person> {
    let role: String = row.get(2)?;
    // What this version does not know may do the least.
    let role = role.parse().unwrap_or(Role::Reader);
    Ok(Person { id: row.get(0)?, name: row.get(1)?, role, added_ms: row.get(3)? })
}

fn named(connection: &Connection, name: &str) -> Result<Option<Person>, Error> {
    let sql = format!("select {COLUMNS} from people where name = ?");
    Ok(connection.query_row(&sql, [name.trim()], read).optional()?)
}

fn by_id(connection: &Connection, id: i64) -> Result<Option<Person>, Error> {
    let sql = format!("select {COLUMNS} from people where id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

fn is_empty(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.query_row("select not exists (select 1 from people)", [], |row| row.get(0))?)
}

fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    role: Role,
    now_ms: i64,
) -> Result<i64, Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_CHARS || !name.chars().all(is_plain) {
        return Err(Error(Kind::Name(name.to_owned())));
    }
    let inserted = transaction.execute(
        "insert into people (name, role, added_ms) values (?, ?, ?) on conflict (name) do nothing",
        params![name, role.as_str(), now_ms],
    )?;
    if inserted == 0 {
        return Err(Error(Kind::Exists(name.to_owned())));
    }
    Ok(transaction.last_insert_rowid())
}

fn open(path: &Path) -> Result<Connection, Error> {
    let path = countersign_files::database(path).map_err(|error| Error(Kind::File(error)))?;
    let shown = path.display().to_string();
    let failed = |what: String| Error(Kind::Open { path: shown.clone(), what });
    let prepare = || -> Result<Connection, Error> {
        let connection = Connection::open(&path)?;
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
        Ok(connection)
    };
    prepare().map_err(|error| failed(error.to_string()))
}
