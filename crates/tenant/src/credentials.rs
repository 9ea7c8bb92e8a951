//! API credentials: the rules of their lifecycle.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use countersign_signing::{ApiSecret, SigningKey};
use countersign_vault::{MasterKey, seal, unseal};
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::act::{Change, Noted, View};
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::user::User;
use crate::users::user_by;
use crate::{Error, letters};

pub use crate::signatory::{Credential, Signatory};

/// A minted pair: the only moment at which its secret is in the open.
pub struct Minted {
    pub credential: Credential,
    pub secret: ApiSecret,
}

impl Tenant {
    /// Who signs with this id. Remembered until anything is written to the database: by
    /// this process at once, by another within the time in which the platform looks for
    /// such writes.
    pub fn signatory(&self, api_id: &str) -> Result<Option<Arc<Signatory>>, Error> {
        self.remembered(api_id, |connection| signatory(connection, self.master(), api_id))
    }

    /// Writes the noted uses.
    pub fn write_used(&self) -> Result<(), Error> {
        let used = self.take_used();
        if used.is_empty() {
            return Ok(());
        }
        self.database().write(|transaction| write_used(transaction, used))
    }

    /// Ends all use of it: what is pending is written, and the database is one file again
    /// unless another process has it open.
    pub fn close(&self) -> Result<(), Error> {
        let written = self.write_used();
        self.database().close();
        written
    }
}

/// Who signs with this id.
fn signatory(
    connection: &Connection,
    master: &MasterKey,
    api_id: &str,
) -> Result<Option<Signatory>, Error> {
    let found: Option<(Vec<u8>, Credential)> = connection
        .prepare_cached(&format!("{SELECT_CREDENTIAL} where api_id = ?"))?
        .query_row([api_id], |row| Ok((row.get(5)?, read_credential(row)?)))
        .optional()?;
    let Some((sealed, credential)) = found else { return Ok(None) };
    let secret = unseal(master, api_id.as_bytes(), &sealed).map_err(Error::sealed)?;
    let user = user_by(connection, "id", &credential.user.to_string())?;
    let Some(user) = user else { return Ok(None) };
    let key = SigningKey::new(&ApiSecret::from_bytes(secret.to_vec()));
    Ok(Some(Signatory { key, credential, user: Arc::new(user), own_body: OnceLock::new() }))
}

fn write_used(transaction: &Transaction<'_>, used: HashMap<String, i64>) -> Result<(), Error> {
    let sql = "update credentials set last_used_ms = ? where api_id = ?";
    let mut statement = transaction.prepare_cached(sql)?;
    for (api_id, at_ms) in used {
        statement.execute(params![at_ms, api_id])?;
    }
    Ok(())
}

impl View<'_> {
    /// How long the credentials before new ones keep working.
    pub fn overlap_ms(&self) -> Result<i64, Error> {
        let settings = Settings::read(self.connection)?;
        Ok(settings.overlap_ms().unwrap_or(self.tenant.started_overlap_ms()))
    }
}

/// Generates credentials for a user and tells them. The ones before keep working for
/// the overlap.
pub fn generate(change: &Change<'_>, user: &User) -> Result<Noted<Minted>, Error> {
    let minted = mint(change, user.id)?;
    let api_id = minted.credential.api_id.clone();
    tracing::info!(by = change.by(), user = user.name, api_id, "generated API credentials");
    letters::credentials_generated(change, user, "HMAC", &api_id)?;
    change.noted("credentials.generate", &api_id, minted)
}

fn mint(change: &Change<'_>, user: i64) -> Result<Minted, Error> {
    let (tenant, now_ms) = (change.tenant, change.now_ms);
    let mut id = [0; 16];
    let mut key = vec![0; 64];
    (tenant.random())(&mut id);
    (tenant.random())(&mut key);
    let secret = ApiSecret::from_bytes(key);
    let api_id = HEXLOWER.encode(&id);
    let sealed = seal(tenant.master(), api_id.as_bytes(), secret.expose(), &**tenant.random());
    let until_ms = now_ms + change.overlap_ms()?;
    change.transaction.execute(
        "update credentials set revoked_ms = ? where user = ?
         and (revoked_ms is null or revoked_ms > ?)",
        params![until_ms, user, until_ms],
    )?;
    let expires_ms = now_ms + Settings::read(change.transaction)?.pair_life_ms();
    change.transaction.execute(
        "insert into credentials (api_id, user, sealed, created_ms, expires_ms)
         values (?, ?, ?, ?, ?)",
        params![api_id, user, sealed, now_ms, expires_ms],
    )?;
    let credential = Credential { api_id, user, expires_ms, revoked_ms: None, revoked_by: None };
    Ok(Minted { credential, secret })
}

/// Revokes credentials of a user at once and tells them. What is revoked already stays
/// as it was.
pub fn revoke(change: &Change<'_>, user: &User, api_id: &str) -> Result<Noted<()>, Error> {
    let revoked = change.transaction.execute(
        "update credentials set revoked_ms = ?, revoked_by = ?
         where api_id = ? and user = ? and (revoked_ms is null or revoked_ms > ?)",
        params![change.now_ms, change.by(), api_id, user.id, change.now_ms],
    )?;
    if revoked > 0 {
        tracing::info!(by = change.by(), api_id, "revoked API credentials");
        letters::credentials_revoked(change, user, "HMAC", api_id)?;
    }
    change.noted("credentials.revoke", api_id, ())
}

/// A pair as its owner sees it.
pub struct Listed {
    pub credential: Credential,
    pub created_ms: i64,
    pub last_used_ms: Option<i64>,
}

/// All credentials of a user, the newest first.
pub fn of_user(view: &View<'_>, user: i64) -> Result<Vec<Listed>, Error> {
    let mut statement = view.connection.prepare_cached(
        "select api_id, user, expires_ms, revoked_ms, revoked_by, created_ms, last_used_ms
         from credentials where user = ? order by created_ms desc, rowid desc",
    )?;
    let rows = statement.query_map([user], |row| {
        let credential = read_credential(row)?;
        Ok(Listed { credential, created_ms: row.get(5)?, last_used_ms: row.get(6)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const SELECT_CREDENTIAL: &str =
    "select api_id, user, expires_ms, revoked_ms, revoked_by, sealed from credentials";

fn read_credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        api_id: row.get(0)?,
        user: row.get(1)?,
        expires_ms: row.get(2)?,
        revoked_ms: row.get(3)?,
        revoked_by: row.get(4)?,
    })
}

/// Credentials by their API ID.
pub fn find(view: &View<'_>, api_id: &str) -> Result<Option<Credential>, Error> {
    Ok(view
        .connection
        .prepare_cached(&format!("{SELECT_CREDENTIAL} where api_id = ?"))?
        .query_row([api_id.to_ascii_lowercase()], read_credential)
        .optional()?)
}

/// The newest credentials of a user.
pub fn newest(view: &View<'_>, user: i64) -> Result<Option<Credential>, Error> {
    Ok(view
        .connection
        .prepare_cached(&format!(
            "{SELECT_CREDENTIAL} where user = ? order by created_ms desc, rowid desc limit 1"
        ))?
        .query_row([user], read_credential)
        .optional()?)
}
