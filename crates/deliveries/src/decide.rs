//! What is to be done about the ticket of a group. Pure: what the group is now, what
//! happened to it since, and what stands at the receiver are arguments.
//!
//! Two rules are behind the table in [`decide`]. What people did to a ticket by hand stays:
//! only findings that were fixed and are back open a ticket that somebody closed as done, and
//! nothing opens one that somebody closed as not to be done. And a change that says nothing
//! new to whoever works on the ticket sends nothing.

use countersign_findings::{Difference, State};
use countersign_store::{ChangeKind, ChangeRow, LinkRow, LinkStanding, Reason};
use serde::{Deserialize, Serialize};

use crate::render::ticket::Member;
use crate::ticket::Why;

/// Sentences on changes that are kept until they are said.
const TOLD: usize = 20;

/// Members of a finding whose change is worth a comment.
const MATERIAL: [&str; 6] = [
    "severity",
    "violates_policy",
    "grace_period_expires",
    "state",
    "location.file",
    "location.url",
];

/// What happened to a group since it was last planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    /// A finding came in.
    pub new: bool,
    /// One came in with the first reading of its application.
    pub first: bool,
    /// Somebody asked for what was there before the destination.
    pub asked: bool,
    /// One is open again.
    pub reopened: bool,
    /// One is no longer open.
    pub closed: bool,
    /// A complete reading no longer showed one.
    pub vanished: bool,
    /// Severity, policy, due date or place of one is different.
    pub material: bool,
    /// What changed, a sentence each.
    pub told: Vec<String>,
    /// Sentences that are not kept.
    pub untold: u32,
}

impl Events {
    /// One more. In a group of several what changed is said with the name of the finding.
    pub fn add(&mut self, change: &ChangeRow, is_named: bool) {
        match change.kind {
            ChangeKind::New => {
                self.new = true;
                self.first |= change.is_first;
            }
            ChangeKind::Reopened => self.reopened = true,
            ChangeKind::Closed => self.closed = true,
            ChangeKind::Changed => {}
        }
        self.vanished |= change.reason == Some(Reason::Vanished);
        if change.kind == ChangeKind::Changed && is_material(change) {
            self.material = true;
            let id = change.finding_id.get(..8).unwrap_or_default();
            let name = if is_named { format!("{} ({id}): ", change.title) } else { String::new() };
            for sentence in change.sentences() {
                let sentence = format!("{name}{sentence}");
                match self.told.len() < TOLD {
                    true => self.told.push(sentence),
                    false => self.untold = self.untold.saturating_add(1),
                }
            }
        }
    }

    /// Both, in this order.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        self.new |= later.new;
        self.first |= later.first;
        self.asked |= later.asked;
        self.reopened |= later.reopened;
        self.closed |= later.closed;
        self.vanished |= later.vanished;
        self.material |= later.material;
        self.untold = self.untold.saturating_add(later.untold);
        for sentence in later.told {
            match self.told.len() < TOLD {
                true => self.told.push(sentence),
                false => self.untold = self.untold.saturating_add(1),
            }
        }
        self
    }
}

fn is_material(change: &ChangeRow) -> bool {
    let read = change.differences.as_deref().map(serde_json::from_str::<Vec<Difference>>);
    let differences = read.and_then(Result::ok).unwrap_or_default();
    differences.iter().any(|one| MATERIAL.contains(&one.field.as_str()))
}

/// How the ticket of a group should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Open.
    Open,
    /// Closed.
    Closed(Why),
    /// Nothing is known of the group any more.
    Unknown,
}

impl Wish {
    /// Of the findings that belong to a group.
    pub fn of(members: &[Member]) -> Self {
        let state = |member: &Member| member.row.finding.state;
        let is_here = |member: &Member| !member.row.gone && member.row.visible;
        let is_open = |member: &Member| state(member).is_open();
        let here = members.iter().filter(|member| is_here(member));
        let mut open = here.filter(|member| is_open(member)).peekable();
        if open.peek().is_some() {
            let is_wanted = open.any(|member| member.is_wanted);
            return if is_wanted { Self::Open } else { Self::Closed(Why::LeftOut) };
        }
        let all_are = |one| members.iter().all(|member| state(member) == one);
        if members.is_empty() {
            Self::Unknown
        } else if members.iter().any(is_open) {
            // One that is no longer reported is not known to be fixed.
            Self::Closed(Why::Vanished)
        } else if all_are(State::FalsePositive) {
            Self::Closed(Why::FalsePositive)
        } else if members.iter().any(|member| state(member) == State::Fixed) {
            Self::Closed(Why::Fixed)
        } else {
            Self::Closed(Why::Mitigated)
        }
    }
}

/// What a destination does where the answer is a matter of taste.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taste {
    /// Whether the ticket of findings that are no longer reported is closed.
    pub close_vanished: bool,
    /// What happens to a ticket that somebody closed while its findings are still reported.
    pub on_human_close: OnHumanClose,
}

/// What happens to a ticket that somebody closed while its findings are still reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnHumanClose {
    /// Nothing.
    Leave,
    /// One comment.
    #[default]
    Comment,
    /// It is opened again.
    Reopen,
}

/// What is said on a ticket and changes nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// Scans no longer report it.
    Vanished,
    /// Scans still report what somebody closed.
    StillReported,
    /// It was fixed and is back, and somebody closed it as not to be done.
    FoundAgain,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, and nothing is written.
    Nothing,
    /// Nothing, for a reason that people may ask for.
    Skip(&'static str),
    /// Make the ticket.
    Create,
    /// Change what it says, with a comment where something material changed.
    Update {
        /// Whether a comment says what changed.
        is_said: bool,
    },
    /// Close it.
    Close(Why),
    /// Open it again.
    Reopen,
    /// Say this.
    Comment(Remark),
}

/// The table. `digest` is of what the ticket would say now.
pub fn decide(
    wish: Wish,
    events: &Events,
    link: Option<&LinkRow>,
    digest: &str,
    taste: Taste,
) -> Decision {
    let Some(link) = link else {
        return match wish {
            // What was there before the destination has no ticket, and gets none because
            // somebody edited a comment of it.
            Wish::Open if events.new || events.reopened || events.material => Decision::Create,
            Wish::Closed(_) if events.new => Decision::Skip("it is not open"),
            _ => Decision::Nothing,
        };
    };
    let is_back = events.reopened || events.new;
    match (link.standing, wish) {
        (LinkStanding::Lost, _) => Decision::Skip("its ticket is gone; no second one is made"),
        (_, Wish::Unknown) => Decision::Nothing,
        (LinkStanding::Open, Wish::Open) if link.digest != digest => {
            Decision::Update { is_said: events.material }
        }
        (LinkStanding::Open, Wish::Open) => Decision::Nothing,
        (LinkStanding::Open, Wish::Closed(Why::Vanished)) if !taste.close_vanished => {
            match events.vanished {
                true => Decision::Comment(Remark::Vanished),
                false => Decision::Nothing,
            }
        }
        (LinkStanding::Open, Wish::Closed(why)) => Decision::Close(why),
        (LinkStanding::ClosedOurs, Wish::Open) if is_back || events.material => Decision::Reopen,
        (LinkStanding::DoneTheirs, Wish::Open) if is_back => Decision::Reopen,
        (LinkStanding::DoneTheirs | LinkStanding::RefusedTheirs, Wish::Open) => {
            still_reported(link, events, taste)
        }
        (LinkStanding::ClosedOurs, Wish::Open) => Decision::Nothing,
        // Whoever closed it may have opened it since: the receiver looks, and leaves one alone
        // that is closed.
        (LinkStanding::DoneTheirs | LinkStanding::RefusedTheirs, Wish::Closed(why))
            if events.closed && why != Why::Vanished =>
        {
            Decision::Close(why)
        }
        (_, Wish::Closed(_)) => Decision::Nothing,
    }
}

/// About a ticket that somebody closed.
fn still_reported(link: &LinkRow, events: &Events, taste: Taste) -> Decision {
    let is_refused = link.standing == LinkStanding::RefusedTheirs;
    match taste.on_human_close {
        OnHumanClose::Reopen if !is_refused => Decision::Reopen,
        OnHumanClose::Leave => Decision::Nothing,
        _ if link.is_remarked => Decision::Nothing,
        _ if is_refused && events.reopened => Decision::Comment(Remark::FoundAgain),
        _ => Decision::Comment(Remark::StillReported),
    }
}
