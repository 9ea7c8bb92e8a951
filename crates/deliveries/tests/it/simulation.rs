//! Sixty days of a tenant, with senders that are killed, receivers that fail in every way they
//! have, and people who do as they like. At the end everything is as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use countersign_deliveries::decide::{OnHumanClose, Taste};
use countersign_deliveries::destination::Destination;
use countersign_deliveries::group::Grouping;
use countersign_deliveries::machine::{Deliveries, Report};
use countersign_deliveries::receiver::Bundle;
use countersign_store::{LinkStanding, SendFilter, SendState, Since};
use tokio::sync::Notify;

use super::tracker::{GUSTS, HORIZON_MS, Human, Made, Place};
use super::world::{App, DAY_MS, Dice, Flaw, MINUTE_MS, Status, World, destination};

const DAYS: i64 = 60;
/// Rounds of all destinations between two syncs.
const ROUNDS: usize = 40;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

type Seen = BTreeMap<String, u64>;

#[test]
fn sixty_days_of_everything() {
    let seeds = number("COUNTERSIGN_DELIVERIES_SEEDS", 12);
    let changes = number("COUNTERSIGN_DELIVERIES_CHANGES", 300);
    let of = |part: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut seen = Seen::new();
        for seed in (0..seeds).filter(|seed| seed % 2 == part) {
            let walked = runtime.block_on(walked(seed, changes));
            walked.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        }
        seen
    };
    let mut seen = std::thread::scope(|scope| {
        let other = scope.spawn(|| of(1));
        let mut seen = of(0);
        let other = other.join().unwrap();
        other.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        seen
    });
    let told: Vec<_> = seen.iter().map(|(what, count)| format!("{what} {count}")).collect();
    eprintln!("{seeds} seeds: {}", told.join(", "));
    assert!(seen.remove("changes").unwrap() >= seeds * changes);
    for what in GUSTS.map(|gust| format!("{gust:?}")) {
        assert!(seen.contains_key(&what), "{what} never happened");
    }
    for what in [
        "Unauthorized",
        "lags",
        "blind",
        "killed",
        "elsewhere",
        "approved",
        "broken",
        "back",
        "send pending",
        "send sending",
        "send sent",
        "send skipped",
        "send held",
        "send failed",
        "link open",
        "link closed_ours",
        "link done_theirs",
        "link refused_theirs",
        "link lost",
    ] {
        assert!(seen.contains_key(what), "{what} never happened");
    }
}

/// One tenant with its destinations.
struct Walk {
    world: World,
    dice: Dice,
    hung: Arc<Notify>,
    process: Deliveries,
    destinations: Vec<Destination>,
    places: Vec<Place>,
    /// When each has something to do.
    again_ms: Vec<Option<i64>>,
    seen: Seen,
}

async fn walked(seed: u64, changes: u64) -> Seen {
    let mut walk = start(seed).await;
    let mut made = 0;
    // One sync makes about five changes.
    let pause_ms = DAYS * DAY_MS / i64::try_from(changes / 5 + 1).unwrap();
    while made < changes {
        made += walk.change().await;
        walk.weather();
        let until_ms = walk.world.now_ms() + 1 + walk.dice.ms(2 * pause_ms);
        walk.deliver(until_ms).await;
        walk.look().await;
    }
    walk.calm().await;
    walk.judge(&format!("seed {seed}")).await;
    walk.seen
}

/// Two ticket systems, three streams, a receiver of whole applications.
async fn start(seed: u64) -> Walk {
    let world = World::new().await;
    let hung = Arc::new(Notify::new());
    let mut places: Vec<_> =
        (0..6).map(|at| Place::new(world.clock(), seed * 31 + at, &hung)).collect();
    places[3].bundle = Bundle::Changes(20);
    places[4].bundle = Bundle::Changes(7);
    let of = |at: usize, receiver| destination(&format!("place-{at}"), receiver);
    let mut destinations = vec![
        of(0, places[0].tickets()),
        of(1, places[1].tickets()),
        of(2, places[2].stream()),
        of(3, places[3].stream()),
        of(4, places[4].stream()),
        of(5, places[5].uploads()),
    ];
    // Whole applications are read anew for every change: that takes most of the time.
    destinations.truncate(if seed.is_multiple_of(4) { 6 } else { 5 });
    destinations[1].grouping = Grouping::Cwe;
    destinations[1].filter = "severity[gte]3".parse().unwrap();
    destinations[1].taste = Taste { close_vanished: true, on_human_close: OnHumanClose::Reopen };
    destinations[4].filter = "cwe[eq]1".parse().unwrap();
    for place in &places {
        let weather = &mut place.held().weather;
        (weather.chance, weather.lag_ms) = (20, HORIZON_MS);
    }
    let process = world.process();
    let again_ms = vec![Some(0); destinations.len()];
    let mut walk = Walk {
        dice: Dice::new(seed),
        hung,
        process,
        destinations,
        places,
        again_ms,
        seen: Seen::new(),
        world,
    };
    for _ in 0..3 {
        walk.world.add_app();
    }
    // They begin at the end of the feed, which has nothing.
    walk.deliver(walk.world.now_ms()).await;
    walk
}

impl Walk {
    fn see(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    /// What one sync finds. Returns how many changes that are.
    async fn change(&mut self) -> u64 {
        let before = self.world.store.feed_end().await.unwrap();
        let app = usize::try_from(self.dice.below(self.world.apps.len() as u64)).unwrap();
        for _ in 0..=self.dice.below(11) {
            self.change_one(app);
        }
        self.world.sync(app).await;
        for at in &mut self.again_ms {
            *at = Some(self.world.now_ms());
        }
        let changes = self.world.store.feed_end().await.unwrap() - before;
        *self.seen.entry("changes".into()).or_default() += changes.unsigned_abs();
        changes.unsigned_abs()
    }

    fn change_one(&mut self, app: usize) {
        let numbers: Vec<_> = self.world.apps[app].flaws.keys().copied().collect();
        let (what, severity) = (self.dice.below(100), i64::try_from(self.dice.below(6)).unwrap());
        let cwe = i64::try_from(self.dice.below(25)).unwrap() + 1;
        let Some(number) = self.dice.pick(&numbers).copied().filter(|_| what >= 25) else {
            let number = self.world.add_flaw(app, severity, cwe);
            if self.dice.percent(5) {
                self.world.flaw(number).status = Status::Mitigated;
            }
            return;
        };
        if what < 28 {
            self.world.apps[app].name.push('x');
            return;
        }
        let flaw = self.world.flaw(number);
        match what {
            28..55 if flaw.is_open() => flaw.status = Status::Fixed,
            28..75 => (flaw.status, flaw.is_there) = (Status::Open, true),
            75..82 => flaw.is_there = false,
            82..86 => flaw.status = Status::Mitigated,
            86..89 => flaw.status = Status::FalsePositive,
            _ => flaw.severity = severity,
        }
    }

    /// What comes over the receivers, and what people do.
    fn weather(&mut self) {
        let now_ms = self.world.now_ms();
        let mut dice = self.dice.clone();
        for (at, place) in self.places.iter().enumerate() {
            let is_ticketing = at < 2;
            if is_ticketing && dice.percent(40) {
                place.touch(&mut dice);
            }
            let weather = &mut place.held().weather;
            match dice.below(100) {
                0..2 => weather.refused_until_ms = now_ms + dice.ms(DAY_MS / 4),
                2..12 => weather.blind_until_ms = now_ms + dice.ms(DAY_MS / 4),
                12 if at == 3 => weather.down_until_ms = now_ms + DAY_MS,
                _ => {}
            }
        }
        self.dice = dice;
        self.dice.next();
    }

    /// Rounds of whatever has something to do, until then.
    async fn deliver(&mut self, until_ms: i64) {
        for _ in 0..ROUNDS {
            let Some(next_ms) = self.again_ms.iter().flatten().min().copied() else { break };
            if next_ms > until_ms {
                break;
            }
            self.world.pass_until(next_ms);
            self.round().await;
        }
        self.world.pass_until(until_ms);
    }

    /// One round of each that has something to do.
    async fn round(&mut self) {
        for at in 0..self.destinations.len() {
            if self.again_ms[at].is_none_or(|ms| ms > self.world.now_ms()) {
                continue;
            }
            let polls = self.dice.percent(12).then(|| self.dice.below(60));
            let doing = self.process.one(&self.destinations[at]);
            match until_killed(doing, polls, &self.hung).await {
                Some(report) => self.note(at, report).await,
                None => self.die(at).await,
            }
        }
    }

    /// A process ended in the middle; another one begins, or a part of the same does.
    async fn die(&mut self, at: usize) {
        self.see("killed");
        self.look_at_sends().await;
        let mut wait_ms = MINUTE_MS;
        if self.dice.percent(60) {
            self.process = self.world.process();
            wait_ms += 14 * MINUTE_MS;
        }
        self.again_ms[at] = Some(self.world.now_ms() + wait_ms);
    }

    async fn note(&mut self, at: usize, report: Report) {
        self.again_ms[at] = report.again_ms;
        if report.is_elsewhere {
            self.see("elsewhere");
        }
        if report.is_news {
            self.see(if report.problem.is_some() { "broken" } else { "back" });
        }
        if report.plan.held > 0 && self.dice.percent(70) {
            self.approve(at).await;
        }
    }

    async fn approve(&mut self, at: usize) {
        let row = self.process.row(&self.destinations[at]).await.unwrap();
        let approved = self.world.store.approve_sends(row.id, self.world.now_ms()).await.unwrap();
        if approved > 0 {
            self.see("approved");
            self.again_ms[at] = Some(self.world.now_ms());
        }
    }

    /// Which states sends are in now.
    async fn look_at_sends(&mut self) {
        for count in self.world.store.send_counts().await.unwrap() {
            self.see(&format!("send {}", count.state.as_str()));
        }
    }

    /// Which states there are now.
    async fn look(&mut self) {
        self.look_at_sends().await;
        for at in 0..2 {
            let row = self.process.row(&self.destinations[at]).await.unwrap();
            for link in self.world.store.links(row.id, "", 10_000).await.unwrap() {
                self.see(&format!("link {}", link.standing.as_str()));
            }
        }
    }

    /// Nothing goes wrong any more, until nothing is left to do.
    async fn calm(&mut self) {
        for place in &self.places {
            let weather = &mut place.held().weather;
            weather.chance = 0;
            weather.down_until_ms = 0;
            weather.refused_until_ms = 0;
            weather.blind_until_ms = 0;
        }
        for at in 0..2 {
            self.approve(at).await;
        }
        for at in 0..self.destinations.len() {
            let mut rounds = 0;
            loop {
                let report = self.process.one(&self.destinations[at]).await.unwrap();
                if report.plan.held > 0 {
                    self.approve(at).await;
                    continue;
                }
                let Some(again_ms) = report.again_ms else { break };
                self.world.pass_until(again_ms);
                rounds += 1;
                assert!(rounds < 2_000, "it never ends: {report:?}");
            }
        }
        let writes = |place: &Place| {
            let held = place.held();
            (held.writes.len(), held.parcels.len())
        };
        let before: Vec<_> = self.places.iter().map(writes).collect();
        self.world.pass(DAY_MS);
        for destination in &self.destinations {
            let report = self.process.one(destination).await.unwrap();
            assert_eq!((report.plan.planned, report.sent, report.again_ms), (0, 0, None));
            assert_eq!(report.problem, None);
        }
        let after: Vec<_> = self.places.iter().map(writes).collect();
        assert_eq!(before, after, "nothing new is sent");
    }

    async fn judge(&mut self, name: &str) {
        let sends = SendFilter { states: vec![SendState::Dead], ..SendFilter::default() };
        assert_eq!(self.world.store.sends(sends, 5).await.unwrap(), [], "{name}");
        let told = self.told().await;
        self.judge_findings(name, &told);
        self.judge_weaknesses(name, &told);
        for at in 2..5 {
            self.judge_stream(at, name).await;
        }
        if self.destinations.len() > 5 {
            self.judge_uploads(name);
        }
        for place in &self.places {
            let held = place.held();
            assert_eq!(held.wrong, [""; 0], "{name}");
            for (what, count) in &held.weather.seen {
                *self.seen.entry(what.clone()).or_default() += count;
            }
        }
    }

    /// What the ledger has of each group, for whoever looks for a fault.
    async fn told(&self) -> HashMap<String, String> {
        let sends = self.world.store.sends(SendFilter::default(), 1_000_000).await.unwrap();
        let mut told: HashMap<String, String> = HashMap::new();
        for send in sends.into_iter().rev() {
            let line = format!(
                "\n{} {:?} {:?} {:?} tries {} changes {}-{} planned {} settled {:?}",
                send.id.number(),
                send.action,
                send.state,
                send.reason,
                send.attempts,
                send.from_seq,
                send.to_seq,
                send.planned_ms,
                send.settled_ms,
            );
            told.entry(format!("{} {}", send.destination, send.group)).or_default().push_str(&line);
        }
        told
    }

    /// A ticket for each finding.
    fn judge_findings(&self, name: &str, told: &HashMap<String, String>) {
        let held = self.places[0].held();
        let made = by_group(&held.tickets, name);
        for (app, flaw) in self.flaws() {
            let key = app.key(flaw, Grouping::Finding);
            let ledger = told.get(&format!("place-0 {key}"));
            let name = &format!("{name}: {}", ledger.map_or("", String::as_str));
            let Some(made) = made.get(&key) else {
                assert!(!flaw.is_open(), "{name}: no ticket for {flaw:?}");
                continue;
            };
            // What a ticket says is what the last scan said.
            let is_ours = made.human.is_none() && !made.is_deleted;
            if is_ours && flaw.is_open() {
                assert_eq!(i64::from(made.severity), flaw.severity, "{name}: {flaw:?} {made:?}");
            }
            // Of what scans no longer show it is said, and it stays as it was.
            if flaw.is_there || flaw.read != Some(Status::Open) {
                judge_ticket(made, flaw, name);
            }
        }
    }

    /// A ticket for each weakness of which one finding is severe.
    fn judge_weaknesses(&self, name: &str, told: &HashMap<String, String>) {
        let held = self.places[1].held();
        let made = by_group(&held.tickets, name);
        let mut groups: HashMap<String, Vec<&Flaw>> = HashMap::new();
        for (app, flaw) in self.flaws() {
            groups.entry(app.key(flaw, Grouping::Cwe)).or_default().push(flaw);
        }
        for (key, flaws) in groups {
            let is_open = flaws.iter().any(|flaw| flaw.is_open() && flaw.severity >= 3);
            let ledger = told.get(&format!("place-1 {key}"));
            let name = &format!("{name}: {}", ledger.map_or("", String::as_str));
            let Some(made) = made.get(&key) else {
                assert!(!is_open, "{name}: no ticket for {flaws:?}");
                continue;
            };
            match made.human {
                _ if made.is_deleted => {}
                None => assert_eq!(is_open, is_standing_open(made), "{name}: {flaws:?} {made:?}"),
                Some((Human::Refused, _)) => assert!(!is_standing_open(made), "{name}: {made:?}"),
                Some(_) => {}
            }
        }
    }

    fn flaws(&self) -> impl Iterator<Item = (&App, &Flaw)> {
        self.world.apps.iter().flat_map(|app| app.flaws.values().map(move |flaw| (app, flaw)))
    }

    /// Every change once, in the order in which it was noticed.
    async fn judge_stream(&self, at: usize, name: &str) {
        let changes = self.world.store.changes(Since::Beginning, 1_000_000).await.unwrap();
        let held: BTreeSet<String> = self
            .flaws()
            .filter(|(_, flaw)| at != 4 || flaw.cwe == 1)
            .map(|(app, flaw)| app.finding(flaw).id.to_string())
            .collect();
        let mut expected: Vec<_> = changes
            .iter()
            .filter(|change| held.contains(&change.finding_id))
            .map(|change| change.seq)
            .collect();
        let place = self.places[at].held();
        let mut known: HashMap<&str, (i64, i64)> = HashMap::new();
        let mut last = 0;
        for (uid, from, to) in &place.parcels {
            let before = known.insert(uid, (*from, *to));
            assert!(before.is_none_or(|before| before == (*from, *to)), "{name}: {uid}");
            if before.is_none() {
                assert!(*from > last, "{name}: {from} after {last}");
                last = *to;
                let sent = expected.iter().take_while(|seq| *seq <= to).count();
                assert_eq!(expected.first(), Some(from), "{name}: {at}");
                expected.drain(..sent);
            }
        }
        assert_eq!(expected, [0; 0], "{name}: lost by {at}");
    }

    /// What was uploaded last is what there is.
    fn judge_uploads(&self, name: &str) {
        let held = self.places[5].held();
        for app in &self.world.apps {
            let open = app.flaws.values().filter(|flaw| flaw.is_open());
            let mut lines: Vec<_> =
                open.map(|flaw| format!("{} {}", app.finding(flaw).id, flaw.severity)).collect();
            lines.sort();
            let last = held.uploads.get(&app.guid).and_then(|all| all.last());
            let last = String::from_utf8(last.cloned().unwrap_or_default()).unwrap();
            assert_eq!(last, lines.join("\n"), "{name}");
        }
    }
}

fn is_standing_open(made: &Made) -> bool {
    made.standing == LinkStanding::Open
}

fn by_group<'a>(tickets: &'a [Made], name: &str) -> HashMap<String, &'a Made> {
    let mut groups = HashMap::new();
    for made in tickets {
        let before = groups.insert(made.group.clone(), made);
        assert!(before.is_none(), "{name}: two tickets for {}", made.group);
    }
    groups
}

fn judge_ticket(made: &Made, flaw: &Flaw, name: &str) {
    if made.is_deleted {
        return;
    }
    let (is_open, wish) = (is_standing_open(made), flaw.is_open());
    let told = format!("{name}: {flaw:?} {made:?}");
    match made.human {
        None => assert_eq!(is_open, wish, "{told}"),
        Some((Human::Refused, _)) => assert!(!is_open, "{told}"),
        // Opened again only because it was fixed and is back.
        Some((Human::Done, at_ms)) => assert!(!is_open || flaw.reopened_ms >= at_ms, "{told}"),
        Some((Human::Reopened, at_ms)) if wish || flaw.closed_ms > at_ms => {
            assert_eq!(is_open, wish, "{told}");
        }
        Some((Human::Reopened, _)) => {}
    }
}

/// Runs until it ends, or so many times; none where it was dropped.
pub(crate) async fn until_killed<T, E: std::fmt::Debug>(
    doing: impl Future<Output = Result<T, E>>,
    polls: Option<u64>,
    hung: &Notify,
) -> Option<T> {
    let (mut doing, mut hung) = (pin!(doing), pin!(hung.notified()));
    let mut left = polls.unwrap_or(u64::MAX);
    poll_fn(|context| {
        if left == 0 || hung.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        left -= 1;
        doing.as_mut().poll(context).map(|done| Some(done.unwrap()))
    })
    .await
}
