//! The journal of rotations, and the lease of who may write it. Every write names
//! its lease: one that another has taken over is refused.

use crate::audit::{self, Act};
use crate::credentials::CredentialId;
use crate::error::Error;
use crate::sql::{self, Connection, Optional, Row, Transaction, engine, named_params, params};
use crate::store::{IntegrationId, Store};

/// Row id of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RotationId(i64);

/// A rotation and how far it is. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Row id.
    pub id: RotationId,
    /// Whose credential is replaced.
    pub credential: CredentialId,
    /// Which mode.
    pub mode: String,
    /// Whose credential asks for the new one.
    pub minter: CredentialId,
    /// The step that was reached.
    pub step: String,
    /// When it began.
    pub begun_ms: i64,
    /// When it moved last.
    pub moved_ms: i64,
    /// The id that was live at first, or that was lost since.
    pub old_id: String,
    /// The new one.
    pub new_id: Option<String>,
    /// Its version in the vault.
    pub new_version: Option<u32>,
    /// Its expiry, as the service said it.
    pub new_expires_ms: Option<i64>,
    /// How often a new one was asked for.
    pub mints: u32,
    /// How many of those were lost.
    pub lost: u32,
    /// When the old one ends, as the service said it.
    pub old_until_ms: Option<i64>,
    /// The old one, for as long as it is still to be revoked.
    pub to_revoke: Option<String>,
    /// Why it does not go on, or how it ended.
    pub problem: Option<String>,
    /// Whether it is over.
    pub is_over: bool,
}

/// The right to write the journal of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: String,
    token: i64,
}

impl Lease {
    /// Grows with every taking.
    pub fn token(&self) -> i64 {
        self.token
    }
}

/// How a lease is asked for.
#[derive(Debug, Clone)]
pub struct Claim<'c> {
    /// What of.
    pub name: &'c str,
    /// By whom, unlike any other holder.
    pub holder: &'c str,
    /// Holders that are known to be gone: their leases are free.
    pub gone: &'c str,
    /// Now.
    pub now_ms: i64,
    /// For how long.
    pub life_ms: i64,
}

/// What becomes of a credential when its rotation is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The integration that signs with it from now on, for twins.
    pub switch: Option<IntegrationId>,
}

impl Store {
    /// Takes a lease; none when another holds it. A lease that ends later than one
    /// could that was taken now comes of a clock that was wrong, and is free too.
    pub async fn take_lease(&self, claim: Claim<'_>) -> Result<Option<Lease>, Error> {
        let Claim { name, holder, gone, now_ms, life_ms } = claim;
        let (name, holder, gone) = (name.to_owned(), holder.to_owned(), gone.to_owned());
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let held: Option<(String, i64, i64)> = transaction
                    .query_row(
                        "select holder, token, until_ms from leases where name = ?",
                        [&name],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                    )
                    .optional()?;
                let token = match held {
                    None => 1,
                    Some((by, token, until_ms)) => {
                        let is_free = by == holder
                            || (!gone.is_empty() && by.starts_with(&gone))
                            || !(now_ms..=now_ms + life_ms).contains(&until_ms);
                        if !is_free {
                            return Ok(None);
                        }
                        token + 1
                    }
                };
                transaction.execute(
                    "insert into leases (name, holder, token, until_ms) values (?, ?, ?, ?)
                     on conflict (name) do update set holder = excluded.holder,
                        token = excluded.token, until_ms = excluded.until_ms",
                    params![name, holder, token, now_ms + life_ms],
                )?;
                transaction.commit()?;
                Ok(Some(Lease { name, token }))
            })
            .await
    }

    /// Takes its turn at something that one process alone does in a while, by the clock of the
    /// database; whoever has it may take it again. False where another has it.
    pub async fn take_turn(&self, name: &str, holder: &str, life_ms: i64) -> Result<bool, Error> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.database
            .write(move |connection| {
                let now = engine::clock(connection);
                let taken = connection.execute(
                    &format!(
                        "insert into leases (name, holder, token, until_ms)
                         values (?, ?, 1, {now} + ?)
                         on conflict (name) do update set holder = excluded.holder,
                            token = leases.token + 1, until_ms = excluded.until_ms
                         where leases.holder = excluded.holder or leases.until_ms <= {now}"
                    ),
                    params![name, holder, life_ms],
                )?;
                Ok(taken > 0)
            })
            .await
    }

    /// Gives a lease back, if it is still held.
    pub async fn release_lease(&self, lease: Lease) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                connection.execute(
                    "update leases set until_ms = 0 where name = ? and token = ?",
                    params![lease.name, lease.token],
                )?;
                Ok(())
            })
            .await
    }

    /// The rotation of a credential that is not over.
    pub async fn rotation_under_way(
        &self,
        credential: CredentialId,
    ) -> Result<Option<Rotation>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!("{SELECT} where credential = ? and is_over = 0");
                Ok(connection.prepare(&sql)?.query_row([credential.0], read).optional()?)
            })
            .await
    }

    /// The last rotations of a credential, the newest first.
    pub async fn rotations(
        &self,
        credential: CredentialId,
        limit: u32,
    ) -> Result<Vec<Rotation>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!("{SELECT} where credential = ? order by id desc limit ?");
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map(params![credential.0, limit], read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Rotations of a credential that are over, but for an old one that is still to be
    /// revoked, the oldest first.
    pub async fn rotations_to_revoke(
        &self,
        credential: CredentialId,
    ) -> Result<Vec<Rotation>, Error> {
        self.database
            .read(move |connection| {
                let sql = format!(
                    "{SELECT} where credential = ? and is_over = 1 and to_revoke is not null
                     order by id"
                );
                let mut statement = connection.prepare(&sql)?;
                let rows = statement.query_map([credential.0], read)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Notes that the old one of a rotation that is over has ended, together with what is
    /// to be known of it; `false` when somebody else did. It needs no lease: nothing else
    /// of such a rotation is written any more.
    pub async fn settle_revocation(
        &self,
        rotation: RotationId,
        act: Act,
        now_ms: i64,
    ) -> Result<bool, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                let settled = transaction.execute(
                    "update rotations set to_revoke = null, old_until_ms = ?
                     where id = ? and is_over = 1 and to_revoke is not null",
                    params![now_ms, rotation.0],
                )?;
                if settled > 0 {
                    audit::append(&transaction, &act, now_ms)?;
                }
                transaction.commit()?;
                Ok(settled > 0)
            })
            .await
    }

    /// Begins a rotation. Its id is given by the store.
    pub async fn begin_rotation(
        &self,
        mut rotation: Rotation,
        lease: Lease,
        acts: Vec<Act>,
    ) -> Result<Rotation, Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                check(&transaction, &lease)?;
                let id = transaction.query_row(
                    "insert into rotations (credential, mode, minter, step, begun_ms, moved_ms, old_id)
                     values (?, ?, ?, ?, ?, ?, ?) returning id",
                    params![
                        rotation.credential.0, rotation.mode, rotation.minter.0, rotation.step,
                        rotation.begun_ms, rotation.moved_ms, rotation.old_id,
                    ],
                    |row| row.get(0),
                )?;
                rotation.id = RotationId(id);
                append_all(&transaction, &acts, rotation.moved_ms)?;
                transaction.commit()?;
                Ok(rotation)
            })
            .await
    }

    /// Writes how far a rotation is, together with what is to be known of it. With a
    /// publication, the credential becomes the new one in the same transaction. On
    /// disk when this returns.
    pub async fn move_rotation(
        &self,
        rotation: Rotation,
        lease: Lease,
        acts: Vec<Act>,
        publication: Option<Publication>,
    ) -> Result<(), Error> {
        self.database
            .write(move |connection| {
                let transaction = connection.transaction()?;
                check(&transaction, &lease)?;
                update(&transaction, &rotation)?;
                if let Some(publication) = publication {
                    publish(&transaction, &rotation, publication)?;
                }
                append_all(&transaction, &acts, rotation.moved_ms)?;
                Ok(transaction.commit()?)
            })
            .await
    }
}

fn check(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Error> {
    let current: Option<i64> = transaction
        .query_row("select token from leases where name = ?", [&lease.name], |row| row.get(0))
        .optional()?;
    if current == Some(lease.token) { Ok(()) } else { Err(Error::superseded(&lease.name)) }
}

fn append_all(transaction: &Transaction<'_>, acts: &[Act], now_ms: i64) -> Result<(), Error> {
    acts.iter().try_for_each(|act| audit::append(transaction, act, now_ms))
}

fn update(connection: &Connection, rotation: &Rotation) -> Result<(), Error> {
    connection.execute(
        "update rotations set minter = :minter, step = :step, moved_ms = :moved_ms,
            old_id = :old_id, new_id = :new_id, new_version = :new_version,
            new_expires_ms = :new_expires_ms, mints = :mints, lost = :lost,
            old_until_ms = :old_until_ms, to_revoke = :to_revoke, problem = :problem,
            is_over = :is_over
         where id = :id",
        named_params! {
            ":minter": rotation.minter.0, ":step": rotation.step, ":moved_ms": rotation.moved_ms,
            ":old_id": rotation.old_id, ":new_id": rotation.new_id,
            ":new_version": rotation.new_version, ":new_expires_ms": rotation.new_expires_ms,
            ":mints": rotation.mints, ":lost": rotation.lost,
            ":old_until_ms": rotation.old_until_ms, ":to_revoke": rotation.to_revoke, ":problem": rotation.problem,
            ":is_over": rotation.is_over, ":id": rotation.id.0,
        },
    )?;
    Ok(())
}

fn publish(
    connection: &Connection,
    rotation: &Rotation,
    publication: Publication,
) -> Result<(), Error> {
    connection.execute(
        "update credentials set api_id = ?, version = ?, published_ms = ?, expires_ms = ?,
            checked_ms = ?, problem = null where id = ?",
        params![
            rotation.new_id,
            rotation.new_version,
            rotation.moved_ms,
            rotation.new_expires_ms,
            rotation.moved_ms,
            rotation.credential.0,
        ],
    )?;
    if let Some(integration) = publication.switch {
        connection.execute(
            "update integrations set credential = ? where id = ?",
            params![rotation.credential.0, integration.0],
        )?;
    }
    Ok(())
}

const SELECT: &str =
    "select id, credential, mode, minter, step, begun_ms, moved_ms, old_id, new_id,
    new_version, new_expires_ms, mints, lost, old_until_ms, problem, is_over, to_revoke
    from rotations";

fn read(row: Row<'_>) -> sql::Result<Rotation> {
    Ok(Rotation {
        id: RotationId(row.get(0)?),
        credential: CredentialId(row.get(1)?),
        mode: row.get(2)?,
        minter: CredentialId(row.get(3)?),
        step: row.get(4)?,
        begun_ms: row.get(5)?,
        moved_ms: row.get(6)?,
        old_id: row.get(7)?,
        new_id: row.get(8)?,
        new_version: row.get(9)?,
        new_expires_ms: row.get(10)?,
        mints: row.get(11)?,
        lost: row.get(12)?,
        old_until_ms: row.get(13)?,
        problem: row.get(14)?,
        is_over: row.get(15)?,
        to_revoke: row.get(16)?,
    })
}

impl RotationId {
    /// The id of a rotation that has not begun.
    pub const NONE: Self = Self(0);
}
