//! What names an application of a live integration is answered after the service was read, or
//! from the store with the reason; each answer says which.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_api::Reading;
use countersign_connector::sync::{Fresh, Lack};
use countersign_connector::{Error, Fault};
use countersign_store::{AccountId, ChangeKind, Known, Mode};
use serde_json::Value;
use tokio::sync::Notify;

use crate::{Answer, Desk, Seat, flaw, guid};

const SOURCE: &str = "x-countersign-source";
const WHOLE: Fresh = Fresh { requests: 4, lack: None };

impl Desk {
    async fn make_live(&self, seat: &Seat) {
        let known = self.store.owned_integration(&seat.uid).await.unwrap().known;
        let known = Known { mode: Mode::Live, ..known };
        self.store.update_known(seat.id, known, "test", self.now()).await.unwrap();
    }

    /// What becomes of each reading from now on.
    fn service(&self, outcome: Result<Fresh, Error>) {
        self.reads_by(move || {
            let outcome = outcome.clone();
            Box::pin(async { outcome })
        });
    }

    fn reads_by(&self, read: impl Fn() -> Reading + Send + 'static) {
        *self.reading.lock().unwrap() = Box::new(read);
    }

    /// The readings that were asked for since the last time.
    fn read(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.read.lock().unwrap())
    }

    async fn api_ops(&self, seat: &Seat) -> u64 {
        // What was counted is written with the first request after a while.
        for _ in 0..2_000 {
            self.now_ms.fetch_add(6_000, Ordering::SeqCst);
            self.get(seat, "/applications").await;
            let hours = self.store.traffic(seat.id, 0).await.unwrap();
            let sum = hours.iter().map(|(_, traffic)| traffic.api_ops).sum();
            if sum > 0 {
                return sum;
            }
        }
        0
    }
}

fn source(answer: &Answer) -> &str {
    answer.headers.get(SOURCE).map_or("none", |value| value.to_str().unwrap())
}

fn problems(answer: &Answer) -> Vec<Value> {
    answer.json()["messages"]["problems"].as_array().cloned().unwrap_or_default()
}

async fn filled() -> (Desk, Seat, [String; 3]) {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    let found = desk.bring_in(&seat, &guid(1), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    let list = format!("/applications/{}/findings", guid(1));
    let targets =
        [format!("{list}/{}", found[0].id), list, format!("/applications/{}/scans", guid(1))];
    (desk, seat, targets)
}

#[tokio::test]
async fn what_names_an_application_of_a_live_integration_is_read_first_and_nothing_else() {
    let (desk, seat, targets) = filled().await;
    desk.service(Ok(WHOLE));
    for target in targets.iter().map(String::as_str).chain(["/findings", "/applications"]) {
        let answer = desk.get(&seat, target).await;
        assert_eq!((answer.status, source(&answer)), (200, "stored"), "{target}");
        assert!(desk.read().is_empty() && problems(&answer).is_empty(), "{target}");
    }
    desk.make_live(&seat).await;
    for target in &targets {
        let answer = desk.get(&seat, target).await;
        assert_eq!((answer.status, source(&answer)), (200, "live"), "{target}");
        assert_eq!(desk.read(), [(seat.name.clone(), guid(1))], "{target}");
        assert!(answer.json().get("messages").is_none(), "{target}");
    }
    for target in ["/findings", "/applications"] {
        let answer = desk.get(&seat, target).await;
        assert_eq!((answer.status, source(&answer)), (200, "stored"), "{target}");
    }
    // What is wrong with a question is said before.
    for target in &targets {
        assert_eq!(desk.get(&seat, &format!("{target}?colour=red")).await.status, 400);
    }
    let list = &targets[1];
    for query in ["filter=colour[eq]red", "cursor=x"] {
        assert_eq!(desk.get(&seat, &format!("{list}?{query}")).await.status, 400);
    }
    assert_eq!(desk.get(&seat, "/applications/%2e%2e/findings").await.status, 404);
    assert!(desk.read().is_empty());
    // What other scanners found has no service.
    let imported = desk.imported(AccountId::OWN, "scanners").await;
    desk.make_live(&imported).await;
    desk.bring_in(&imported, &guid(1), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    assert_eq!(source(&desk.get(&imported, list).await), "stored");
    assert!(desk.read().is_empty());
}

#[tokio::test]
async fn the_answer_is_what_the_reading_brought() {
    let (desk, seat, targets) = filled().await;
    desk.make_live(&seat).await;
    let gate = Arc::new(Notify::new());
    let shut = Arc::clone(&gate);
    desk.reads_by(move || {
        let gate = Arc::clone(&shut);
        Box::pin(async move {
            gate.notified().await;
            Ok(WHOLE)
        })
    });
    let flaws: Vec<_> = (2..9).map(|n| flaw(n, 4, "OPEN")).collect();
    let (answer, ()) = tokio::join!(desk.get(&seat, &targets[1]), async {
        desk.bring_in(&seat, &guid(1), &flaws, ChangeKind::New).await;
        gate.notify_one();
    });
    assert_eq!((answer.results().len(), source(&answer)), (8, "live"));
    // One that no sync has listed yet.
    let new = format!("/applications/{}/findings", guid(2));
    let (answer, _) = tokio::join!(desk.get(&seat, &new), async {
        desk.bring_in(&seat, &guid(2), &flaws, ChangeKind::New).await;
        gate.notify_one();
    });
    assert_eq!((answer.results().len(), source(&answer)), (7, "live"));
    assert_eq!(desk.api_ops(&seat).await, 8);
}

#[tokio::test]
async fn what_is_not_from_the_service_says_why() {
    let (desk, seat, targets) = filled().await;
    let whole: Vec<_> = {
        let mut whole = Vec::new();
        for target in &targets {
            whole.push(desk.get(&seat, target).await.json());
        }
        whole
    };
    desk.make_live(&seat).await;
    let lacks = |lack| Ok(Fresh { requests: 1, lack: Some(lack) });
    let down = "GET https://x: connection refused\nhint: countersign doctor";
    for (outcome, status, detail) in [
        (lacks(Lack::Gone), 404, "no longer sees it"),
        (lacks(Lack::Syncing), 503, "a sync of the integration runs"),
        (lacks(Lack::Incomplete("totals differ".into())), 503, "totals differ"),
        (Err(Error::new(Fault::Upstream, down)), 503, "connection refused"),
        (Err(Error::new(Fault::NotAuthenticated, "401\u{202e}")), 503, "401<U+202E>"),
    ] {
        desk.service(outcome.clone());
        for (target, whole) in targets.iter().zip(&whole) {
            let answer = desk.get(&seat, target).await;
            assert_eq!((answer.status, source(&answer)), (200, "stored"), "{outcome:?}");
            let problem = &problems(&answer)[0];
            let told = problem["detail"].as_str().unwrap();
            assert!(told.ends_with(detail) && !told.contains("hint"), "{problem}");
            assert_eq!(problem["status"], status, "{problem}");
            assert!(problem["message"].as_str().unwrap().ends_with("what is stored"), "{problem}");
            // Otherwise it is the same answer.
            let mut answer = answer.json();
            answer.as_object_mut().unwrap().remove("messages");
            assert_eq!(&answer, whole, "{outcome:?}");
        }
        let missing = desk.get(&seat, &format!("/applications/{}/scans", guid(9))).await;
        let told = missing.json();
        assert!(missing.status == 404 && told["detail"].as_str().unwrap().ends_with(detail));
    }
    desk.service(Ok(WHOLE));
    let missing = desk.get(&seat, &format!("/applications/{}/scans", guid(9))).await;
    assert!(missing.status == 404 && missing.json().get("detail").is_none());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_a_minute() {
    let (desk, seat, targets) = filled().await;
    desk.make_live(&seat).await;
    desk.reads_by(|| Box::pin(std::future::pending()));
    let begun = tokio::time::Instant::now();
    let answer = desk.get(&seat, &targets[1]).await;
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!((answer.results().len(), source(&answer)), (1, "stored"));
    let problem = &problems(&answer)[0];
    assert!(problem["detail"].as_str().unwrap().contains("60 seconds"), "{problem}");
}
