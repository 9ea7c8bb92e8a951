//! Five accounts with the same names, ids and contents: nothing of one is seen, or felt, by
//! another. Ten thousand random calls.

use std::collections::BTreeSet;

use countersign_api::{Audience, Operation};
use countersign_store::ChangeKind;
use serde_json::Value;

use crate::{Desk, Seat, flaw, guid};

const ACCOUNTS: usize = 5;
const CALLS: usize = 10_000;

/// A seeded sequence: the same calls each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// What names an account's things, and is in nobody else's.
fn mark(account: usize) -> String {
    format!("mark{account}of")
}

async fn fill(desk: &Desk, seat: &Seat, account: usize) {
    for number in 1..=3 {
        let flaws: Vec<_> = (0..12)
            .map(|n| {
                let mut flaw = flaw(n, n % 6, "OPEN");
                flaw["description"] = format!("{} {n}", mark(account)).into();
                flaw["finding_details"]["file_path"] = format!("{}/{n}.java", mark(account)).into();
                flaw
            })
            .collect();
        // Some guids are in every account, some in this one alone.
        let guid = if number == 1 { guid(1) } else { guid((account as u32 + 2) * 10 + number) };
        desk.bring_in(seat, &guid, &flaws, ChangeKind::New).await;
    }
}

#[tokio::test]
async fn nothing_foreign_is_seen_or_told() {
    let desk = Desk::start().await;
    let (mut seats, mut ids) = (Vec::new(), BTreeSet::new());
    for account in 0..ACCOUNTS {
        let id = desk.account(&format!("account-{account}")).await;
        let seat = desk.seat(id, "prod").await;
        fill(&desk, &seat, account).await;
        for application in desk.all(&seat, "/applications").await.0 {
            ids.insert(application["uid"].as_str().unwrap().to_owned());
        }
        for finding in desk.all(&seat, "/findings?limit=5000").await.0 {
            ids.insert(finding["finding_info"]["uid"].as_str().unwrap().to_owned());
        }
        ids.extend([seat.uid.clone(), seat.name.clone()]);
        seats.push(seat);
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let mut cursors: Vec<(usize, String)> = vec![(0, "x.y".into())];
    let mut dice = Dice(0x5eed_0001);
    let mut seen = [0_usize; ACCOUNTS];
    for call in 0..CALLS {
        let account = dice.roll(ACCOUNTS);
        let target = random_target(&mut dice, &ids, &cursors);
        let answer = desk.ask("GET", &target, Some(&seats[account].token)).await;
        for other in (0..ACCOUNTS).filter(|other| *other != account) {
            assert!(!answer.body.contains(&mark(other)), "{call}: {target} {}", answer.body);
            for own in [&seats[other].uid, &seats[other].name] {
                let is_asked = target.contains(own.as_str());
                assert!(is_asked || !answer.body.contains(own.as_str()), "{call}: {target}");
            }
        }
        assert!(matches!(answer.status, 200 | 400 | 404), "{call}: {target} {}", answer.body);
        if answer.status == 200 {
            seen[account] += usize::from(answer.body.contains(&mark(account)));
            let cursor = answer.json()["cursor"].as_str().unwrap_or_default().to_owned();
            if !cursor.is_empty() && cursors.len() < 200 {
                cursors.push((account, cursor));
            }
        }
    }
    assert!(seen.iter().all(|times| *times > 100), "the calls must reach something: {seen:?}");
}

fn random_target(dice: &mut Dice, ids: &[String], cursors: &[(usize, String)]) -> String {
    let id = |dice: &mut Dice| match dice.roll(8) {
        0 => "nothing".to_owned(),
        _ => dice.one(ids).clone(),
    };
    let path = match dice.roll(6) {
        0 => "/v1/app-sec/applications".to_owned(),
        1 => format!("/v1/app-sec/applications/{}/findings", id(dice)),
        2 => "/v1/app-sec/findings".to_owned(),
        3 => format!("/v1/app-sec/applications/{}/findings/{}", guid(1), id(dice)),
        4 => format!("/v1/app-sec/applications/{}/findings/{}", id(dice), id(dice)),
        _ => format!("/v1/app-sec/applications/{}/scans", id(dice)),
    };
    if path.matches('/').count() == 6 {
        return path;
    }
    let mut parameters = vec![format!("limit={}", 1 + dice.roll(40))];
    if dice.roll(3) == 0 {
        parameters.push(format!("cursor={}", dice.one(cursors).1));
    }
    if dice.roll(2) == 0 && !path.ends_with("scans") {
        let is_of_applications = path.ends_with("applications");
        let filter = match (dice.roll(4), is_of_applications) {
            (0, true) => format!("uid[eq]{}", id(dice)),
            (_, true) => format!("name[like]*{}*", dice.roll(9)),
            (0, false) => format!("application.uid[in]{},{}", id(dice), id(dice)),
            (1, false) => format!("finding_info.uid[eq]{}", id(dice)),
            (2, false) => {
                format!(
                    "vulnerabilities.affected_code.file.path[like]{}*",
                    mark(dice.roll(ACCOUNTS))
                )
            }
            (_, false) => format!("severity_id[gte]{}", dice.roll(6)),
        };
        parameters.push(format!("filter={filter}"));
    }
    if dice.roll(3) == 0 {
        parameters.push("meta=stats/count()".to_owned());
    }
    if dice.roll(3) == 0 {
        parameters.push("include_raw_data=true".to_owned());
    }
    format!("{path}?{}", parameters.join("&"))
}

/// A foreign id is answered as one that nobody has, to the letter.
#[tokio::test]
async fn a_foreign_id_is_an_unknown_one() {
    let desk = Desk::start().await;
    let own = desk.seat(desk.account("own").await, "prod").await;
    let other = desk.seat(desk.account("other").await, "prod").await;
    fill(&desk, &own, 0).await;
    fill(&desk, &other, 1).await;
    let foreign = desk.all(&other, "/findings").await.0;
    let foreign_application = guid(32);
    let paths = |application: &str, finding: &str| {
        [
            format!("/applications/{application}/findings"),
            format!("/applications/{application}/scans"),
            format!("/applications/{application}/findings/{finding}"),
            format!("/applications/{}/findings/{finding}", guid(1)),
        ]
    };
    let finding = foreign.last().unwrap()["finding_info"]["uid"].as_str().unwrap();
    let unknown = paths(&guid(999), "00000000000000000000");
    let plain = |answer: crate::Answer| {
        let mut problem = answer.json();
        problem["instance"] = Value::Null;
        (answer.status, problem)
    };
    for (foreign, unknown) in paths(&foreign_application, finding).iter().zip(&unknown) {
        let answers = [desk.get(&own, foreign).await, desk.get(&own, unknown).await];
        let [foreign_answer, unknown_answer] = answers.map(plain);
        assert_eq!(foreign_answer.0, 404, "{foreign}");
        assert_eq!(foreign_answer, unknown_answer, "{foreign}");
    }
    let is_reading = |one: &&Operation| one.about().audience == Audience::Integration;
    assert_eq!(Operation::ALL.iter().filter(is_reading).count(), 6);
}
