//! Pages are kept as they were answered. Whatever happens between two pages, each shows what the
//! answer for one finding shows, which is made anew.

use std::sync::atomic::Ordering;

use countersign_store::{AccountId, ChangeKind, Known, Mode};
use proptest::prelude::*;

use crate::{Desk, Seat, flaw, guid};

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Act {
    /// A sync finds another severity.
    Change(i64),
    /// A sync finds the application under another name.
    NameApplication(u8),
    /// The integration gets another name.
    NameIntegration(u8),
    /// Data paths of a finding are read.
    KeepPaths(usize),
    Nothing,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..3_i64).prop_map(Act::Change),
        (0..3_u8).prop_map(Act::NameApplication),
        (0..3_u8).prop_map(Act::NameIntegration),
        (0..FLAWS as usize).prop_map(Act::KeepPaths),
        Just(Act::Nothing),
    ]
}

const FLAWS: i64 = 9;
const PATHS: &str = r#"{"data_paths": [{"module_name": "app.jar", "steps": 1,
    "local_path": "src/0.java", "function_name": "made_up", "line_number": 7, "calls": []}]}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_page_is_what_each_of_its_findings_is(acts in proptest::collection::vec(act(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(acts));
    }
}

async fn live(acts: Vec<Act>) {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    let flaws = |by: i64| (0..FLAWS).map(|n| flaw(n, (n + by) % 6, "OPEN")).collect::<Vec<_>>();
    desk.bring_in(&seat, &guid(1), &flaws(0), ChangeKind::New).await;
    let (mut by, mut name) = (0, "App".to_owned());
    for act in acts {
        desk.now_ms.fetch_add(60_000, Ordering::SeqCst);
        match act {
            Act::Change(other) => by = other,
            Act::NameApplication(number) => name = format!("App {number}"),
            Act::NameIntegration(number) => name_integration(&desk, &seat, number).await,
            Act::KeepPaths(at) => {
                let uid = &pages(&desk, &seat, false).await[at].0;
                desk.store.keep_paths(uid, PATHS, desk.now()).await.unwrap();
            }
            Act::Nothing => {}
        }
        if matches!(act, Act::Change(_) | Act::NameApplication(_)) {
            desk.bring_in_as(&name, &seat, &guid(1), &flaws(by), ChangeKind::Changed).await;
        }
        for with_raw in [false, true] {
            for (uid, shown) in pages(&desk, &seat, with_raw).await {
                let path = format!("/applications/{}/findings/{uid}", guid(1));
                let path = format!("{path}?include_raw_data={with_raw}");
                assert_eq!(desk.get(&seat, &path).await.json()["result"], shown);
            }
        }
    }
}

async fn name_integration(desk: &Desk, seat: &Seat, number: u8) {
    let known = Known {
        uid: seat.uid.clone(),
        account: AccountId::OWN,
        slug: format!("prod-{number}"),
        fullname: None,
        mode: Mode::Stored,
    };
    desk.store.update_known(seat.id, known, "test", desk.now()).await.unwrap();
}

/// The findings of all pages, with their ids.
async fn pages(desk: &Desk, seat: &Seat, with_raw: bool) -> Vec<(String, serde_json::Value)> {
    let (found, _) =
        desk.all(seat, &format!("/findings?limit=4&include_raw_data={with_raw}")).await;
    assert_eq!(found.len(), FLAWS as usize);
    let uid = |one: &serde_json::Value| one["finding_info"]["uid"].as_str().unwrap().to_owned();
    found.into_iter().map(|one| (uid(&one), one)).collect()
}
