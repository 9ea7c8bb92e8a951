//! What becomes of an order once it was read where its ticket stands: nobody's closing is
//! taken back, and nothing that is so already is done again.

use countersign_store::{Action, LinkStanding};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing: somebody else closed it.
    Theirs(LinkStanding),
    /// Close it, and say so.
    Close,
    /// Open it, and say so.
    Reopen,
    /// Only say what is to be said.
    Say,
}

/// `known` is where the ticket stood when the order was made, `seen` where it stands.
pub(crate) fn turn(action: Action, known: LinkStanding, seen: LinkStanding) -> Turn {
    use LinkStanding::{ClosedOurs, DoneTheirs, Lost, Open, RefusedTheirs};
    match (action, seen) {
        (Action::Close, Open) => Turn::Close,
        (Action::Close, DoneTheirs | RefusedTheirs) => Turn::Theirs(seen),
        // It was decided against by somebody since: who ordered did not know.
        (Action::Reopen, RefusedTheirs) if known != RefusedTheirs => Turn::Theirs(seen),
        (Action::Reopen, ClosedOurs | DoneTheirs | RefusedTheirs) => Turn::Reopen,
        (Action::Close | Action::Reopen, _) => Turn::Say,
        (_, DoneTheirs | RefusedTheirs) if known == Open => Turn::Theirs(seen),
        (_, Open | ClosedOurs | DoneTheirs | RefusedTheirs | Lost) => Turn::Say,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LinkStanding::{ClosedOurs, DoneTheirs, Open, RefusedTheirs};

    #[test]
    fn nobody_s_closing_is_taken_back() {
        for (action, known, seen, expected) in [
            (Action::Close, Open, DoneTheirs, Turn::Theirs(DoneTheirs)),
            (Action::Close, Open, RefusedTheirs, Turn::Theirs(RefusedTheirs)),
            (Action::Close, Open, Open, Turn::Close),
            (Action::Close, DoneTheirs, Open, Turn::Close),
            (Action::Close, Open, ClosedOurs, Turn::Say),
            (Action::Reopen, ClosedOurs, RefusedTheirs, Turn::Theirs(RefusedTheirs)),
            (Action::Reopen, RefusedTheirs, RefusedTheirs, Turn::Reopen),
            (Action::Reopen, ClosedOurs, DoneTheirs, Turn::Reopen),
            (Action::Reopen, ClosedOurs, ClosedOurs, Turn::Reopen),
            (Action::Reopen, ClosedOurs, Open, Turn::Say),
            (Action::Update, Open, DoneTheirs, Turn::Theirs(DoneTheirs)),
            (Action::Comment, Open, RefusedTheirs, Turn::Theirs(RefusedTheirs)),
            (Action::Comment, DoneTheirs, DoneTheirs, Turn::Say),
            (Action::Update, Open, Open, Turn::Say),
        ] {
            assert_eq!(turn(action, known, seen), expected, "{action:?} {known:?} {seen:?}");
        }
    }
}
