//! What a ticket says, before it is written in the markup of a receiver.

use serde::{Deserialize, Serialize};

use crate::doc::Doc;

/// A ticket as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// One line, whose words may be foreign.
    pub title: String,
    /// What it is about.
    pub body: Doc,
    /// The worst of its open findings, 0 to 5.
    pub severity: u8,
    /// Labels without the receiver's own.
    pub labels: Vec<String>,
    /// When it has to be done, `YYYY-MM-DD`.
    pub due: Option<String>,
    /// Who it is for, as the receiver names people.
    pub assignee: Option<String>,
    /// Of title, body, severity, labels and due date: what was sent last is not sent again.
    pub digest: String,
    /// What is said beside it, once.
    pub comment: Option<Doc>,
    /// Why it is closed.
    pub why: Option<Why>,
}

/// Why a ticket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Scans no longer show it.
    Fixed,
    /// A mitigation was approved.
    Mitigated,
    /// It was found to be none.
    FalsePositive,
    /// A complete reading no longer had it.
    Vanished,
    /// The filter of the destination leaves it out now.
    LeftOut,
}

impl Why {
    /// Whether the work was done, unlike not to be done.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Fixed | Self::Vanished)
    }
}
