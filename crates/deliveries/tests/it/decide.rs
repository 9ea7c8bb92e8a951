//! The table of what is done about a ticket, all of it.

use countersign_deliveries::decide::{Decision, Events, OnHumanClose, Remark, Taste, Wish, decide};
use countersign_deliveries::ticket::Why;
use countersign_store::{ChangeKind, ChangeRow, LinkRow, LinkStanding, Reason};
use proptest::prelude::*;

const WISHES: [Wish; 7] = [
    Wish::Open,
    Wish::Closed(Why::Fixed),
    Wish::Closed(Why::Mitigated),
    Wish::Closed(Why::FalsePositive),
    Wish::Closed(Why::Vanished),
    Wish::Closed(Why::LeftOut),
    Wish::Unknown,
];

const STANDINGS: [LinkStanding; 5] = [
    LinkStanding::Open,
    LinkStanding::ClosedOurs,
    LinkStanding::DoneTheirs,
    LinkStanding::RefusedTheirs,
    LinkStanding::Lost,
];

#[derive(Debug)]
struct Case {
    wish: Wish,
    events: Events,
    link: Option<LinkRow>,
    taste: Taste,
    is_same: bool,
    decision: Decision,
}

fn link(standing: LinkStanding, is_remarked: bool) -> LinkRow {
    LinkRow {
        group: "a".into(),
        subject: "{}".into(),
        reference: "1".into(),
        url: None,
        digest: "before".into(),
        standing,
        is_remarked,
        created_ms: 1,
        changed_ms: 1,
    }
}

fn links() -> Vec<Option<LinkRow>> {
    let of = |standing| [Some(link(standing, false)), Some(link(standing, true))];
    [None].into_iter().chain(STANDINGS.into_iter().flat_map(of)).collect()
}

fn events() -> impl Iterator<Item = Events> {
    (0..64_u32).map(|bits| Events {
        new: bits & 1 > 0,
        first: bits & 2 > 0,
        reopened: bits & 4 > 0,
        closed: bits & 8 > 0,
        vanished: bits & 16 > 0,
        material: bits & 32 > 0,
        ..Events::default()
    })
}

fn tastes() -> impl Iterator<Item = Taste> {
    let words = [OnHumanClose::Leave, OnHumanClose::Comment, OnHumanClose::Reopen];
    words.into_iter().flat_map(|on_human_close| {
        [false, true].map(|close_vanished| Taste { close_vanished, on_human_close })
    })
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for wish in WISHES {
        for events in events() {
            for link in links() {
                for taste in tastes() {
                    for is_same in [true, false] {
                        let (events, link) = (events.clone(), link.clone());
                        let digest = if is_same { "before" } else { "after" };
                        let decision = decide(wish, &events, link.as_ref(), digest, taste);
                        cases.push(Case { wish, events, link, taste, is_same, decision });
                    }
                }
            }
        }
    }
    cases
}

fn standing(case: &Case) -> Option<LinkStanding> {
    case.link.as_ref().map(|link| link.standing)
}

/// Holds for all cases that `is_about` chooses, of which there have to be some.
fn always(is_about: impl Fn(&Case) -> bool, holds: impl Fn(&Case) -> bool) {
    let about: Vec<_> = cases().into_iter().filter(is_about).collect();
    assert!(!about.is_empty());
    if let Some(case) = about.iter().find(|case| !holds(case)) {
        panic!("{case:?}");
    }
}

#[test]
fn the_table_is_whole() {
    assert_eq!(cases().len(), 7 * 64 * 11 * 6 * 2);
}

#[test]
fn a_second_ticket_is_never_made() {
    always(|case| case.link.is_some(), |case| case.decision != Decision::Create);
}

#[test]
fn a_ticket_is_made_of_what_is_open_and_has_news() {
    always(
        |case| case.decision == Decision::Create,
        |case| {
            let Case { events, wish, .. } = case;
            *wish == Wish::Open && (events.new || events.reopened || events.material)
        },
    );
    always(
        |case| case.link.is_none() && case.wish == Wish::Open && case.events.new,
        |case| case.decision == Decision::Create,
    );
    // Where there is none, nothing else can be done.
    always(
        |case| case.link.is_none(),
        |case| matches!(case.decision, Decision::Nothing | Decision::Skip(_) | Decision::Create),
    );
}

#[test]
fn what_is_gone_stays_gone() {
    always(
        |case| standing(case) == Some(LinkStanding::Lost),
        |case| matches!(case.decision, Decision::Skip(_)),
    );
}

#[test]
fn nothing_opens_what_somebody_decided_against() {
    always(
        |case| standing(case) == Some(LinkStanding::RefusedTheirs),
        |case| case.decision != Decision::Reopen,
    );
}

#[test]
fn what_somebody_finished_is_opened_where_it_is_back_or_was_asked_for() {
    always(
        |case| {
            standing(case) == Some(LinkStanding::DoneTheirs) && case.decision == Decision::Reopen
        },
        |case| {
            let is_back = case.events.reopened || case.events.new;
            case.wish == Wish::Open
                && (is_back || case.taste.on_human_close == OnHumanClose::Reopen)
        },
    );
    always(
        |case| {
            standing(case) == Some(LinkStanding::DoneTheirs)
                && case.wish == Wish::Open
                && case.events.reopened
        },
        |case| case.decision == Decision::Reopen,
    );
}

#[test]
fn what_this_closed_opens_with_news_only() {
    always(
        |case| standing(case) == Some(LinkStanding::ClosedOurs) && case.wish == Wish::Open,
        |case| {
            let Events { new, reopened, material, .. } = case.events;
            (case.decision == Decision::Reopen) == (new || reopened || material)
        },
    );
}

#[test]
fn the_same_text_is_not_sent_twice() {
    always(|case| case.is_same, |case| !matches!(case.decision, Decision::Update { .. }));
    always(
        |case| !case.is_same && standing(case) == Some(LinkStanding::Open),
        |case| case.wish != Wish::Open || matches!(case.decision, Decision::Update { .. }),
    );
    always(
        |case| matches!(case.decision, Decision::Update { .. }),
        |case| case.decision == Decision::Update { is_said: case.events.material },
    );
}

#[test]
fn what_is_not_open_is_closed() {
    always(
        |case| {
            standing(case) == Some(LinkStanding::Open)
                && matches!(case.wish, Wish::Closed(why) if why != Why::Vanished)
        },
        |case| matches!((case.wish, case.decision), (Wish::Closed(a), Decision::Close(b)) if a == b),
    );
    always(
        |case| matches!(case.decision, Decision::Close(_)),
        |case| matches!(case.wish, Wish::Closed(_)),
    );
    // Of what somebody else closed only to see whether it still is.
    always(
        |case| matches!(case.decision, Decision::Close(_)),
        |case| standing(case) == Some(LinkStanding::Open) || case.events.closed,
    );
}

#[test]
fn gone_is_not_fixed() {
    let is_about =
        |case: &Case| case.wish == Wish::Closed(Why::Vanished) && !case.taste.close_vanished;
    always(is_about, |case| !matches!(case.decision, Decision::Close(_)));
    always(
        |case| is_about(case) && standing(case) == Some(LinkStanding::Open) && case.events.vanished,
        |case| case.decision == Decision::Comment(Remark::Vanished),
    );
    always(
        |case| is_about(case) && !case.events.vanished,
        |case| !matches!(case.decision, Decision::Comment(_)),
    );
    always(
        |case| {
            case.wish == Wish::Closed(Why::Vanished)
                && case.taste.close_vanished
                && standing(case) == Some(LinkStanding::Open)
        },
        |case| case.decision == Decision::Close(Why::Vanished),
    );
}

#[test]
fn a_remark_is_made_once() {
    always(
        |case| case.link.as_ref().is_some_and(|link| link.is_remarked),
        |case| {
            !matches!(case.decision, Decision::Comment(Remark::StillReported | Remark::FoundAgain))
        },
    );
    always(
        |case| case.taste.on_human_close == OnHumanClose::Leave,
        |case| {
            !matches!(case.decision, Decision::Comment(Remark::StillReported | Remark::FoundAgain))
        },
    );
    always(
        |case| case.decision == Decision::Comment(Remark::FoundAgain),
        |case| case.events.reopened && standing(case) == Some(LinkStanding::RefusedTheirs),
    );
}

#[test]
fn of_what_is_unknown_nothing_is_said() {
    always(
        |case| case.wish == Wish::Unknown && standing(case) != Some(LinkStanding::Lost),
        |case| case.decision == Decision::Nothing,
    );
}

fn change(kind: u8, is_vanished: bool, is_first: bool, field: u8) -> ChangeRow {
    let kinds = [ChangeKind::New, ChangeKind::Changed, ChangeKind::Reopened, ChangeKind::Closed];
    let field = ["severity", "description"][usize::from(field % 2)];
    ChangeRow {
        seq: 1,
        at_ms: 1,
        application: "guid-a".into(),
        application_name: "A".into(),
        finding_id: "0123456789abcdef0123".into(),
        kind: kinds[usize::from(kind % 4)],
        reason: is_vanished.then_some(Reason::Vanished),
        severity: 3,
        title: "A title".into(),
        differences: Some(
            serde_json::json!([{"field": field, "before": 3, "after": 4}]).to_string(),
        ),
        integration: "tenant".into(),
        is_first,
    }
}

fn some_events() -> impl Strategy<Value = Events> {
    let one = (any::<u8>(), any::<bool>(), any::<bool>(), any::<u8>());
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let mut events = Events::default();
        for (kind, is_vanished, is_first, field) in all {
            events.add(&change(kind, is_vanished, is_first, field), false);
        }
        events
    })
}

proptest! {
    #[test]
    fn events_add_up_the_same_however_they_are_put_together(
        a in some_events(),
        b in some_events(),
        c in some_events(),
    ) {
        let left = a.clone().and(b.clone()).and(c.clone());
        let right = a.clone().and(b.clone().and(c.clone()));
        prop_assert_eq!(&left, &right);
        let all = [&a, &b, &c];
        let sentences: u32 =
            all.iter().map(|events| u32::try_from(events.told.len()).unwrap() + events.untold).sum();
        prop_assert_eq!(u32::try_from(left.told.len()).unwrap() + left.untold, sentences);
        prop_assert!(left.told.len() <= 20);
        prop_assert_eq!(left.reopened, all.iter().any(|events| events.reopened));
        prop_assert_eq!(left.closed, all.iter().any(|events| events.closed));
        prop_assert_eq!(left.first, all.iter().any(|events| events.first));
        prop_assert_eq!(a.clone().and(Events::default()), a.clone());
        prop_assert_eq!(Events::default().and(a.clone()), a);
    }
}

#[test]
fn only_what_matters_to_whoever_works_on_it_is_material() {
    let events = |kind, field| {
        let mut events = Events::default();
        events.add(&change(kind, false, false, field), false);
        events
    };
    assert!(events(1, 0).material && !events(1, 1).material && !events(3, 0).material);
    assert_eq!(events(1, 0).told.len(), 1);
}
