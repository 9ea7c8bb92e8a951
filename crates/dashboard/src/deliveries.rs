//! Deliveries: where each destination stands, what waits for approval, what failed; and for
//! operators approve and send again. What is done is done by `countersign_deliveries::acts`, as
//! the commands do it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_deliveries::acts::{self, Mark, Refusal, Standing};
use countersign_store::{DeliveredRow, LinkStanding, SendFilter, SendRow, SendState};
use countersign_web::moment::{Moment, from_now};

use super::inner::Inner;
use super::look::grouped;
use super::text::Shown;
use super::web::{Form, Frame, Reader, Stop, cause_and_fix, go};

/// Sends of one kind that one destination shows.
const SENDS: u32 = 20;
/// Of a title or a reason.
const LINE_CHARS: usize = 300;

/// One send in a list.
struct Row {
    number: i64,
    action: &'static str,
    what: Shown,
    why: Option<Shown>,
    planned: Moment,
    ago: String,
    attempts: u32,
    /// Where it is sent again.
    replay: String,
}

struct Card {
    number: usize,
    name: Shown,
    kind: String,
    place: Shown,
    mark: (&'static str, &'static str),
    problem: Option<(Shown, Shown)>,
    waiting: String,
    oldest: Option<String>,
    sent: String,
    skipped: String,
    left_out: String,
    held: Vec<Row>,
    held_count: String,
    failed: Vec<Row>,
    failed_count: String,
    approve: String,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Page {
    frame: Frame,
    cards: Vec<Card>,
}

pub(super) async fn list(State(inner): State<Inner>, reader: Reader) -> Result<Response, Stop> {
    let now_ms = reader.visitor.now_ms;
    let mut cards = Vec::new();
    for (number, standing) in acts::standings(&inner.store).await?.iter().enumerate() {
        let held = sends(&inner, standing, &[SendState::Held]).await?;
        let failed = sends(&inner, standing, &[SendState::Failed, SendState::Dead]).await?;
        cards.push(card(number, standing, (&held, &failed), now_ms));
    }
    let frame = reader.visitor.frame("Deliveries", "/deliveries");
    reader.visitor.page(200, &Page { frame, cards })
}

async fn sends(
    inner: &Inner,
    standing: &Standing,
    states: &[SendState],
) -> Result<Vec<SendRow>, Stop> {
    let destination = Some(standing.row.name.clone());
    let filter = SendFilter { destination, states: states.to_vec(), before: None };
    Ok(inner.store.sends(filter, SENDS).await?)
}

fn card(
    number: usize,
    standing: &Standing,
    (held, failed): (&[SendRow], &[SendRow]),
    now_ms: i64,
) -> Card {
    let row = &standing.row;
    let mark = match standing.mark() {
        Mark::Well => ("good", "✓ delivers"),
        Mark::Simulated => ("", "simulates"),
        Mark::Paused => ("warn", "paused"),
        Mark::Failed => ("bad", "✗ failed"),
        Mark::Held => ("warn", "! waits for approval"),
        Mark::Broken => ("bad", "✗ does not deliver"),
    };
    let problem = row.problem.as_deref().map(|text| {
        let (what, fix) = cause_and_fix(text);
        (Shown::cut(&what, LINE_CHARS), Shown::cut(&fix, LINE_CHARS))
    });
    let rows = |sends: &[SendRow]| sends.iter().map(|send| shown(send, now_ms)).collect();
    let path: String = url::form_urlencoded::byte_serialize(row.name.as_bytes()).collect();
    Card {
        number,
        name: Shown::new(&row.name),
        kind: row.kind.replace('_', " "),
        place: Shown::cut(&row.place, LINE_CHARS),
        mark,
        problem,
        waiting: grouped(standing.waiting()),
        oldest: standing.waits_since_ms.map(|ms| from_now(ms, now_ms)),
        sent: grouped(standing.count(SendState::Sent)),
        skipped: grouped(standing.count(SendState::Skipped)),
        left_out: grouped(row.left_out),
        held: rows(held),
        held_count: grouped(standing.count(SendState::Held)),
        failed: rows(failed),
        failed_count: grouped(standing.failed()),
        approve: format!("/deliveries/{}/approve", path.replace('+', "%20")),
    }
}

fn shown(send: &SendRow, now_ms: i64) -> Row {
    Row {
        number: send.id.number(),
        action: send.action.as_str(),
        what: Shown::cut(&acts::preview(send, None).subject, LINE_CHARS),
        why: send.reason.as_deref().map(|why| Shown::cut(why, LINE_CHARS)),
        planned: Moment(send.planned_ms),
        ago: from_now(send.planned_ms, now_ms),
        attempts: send.attempts,
        replay: format!("/deliveries/sends/{}/replay", send.id.number()),
    }
}

/// A ticket on the page of its finding.
pub(super) struct Delivered {
    pub(super) destination: Shown,
    pub(super) standing: &'static str,
    pub(super) reference: Shown,
    /// A link, where the receiver gave an address.
    pub(super) address: Option<Shown>,
}

impl Delivered {
    pub(super) fn of(row: &DeliveredRow) -> Self {
        Self {
            destination: Shown::new(&row.destination),
            standing: match row.link.standing {
                LinkStanding::Open => "open",
                LinkStanding::ClosedOurs => "closed",
                LinkStanding::DoneTheirs => "closed there as done",
                LinkStanding::RefusedTheirs => "closed there as not to be done",
                LinkStanding::Lost => "gone",
            },
            reference: Shown::cut(&row.link.reference, LINE_CHARS),
            address: row.link.url.as_deref().map(Shown::address),
        }
    }
}

pub(super) async fn approve(
    State(inner): State<Inner>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Stop> {
    let now_ms = acting(&inner, form, &name, "delivery.approve").await?;
    done(acts::approve(&inner.store, &name, now_ms).await)
}

pub(super) async fn replay(
    State(inner): State<Inner>,
    Path(number): Path<i64>,
    form: Form,
) -> Result<Response, Stop> {
    let now_ms = acting(&inner, form, &number.to_string(), "delivery.replay").await?;
    done(acts::replay(&inner.store, number, now_ms).await)
}

/// Notes who does something, for an operator.
async fn acting(inner: &Inner, form: Form, name: &str, act: &'static str) -> Result<i64, Stop> {
    let (reader, _) = form.operator()?;
    inner.people.note(&reader.person, act, name, &reader.visitor.visit).await?;
    Ok(reader.visitor.now_ms)
}

fn done<T>(outcome: Result<T, Refusal>) -> Result<Response, Stop> {
    match outcome {
        Ok(_) => Ok(go("/deliveries")),
        Err(Refusal::NoDestination { .. } | Refusal::NoSend(_)) => Err(Stop::NotFound),
        Err(Refusal::Store(error)) => Err(error.into()),
        Err(refusal) => Err(Stop::Refused(refusal.to_string())),
    }
}
