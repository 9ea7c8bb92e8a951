//! Accounts: whose the integrations are.

use crate::audit::{self, Act, Deed};
use crate::error::Error;
use crate::sql::{Connection, Optional, Row, Transaction, params};
use crate::store::Store;
use crate::words::words;

words! {
    /// What an account is for.
    Environment {
        /// Real work.
        Prod = "prod",
        /// Tests.
        Test = "test",
    }
}

/// Row id of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(pub(crate) i64);

impl AccountId {
    /// That of whoever runs this program: integrations that a command adds belong to it.
    pub const OWN: Self = Self(1);
}

/// What of an account can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountForm {
    /// Unique.
    pub name: String,
    /// For people.
    pub fullname: String,
    /// What it is for.
    pub environment: Environment,
    /// Free.
    pub labels: Vec<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Row id.
    pub id: AccountId,
    /// What the API calls it.
    pub uid: String,
    /// What was chosen.
    pub form: AccountForm,
    /// When it was added.
    pub created_ms: i64,
    /// When it last was changed.
    pub updated_ms: i64,
}

impl Store {
    /// Adds an account. Fails with [`Error::is_existing`] where one has its name.
    pub async fn add_account(
        &self,
        uid: &str,
        form: AccountForm,
        by: &str,
        now_ms: i64,
    ) -> Result<Account, Error> {
        let (uid, by) = (uid.to_owned(), by.to_owned());
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let added = transaction.query_row(
                    "insert into accounts
                        (uid, name, fullname, environment, labels, created_ms, updated_ms)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?6) on conflict do nothing returning id",
                    params![uid, form.name, form.fullname, form.environment, labels(&form), now_ms],
                    |row| row.get(0),
                );
                let Some(id) = added.optional()?.map(AccountId) else {
                    return Err(Error::exists("account", &form.name));
                };
                note(&transaction, &form.name, Deed::AccountAdded, &by, now_ms)?;
                let account = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(account)
            })
            .await
    }

    /// All accounts, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.database
            .read(|connection| {
                let mut statement = connection.prepare(&format!("{SELECT} order by name"))?;
                let rows = statement.query_and_then([], read)?;
                rows.collect()
            })
            .await
    }

    /// The account that the API calls so. Fails with [`Error::is_not_found`].
    pub async fn account(&self, uid: &str) -> Result<Account, Error> {
        let uid = uid.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT} where uid = ?"))?
                    .query_and_then([&uid], read)?
                    .next()
                    .unwrap_or_else(|| Err(Error::not_found("account", uid)))
            })
            .await
    }

    /// Changes what can be chosen of an account. Fails with [`Error::is_existing`] where
    /// another has the name.
    pub async fn update_account(
        &self,
        id: AccountId,
        form: AccountForm,
        by: &str,
        now_ms: i64,
    ) -> Result<Account, Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let taken: Option<i64> = transaction
                    .query_row(
                        "select id from accounts where name = ? and id <> ?",
                        params![form.name, id.0],
                        |row| row.get(0),
                    )
                    .optional()?;
                if taken.is_some() {
                    return Err(Error::exists("account", &form.name));
                }
                transaction.execute(
                    "update accounts set name = ?, fullname = ?, environment = ?, labels = ?,
                        updated_ms = ? where id = ?",
                    params![
                        form.name,
                        form.fullname,
                        form.environment,
                        labels(&form),
                        now_ms,
                        id.0
                    ],
                )?;
                note(&transaction, &form.name, Deed::AccountChanged, &by, now_ms)?;
                let account = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(account)
            })
            .await
    }

    /// Removes an account with its tokens. Fails with [`Error::is_in_use`] while it has
    /// integrations or credentials, and for [`AccountId::OWN`].
    pub async fn remove_account(&self, id: AccountId, by: &str, now_ms: i64) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let name = by_id(&transaction, id)?.form.name;
                let is_used: bool = transaction.query_row(
                    "select exists (select 1 from integrations where account = ?1)
                         or exists (select 1 from kept_credentials where account = ?1)",
                    [id.0],
                    |row| row.get(0),
                )?;
                if is_used || id == AccountId::OWN {
                    return Err(Error::in_use(name));
                }
                transaction.execute("delete from accounts where id = ?", [id.0])?;
                note(&transaction, &name, Deed::AccountRemoved, &by, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }
}

fn note(
    transaction: &Transaction<'_>,
    name: &str,
    deed: Deed,
    by: &str,
    now_ms: i64,
) -> Result<(), Error> {
    audit::append(transaction, &Act::new(name, deed).with("by", by), now_ms)
}

fn labels(form: &AccountForm) -> String {
    serde_json::json!(form.labels).to_string()
}

const SELECT: &str =
    "select id, uid, name, fullname, environment, labels, created_ms, updated_ms from accounts";

pub(crate) fn by_id(connection: &Connection, id: AccountId) -> Result<Account, Error> {
    connection
        .prepare(&format!("{SELECT} where id = ?"))?
        .query_and_then([id.0], read)?
        .next()
        .unwrap_or_else(|| Err(Error::not_found("account", id.0.to_string())))
}

fn read(row: Row<'_>) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        uid: row.get(1)?,
        form: AccountForm {
            name: row.get(2)?,
            fullname: row.get(3)?,
            environment: row.get(4)?,
            labels: serde_json::from_str(&row.get::<String>(5)?).map_err(Error::corrupt)?,
        },
        created_ms: row.get(6)?,
        updated_ms: row.get(7)?,
    })
}
