//! Integrations, each with the credential that it signs with.

use rusqlite::{OptionalExtension, Row, params};

use crate::audit::{self, Act, Deed};
use crate::credentials::{self, CredentialId, NewCredential};
use crate::error::Error;
use crate::store::{IntegrationId, Store};

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
    /// gives it its name.
    pub async fn add_integration(&self, new: NewCredential) -> Result<IntegrationId, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let inserted = transaction.execute(
                    "insert into integrations (name, created_ms) values (?, ?)
                     on conflict (name) do nothing",
                    params![new.name, new.added_ms],
                )?;
                if inserted == 0 {
                    return Err(Error::exists("integration", &new.name));
                }
                let id = IntegrationId(transaction.last_insert_rowid());
                let credential = credentials::insert(&transaction, &new)?;
                transaction.execute(
                    "update integrations set credential = ? where id = ?",
                    params![credential.0, id.0],
                )?;
                transaction.commit()?;
                Ok(id)
            })
            .await
    }

    /// All integrations, by name.
    pub async fn integrations(&self) -> Result<Vec<Integration>, Error> {
        self.database
            .read(|connection| {
                let mut statement =
                    connection.prepare_cached(&format!("{SELECT_INTEGRATION} order by i.name"))?;
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
                    .prepare_cached(&format!("{SELECT_INTEGRATION} where i.name = ?"))?
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
                transaction
                    .execute("update integrations set name = ? where id = ?", params![to, id.0])?;
                let renamed = transaction
                    .execute("update credentials set name = ? where name = ?", params![to, from])?;
                if renamed > 0 {
                    let act = Act::new(&to, Deed::Renamed).with("old_name", from);
                    audit::append(&transaction, &act, now_ms)?;
                }
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Removes an integration, everything stored for it, and its own credential.
    pub async fn remove_integration(&self, id: IntegrationId) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let own: Option<i64> = transaction
                    .query_row(
                        "select c.id from credentials c join integrations i on i.name = c.name
                         where i.id = ?",
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

const SELECT_INTEGRATION: &str = "select i.id, i.name, c.url, c.api_id, c.ca_pem,
    c.allow_http_loopback, i.created_ms, c.account, c.expires_ms, c.checked_ms, c.id
    from integrations i join credentials c on c.id = i.credential";

fn read_integration(row: &Row<'_>) -> rusqlite::Result<Integration> {
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
