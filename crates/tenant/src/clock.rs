//! The platform's own time: the real one, moved or held. It is kept in the
//! database, so that a restart and `platform mint` live in the same time.

use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use crate::{Clock, Error};

/// Which time signatures are judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgedBy {
    /// The platform's own.
    #[default]
    Virtual,
    /// The real one: clients that know no other keep working while years pass.
    Real,
}

/// How the platform's time differs from the real one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    pub offset_ms: i64,
    /// The moment at which it stands still.
    pub frozen_ms: Option<i64>,
    pub signatures: JudgedBy,
}

pub struct VirtualClock {
    real: Clock,
    setting: RwLock<Setting>,
}

impl VirtualClock {
    pub fn new(real: Clock, setting: Setting) -> Self {
        Self { real, setting: RwLock::new(setting) }
    }

    pub fn setting(&self) -> Setting {
        *self.setting.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn apply(&self, setting: Setting) {
        *self.setting.write().unwrap_or_else(PoisonError::into_inner) = setting;
    }

    pub fn now(&self) -> i64 {
        self.at(self.setting())
    }

    /// The time by which signatures are judged.
    pub fn judging_now(&self) -> i64 {
        let setting = self.setting();
        match setting.signatures {
            JudgedBy::Virtual => self.at(setting),
            JudgedBy::Real => (self.real)(),
        }
    }

    pub fn at(&self, setting: Setting) -> i64 {
        setting.frozen_ms.unwrap_or_else(|| (self.real)().saturating_add(setting.offset_ms))
    }

    /// A setting by which it is this moment now.
    pub fn moved_to(&self, setting: Setting, now_ms: i64) -> Setting {
        let offset_ms = now_ms.saturating_sub((self.real)());
        Setting { offset_ms, frozen_ms: setting.frozen_ms.map(|_| now_ms), ..setting }
    }
}

pub(crate) fn load(connection: &Connection) -> Result<Setting, Error> {
    let text: Option<String> = connection
        .query_row("select value from meta where name = 'clock'", [], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

pub(crate) fn save(transaction: &Transaction<'_>, setting: Setting) -> Result<(), Error> {
    let text = serde_json::to_string(&setting).unwrap_or_default();
    transaction.execute(
        "insert into meta (name, value) values ('clock', ?)
         on conflict (name) do update set value = excluded.value",
        [text],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    proptest! {
        #[test]
        fn it_runs_on_from_where_it_was_put_unless_it_is_held(
            real in 0..4_000_000_000_000_i64, to in 0..4_000_000_000_000_i64,
            later in 0..1_000_000_i64, is_held: bool,
        ) {
            let time = Arc::new(AtomicI64::new(real));
            let source = Arc::clone(&time);
            let clock = VirtualClock::new(
                Arc::new(move || source.load(Ordering::SeqCst)),
                Setting { frozen_ms: is_held.then_some(5), ..Setting::default() },
            );
            clock.apply(clock.moved_to(clock.setting(), to));
            prop_assert_eq!(clock.now(), to);
            time.store(real + later, Ordering::SeqCst);
            prop_assert_eq!(clock.now(), if is_held { to } else { to + later });
        }
    }
}
