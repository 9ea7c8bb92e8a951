//! What the reads answer.

use std::collections::BTreeSet;

use countersign_store::{AccountId, ChangeKind};
use serde_json::Value;

use crate::{Desk, Seat, flaw, guid};

async fn filled() -> (Desk, Seat) {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    for number in 1..=7 {
        let flaws: Vec<_> = (0..i64::from(number) * 11)
            .map(|n| flaw(n, n % 6, if n % 5 == 0 { "CLOSED" } else { "OPEN" }))
            .collect();
        desk.bring_in(&seat, &guid(number), &flaws, ChangeKind::New).await;
    }
    (desk, seat)
}

fn uids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["finding_info"]["uid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_page_size_gives_each_finding_once_in_one_order() {
    let (desk, seat) = filled().await;
    let (whole, pages) = desk.all(&seat, "/findings?limit=5000").await;
    assert_eq!((whole.len(), pages), (11 * 28, 1));
    let order = uids(&whole);
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len());
    for limit in [1, 7, 199, 200, 201, 307, 308, 309] {
        let (found, pages) = desk.all(&seat, &format!("/findings?limit={limit}")).await;
        assert_eq!(uids(&found), order, "{limit}");
        // The last page is known to be the last.
        assert_eq!(pages, order.len().div_ceil(limit), "{limit}");
    }
    let (usual, pages) = desk.all(&seat, "/findings").await;
    assert_eq!((usual.len(), pages), (308, 4));
}

#[tokio::test]
async fn a_finding_is_the_same_in_each_of_the_ways_to_it() {
    let (desk, seat) = filled().await;
    let (whole, _) = desk.all(&seat, "/findings?limit=5000&include_raw_data=true").await;
    let (mut by_application, mut applications) = (Vec::new(), 0);
    for application in desk.all(&seat, "/applications").await.0 {
        let uid = application["uid"].as_str().unwrap();
        assert_eq!(
            (&application["id"], &application["application"]["uid"]),
            (&uid.into(), &uid.into())
        );
        let list = format!("/applications/{uid}/findings?limit=13&include_raw_data=true");
        by_application.extend(desk.all(&seat, &list).await.0);
        applications += 1;
    }
    assert_eq!((applications, by_application.len()), (7, whole.len()));
    for finding in &by_application {
        assert!(whole.contains(finding));
    }
    for finding in whole.iter().step_by(17) {
        let path = format!(
            "/applications/{}/findings/{}?include_raw_data=true",
            finding["application"]["uid"].as_str().unwrap(),
            finding["finding_info"]["uid"].as_str().unwrap()
        );
        let answer = desk.get(&seat, &path).await;
        assert_eq!((&answer.json()["result"], answer.cursor().as_str()), (finding, ""));
        let raw: Value = serde_json::from_str(finding["raw_data"].as_str().unwrap()).unwrap();
        assert!(raw["issue_id"].is_i64());
    }
    // Of another application it is not there.
    let path = format!("/applications/{}/findings/{}", guid(1), uids(&whole).last().unwrap());
    assert_eq!(desk.get(&seat, &path).await.status, 404);
}

#[tokio::test]
async fn applications_and_scans_have_pages_too_and_counts_are_those_of_the_list() {
    let (desk, seat) = filled().await;
    let (whole, _) = desk.all(&seat, "/applications").await;
    for limit in [1, 3, 7] {
        let (found, pages) = desk.all(&seat, &format!("/applications?limit={limit}")).await;
        assert_eq!((found, pages), (whole.clone(), 7_usize.div_ceil(limit)));
    }
    for (target, count) in [
        ("/applications?meta=stats/count()", 7),
        ("/applications?meta=stats/count()&filter=name[like]*1", 1),
        ("/findings?limit=1&meta=stats/count(*)", 308),
        ("/findings?limit=1&meta=stats/count()&filter=severity[eq]Critical", 48),
    ] {
        let answer = desk.get(&seat, target).await;
        let stats = &answer.json()["meta"]["stats"]["count"]["*"];
        let (all, _) = desk.all(&seat, target).await;
        assert_eq!((stats.as_u64(), all.len() as u64), (Some(count), count), "{target}");
    }
    let scans = format!("/applications/{}/scans", guid(7));
    let (all, pages) = desk.all(&seat, &scans).await;
    assert!(all.len() > 1 && pages == 1, "{all:?}");
    assert_eq!(desk.all(&seat, &format!("{scans}?limit=1")).await, (all.clone(), all.len()));
    for scan in &all {
        assert_eq!(scan["class_uid"], 6007);
    }
    // What it does not know is said, and changes nothing.
    let answer = desk.get(&seat, "/findings?limit=1&meta=api/response(all)").await;
    assert_eq!(answer.json()["messages"]["problems"][0]["status"], 400);
    assert_eq!(answer.results().len(), 1);
}

#[tokio::test]
async fn a_cursor_is_of_one_question_alone() {
    let (desk, seat) = filled().await;
    let other = desk.seat(AccountId::OWN, "other").await;
    desk.bring_in(&other, &guid(1), &[flaw(1, 5, "OPEN"), flaw(2, 5, "OPEN")], ChangeKind::New)
        .await;
    let cursor = desk.get(&seat, "/findings?limit=1").await.cursor();
    assert_eq!(desk.get(&seat, &format!("/findings?limit=9&cursor={cursor}")).await.status, 200);
    let elsewhere = [
        format!("/findings?cursor={cursor}&filter=severity[eq]High"),
        format!("/applications?cursor={cursor}"),
        format!("/applications/{}/findings?cursor={cursor}", guid(1)),
        format!("/applications/{}/scans?cursor={cursor}", guid(1)),
    ];
    for target in &elsewhere {
        let answer = desk.get(&seat, target).await;
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(answer.json()["context"]["parameter"]["id"], "cursor");
    }
    assert_eq!(desk.get(&other, &format!("/findings?cursor={cursor}")).await.status, 400);
}
