//! What a row of the change feed says.

use countersign_findings::Difference;

use crate::error::Error;

/// What a change row says. The numbers are those in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Never seen before.
    New,
    /// Different.
    Changed,
    /// Open again.
    Reopened,
    /// No longer open.
    Closed,
}

impl ChangeKind {
    /// All of them, by their numbers.
    pub const ALL: [Self; 4] = [Self::New, Self::Changed, Self::Reopened, Self::Closed];

    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn of_code(code: i64) -> Result<Self, Error> {
        let found = usize::try_from(code).ok().and_then(|at| Self::ALL.get(at).copied());
        found.ok_or_else(|| Error::corrupt("a change of an unknown kind"))
    }

    /// The word in the feed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
        }
    }
}

/// A change to announce.
#[derive(Debug, Clone)]
pub struct Change {
    /// Kind.
    pub kind: ChangeKind,
    /// What is different.
    pub differences: Vec<Difference>,
}
