//! Links: asked for, looked at, used.

use countersign_signin::session::Stage;
use countersign_signin::{Asked, Host, Owner, Purpose, wish_address};

use crate::host::{Desk, HOUR_MS, OTHER, PASSWORD, after, at, why};

#[test]
fn ten_thousand_requests_are_a_few_mails() {
    let desk = Desk::furnished();
    for number in 0..10_000 {
        let visit = at(&format!("198.51.100.{}", number % 200));
        let asked = if number % 2 == 0 { Asked::Password } else { Asked::Entry };
        desk.0.ask_link("dana", asked, &visit).unwrap();
        desk.0.ask_link(&format!("nobody-{}", number % 10), asked, &visit).unwrap();
    }
    assert_eq!(desk.told(), ["dana: password", "dana: not slowed", "dana: password"]);
    assert_eq!(desk.count("select count(*) from signin_tickets"), 1, "a newer one replaces it");
    let entries = desk.count("select count(*) from signin_audit where act = 'password.forget'");
    assert!(entries <= 2 + 20, "{entries}");
    desk.0.ask_link("rita", Asked::Password, &at("198.51.100.1")).unwrap();
    assert_eq!(desk.told(), ["rita: password"]);
    desk.advance(HOUR_MS);
    desk.0.ask_link("dana", Asked::Password, &at("192.0.2.1")).unwrap();
    assert_eq!(desk.told(), ["dana: password"], "an hour later");
}

#[test]
fn accounts_that_are_not_open_get_no_link() {
    let desk = Desk::furnished();
    desk.0.ask_link("dana", Asked::Password, &at("203.0.113.5")).unwrap();
    desk.sql("update people set is_open = 0 where name = 'rita'");
    desk.0.ask_link("rita", Asked::Password, &at("192.0.2.1")).unwrap();
    assert!(desk.told().is_empty());
    let silent = Desk::with(false);
    silent.0.ask_link("dana", Asked::Password, &at("192.0.2.1")).unwrap();
    assert_eq!(silent.count("select count(*) from signin_tickets"), 0);
}

#[test]
fn a_link_is_good_once_for_its_purpose_and_for_a_while() {
    let desk = Desk::new();
    let old = desk.invite("dana");
    let link = desk.invite("dana");
    let visit = at("192.0.2.1");
    let choose = |purpose, token: &str, one: &str, two: &str| {
        why(desk.0.choose(purpose, token, "", (one, two), &visit))
    };
    let activate = Purpose::Activate;
    for (purpose, token) in [(activate, ""), (activate, old.as_str()), (Purpose::Reset, &link)] {
        assert_eq!(why(desk.0.look(purpose, token, &visit).map(drop)), "Spent");
        assert_eq!(choose(purpose, token, PASSWORD, PASSWORD), "Spent");
    }
    assert_eq!(why(desk.0.look(activate, &link, &at("203.0.113.5")).map(drop)), "Spent");
    for _ in 0..3 {
        assert_eq!(desk.0.look(activate, &link, &visit).unwrap().name(), "dana");
    }
    assert!(choose(activate, &link, PASSWORD, OTHER).contains("differ"));
    assert!(choose(activate, &link, "Dana-lantern-42", "Dana-lantern-42").contains("rule"));
    assert_eq!(choose(activate, &link, PASSWORD, PASSWORD), "done");
    assert_eq!(choose(activate, &link, OTHER, OTHER), "Spent");
    let reset = desk.invite("dana");
    assert!(choose(Purpose::Reset, &reset, PASSWORD, PASSWORD).contains("last five"));
    desk.advance(HOUR_MS);
    assert_eq!(choose(Purpose::Reset, &reset, OTHER, OTHER), "Spent", "too late");
}

#[test]
fn another_password_ends_everything_and_leaves_the_factor() {
    let desk = Desk::furnished();
    let (seat, mine) = desk.enter("dana", &at("192.0.2.1"));
    desk.enrol(&seat, &mine);
    for _ in 0..30 {
        drop(desk.0.sign_in("dana", "wrong", &at("198.51.100.1")));
    }
    let begun = desk.choose("dana", OTHER, &at("192.0.2.9")).unwrap();
    assert_eq!(begun.stage, Stage::Password, "a link is no second factor");
    assert!(desk.is_over(&seat));
    assert_eq!(why(desk.0.sign_in("dana", OTHER, &at("198.51.100.1"))), "done", "nobody waits");
    assert_eq!(desk.count("select count(*) from signin_devices where person = 1"), 1);
    let here = after(&at("192.0.2.9"), &begun);
    for _ in 0..30 {
        drop(desk.0.sign_in("dana", "wrong", &at("198.51.100.1")));
    }
    desk.0.sign_in("dana", OTHER, &here).expect("the browser of the link is known");
}

#[test]
fn who_is_nobody_yet_chooses_a_name() {
    let desk = Desk::new();
    let token = "a link that the host made";
    desk.sql("delete from people");
    let link = {
        use sha2::Digest;
        let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(token.as_bytes()));
        desk.sql(&format!(
            "insert into signin_tickets values (x'{digest}', 'activate', 0, {})",
            desk.now() + 1
        ));
        token
    };
    let visit = at("192.0.2.1");
    let choose = |name: &str| {
        why(desk.0.choose(Purpose::Activate, link, name, (PASSWORD, PASSWORD), &visit))
    };
    assert!(choose("plum").contains("rule"), "the name is in the password");
    assert_eq!(choose(""), "Name(\"a name is missing\")");
    assert_eq!(choose("zoe"), "done");
    assert_eq!(choose("abe"), "Spent");
    assert!(desk.0.sign_in("zoe", PASSWORD, &visit).is_ok());
}

#[test]
fn another_address_counts_once_it_is_verified() {
    let desk = Desk::furnished();
    let (seat, visit) = desk.enter("dana", &at("192.0.2.1"));
    let host = desk.0.host();
    let wish = |address| {
        host.write(|transaction| wish_address(host, transaction, &seat.owner, address)).unwrap();
        desk.link_of("dana: verify address")
    };
    let old = wish("old@example.com");
    desk.told();
    let link = wish("new@example.com");
    assert_eq!(desk.0.mine(&seat.owner).unwrap().wished.as_deref(), Some("new@example.com"));
    assert_eq!(why(desk.0.verify_address(&old, &visit)), "Spent", "a newer one replaced it");
    assert_eq!(why(desk.0.verify_address(&link, &at("203.0.113.5"))), "Spent");
    assert_eq!(why(desk.0.unlock(&link, &visit)), "Spent", "another purpose");
    desk.0.verify_address(&link, &visit).unwrap();
    assert_eq!(why(desk.0.verify_address(&link, &visit)), "Spent");
    assert!(desk.0.mine(&seat.owner).unwrap().wished.is_none());
    let changed = "dana: address changed";
    assert_eq!(desk.told()[1..], ["dana: address wished", changed, changed]);
}
