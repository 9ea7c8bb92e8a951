//! Secrets that were given to the API, by what the vault calls them, until an integration
//! signs with them.

use crate::accounts::AccountId;
use crate::audit::{self, Act, Deed};
use crate::credentials::CredentialKind;
use crate::error::Error;
use crate::sql::{self, Connection, Optional, Row, Transaction, named_params, params};
use crate::store::Store;

/// Row id of a kept credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeptId(i64);

/// A credential to keep.
#[derive(Debug, Clone)]
pub struct NewKept {
    /// What the API calls it.
    pub uid: String,
    /// Whose it is.
    pub account: AccountId,
    /// Unique in its account.
    pub name: String,
    /// For people.
    pub fullname: String,
    /// Its name in the vault.
    pub vault_name: String,
    /// Pair or client.
    pub kind: CredentialKind,
    /// API ID or Client ID.
    pub api_id: String,
    /// Version in the vault.
    pub version: u32,
    /// When it expires, as its owner says.
    pub expires_ms: Option<i64>,
}

/// A kept credential.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Row id.
    pub id: KeptId,
    /// What was given.
    pub new: NewKept,
    /// When it was given.
    pub created_ms: i64,
    /// When it last was changed.
    pub updated_ms: i64,
}

impl Store {
    /// Keeps a credential, whose secret the vault has. Fails with [`Error::is_existing`]
    /// where the account has one of this name.
    pub async fn keep_credential(
        &self,
        new: NewKept,
        by: &str,
        now_ms: i64,
    ) -> Result<Kept, Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let added = transaction.query_row(
                    "insert into kept_credentials (uid, account, name, fullname, vault_name, kind,
                        api_id, version, expires_ms, created_ms, updated_ms)
                     values (:uid, :account, :name, :fullname, :vault_name, :kind, :api_id,
                        :version, :expires, :now, :now) on conflict do nothing returning id",
                    named_params! {
                        ":uid": new.uid, ":account": new.account.0, ":name": new.name,
                        ":fullname": new.fullname, ":vault_name": new.vault_name,
                        ":kind": new.kind, ":api_id": new.api_id, ":version": new.version,
                        ":expires": new.expires_ms, ":now": now_ms,
                    },
                    |row| row.get(0),
                );
                let Some(id) = added.optional()?.map(KeptId) else {
                    return Err(Error::exists("credential", &new.name));
                };
                noted(&transaction, &new, Deed::Kept, &by, now_ms)?;
                let kept = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(kept)
            })
            .await
    }

    /// What is kept for an account, by name.
    pub async fn kept_credentials(&self, account: AccountId) -> Result<Vec<Kept>, Error> {
        self.database
            .read(move |connection| {
                let mut statement =
                    connection.prepare(&format!("{SELECT} where account = ? order by name"))?;
                let rows = statement.query_map([account.0], read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The kept credential that the API calls so. Fails with [`Error::is_not_found`].
    pub async fn kept_credential(&self, uid: &str) -> Result<Kept, Error> {
        let uid = uid.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT} where uid = ?"))?
                    .query_and_then([&uid], |row| Ok(read(row)?))?
                    .next()
                    .unwrap_or_else(|| Err(Error::not_found("credential", uid)))
            })
            .await
    }

    /// Changes a kept credential: how it is called, and what the vault has of it.
    pub async fn update_kept(
        &self,
        id: KeptId,
        new: NewKept,
        by: &str,
        now_ms: i64,
    ) -> Result<Kept, Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let is_taken: bool = transaction.query_row(
                    "select exists (select 1 from kept_credentials
                         where account = ? and name = ? and id <> ?)",
                    params![new.account.0, new.name, id.0],
                    |row| row.get(0),
                )?;
                if is_taken {
                    return Err(Error::exists("credential", &new.name));
                }
                transaction.execute(
                    "update kept_credentials set name = ?, fullname = ?, kind = ?, api_id = ?,
                        version = ?, expires_ms = ?, updated_ms = ? where id = ?",
                    params![
                        new.name,
                        new.fullname,
                        new.kind,
                        new.api_id,
                        new.version,
                        new.expires_ms,
                        now_ms,
                        id.0
                    ],
                )?;
                noted(&transaction, &new, Deed::Replaced, &by, now_ms)?;
                let kept = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(kept)
            })
            .await
    }

    /// Forgets a kept credential; its secret is the caller's to destroy.
    pub async fn forget_kept(&self, id: KeptId, by: &str, now_ms: i64) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let kept = by_id(&transaction, id)?;
                noted(&transaction, &kept.new, Deed::Destroyed, &by, now_ms)?;
                release(&transaction, id)?;
                Ok(transaction.commit()?)
            })
            .await
    }
}

/// Takes it out of what is kept, and answers what the API calls it.
pub(crate) fn release(transaction: &Transaction<'_>, id: KeptId) -> Result<String, Error> {
    let uid = by_id(transaction, id)?.new.uid;
    transaction.execute("delete from kept_credentials where id = ?", [id.0])?;
    Ok(uid)
}

fn noted(
    transaction: &Transaction<'_>,
    new: &NewKept,
    deed: Deed,
    by: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let act = Act::new(&new.name, deed)
        .with("credential", new.uid.as_str())
        .with("api_id", new.api_id.as_str())
        .with("by", by);
    audit::append(transaction, &act, now_ms)
}

const SELECT: &str = "select id, uid, account, name, fullname, vault_name, kind, api_id, version,
    expires_ms, created_ms, updated_ms from kept_credentials";

fn by_id(connection: &Connection, id: KeptId) -> Result<Kept, Error> {
    connection
        .prepare(&format!("{SELECT} where id = ?"))?
        .query_and_then([id.0], |row| Ok(read(row)?))?
        .next()
        .unwrap_or_else(|| Err(Error::not_found("credential", id.0.to_string())))
}

fn read(row: Row<'_>) -> sql::Result<Kept> {
    Ok(Kept {
        id: KeptId(row.get(0)?),
        new: NewKept {
            uid: row.get(1)?,
            account: AccountId(row.get(2)?),
            name: row.get(3)?,
            fullname: row.get(4)?,
            vault_name: row.get(5)?,
            kind: row.get(6)?,
            api_id: row.get(7)?,
            version: row.get(8)?,
            expires_ms: row.get(9)?,
        },
        created_ms: row.get(10)?,
        updated_ms: row.get(11)?,
    })
}
