//! Second factors: set up, used, removed.

use countersign_signin::session::Stage;
use countersign_signin::{APP, Given};
use zeroize::Zeroizing;

use crate::host::{Desk, MINUTE_MS, PASSWORD, after, at, code, why};

#[test]
fn setting_one_up_wants_a_proof_and_ends_other_sessions() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let (other, _) = desk.enter("dana", &at("192.0.2.2"));
    let (stranger, _) = desk.enter("rita", &at("192.0.2.3"));
    let new = desk.0.enrolment(&seat, None).unwrap();
    let right = code(new.secret.code_at(desk.now()).unwrap().as_str());
    assert_eq!(why(desk.0.enrolment(&stranger, Some(new.sealed.clone()))), "Missing");
    assert_eq!(why(desk.0.enrol(&stranger, &new.sealed, &right, &visit)), "Missing");
    assert_eq!(why(desk.0.enrol(&seat, &new.sealed, &code("000000"), &visit)), "Wrong");
    assert_eq!(
        why(desk.0.enrol(&seat, &new.sealed, &Given::Passkey("{}".into()), &visit)),
        "Wrong"
    );
    desk.advance(11 * MINUTE_MS);
    assert_eq!(why(desk.0.enrolment(&seat, None)), "Unproven");
    let right = code(new.secret.code_at(desk.now()).unwrap().as_str());
    assert_eq!(why(desk.0.enrol(&seat, &new.sealed, &right, &visit)), "Unproven");
    assert!(desk.told().is_empty() && !desk.is_over(&other));

    let begun = desk.0.prove(&seat, &Given::Password(Zeroizing::new(PASSWORD.into())), &visit);
    let seat = desk.seat(&begun.unwrap(), &visit);
    let (_, codes) = desk.enrol(&seat, &visit);
    assert_eq!(codes.len(), 10);
    assert!(desk.is_over(&other) && !desk.is_over(&seat));
    assert_eq!(desk.told(), ["dana: factor set"]);
    assert!(desk.0.mine(&seat.owner).unwrap().has_factor());
}

#[test]
fn a_password_proves_nothing_where_there_is_a_factor() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let (secret, _) = desk.enrol(&seat, &visit);
    let password = || Given::Password(Zeroizing::new(PASSWORD.into()));
    assert_eq!(why(desk.0.prove(&seat, &password(), &visit)), "Over");
    let begun = desk.0.sign_in("dana", PASSWORD, &visit).unwrap();
    assert_eq!((begun.stage, begun.device.is_some()), (Stage::Password, false));
    let waiting = desk.seat(&begun, &visit);
    assert_eq!(why(desk.0.prove(&waiting, &password(), &visit)), "Over");
    assert_eq!(why(desk.0.enrolment(&waiting, None)), "Over");
    assert_eq!(why(desk.0.remove_factor(&waiting, APP, &visit)), "Unproven");
    assert_eq!(why(desk.0.renew_codes(&waiting, &visit)), "Unproven");
    assert_eq!(why(desk.0.end_others(&waiting, &visit)), "Unproven");
    let right = secret.code_at(desk.now()).unwrap();
    let whole = desk.0.prove(&waiting, &code(&right), &visit).unwrap();
    assert!(desk.0.seat(&begun.token, &visit).unwrap().is_none(), "another token");
    assert_eq!(why(desk.0.prove(&waiting, &code(&right), &visit)), "Over", "it has gone on");
    let seat = desk.seat(&whole, &visit);
    assert_eq!(why(desk.0.prove(&seat, &code(&right), &visit)), "Wrong", "good once");
}

#[test]
fn the_last_one_stays_where_there_must_be_one() {
    let desk = Desk::furnished();
    desk.sql("update people set must_have_factor = 1 where name = 'dana'");
    let begun = desk.0.sign_in("dana", PASSWORD, &at("192.0.2.1")).unwrap();
    assert_eq!((begun.stage, begun.device.is_some()), (Stage::Enrol, false));
    let visit = at("192.0.2.1");
    let seat = desk.seat(&begun, &visit);
    assert_eq!(why(desk.0.prove(&seat, &code("000000"), &visit)), "Over", "nothing to prove with");
    let new = desk.0.enrolment(&seat, None).unwrap();
    let right = code(new.secret.code_at(desk.now()).unwrap().as_str());
    let enrolled = desk.0.enrol(&seat, &new.sealed, &right, &visit).unwrap();
    let visit = after(&visit, &enrolled.begun);
    assert!(visit.device.is_some(), "the whole sign-in is done");
    let seat = desk.seat(&enrolled.begun, &visit);
    assert_eq!(why(desk.0.remove_factor(&seat, "00", &visit)), "Missing");
    assert_eq!(why(desk.0.remove_factor(&seat, APP, &visit)), "LastFactor");
    assert!(desk.0.mine(&seat.owner).unwrap().has_app, "undone");

    desk.sql("update people set must_have_factor = 0");
    desk.sql(
        "insert into signin_sessions (digest, person, stage, begun_ms, seen_ms, address, agent)
        values (x'00', 1, 'full', 0, 0, '', '')",
    );
    desk.told();
    let seat = desk.seat(&enrolled.begun, &visit);
    let codes = desk.0.renew_codes(&seat, &visit).unwrap();
    assert_eq!(codes.len(), 10);
    desk.0.remove_factor(&seat, APP, &visit).unwrap();
    assert_eq!(desk.told(), ["dana: codes renewed", "dana: factor removed"]);
    assert_eq!(desk.count("select count(*) from signin_sessions where person = 1"), 1, "this one");
    let mine = desk.0.mine(&seat.owner).unwrap();
    assert!(!mine.has_factor() && mine.codes == 0);
    assert_eq!(why(desk.0.remove_factor(&seat, APP, &visit)), "Missing");
    assert_eq!(why(desk.0.renew_codes(&seat, &visit)), "Missing");
}
