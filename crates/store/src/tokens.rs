//! Tokens of the API, known by the digests of their secrets.
//!
//! A token has up to two pairs of secrets, each one to ask with and one to renew by. A new
//! pair is the primary one; that before it becomes the secondary one and goes on until it
//! expires or is ended, so that who uses it can change in between.

use crate::accounts::AccountId;
use crate::audit::{self, Act, Deed};
use crate::broker::HANDLE_BYTES;
use crate::error::Error;
use crate::sql::{Connection, Optional, Row, Transaction, params};
use crate::store::{IntegrationId, Store};
use crate::words::words;

words! {
    /// What a token opens.
    TokenKind {
        /// Accounts, integrations, credentials and tokens.
        Organization = "organization",
        /// The findings of one integration.
        Integration = "integration",
        /// The tools of assistants.
        Assistant = "mcp",
    }
}

words! {
    /// What a token may do.
    PermissionSet {
        /// Everything.
        Administrator = "administrator",
        /// Look at everything.
        Viewer = "viewer",
        /// Everything but tokens of the organisation.
        Member = "member",
        /// Everything of its accounts.
        AccountManager = "account-manager",
        /// Integrations and credentials of its account.
        ConnectUi = "connect-ui",
        /// Tokens of integrations.
        TokenIssuer = "token-issuer",
        /// Tools that read findings.
        McpIntegrationsUseOnly = "mcp-integrations-use-only",
        /// Tools, and the credentials with them.
        McpManagement = "mcp-management",
        /// New accounts.
        AccountProvisioner = "account-provisioner",
        /// The findings of one integration.
        Integration = "integration",
    }
}

impl PermissionSet {
    /// The kind of token that has these permissions.
    pub fn kind(self) -> TokenKind {
        match self {
            Self::McpIntegrationsUseOnly | Self::McpManagement => TokenKind::Assistant,
            Self::Integration => TokenKind::Integration,
            _ => TokenKind::Organization,
        }
    }
}

words! {
    /// Which secret of a token.
    SecretPlace {
        /// To ask with.
        PrimaryAccess = "primary_access",
        /// To renew by.
        PrimaryRefresh = "primary_refresh",
        /// The one to ask with before.
        SecondaryAccess = "secondary_access",
        /// The one to renew by before.
        SecondaryRefresh = "secondary_refresh",
    }
}

impl SecretPlace {
    /// Whether it is to ask with.
    pub fn is_access(self) -> bool {
        matches!(self, Self::PrimaryAccess | Self::SecondaryAccess)
    }

    /// Whether it is of the newest pair.
    pub fn is_primary(self) -> bool {
        matches!(self, Self::PrimaryAccess | Self::PrimaryRefresh)
    }
}

/// Row id of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(i64);

/// A pair of secrets to keep, by their digests.
#[derive(Debug, Clone, Copy)]
pub struct NewSecrets {
    /// SHA-256 of the one to ask with.
    pub access: [u8; 32],
    /// When it ends to be good.
    pub access_expires_ms: i64,
    /// SHA-256 of the one to renew by, and when it ends to be good; none for a token that
    /// cannot be renewed.
    pub refresh: Option<([u8; 32], i64)>,
}

/// What a token may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenScope {
    /// What it opens.
    pub kind: TokenKind,
    /// What it may do.
    pub permission_set: PermissionSet,
    /// The only account that it sees.
    pub account: Option<AccountId>,
    /// The only integration that it sees.
    pub integration: Option<IntegrationId>,
    /// The only operations that it may ask for, by id.
    pub operations: Option<Vec<String>>,
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What the API calls it.
    pub uid: String,
    /// For machines.
    pub name: String,
    /// For people.
    pub fullname: String,
    /// What it may ask for.
    pub scope: TokenScope,
    /// For how long a secret to ask with is good.
    pub ttl_ms: i64,
    /// Its secrets.
    pub secrets: NewSecrets,
}

/// A token without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Row id.
    pub id: TokenId,
    /// What the API calls it.
    pub uid: String,
    /// For machines.
    pub name: String,
    /// For people.
    pub fullname: String,
    /// What it may ask for.
    pub scope: TokenScope,
    /// What the API calls the account that it is limited to.
    pub account_uid: Option<String>,
    /// What the API calls the integration that it is limited to.
    pub integration_uid: Option<String>,
    /// For how long a secret to ask with is good.
    pub ttl_ms: i64,
    /// When it was made.
    pub created_ms: i64,
    /// When it last was renewed.
    pub updated_ms: i64,
    /// Its secrets: which, when it ends to be good, and when it was last used.
    pub secrets: Vec<(SecretPlace, i64, Option<i64>)>,
}

/// A secret that begins as somebody presented it; whether it is that one is for the asker to
/// compare.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Whose it is.
    pub token: ApiToken,
    /// Which of its secrets.
    pub place: SecretPlace,
    /// SHA-256 of the secret.
    pub digest: [u8; 32],
    /// When it ends to be good.
    pub expires_ms: i64,
}

impl Store {
    /// Makes a token.
    pub async fn add_token(&self, new: NewToken, by: &str, now_ms: i64) -> Result<ApiToken, Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let id = insert(&transaction, &new, &by, now_ms)?;
                let token = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(token)
            })
            .await
    }

    /// All tokens, or those that are limited to one account, by name.
    pub async fn tokens(&self, account: Option<AccountId>) -> Result<Vec<ApiToken>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(&format!(
                    "{SELECT} where cast(?1 as bigint) is null or t.account = ?1 order by t.name, t.id"
                ))?;
                let rows = statement
                    .query_and_then([account.map(|id| id.0)], |row| read(connection, row))?;
                rows.collect()
            })
            .await
    }

    /// The token that the API calls so. Fails with [`Error::is_not_found`].
    pub async fn token(&self, uid: &str) -> Result<ApiToken, Error> {
        let uid = uid.to_owned();
        self.database
            .read(move |connection| {
                connection
                    .prepare(&format!("{SELECT} where t.uid = ?"))?
                    .query_and_then([&uid], |row| read(connection, row))?
                    .next()
                    .unwrap_or_else(|| Err(Error::not_found("token", uid)))
            })
            .await
    }

    /// Those secrets whose digest begins like this: none or one, unless two digests collide.
    pub async fn presented(&self, handle: [u8; HANDLE_BYTES]) -> Result<Vec<Presented>, Error> {
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select token, place, digest, expires_ms from api_secrets
                     where substr(digest, 1, 8) = ?",
                )?;
                let rows = statement.query_and_then([handle], |row| {
                    Ok(Presented {
                        token: by_id(connection, TokenId(row.get(0)?))?,
                        place: row.get(1)?,
                        digest: row.get(2)?,
                        expires_ms: row.get(3)?,
                    })
                })?;
                rows.collect()
            })
            .await
    }

    /// Gives a token another pair of secrets. The one before becomes the secondary one, in
    /// the place of any other; with `ends_others` all others end.
    pub async fn renew_token(
        &self,
        id: TokenId,
        secrets: NewSecrets,
        ends_others: bool,
        by: &str,
        now_ms: i64,
    ) -> Result<ApiToken, Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let deed = if ends_others { Deed::TokenReset } else { Deed::TokenRenewed };
                end_secondary(&transaction, id)?;
                for (from, to) in [
                    (SecretPlace::PrimaryAccess, SecretPlace::SecondaryAccess),
                    (SecretPlace::PrimaryRefresh, SecretPlace::SecondaryRefresh),
                ] {
                    let act = match ends_others {
                        true => "delete from api_secrets where token = ?1 and place = ?2",
                        false => {
                            "update api_secrets set place = ?3 where token = ?1 and place = ?2"
                        }
                    };
                    match ends_others {
                        true => transaction.execute(act, params![id.0, from])?,
                        false => transaction.execute(act, params![id.0, from, to])?,
                    };
                }
                insert_secrets(&transaction, id, &secrets)?;
                transaction
                    .execute("update api_tokens set updated_ms = ? where id = ?", [now_ms, id.0])?;
                noted(&transaction, id, deed, &by, now_ms)?;
                let token = by_id(&transaction, id)?;
                transaction.commit()?;
                Ok(token)
            })
            .await
    }

    /// Ends the pair of secrets before the newest.
    pub async fn end_secondary_secrets(
        &self,
        id: TokenId,
        by: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                end_secondary(&transaction, id)?;
                noted(&transaction, id, Deed::TokenSecondaryEnded, &by, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Revokes a token, at once.
    pub async fn revoke_token(&self, id: TokenId, by: &str, now_ms: i64) -> Result<(), Error> {
        let by = by.to_owned();
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                noted(&transaction, id, Deed::TokenRevoked, &by, now_ms)?;
                transaction.execute("delete from api_tokens where id = ?", [id.0])?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// Removes the secrets that have ended, and the tokens that have none left.
    pub async fn clear_ended_tokens(&self, before_ms: i64) -> Result<u64, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute("delete from api_secrets where expires_ms < ?", [before_ms])?;
                let removed = transaction.execute(
                    "delete from api_tokens
                     where id not in (select token from api_secrets)",
                    [],
                )?;
                transaction.commit()?;
                Ok(removed as u64)
            })
            .await
    }
}

pub(crate) fn insert(
    transaction: &Transaction<'_>,
    new: &NewToken,
    by: &str,
    now_ms: i64,
) -> Result<TokenId, Error> {
    let scope = &new.scope;
    let operations =
        scope.operations.as_ref().map(|operations| serde_json::json!(operations).to_string());
    let id = transaction.query_row(
        "insert into api_tokens (uid, name, fullname, kind, permission_set, account, integration,
            operations, ttl_ms, created_ms, updated_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)
         returning id",
        params![
            new.uid,
            new.name,
            new.fullname,
            scope.kind,
            scope.permission_set,
            scope.account.map(|id| id.0),
            scope.integration.map(|id| id.0),
            operations,
            new.ttl_ms,
            now_ms
        ],
        |row| row.get(0),
    )?;
    let id = TokenId(id);
    insert_secrets(transaction, id, &new.secrets)?;
    noted(transaction, id, Deed::TokenMade, by, now_ms)?;
    Ok(id)
}

fn insert_secrets(
    transaction: &Transaction<'_>,
    id: TokenId,
    secrets: &NewSecrets,
) -> Result<(), Error> {
    let access = (SecretPlace::PrimaryAccess, secrets.access, secrets.access_expires_ms);
    let refresh =
        secrets.refresh.map(|(digest, until)| (SecretPlace::PrimaryRefresh, digest, until));
    for (place, digest, expires_ms) in std::iter::once(access).chain(refresh) {
        transaction
            .prepare(
                "insert into api_secrets (token, place, digest, expires_ms) values (?, ?, ?, ?)",
            )?
            .execute(params![id.0, place, digest, expires_ms])?;
    }
    Ok(())
}

fn end_secondary(transaction: &Transaction<'_>, id: TokenId) -> Result<(), Error> {
    for place in SecretPlace::ALL.iter().filter(|place| !place.is_primary()) {
        transaction.execute(
            "delete from api_secrets where token = ? and place = ?",
            params![id.0, place],
        )?;
    }
    Ok(())
}

fn noted(
    transaction: &Transaction<'_>,
    id: TokenId,
    deed: Deed,
    by: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let token = by_id(transaction, id)?;
    let act = Act::new(&token.name, deed)
        .with("token", token.uid)
        .with("kind", token.scope.kind.as_str())
        .with("permission_set", token.scope.permission_set.as_str())
        .with("by", by);
    audit::append(transaction, &act, now_ms)
}

fn by_id(connection: &Connection, id: TokenId) -> Result<ApiToken, Error> {
    connection
        .prepare(&format!("{SELECT} where t.id = ?"))?
        .query_and_then([id.0], |row| read(connection, row))?
        .next()
        .unwrap_or_else(|| Err(Error::not_found("token", id.0.to_string())))
}

const SELECT: &str = "select t.id, t.uid, t.name, t.fullname, t.kind, t.permission_set, t.account,
    t.integration, t.operations, t.ttl_ms, t.created_ms, t.updated_ms, a.uid, i.uid
    from api_tokens t left join accounts a on a.id = t.account
    left join integrations i on i.id = t.integration";

fn read(connection: &Connection, row: Row<'_>) -> Result<ApiToken, Error> {
    let id = TokenId(row.get(0)?);
    let operations: Option<String> = row.get(8)?;
    let operations = operations.map(|text| serde_json::from_str(&text)).transpose();
    let mut statement = connection.prepare(
        "select place, expires_ms, last_used_ms from api_secrets where token = ? order by place",
    )?;
    let secrets = statement
        .query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    Ok(ApiToken {
        id,
        uid: row.get(1)?,
        name: row.get(2)?,
        fullname: row.get(3)?,
        scope: TokenScope {
            kind: row.get(4)?,
            permission_set: row.get(5)?,
            account: row.get::<Option<_>>(6)?.map(AccountId),
            integration: row.get::<Option<_>>(7)?.map(IntegrationId),
            operations: operations.map_err(Error::corrupt)?,
        },
        account_uid: row.get(12)?,
        integration_uid: row.get(13)?,
        ttl_ms: row.get(9)?,
        created_ms: row.get(10)?,
        updated_ms: row.get(11)?,
        secrets,
    })
}

/// When a secret was last used, by the token's row and the secret's place.
pub type TokenUse = (TokenId, SecretPlace, i64);

pub(crate) fn note_uses(transaction: &Transaction<'_>, uses: &[TokenUse]) -> Result<(), Error> {
    let mut statement = transaction.prepare(
        "update api_secrets set last_used_ms = ?1
         where token = ?2 and place = ?3 and coalesce(last_used_ms, 0) <= ?1",
    )?;
    for (token, place, at_ms) in uses {
        statement.execute(params![at_ms, token.0, place])?;
    }
    Ok(())
}

/// The token by which an integration is asked that was made with it: the first one that is
/// left.
pub(crate) fn first_of(
    connection: &Connection,
    integration: IntegrationId,
) -> Result<Option<String>, Error> {
    Ok(connection
        .prepare("select uid from api_tokens where integration = ? order by id limit 1")?
        .query_row([integration.0], |row| row.get(0))
        .optional()?)
}
