//! How often an account is tried. Failures of every step count together for the account,
//! wherever they come from, and in any hour no more than [`AN_HOUR`] tries are compared
//! with anything.
//!
//! A lock that strangers can close is a lock against the owner, so there is none. After
//! [`FREE`] failures in a row strangers wait between tries, longer each time; a try that
//! comes too early is answered like a wrong one, is not looked at, and changes nothing.
//! Browsers that the account knows ([`crate::device`]) have a small allowance of their own
//! beside the strangers', which these cannot use up.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::device::{self, Known};
use crate::{Error, digest};

/// Tries that are looked at in any hour, from strangers.
pub const STRANGERS_AN_HOUR: usize = 12;
/// And from all known browsers together.
pub const DEVICES_AN_HOUR: usize = 8;
/// And from everywhere.
pub const AN_HOUR: usize = STRANGERS_AN_HOUR + DEVICES_AN_HOUR;

/// Failures in a row before strangers wait.
pub const FREE: u32 = 5;
/// Until then at most, after a failure.
pub const LONGEST_DELAY_MS: i64 = 30 * 60_000;
/// Failures are not in a row when this long nobody failed.
pub const FORGOTTEN_MS: i64 = 24 * HOUR_MS;

/// Mails with a link that anybody may ask for, in any hour.
pub const ASKED_AN_HOUR: usize = 3;
/// Mails with a link in any hour, whatever they are for.
pub const MAILS_AN_HOUR: usize = 6;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Names that nobody has share this many counts, so that no number of made-up names
/// takes more room.
const SHADOWS: u64 = 4096;

/// Whose failures are counted: a person's, or those of a name that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(i64);

impl Account {
    /// Of a person.
    pub(crate) fn person(id: i64) -> Self {
        Self(id)
    }

    /// Of a name that nobody has. The salt keeps strangers from choosing which names
    /// share a count.
    pub(crate) fn shadow(name: &str, salt: &str) -> Self {
        let hash = digest(&format!("{salt}{}", name.to_lowercase()));
        let first = hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self(-1 - i64::try_from(first % SHADOWS).unwrap_or_default())
    }

    /// The person, if it is one.
    pub(crate) fn as_person(self) -> Option<i64> {
        (self.0 > 0).then_some(self.0)
    }
}

/// What was counted for an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    /// Of strangers in a row.
    failures: u32,
    /// When the last of them was.
    last_ms: i64,
    /// Whether the owner was told of these failures.
    is_told: bool,
    /// When tries were looked at lately.
    strangers: Vec<i64>,
    devices: Vec<i64>,
    /// When mails with links went out lately.
    mails: Vec<i64>,
}

impl Tally {
    /// Without what is too old to matter. A clock that was set back far makes nothing
    /// wait for it.
    fn aged(mut self, now_ms: i64) -> Self {
        for times in [&mut self.strangers, &mut self.devices, &mut self.mails] {
            times.retain(|at_ms| is_within(HOUR_MS, *at_ms, now_ms));
        }
        if !is_within(FORGOTTEN_MS, self.last_ms, now_ms) {
            (self.failures, self.is_told) = (0, false);
        }
        self
    }

    fn may_look(&self, is_known: bool, now_ms: i64) -> bool {
        match is_known {
            true => self.devices.len() < DEVICES_AN_HOUR,
            false => {
                self.strangers.len() < STRANGERS_AN_HOUR
                    && !is_within(delay_ms(self.failures), self.last_ms, now_ms)
            }
        }
    }

    fn is_slowed(&self) -> bool {
        self.failures >= FREE
    }
}

fn is_within(length_ms: i64, at_ms: i64, now_ms: i64) -> bool {
    now_ms.abs_diff(at_ms) < length_ms.unsigned_abs()
}

/// How long strangers wait after so many failures in a row: a minute, then twice as long
/// each time.
fn delay_ms(failures: u32) -> i64 {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(further) => (MINUTE_MS << further.min(5)).min(LONGEST_DELAY_MS),
    }
}

/// A try that is looked at. It counts as a failure until it turns out to be right, so that
/// many at once are no more than one after the other.
#[derive(Debug)]
pub(crate) struct Try {
    account: Account,
    known: Option<Known>,
    at_ms: i64,
    last_before_ms: i64,
}

/// Whether a try would be looked at now.
pub(crate) fn may_look(
    connection: &Connection,
    account: Account,
    known: Option<&Known>,
    now_ms: i64,
) -> Result<bool, Error> {
    Ok(read(connection, account, now_ms)?.may_look(known.is_some(), now_ms))
}

/// Counts a try, if it is to be looked at.
pub(crate) fn begin(
    transaction: &Transaction<'_>,
    account: Account,
    known: Option<Known>,
    now_ms: i64,
) -> Result<Option<Try>, Error> {
    let mut tally = read(transaction, account, now_ms)?;
    if !tally.may_look(known.is_some(), now_ms) {
        return Ok(None);
    }
    let last_before_ms = tally.last_ms;
    match known {
        Some(_) => tally.devices.push(now_ms),
        None => {
            tally.strangers.push(now_ms);
            tally.failures += 1;
            tally.last_ms = now_ms;
        }
    }
    write(transaction, account, &tally, now_ms)?;
    Ok(Some(Try { account, known, at_ms: now_ms, last_before_ms }))
}

/// It was right: it is as if it had not been.
pub(crate) fn right(transaction: &Transaction<'_>, made: &Try, now_ms: i64) -> Result<(), Error> {
    let mut tally = read(transaction, made.account, now_ms)?;
    let times = match made.known {
        Some(_) => &mut tally.devices,
        None => &mut tally.strangers,
    };
    if let Some(place) = times.iter().position(|at_ms| *at_ms == made.at_ms) {
        times.remove(place);
    }
    if made.known.is_none() {
        tally.failures = tally.failures.saturating_sub(1);
        // Unless somebody failed meanwhile.
        if tally.last_ms == made.at_ms {
            tally.last_ms = made.last_before_ms;
        }
    }
    write(transaction, made.account, &tally, now_ms)
}

/// It was wrong. Answers whether the owner is to be told: once, when strangers begin to
/// wait. A browser that has failed too often is a stranger, and so are its failures.
pub(crate) fn wrong(transaction: &Transaction<'_>, made: &Try, now_ms: i64) -> Result<bool, Error> {
    let mut tally = read(transaction, made.account, now_ms)?;
    let further = match &made.known {
        None => 0,
        Some(known) if device::failed(transaction, known)? => device::FAILURES,
        Some(_) => return Ok(false),
    };
    tally.failures += further;
    tally.last_ms = tally.last_ms.max(made.at_ms);
    let is_to_be_told = tally.is_slowed() && !tally.is_told && tally.mails.len() < MAILS_AN_HOUR;
    if is_to_be_told {
        tally.is_told = true;
        tally.mails.push(now_ms);
    }
    write(transaction, made.account, &tally, now_ms)?;
    Ok(is_to_be_told)
}

/// Nobody waits any longer, because the owner is there. What was looked at in the last
/// hour stays counted: else whoever makes the owner sign in has another dozen tries.
pub fn unlock(transaction: &Transaction<'_>, person: i64, now_ms: i64) -> Result<(), Error> {
    let account = Account::person(person);
    let mut tally = read(transaction, account, now_ms)?;
    (tally.failures, tally.is_told) = (0, false);
    write(transaction, account, &tally, now_ms)
}

/// Whether strangers wait between tries.
pub fn is_slowed(connection: &Connection, person: i64, now_ms: i64) -> Result<bool, Error> {
    Ok(read(connection, Account::person(person), now_ms)?.is_slowed())
}

/// Counts a mail with a link that somebody asks for; false when there were enough.
pub(crate) fn ask(
    transaction: &Transaction<'_>,
    account: Account,
    now_ms: i64,
) -> Result<bool, Error> {
    let mut tally = read(transaction, account, now_ms)?;
    if tally.mails.len() >= ASKED_AN_HOUR {
        return Ok(false);
    }
    tally.mails.push(now_ms);
    write(transaction, account, &tally, now_ms)?;
    Ok(true)
}

/// Whether [`ask`] would count one.
pub(crate) fn may_ask(
    connection: &Connection,
    account: Account,
    now_ms: i64,
) -> Result<bool, Error> {
    Ok(read(connection, account, now_ms)?.mails.len() < ASKED_AN_HOUR)
}

fn read(connection: &Connection, account: Account, now_ms: i64) -> Result<Tally, Error> {
    let sql = "select failures, last_ms, is_told, strangers, devices, mails
        from signin_tallies where account = ?";
    let found = connection
        .prepare_cached(sql)?
        .query_row([account.0], |row| {
            let times: [String; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, times))
        })
        .optional()?;
    let Some((failures, last_ms, is_told, times)) = found else { return Ok(Tally::default()) };
    let [strangers, devices, mails] =
        times.map(|text| serde_json::from_str(&text).map_err(|_| Error::Stored("failures")));
    let (strangers, devices, mails) = (strangers?, devices?, mails?);
    Ok(Tally { failures, last_ms, is_told, strangers, devices, mails }.aged(now_ms))
}

fn write(
    transaction: &Transaction<'_>,
    account: Account,
    tally: &Tally,
    now_ms: i64,
) -> Result<(), Error> {
    // Rows of people go with them ([`crate::forget`]); those of nobody when they are old.
    transaction
        .prepare_cached("delete from signin_tallies where account < 0 and written_ms <= ?")?
        .execute([now_ms.saturating_sub(FORGOTTEN_MS)])?;
    let [strangers, devices, mails] = [&tally.strangers, &tally.devices, &tally.mails]
        .map(|times| serde_json::to_string(times).map_err(|_| Error::Stored("failures")));
    transaction
        .prepare_cached(
            "insert or replace into signin_tallies
                (account, failures, last_ms, is_told, strangers, devices, mails, written_ms)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            account.0,
            tally.failures,
            tally.last_ms,
            tally.is_told,
            strangers?,
            devices?,
            mails?,
            now_ms
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;
    use proptest::prelude::*;

    const OWNER: Account = Account(1);

    /// What somebody tries.
    #[derive(Debug, Clone, Copy)]
    struct Step {
        pause_ms: i64,
        /// The browser of this number, which the account may know.
        browser: Option<usize>,
        is_right: bool,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let pause = prop_oneof![
            4 => Just(0),
            4 => 1..MINUTE_MS,
            2 => MINUTE_MS..40 * MINUTE_MS,
            1 => HOUR_MS..30 * HOUR_MS,
        ];
        let browser = prop_oneof![3 => Just(None), 2 => (0_usize..3).prop_map(Some)];
        let step = (pause, browser, prop::bool::weighted(0.2));
        let step =
            step.prop_map(|(pause_ms, browser, is_right)| Step { pause_ms, browser, is_right });
        prop::collection::vec(step, 1..200)
    }

    /// What has to hold, said without any of the counts above.
    #[derive(Default)]
    struct Model {
        /// When wrong tries were looked at, and whether the account knew the browser.
        looked: Vec<(i64, bool)>,
        /// Failures of each known browser since it was last right.
        browsers: [u32; 3],
        /// Failures of strangers in a row, and when the last of them was.
        row: (u32, i64),
        told: usize,
        spells: usize,
    }

    impl Model {
        fn lately(&self, now_ms: i64, is_known: bool) -> usize {
            let is_late = |at_ms: i64| at_ms > now_ms - HOUR_MS;
            self.looked.iter().filter(|(at, known)| is_late(*at) && *known == is_known).count()
        }
    }

    fn rows(transaction: &Transaction<'_>) -> Vec<String> {
        let columns = "account || '/' || failures || '/' || last_ms || '/' || is_told
            || strangers || devices || mails";
        let sql = format!("select {columns} from signin_tallies order by account");
        let mut statement = transaction.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    proptest! {
        #[test]
        fn twenty_an_hour_and_the_owner_gets_in(steps in steps()) {
            with(|transaction, random| {
                let tokens: Vec<_> =
                    (0..3).map(|_| device::make(transaction, 1, 0, random).unwrap()).collect();
                let mut model = Model::default();
                let mut now_ms = 1_000_000_000_000;
                for step in steps {
                    now_ms += step.pause_ms;
                    let token = step.browser.map(|browser| &*tokens[browser]);
                    let known = token.and_then(|token| {
                        // Time passes for cookies elsewhere.
                        device::known(transaction, 1, token, 0).unwrap()
                    });
                    let before = rows(transaction);
                    let made = begin(transaction, OWNER, known, now_ms).unwrap();
                    let is_looked_at = made.is_some();
                    // The allowance of a known browser is its own.
                    if known.is_some() {
                        assert_eq!(is_looked_at, model.lately(now_ms, true) < DEVICES_AN_HOUR);
                    } else {
                        let pause_ms = now_ms - model.row.1;
                        let is_free = model.lately(now_ms, false) < STRANGERS_AN_HOUR;
                        if is_free && pause_ms >= LONGEST_DELAY_MS {
                            assert!(is_looked_at, "nobody waits longer than that");
                        }
                        if !is_free || model.row.0 >= FREE && pause_ms < MINUTE_MS {
                            assert!(!is_looked_at, "strangers wait");
                        }
                    }
                    let Some(made) = made else {
                        assert_eq!(before, rows(transaction), "it changes nothing");
                        continue;
                    };
                    if step.is_right {
                        right(transaction, &made, now_ms).unwrap();
                        if let (Some(_), Some(browser)) = (known, step.browser) {
                            let token = Some(tokens[browser].as_str());
                            device::remember(transaction, 1, token, 0, random).unwrap();
                            model.browsers[browser] = 0;
                        } else {
                            unlock(transaction, 1, now_ms).unwrap();
                            model.spells += 1;
                            model.row.0 = 0;
                        }
                        continue;
                    }
                    if now_ms - model.row.1 >= FORGOTTEN_MS {
                        model.spells += 1;
                        model.row.0 = 0;
                    }
                    model.looked.push((now_ms, known.is_some()));
                    model.told += usize::from(wrong(transaction, &made, now_ms).unwrap());
                    let further = match (known, step.browser) {
                        (Some(_), Some(browser)) => {
                            let token = &tokens[browser];
                            model.browsers[browser] += 1;
                            let is_known = device::known(transaction, 1, token, 0).unwrap();
                            let is_stranger = model.browsers[browser] == device::FAILURES;
                            assert_eq!(is_known.is_none(), is_stranger);
                            if is_stranger { device::FAILURES } else { 0 }
                        }
                        _ => 1,
                    };
                    if further > 0 {
                        model.row = (model.row.0 + further, now_ms);
                    }
                    let lately = model.lately(now_ms, false) + model.lately(now_ms, true);
                    assert!(lately <= AN_HOUR, "{lately} in an hour");
                    assert!(rows(transaction).concat().len() < 600, "bounded");
                }
                assert!(model.told <= model.spells + 1, "told once");
            });
        }
    }

    fn wrong_at(transaction: &Transaction<'_>, account: Account, now_ms: i64) -> Option<bool> {
        let made = begin(transaction, account, None, now_ms).unwrap()?;
        Some(wrong(transaction, &made, now_ms).unwrap())
    }

    #[test]
    fn strangers_wait_longer_each_time_and_the_owner_is_told_once() {
        with(|transaction, _| {
            for tell in [false, false, false, false, true] {
                assert_eq!(wrong_at(transaction, OWNER, 0), Some(tell));
            }
            assert!(
                is_slowed(transaction, 1, 0).unwrap() && !is_slowed(transaction, 2, 0).unwrap()
            );
            let mut at_ms = 0;
            for minutes in [1, 2, 4, 8, 16, 30, 30, 30] {
                at_ms += minutes * MINUTE_MS;
                for early_ms in [1, minutes * MINUTE_MS / 2] {
                    assert_eq!(wrong_at(transaction, OWNER, at_ms - early_ms), None, "{minutes}");
                }
                assert_eq!(wrong_at(transaction, OWNER, at_ms), Some(false), "{minutes}");
            }
            let later_ms = at_ms + FORGOTTEN_MS;
            for tell in [false, false, false, false, true] {
                assert_eq!(wrong_at(transaction, OWNER, later_ms), Some(tell), "another spell");
            }
        });
    }

    /// However often the owner is there between.
    #[test]
    fn an_unlocked_account_is_no_way_to_more_tries() {
        with(|transaction, _| {
            let looked = (0..200).filter(|_| {
                unlock(transaction, 1, 0).unwrap();
                wrong_at(transaction, OWNER, 0).is_some()
            });
            assert_eq!(looked.count(), STRANGERS_AN_HOUR);
            assert!(wrong_at(transaction, OWNER, HOUR_MS).is_some());
        });
    }

    #[test]
    fn many_at_once_are_no_more_than_one_after_the_other() {
        with(|transaction, _| {
            let at_once: Vec<_> =
                (0..50).filter_map(|_| begin(transaction, OWNER, None, 0).unwrap()).collect();
            assert_eq!(at_once.len(), FREE as usize);
            for made in &at_once {
                right(transaction, made, 0).unwrap();
            }
            assert_eq!(rows(transaction), ["1/0/0/0[][][]"], "right ones leave no trace");
        });
    }

    #[test]
    fn made_up_names_take_no_more_room_than_there_is() {
        with(|transaction, _| {
            for number in 0..20_000 {
                let account = Account::shadow(&format!("name-{number}"), "salt");
                assert_eq!(account.as_person(), None);
                wrong_at(transaction, account, 0);
                ask(transaction, account, 0).unwrap();
            }
            let count = rows(transaction).len();
            assert!((4000..=4096).contains(&count), "{count}");
            assert_eq!(
                Account::shadow("Somebody", "salt"),
                Account::shadow("SOMEBODY", "salt"),
                "a name is a name"
            );
            assert_ne!(Account::shadow("x", "salt"), Account::shadow("x", "another salt"));
            wrong_at(transaction, OWNER, FORGOTTEN_MS);
            assert_eq!(rows(transaction).len(), 1, "old ones are gone");
        });
    }

    #[test]
    fn mails_with_links_are_few_an_hour() {
        with(|transaction, _| {
            let sent = (0..100).filter(|_| ask(transaction, OWNER, 0).unwrap()).count();
            assert_eq!(sent, ASKED_AN_HOUR);
            assert!(!may_ask(transaction, OWNER, HOUR_MS - 1).unwrap());
            assert!(may_ask(transaction, OWNER, HOUR_MS).unwrap());
            let mut told = 0;
            for _ in 0..STRANGERS_AN_HOUR {
                unlock(transaction, 1, 0).unwrap();
                for _ in 0..FREE {
                    told += usize::from(wrong_at(transaction, OWNER, 0) == Some(true));
                }
            }
            assert!((1..=MAILS_AN_HOUR - ASKED_AN_HOUR).contains(&told), "{told}");
        });
    }

    /// Clocks are set.
    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        with(|transaction, _| {
            for _ in 0..20 {
                wrong_at(transaction, OWNER, 100 * HOUR_MS);
            }
            assert!(wrong_at(transaction, OWNER, 0).is_some());
        });
    }
}
