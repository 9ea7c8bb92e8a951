//! Every interleaving of crashes, lost answers, late commits, failing vaults, silent
//! services and a second rotator, to a stated depth, through the table that drives
//! rotations. From every state that can be reached, a rotator that is left alone must
//! come to a pair that is published, live and in the vault, with every pair that was
//! ever made accounted for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use countersign_connector::rotation::machine::{Do, End, Event, Held, Journal, Live, Rules, Step};

type Id = u8;

/// Which misfortunes may still happen, each counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Luck {
    crashes: u8,
    lost: u8,
    late: u8,
    steals: u8,
    silences: u8,
    vault: u8,
    rotations: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting {
    /// Whether the pair asks for its own successor.
    is_self: bool,
    has_rescue: bool,
    /// Whether the pair before goes on working.
    has_overlap: bool,
    luck: Luck,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Rotator {
    Idle,
    /// `is_current` until another took the lease over.
    Running {
        is_current: bool,
        journal: Journal<Id>,
        act: Do<Id>,
        in_hand: Option<Id>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    live: Id,
    made: Id,
    /// A request that was given up and may yet be carried out.
    is_late: bool,
    vault: BTreeMap<Id, u32>,
    published: Id,
    journal: Option<Journal<Id>>,
    lost: BTreeSet<Id>,
    /// Pairs that the service was seen to take as the live one.
    confirmed: BTreeSet<Id>,
    /// How often it was written down that a pair is being asked for.
    asked: u8,
    rotators: [Rotator; 2],
    /// Whether a rotation that begins replaces a pair that nothing is wrong with.
    is_wanted: bool,
    luck: Luck,
}

const MOST_MINTS: u32 = 6;

impl World {
    fn new(luck: Luck) -> Self {
        Self {
            live: 0,
            made: 0,
            is_late: false,
            vault: BTreeMap::from([(0, 1)]),
            published: 0,
            journal: None,
            lost: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            asked: 0,
            rotators: [Rotator::Idle, Rotator::Idle],
            is_wanted: true,
            luck,
        }
    }

    fn rules(setting: Setting, is_wanted: bool) -> Rules {
        Rules { most_mints: MOST_MINTS, has_rescue: setting.has_rescue, is_wanted }
    }

    /// The service makes a pair, and the one before ends or overlaps.
    fn commit(&mut self) -> Id {
        self.made += 1;
        self.live = self.made;
        self.live
    }

    fn works(&self, id: Id, setting: Setting) -> bool {
        id == self.live || setting.has_overlap
    }

    fn may_ask(&self, journal: &Journal<Id>, setting: Setting) -> bool {
        !setting.is_self || journal.is_rescued || self.works(self.published, setting)
    }

    fn look(&self, journal: &Journal<Id>, setting: Setting) -> Live<Id> {
        if !self.may_ask(journal, setting) {
            return Live::Refused;
        }
        self.seen(journal)
    }

    fn seen(&self, journal: &Journal<Id>) -> Live<Id> {
        if self.live == journal.old {
            return Live::Old;
        }
        match self.vault.get(&self.live) {
            Some(version) => Live::Ours(Held { id: self.live, version: *version }),
            None => Live::Unknown(self.live),
        }
    }

    /// Writes what follows from an event, unless somebody has taken over.
    fn step(&mut self, at: usize, event: Event<Id>, setting: Setting) {
        let Rotator::Running { is_current, journal, in_hand, .. } = self.rotators[at].clone()
        else {
            return;
        };
        if let (Event::Confirmed, Some(new)) = (&event, &journal.new) {
            self.confirmed.insert(new.id);
        }
        let (next, act) = journal.next(event, Self::rules(setting, self.is_wanted));
        if next != journal {
            if !is_current {
                self.rotators[at] = Rotator::Idle;
                return;
            }
            self.asked += u8::from(next.mints > journal.mints);
            if next.lost > journal.lost {
                self.lost.insert(next.old);
            }
            if journal.step == Step::Proven && next.step == Step::Published {
                self.published = next.new.as_ref().expect("a new pair is published").id;
                assert!(self.confirmed.contains(&self.published), "published untried: {self:?}");
            }
            self.journal = Some(next.clone());
        }
        self.rotators[at] = match act {
            Do::Pause | Do::Stop => Rotator::Idle,
            act => Rotator::Running { is_current, journal: next, act, in_hand },
        };
    }

    fn start(&mut self, at: usize, setting: Setting) {
        if let Rotator::Running { is_current, .. } = &mut self.rotators[1 - at] {
            *is_current = false;
        }
        let journal = match &self.journal {
            Some(journal) if journal.step != Step::Over => journal.clone(),
            _ => {
                let journal = Journal::new(self.published);
                self.journal = Some(journal.clone());
                journal
            }
        };
        self.rotators[at] =
            Rotator::Running { is_current: true, journal, act: Do::Pause, in_hand: None };
        self.step(at, Event::Resumed, setting);
    }

    fn is_running(&self, at: usize) -> bool {
        self.rotators[at] != Rotator::Idle
    }

    /// Every world that can come next.
    fn successors(&self, setting: Setting) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            all.push(world);
        };
        if self.is_late {
            add(&|world| {
                world.is_late = false;
                world.commit();
            });
        }
        for at in [0, 1] {
            let Rotator::Running { journal, act, in_hand, .. } = &self.rotators[at] else {
                let is_other_at_it = self.is_running(1 - at);
                let is_fresh = self.journal.as_ref().is_none_or(|j| j.step == Step::Over);
                if (is_other_at_it && self.luck.steals == 0)
                    || (is_fresh && self.luck.rotations == 0)
                {
                    continue;
                }
                add(&|world| {
                    world.luck.steals -= u8::from(is_other_at_it);
                    world.luck.rotations -= u8::from(is_fresh);
                    world.start(at, setting);
                });
                continue;
            };
            if self.luck.crashes > 0 {
                add(&|world| {
                    world.luck.crashes -= 1;
                    world.rotators[at] = Rotator::Idle;
                });
            }
            match act {
                Do::ProveVault => {
                    add(&|world| world.step(at, Event::VaultProven, setting));
                    if self.luck.vault > 0 {
                        add(&|world| {
                            world.luck.vault -= 1;
                            world.step(at, Event::VaultRefused, setting);
                        });
                    }
                }
                Do::SettleAndLook if self.is_late => add(&|world| {
                    // What was on its way has arrived before it is looked.
                    world.is_late = false;
                    world.commit();
                }),
                Do::Look | Do::SettleAndLook => {
                    let live = self.look(journal, setting);
                    let seen = match act {
                        Do::Look => Event::Saw(live),
                        _ => Event::SawSettled(live),
                    };
                    add(&|world| world.step(at, seen.clone(), setting));
                    if self.luck.silences > 0 {
                        add(&|world| {
                            world.luck.silences -= 1;
                            world.step(at, Event::Saw(Live::Silent), setting);
                        });
                    }
                }
                Do::Mint if !self.may_ask(journal, setting) => {
                    let refused = Event::MintRefused { is_unauthenticated: true };
                    add(&|world| world.step(at, refused.clone(), setting));
                }
                Do::Mint => {
                    add(&|world| {
                        let id = world.commit();
                        if let Rotator::Running { in_hand, .. } = &mut world.rotators[at] {
                            *in_hand = Some(id);
                        }
                        world.step(at, Event::Minted(id), setting);
                    });
                    if self.luck.lost > 0 {
                        // The answer, the request, or a refusal for some other reason.
                        add(&|world| {
                            world.luck.lost -= 1;
                            world.commit();
                            world.step(at, Event::MintUnclear, setting);
                        });
                        add(&|world| {
                            world.luck.lost -= 1;
                            world.step(at, Event::MintUnclear, setting);
                        });
                        add(&|world| {
                            world.luck.lost -= 1;
                            let refused = Event::MintRefused { is_unauthenticated: false };
                            world.step(at, refused, setting);
                        });
                    }
                    if self.luck.late > 0 && !self.is_late {
                        add(&|world| {
                            world.luck.late -= 1;
                            world.is_late = true;
                            world.step(at, Event::MintUnclear, setting);
                        });
                    }
                    if self.luck.crashes > 0 {
                        add(&|world| {
                            world.luck.crashes -= 1;
                            world.commit();
                            world.rotators[at] = Rotator::Idle;
                        });
                    }
                }
                Do::Seal(id) => {
                    assert_eq!(*in_hand, Some(*id), "only what is in hand can be sealed");
                    let version = u32::try_from(self.vault.len()).unwrap_or_default() + 1;
                    let held = Held { id: *id, version };
                    add(&|world| {
                        world.vault.insert(held.id, held.version);
                        world.step(at, Event::Sealed(held.clone()), setting);
                    });
                    if self.luck.crashes > 0 {
                        add(&|world| {
                            world.luck.crashes -= 1;
                            world.vault.insert(held.id, held.version);
                            world.rotators[at] = Rotator::Idle;
                        });
                    }
                    if self.luck.vault > 0 {
                        add(&|world| {
                            world.luck.vault -= 1;
                            world.step(at, Event::SealFailed(held.id), setting);
                        });
                    }
                }
                Do::Confirm => {
                    let new = journal.new.as_ref().expect("a new pair is tried").id;
                    let event = match (new == self.live, self.look(journal, setting)) {
                        (true, _) => Event::Confirmed,
                        (false, live) => Event::ConfirmRefused(live),
                    };
                    add(&|world| world.step(at, event.clone(), setting));
                    if self.luck.silences > 0 {
                        add(&|world| {
                            world.luck.silences -= 1;
                            world.step(at, Event::ConfirmUnclear, setting);
                        });
                    }
                }
                Do::Publish => add(&|world| world.step(at, Event::Published, setting)),
                Do::Announce => add(&|world| world.step(at, Event::Announced, setting)),
                Do::Pause | Do::Stop => unreachable!("a rotator that has stopped is idle"),
            }
        }
        all
    }

    /// What holds at every instant.
    fn check(&self, setting: Setting) {
        assert!(self.vault.contains_key(&self.published), "published without a secret: {self:?}");
        if let Some(journal) = &self.journal {
            assert!(journal.mints <= MOST_MINTS);
            let is_sealed = matches!(journal.step, Step::Sealed | Step::Proven | Step::Published);
            if is_sealed {
                let new = journal.new.as_ref().expect("a new pair");
                assert_eq!(self.vault.get(&new.id), Some(&new.version), "{self:?}");
            }
        }
        assert!(self.may_come_back(setting), "no way back: {self:?}");
    }

    /// Whether anybody can still ask for a pair, or has one that works.
    fn may_come_back(&self, setting: Setting) -> bool {
        let has_working = self.vault.keys().any(|id| self.works(*id, setting));
        !setting.is_self || setting.has_rescue || has_working || setting.has_overlap
    }

    /// What is left when every rotator dies, and what was on its way has arrived.
    fn deserted(&self) -> Self {
        let mut world = self.clone();
        if world.is_late {
            world.is_late = false;
            world.commit();
        }
        world.rotators = [Rotator::Idle, Rotator::Idle];
        world.is_wanted = true;
        world.luck =
            Luck { crashes: 0, lost: 0, late: 0, steals: 0, silences: 0, vault: 0, rotations: 0 };
        world
    }

    /// A rotator that is left alone, as often as it takes. Answers how the last one
    /// ended.
    fn left_alone(mut self, setting: Setting) -> (Self, Option<End>) {
        assert_eq!(self, self.deserted(), "nobody else is at it");
        let none =
            Luck { crashes: 0, lost: 0, late: 0, steals: 1, silences: 0, vault: 0, rotations: 1 };
        for _ in 0..6 {
            let before = self.clone();
            // The first one goes on or begins, the last ones only look after it.
            self.luck = none;
            self.start(0, setting);
            while self.is_running(0) {
                self.luck = Luck { steals: 0, rotations: 0, ..none };
                let mut next = self.successors(setting);
                assert_eq!(next.len(), 1, "nothing is left to chance: {self:?}");
                self = next.remove(0);
            }
            let end = self.journal.as_ref().and_then(|journal| journal.end);
            if matches!(end, Some(End::Nothing | End::LockedOut)) {
                return (self, end);
            }
            // From now on it only looks whether what is live is what is published.
            self.is_wanted = false;
            // Nobody can ask, and nobody ever will.
            if before == self {
                return (self, Some(End::LockedOut));
            }
        }
        panic!("it does not come to an end: {self:?}");
    }
}

struct Walked {
    states: usize,
    locked_out: usize,
}

fn walk(setting: Setting) -> Walked {
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([World::new(setting.luck)]);
    seen.insert(World::new(setting.luck));
    let mut locked_out = 0;
    // Many states differ only in who is at it.
    let mut outcomes = HashMap::new();
    while let Some(world) = queue.pop_front() {
        if setting.has_rescue || !setting.is_self || setting.has_overlap {
            world.check(setting);
        }
        // One rotator alone never publishes a pair that a request of its own could end.
        let is_done = world.journal.as_ref().is_some_and(|one| one.end == Some(End::Done));
        if setting.luck.steals == 0 && is_done {
            assert!(!world.is_late && world.published == world.live, "{world:?}");
        }
        let deserted = world.deserted();
        let (rest, end) = outcomes
            .entry(deserted)
            .or_insert_with_key(|deserted| deserted.clone().left_alone(setting))
            .clone();
        if end == Some(End::LockedOut) {
            locked_out += 1;
        } else {
            assert_eq!(rest.published, rest.live, "{world:?} came to {rest:?}");
            assert!(rest.vault.contains_key(&rest.live), "{world:?} came to {rest:?}");
            // Every pair was asked for in writing, and every one that the service was seen
            // to have is known by name. One that another took the place of before anybody
            // looked takes a second rotator.
            assert!(rest.made <= rest.asked, "{world:?} came to {rest:?}");
            let is_told = |id: Id| rest.vault.contains_key(&id) || rest.lost.contains(&id);
            assert!(
                setting.luck.steals > 0 || (0..=rest.made).all(is_told),
                "a pair is unaccounted for: {world:?} came to {rest:?}"
            );
        }
        for next in world.successors(setting) {
            if !seen.contains(&next) {
                seen.insert(next.clone());
                queue.push_back(next);
            }
        }
    }
    Walked { states: seen.len(), locked_out }
}

/// The depth that CI walks to. `COUNTERSIGN_MODEL=deep` walks further.
fn luck() -> Luck {
    match std::env::var("COUNTERSIGN_MODEL").as_deref() {
        Ok("deep") => {
            Luck { crashes: 2, lost: 2, late: 1, steals: 1, silences: 1, vault: 1, rotations: 1 }
        }
        _ => Luck { crashes: 1, lost: 1, late: 1, steals: 1, silences: 1, vault: 1, rotations: 1 },
    }
}

#[test]
fn an_administrator_is_never_locked_out_and_loses_no_account_of_a_pair() {
    let setting = Setting { is_self: false, has_rescue: false, has_overlap: false, luck: luck() };
    let walked = walk(setting);
    println!("administrator: {} states", walked.states);
    assert_eq!(walked.locked_out, 0);
    assert!(walked.states > 10_000, "{} states", walked.states);
}

#[test]
fn a_pair_that_renews_itself_is_rescued_by_an_administrator() {
    let setting = Setting { is_self: true, has_rescue: true, has_overlap: false, luck: luck() };
    let walked = walk(setting);
    println!("self with a rescue: {} states", walked.states);
    assert_eq!(walked.locked_out, 0);
}

/// Why `self` without either is refused: the model finds the lock-out.
#[test]
fn a_pair_that_renews_itself_without_either_can_be_locked_out() {
    let setting = Setting { is_self: true, has_rescue: false, has_overlap: false, luck: luck() };
    assert!(walk(setting).locked_out > 0);
}

#[test]
fn without_second_rotators_every_pair_is_known_by_name_and_what_is_published_stays_live() {
    let luck = Luck { crashes: 3, lost: 3, late: 2, steals: 0, vault: 2, ..luck() };
    for is_self in [false, true] {
        let setting = Setting { is_self, has_rescue: true, has_overlap: false, luck };
        let walked = walk(setting);
        println!("alone, self {is_self}: {} states", walked.states);
        assert_eq!(walked.locked_out, 0);
    }
}

#[test]
fn a_pair_that_renews_itself_is_rescued_by_an_overlap() {
    let setting = Setting { is_self: true, has_rescue: false, has_overlap: true, luck: luck() };
    let walked = walk(setting);
    println!("self with an overlap: {} states", walked.states);
    assert_eq!(walked.locked_out, 0);
}
