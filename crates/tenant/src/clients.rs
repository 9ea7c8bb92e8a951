//! OAuth clients: named, expiring, never wider than their user; and the tokens
//! that they are exchanged for. Only digests of secrets and tokens are kept.

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::act::{Change, Noted, View};
use crate::seed::DAY_MS;
use crate::tenant::Tenant;
use crate::users::{self, User};
use crate::words::words;
use crate::{Error, Random, Refused, letters};

/// Seconds that a token lives.
pub const TOKEN_SECONDS: i64 = 3600;
/// Days that a client lives at most, and unless it is said otherwise.
pub const MAX_DAYS: i64 = 365;
/// Clients of one user that are not revoked.
const MAX_CLIENTS: i64 = 50;
/// Live tokens of one client; the oldest dies first.
const MAX_TOKENS: i64 = 100;

#[derive(Debug, Clone)]
pub struct Client {
    pub client_id: String,
    pub user: i64,
    pub name: String,
    pub description: String,
    /// None: all roles of the user, whatever they become.
    pub roles: Option<Vec<String>>,
    pub created_ms: i64,
    pub expires_ms: i64,
    pub revoked_ms: Option<i64>,
    pub last_used_ms: Option<i64>,
}

impl Client {
    fn is_live(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none_or(|revoked_ms| now_ms < revoked_ms) && now_ms < self.expires_ms
    }

    /// The user, with no more roles than the client has.
    fn narrowed(&self, mut user: User) -> User {
        if let Some(roles) = &self.roles {
            user.roles.retain(|role| roles.contains(role));
            user.custom.retain(|role| roles.contains(&role.name));
        }
        user
    }
}

/// What a client is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: String,
    pub description: String,
    pub roles: Option<Vec<String>>,
    pub days: i64,
}

/// A secret or token in the open, for the only time.
pub type Shown = Zeroizing<String>;

fn fresh(random: &Random) -> (Shown, [u8; 32]) {
    let mut bytes = Zeroizing::new([0; 32]);
    random(&mut *bytes);
    let shown = Zeroizing::new(HEXLOWER.encode(&*bytes));
    let digest = digest(&shown);
    (shown, digest)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Creates a client for a user and tells them: the only moment at which its secret is in
/// the open.
pub fn create(
    change: &Change<'_>,
    user: &User,
    wanted: &Wanted,
) -> Result<Noted<(Client, Shown)>, Refused> {
    let made = insert(change, user, wanted)?;
    let client_id = made.0.client_id.clone();
    tracing::info!(by = change.by(), user = user.name, client_id, "created an OAuth client");
    letters::credentials_generated(change, user, "OAuth", &client_id)?;
    Ok(change.noted("client.create", &client_id, made)?)
}

fn insert(change: &Change<'_>, user: &User, wanted: &Wanted) -> Result<(Client, Shown), Refused> {
    if let Some(what) = check(change.transaction, user, wanted)? {
        return Err(Refused::invalid(what));
    }
    let random = change.tenant.random();
    let mut id = [0; 16];
    random(&mut id);
    let client_id = HEXLOWER.encode(&id);
    let (secret, secret_digest) = fresh(random);
    let roles = wanted.roles.as_ref().map(|roles| serde_json::json!(roles).to_string());
    change.transaction.execute(
        "insert into oauth_clients
            (client_id, user, name, description, secret_digest, roles, created_ms, expires_ms)
         values (?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            client_id,
            user.id,
            wanted.name,
            wanted.description,
            secret_digest,
            roles,
            change.now_ms,
            change.now_ms + wanted.days * DAY_MS
        ],
    )?;
    let client = by_id(change.transaction, &client_id)?.ok_or_else(Error::stopped)?;
    Ok((client, secret))
}

/// Another client like this one, for the same user.
pub fn copy(
    change: &Change<'_>,
    client: Client,
    user: &User,
    name: String,
    days: Option<i64>,
) -> Result<Noted<(Client, Shown)>, Refused> {
    let roles = client.roles.map(|roles| {
        // Roles that the account lost since cannot be given again.
        roles.into_iter().filter(|role| user.roles.contains(role)).collect()
    });
    let wanted = Wanted {
        name,
        description: client.description,
        roles,
        days: days.unwrap_or((client.expires_ms - client.created_ms) / DAY_MS),
    };
    create(change, user, &wanted)
}

words!(
    /// How a client stands.
    ClientStatus { Active = "ACTIVE", Expired = "EXPIRED", Revoked = "REVOKED" }
);

impl Client {
    pub fn status(&self, now_ms: i64) -> ClientStatus {
        match self.revoked_ms {
            Some(_) => ClientStatus::Revoked,
            None if now_ms >= self.expires_ms => ClientStatus::Expired,
            None => ClientStatus::Active,
        }
    }
}

impl Wanted {
    /// What is wrong with it by itself.
    fn complaint(&self, user: &User) -> Option<String> {
        if self.name.is_empty() || self.name.chars().count() > 128 {
            return Some("name: must be 1 to 128 characters.".into());
        }
        if self.description.chars().count() > 1024 {
            return Some("description: must be at most 1024 characters.".into());
        }
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Some(format!("expires_in_days: must be 1 to {MAX_DAYS}."));
        }
        let foreign = self.roles.iter().flatten().find(|role| !user.roles.contains(role));
        if let Some(role) = foreign {
            return Some(format!("roles: {role} is not a role of this account."));
        }
        let has_none = self.roles.as_ref().is_some_and(Vec::is_empty);
        has_none.then(|| "roles: at least one role is required.".into())
    }
}

fn check(connection: &Connection, user: &User, wanted: &Wanted) -> Result<Option<String>, Error> {
    if let Some(complaint) = wanted.complaint(user) {
        return Ok(Some(complaint));
    }
    let (taken, live): (bool, i64) = connection.query_row(
        "select coalesce(max(name = ?2), 0), coalesce(sum(revoked_ms is null), 0)
         from oauth_clients where user = ?1",
        params![user.id, wanted.name],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if taken {
        return Ok(Some(format!("name: {} is taken.", wanted.name)));
    }
    Ok((live >= MAX_CLIENTS).then(|| format!("an account has at most {MAX_CLIENTS} clients.")))
}

const SELECT: &str = "select client_id, user, name, description, roles, created_ms, expires_ms,
    revoked_ms, last_used_ms from oauth_clients";

fn read(row: &Row<'_>) -> rusqlite::Result<Client> {
    let roles: Option<String> = row.get(4)?;
    Ok(Client {
        client_id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        // What cannot be read grants nothing.
        roles: roles.map(|text| serde_json::from_str(&text).unwrap_or_default()),
        created_ms: row.get(5)?,
        expires_ms: row.get(6)?,
        revoked_ms: row.get(7)?,
        last_used_ms: row.get(8)?,
    })
}

fn by_id(connection: &Connection, client_id: &str) -> Result<Option<Client>, Error> {
    let sql = format!("{SELECT} where client_id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([client_id], read).optional()?)
}

pub fn find(view: &View<'_>, client_id: &str) -> Result<Option<Client>, Error> {
    by_id(view.connection, client_id)
}

pub fn of_user(view: &View<'_>, user: i64) -> Result<Vec<Client>, Error> {
    let sql = format!("{SELECT} where user = ? order by created_ms, client_id");
    let mut statement = view.connection.prepare_cached(&sql)?;
    Ok(statement.query_map([user], read)?.collect::<Result<_, _>>()?)
}

/// A new secret; the old one and every token of it are refused at once. The owner is
/// told.
pub fn rotate(change: &Change<'_>, client: &Client, user: &User) -> Result<Noted<Shown>, Refused> {
    if client.revoked_ms.is_some() {
        return Err(Refused::Conflict("the client is revoked"));
    }
    let (secret, secret_digest) = fresh(change.tenant.random());
    change.transaction.execute(
        "update oauth_clients set secret_digest = ? where client_id = ?",
        params![secret_digest, client.client_id],
    )?;
    end_tokens(change.transaction, &client.client_id)?;
    letters::credentials_generated(change, user, "OAuth", &client.client_id)?;
    Ok(change.noted("client.rotate", &client.client_id, secret)?)
}

/// Revokes a client and its tokens at once and tells its owner.
pub fn revoke(change: &Change<'_>, client: &Client, user: &User) -> Result<Noted<()>, Error> {
    let revoked = change.transaction.execute(
        "update oauth_clients set revoked_ms = ? where client_id = ? and revoked_ms is null",
        params![change.now_ms, client.client_id],
    )?;
    end_tokens(change.transaction, &client.client_id)?;
    if revoked > 0 {
        tracing::info!(by = change.by(), client_id = client.client_id, "revoked an OAuth client");
        letters::credentials_revoked(change, user, "OAuth", &client.client_id)?;
    }
    change.noted("client.revoke", &client.client_id, ())
}

fn end_tokens(transaction: &Transaction<'_>, client_id: &str) -> Result<(), Error> {
    transaction.execute("delete from oauth_tokens where client = ?", [client_id])?;
    Ok(())
}

/// A token for id and secret; not a change that the log holds. None when they are not those of a live client of
/// an active account.
pub fn token(
    tenant: &Tenant,
    client_id: &str,
    secret: &str,
) -> Result<Option<(Shown, User)>, Error> {
    let now_ms = tenant.now();
    let random = tenant.random();
    tenant.database().write(|transaction| issue(transaction, client_id, secret, now_ms, random))
}

fn issue(
    transaction: &Transaction<'_>,
    client_id: &str,
    secret: &str,
    now_ms: i64,
    random: &Random,
) -> Result<Option<(Shown, User)>, Error> {
    let held: Option<[u8; 32]> = transaction
        .query_row(
            "select secret_digest from oauth_clients where client_id = ?",
            [client_id],
            |row| row.get(0),
        )
        .optional()?;
    // The same comparison for an unknown client.
    let is_right = held.unwrap_or_default().ct_eq(&digest(secret));
    if held.is_none() || !bool::from(is_right) {
        return Ok(None);
    }
    let Some(client) = by_id(transaction, client_id)?.filter(|client| client.is_live(now_ms))
    else {
        return Ok(None);
    };
    let user = users::user_by(transaction, "id", &client.user.to_string())?;
    let Some(user) = user.filter(|user| user.active) else { return Ok(None) };
    transaction.execute("delete from oauth_tokens where expires_ms <= ?", [now_ms])?;
    transaction.execute(
        "delete from oauth_tokens where digest in (select digest from oauth_tokens
         where client = ? order by expires_ms desc limit -1 offset ?)",
        params![client_id, MAX_TOKENS - 1],
    )?;
    let (token, token_digest) = fresh(random);
    transaction.execute(
        "insert into oauth_tokens (digest, client, expires_ms) values (?, ?, ?)",
        params![token_digest, client_id, now_ms + TOKEN_SECONDS * 1000],
    )?;
    transaction.execute(
        "update oauth_clients set last_used_ms = ? where client_id = ?",
        params![now_ms, client_id],
    )?;
    Ok(Some((token, user)))
}

/// Why a bearer token does not let anybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerFault {
    Unknown,
    Expired,
    ClientDead,
}

/// Whom a token lets in, with the roles of its client.
pub fn bearer(view: &View<'_>, token: &str) -> Result<Result<User, BearerFault>, Error> {
    let (connection, now_ms) = (view.connection, view.now_ms);
    let found: Option<(String, i64)> = connection
        .prepare_cached("select client, expires_ms from oauth_tokens where digest = ?")?
        .query_row([digest(token)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((client_id, expires_ms)) = found else { return Ok(Err(BearerFault::Unknown)) };
    if now_ms >= expires_ms {
        return Ok(Err(BearerFault::Expired));
    }
    let client = by_id(connection, &client_id)?.filter(|client| client.is_live(now_ms));
    let Some(client) = client else { return Ok(Err(BearerFault::ClientDead)) };
    let user = users::user_by(connection, "id", &client.user.to_string())?;
    let Some(user) = user else { return Ok(Err(BearerFault::ClientDead)) };
    Ok(Ok(client.narrowed(user)))
}
