//! What was done with credentials, in a chain: each entry holds the digest of the
//! one before, so that none can be changed, taken out or put in unseen. Whoever
//! holds the database can cut its end off; [`Verdict::Whole`] tells the last digest,
//! to be compared with one that was kept elsewhere.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::sql::{Connection, Optional, Transaction, engine, params};
use crate::store::Store;
use crate::words::words;

words! {
    /// What is done with a credential, or by the API.
    Deed {
        /// Its secret was put into the vault by hand.
        Kept = "kept",
        /// Another was put into its place by hand.
        Replaced = "replaced",
        /// It is sent to another URL, or another certificate authority is trusted there.
        Moved = "moved",
        /// It has another name.
        Renamed = "renamed",
        /// A rotation began.
        Armed = "armed",
        /// The vault keeps what it is given.
        VaultProven = "vault_proven",
        /// The service is about to be asked for a new one.
        Asked = "asked",
        /// An answer with a new one was lost.
        Lost = "lost",
        /// An administrator asks in place of the credential itself.
        Rescued = "rescued",
        /// The new one is in the vault.
        Sealed = "sealed",
        /// The new one is in the vault, found there after a crash.
        SealedLate = "sealed_late",
        /// The service accepts the new one.
        Confirmed = "confirmed",
        /// Every call signs with the new one.
        Published = "published",
        /// The rotation ended.
        Over = "over",
        /// The old one stays until its consumers have the new one.
        RevocationWaits = "revocation_waits",
        /// The service is about to be asked to revoke it.
        RevocationAsked = "revocation_asked",
        /// The service has revoked it.
        Revoked = "revoked",
        /// The old one no longer signs.
        OldHasEnded = "old_has_ended",
        /// Its copy in the vault is gone.
        Destroyed = "destroyed",
        /// A consumer got it.
        HandoverDelivered = "handover_delivered",
        /// A consumer did not get it.
        HandoverFailed = "handover_delivery_failed",
        /// A consumer uses it.
        HandoverAcknowledged = "handover_acknowledged",
        /// An account was added.
        AccountAdded = "account_added",
        /// An account is called or labelled otherwise.
        AccountChanged = "account_changed",
        /// An account was removed.
        AccountRemoved = "account_removed",
        /// An integration was added by the API.
        IntegrationAdded = "integration_added",
        /// An integration is called otherwise, or answers in another mode.
        IntegrationChanged = "integration_changed",
        /// An integration was removed, with everything stored for it.
        IntegrationRemoved = "integration_removed",
        /// A token of the API was made.
        TokenMade = "token_made",
        /// A token got another pair of secrets; the one before goes on for now.
        TokenRenewed = "token_renewed",
        /// A token got another pair of secrets, and every other one has ended.
        TokenReset = "token_reset",
        /// The pair of secrets before the newest has ended.
        TokenSecondaryEnded = "token_secondary_ended",
        /// A token was revoked.
        TokenRevoked = "token_revoked",
        /// Findings of other scanners were brought in.
        FindingsImported = "findings_imported",
    }
}

/// Something that was done, or is about to be. No secrets belong in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    credential: String,
    act: Deed,
    detail: Map<String, Value>,
}

impl Act {
    /// An act on a credential, or on what else has this name.
    pub fn new(credential: &str, act: Deed) -> Self {
        Self { credential: credential.to_owned(), act, detail: Map::new() }
    }

    /// With something to know about it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1.
    pub id: i64,
    /// When.
    pub at_ms: i64,
    /// Which credential.
    pub credential: String,
    /// What was done.
    pub act: Deed,
    /// A JSON object with more.
    pub detail: String,
}

/// What a chain turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// So many entries, and the digest of the last in hex.
    Whole {
        /// How many.
        entries: i64,
        /// Digest of the last.
        digest: String,
    },
    /// The first entry that does not follow from the one before.
    Broken {
        /// Its place.
        id: i64,
    },
}

impl Store {
    /// Adds to the end of the log.
    pub async fn audit(&self, act: Act, now_ms: i64) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                append(&transaction, &act, now_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    /// The newest entries, the newest first; of one credential, or of all.
    pub async fn audit_entries(
        &self,
        credential: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Entry>, Error> {
        let credential = credential.map(str::to_owned);
        self.database
            .read(move |connection| {
                let mut statement = connection.prepare(
                    "select id, at_ms, credential, act, detail from audit
                     where cast(?1 as text) is null or credential = ?1 order by id desc limit ?2",
                )?;
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = statement.query_map(params![credential, limit], |row| {
                    Ok(Entry {
                        id: row.get(0)?,
                        at_ms: row.get(1)?,
                        credential: row.get(2)?,
                        act: row.get(3)?,
                        detail: row.get(4)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Follows the whole chain.
    pub async fn verify_audit(&self) -> Result<Verdict, Error> {
        self.database.read(verify).await
    }
}

/// Adds to the end of the chain, in the transaction of what it tells of.
pub(crate) fn append(transaction: &Transaction<'_>, act: &Act, now_ms: i64) -> Result<(), Error> {
    let last: Option<(i64, Vec<u8>)> = transaction
        .prepare("select id, hash from audit order by id desc limit 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (id, previous) = last.map_or((1, Vec::new()), |(id, hash)| (id + 1, hash));
    let detail = Value::Object(act.detail.clone()).to_string();
    let credential = engine::storable(transaction, &act.credential);
    let hash = digest(&previous, id, now_ms, &[&credential, act.act.as_str(), &detail]);
    transaction
        .prepare(
            "insert into audit (id, at_ms, credential, act, detail, hash) values (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![id, now_ms, credential, act.act, detail, hash])?;
    tracing::info!(
        credential = act.credential,
        act = act.act.as_str(),
        detail,
        "credential changed"
    );
    Ok(())
}

pub(crate) fn verify(connection: &Connection) -> Result<Verdict, Error> {
    let mut statement = connection
        .prepare("select id, at_ms, credential, act, detail, hash from audit order by id")?;
    let mut rows = statement.scan([])?;
    let (mut entries, mut previous) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let (id, at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        let texts: [String; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
        let held: Vec<u8> = row.get(5)?;
        let expected = digest(&previous, id, at_ms, &texts.each_ref().map(String::as_str));
        if id != entries + 1 || held != expected {
            return Ok(Verdict::Broken { id: entries + 1 });
        }
        (entries, previous) = (id, held);
    }
    Ok(Verdict::Whole { entries, digest: hex(&previous) })
}

fn digest(previous: &[u8], id: i64, at_ms: i64, texts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(id.to_be_bytes());
    digest.update(at_ms.to_be_bytes());
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
