//! Findings of other scanners: brought in once, told back, and there as any other.

use countersign_store::AccountId;
use serde_json::{Value, json};

use crate::{Answer, Desk, Seat};

const BULK: &str = "/v1/app-sec/findings/bulk";

fn finding(number: usize, severity: u8) -> Value {
    json!({
        "class_uid": 2007, "category_uid": 2, "activity_id": 1, "type_uid": 200701,
        "severity_id": severity, "time": 1_767_323_045_000_i64,
        "metadata": {"version": "1.8.0", "product": {"name": "Scan-o-matic", "vendor_name": "Example"}},
        "finding_info": {"uid": format!("s-{number}"), "title": format!("Hole {number}")},
        "application": {"uid": format!("app-{}", number % 3), "name": format!("App {}", number % 3)},
    })
}

async fn send(desk: &Desk, seat: &Seat, body: &Value) -> Answer {
    desk.send("POST", BULK, Some(&seat.token), body.to_string()).await
}

#[tokio::test]
async fn the_same_body_twice_brings_each_finding_in_once() {
    let desk = Desk::start().await;
    let seat = desk.imported(AccountId::OWN, "scanners").await;
    let other = desk.imported(AccountId::OWN, "others").await;
    let body: Value = (0..450).map(|n| finding(n, 1 + (n % 5) as u8)).collect();
    let first = send(&desk, &seat, &body).await;
    assert_eq!((first.status, first.results().len()), (200, 450), "{}", first.body);
    assert!(first.json().get("cursor").is_none() && first.json().get("messages").is_none());
    let again = send(&desk, &seat, &body).await;
    assert_eq!(again.json(), first.json());
    let (listed, _) = desk.all(&seat, "/findings?limit=77").await;
    assert_eq!(listed.len(), 450);
    // What was told back is what lists say, in the order of the body.
    for (at, told) in first.results().iter().enumerate() {
        assert!(listed.contains(told), "{told}");
        assert_eq!(told["finding_info"]["title"], format!("Hole {at}"));
        assert_eq!(told["metadata"]["product"]["name"], "Scan-o-matic");
    }
    let (applications, _) = desk.all(&seat, "/applications").await;
    assert_eq!(applications.len(), 3);
    assert!(desk.all(&other, "/findings").await.0.is_empty());
}

#[tokio::test]
async fn what_cannot_be_a_finding_is_told_by_its_place_and_the_rest_is_kept() {
    let desk = Desk::start().await;
    let seat = desk.imported(AccountId::OWN, "scanners").await;
    let mut wrong = finding(1, 3);
    wrong["finding_info"] = json!({"title": "no uid"});
    let body = json!([finding(0, 3), wrong, finding(2, 4), finding(2, 5), 7]);
    let answer = send(&desk, &seat, &body).await;
    let told = answer.json();
    assert_eq!(answer.results().len(), 2, "{told}");
    let problems = told["messages"]["problems"].as_array().unwrap();
    let of = |at: usize| problems[at]["context"]["parameter"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (problems.len(), of(0), of(1), of(2)),
        (3, "/1/finding_info/uid".into(), "/2".into(), "/4".into()),
        "{told}"
    );
    let (listed, _) = desk.all(&seat, "/findings").await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|finding| finding["severity"] == "Critical"));
}

#[tokio::test]
async fn refusals_change_nothing() {
    let desk = Desk::start().await;
    let seat = desk.imported(AccountId::OWN, "scanners").await;
    let service = desk.seat(AccountId::OWN, "prod").await;
    let one = json!([finding(0, 3)]);
    assert_eq!(send(&desk, &service, &one).await.status, 403);
    for body in ["", "{}", "null", "[", "[1", "text"] {
        let answer = desk.send("POST", BULK, Some(&seat.token), body.into()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["context"]["parameter"]["location"], "body");
    }
    let many: Value = (0..10_001).map(|_| json!(1)).collect();
    assert_eq!(send(&desk, &seat, &many).await.status, 400);
    let target = format!("{BULK}?limit=3");
    let answer = desk.send("POST", &target, Some(&seat.token), one.to_string()).await;
    assert_eq!(answer.status, 400);
    assert!(desk.all(&seat, "/findings").await.0.is_empty());
    assert_eq!(send(&desk, &seat, &json!([])).await.json(), json!({"result": []}));
}
