//! Receivers in memory, and the weather between them and the machine: answers that are lost,
//! refusals, requests that never end, searches that lag or show nothing; and people who close,
//! open, comment and delete tickets by hand.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use countersign_connector::Clock;
use countersign_deliveries::receiver::{
    Bundle, Digest, Event, Order, Parcel, Receiver, Sight, Stream, Taken, Terms, Tickets, Uploads,
    Verdict, Whole,
};
use countersign_deliveries::ticket::{Ticket, Why};
use countersign_deliveries::wire::Doing;
use countersign_findings::Application;
use countersign_store::{Action, LinkRow, LinkStanding};
use tokio::sync::Notify;

use super::world::{Dice, MINUTE_MS};

pub(crate) const HORIZON_MS: i64 = 10 * MINUTE_MS;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gust {
    /// It arrives and is answered.
    Calm,
    /// Nothing leaves.
    NotSent,
    /// It is answered 5xx, and nothing was done.
    Failed,
    /// All was done, and the answer is lost.
    Lost,
    /// The first half was done, and the answer is lost.
    Half,
    /// 429, without and with how long to wait.
    TooMany,
    TooManyFor,
    /// 429 that asks to come back at once.
    TooManyNow,
    /// 503 with how long to wait; all was done.
    BusyFor,
    /// It never ends; nothing was done.
    HangsBefore,
    /// It never ends; all was done.
    HangsAfter,
    /// 401.
    Unauthorized,
}

use Gust::*;

pub(crate) const GUSTS: [Gust; 10] = [
    NotSent,
    Failed,
    Lost,
    Half,
    TooMany,
    TooManyFor,
    TooManyNow,
    BusyFor,
    HangsBefore,
    HangsAfter,
];

impl Gust {
    fn is_done(self) -> bool {
        matches!(self, Calm | Lost | BusyFor | HangsAfter)
    }

    fn hangs(self) -> bool {
        matches!(self, HangsBefore | HangsAfter)
    }

    /// None where it is answered.
    fn verdict(self) -> Option<Verdict> {
        let passing = |is_unsure, after_ms| {
            Some(Verdict::Passing { why: format!("{self:?}"), is_unsure, after_ms })
        };
        match self {
            Calm | HangsBefore | HangsAfter => None,
            NotSent | TooMany => passing(false, None),
            TooManyFor => passing(false, Some(90_000)),
            TooManyNow => passing(false, Some(0)),
            BusyFor => passing(true, Some(45_000)),
            Failed | Lost | Half => passing(true, None),
            Unauthorized => Some(Verdict::Settings("it answered 401".into())),
        }
    }
}

/// What comes in the way. Everything until a moment, or by chance, or as a test says.
pub(crate) struct Weather {
    pub(crate) dice: Dice,
    clock: Clock,
    /// Of a hundred requests.
    pub(crate) chance: u64,
    /// What happens next, whatever the chance.
    pub(crate) next: Vec<Gust>,
    pub(crate) down_until_ms: i64,
    pub(crate) refused_until_ms: i64,
    pub(crate) blind_until_ms: i64,
    /// How long the search lags at most.
    pub(crate) lag_ms: i64,
    pub(crate) seen: BTreeMap<String, u64>,
    /// Told when a request hangs.
    pub(crate) hung: Arc<Notify>,
}

impl Weather {
    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn see(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    fn draw(&mut self) -> Gust {
        let gust = if self.now_ms() < self.down_until_ms {
            NotSent
        } else if self.now_ms() < self.refused_until_ms {
            Unauthorized
        } else if let Some(next) = self.next.pop() {
            next
        } else if self.dice.percent(self.chance) {
            self.dice.pick(&GUSTS).copied().unwrap()
        } else {
            Calm
        };
        self.see(&format!("{gust:?}"));
        gust
    }

    fn probe(&mut self) -> Verdict {
        let is_refused = self.now_ms() < self.refused_until_ms;
        if is_refused { Verdict::Settings("401".into()) } else { Verdict::Taken(Taken::default()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Human {
    Done,
    Refused,
    Reopened,
}

#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) reference: String,
    pub(crate) group: String,
    pub(crate) made_ms: i64,
    /// When the search shows it.
    pub(crate) shown_ms: i64,
    pub(crate) standing: LinkStanding,
    pub(crate) is_deleted: bool,
    pub(crate) severity: u8,
    pub(crate) digest: String,
    /// Ids of what was said, and when.
    pub(crate) said: Vec<(String, i64)>,
    pub(crate) why: Option<Why>,
    /// What people did last.
    pub(crate) human: Option<(Human, i64)>,
}

/// What a made-up receiver holds.
pub(crate) struct Held {
    pub(crate) weather: Weather,
    pub(crate) tickets: Vec<Made>,
    /// Parcels in the order in which they were taken: id, first and last change.
    pub(crate) parcels: Vec<(String, i64, i64)>,
    /// What was uploaded, one after the other.
    pub(crate) uploads: BTreeMap<String, Vec<Vec<u8>>>,
    /// Every write that arrived.
    pub(crate) writes: Vec<(i64, Action)>,
    /// What must never happen.
    pub(crate) wrong: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Place {
    held: Arc<Mutex<Held>>,
    pub(crate) terms: Terms,
    pub(crate) bundle: Bundle,
}

impl Place {
    pub(crate) fn new(clock: Clock, seed: u64, hung: &Arc<Notify>) -> Self {
        let weather = Weather {
            dice: Dice::new(seed),
            clock,
            chance: 0,
            next: Vec::new(),
            down_until_ms: 0,
            refused_until_ms: 0,
            blind_until_ms: 0,
            lag_ms: 0,
            seen: BTreeMap::new(),
            hung: Arc::clone(hung),
        };
        let held = Held {
            weather,
            tickets: Vec::new(),
            parcels: Vec::new(),
            uploads: BTreeMap::new(),
            writes: Vec::new(),
            wrong: Vec::new(),
        };
        let terms = Terms { horizon_ms: HORIZON_MS, create_every_ms: 0, change_every_ms: 0 };
        Self { held: Arc::new(Mutex::new(held)), terms, bundle: Bundle::Changes(1) }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    pub(crate) fn tickets(&self) -> Receiver {
        Receiver::Tickets(Box::new(self.clone()))
    }

    pub(crate) fn stream(&self) -> Receiver {
        Receiver::Stream(Box::new(self.clone()))
    }

    pub(crate) fn uploads(&self) -> Receiver {
        Receiver::Uploads(Box::new(self.clone()))
    }

    /// Ends as the gust says, which may be never.
    async fn end<T>(&self, gust: Gust, answer: T) -> T {
        if gust.hangs() {
            let hung = Arc::clone(&self.held().weather.hung);
            hung.notify_one();
            return pending().await;
        }
        answer
    }

    /// Somebody does something to a ticket that is old enough for nothing of it to be unsure.
    pub(crate) fn touch(&self, dice: &mut Dice) {
        let mut held = self.held();
        let now_ms = held.weather.now_ms();
        let old = now_ms - 3 * 1_440 * MINUTE_MS;
        let there = held.tickets.iter().enumerate().filter(|(_, made)| !made.is_deleted);
        let there: Vec<_> = there.map(|(at, _)| at).collect();
        let Some(at) = dice.pick(&there).copied() else { return };
        let made = &mut held.tickets[at];
        let is_open = made.standing == LinkStanding::Open;
        match dice.below(20) {
            0 if made.made_ms < old => made.is_deleted = true,
            1..=5 if is_open => made.by_hand(LinkStanding::DoneTheirs, Human::Done, now_ms),
            6..=10 if is_open => made.by_hand(LinkStanding::RefusedTheirs, Human::Refused, now_ms),
            11..=16 if !is_open => made.by_hand(LinkStanding::Open, Human::Reopened, now_ms),
            _ => {}
        }
    }
}

impl Made {
    pub(crate) fn by_hand(&mut self, standing: LinkStanding, human: Human, now_ms: i64) {
        self.standing = standing;
        self.human = Some((human, now_ms));
    }
}

impl Held {
    fn make(&mut self, order: &Order, is_late: bool) -> Verdict {
        // A request that was cut off may be carried out a little later.
        let late_ms = if is_late { self.weather.dice.ms(30_000) } else { 0 };
        let lag_ms = self.weather.lag_ms;
        let made_ms = order.now_ms + late_ms;
        let shown_ms = made_ms + self.weather.dice.ms(lag_ms);
        if self.tickets.iter().any(|made| made.group == order.group) {
            self.wrong.push(format!("a second ticket for {}", order.group));
        }
        let reference = (self.tickets.len() + 1).to_string();
        self.tickets.push(Made {
            reference: reference.clone(),
            group: order.group.clone(),
            made_ms,
            shown_ms,
            standing: LinkStanding::Open,
            is_deleted: false,
            severity: order.ticket.severity,
            digest: order.ticket.digest.clone(),
            said: Vec::new(),
            why: None,
            human: None,
        });
        self.writes.push((order.now_ms, Action::Create));
        Verdict::taken(reference, None)
    }

    fn sight(&mut self, order: &Order, control: Option<&LinkRow>) -> Sight {
        let now_ms = order.now_ms;
        let is_blind = now_ms < self.weather.blind_until_ms;
        let is_shown = |made: &&Made| !is_blind && !made.is_deleted && made.shown_ms <= now_ms;
        let found = self.tickets.iter().filter(is_shown).find(|made| made.group == order.group);
        if let Some(made) = found {
            let (reference, standing) = (made.reference.clone(), made.standing);
            return Sight::Found { reference, url: None, standing };
        }
        let mut shown = self.tickets.iter().filter(is_shown);
        let is_proven = match control {
            Some(control) => shown.any(|made| made.reference == control.reference),
            None => !is_blind,
        };
        let is_there = self.tickets.iter().any(|made| made.group == order.group);
        if is_there {
            self.weather.see(if is_blind { "blind" } else { "lags" });
        }
        match is_proven {
            true => Sight::Absent,
            false => Sight::Blind("it shows nothing".into()),
        }
    }

    /// As a receiver does: reads where it stands, changes the state, then says what is to be
    /// said. `is_half` ends between.
    fn change(&mut self, order: &Order, link: &LinkRow, is_half: bool) -> Verdict {
        use LinkStanding::*;
        let now_ms = order.now_ms;
        let found = self.tickets.iter_mut().find(|made| made.reference == link.reference);
        let Some(made) = found.filter(|made| !made.is_deleted) else {
            return Verdict::Gone("404".into());
        };
        let is_theirs = matches!(made.standing, DoneTheirs | RefusedTheirs);
        let is_decided = link.standing == made.standing
            && matches!(order.action, Action::Comment | Action::Reopen);
        if is_theirs && !is_decided {
            return Verdict::Theirs(made.standing);
        }
        match order.action {
            Action::Reopen => {
                if made.standing == RefusedTheirs {
                    self.wrong.push(format!("{} was opened against a will", made.group));
                }
                made.standing = Open;
            }
            Action::Close => {
                made.why = order.ticket.why;
                made.standing = ClosedOurs;
            }
            _ => {}
        }
        if order.action != Action::Comment {
            made.severity = order.ticket.severity;
            made.digest.clone_from(&order.ticket.digest);
        }
        self.writes.push((now_ms, order.action));
        if is_half || order.ticket.comment.is_none() {
            return Verdict::taken(&made.reference, None);
        }
        // Comments are read from when the first try began.
        let since_ms = order.started_ms.unwrap_or(now_ms) - 5 * MINUTE_MS;
        let is_said = made.said.iter().any(|(uid, _)| *uid == order.uid);
        let shows = made.said.iter().any(|(uid, at_ms)| *uid == order.uid && *at_ms >= since_ms);
        if order.attempts > 0 && shows {
            return Verdict::taken(&made.reference, None);
        }
        if is_said {
            self.wrong.push(format!("said twice on {}", made.group));
        }
        made.said.push((order.uid.clone(), now_ms));
        Verdict::taken(&made.reference, None)
    }
}

impl Tickets for Place {
    fn terms(&self) -> Terms {
        self.terms
    }

    fn preview(&self, ticket: &Ticket) -> String {
        ticket.title.clone()
    }

    fn create<'r>(&'r self, order: &'r Order) -> Doing<'r, Verdict> {
        Box::pin(async move {
            let (gust, answer) = {
                let mut held = self.held();
                let gust = held.weather.draw();
                let made = gust.is_done().then(|| held.make(order, gust != Calm));
                (gust, gust.verdict().or(made))
            };
            self.end(gust, answer).await.unwrap()
        })
    }

    fn look<'r>(&'r self, order: &'r Order, control: Option<&'r LinkRow>) -> Doing<'r, Sight> {
        Box::pin(async move {
            let (gust, answer) = {
                let mut held = self.held();
                let gust = held.weather.draw();
                let sight = held.sight(order, control);
                (gust, gust.verdict().map_or(sight, Sight::Failed))
            };
            self.end(gust, answer).await
        })
    }

    fn change<'r>(&'r self, order: &'r Order, link: &'r LinkRow) -> Doing<'r, Verdict> {
        Box::pin(async move {
            let (gust, answer) = {
                let mut held = self.held();
                let gust = held.weather.draw();
                let is_begun = gust.is_done() || gust == Half;
                let done = is_begun.then(|| held.change(order, link, gust == Half));
                (gust, gust.verdict().or(done))
            };
            self.end(gust, answer).await.unwrap()
        })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        let answer = self.held().weather.probe();
        Box::pin(async move { answer })
    }
}

impl Stream for Place {
    fn bundle(&self) -> Bundle {
        self.bundle
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let seqs: Vec<_> = events.iter().map(|event| event.change.seq.to_string()).collect();
        if let Bundle::Changes(most) = self.bundle {
            assert!(seqs.len() <= most, "{seqs:?}");
        }
        Ok(seqs.join(" "))
    }

    fn summary(&self, digest: &Digest) -> Result<String, String> {
        Ok(format!("{} {}", digest.seq.0, digest.seq.1))
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = Vec::new();
            for parcel in parcels {
                let gust = {
                    let mut held = self.held();
                    let gust = held.weather.draw();
                    if gust.is_done() {
                        let Parcel { uid, from_seq, to_seq, .. } = parcel;
                        held.parcels.push((uid.clone(), *from_seq, *to_seq));
                    }
                    gust
                };
                self.end(gust, ()).await;
                let verdict = gust.verdict();
                let is_over = verdict.is_some();
                verdicts.push(verdict.unwrap_or(Verdict::Taken(Taken::default())));
                if is_over {
                    break;
                }
            }
            verdicts
        })
    }

    fn probe(&self, _now_ms: i64) -> Doing<'_, Verdict> {
        let answer = self.held().weather.probe();
        Box::pin(async move { answer })
    }
}

impl Uploads for Place {
    fn place(&self, _application: &Application) -> Result<(), String> {
        Ok(())
    }

    /// Numbers and severities of those that are open.
    fn render(&self, whole: &Whole<'_>) -> Result<Vec<u8>, String> {
        let open = whole.rows.iter().filter(|row| row.finding.state.is_open() && !row.gone);
        let mut lines: Vec<_> = open
            .map(|row| format!("{} {}", row.finding.id, row.finding.severity.level()))
            .collect();
        lines.sort();
        Ok(lines.join("\n").into_bytes())
    }

    fn send<'r>(
        &'r self,
        application: &'r Application,
        _uid: &'r str,
        content: &'r [u8],
        now_ms: i64,
    ) -> Doing<'r, Verdict> {
        Box::pin(async move {
            let gust = {
                let mut held = self.held();
                let gust = held.weather.draw();
                if gust.is_done() {
                    let guid = application.guid.to_string();
                    held.uploads.entry(guid).or_default().push(content.to_vec());
                    held.writes.push((now_ms, Action::Upload));
                }
                gust
            };
            self.end(gust, ()).await;
            gust.verdict().unwrap_or(Verdict::Taken(Taken::default()))
        })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        let answer = self.held().weather.probe();
        Box::pin(async move { answer })
    }
}
