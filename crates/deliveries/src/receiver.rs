//! What a receiver is to the machine that delivers. There are three kinds, by what they want:
//!
//! - a [`Stream`] wants every change, once and in order, or a summary of many;
//! - [`Tickets`] are brought to where they should be, one for each group of findings;
//! - an [`Uploads`] wants all findings of an application whenever they are different.
//!
//! A receiver makes requests and judges answers. It never decides when something is sent or
//! tried again, and never keeps anything.

use countersign_findings::Application;
use countersign_store::{Action, ChangeRow, FindingRow, LinkRow, LinkStanding};

use crate::ticket::Ticket;
use crate::wire::Doing;

/// How something that was sent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Taken(Taken),
    /// It may work later.
    Passing {
        /// Why not now.
        why: String,
        /// Whether it may have arrived all the same.
        is_unsure: bool,
        /// How long the receiver asks to wait.
        after_ms: Option<i64>,
    },
    /// This one never works; others may.
    Refused(String),
    /// Nothing works until somebody changes the settings of one of both ends.
    Settings(String),
    /// Nothing was done: somebody else closed the ticket.
    Theirs(LinkStanding),
    /// The ticket is gone, or not visible to this account.
    Gone(String),
}

/// What a receiver has now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What it calls it.
    pub reference: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// What it left out, or what else people should know.
    pub remark: Option<String>,
}

impl Verdict {
    /// Taken under this name.
    pub fn taken(reference: impl Into<String>, url: Option<String>) -> Self {
        Self::Taken(Taken { reference: Some(reference.into()), url, remark: None })
    }

    /// It may work later, and nothing arrived.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Passing { why: why.into(), is_unsure: false, after_ms: None }
    }
}

/// What a look at the receiver showed of something that may have arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It is there.
    Found {
        /// What the receiver calls it.
        reference: String,
        /// Where people see it.
        url: Option<String>,
        /// Where it stands.
        standing: LinkStanding,
    },
    /// It is not there, and the receiver was shown to answer: the ticket that was given as a
    /// control was among what it showed, or without one its own proof held.
    Absent,
    /// The receiver shows nothing that it could be seen by.
    Blind(String),
    /// The look itself failed.
    Failed(Verdict),
}

/// What is to be done to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The same at every try: in the marker of what is made.
    pub uid: String,
    /// The group, 20 hexadecimal digits: the key of its ticket.
    pub group: String,
    /// What to do.
    pub action: Action,
    /// What the ticket is to say.
    pub ticket: Ticket,
    /// Tries before this one. Where there were some, a comment is looked for before it is made.
    pub attempts: u32,
    /// When the first try that may have arrived began.
    pub started_ms: Option<i64>,
    /// Now.
    pub now_ms: i64,
}

/// How a ticket system wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long what was made may not be shown yet.
    pub horizon_ms: i64,
    /// Between two tickets that are made.
    pub create_every_ms: i64,
    /// Between two changes.
    pub change_every_ms: i64,
}

/// A ticket system.
pub trait Tickets: Send + Sync {
    /// How it wants to be asked.
    fn terms(&self) -> Terms;

    /// Title and text as they would be sent, for people.
    fn preview(&self, ticket: &Ticket) -> String;

    /// Makes a ticket.
    fn create<'r>(&'r self, order: &'r Order) -> Doing<'r, Verdict>;

    /// Looks for the ticket of an order that may have arrived: in all states, by its marker.
    /// `control` is a ticket that is known to be there.
    fn look<'r>(&'r self, order: &'r Order, control: Option<&'r LinkRow>) -> Doing<'r, Sight>;

    /// Changes, closes, opens or comments a ticket, after reading where it stands. What is so
    /// already is not done again.
    fn change<'r>(&'r self, order: &'r Order, link: &'r LinkRow) -> Doing<'r, Verdict>;

    /// Asks for something harmless.
    fn probe(&self) -> Doing<'_, Verdict>;
}

/// One change of the feed, with the finding as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The change.
    pub change: &'a ChangeRow,
    /// Of the same finding.
    pub row: &'a FindingRow,
    /// Its application.
    pub application: &'a Application,
}

/// What a stream is sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// So many changes.
    Changes(usize),
    /// One summary of all since the last, not sooner than this after it.
    Digest {
        /// Milliseconds.
        every_ms: i64,
    },
}

/// What is sent in a stream: what was planned, under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The same at every try.
    pub uid: String,
    /// The first change in it.
    pub from_seq: i64,
    /// The last one.
    pub to_seq: i64,
    /// As the receiver rendered it.
    pub body: String,
    /// Tries before this one.
    pub attempts: u32,
    /// Now.
    pub now_ms: i64,
}

/// A summary of many changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// The first and the last change in it.
    pub seq: (i64, i64),
    /// When they were noticed.
    pub at_ms: (i64, i64),
    /// Findings that are new and open, by severity, 0 to 5.
    pub opened: [u64; 6],
    /// Findings that are open again.
    pub reopened: [u64; 6],
    /// Findings that are fixed, mitigated or no longer reported.
    pub closed: [u64; 6],
    /// Other changes.
    pub changed: u64,
    /// The worst of those that are open, ten at most.
    pub worst: Vec<Worst>,
    /// Applications that they are in, by name, ten at most, with how many opened.
    pub applications: Vec<(String, u64)>,
    /// Where people see more.
    pub url: Option<String>,
}

/// A line of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worst {
    /// 0 to 5.
    pub severity: u8,
    /// Title.
    pub title: String,
    /// Name of its application.
    pub application: String,
    /// File and line, component, or address.
    pub place: Option<String>,
    /// Its id.
    pub id: String,
    /// Where people see it.
    pub url: Option<String>,
}

/// A receiver of changes.
pub trait Stream: Send + Sync {
    /// How much at once.
    fn bundle(&self) -> Bundle;

    /// Changes as they will be sent: never more than [`Bundle::Changes`] says.
    fn render(&self, events: &[Event<'_>]) -> Result<String, String>;

    /// A summary as it will be sent.
    fn summary(&self, digest: &Digest) -> Result<String, String>;

    /// Sends parcels in their order and says of each how it ended; it stops after the first
    /// that was not taken.
    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>>;

    /// Sends something that says it is a test, or asks for something harmless.
    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict>;
}

/// Everything of one application.
pub struct Whole<'a> {
    /// The application.
    pub application: &'a Application,
    /// Its findings that pass the filter, whatever their state.
    pub rows: &'a [FindingRow],
}

/// A receiver of whole applications.
pub trait Uploads: Send + Sync {
    /// Whether it has a place for this application; the reason where it has none.
    fn place(&self, application: &Application) -> Result<(), String>;

    /// What would be sent, without anything that differs from one moment to another: it is
    /// sent only when its digest is not that of the last.
    fn render(&self, whole: &Whole<'_>) -> Result<Vec<u8>, String>;

    /// Sends it and waits until it was processed.
    fn send<'r>(
        &'r self,
        application: &'r Application,
        uid: &'r str,
        content: &'r [u8],
        now_ms: i64,
    ) -> Doing<'r, Verdict>;

    /// Asks for something harmless.
    fn probe(&self) -> Doing<'_, Verdict>;
}

/// Any receiver.
pub enum Receiver {
    /// Wants changes.
    Stream(Box<dyn Stream>),
    /// Has a ticket for each group.
    Tickets(Box<dyn Tickets>),
    /// Wants whole applications.
    Uploads(Box<dyn Uploads>),
}

impl Receiver {
    /// Asks for something harmless, or sends a test.
    pub fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        match self {
            Self::Stream(stream) => stream.probe(now_ms),
            Self::Tickets(tickets) => tickets.probe(),
            Self::Uploads(uploads) => uploads.probe(),
        }
    }
}
