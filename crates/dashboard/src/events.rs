//! That something changed, to pages that are open: a number, nothing else. Who sees it
//! asks for the page again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::inner::Inner;
use super::web::{Reader, Stop};
use countersign_web::page::Hindrance;

/// Pages that listen at once.
pub(super) const LISTENERS: usize = 64;
/// No page is told more often.
const PAUSE: Duration = Duration::from_secs(1);
/// After this the browser asks again, and shows again that it may.
const LIFE: Duration = Duration::from_secs(600);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

struct Listening {
    changed: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    ends: Instant,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn listen(State(inner): State<Inner>, _: Reader) -> Result<Response, Stop> {
    let scheduler = inner.scheduler.as_ref().ok_or(Stop::NotFound)?;
    let place = Arc::clone(&inner.listeners).try_acquire_owned();
    let listening = Listening {
        changed: scheduler.subscribe(),
        stop: inner.stop.clone(),
        ends: Instant::now() + LIFE,
        is_first: true,
        _place: place.map_err(|_| Hindrance::TooMany(60))?,
    };
    let events = stream::unfold(listening, |mut listening| async move {
        if listening.is_first {
            listening.is_first = false;
        } else {
            tokio::select! {
                changed = listening.changed.changed() => changed.ok()?,
                _ = listening.stop.wait_for(|is_stopped| *is_stopped) => return None,
                () = sleep_until(listening.ends) => return None,
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = listening.stop.wait_for(|is_stopped| *is_stopped) => return None,
            }
        }
        let number = *listening.changed.borrow_and_update();
        let event = Event::default().event("change").data(number.to_string());
        Some((Ok::<_, Infallible>(event), listening))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
