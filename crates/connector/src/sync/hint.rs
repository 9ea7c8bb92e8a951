//! What the Reporting API says moved, as a hint: it names applications that are read although
//! no date of theirs moved. What it does not name proves nothing: it is hours late, its zone is
//! not said, and it sees what its role sees. So it only adds to what is read, and where it
//! cannot be had, a run goes on without it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use countersign_client::{Client, Error as ClientError};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::times::DAY_MS;

/// The latest that a report may be, by the documents.
const LATEST_MS: i64 = 4 * 3_600_000;
/// What zones and ends of days may be off.
const ZONES_MS: i64 = DAY_MS;
/// The longest time that a report may be about is six months; clients stay below it.
const LONGEST_MS: i64 = 170 * DAY_MS;
/// What a first report is about.
const FIRST_MS: i64 = 7 * DAY_MS;

/// Questions for a report that is not complete.
const QUESTIONS: u32 = 60;
/// Pages of a report at most: with more, a run goes on without it.
const MOST_PAGES: u64 = 200;

/// The most western zone that a service has: a time of a report is no later than there.
const WESTERN: &str = "America/New_York";

/// Applications that a report names: when the newest of their rows is of, at the latest; none
/// where that cannot be read.
pub(super) type Named = HashMap<i64, Option<i64>>;

/// Since when a report is to tell, in its own words: from before the last one on, by as much
/// as it may have been late.
pub(super) fn start(last_ms: Option<i64>, now_ms: i64) -> String {
    let last_ms = last_ms.map_or(now_ms - FIRST_MS, |last_ms| last_ms - LATEST_MS - ZONES_MS);
    let start_ms = last_ms.clamp(now_ms - LONGEST_MS, now_ms);
    // In UTC. A service in New York reads it as up to five hours later, which the day covers;
    // one in Berlin as earlier.
    let at = Timestamp::from_millisecond(start_ms).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Asks for a report and reads it.
pub(super) async fn ask(
    client: &Client,
    start: &str,
    between: Duration,
) -> Result<Named, ClientError> {
    let id = client.report_since(start).await?;
    let mut named = Named::new();
    let (mut page, mut questions) = (0, 0);
    loop {
        let Some(moved) = client.report_page(&id, page).await? else {
            questions += 1;
            if questions == QUESTIONS {
                return Err(client.mismatch("the report does not become complete"));
            }
            sleep(between).await;
            continue;
        };
        if moved.pages > MOST_PAGES {
            return Err(client.mismatch("the report has more rows than are believed"));
        }
        for (application, updated) in moved.rows {
            let updated_ms = updated.as_deref().and_then(latest_ms);
            let newest = named.entry(application).or_insert(updated_ms);
            *newest = newest.zip(updated_ms).map(|(one, other)| one.max(other));
        }
        page += 1;
        if page >= moved.pages {
            return Ok(named);
        }
    }
}

/// The latest moment that a local time can be.
fn latest_ms(local: &str) -> Option<i64> {
    let local: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", local)
        .or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M:%S", local))
        .ok()?;
    let zone = TimeZone::get(WESTERN).ok()?;
    let at = zone.to_ambiguous_timestamp(local).later().ok()?;
    Some(at.checked_add(SignedDuration::from_secs(1)).ok()?.as_millisecond())
}

/// Whether what is named was read since: reading is not late.
pub(super) fn is_news(updated_ms: Option<i64>, read_ms: Option<i64>) -> bool {
    match (updated_ms, read_ms) {
        (Some(updated_ms), Some(read_ms)) => read_ms <= updated_ms,
        _ => true,
    }
}

/// Positions that are named and not in the plan anyway.
pub(super) fn news(
    named: &Named,
    skipped: &[usize],
    known: impl Fn(usize) -> (Option<i64>, Option<i64>),
) -> HashSet<usize> {
    let is_named = |at: &&usize| {
        let (application, read_ms) = known(**at);
        application
            .and_then(|application| named.get(&application))
            .is_some_and(|updated_ms| is_news(*updated_ms, read_ms))
    };
    skipped.iter().filter(is_named).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_report_begins_before_the_last_one_by_as_much_as_that_was_late() {
        let now_ms = ms("2026-07-01T12:00:00Z");
        assert_eq!(start(None, now_ms), "2026-06-24 12:00:00");
        assert_eq!(start(Some(now_ms - 6 * HOUR_MS), now_ms), "2026-06-30 02:00:00");
        assert_eq!(start(Some(now_ms - 400 * DAY_MS), now_ms), "2026-01-12 12:00:00");
        assert_eq!(
            start(Some(now_ms + 9 * DAY_MS), now_ms),
            "2026-07-01 12:00:00",
            "a clock that was set back"
        );
    }

    #[test]
    fn a_local_time_is_believed_to_be_as_late_as_it_can_be() {
        for (local, latest) in [
            ("2026-07-01 08:00:00", Some("2026-07-01T12:00:01Z")),
            ("2026-01-01 08:00:00.250", Some("2026-01-01T13:00:01.250Z")),
            // Twice in autumn, never in spring.
            ("2026-11-01 01:30:00", Some("2026-11-01T06:30:01Z")),
            ("2026-03-08 02:30:00", Some("2026-03-08T07:30:01Z")),
            ("2026-07-01", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(latest_ms(local), latest.map(ms), "{local}");
        }
    }

    #[test]
    fn what_was_read_since_is_no_news_and_what_has_no_time_is() {
        for (updated_ms, read_ms, expected) in [
            (Some(5), Some(6), false),
            (Some(6), Some(6), true),
            (Some(7), Some(6), true),
            (None, Some(6), true),
            (Some(5), None, true),
        ] {
            assert_eq!(is_news(updated_ms, read_ms), expected, "{updated_ms:?} {read_ms:?}");
        }
        let named = Named::from([(1, Some(5)), (2, Some(9)), (3, None), (9, Some(9))]);
        let known = |at: usize| match at {
            0 => (Some(1), Some(6)),
            1 => (Some(2), Some(6)),
            2 => (Some(3), Some(6)),
            _ => (None, Some(6)),
        };
        assert_eq!(news(&named, &[0, 1, 2, 3], known), HashSet::from([1, 2]));
        assert_eq!(news(&named, &[], known), HashSet::new(), "it is read anyway");
    }
}
