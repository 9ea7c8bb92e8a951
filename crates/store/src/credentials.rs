//! Whose credentials we hold, what is known of each, and which one signs. Never a
//! secret: those are in the vault.

use serde::Serialize;

use crate::audit::{self, Act, Deed};
use crate::error::Error;
use crate::kept::{self, KeptId};
use crate::sql::{
    self, Connection, FromSql, FromSqlError, FromSqlResult, Optional, Row, ToSql, ToSqlError,
    ToSqlOutput, Transaction, ValueRef, named_params, params,
};
use crate::store::{IntegrationId, Store};

/// Row id of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(pub(crate) i64);

impl CredentialId {
    /// A number that is the credential's alone, for names of files.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// The two kinds of credentials that the service issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    /// An API ID and a Secret Key, which sign.
    Hmac,
    /// A Client ID and a Client Secret, which are exchanged for a token.
    OAuth,
}

impl CredentialKind {
    /// As rows and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::OAuth => "oauth",
        }
    }
}

impl ToSql for CredentialKind {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, ToSqlError> {
        Ok(self.as_str().into())
    }
}

impl FromSql for CredentialKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        let known = [Self::Hmac, Self::OAuth].into_iter().find(|kind| kind.as_str() == text);
        known.ok_or(FromSqlError::InvalidType)
    }
}

/// A credential to keep.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Name, unique.
    pub name: String,
    /// Its name in the vault.
    pub vault_name: String,
    /// Which of the two.
    pub kind: CredentialKind,
    /// Veracode URL.
    pub url: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
    /// API ID or Client ID.
    pub api_id: String,
    /// Version in the vault.
    pub version: u32,
    /// Now.
    pub added_ms: i64,
}

/// A credential, as far as it is known without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Row id.
    pub id: CredentialId,
    /// Name.
    pub name: String,
    /// Its name in the vault.
    pub vault_name: String,
    /// Which of the two.
    pub kind: CredentialKind,
    /// Veracode URL.
    pub url: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
    /// When it was added.
    pub added_ms: i64,
    /// The API ID or Client ID that signs now.
    pub api_id: String,
    /// Its version in the vault; none for the newest one.
    pub version: Option<u32>,
    /// Since when that one signs.
    pub published_ms: i64,
    /// The account behind it.
    pub account: Option<String>,
    /// The account's `user_id`.
    pub user_id: Option<String>,
    /// The account's roles, machine names.
    pub roles: Vec<String>,
    /// The account's teams, by `team_id`.
    pub teams: Vec<String>,
    /// When it expires, as the service says.
    pub expires_ms: Option<i64>,
    /// When the service was last asked.
    pub checked_ms: Option<i64>,
    /// What was wrong then.
    pub problem: Option<String>,
    /// When it was last used from here.
    pub used_ms: Option<i64>,
    /// By what.
    pub used_by: Option<String>,
}

/// Where a credential is sent.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Veracode URL.
    pub url: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
}

/// What the service says of the account and its credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Account name.
    pub account: Option<String>,
    /// `user_id`.
    pub user_id: Option<String>,
    /// Roles, machine names.
    pub roles: Vec<String>,
    /// Teams, by `team_id`.
    pub teams: Vec<String>,
    /// Expiry.
    pub expires_ms: Option<i64>,
    /// What is wrong, if anything is.
    pub problem: Option<String>,
}

impl Store {
    /// Keeps a credential that no integration uses, such as an administrator's.
    pub async fn add_credential(&self, new: NewCredential) -> Result<CredentialId, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let id = insert(&transaction, &new)?;
                transaction.commit()?;
                Ok(id)
            })
            .await
    }

    /// All credentials, by name.
    pub async fn credentials(&self) -> Result<Vec<Credential>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(&format!("{SELECT} order by name"))?;
                let rows = statement.query_map([], read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The credential of this name. Fails with [`Error::is_not_found`].
    pub async fn credential(&self, name: &str) -> Result<Credential, Error> {
        let name = name.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT} where name = ?"))?
                    .query_row([&name], read)
                    .optional()?
                    .ok_or_else(|| Error::not_found("credential", name))
            })
            .await
    }

    /// The credential of this id.
    pub async fn credential_by(&self, id: CredentialId) -> Result<Credential, Error> {
        self.database.read(move |connection| by_id(connection, id)).await
    }

    /// The credential that an integration signs with now.
    pub async fn credential_of(&self, id: IntegrationId) -> Result<Credential, Error> {
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!(
                        "{SELECT} where id = (select credential from integrations where id = ?)"
                    ))?
                    .query_row([id.0], read)
                    .optional()?
                    .ok_or_else(|| Error::not_found("credential of integration", id.0.to_string()))
            })
            .await
    }

    /// Lets a credential be another one from now on: somebody gave it by hand, or it was
    /// kept for the API, which then knows it by the name of that one.
    pub async fn replace_credential(
        &self,
        id: CredentialId,
        api_id: &str,
        version: u32,
        kept: Option<KeptId>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let api_id = api_id.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let held = by_id(&transaction, id)?;
                transaction.execute(
                    "update credentials set api_id = ?, version = ?, published_ms = ?,
                        problem = null where id = ?",
                    params![api_id, version, now_ms, id.0],
                )?;
                if let Some(kept) = kept {
                    let uid = kept::release(&transaction, kept)?;
                    let set = "update credentials set uid = ? where id = ?";
                    transaction.execute(set, params![uid, id.0])?;
                }
                let act = Act::new(&held.name, Deed::Replaced).with("api_id", api_id.as_str());
                let act = act.with("version", version).with("old_api_id", held.api_id);
                audit::append(&transaction, &act, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Where a credential is sent from now on.
    pub async fn move_credential(
        &self,
        id: CredentialId,
        to: Destination,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let held = by_id(&transaction, id)?;
                transaction.execute(
                    "update credentials set url = ?, ca_pem = ?, allow_http_loopback = ?,
                        problem = null where id = ?",
                    params![to.url, to.ca_pem, to.allow_http_loopback, id.0],
                )?;
                let act = Act::new(&held.name, Deed::Moved).with("url", to.url.as_str());
                audit::append(&transaction, &act.with("old_url", held.url), now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Notes what the service said.
    pub async fn observe_credential(
        &self,
        id: CredentialId,
        observed: Observed,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update credentials set
                        account = coalesce(:account, account), user_id = coalesce(:user_id, user_id),
                        roles = case when :is_well then :roles else roles end,
                        teams = case when :is_well then :teams else teams end,
                        expires_ms = coalesce(:expires_ms, expires_ms), problem = :problem,
                        checked_ms = :now_ms where id = :id",
                    named_params! {
                        ":account": observed.account, ":user_id": observed.user_id,
                        ":is_well": observed.problem.is_none(),
                        ":roles": as_json(&observed.roles), ":teams": as_json(&observed.teams),
                        ":expires_ms": observed.expires_ms, ":problem": observed.problem,
                        ":now_ms": now_ms, ":id": id.0,
                    },
                )?;
                Ok(())
            })
            .await
    }

    /// Notes that something here signed with it.
    pub async fn note_use(&self, id: CredentialId, by: &str, now_ms: i64) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                connection.execute(
                    "update credentials set used_ms = ?, used_by = ? where id = ?",
                    params![now_ms, by, id.0],
                )?;
                Ok(())
            })
            .await
    }

    /// Forgets a credential that no integration uses, and its rotations; the audit log
    /// keeps what was done.
    pub async fn remove_credential(&self, id: CredentialId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let users: i64 = transaction.query_row(
                    "select (select count(*) from integrations where credential = ?1)
                          + (select count(*) from rotations where minter = ?1 and credential <> ?1
                             and is_over = 0)",
                    [id.0],
                    |row| row.get(0),
                )?;
                if users > 0 {
                    return Err(Error::in_use(by_id(&transaction, id)?.name));
                }
                forget(&transaction, id)?;
                Ok(transaction.commit()?)
            })
            .await
    }
}

pub(crate) fn forget(transaction: &Transaction<'_>, id: CredentialId) -> Result<(), Error> {
    transaction.execute("delete from rotations where credential = ?1 or minter = ?1", [id.0])?;
    transaction.execute("delete from credentials where id = ?", [id.0])?;
    Ok(())
}

pub(crate) fn insert(
    transaction: &Transaction<'_>,
    new: &NewCredential,
) -> Result<CredentialId, Error> {
    let inserted = transaction.query_row(
        "insert into credentials
            (name, vault_name, kind, url, ca_pem, allow_http_loopback, added_ms, api_id, version,
             published_ms)
         values (:name, :vault_name, :kind, :url, :ca_pem, :loopback, :now, :api_id, :version, :now)
         on conflict do nothing returning id",
        named_params! {
            ":name": new.name, ":vault_name": new.vault_name, ":kind": new.kind, ":url": new.url,
            ":ca_pem": new.ca_pem, ":loopback": new.allow_http_loopback, ":now": new.added_ms,
            ":api_id": new.api_id, ":version": new.version,
        },
        |row| row.get(0),
    );
    let Some(id) = inserted.optional()?.map(CredentialId) else {
        return Err(Error::exists("credential", &new.name));
    };
    let uid = format!("00000000-0000-4000-8002-{:012x}", id.0);
    transaction.execute("update credentials set uid = ? where id = ?", params![uid, id.0])?;
    let act = Act::new(&new.name, Deed::Kept)
        .with("api_id", new.api_id.as_str())
        .with("version", new.version);
    audit::append(transaction, &act, new.added_ms)?;
    Ok(id)
}

pub(crate) fn by_id(connection: &Connection, id: CredentialId) -> Result<Credential, Error> {
    connection
        .prepare(&format!("{SELECT} where id = ?"))?
        .query_row([id.0], read)
        .optional()?
        .ok_or_else(|| Error::not_found("credential", id.0.to_string()))
}

fn as_json(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}

const SELECT: &str =
    "select id, name, vault_name, kind, url, ca_pem, allow_http_loopback, added_ms,
    api_id, version, published_ms, account, user_id, roles, teams, expires_ms, checked_ms, problem,
    used_ms, used_by from credentials";

fn read(row: Row<'_>) -> sql::Result<Credential> {
    let texts = |at: usize| -> sql::Result<Vec<String>> {
        Ok(serde_json::from_str(&row.get::<String>(at)?).unwrap_or_default())
    };
    Ok(Credential {
        id: CredentialId(row.get(0)?),
        name: row.get(1)?,
        vault_name: row.get(2)?,
        kind: row.get(3)?,
        url: row.get(4)?,
        ca_pem: row.get(5)?,
        allow_http_loopback: row.get(6)?,
        added_ms: row.get(7)?,
        api_id: row.get(8)?,
        version: row.get(9)?,
        published_ms: row.get(10)?,
        account: row.get(11)?,
        user_id: row.get(12)?,
        roles: texts(13)?,
        teams: texts(14)?,
        expires_ms: row.get(15)?,
        checked_ms: row.get(16)?,
        problem: row.get(17)?,
        used_ms: row.get(18)?,
        used_by: row.get(19)?,
    })
}
