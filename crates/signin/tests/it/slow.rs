//! Failures of every step count for the account, strangers wait, and the owner gets in.

use countersign_signin::session::Stage;
use countersign_signin::{Given, Refusal, Visit};
use zeroize::Zeroizing;

use crate::host::{Desk, HOUR_MS, MINUTE_MS, PASSWORD, after, at, code, why};

/// From one of 200 addresses.
fn from(number: u32) -> Visit {
    at(&format!("198.51.100.{}", number % 200))
}

/// Tries that were compared so far: each leaves an entry.
fn looked_at(desk: &Desk) -> usize {
    let is_it = |act: &String| act.ends_with(".refuse");
    desk.acts().iter().filter(|act| is_it(act)).count()
}

/// Ten thousand tries in three hours; the most that were looked at in any of them.
fn hammered(desk: &Desk, mut attempt: impl FnMut(u32)) -> usize {
    let mut looked = Vec::new();
    let mut before = looked_at(desk);
    for number in 0..10_000 {
        desk.advance(3 * HOUR_MS / 10_000);
        attempt(number);
        if number % 50 == 49 {
            let now = looked_at(desk);
            looked.push(now - before);
            before = now;
        }
    }
    // 200 pieces of 54 seconds: an hour is 67 of them, rounded up.
    looked.windows(67).map(|hour| hour.iter().sum()).max().unwrap_or_default()
}

#[test]
fn ten_thousand_wrong_passwords() {
    let desk = Desk::furnished();
    let (_, mine) = desk.enter("dana", &at("192.0.2.1"));
    let most = hammered(&desk, |number| {
        assert_eq!(why(desk.0.sign_in("dana", &format!("wrong {number}"), &from(number))), "Wrong");
    });
    assert!((6..=12).contains(&most), "{most}");
    assert_eq!(desk.told(), ["dana: slowed"], "once");
    let right = desk.0.sign_in("dana", PASSWORD, &at("192.0.2.77"));
    assert_eq!(why(right), "Wrong", "a stranger waits, right or wrong");
    desk.0.sign_in("dana", PASSWORD, &mine).expect("the owner does not");
    desk.0.sign_in("rita", PASSWORD, &from(1)).expect("nor does anybody else");
}

#[test]
fn ten_thousand_wrong_codes_and_recovery_codes() {
    let desk = Desk::furnished();
    let (seat, mine) = desk.enter("dana", &at("192.0.2.1"));
    let (secret, codes) = desk.enrol(&seat, &mine);
    desk.told();
    for recovery in [false, true] {
        desk.advance(25 * HOUR_MS);
        let mut sessions: Vec<_> = (0..5)
            .map(|number| {
                let begun = desk.0.sign_in("dana", PASSWORD, &from(number)).unwrap();
                assert_eq!(begun.stage, Stage::Password);
                desk.seat(&begun, &from(number))
            })
            .collect();
        let mut lost = 0;
        let most = hammered(&desk, |number| {
            let visit = from(number);
            let at = number as usize % sessions.len();
            let guess = if recovery { "aaaa-bbbb-cccc-dddd" } else { "000000" };
            match desk.0.prove(&sessions[at], &code(guess), &visit) {
                Err(Refusal::Wrong) => {}
                Err(Refusal::Over) => {
                    lost += 1;
                    // Whoever has the password comes again, where it is looked at.
                    if let Ok(begun) = desk.0.sign_in("dana", PASSWORD, &visit) {
                        sessions[at] = desk.seat(&begun, &visit);
                    }
                }
                other => panic!("{}", why(other)),
            }
        });
        assert!((6..=12).contains(&most), "{most}");
        assert!(lost > 1_000, "five failures end a session");
        assert_eq!(desk.told(), ["dana: slowed"], "once");
        let begun = desk.0.sign_in("dana", PASSWORD, &mine).unwrap();
        let seat = desk.seat(&begun, &mine);
        let right = match recovery {
            false => secret.code_at(desk.now()).unwrap().to_owned(),
            true => codes[0].clone(),
        };
        let begun = desk.0.prove(&seat, &code(&right), &mine).expect("the owner gets in");
        assert_eq!(begun.stage, Stage::Full);
    }
}

/// The allowance is of the account, whatever the step.
#[test]
fn all_steps_count_together() {
    let desk = Desk::furnished();
    let (seat, mine) = desk.enter("dana", &at("192.0.2.1"));
    let stranger = at("198.51.100.1");
    assert_eq!(why(desk.0.sign_in("dana", "wrong", &stranger)), "Wrong");
    let wrong = || Given::Password(Zeroizing::new("wrong".into()));
    assert_eq!(why(desk.0.prove(&seat, &wrong(), &stranger)), "Wrong");
    let new = "Cedar-lantern-42";
    assert_eq!(why(desk.0.change_password(&seat, "wrong", (new, new), &stranger)), "Wrong");
    let (secret, _) = desk.enrol(&seat, &mine);
    let begun = desk.0.sign_in("dana", PASSWORD, &stranger).unwrap();
    let waiting = desk.seat(&begun, &stranger);
    assert_eq!(why(desk.0.prove(&waiting, &code("000000"), &stranger)), "Wrong");
    let answer = Given::Passkey("{}".into());
    assert_eq!(why(desk.0.prove(&waiting, &answer, &stranger)), "Wrong");
    let right = secret.code_at(desk.now()).unwrap();
    assert_eq!(why(desk.0.prove(&waiting, &code(&right), &stranger)), "Wrong", "not looked at");
    desk.advance(MINUTE_MS);
    let right = secret.code_at(desk.now()).unwrap();
    assert_eq!(why(desk.0.prove(&waiting, &code(&right), &stranger)), "done", "looked at");
}

/// A right password alone clears nothing.
#[test]
fn failures_are_forgotten_after_the_whole_sign_in_alone() {
    let desk = Desk::furnished();
    let (seat, mine) = desk.enter("dana", &at("192.0.2.1"));
    let (secret, _) = desk.enrol(&seat, &mine);
    desk.told();
    let stranger = at("198.51.100.1");
    for _ in 0..5 {
        let begun = desk.0.sign_in("dana", PASSWORD, &stranger).unwrap();
        let waiting = desk.seat(&begun, &stranger);
        assert_eq!(why(desk.0.prove(&waiting, &code("000000"), &stranger)), "Wrong");
    }
    assert_eq!(why(desk.0.sign_in("dana", PASSWORD, &stranger)), "Wrong", "not looked at");
    assert_eq!(desk.told(), ["dana: slowed"]);
    desk.advance(MINUTE_MS);
    let begun = desk.0.sign_in("dana", PASSWORD, &stranger).expect("looked at, and given back");
    let waiting = desk.seat(&begun, &stranger);
    let right = secret.code_at(desk.now()).unwrap();
    let begun = desk.0.prove(&waiting, &code(&right), &stranger).unwrap();
    assert!(begun.device.is_some(), "no stranger any more");
    assert_eq!(why(desk.0.sign_in("dana", "wrong", &at("198.51.100.2"))), "Wrong");
    desk.0.sign_in("dana", PASSWORD, &at("198.51.100.2")).expect("nobody waits any longer");
}

#[test]
fn a_known_browser_that_fails_five_times_is_a_stranger() {
    let desk = Desk::furnished();
    let (_, mine) = desk.enter("dana", &at("192.0.2.1"));
    for _ in 0..5 {
        assert_eq!(why(desk.0.sign_in("rita", "wrong", &at("198.51.100.1"))), "Wrong");
    }
    assert_eq!(why(desk.0.sign_in("rita", PASSWORD, &mine)), "Wrong", "known to one account alone");
    desk.told();
    for _ in 0..4 {
        assert_eq!(why(desk.0.sign_in("dana", "wrong", &mine)), "Wrong");
    }
    desk.0.sign_in("dana", PASSWORD, &mine).unwrap();
    for _ in 0..4 {
        assert_eq!(why(desk.0.sign_in("dana", "wrong", &mine)), "Wrong", "in a row");
    }
    assert_eq!(why(desk.0.sign_in("dana", PASSWORD, &mine)), "Wrong", "eight in an hour");
    desk.0.sign_in("dana", PASSWORD, &at("192.0.2.2")).expect("strangers may");
    desk.advance(HOUR_MS);
    assert!(desk.told().is_empty());
    assert_eq!(why(desk.0.sign_in("dana", "wrong", &mine)), "Wrong", "the fifth");
    assert_eq!(desk.told(), ["dana: slowed"]);
    assert_eq!(why(desk.0.sign_in("dana", PASSWORD, &mine)), "Wrong");
    desk.advance(MINUTE_MS);
    desk.0.sign_in("dana", PASSWORD, &mine).expect("after a stranger's wait");
}

#[test]
fn the_link_lets_the_owner_in_while_strangers_go_on() {
    let desk = Desk::furnished();
    let stranger = at("198.51.100.1");
    let hammer = || (0..50).for_each(|_| drop(desk.0.sign_in("dana", "wrong", &stranger)));
    hammer();
    let link = desk.link();
    assert_eq!(desk.told(), ["dana: slowed"]);
    let here = at("192.0.2.1");
    assert_eq!(why(desk.0.sign_in("dana", PASSWORD, &here)), "Wrong");
    let device = desk.0.unlock(&link, &here).unwrap();
    assert_eq!(why(desk.0.unlock(&link, &here)), "Spent");
    hammer();
    let mine = Visit { device: Some(device), ..here };
    let begun = desk.0.sign_in("dana", PASSWORD, &mine).expect("its browser is known");
    assert!(after(&mine, &begun).device.is_some());
}

#[test]
fn failures_outlive_the_program_and_unknown_names_wait_as_known_ones() {
    let desk = Desk::furnished();
    let stranger = at("198.51.100.1");
    // What is looked at takes its time; what is not, none: five of each name.
    for name in ["dana", "nobody"] {
        let before = desk.count("select sum(json_array_length(strangers)) from signin_tallies");
        for _ in 0..20 {
            assert_eq!(why(desk.0.sign_in(name, "wrong", &stranger)), "Wrong");
        }
        let after = desk.count("select sum(json_array_length(strangers)) from signin_tallies");
        assert_eq!(after - before, 5, "{name}");
    }
    for number in 0..70 {
        drop(desk.0.sign_in(&format!("made-up-{number}"), "wrong", &stranger));
    }
    let entries = desk.count("select count(*) from signin_audit where act = 'session.refuse'");
    assert_eq!(entries, 5 + 60, "names that nobody has fill no log");
}

/// However many come at once.
#[test]
fn many_at_once_are_looked_at_no_more_often() {
    let desk = Desk::furnished();
    std::thread::scope(|scope| {
        for number in 0..40 {
            let signin = &desk.0;
            scope.spawn(move || {
                let refusal = why(signin.sign_in("dana", "wrong", &from(number)));
                assert!(refusal == "Wrong" || refusal == "Busy", "{refusal}");
            });
        }
    });
    assert!(looked_at(&desk) <= 5);
    assert!(desk.told().len() <= 1);
}
