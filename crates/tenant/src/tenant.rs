//! The tenant of a running platform: its database, its time, its master key, and a
//! memory of who signs so that a verified request costs no query.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use countersign_signin::Hasher;
use countersign_vault::{MasterKey, seal, unseal};
use data_encoding::HEXLOWER;
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::clock::{Setting, VirtualClock};
use crate::database::Database;
use crate::signatory::Signatory;
use crate::{Clock, Error, Random};

/// How the tenant of a platform is opened.
pub struct Opening<'a> {
    /// The data directory; created when it is missing.
    pub home: &'a Path,
    /// The real time.
    pub clock: Clock,
    pub random: Random,
    /// How long the credentials before new ones keep working, where the organisation's
    /// settings say nothing.
    pub overlap_ms: i64,
    /// Where people find the console; without one no link leads anywhere.
    pub console_url: Option<String>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Tenant(Arc<Inner>);

struct Inner {
    database: Database,
    master: MasterKey,
    random: Random,
    clock: VirtualClock,
    overlap_ms: i64,
    console_url: Option<String>,
    hasher: Hasher,
    memory: RwLock<Memory>,
    last_used: Mutex<HashMap<String, i64>>,
}

#[derive(Default)]
struct Memory {
    generation: u64,
    by_api_id: HashMap<String, Arc<Signatory>>,
}

/// Signatories remembered at most.
const MAX_REMEMBERED: usize = 10_000;

impl Tenant {
    pub(crate) fn new(
        database: Database,
        master: MasterKey,
        setting: Setting,
        opening: Opening<'_>,
    ) -> Self {
        Self(Arc::new(Inner {
            database,
            master,
            random: opening.random,
            clock: VirtualClock::new(opening.clock, setting),
            overlap_ms: opening.overlap_ms,
            console_url: opening.console_url,
            hasher: Hasher::default(),
            memory: RwLock::default(),
            last_used: Mutex::default(),
        }))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub fn random(&self) -> &Random {
        &self.0.random
    }

    pub fn clock(&self) -> &VirtualClock {
        &self.0.clock
    }

    /// The platform's time, in milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.0.clock.now()
    }

    pub fn console_url(&self) -> Option<&str> {
        self.0.console_url.as_deref()
    }

    /// Where passwords are hashed, one after the other.
    pub fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.0.master
    }

    pub(crate) fn started_overlap_ms(&self) -> i64 {
        self.0.overlap_ms
    }

    /// A random guid.
    pub fn guid(&self) -> String {
        let mut bytes = [0; 16];
        (self.0.random)(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Who signs with this id: as it was loaded since the last write to the database, else
    /// as it is loaded now.
    pub(crate) fn remembered(
        &self,
        api_id: &str,
        load: impl FnOnce(&Connection) -> Result<Option<Signatory>, Error>,
    ) -> Result<Option<Arc<Signatory>>, Error> {
        let generation = self.0.database.generation()?;
        {
            let memory = self.0.memory.read().unwrap_or_else(PoisonError::into_inner);
            if memory.generation == generation
                && let Some(signatory) = memory.by_api_id.get(api_id)
            {
                return Ok(Some(Arc::clone(signatory)));
            }
        }
        let Some(signatory) = self.0.database.read(load)? else { return Ok(None) };
        let signatory = Arc::new(signatory);
        let mut memory = self.0.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.generation != generation || memory.by_api_id.len() >= MAX_REMEMBERED {
            memory.by_api_id.clear();
            memory.generation = generation;
        }
        memory.by_api_id.insert(api_id.to_owned(), Arc::clone(&signatory));
        Ok(Some(signatory))
    }

    /// Notes a use of credentials; written out rarely.
    pub fn used(&self, api_id: &str, now_ms: i64) {
        let mut last_used = self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at_ms) = last_used.get_mut(api_id) {
            *at_ms = now_ms;
        } else if last_used.len() < MAX_REMEMBERED {
            last_used.insert(api_id.to_owned(), now_ms);
        }
    }

    /// The noted uses, which are noted no more.
    pub(crate) fn take_used(&self) -> HashMap<String, i64> {
        std::mem::take(&mut *self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn seal_first_password(&self, password: &str) -> String {
        let sealed = seal(&self.0.master, FIRST_ADMIN, password.as_bytes(), &*self.0.random);
        HEXLOWER.encode(&sealed)
    }

    pub(crate) fn unseal_first_password(&self, hex: &str) -> Result<Zeroizing<String>, Error> {
        let sealed = HEXLOWER.decode(hex.as_bytes()).unwrap_or_default();
        let password = unseal(&self.0.master, FIRST_ADMIN, &sealed).map_err(Error::sealed)?;
        Ok(Zeroizing::new(String::from_utf8_lossy(&password).into_owned()))
    }
}

/// What the password of the first administrator is sealed for.
const FIRST_ADMIN: &[u8] = b"first administrator";
