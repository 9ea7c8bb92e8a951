//! Who has a place among the connections of a listener, and who gives it up. Pure: what
//! a connection waits for is asked of whoever knows.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;

/// Where a connection comes from, as places are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    V4([u8; 4]),
    /// The network of 64 bits: one subscriber has at least that much.
    V6([u8; 8]),
    /// A socket on this machine.
    Local,
}

impl From<IpAddr> for Origin {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Names a place as long as it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    origin: Origin,
    number: u64,
}

/// Why a new connection gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// No connection waits that could make room.
    AllBusy,
    /// As many as one address may have are answered already.
    AddressBusy,
}

/// What becomes of a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// In favour of the new one, this one should go.
    InsteadOf(Place),
    Full(Full),
}

/// The places of a listener. `T` is a connection.
#[derive(Debug)]
pub(crate) struct Places<T> {
    most: usize,
    most_per_address: usize,
    taken: usize,
    next: u64,
    held: HashMap<Origin, Vec<(u64, T)>>,
}

impl<T> Places<T> {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, taken: 0, next: 0, held: HashMap::new() }
    }

    /// Whether there is room for another connection from there. `yields` says which
    /// connections go first, those with the least; none is for one whose request is being
    /// answered, and which never goes.
    ///
    /// The connection that goes belongs to the address that holds the most. An address
    /// never loses one to another that would then hold more.
    pub(crate) fn room<W: Ord + Copy>(
        &self,
        origin: Origin,
        yields: impl Fn(&T) -> Option<W>,
    ) -> Room {
        let own = self.held_by(origin);
        if own >= self.most_per_address {
            let going = self.first_of(origin, &yields);
            return going
                .map_or(Room::Full(Full::AddressBusy), |(_, place)| Room::InsteadOf(place));
        }
        if self.taken < self.most {
            return Room::Free;
        }
        let going = self.going(|other, count| other == origin || count > own, yields);
        going.map_or(Room::Full(Full::AllBusy), Room::InsteadOf)
    }

    /// The connection that should go first.
    pub(crate) fn first<W: Ord + Copy>(&self, yields: impl Fn(&T) -> Option<W>) -> Option<Place> {
        self.going(|_, _| true, yields)
    }

    fn going<W: Ord + Copy>(
        &self,
        may: impl Fn(Origin, usize) -> bool,
        yields: impl Fn(&T) -> Option<W>,
    ) -> Option<Place> {
        let mut all: Vec<_> = self.held.iter().map(|(origin, own)| (own.len(), *origin)).collect();
        all.retain(|(count, origin)| may(*origin, *count));
        all.sort_unstable_by_key(|(count, _)| Reverse(*count));
        let alike = all.chunk_by(|(a, _), (b, _)| a == b);
        alike
            .filter_map(|alike| {
                let first = alike.iter().filter_map(|(_, origin)| self.first_of(*origin, &yields));
                first.min_by_key(|(since, _)| *since)
            })
            .map(|(_, place)| place)
            .next()
    }

    fn first_of<W: Ord + Copy>(
        &self,
        origin: Origin,
        yields: impl Fn(&T) -> Option<W>,
    ) -> Option<(W, Place)> {
        let own = self.held.get(&origin).into_iter().flatten();
        let waiting = own.filter_map(|(number, held)| Some((yields(held)?, *number)));
        waiting.min().map(|(since, number)| (since, Place { origin, number }))
    }

    /// Gives a place, which [`room`](Self::room) must have found.
    pub(crate) fn take(&mut self, origin: Origin, held: T) -> Place {
        let number = self.next;
        self.next += 1;
        self.taken += 1;
        self.held.entry(origin).or_default().push((number, held));
        Place { origin, number }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        let own = self.held.get(&place.origin)?;
        own.iter().find(|(number, _)| *number == place.number).map(|(_, held)| held)
    }

    /// Frees a place. One that is free already stays so.
    pub(crate) fn leave(&mut self, place: Place) {
        let Some(own) = self.held.get_mut(&place.origin) else { return };
        let Some(at) = own.iter().position(|(number, _)| *number == place.number) else { return };
        own.swap_remove(at);
        self.taken -= 1;
        if own.is_empty() {
            self.held.remove(&place.origin);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.held.values().flatten().map(|(_, held)| held)
    }

    fn held_by(&self, origin: Origin) -> usize {
        self.held.get(&origin).map_or(0, Vec::len)
    }
}

/// How fast places change hands when none is free: half of them in the time for which a
/// new connection is safe. So there are others that can go before it, however many come.
#[derive(Debug)]
pub(crate) struct Turnover {
    pace: Duration,
    next: Option<Instant>,
}

/// How much may be made up for, as timers are not exact.
const SLACK: Duration = Duration::from_millis(2);

impl Turnover {
    pub(crate) fn new(limits: &Limits) -> Self {
        let places = limits.places.min(limits.places_per_address).max(1);
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        Self { pace: 2 * limits.safe / places, next: None }
    }

    /// None if a place may change hands now, which is counted; else when to ask again.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        if let Some(next) = self.next.filter(|next| *next > now) {
            return Some(next);
        }
        let made_up = now.checked_sub(SLACK.min(self.pace * 64)).unwrap_or(now);
        self.next = Some(self.next.map_or(made_up, |next| next.max(made_up)) + self.pace);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use proptest::prelude::*;

    /// A connection of the model: since when it waits, if it does.
    type Held = Cell<Option<u64>>;

    #[derive(Debug, Clone)]
    enum Step {
        Come(u8),
        /// The connection of this number, among those that are there, begins to wait.
        Wait(usize),
        Work(usize),
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..5_u8).prop_map(Step::Come),
            2 => any::<usize>().prop_map(Step::Wait),
            2 => any::<usize>().prop_map(Step::Work),
            1 => any::<usize>().prop_map(Step::Leave),
        ]
    }

    fn origin(address: u8) -> Origin {
        Origin::V4([203, 0, 113, address])
    }

    /// What is there, as plainly as can be: address, place, since when it waits.
    #[derive(Default)]
    struct Model(Vec<(u8, Place, Option<u64>)>);

    impl Model {
        fn held_by(&self, address: u8) -> usize {
            self.0.iter().filter(|(own, ..)| *own == address).count()
        }

        /// Who may go in favour of one from `address`.
        fn could_go(&self, address: u8, is_at_its_most: bool) -> Vec<(u8, Place, u64)> {
            let waiting =
                self.0.iter().filter_map(|(own, place, since)| Some((*own, *place, (*since)?)));
            let own = self.held_by(address);
            let may = |other: u8| other == address || !is_at_its_most && self.held_by(other) > own;
            waiting.filter(|(other, ..)| may(*other)).collect()
        }
    }

    proptest! {
        #[test]
        fn places_are_shared_fairly(
            most in 1..8_usize, per_address in 1..8_usize, steps in prop::collection::vec(step(), 0..80),
        ) {
            let mut places = Places::new(most, per_address);
            let mut model = Model::default();
            for (now, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Come(address) => {
                        let room = places.room(origin(address), Held::get);
                        let own = model.held_by(address);
                        let is_at_its_most = own >= per_address;
                        let could_go = model.could_go(address, is_at_its_most);
                        match room {
                            Room::Free => prop_assert!(!is_at_its_most && model.0.len() < most),
                            Room::InsteadOf(place) => {
                                prop_assert!(is_at_its_most || model.0.len() == most);
                                let victim = could_go.iter().find(|(_, other, _)| *other == place);
                                let (loser, _, since) = *victim.expect("it may go, and waits");
                                for (other, _, waits) in &could_go {
                                    let (held, most) = (model.held_by(*other), model.held_by(loser));
                                    prop_assert!(held < most || held == most && since <= *waits);
                                }
                                places.leave(place);
                                model.0.retain(|(_, other, _)| *other != place);
                            }
                            Room::Full(why) => {
                                prop_assert!(could_go.is_empty(), "{:?} could go", could_go);
                                prop_assert_eq!(why == Full::AddressBusy, is_at_its_most);
                                continue;
                            }
                        }
                        let place = places.take(origin(address), Cell::new(Some(now)));
                        model.0.push((address, place, Some(now)));
                    }
                    Step::Wait(at) | Step::Work(at) if !model.0.is_empty() => {
                        let at = at % model.0.len();
                        let since = matches!(step, Step::Wait(_)).then_some(now);
                        model.0[at].2 = since;
                        places.get(model.0[at].1).expect("it has a place").set(since);
                    }
                    Step::Leave(at) if !model.0.is_empty() => {
                        let (_, place, _) = model.0.swap_remove(at % model.0.len());
                        places.leave(place);
                        places.leave(place);
                    }
                    Step::Wait(_) | Step::Work(_) | Step::Leave(_) => {}
                }
                prop_assert!(model.0.len() <= most);
                prop_assert_eq!(places.taken, model.0.len());
                prop_assert_eq!(places.all().count(), model.0.len());
                for address in 0..5 {
                    prop_assert!(model.held_by(address) <= per_address);
                    prop_assert_eq!(places.held_by(origin(address)), model.held_by(address));
                }
            }
        }
    }

    #[test]
    fn nothing_is_kept_of_who_left() {
        let mut places = Places::new(2, 2);
        for address in 0..=255 {
            let place = places.take(origin(address), ());
            places.leave(place);
        }
        assert!(places.held.is_empty());
    }

    #[test]
    fn addresses_of_one_subscriber_count_as_one() {
        let of = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn places_change_hands_no_faster_than_clients_can_ask() {
        let safe = Duration::from_millis(50);
        let limits = Limits { places: 100, places_per_address: 75, safe, ..Limits::default() };
        let mut turnover = Turnover::new(&limits);
        let start = Instant::now() + Duration::from_secs(1);
        let mut now = start;
        let mut changed = 0;
        while now < start + 10 * safe {
            match turnover.next(now) {
                None => changed += 1,
                // Timers have milliseconds.
                Some(next) => now = next.max(now + Duration::from_millis(1)),
            }
        }
        assert!((370..=380).contains(&changed), "{changed}");
        let later = now + Duration::from_secs(60);
        let at_once = (0..).take_while(|_| turnover.next(later).is_none()).count();
        assert!(at_once < 10, "nothing is saved up: {at_once}");
    }
}
