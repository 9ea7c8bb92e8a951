//! What a row of the change feed says.

use countersign_findings::Difference;

use crate::error::Error;
use crate::words::words;

words! {
    /// What a run reads.
    RunKind {
        /// What changed.
        Incremental = "incremental",
        /// Everything.
        Full = "full",
        /// What another program brought in.
        Import = "import",
        /// One application, for an answer of the API. No sync: who asks for syncs is not told
        /// of it.
        Live = "live",
    }
}

words! {
    /// What a change row says. Their order is that of their numbers in the database.
    ChangeKind {
        /// Never seen before.
        New = "new",
        /// Different.
        Changed = "changed",
        /// Open again.
        Reopened = "reopened",
        /// No longer open.
        Closed = "closed",
    }
}

impl ChangeKind {
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn of_code(code: i64) -> Result<Self, Error> {
        let found = usize::try_from(code).ok().and_then(|at| Self::ALL.get(at).copied());
        found.ok_or_else(|| Error::corrupt("a change of an unknown kind"))
    }
}

words! {
    /// Why something changed, where it does not follow from the differences.
    Reason {
        /// A complete reading no longer showed it.
        Vanished = "vanished",
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
