//! What an administrator decides for the whole organisation.

use countersign_signin::session::Limits;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::act::{Change, Noted, View};
use crate::user::User;
use crate::words::words;
use crate::{Error, Refused};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Who must set up a second factor, beside those of whom it is asked one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mfa {
    #[default]
    Chosen,
    People,
    Everybody,
}

impl Mfa {
    pub const ALL: [(Self, &str, &str); 3] = [
        (Self::Chosen, "chosen", "Only who has “Requires MFA” set"),
        (Self::People, "people", "All users, and API accounts that have it set"),
        (Self::Everybody, "everybody", "Users and API accounts"),
    ];
}

words!(
    /// A member that is a number.
    Number {
        PairDays = "pair_days",
        OverlapHours = "overlap_hours",
        IdleMinutes = "idle_minutes",
        SessionHours = "session_hours",
        PasswordDays = "password_days"
    }
);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How long a new pair lives.
    pub pair_days: i64,
    /// How long the pair before goes on working; none for what the platform was
    /// started with.
    pub overlap_hours: Option<i64>,
    pub mfa: Mfa,
    pub idle_minutes: i64,
    pub session_hours: i64,
    /// After which a password has to be changed.
    pub password_days: i64,
    /// Sender of mails; empty for the one that the platform was started with.
    pub mail_from: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pair_days: 365,
            overlap_hours: None,
            mfa: Mfa::Chosen,
            idle_minutes: 15,
            session_hours: 24,
            password_days: 90,
            mail_from: String::new(),
        }
    }
}

impl Settings {
    /// Members that are numbers: what people read, and what each may be.
    pub const NUMBERS: [(Number, &str, std::ops::RangeInclusive<i64>); 5] = [
        (Number::PairDays, "Lifetime of new API credentials, in days", 1..=365),
        (Number::OverlapHours, "Overlap with the API credentials before, in hours", 0..=168),
        (Number::IdleMinutes, "Sign-out without a request after, in minutes", 1..=15),
        (Number::SessionHours, "Sign-out in any case after, in hours", 1..=24),
        (Number::PasswordDays, "A password has to be changed after, in days", 1..=90),
    ];

    pub fn of(view: &View<'_>) -> Result<Self, Error> {
        Self::read(view.connection)
    }

    pub(crate) fn read(connection: &Connection) -> Result<Self, Error> {
        let held: Option<String> = connection
            .prepare_cached("select value from meta where name = 'settings'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        match held {
            Some(held) => serde_json::from_str(&held)
                .map_err(|error| Error::input(format!("the stored settings: {error}"))),
            None => Ok(Self::default()),
        }
    }

    /// Sets them, if they can be.
    pub fn save(&self, change: &Change<'_>) -> Result<Noted<()>, Refused> {
        let complaints = self.complaints();
        if !complaints.is_empty() {
            return Err(Refused::Invalid(complaints));
        }
        let text = serde_json::to_string(self)
            .map_err(|error| Error::input(format!("the settings: {error}")))?;
        change.transaction.execute(
            "insert or replace into meta (name, value) values ('settings', ?)",
            params![text],
        )?;
        Ok(change.noted("settings.change", "organisation", ())?)
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (which, label, range) in Self::NUMBERS {
            if self.number(which).is_some_and(|value| !range.contains(&value)) {
                complaints.push(format!("{label}: {} to {}.", range.start(), range.end()));
            }
        }
        complaints
    }

    pub fn number(&self, which: Number) -> Option<i64> {
        match which {
            Number::PairDays => Some(self.pair_days),
            Number::OverlapHours => self.overlap_hours,
            Number::IdleMinutes => Some(self.idle_minutes),
            Number::SessionHours => Some(self.session_hours),
            Number::PasswordDays => Some(self.password_days),
        }
    }

    pub fn set_number(&mut self, which: Number, value: i64) {
        match which {
            Number::PairDays => self.pair_days = value,
            Number::OverlapHours => self.overlap_hours = Some(value),
            Number::IdleMinutes => self.idle_minutes = value,
            Number::SessionHours => self.session_hours = value,
            Number::PasswordDays => self.password_days = value,
        }
    }

    pub fn pair_life_ms(&self) -> i64 {
        self.pair_days * DAY_MS
    }

    pub fn overlap_ms(&self) -> Option<i64> {
        self.overlap_hours.map(|hours| hours * HOUR_MS)
    }

    pub fn sessions(&self) -> Limits {
        Limits { idle_ms: self.idle_minutes * 60_000, longest_ms: self.session_hours * HOUR_MS }
    }

    pub fn password_life_ms(&self) -> i64 {
        self.password_days * DAY_MS
    }

    pub fn must_have_factor(&self, user: &User) -> bool {
        user.pin_required
            || match self.mfa {
                Mfa::Chosen => false,
                Mfa::People => !user.is_api,
                Mfa::Everybody => true,
            }
    }
}
