//! What the machine does, one thing at a time.

use std::sync::Arc;

use countersign_deliveries::destination::Destination;
use countersign_deliveries::group::Grouping;
use countersign_deliveries::machine::{Deliveries, Report};
use countersign_deliveries::receiver::{Bundle, Terms};
use countersign_store::{
    Action, DeliveryMode, LinkStanding, Reading, SendFilter, SendRow, SendState,
};
use tokio::sync::Notify;

use super::simulation::until_killed;
use super::tracker::{Gust, HORIZON_MS, Held, Human, Place};
use super::world::{DAY_MS, MINUTE_MS, Status, World, destination};

/// A tenant, a process, and one destination that has nothing to do yet.
struct Desk {
    world: World,
    place: Place,
    hung: Arc<Notify>,
    process: Deliveries,
    destination: Destination,
}

enum Sort {
    Tickets,
    Stream,
    Uploads,
}

impl Desk {
    async fn new(sort: Sort) -> Self {
        Self::with(sort, |_| ()).await
    }

    async fn with(sort: Sort, change: impl FnOnce(&mut Place)) -> Self {
        let world = World::new().await;
        let hung = Arc::new(Notify::new());
        let mut place = Place::new(world.clock(), 7, &hung);
        change(&mut place);
        let receiver = match sort {
            Sort::Tickets => place.tickets(),
            Sort::Stream => place.stream(),
            Sort::Uploads => place.uploads(),
        };
        let desk = Self {
            process: world.process(),
            destination: destination("place", receiver),
            world,
            place,
            hung,
        };
        desk.round().await;
        desk
    }

    /// With so many findings that have a ticket each, in one application.
    async fn with_tickets(count: i64) -> Self {
        let mut desk = Self::new(Sort::Tickets).await;
        desk.world.with_flaws(count).await;
        desk.rest().await;
        desk.approve().await;
        desk.rest().await;
        assert_eq!(desk.held().tickets.len(), usize::try_from(count).unwrap());
        desk.world.pass(DAY_MS);
        desk
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.place.held()
    }

    fn next(&self, gusts: &[Gust]) {
        self.held().weather.next = gusts.iter().rev().copied().collect();
    }

    async fn round(&self) -> Report {
        self.process.one(&self.destination).await.unwrap()
    }

    /// Rounds until nothing is left to do. Returns the last one and all news.
    async fn rest(&self) -> (Report, Vec<Option<String>>) {
        let mut news = Vec::new();
        for _ in 0..5_000 {
            let report = self.round().await;
            if report.is_news {
                news.push(report.problem.clone());
            }
            let Some(again_ms) = report.again_ms else { return (report, news) };
            self.world.pass_until(again_ms);
        }
        panic!("it never ends");
    }

    /// Rounds until then.
    async fn until(&self, until_ms: i64) {
        loop {
            let again_ms = self.round().await.again_ms;
            let Some(again_ms) = again_ms.filter(|ms| *ms < until_ms) else { break };
            self.world.pass_until(again_ms);
        }
        self.world.pass_until(until_ms);
    }

    async fn approve(&self) -> usize {
        let row = self.process.row(&self.destination).await.unwrap();
        self.world.store.approve_sends(row.id, self.world.now_ms()).await.unwrap()
    }

    async fn sends(&self, state: SendState) -> Vec<SendRow> {
        let filter = SendFilter { states: vec![state], ..SendFilter::default() };
        self.world.store.sends(filter, 10_000).await.unwrap()
    }

    async fn sync(&mut self) {
        self.world.sync(0).await;
    }

    /// The standing of the one ticket.
    fn standing(&self) -> LinkStanding {
        let held = self.held();
        assert_eq!(held.tickets.len(), 1);
        assert_eq!(held.wrong, [""; 0]);
        held.tickets[0].standing
    }
}

#[tokio::test]
async fn the_first_sync_of_a_tenant_is_one_plan_that_waits() {
    let pace = Terms { horizon_ms: HORIZON_MS, create_every_ms: 3_000, change_every_ms: 1_000 };
    let mut desk = Desk::with(Sort::Tickets, |place| place.terms = pace).await;
    desk.world.with_flaws(6_000).await;
    let report = desk.round().await;
    assert_eq!((report.sent, report.plan.held, report.plan.planned), (0, 6_000, 6_000));
    assert_eq!(report.again_ms, None);
    let held = desk.sends(SendState::Held).await;
    assert_eq!(held.len(), 6_000);
    let is_first = |send: &SendRow| {
        send.reason.as_deref() == Some("first reading of its application")
            && send.action == Action::Create
            && send.payload.contains("Weakness 89")
    };
    assert!(held.iter().all(is_first));
    assert_eq!(desk.round().await.plan.held, 0, "it is said once");
    assert!(desk.held().writes.is_empty());

    assert_eq!(desk.approve().await, 6_000);
    let start_ms = desk.world.now_ms();
    desk.until(start_ms + MINUTE_MS).await;
    let writes = desk.held().writes.clone();
    assert_eq!(writes.len(), 20);
    assert!(writes.windows(2).all(|two| two[1].0 - two[0].0 >= 3_000), "{writes:?}");
    assert_eq!(desk.sends(SendState::Pending).await.len(), 5_980);
}

#[tokio::test]
async fn a_new_destination_begins_at_the_end_of_the_feed() {
    let mut world = World::new().await;
    world.with_flaws(3).await;
    let place = Place::new(world.clock(), 7, &Arc::new(Notify::new()));
    let report = world.process().one(&destination("late", place.tickets())).await.unwrap();
    assert_eq!((report.plan.changes, report.plan.planned), (0, 0));
}

#[tokio::test]
async fn more_tickets_than_are_usual_wait_for_somebody() {
    let mut desk = Desk::with_tickets(1).await;
    for _ in 0..25 {
        desk.world.add_flaw(0, 3, 79);
    }
    desk.sync().await;
    let (report, _) = desk.rest().await;
    assert_eq!((report.plan.held, desk.held().tickets.len()), (0, 26));

    for _ in 0..26 {
        desk.world.add_flaw(0, 3, 79);
    }
    desk.sync().await;
    let report = desk.round().await;
    assert_eq!((report.plan.held, report.sent), (26, 0));
    let reason = desk.sends(SendState::Held).await[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("more than 25 tickets in one plan"));
    desk.world.add_flaw(0, 3, 79);
    desk.sync().await;
    assert_eq!(desk.round().await.plan.held, 1, "the destination is held");
    assert_eq!(desk.held().tickets.len(), 26);
    assert_eq!(desk.approve().await, 27);
    desk.rest().await;
    assert_eq!(desk.held().tickets.len(), 53);
    desk.world.add_flaw(0, 3, 79);
    desk.sync().await;
    assert_eq!(desk.rest().await.0.plan.held, 0, "it is held no longer");
}

#[tokio::test]
async fn what_waited_long_for_somebody_is_not_given_up() {
    let mut desk = Desk::new(Sort::Tickets).await;
    desk.world.with_flaws(1).await;
    desk.rest().await;
    desk.world.pass(9 * DAY_MS);
    desk.approve().await;
    desk.next(&[Gust::NotSent]);
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::Open);
}

#[tokio::test]
async fn a_reading_that_is_not_believed_closes_nothing() {
    for brake in [false, true] {
        let mut desk = Desk::with_tickets(2).await;
        let before = desk.held().writes.len();
        desk.world.flaw(1).is_there = false;
        if brake {
            desk.world.flaw(2).status = Status::Fixed;
        }
        let read_ms = desk.world.now_ms();
        let reason = "a page is missing".to_owned();
        let reading = Reading::Incomplete { read_ms, reason, held_back: 1 };
        desk.world.sync_as(0, reading, brake).await;
        let (report, _) = desk.rest().await;
        assert_eq!((report.plan.planned, desk.held().writes.len()), (0, before));

        desk.world.flaw(2).status = Status::Fixed;
        desk.sync().await;
        desk.rest().await;
        let held = desk.held();
        let app = &desk.world.apps[0];
        let made = |number| {
            let key = app.key(&app.flaws[&number], Grouping::Finding);
            held.tickets.iter().find(|made| made.group == key).unwrap()
        };
        assert_eq!(made(2).standing, LinkStanding::ClosedOurs);
        let (standing, said) = (made(1).standing, made(1).said.len());
        assert_eq!((standing, said), (LinkStanding::Open, 1), "gone is said, and not fixed");
    }
}

#[tokio::test]
async fn settings_that_do_not_work_are_said_once() {
    for sort in [Sort::Tickets, Sort::Stream, Sort::Uploads] {
        let mut desk = Desk::new(sort).await;
        desk.world.with_flaws(4).await;
        let start_ms = desk.world.now_ms();
        desk.held().weather.refused_until_ms = start_ms + DAY_MS;
        desk.round().await;
        desk.approve().await;
        let mut news = Vec::new();
        while desk.world.now_ms() < start_ms + DAY_MS {
            let report = desk.round().await;
            news.extend(report.is_news.then_some(report.problem));
            desk.world.pass_until(report.again_ms.unwrap());
        }
        // One each ten minutes at most, and not one for each finding.
        let asked = desk.held().weather.seen["Unauthorized"];
        assert!(asked <= 24 * 6, "{asked}");
        let (report, back) = desk.rest().await;
        news.extend(back);
        assert!(news.len() <= 2, "{news:?}");
        assert_eq!(news.last(), Some(&None), "{news:?}");
        assert_eq!(report.problem, None);
        assert_eq!(desk.sends(SendState::Sent).await.len(), desk_sends(&desk));
    }
}

/// What a healthy receiver has.
fn desk_sends(desk: &Desk) -> usize {
    let held = desk.held();
    held.tickets.len() + held.parcels.len() + held.uploads.values().map(Vec::len).sum::<usize>()
}

#[tokio::test]
async fn a_receiver_that_asks_to_come_back_at_once_is_not_besieged() {
    for sort in [Sort::Tickets, Sort::Stream, Sort::Uploads] {
        let mut desk = Desk::new(sort).await;
        desk.world.with_flaws(1).await;
        desk.round().await;
        desk.held().weather.seen.clear();
        desk.approve().await;
        desk.world.pass(1);
        if desk.sends(SendState::Sent).await.is_empty() {
            desk.next(&[Gust::TooManyNow; 3]);
        } else {
            desk.next(&[Gust::TooManyNow; 3]);
            desk.world.flaw(1).severity = 1;
            desk.sync().await;
        }
        let now_ms = desk.world.now_ms();
        let report = desk.round().await;
        assert_eq!(desk.held().weather.seen["TooManyNow"], 1);
        assert!(report.again_ms.unwrap() >= now_ms + 1_000, "{report:?}");
        desk.rest().await;
        assert_eq!(desk.held().weather.seen["TooManyNow"], 3);
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_delays_no_other_and_costs_nothing() {
    let mut desk = Desk::new(Sort::Stream).await;
    let other = Place::new(desk.world.clock(), 8, &Arc::new(Notify::new()));
    let healthy = destination("healthy", other.stream());
    desk.process.one(&healthy).await.unwrap();
    desk.held().weather.down_until_ms = desk.world.now_ms() + DAY_MS;
    desk.world.with_flaws(1_300).await;
    for number in 1..=1_300 {
        desk.world.flaw(number).severity = 2;
    }
    desk.sync().await;
    let start_ms = desk.world.now_ms();
    while desk.world.now_ms() < start_ms + DAY_MS {
        let both = [&desk.destination, &healthy];
        let reports = futures::future::join_all(both.map(|at| desk.process.one(at))).await;
        let again_ms = reports.into_iter().filter_map(|report| report.unwrap().again_ms).min();
        assert!(desk.sends(SendState::Pending).await.len() <= 1_000);
        desk.world.pass_until(again_ms.unwrap());
    }
    let tries = desk.held().weather.seen["NotSent"];
    assert!(tries < 60, "it is asked every half an hour: {tries}");
    assert_eq!(other.held().parcels.len(), 2_600);
    assert!(desk.held().parcels.is_empty());
    desk.rest().await;
    let seqs: Vec<_> = desk.held().parcels.iter().map(|(_, from, _)| *from).collect();
    assert_eq!(seqs, (1..=2_600).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bundle_may_be_larger_than_what_is_read_at_once() {
    let mut desk = Desk::with(Sort::Stream, |place| place.bundle = Bundle::Changes(1_200)).await;
    desk.world.with_flaws(1_300).await;
    desk.rest().await;
    let ranges: Vec<_> = desk.held().parcels.iter().map(|(_, from, to)| (*from, *to)).collect();
    assert_eq!(ranges, [(1, 1_200), (1_201, 1_300)]);
}

#[tokio::test]
async fn a_summary_says_when_it_is_due() {
    let every_ms = DAY_MS;
    let digest = Bundle::Digest { every_ms };
    let mut desk = Desk::with(Sort::Stream, |place| place.bundle = digest).await;
    let made_ms = desk.world.now_ms();
    desk.world.with_flaws(3).await;
    assert_eq!(desk.round().await.again_ms, Some(made_ms + every_ms));
    desk.rest().await;
    let ranges: Vec<_> = desk.held().parcels.iter().map(|(_, from, to)| (*from, *to)).collect();
    assert_eq!(ranges, [(1, 3)]);
}

#[tokio::test]
async fn what_may_have_arrived_is_made_again_only_when_it_would_show() {
    // Nothing arrived, and the receiver is given the time to show it.
    let mut desk = Desk::with_tickets(1).await;
    desk.held().weather.lag_ms = HORIZON_MS;
    desk.world.add_flaw(0, 3, 79);
    desk.sync().await;
    desk.next(&[Gust::Failed]);
    let start_ms = desk.world.now_ms();
    desk.rest().await;
    let last = *desk.held().writes.last().unwrap();
    assert_eq!(last.1, Action::Create);
    assert!(last.0 >= start_ms + HORIZON_MS, "{}", last.0 - start_ms);

    // It arrived, late, and shows late.
    for gust in [Gust::Lost, Gust::BusyFor, Gust::HangsAfter] {
        desk.world.add_flaw(0, 3, 79);
        desk.sync().await;
        desk.next(&[gust]);
        let doing = desk.process.one(&desk.destination);
        let ended = until_killed(doing, None, &desk.hung).await;
        assert_eq!(ended.is_none(), gust == Gust::HangsAfter);
        // A process that never came back leaves its claim behind.
        desk.process = desk.world.process();
        assert_eq!(desk.round().await.is_elsewhere, ended.is_none());
        desk.rest().await;
    }
    let held = desk.held();
    assert_eq!((held.tickets.len(), held.wrong.len()), (5, 0));
}

/// A process takes all with it that it has claimed, also what it never came to.
#[tokio::test]
async fn what_a_killed_process_had_claimed_is_not_given_up() {
    for sort in [Sort::Stream, Sort::Uploads] {
        let mut desk = Desk::new(sort).await;
        desk.world.with_flaws(20).await;
        for _ in 0..12 {
            desk.next(&[Gust::HangsBefore]);
            let doing = desk.process.one(&desk.destination);
            assert!(until_killed(doing, None, &desk.hung).await.is_none());
            desk.process = desk.world.process();
            desk.world.pass(31 * MINUTE_MS);
        }
        desk.next(&[Gust::Failed]);
        desk.rest().await;
        assert_eq!(desk.sends(SendState::Sent).await.len(), desk_sends(&desk));
        assert_eq!(desk.sends(SendState::Pending).await, []);
        assert_eq!(desk.sends(SendState::Dead).await, []);
    }
}

#[tokio::test]
async fn a_proof_that_somebody_deleted_proves_nothing() {
    let mut desk = Desk::with_tickets(3).await;
    for at in 1..3 {
        desk.held().tickets[at].is_deleted = true;
    }
    desk.world.add_flaw(0, 3, 79);
    desk.sync().await;
    desk.next(&[Gust::Failed]);
    let (report, news) = desk.rest().await;
    assert_eq!((report.problem, news.len()), (None, 0));
    assert_eq!(desk.held().tickets.len(), 4);
}

#[tokio::test]
async fn a_search_that_shows_nothing_makes_no_ticket() {
    let mut desk = Desk::with_tickets(1).await;
    desk.world.add_flaw(0, 3, 79);
    desk.sync().await;
    let start_ms = desk.world.now_ms();
    desk.held().weather.blind_until_ms = start_ms + DAY_MS;
    desk.next(&[Gust::Lost]);
    desk.until(start_ms + DAY_MS).await;
    assert_eq!(desk.held().tickets.len(), 2);
    let row = desk.process.row(&desk.destination).await.unwrap();
    assert_eq!(row.problem.as_deref(), Some("it shows nothing"));
    assert_eq!(desk.rest().await.1, [None], "it sees again");
    assert_eq!(desk.held().wrong, [""; 0]);
}

#[tokio::test]
async fn what_was_given_up_is_looked_for_before_the_next_is_made() {
    let mut desk = Desk::new(Sort::Tickets).await;
    desk.world.with_flaws(1).await;
    desk.rest().await;
    desk.approve().await;
    desk.next(&[Gust::Lost]);
    desk.round().await;
    desk.held().weather.down_until_ms = desk.world.now_ms() + 6 * DAY_MS;
    desk.rest().await;
    assert_eq!(desk.sends(SendState::Dead).await.len(), 1);
    desk.world.pass(6 * DAY_MS);
    desk.world.flaw(1).severity = 5;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::Open);
}

#[tokio::test]
async fn what_was_tried_in_vain_gives_way_to_what_is_new() {
    let mut desk = Desk::with_tickets(1).await;
    for (severity, gust) in [(5, Gust::NotSent), (3, Gust::TooMany), (2, Gust::Calm)] {
        desk.world.flaw(1).severity = severity;
        desk.sync().await;
        desk.next(&[gust]);
        desk.round().await;
    }
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::Open);
    assert_eq!(desk.held().tickets[0].severity, 2);
    assert_eq!(desk.held().tickets[0].said.len(), 1, "one comment tells it all");
}

#[tokio::test]
async fn what_is_back_is_opened_whatever_else_changes_meanwhile() {
    let mut desk = Desk::with_tickets(1).await;
    desk.world.flaw(1).status = Status::Fixed;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::ClosedOurs);
    desk.world.flaw(1).status = Status::Open;
    desk.sync().await;
    desk.next(&[Gust::NotSent]);
    desk.round().await;
    // Nothing that anybody would be told.
    desk.world.flaw(1).cwe = 90;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::Open);
}

#[tokio::test]
async fn what_people_did_stays() {
    let cases = [
        (LinkStanding::DoneTheirs, Human::Done, LinkStanding::Open),
        (LinkStanding::RefusedTheirs, Human::Refused, LinkStanding::RefusedTheirs),
    ];
    for (standing, human, then) in cases {
        let mut desk = Desk::with_tickets(1).await;
        let now_ms = desk.world.now_ms();
        desk.held().tickets[0].by_hand(standing, human, now_ms);
        for severity in [5, 3, 2] {
            desk.world.flaw(1).severity = severity;
            desk.sync().await;
            desk.rest().await;
            assert_eq!(desk.standing(), standing);
            assert_eq!(desk.held().tickets[0].said.len(), 1, "it is said once");
        }
        desk.world.flaw(1).status = Status::Fixed;
        desk.sync().await;
        desk.rest().await;
        assert_eq!(desk.standing(), standing);
        desk.world.flaw(1).status = Status::Open;
        desk.sync().await;
        desk.rest().await;
        assert_eq!(desk.standing(), then, "it was fixed and is back");
    }
}

#[tokio::test]
async fn what_people_opened_again_is_closed_when_it_is_fixed() {
    let mut desk = Desk::with_tickets(1).await;
    let now_ms = desk.world.now_ms();
    desk.held().tickets[0].by_hand(LinkStanding::RefusedTheirs, Human::Refused, now_ms);
    desk.world.flaw(1).severity = 5;
    desk.sync().await;
    desk.rest().await;
    desk.held().tickets[0].by_hand(LinkStanding::Open, Human::Reopened, now_ms);
    desk.world.flaw(1).status = Status::Fixed;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.standing(), LinkStanding::ClosedOurs);
}

#[tokio::test]
async fn a_ticket_that_is_gone_is_not_made_again() {
    let mut desk = Desk::with_tickets(1).await;
    desk.held().tickets[0].is_deleted = true;
    for severity in [5, 3] {
        desk.world.flaw(1).severity = severity;
        desk.sync().await;
        desk.rest().await;
    }
    assert_eq!(desk.held().tickets.len(), 1);
    let skipped = desk.sends(SendState::Skipped).await;
    let reason = skipped[0].reason.as_deref();
    assert_eq!(reason, Some("its ticket is gone; no second one is made"));
}

#[tokio::test]
async fn another_place_needs_another_name() {
    let mut desk = Desk::with_tickets(1).await;
    desk.destination.place = "elsewhere.example.com".into();
    desk.world.flaw(1).severity = 5;
    desk.sync().await;
    let before = desk.held().writes.len();
    let report = desk.round().await;
    assert!(report.problem.unwrap().contains("hint: give the new place a new name"));
    assert_eq!(desk.held().writes.len(), before);
}

#[tokio::test]
async fn two_processes_share_no_destination() {
    let mut desk = Desk::with_tickets(1).await;
    desk.world.flaw(1).severity = 5;
    desk.sync().await;
    let row = desk.process.row(&desk.destination).await.unwrap();
    let now_ms = desk.world.now_ms();
    let store = &desk.world.store;
    assert!(store.hold_destination(row.id, "other", now_ms, now_ms + 60_000).await.unwrap());
    let report = desk.round().await;
    assert!(report.is_elsewhere && report.again_ms.is_some());
    assert_eq!(desk.process.plan(&desk.destination).await.unwrap(), None);
    store.leave_destination(row.id, "other").await.unwrap();
    assert_eq!(desk.process.plan(&desk.destination).await.unwrap().unwrap().planned, 1);
    assert_eq!(desk.round().await.sent, 1);
}

#[tokio::test]
async fn a_simulation_writes_what_would_be_sent() {
    let mut desk = Desk::with_tickets(1).await;
    let before = desk.held().writes.len();
    desk.destination.mode = DeliveryMode::Simulate;
    desk.world.flaw(1).severity = 5;
    desk.sync().await;
    let report = desk.round().await;
    assert_eq!((report.plan.planned, report.sent, report.again_ms), (1, 0, None));
    assert_eq!(desk.held().writes.len(), before);
    assert_eq!(desk.sends(SendState::Simulated).await[0].action, Action::Update);
}

#[tokio::test]
async fn an_upload_follows_what_its_filter_leaves_out() {
    let mut desk = Desk::new(Sort::Uploads).await;
    desk.destination.filter = "severity[gte]3".parse().unwrap();
    desk.world.with_flaws(2).await;
    desk.rest().await;
    desk.world.flaw(1).severity = 1;
    desk.sync().await;
    desk.rest().await;
    let last = desk.held().uploads["guid-0"].last().cloned().unwrap();
    let last = String::from_utf8(last).unwrap();
    assert_eq!(last.lines().count(), 1, "{last}");
    // Nothing of it is different: nothing is sent.
    desk.world.flaw(1).severity = 0;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.held().uploads["guid-0"].len(), 2);
    // Nothing is left: that is sent.
    desk.world.flaw(1).is_there = false;
    desk.world.flaw(2).is_there = false;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.held().uploads["guid-0"].len(), 3);
    assert_eq!(desk.held().uploads["guid-0"][2], b"");
}

#[tokio::test]
async fn a_group_is_of_what_is_gone_too() {
    for close_vanished in [true, false] {
        let mut desk = Desk::new(Sort::Tickets).await;
        desk.destination.grouping = Grouping::Cwe;
        desk.destination.taste.close_vanished = close_vanished;
        desk.world.with_flaws(2).await;
        desk.rest().await;
        desk.approve().await;
        desk.rest().await;
        desk.world.flaw(1).is_there = false;
        desk.sync().await;
        desk.rest().await;
        assert_eq!(desk.standing(), LinkStanding::Open, "one is left");
        desk.world.flaw(2).status = Status::Fixed;
        desk.sync().await;
        desk.rest().await;
        let expected = if close_vanished { LinkStanding::ClosedOurs } else { LinkStanding::Open };
        assert_eq!(desk.standing(), expected, "one was not fixed");
        desk.world.flaw(1).is_there = true;
        desk.sync().await;
        desk.rest().await;
        assert_eq!(desk.standing(), LinkStanding::Open);
        desk.world.flaw(1).status = Status::Fixed;
        desk.sync().await;
        desk.rest().await;
        assert_eq!(desk.standing(), LinkStanding::ClosedOurs);
    }
}

#[tokio::test]
async fn of_what_vanished_before_it_was_sent_no_ticket_is_made() {
    let mut desk = Desk::new(Sort::Tickets).await;
    desk.destination.grouping = Grouping::Cwe;
    desk.world.with_flaws(1).await;
    desk.rest().await;
    desk.world.flaw(1).is_there = false;
    desk.sync().await;
    desk.rest().await;
    assert_eq!(desk.approve().await, 0);
    desk.rest().await;
    assert!(desk.held().tickets.is_empty());
}
