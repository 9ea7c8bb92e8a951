//! Shows where a run stands: on a terminal two lines that move, elsewhere a line on
//! standard error now and then.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Hold, Why};
use countersign_connector::sync::{Doing, Follower, Standing};
use countersign_text::span;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use crate::output::{grouped, note, shown};

const TICK: Duration = Duration::from_millis(200);
/// Before the first line elsewhere; each gap is twice the one before.
const FIRST_GAP: Duration = Duration::from_secs(10);
const LONGEST_GAP: Duration = Duration::from_secs(300);
/// What holds a run up for less is not worth a word.
const SHORT: Duration = Duration::from_secs(1);

/// What shows it, until it is dropped.
pub(crate) struct Watching {
    bar: Option<ProgressBar>,
    task: JoinHandle<()>,
}

impl Watching {
    /// Of the run of this integration.
    pub(crate) fn begin(name: &str, follower: Arc<Follower>, now: crate::system::Clock) -> Self {
        let name = name.to_owned();
        if !std::io::stderr().is_terminal() {
            let task = tokio::spawn(async move {
                let mut gap = FIRST_GAP;
                loop {
                    tokio::time::sleep(gap).await;
                    gap = (gap * 2).min(LONGEST_GAP);
                    let [first, second] = told(&follower.standing(), now(), &TimeZone::system());
                    note(&format!("{name}: {first}; {second}"));
                }
            });
            return Self { bar: None, task };
        }
        let bar = shown(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}\n  {prefix}") {
            bar.set_style(style);
        }
        let moved = bar.clone();
        let task = tokio::spawn(async move {
            loop {
                let [first, second] = told(&follower.standing(), now(), &TimeZone::system());
                moved.set_message(format!("{name}: {first}"));
                moved.set_prefix(second);
                moved.tick();
                tokio::time::sleep(TICK).await;
            }
        });
        Self { bar: Some(bar), task }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What it does and for how long; what it waits for, and what Ctrl-C keeps.
fn told(standing: &Standing, now_ms: i64, zone: &TimeZone) -> [String; 2] {
    let at = |left: Duration, form: &str| {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let then = SignedDuration::try_from(left).ok().and_then(|left| now.checked_add(left).ok());
        then.map(|then| zone.to_datetime(then).strftime(form).to_string()).unwrap_or_default()
    };
    let doing = match standing.doing {
        Doing::Listing => "listing the applications".to_owned(),
        Doing::Settling => "closing what is gone".to_owned(),
        Doing::Reading { done, planned } => {
            format!("reading applications, {} of {}", grouped(done), grouped(planned))
        }
    };
    let left = standing.left.map(|left| {
        let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        format!(", about {} left, until {}", span(ms), at(left, "%H:%M"))
    });
    let hold = standing.hold.filter(|hold| hold.left >= SHORT).map(|hold| {
        let until = format!("until {} ({} s)", at(hold.left, "%H:%M:%S"), hold.left.as_secs());
        format!("{} {until}; ", held(hold, standing.per_minute))
    });
    let checking = match standing.is_checking {
        true => "the store is checked before it is written to; ",
        false => "",
    };
    let kept = match standing.kept {
        0 => "Ctrl-C keeps what was there before".to_owned(),
        1 => format!("Ctrl-C keeps 1 application, {} findings", grouped(standing.kept_findings)),
        kept => format!(
            "Ctrl-C keeps {} applications, {} findings",
            grouped(kept),
            grouped(standing.kept_findings)
        ),
    };
    [
        format!("{doing}{}", left.unwrap_or_default()),
        format!("{}{checking}{kept}", hold.unwrap_or_default()),
    ]
}

fn held(hold: Hold, per_minute: usize) -> String {
    match hold.why {
        Why::Budget => format!("waiting for the limit of {per_minute} requests a minute"),
        Why::Answered(429) => "the service limits requests (429): waiting".to_owned(),
        Why::Answered(status) => format!("the service answered {status}: trying again, waiting"),
        Why::Failed => "a connection failed: trying again, waiting".to_owned(),
        Why::Unanswered => "the service does not answer: waiting".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_780_000_000_000;

    fn standing() -> Standing {
        Standing {
            doing: Doing::Reading { done: 340, planned: 1000 },
            is_checking: false,
            kept: 338,
            kept_findings: 20_280,
            requests: 1021,
            per_minute: 500,
            hold: None,
            left: Some(Duration::from_secs(240)),
        }
    }

    fn lines(standing: &Standing) -> [String; 2] {
        told(standing, NOW_MS, &TimeZone::UTC)
    }

    #[test]
    fn what_it_does_and_how_long_it_takes() {
        let one = standing();
        let first = "reading applications, 340 of 1,000, about 4 minutes left, until 20:30";
        assert_eq!(lines(&one), [first, "Ctrl-C keeps 338 applications, 20,280 findings"]);
        let listing = Standing { doing: Doing::Listing, kept: 0, left: None, ..one };
        let nothing = "Ctrl-C keeps what was there before";
        assert_eq!(lines(&listing), ["listing the applications", nothing]);
        let checking = Standing { is_checking: true, ..listing };
        assert!(lines(&checking)[1].starts_with("the store is checked before"));
        let settling = Standing { doing: Doing::Settling, left: None, ..one };
        assert_eq!(lines(&settling)[0], "closing what is gone");
    }

    #[test]
    fn what_it_waits_for_and_until_when() {
        for (why, seconds, words) in [
            (
                Why::Budget,
                41,
                "waiting for the limit of 500 requests a minute until 20:27:21 (41 s); ",
            ),
            (
                Why::Answered(429),
                20,
                "the service limits requests (429): waiting until 20:27:00 (20 s); ",
            ),
            (
                Why::Answered(503),
                5,
                "the service answered 503: trying again, waiting until 20:26:45 (5 s); ",
            ),
            (Why::Failed, 5, "a connection failed: trying again, waiting until 20:26:45 (5 s); "),
            (Why::Unanswered, 57, "the service does not answer: waiting until 20:27:37 (57 s); "),
        ] {
            let hold = Some(Hold { why, left: Duration::from_secs(seconds) });
            let [first, second] = lines(&Standing { hold, ..standing() });
            assert!(second.starts_with(words) && second.contains("Ctrl-C keeps 338"), "{second}");
            assert!(first.chars().count() < 80, "{first}");
        }
        let short = Some(Hold { why: Why::Budget, left: Duration::from_millis(900) });
        assert!(lines(&Standing { hold: short, ..standing() })[1].starts_with("Ctrl-C"));
    }
}
