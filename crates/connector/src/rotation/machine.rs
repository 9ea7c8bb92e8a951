//! The steps of a rotation, pure: what is known, what happened, and what to do next.
//! `run` does it, writing down every step before what follows from it, so that a
//! crash between any two leaves a step that this table goes on from. The test in
//! `tests/it/model.rs` walks every interleaving of crashes, lost answers, late
//! commits and second rotators through the same table.
//!
//! The one truth is which pair the service says is live. A pair that is live and in
//! the vault is ours, whoever asked for it; one that is live and in nobody's vault
//! was lost, and is accounted for before another is asked for.

/// How far a rotation is. Written down in this order; what is done at a step may
/// have been done in full, in part or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It was decided; the vault is being proven.
    Armed,
    /// The vault keeps what it is given; the service is being asked what is live.
    Ready,
    /// A new pair was, or was not yet, asked for.
    Minting,
    /// The new pair is in the vault; it is being tried.
    Sealed,
    /// The service took it and told its expiry; it is being published.
    Proven,
    /// Everything here signs with it; the old one is being seen off.
    Published,
    /// It ended, well or not.
    Over,
}

impl Step {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Armed, "armed"),
        (Self::Ready, "ready"),
        (Self::Minting, "minting"),
        (Self::Sealed, "sealed"),
        (Self::Proven, "proven"),
        (Self::Published, "published"),
        (Self::Over, "over"),
    ];

    /// As it is written down.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(step, _)| *step == self).map_or("over", |(_, name)| name)
    }

    /// The step of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(step, _)| *step)
    }
}

/// A pair that the vault holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held<I> {
    /// Its API ID.
    pub id: I,
    /// Its version.
    pub version: u32,
}

/// What is written down of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Journal<I> {
    /// How far it is.
    pub step: Step,
    /// The id that was live when it began, or that was lost since: not ours to use.
    pub old: I,
    /// The pair that takes its place.
    pub new: Option<Held<I>>,
    /// How often one was asked for.
    pub mints: u32,
    /// How many of those were lost.
    pub lost: u32,
    /// Whether the administrator who can rescue it has taken over.
    pub is_rescued: bool,
    /// How it ended.
    pub end: Option<End>,
}

/// How a rotation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The new pair is in use.
    Done,
    /// There was nothing to do: what is live is what is published.
    Nothing,
    /// Nothing was changed.
    Abandoned,
    /// As many pairs were lost as may be in one rotation. The next one goes on.
    TooManyLost,
    /// The service refuses who asks, and nothing was asked for yet.
    LockedOut,
}

/// What the service says is live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Live<I> {
    /// The old one.
    Old,
    /// One that the vault holds.
    Ours(Held<I>),
    /// One that nobody here has the secret of.
    Unknown(I),
    /// None.
    Nothing,
    /// It does not let us ask.
    Refused,
    /// No answer.
    Silent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event<I> {
    /// It goes on where it was, after a crash or a pause.
    Resumed,
    /// The vault gave back what it was given.
    VaultProven,
    /// It did not.
    VaultRefused,
    /// The service was asked what is live.
    Saw(Live<I>),
    /// It was asked when no request could be on its way any more.
    SawSettled(Live<I>),
    /// The service gave a new pair.
    Minted(I),
    /// The service did not make one.
    MintRefused {
        /// Whether that is because it does not accept who asked.
        is_unauthenticated: bool,
    },
    /// It may have made one.
    MintUnclear,
    /// The pair is in the vault, on disk.
    Sealed(Held<I>),
    /// The vault did not take the pair, however often it was tried.
    SealFailed(I),
    /// The service took the new pair, says that it is the live one, and when it expires.
    Confirmed,
    /// The service refused the new pair, or says that another is live.
    ConfirmRefused(Live<I>),
    /// No answer.
    ConfirmUnclear,
    /// The new pair is the one that signs, as of the write of this step.
    Published,
    /// Everything here was told.
    Announced,
}

/// What to do next, after the journal has been written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Do<I> {
    /// Write to the vault, read back, and take away.
    ProveVault,
    /// Ask the service what is live.
    Look,
    /// Let calls go on with the old pair, wait until a request that may still be on its
    /// way has arrived or cannot any more, then ask what is live.
    SettleAndLook,
    /// Ask for a new pair.
    Mint,
    /// Put what was minted into the vault.
    Seal(I),
    /// Try the new pair.
    Confirm,
    /// Make the new pair the one that signs: written together with the journal.
    Publish,
    /// Tell everything here, and see the old pair off.
    Announce,
    /// Nothing more today: the step stands and is gone on from later.
    Pause,
    /// It is over.
    Stop,
}

/// What a rotation may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How often a new pair may be asked for in one rotation.
    pub most_mints: u32,
    /// Whether an administrator can take over when the pair itself is refused.
    pub has_rescue: bool,
    /// Whether to ask for a new pair although nothing is wrong with the live one.
    pub is_wanted: bool,
}

impl<I: Clone + Eq> Journal<I> {
    /// A rotation that has just been decided. `published` is the id that signs now.
    pub fn new(published: I) -> Self {
        Self {
            step: Step::Armed,
            old: published,
            new: None,
            mints: 0,
            lost: 0,
            is_rescued: false,
            end: None,
        }
    }

    /// What follows from an event: the journal to write, and what to do then.
    #[must_use]
    pub fn next(&self, event: Event<I>, rules: Rules) -> (Self, Do<I>) {
        let mut journal = self.clone();
        let act = match (self.step, event) {
            (Step::Armed, Event::Resumed) => Do::ProveVault,
            (Step::Armed, Event::VaultProven) => journal.at(Step::Ready, Do::Look),
            (Step::Armed, Event::VaultRefused) => journal.end(End::Abandoned),

            (Step::Ready | Step::Minting, Event::Resumed) => Do::Look,
            (Step::Ready, Event::Saw(Live::Old)) if !rules.is_wanted => journal.end(End::Nothing),
            (Step::Ready, Event::Saw(Live::Silent)) => journal.end(End::Abandoned),
            // What was asked for may still be on its way: asking again now would let it
            // take the place of the next one.
            (Step::Minting, Event::Saw(Live::Old | Live::Nothing)) => Do::SettleAndLook,
            (
                Step::Ready | Step::Minting | Step::Sealed,
                Event::Saw(live) | Event::SawSettled(live),
            ) => journal.seen(live, rules),

            (Step::Minting, Event::Minted(id)) => Do::Seal(id),
            (Step::Minting, Event::MintRefused { is_unauthenticated: true }) => {
                journal.rescued(rules)
            }
            (Step::Minting, Event::MintRefused { .. }) if self.lost == 0 => {
                journal.end(End::Abandoned)
            }
            (Step::Minting, Event::MintRefused { .. }) => Do::Pause,
            (Step::Minting, Event::MintUnclear) => Do::Look,
            (Step::Minting, Event::Sealed(held)) => {
                journal.new = Some(held);
                journal.at(Step::Sealed, Do::Confirm)
            }
            // Its secret is gone with this process: as good as an answer that was lost.
            (Step::Minting, Event::SealFailed(id)) => {
                journal.lose(id);
                Do::Pause
            }

            (Step::Sealed, Event::Resumed) => Do::Confirm,
            (Step::Sealed, Event::Confirmed) => journal.at(Step::Proven, Do::Publish),
            (Step::Sealed, Event::ConfirmRefused(live)) => journal.seen(live, rules),
            (Step::Sealed, Event::ConfirmUnclear) => Do::Pause,

            (Step::Proven, Event::Resumed) => Do::Publish,
            (Step::Proven, Event::Published) => journal.at(Step::Published, Do::Announce),
            (Step::Published, Event::Resumed) => Do::Announce,
            (Step::Published, Event::Announced) => journal.end(End::Done),

            (Step::Over, _) => Do::Stop,
            // Nothing else can happen at that step; waiting changes nothing.
            _ => Do::Pause,
        };
        (journal, act)
    }

    /// Goes on from what is live.
    fn seen(&mut self, live: Live<I>, rules: Rules) -> Do<I> {
        match live {
            Live::Ours(held) if self.new.as_ref() == Some(&held) && self.step == Step::Sealed => {
                Do::Pause
            }
            Live::Ours(held) => {
                self.new = Some(held);
                self.at(Step::Sealed, Do::Confirm)
            }
            Live::Unknown(id) => {
                self.lose(id);
                self.mint(rules)
            }
            Live::Old | Live::Nothing => self.mint(rules),
            Live::Refused => self.rescued(rules),
            Live::Silent => Do::Pause,
        }
    }

    fn lose(&mut self, id: I) {
        self.lost += 1;
        self.old = id;
    }

    fn mint(&mut self, rules: Rules) -> Do<I> {
        if self.mints >= rules.most_mints {
            return self.end(End::TooManyLost);
        }
        self.new = None;
        self.mints += 1;
        self.at(Step::Minting, Do::Mint)
    }

    fn rescued(&mut self, rules: Rules) -> Do<I> {
        if self.is_rescued || !rules.has_rescue {
            // What was asked for stays under way: a clock that is set right, or a role
            // that comes back, lets it go on.
            return if self.mints > 0 { Do::Pause } else { self.end(End::LockedOut) };
        }
        self.is_rescued = true;
        Do::Look
    }

    fn at(&mut self, step: Step, act: Do<I>) -> Do<I> {
        self.step = step;
        act
    }

    fn end(&mut self, end: End) -> Do<I> {
        self.end = Some(end);
        self.at(Step::Over, Do::Stop)
    }
}
