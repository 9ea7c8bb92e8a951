//! Somebody who can sign in, and their row.

use countersign_signin::session::Limits;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use zeroize::Zeroizing;

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
pub struct Error(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    File(countersign_files::Error),
    Open { path: String, what: String },
    Newer(String),
    Database(String),
    Name(String),
    Exists(String),
    NotFound(String),
}

impl Error {
    pub(super) fn database(what: impl std::fmt::Display) -> Self {
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
            Kind::Open { path, what } => write!(f, "failed to open the users in `{path}`: {what}"),
            Kind::Newer(path) => write!(
                f,
                "the users in `{path}` were written by a newer version of countersign\n\
                 hint: use that version"
            ),
            Kind::Database(what) => write!(f, "the database of users failed: {what}"),
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

/// Whose link the very first one is: nobody's, as ids begin with 1.
pub(super) const FIRST: i64 = 0;

pub(super) const COLUMNS: &str = "people.id, people.name, people.role, people.added_ms";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Person> {
    let role: String = row.get(2)?;
    // What this version does not know may do the least.
    let role = role.parse().unwrap_or(Role::Reader);
    Ok(Person { id: row.get(0)?, name: row.get(1)?, role, added_ms: row.get(3)? })
}

pub(super) fn named(connection: &Connection, name: &str) -> Result<Option<Person>, Error> {
    let sql = format!("select {COLUMNS} from people where name = ?");
    Ok(connection.query_row(&sql, [name.trim()], read).optional()?)
}

pub(super) fn by_id(connection: &Connection, id: i64) -> Result<Option<Person>, Error> {
    let sql = format!("select {COLUMNS} from people where id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

pub(super) fn is_empty(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.query_row("select not exists (select 1 from people)", [], |row| row.get(0))?)
}

pub(super) fn insert(
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
