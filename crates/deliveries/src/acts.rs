//! What people do about deliveries, whichever face they do it through: look where each
//! destination stands, pause it, approve what is held, send again what failed.

use std::collections::BTreeMap;
use std::fmt;

use countersign_findings::filter::nearest;
use countersign_store::{
    DeliveryMode, DestinationRow, Error, SendCount, SendFilter, SendRow, SendState, Store,
};
use countersign_text::line;

use crate::plan::{TicketPayload, UploadPayload};
use crate::receiver::Receiver;

/// Sends of one destination that are sent again or dismissed at once.
const SENDS: u32 = 10_000;

/// Why something was not done.
#[derive(Debug)]
pub enum Refusal {
    /// There is no destination of this name; the nearest there is.
    NoDestination {
        /// As it was given.
        name: String,
        /// Of all that were ever configured.
        nearest: Option<String>,
    },
    /// There is no send of this number.
    NoSend(i64),
    /// Nothing of it is held.
    NothingHeld(String),
    /// It is not paused.
    NotPaused(String),
    /// It is paused already.
    Paused(String),
    /// The send is in a state in which it is not sent again.
    NotFailed {
        /// Its number.
        number: i64,
        /// Where it stands.
        state: SendState,
    },
    /// Something else of its group is on its way.
    Overtaken(i64),
    /// Nothing of it failed.
    NothingFailed(String),
    /// The store failed.
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDestination { name, nearest } => {
                write!(f, "there is no destination `{}`", line(name))?;
                match nearest {
                    Some(nearest) => write!(f, "; the nearest is `{}`", line(nearest)),
                    None => Ok(()),
                }
            }
            Self::NoSend(number) => write!(f, "there is no send {number}"),
            Self::NothingHeld(name) => write!(f, "nothing of `{}` is held", line(name)),
            Self::NotPaused(name) => write!(f, "`{}` is not paused", line(name)),
            Self::Paused(name) => write!(f, "`{}` is paused already", line(name)),
            Self::NotFailed { number, state } => {
                write!(
                    f,
                    "send {number} is `{}`: only `failed` and `dead` ones are sent again",
                    state.as_str()
                )
            }
            Self::Overtaken(number) => {
                write!(f, "something newer of the same ticket waits: send {number} is out of date")
            }
            Self::NothingFailed(name) => write!(f, "nothing of `{}` failed", line(name)),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// Where a destination stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is known of it.
    pub row: DestinationRow,
    /// How many sends are in which state.
    pub counts: BTreeMap<&'static str, u64>,
    /// When the first of those that wait was planned.
    pub waits_since_ms: Option<i64>,
}

/// A destination in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// All is well.
    Well,
    /// What is planned goes nowhere.
    Simulated,
    /// Somebody paused it.
    Paused,
    /// Some sends failed for good, or were given up.
    Failed,
    /// Some sends wait for approval.
    Held,
    /// Nothing goes out until a setting is another one.
    Broken,
}

impl Mark {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Simulated => "simulated",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Broken => "broken",
        }
    }

    /// Whether somebody has to do something.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Failed | Self::Held | Self::Broken)
    }
}

impl Standing {
    fn new(row: DestinationRow, all: &[SendCount]) -> Self {
        let own = || all.iter().filter(|one| one.destination == row.name);
        let counts = own().map(|one| (one.state.as_str(), one.count)).collect();
        let waits = own().filter(|one| is_waiting(one.state)).map(|one| one.oldest_ms).min();
        Self { row, counts, waits_since_ms: waits }
    }

    /// How many sends are in a state.
    pub fn count(&self, state: SendState) -> u64 {
        self.counts.get(state.as_str()).copied().unwrap_or_default()
    }

    /// How many sends are on their way.
    pub fn waiting(&self) -> u64 {
        self.count(SendState::Pending) + self.count(SendState::Sending)
    }

    /// How many sends failed for good or were given up.
    pub fn failed(&self) -> u64 {
        self.count(SendState::Failed) + self.count(SendState::Dead)
    }

    /// The worst that can be said of it.
    pub fn mark(&self) -> Mark {
        match self.row.mode {
            _ if self.row.problem.is_some() => Mark::Broken,
            _ if self.count(SendState::Held) > 0 => Mark::Held,
            _ if self.failed() > 0 => Mark::Failed,
            DeliveryMode::Paused => Mark::Paused,
            DeliveryMode::Simulate => Mark::Simulated,
            DeliveryMode::Live => Mark::Well,
        }
    }
}

fn is_waiting(state: SendState) -> bool {
    matches!(state, SendState::Pending | SendState::Sending)
}

/// Where every destination stands that was ever configured, by name.
pub async fn standings(store: &Store) -> Result<Vec<Standing>, Error> {
    let counts = store.send_counts().await?;
    let rows = store.destinations().await?;
    Ok(rows.into_iter().map(|row| Standing::new(row, &counts)).collect())
}

/// The destination of this name.
pub async fn named(store: &Store, name: &str) -> Result<Standing, Refusal> {
    let mut all = standings(store).await?;
    match all.iter().position(|one| one.row.name == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names = all.iter().map(|one| one.row.name.as_str());
            let nearest = nearest(name, names, 1).first().map(|name| (*name).to_owned());
            Err(Refusal::NoDestination { name: name.to_owned(), nearest })
        }
    }
}

/// Lets go what is held. Returns how many sends.
pub async fn approve(store: &Store, name: &str, now_ms: i64) -> Result<usize, Refusal> {
    let one = named(store, name).await?;
    if one.count(SendState::Held) == 0 && one.row.held_ms.is_none() {
        return Err(Refusal::NothingHeld(name.to_owned()));
    }
    Ok(store.approve_sends(one.row.id, now_ms).await?)
}

/// Holds the tickets that are planned and not made yet, and those that are planned from now
/// on, until they are approved. Returns how many are held.
pub async fn hold(store: &Store, name: &str, now_ms: i64) -> Result<u64, Refusal> {
    let one = named(store, name).await?;
    store.hold_sends(one.row.id, now_ms).await?;
    Ok(named(store, name).await?.count(SendState::Held))
}

/// Plans and sends nothing until it is resumed. The feed waits.
pub async fn pause(store: &Store, name: &str, now_ms: i64) -> Result<(), Refusal> {
    let one = named(store, name).await?;
    if one.row.mode == DeliveryMode::Paused {
        return Err(Refusal::Paused(name.to_owned()));
    }
    Ok(store.set_delivery_mode(one.row.id, DeliveryMode::Paused, now_ms).await?)
}

/// Continues where it was paused, as its settings say.
pub async fn resume(
    store: &Store,
    name: &str,
    mode: DeliveryMode,
    now_ms: i64,
) -> Result<(), Refusal> {
    let one = named(store, name).await?;
    if one.row.mode != DeliveryMode::Paused {
        return Err(Refusal::NotPaused(name.to_owned()));
    }
    Ok(store.set_delivery_mode(one.row.id, mode, now_ms).await?)
}

/// One send by its number.
pub async fn send(store: &Store, number: i64) -> Result<SendRow, Refusal> {
    store.send(number).await?.ok_or(Refusal::NoSend(number))
}

/// Sends one again that failed or was given up, under the same id.
pub async fn replay(store: &Store, number: i64, now_ms: i64) -> Result<SendRow, Refusal> {
    let found = failed(store, number).await?;
    match store.replay_send(number, now_ms).await? {
        true => Ok(found),
        false => Err(Refusal::Overtaken(number)),
    }
}

/// Leaves one alone for good that failed or was given up.
pub async fn dismiss(store: &Store, number: i64, now_ms: i64) -> Result<SendRow, Refusal> {
    let found = failed(store, number).await?;
    store.dismiss_send(number, now_ms).await?;
    Ok(found)
}

async fn failed(store: &Store, number: i64) -> Result<SendRow, Refusal> {
    let found = send(store, number).await?;
    match found.state {
        SendState::Failed | SendState::Dead => Ok(found),
        state => Err(Refusal::NotFailed { number, state }),
    }
}

/// What was done about all failed sends of a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Sends that wait again, or were dismissed.
    pub done: u64,
    /// Sends that something newer took the place of.
    pub overtaken: u64,
}

/// Sends again all of a destination that failed or were given up, in their order.
pub async fn replay_all(store: &Store, name: &str, now_ms: i64) -> Result<Repeated, Refusal> {
    let mut all = Repeated::default();
    for number in all_failed(store, name).await? {
        match store.replay_send(number, now_ms).await? {
            true => all.done += 1,
            false => all.overtaken += 1,
        }
    }
    Ok(all)
}

/// Leaves all of a destination alone that failed or were given up.
pub async fn dismiss_all(store: &Store, name: &str, now_ms: i64) -> Result<Repeated, Refusal> {
    let mut all = Repeated::default();
    for number in all_failed(store, name).await? {
        all.done += u64::from(store.dismiss_send(number, now_ms).await?);
    }
    Ok(all)
}

async fn all_failed(store: &Store, name: &str) -> Result<Vec<i64>, Refusal> {
    named(store, name).await?;
    let filter = SendFilter {
        destination: Some(name.to_owned()),
        states: vec![SendState::Failed, SendState::Dead],
        before: None,
    };
    let mut numbers: Vec<_> =
        store.sends(filter, SENDS).await?.iter().map(|send| send.id.number()).collect();
    numbers.reverse();
    match numbers.is_empty() {
        true => Err(Refusal::NothingFailed(name.to_owned())),
        false => Ok(numbers),
    }
}

/// A send for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What it is about, on one line; foreign.
    pub subject: String,
    /// As it would be sent; of a ticket, its title and text, or what is said on it. Of an
    /// application that is sent whole it is not kept.
    pub text: Option<String>,
}

/// What a send is about. The receiver says how it would be written; without one it is shown
/// as the ledger has it.
pub fn preview(send: &SendRow, receiver: Option<&Receiver>) -> Preview {
    use countersign_store::Action;
    match send.action {
        Action::Event | Action::Object | Action::Digest => Preview {
            subject: match send.from_seq == send.to_seq {
                true => format!("change {}", send.from_seq),
                false => format!("changes {} to {}", send.from_seq, send.to_seq),
            },
            text: Some(send.payload.clone()).filter(|text| !text.is_empty()),
        },
        Action::Upload => match serde_json::from_str::<UploadPayload>(&send.payload) {
            Ok(payload) => Preview {
                subject: format!("application {} of {}", payload.application, payload.integration),
                text: None,
            },
            Err(_) => Preview::default(),
        },
        Action::Create | Action::Update | Action::Close | Action::Reopen | Action::Comment => {
            of_ticket(send, receiver)
        }
    }
}

fn of_ticket(send: &SendRow, receiver: Option<&Receiver>) -> Preview {
    let Ok(TicketPayload { mut ticket, .. }) = serde_json::from_str(&send.payload) else {
        return Preview::default();
    };
    let subject = ticket.title.clone();
    let is_whole = matches!(
        send.action,
        countersign_store::Action::Create | countersign_store::Action::Update
    );
    // Of the others the comment is all that is written.
    if !is_whole {
        ticket.body = ticket.comment.take().unwrap_or_default();
    }
    let text = match receiver {
        Some(Receiver::Tickets(tickets)) => Some(tickets.preview(&ticket)),
        _ => serde_json::to_string_pretty(&ticket.body).ok(),
    };
    Preview { subject, text }
}
