//! API credentials: the rules of their lifecycle, and a memory of who signs so that a
//! verified request costs no query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use countersign_signin::{password, totp};
use countersign_signing::{ApiSecret, SigningKey};
use countersign_vault::{MasterKey, seal, unseal};
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use zeroize::Zeroizing;

use crate::database::Database;
use crate::settings::Settings;
use crate::users::{User, insert_user, user_by};
use crate::{Error, Random};

/// A pair as stored.
#[derive(Debug, Clone)]
pub struct Credential {
    pub api_id: String,
    pub user: i64,
    pub expires_ms: i64,
    pub revoked_ms: Option<i64>,
    pub revoked_by: Option<String>,
}

/// A minted pair: the only moment at which its secret is in the open.
pub struct Minted {
    pub credential: Credential,
    pub secret: ApiSecret,
}

/// Everything that judging a signed request takes.
pub struct Signatory {
    pub key: SigningKey,
    pub credential: Credential,
    pub user: Arc<User>,
    /// What it is told about itself, and under which address the platform was
    /// asked: nothing in it changes while it is remembered.
    pub own_body: OnceLock<(String, Bytes)>,
}

/// Signatories remembered at most.
const MAX_REMEMBERED: usize = 10_000;

pub struct Accounts {
    database: Database,
    master: MasterKey,
    random: Random,
    overlap_ms: i64,
    memory: RwLock<Memory>,
    last_used: Mutex<HashMap<String, i64>>,
}

#[derive(Default)]
struct Memory {
    generation: u64,
    by_api_id: HashMap<String, Arc<Signatory>>,
}

impl Accounts {
    pub fn new(database: Database, master: MasterKey, random: Random, overlap_ms: i64) -> Self {
        Self {
            database,
            master,
            random,
            overlap_ms,
            memory: RwLock::default(),
            last_used: Mutex::default(),
        }
    }

    /// Who signs with this id. Remembered until anything is written to the
    /// database: by this process at once, by another within the time in which
    /// the platform looks for such writes.
    pub fn signatory(&self, api_id: &str) -> Result<Option<Arc<Signatory>>, Error> {
        let generation = self.database.generation();
        {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            if memory.generation == generation
                && let Some(signatory) = memory.by_api_id.get(api_id)
            {
                return Ok(Some(Arc::clone(signatory)));
            }
        }
        let Some(signatory) = self.database.read(|c| self.load(c, api_id))? else {
            return Ok(None);
        };
        let signatory = Arc::new(signatory);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.generation != generation || memory.by_api_id.len() >= MAX_REMEMBERED {
            memory.by_api_id.clear();
            memory.generation = generation;
        }
        memory.by_api_id.insert(api_id.to_owned(), Arc::clone(&signatory));
        Ok(Some(signatory))
    }

    fn load(&self, connection: &Connection, api_id: &str) -> Result<Option<Signatory>, Error> {
        let found: Option<(Vec<u8>, Credential)> = connection
            .prepare_cached(&format!("{SELECT_CREDENTIAL} where api_id = ?"))?
            .query_row([api_id], |row| Ok((row.get(5)?, read_credential(row)?)))
            .optional()?;
        let Some((sealed, credential)) = found else { return Ok(None) };
        let secret = unseal(&self.master, api_id.as_bytes(), &sealed).map_err(Error::sealed)?;
        let user = user_by(connection, "id", &credential.user.to_string())?;
        let Some(user) = user else { return Ok(None) };
        let key = SigningKey::new(&ApiSecret::from_bytes(secret.to_vec()));
        Ok(Some(Signatory { key, credential, user: Arc::new(user), own_body: OnceLock::new() }))
    }

    /// How long the pair before a new one goes on working.
    pub fn overlap_ms(&self, connection: &Connection) -> Result<i64, Error> {
        Ok(Settings::read(connection)?.overlap_ms().unwrap_or(self.overlap_ms))
    }

    /// Makes a pair for a user. The pair before keeps working for the overlap.
    pub fn mint(
        &self,
        transaction: &Transaction<'_>,
        user: i64,
        now_ms: i64,
    ) -> Result<Minted, Error> {
        let mut id = [0; 16];
        let mut key = vec![0; 64];
        (self.random)(&mut id);
        (self.random)(&mut key);
        let secret = ApiSecret::from_bytes(key);
        let api_id = HEXLOWER.encode(&id);
        let sealed = seal(&self.master, api_id.as_bytes(), secret.expose(), &*self.random);
        let settings = Settings::read(transaction)?;
        let until_ms = now_ms + self.overlap_ms(transaction)?;
        transaction.execute(
            "update credentials set revoked_ms = ? where user = ?
             and (revoked_ms is null or revoked_ms > ?)",
            params![until_ms, user, until_ms],
        )?;
        let expires_ms = now_ms + settings.pair_life_ms();
        transaction.execute(
            "insert into credentials (api_id, user, sealed, created_ms, expires_ms)
             values (?, ?, ?, ?, ?)",
            params![api_id, user, sealed, now_ms, expires_ms],
        )?;
        let credential =
            Credential { api_id, user, expires_ms, revoked_ms: None, revoked_by: None };
        Ok(Minted { credential, secret })
    }

    /// Seals the secret of a person's second factor; opened for that person alone.
    pub fn seal_factor(&self, person: i64, secret: &totp::Secret) -> Vec<u8> {
        seal(&self.master, &factor_of(person), secret.expose_bytes(), &*self.random)
    }

    pub fn unseal_factor(&self, person: i64, sealed: &[u8]) -> Result<totp::Secret, Error> {
        let secret = unseal(&self.master, &factor_of(person), sealed).map_err(Error::sealed)?;
        Ok(totp::Secret::from_bytes(secret))
    }

    /// Makes the first administrator where there is none. Its password is told in
    /// the ready file until it is changed.
    pub fn make_first_admin(
        &self,
        transaction: &Transaction<'_>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let sql = "select count(*) from user_roles r join users u on u.id = r.user
            where r.role = 'extadmin' and not u.is_api";
        let admins: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
        if admins > 0 {
            return Ok(());
        }
        let mut bytes = Zeroizing::new([0; 15]);
        (self.random)(&mut *bytes);
        // A symbol, a digit and both cases, whatever was drawn.
        let drawn = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&*bytes).to_lowercase());
        let password = Zeroizing::new(format!("{}-A7", *drawn));
        let mut guid = [0; 16];
        (self.random)(&mut guid);
        let admin = User {
            id: 0,
            guid: uuid::Builder::from_random_bytes(guid).into_uuid().to_string(),
            name: "admin@example.com".into(),
            email: "admin@example.com".into(),
            first_name: "First".into(),
            last_name: "Administrator".into(),
            is_api: false,
            active: true,
            login_enabled: true,
            pin_required: false,
            ip_restricted: false,
            allowed_ips: Vec::new(),
            roles: vec!["extadmin".into()],
            teams: Vec::new(),
            custom: Vec::new(),
        };
        let id = insert_user(transaction, &admin, now_ms)?;
        let hash = password::hash(&password, &*self.random);
        password::set(transaction, id, &hash, now_ms)?;
        let sealed = seal(&self.master, FIRST_ADMIN, password.as_bytes(), &*self.random);
        transaction.execute(
            "insert or replace into meta (name, value) values ('first_admin', ?)",
            [format!("{id}:{}", HEXLOWER.encode(&sealed))],
        )?;
        Ok(())
    }

    /// Name and password of the first administrator, until the password is changed.
    pub fn first_admin(
        &self,
        connection: &Connection,
    ) -> Result<Option<(String, Zeroizing<String>)>, Error> {
        let held: Option<String> = connection
            .query_row("select value from meta where name = 'first_admin'", [], |row| row.get(0))
            .optional()?;
        let Some((id, sealed)) = held.as_deref().and_then(|text| text.split_once(':')) else {
            return Ok(None);
        };
        let sealed = HEXLOWER.decode(sealed.as_bytes()).unwrap_or_default();
        let password = unseal(&self.master, FIRST_ADMIN, &sealed).map_err(Error::sealed)?;
        let password = Zeroizing::new(String::from_utf8_lossy(&password).into_owned());
        Ok(user_by(connection, "id", id)?.map(|user| (user.name, password)))
    }

    /// The first password is told no more: its owner has another.
    pub fn forget_first_password(
        &self,
        transaction: &Transaction<'_>,
        user: i64,
    ) -> Result<(), Error> {
        transaction.execute(
            "delete from meta where name = 'first_admin' and value like ? || ':%'",
            [user.to_string()],
        )?;
        Ok(())
    }

    /// Notes a use; written out rarely.
    pub fn used(&self, api_id: &str, now_ms: i64) {
        let mut last_used = self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at_ms) = last_used.get_mut(api_id) {
            *at_ms = now_ms;
        } else if last_used.len() < MAX_REMEMBERED {
            last_used.insert(api_id.to_owned(), now_ms);
        }
    }

    /// Writes the noted uses.
    pub fn write_used(&self) -> Result<(), Error> {
        let used =
            std::mem::take(&mut *self.last_used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.database.write(|transaction| {
            for (api_id, at_ms) in used {
                transaction.execute(
                    "update credentials set last_used_ms = ? where api_id = ?",
                    params![at_ms, api_id],
                )?;
            }
            Ok(())
        })
    }
}

/// What the password of the first administrator is sealed for.
const FIRST_ADMIN: &[u8] = b"first administrator";

fn factor_of(person: i64) -> Vec<u8> {
    format!("second factor of {person}").into_bytes()
}

/// A pair as its owner sees it.
pub struct Listed {
    pub credential: Credential,
    pub created_ms: i64,
    pub last_used_ms: Option<i64>,
}

/// All pairs of a user, the newest first.
pub fn credentials_of(connection: &Connection, user: i64) -> Result<Vec<Listed>, Error> {
    let mut statement = connection.prepare_cached(
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

pub fn credential(connection: &Connection, api_id: &str) -> Result<Option<Credential>, Error> {
    Ok(connection
        .prepare_cached(&format!("{SELECT_CREDENTIAL} where api_id = ?"))?
        .query_row([api_id.to_ascii_lowercase()], read_credential)
        .optional()?)
}

/// The newest pair of a user.
pub fn newest_credential(connection: &Connection, user: i64) -> Result<Option<Credential>, Error> {
    Ok(connection
        .prepare_cached(&format!(
            "{SELECT_CREDENTIAL} where user = ? order by created_ms desc, rowid desc limit 1"
        ))?
        .query_row([user], read_credential)
        .optional()?)
}

/// Revokes at once. Answers whether there was something to revoke.
pub fn revoke(
    transaction: &Transaction<'_>,
    api_id: &str,
    by: &str,
    now_ms: i64,
) -> Result<bool, Error> {
    let revoked = transaction.execute(
        "update credentials set revoked_ms = ?, revoked_by = ?
         where api_id = ? and (revoked_ms is null or revoked_ms > ?)",
        params![now_ms, by, api_id, now_ms],
    )?;
    Ok(revoked > 0)
}
