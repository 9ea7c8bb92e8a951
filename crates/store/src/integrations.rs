//! Integrations, each with the credential that it signs with.

use crate::accounts::AccountId;
use crate::audit::{self, Act, Deed};
use crate::credentials::{self, CredentialId, CredentialKind, NewCredential};
use crate::error::Error;
use crate::kept::{self, KeptId};
use crate::seal;
use crate::sql::{self, Connection, Optional, Row, Transaction, named_params, params};
use crate::store::{IntegrationId, Store};
use crate::tokens::{self, NewToken};
use crate::words::words;

words! {
    /// Where the findings of an integration come from.
    IntegrationKind {
        /// Its service, which is asked.
        Veracode = "veracode",
        /// Other programs, which bring them in.
        Imported = "imported",
    }
}

words! {
    /// From what the API answers.
    Mode {
        /// From what is stored.
        Stored = "stored",
        /// From the service, which is asked first.
        Live = "live",
    }
}

/// How the API knows an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the API calls it.
    pub uid: String,
    /// Whose it is.
    pub account: AccountId,
    /// Unique in its account.
    pub slug: String,
    /// For people.
    pub fullname: Option<String>,
    /// From what the API answers.
    pub mode: Mode,
}

/// An integration as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedIntegration {
    /// Row id.
    pub id: IntegrationId,
    /// Name, unique among all integrations.
    pub name: String,
    /// How the API knows it.
    pub known: Known,
    /// What the API calls its account.
    pub account_uid: String,
    /// Where its findings come from.
    pub kind: IntegrationKind,
    /// When it was added.
    pub created_ms: i64,
    /// When it last was changed.
    pub updated_ms: i64,
    /// What it signs with.
    pub credential: Option<OwnedCredential>,
    /// The token that was made with it, or the oldest one.
    pub access_uid: Option<String>,
}

/// What an integration signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedCredential {
    /// What the API calls it.
    pub uid: String,
    /// Veracode URL.
    pub url: String,
    /// Pair or client.
    pub kind: CredentialKind,
    /// API ID or Client ID.
    pub api_id: String,
    /// When it was added.
    pub added_ms: i64,
    /// Since when this one signs.
    pub published_ms: i64,
    /// When it expires, as the service says.
    pub expires_ms: Option<i64>,
    /// Its name in the vault.
    pub vault_name: String,
}

/// What is added together with an integration of the API.
#[derive(Debug, Clone)]
pub struct Added {
    /// How the API knows it.
    pub known: Known,
    /// The token by which it is asked.
    pub token: Option<NewToken>,
    /// The kept credential that becomes its own.
    pub kept: Option<KeptId>,
    /// The name of the token that asked for it.
    pub by: String,
}

/// An integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Row id.
    pub id: IntegrationId,
    /// Name.
    pub name: String,
    /// What it signs with.
    pub credential: CredentialId,
    /// Veracode URL.
    pub url: String,
    /// Client ID.
    pub api_id: String,
    /// A further certificate authority to trust.
    pub ca_pem: Option<String>,
    /// Whether `url` may be http on a loopback address.
    pub allow_http_loopback: bool,
    /// When it was added.
    pub created_ms: i64,
    /// The account behind the pair, at the last check.
    pub account: Option<String>,
    /// When the pair expires, at the last check.
    pub expires_ms: Option<i64>,
    /// The last check.
    pub checked_ms: Option<i64>,
}

impl Store {
    /// Adds an integration together with the credential that it signs with, which
    /// gives it its name. Without `added` it belongs to [`AccountId::OWN`].
    pub async fn add_integration(
        &self,
        new: NewCredential,
        added: Option<Added>,
    ) -> Result<IntegrationId, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let kind = IntegrationKind::Veracode;
                let id = insert(&transaction, &new.name, kind, added.as_ref(), new.added_ms)?;
                let uid = match added.as_ref().and_then(|added| added.kept) {
                    Some(kept) => Some(kept::release(&transaction, kept)?),
                    None => None,
                };
                let credential = credentials::insert(&transaction, &new)?;
                if let Some(uid) = uid {
                    let set = "update credentials set uid = ? where id = ?";
                    transaction.execute(set, params![uid, credential.0])?;
                }
                transaction.execute(
                    "update integrations set credential = ? where id = ?",
                    params![credential.0, id.0],
                )?;
                transaction.commit()?;
                Ok(id)
            })
            .await
    }

    /// Adds an integration whose findings other programs bring in.
    pub async fn add_imported_integration(
        &self,
        name: &str,
        added: Option<Added>,
        now_ms: i64,
    ) -> Result<IntegrationId, Error> {
        let name = name.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let kind = IntegrationKind::Imported;
                let id = insert(&transaction, &name, kind, added.as_ref(), now_ms)?;
                transaction.commit()?;
                Ok(id)
            })
            .await
    }

    /// All integrations, or those of one account, whatever their kind, by name.
    pub async fn owned_integrations(
        &self,
        account: Option<AccountId>,
    ) -> Result<Vec<OwnedIntegration>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "{SELECT_OWNED} where cast(?1 as bigint) is null or i.account = ?1 order by i.slug, i.id"
                ))?;
                let rows = statement
                    .query_and_then([account.map(|id| id.0)], |row| read_owned(connection, row))?;
                rows.collect()
            })
            .await
    }

    /// The integration that the API calls so. Fails with [`Error::is_not_found`].
    pub async fn owned_integration(&self, uid: &str) -> Result<OwnedIntegration, Error> {
        let uid = uid.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT_OWNED} where i.uid = ?"))?
                    .query_and_then([&uid], |row| read_owned(connection, row))?
                    .next()
                    .unwrap_or_else(|| Err(Error::not_found("integration", uid)))
            })
            .await
    }

    /// Changes how the API knows an integration. Fails with [`Error::is_existing`] where
    /// another of the account has the slug.
    pub async fn update_known(
        &self,
        id: IntegrationId,
        known: Known,
        by: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let is_taken: bool = transaction.query_row(
                    "select exists (select 1 from integrations
                         where account = ? and slug = ? and id <> ?)",
                    params![known.account.0, known.slug, id.0],
                    |row| row.get(0),
                )?;
                if is_taken {
                    return Err(Error::exists("integration", &known.slug));
                }
                transaction.execute(
                    "update integrations set slug = ?, fullname = ?, mode = ?, updated_ms = ?
                     where id = ?",
                    params![known.slug, known.fullname, known.mode, now_ms, id.0],
                )?;
                let act = Act::new(&known.slug, Deed::IntegrationChanged)
                    .with("integration", known.uid)
                    .with("mode", known.mode.as_str())
                    .with("by", by);
                audit::append(&transaction, &act, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// All integrations, by name.
    pub async fn integrations(&self) -> Result<Vec<Integration>, Error> {
        self.database
            .read(|connection| {
                let mut statement =
                    connection.prepare(&format!("{SELECT_INTEGRATION} order by i.name"))?;
                let rows = statement.query_map([], read_integration)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The integration of this name. Fails with [`Error::is_not_found`].
    pub async fn integration(&self, name: &str) -> Result<Integration, Error> {
        let name = name.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT_INTEGRATION} where i.name = ?"))?
                    .query_row([&name], read_integration)
                    .optional()?
                    .ok_or_else(|| Error::not_found("integration", name))
            })
            .await
    }

    /// Gives an integration another name, and its own credential with it. Fails with
    /// [`Error::is_existing`] when something is called that already.
    pub async fn rename_integration(
        &self,
        id: IntegrationId,
        to: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let to = to.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                for (what, table) in
                    [("integration", "integrations"), ("credential", "credentials")]
                {
                    let find = format!("select 1 from {table} where name = ?");
                    let found = transaction.query_row(&find, [&to], |_| Ok(())).optional()?;
                    if found.is_some() {
                        return Err(Error::exists(what, &to));
                    }
                }
                let find = "select name from integrations where id = ?";
                let from: String = transaction.query_row(find, [id.0], |row| row.get(0))?;
                // The name is in their seals. What was damaged before stays so.
                let sound = sound_applications(&transaction, id)?;
                transaction.execute(
                    "update integrations set name = ?1, slug = ?1, updated_ms = ?3 where id = ?2",
                    params![to, id.0, now_ms],
                )?;
                // One without a credential may have the name of a credential of others.
                let renamed = transaction.execute(
                    "update credentials set name = ?1 where name = ?2 and exists
                        (select 1 from integrations where id = ?3 and credential is not null)",
                    params![to, from, id.0],
                )?;
                if renamed > 0 {
                    let act = Act::new(&to, Deed::Renamed).with("old_name", from);
                    audit::append(&transaction, &act, now_ms)?;
                }
                for application in sound {
                    seal::application(&transaction, application)?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Removes an integration, everything stored for it, and its own credential. The audit
    /// log says so where a token of the API asked for it, by its name, at this time.
    pub async fn remove_integration(
        &self,
        id: IntegrationId,
        by: Option<(&str, i64)>,
    ) -> Result<(), Error> {
        let by = by.map(|(name, now_ms)| (name.to_owned(), now_ms));
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                if let Some((by, now_ms)) = by {
                    let find = "select slug, uid from integrations where id = ?";
                    let (slug, uid): (String, String) =
                        transaction
                            .query_row(find, [id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    let act = Act::new(&slug, Deed::IntegrationRemoved).with("integration", uid);
                    audit::append(&transaction, &act.with("by", by), now_ms)?;
                }
                let own: Option<i64> = transaction
                    .query_row(
                        "select c.id from credentials c join integrations i on i.name = c.name
                         where i.id = ? and i.credential is not null",
                        [id.0],
                        |row| row.get(0),
                    )
                    .optional()?;
                transaction.execute("delete from integrations where id = ?", [id.0])?;
                if let Some(own) = own {
                    credentials::forget(&transaction, CredentialId(own))?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }
}

/// The applications of an integration that are as they were written.
fn sound_applications(connection: &Connection, id: IntegrationId) -> Result<Vec<i64>, Error> {
    let mut select = connection.prepare("select id from applications where integration = ?")?;
    let ids = select.query_map([id.0], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut sound = Vec::with_capacity(ids.len());
    for id in ids {
        if seal::is_sound(connection, id)? {
            sound.push(id);
        }
    }
    Ok(sound)
}

/// A row of an integration, with its token.
fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    kind: IntegrationKind,
    added: Option<&Added>,
    now_ms: i64,
) -> Result<IntegrationId, Error> {
    let known = added.map(|added| &added.known);
    let inserted = transaction.query_row(
        "insert into integrations
            (name, created_ms, updated_ms, kind, uid, account, slug, fullname, mode)
         values (:name, :now, :now, :kind, :uid, :account, :slug, :fullname, :mode)
         on conflict do nothing returning id",
        named_params! {
            ":name": name, ":now": now_ms, ":kind": kind,
            ":uid": known.map(|known| &known.uid),
            ":account": known.map_or(AccountId::OWN, |known| known.account).0,
            ":slug": known.map_or(name, |known| &known.slug),
            ":fullname": known.and_then(|known| known.fullname.as_ref()),
            ":mode": known.map_or(Mode::Stored, |known| known.mode),
        },
        |row| row.get(0),
    );
    let Some(id) = inserted.optional()?.map(IntegrationId) else {
        return Err(Error::exists("integration", known.map_or(name, |known| &known.slug)));
    };
    let uid = format!("00000000-0000-4000-8001-{:012x}", id.0);
    transaction.execute(
        "update integrations set uid = ? where id = ? and uid is null",
        params![uid, id.0],
    )?;
    // The account of whoever runs this program begins with its first integration.
    transaction.execute(
        "update accounts set created_ms = ?1, updated_ms = ?1 where id = ?2 and created_ms = 0",
        [now_ms, AccountId::OWN.0],
    )?;
    let Some(added) = added else { return Ok(id) };
    let act = Act::new(&added.known.slug, Deed::IntegrationAdded)
        .with("integration", added.known.uid.as_str())
        .with("kind", kind.as_str())
        .with("by", added.by.as_str());
    audit::append(transaction, &act, now_ms)?;
    if let Some(token) = &added.token {
        let mut token = token.clone();
        token.scope.integration = Some(id);
        tokens::insert(transaction, &token, &added.by, now_ms)?;
    }
    Ok(id)
}

const SELECT_OWNED: &str = "select i.id, i.name, i.uid, i.account, i.slug, i.fullname, i.mode,
    a.uid, i.kind, i.created_ms, coalesce(i.updated_ms, i.created_ms), c.uid, c.url, c.kind,
    c.api_id, c.added_ms, c.published_ms, c.expires_ms, c.vault_name
    from integrations i join accounts a on a.id = i.account
    left join credentials c on c.id = i.credential";

fn read_owned(connection: &Connection, row: Row<'_>) -> Result<OwnedIntegration, Error> {
    let id = IntegrationId(row.get(0)?);
    let credential = match row.get::<Option<String>>(11)? {
        None => None,
        Some(uid) => Some(OwnedCredential {
            uid,
            url: row.get(12)?,
            kind: row.get(13)?,
            api_id: row.get(14)?,
            added_ms: row.get(15)?,
            published_ms: row.get(16)?,
            expires_ms: row.get(17)?,
            vault_name: row.get(18)?,
        }),
    };
    Ok(OwnedIntegration {
        id,
        name: row.get(1)?,
        known: Known {
            uid: row.get(2)?,
            account: AccountId(row.get(3)?),
            slug: row.get(4)?,
            fullname: row.get(5)?,
            mode: row.get(6)?,
        },
        account_uid: row.get(7)?,
        kind: row.get(8)?,
        created_ms: row.get(9)?,
        updated_ms: row.get(10)?,
        credential,
        access_uid: tokens::first_of(connection, id)?,
    })
}

const SELECT_INTEGRATION: &str = "select i.id, i.name, c.url, c.api_id, c.ca_pem,
    c.allow_http_loopback, i.created_ms, c.account, c.expires_ms, c.checked_ms, c.id
    from integrations i join credentials c on c.id = i.credential";

fn read_integration(row: Row<'_>) -> sql::Result<Integration> {
    Ok(Integration {
        id: IntegrationId(row.get(0)?),
        name: row.get(1)?,
        url: row.get(2)?,
        api_id: row.get(3)?,
        ca_pem: row.get(4)?,
        allow_http_loopback: row.get(5)?,
        created_ms: row.get(6)?,
        account: row.get(7)?,
        expires_ms: row.get(8)?,
        checked_ms: row.get(9)?,
        credential: CredentialId(row.get(10)?),
    })
}
