//! Name and password, sessions, the present password.

use countersign_signin::session::Stage;
use countersign_signin::{Given, Owner, Purpose, Refusal};
use zeroize::Zeroizing;

use crate::host::{Desk, HOUR_MS, MINUTE_MS, OTHER, PASSWORD, after, at, why};

#[test]
fn who_does_not_fit_is_refused_alike() {
    let desk = Desk::furnished();
    desk.sql("insert into people (name, is_open) values ('closed', 0), ('new', 1)");
    desk.sql(
        "insert into signin_people (person, password)
        select 3, password from signin_people where person = 1",
    );
    for (name, password, address) in [
        ("dana", "wrong", "192.0.2.1"),
        ("dana", "", "192.0.2.1"),
        ("nobody", PASSWORD, "192.0.2.1"),
        ("closed", PASSWORD, "192.0.2.1"),
        ("new", PASSWORD, "192.0.2.1"),
        ("dana", PASSWORD, "203.0.113.5"),
    ] {
        let refusal = why(desk.0.sign_in(name, password, &at(address)));
        assert_eq!(refusal, "Wrong", "{name} {password} {address}");
    }
    assert_eq!(desk.count("select count(*) from signin_audit where act = 'session.refuse'"), 6);
    let begun = desk.0.sign_in(" DANA ", PASSWORD, &at("192.0.2.1")).unwrap();
    assert_eq!(desk.seat(&begun, &at("192.0.2.1")).owner.name(), "dana");
}

#[test]
fn a_session_belongs_to_an_open_account_and_ends() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let token = desk.0.sign_in("dana", PASSWORD, &visit).unwrap().token;
    let is_there = |address: &str| desk.0.seat(&token, &at(address)).unwrap().is_some();
    assert!(is_there("192.0.2.9") && !is_there("203.0.113.5"));
    desk.sql("update people set is_open = 0");
    assert!(!is_there("192.0.2.1"));
    desk.sql("update people set is_open = 1");
    desk.advance(15 * MINUTE_MS - 1);
    assert!(is_there("192.0.2.1"), "seen in time, and seen again");
    desk.advance(15 * MINUTE_MS - 1);
    assert!(is_there("192.0.2.1"));
    desk.advance(15 * MINUTE_MS);
    assert!(!is_there("192.0.2.1"), "idle");
    assert_eq!(why(desk.0.end_others(&seat, &visit)), "Unproven", "the proof is old");
    desk.0.sign_out(&seat, &visit).unwrap();
    assert!(desk.is_over(&seat));
    assert_eq!(why(desk.0.end_others(&seat, &visit)), "Over");
}

#[test]
fn a_password_lapses_and_only_changing_it_is_left() {
    let desk = Desk::furnished();
    desk.advance(90 * 24 * HOUR_MS - 1);
    let begun = desk.0.sign_in("dana", PASSWORD, &at("192.0.2.1")).unwrap();
    let visit = after(&at("192.0.2.1"), &begun);
    assert!(!desk.seat(&begun, &visit).is_lapsed);
    desk.advance(1);
    let seat = desk.seat(&begun, &visit);
    assert!(seat.is_lapsed);
    assert_eq!(why(desk.0.end_others(&seat, &visit)), "Unproven");
    assert_eq!(why(desk.0.enrolment(&seat, None)), "Unproven");
    assert_eq!(why(desk.0.change_password(&seat, "wrong", (OTHER, OTHER), &visit)), "Wrong");
    desk.0.change_password(&seat, PASSWORD, (OTHER, OTHER), &visit).unwrap();
    assert!(!desk.seat(&begun, &visit).is_lapsed);
}

#[test]
fn a_changed_password_ends_other_sessions_and_other_browsers() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let (other, _) = desk.enter("dana", &at("192.0.2.2"));
    for (present, new, again, expected) in [
        (PASSWORD, OTHER, "Cedar-lantern-4", "The two passwords differ. Type the same twice."),
        (PASSWORD, "short", "short", "The password breaks a rule below."),
        (PASSWORD, "Dana-lantern-42", "Dana-lantern-42", "The password breaks a rule below."),
        (PASSWORD, PASSWORD, PASSWORD, "The password is one of your last five. Choose another."),
        ("wrong", OTHER, OTHER, "Wrong"),
    ] {
        let refusal = why(desk.0.change_password(&seat, present, (new, again), &visit));
        assert_eq!(refusal, expected, "{new}");
    }
    assert!(desk.told().is_empty());
    desk.0.change_password(&seat, PASSWORD, (OTHER, OTHER), &visit).unwrap();
    assert!(!desk.is_over(&seat) && desk.is_over(&other));
    assert_eq!(desk.count("select count(*) from signin_devices where person = 1"), 1, "this one");
    assert_eq!(desk.told(), ["dana: password changed"]);
    assert_eq!(why(desk.0.sign_in("dana", PASSWORD, &visit)), "Wrong");
    desk.advance(11 * MINUTE_MS);
    let refusal = why(desk.0.change_password(&seat, OTHER, (PASSWORD, PASSWORD), &visit));
    assert_eq!(refusal, "Unproven");
    let given = Given::Password(Zeroizing::new(OTHER.into()));
    let begun = desk.0.prove(&seat, &given, &visit).unwrap();
    let seat = desk.seat(&begun, &visit);
    let refusal = why(desk.0.change_password(&seat, OTHER, (PASSWORD, PASSWORD), &visit));
    assert!(refusal.contains("last five"), "{refusal}");
}

/// Whoever has the password alone changes nothing, however old it is.
#[test]
fn a_waiting_session_changes_no_password() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    desk.enrol(&seat, &visit);
    for days in [0, 90] {
        desk.advance(days * 24 * HOUR_MS);
        let begun = desk.0.sign_in("dana", PASSWORD, &visit).unwrap();
        let waiting = desk.seat(&begun, &visit);
        assert_eq!((waiting.session.stage, waiting.is_lapsed), (Stage::Password, days == 90));
        let refusal = why(desk.0.change_password(&waiting, PASSWORD, (OTHER, OTHER), &visit));
        assert_eq!(refusal, "Over");
    }
}

/// Whoever has the password alone ends no session of who has both.
#[test]
fn waiting_sessions_push_no_whole_one_out() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    desk.enrol(&seat, &visit);
    for _ in 0..30 {
        let begun = desk.0.sign_in("dana", PASSWORD, &at("198.51.100.9")).unwrap();
        assert_eq!(begun.stage, Stage::Password);
    }
    assert!(!desk.is_over(&seat));
    assert_eq!(desk.count("select count(*) from signin_sessions where person = 1"), 21);
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let token = desk.0.sign_in("dana", PASSWORD, &visit).unwrap().token;
    desk.sql(
        "create trigger full before insert on signin_audit begin select raise(abort, 'full'); end",
    );
    let state = || {
        [
            desk.count("select count(*) from signin_sessions"),
            desk.count("select count(*) from signin_devices"),
            desk.count("select count(*) from signin_tickets"),
            desk.count("select sum(password_ms) from signin_people"),
            desk.count("select count(*) from signin_people where totp is not null"),
        ]
    };
    let before = state();
    let failed = |result: Result<(), Refusal>| matches!(result, Err(Refusal::Failed(_)));
    let new = desk.0.enrolment(&seat, None).unwrap();
    let shown = crate::host::code(new.secret.code_at(desk.now()).unwrap().as_str());
    assert!(failed(desk.0.sign_in("dana", PASSWORD, &at("192.0.2.3")).map(drop)));
    assert!(failed(desk.0.end_others(&seat, &visit)));
    assert!(failed(desk.0.change_password(&seat, PASSWORD, (OTHER, OTHER), &visit).map(drop)));
    assert!(failed(desk.0.enrol(&seat, &new.sealed, &shown, &visit).map(drop)));
    assert!(desk.0.sign_out(&seat, &visit).is_err());
    assert!(desk.0.ask_link("dana", countersign_signin::Asked::Password, &visit).is_err());
    assert_eq!(state(), before);
    assert!(desk.0.seat(&token, &visit).unwrap().is_some());
    assert!(desk.told().is_empty());
    assert!(
        failed(desk.0.unlock("x", &visit).map(drop))
            || desk.0.look(Purpose::Unlock, "x", &visit).is_err()
    );
}
