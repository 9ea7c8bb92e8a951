//! What is said of credentials, and when: over random clocks and histories, and over
//! two years at a platform.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_connector::hours::Window;
use countersign_connector::watch::{
    Channel, Channels, DAY_MS, Delivering, Kind, Message, Policy, Row, Sending, State,
    THRESHOLDS_DAYS,
};
use countersign_platform::SeedSpec;
use countersign_store::{
    Claim, CredentialId, CredentialKind, Fault, Observed, Publication, Rotation, RotationId,
};
use countersign_testkit::{START_MS, TestPlatform};
use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Keeps what it was given; may refuse.
#[derive(Clone, Default)]
struct Heard {
    name: &'static str,
    messages: Arc<Mutex<Vec<Message>>>,
    is_broken: Arc<AtomicBool>,
}

impl Heard {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn all(&self) -> Vec<Message> {
        self.messages.lock().expect("no panic under the lock").clone()
    }

    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.messages.lock().expect("no panic under the lock"))
    }
}

impl Channel for Heard {
    fn name(&self) -> &str {
        self.name
    }

    fn send<'s>(&'s self, message: &'s Message) -> Delivering<'s> {
        Box::pin(async {
            if self.is_broken.load(Ordering::SeqCst) {
                return Err("it is broken".into());
            }
            self.messages.lock().expect("no panic under the lock").push(message.clone());
            Ok(())
        })
    }
}

fn channels(notices: &[&Heard], escalations: &[&Heard]) -> Channels {
    let mut channels = Channels::default();
    for heard in notices {
        channels.add(Sending::Notice, Box::new((*heard).clone()));
    }
    for heard in escalations {
        channels.add(Sending::Escalation, Box::new((*heard).clone()));
    }
    channels
}

/// A connector whose clock the test sets.
struct Watcher {
    connector: Connector,
    now_ms: Arc<std::sync::atomic::AtomicI64>,
}

impl Watcher {
    async fn open(folder: &Path, now_ms: Arc<std::sync::atomic::AtomicI64>) -> Self {
        let random = countersign_testkit::repeatable_random();
        let store = Store::open(&folder.join("store.sqlite")).await.expect("a store");
        let key = KeySource::KeyFile(folder.join("key"));
        let vault = SealedFile::open(&folder.join("vault.json"), key, random.clone());
        let clock: countersign_connector::Clock = {
            let now_ms = Arc::clone(&now_ms);
            Arc::new(move || now_ms.load(Ordering::SeqCst))
        };
        let fences = Fences::at(&folder.join("fences"));
        let connector = Connector { store, vault: vault.expect("a vault"), fences, clock, random };
        Self { connector, now_ms }
    }

    fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    async fn credential(&self, name: &str) -> CredentialId {
        let new = NewCredential {
            name: name.into(),
            vault_name: format!("credential/{name}"),
            kind: CredentialKind::Hmac,
            url: "https://api.example.com".into(),
            ca_pem: None,
            allow_http_loopback: false,
            api_id: "0".repeat(32),
            version: 1,
            added_ms: self.now(),
        };
        self.connector.store.add_credential(new).await.expect("a credential")
    }

    async fn observe(&self, id: CredentialId, seen: Observed) {
        self.connector.store.observe_credential(id, seen, self.now()).await.expect("noted");
    }

    async fn expires(&self, id: CredentialId, expires_ms: i64) {
        let roles = vec!["resultsapi".to_owned()];
        self.observe(id, Observed { expires_ms: Some(expires_ms), roles, ..Observed::default() })
            .await;
    }

    async fn notify(
        &self,
        policy: &Policy,
        channels: &Channels,
    ) -> countersign_connector::watch::Sent {
        self.connector.notify(policy, channels).await.expect("a pass")
    }

    async fn row(&self, name: &str) -> Row {
        let rows = self.connector.inventory(&Policy::default()).await.expect("rows");
        rows.into_iter().find(|row| row.name == name).expect("it is there")
    }
}

async fn watcher() -> (tempfile::TempDir, Watcher) {
    let folder = tempfile::tempdir().expect("a folder");
    let now_ms = Arc::new(std::sync::atomic::AtomicI64::new(START_MS));
    let watcher = Watcher::open(folder.path(), now_ms).await;
    (folder, watcher)
}

fn thresholds(messages: &[Message]) -> Vec<i64> {
    messages.iter().filter_map(|message| message.threshold_days).collect()
}

#[tokio::test]
async fn a_week_off_says_only_what_is_most_urgent() {
    let (_folder, watcher) = watcher().await;
    let id = watcher.credential("a").await;
    watcher.expires(id, START_MS + 40 * DAY_MS).await;
    let heard = Heard::named("h");
    let (policy, channels) = (Policy::default(), channels(&[&heard], &[]));
    watcher.notify(&policy, &channels).await;
    assert!(heard.take().is_empty(), "forty days are no news");
    for (at_days, expected) in [(11, 30), (34, 7), (27, 0), (20, 0), (40, 0), (12, 0)] {
        watcher.now_ms.store(START_MS + at_days * DAY_MS, Ordering::SeqCst);
        watcher.notify(&policy, &channels).await;
        let said = thresholds(&heard.take());
        match (at_days, expected) {
            (40, _) => assert_eq!(said, [0], "it lapses"),
            (_, 0) => assert!(said.is_empty(), "back to day {at_days}: {said:?}"),
            _ => assert_eq!(said, [expected], "day {at_days}"),
        }
    }
}

#[tokio::test]
async fn what_waited_for_the_morning_is_not_overtaken_by_its_escalation() {
    let (_folder, watcher) = watcher().await;
    let id = watcher.credential("a").await;
    let (heard, boss) = (Heard::named("h"), Heard::named("boss"));
    let channels = channels(&[&heard], &[&boss]);
    let policy = Policy {
        quiet: Window::daily(22 * 60, 7 * 60),
        escalate_after_ms: 4 * HOUR_MS,
        ..Policy::default()
    };
    // START_MS is midnight: it is quiet. Three days left, and a bit less.
    watcher.expires(id, START_MS + 3 * DAY_MS).await;
    let mut log = Vec::new();
    for hour in 0..72 {
        watcher.now_ms.store(START_MS + hour * HOUR_MS, Ordering::SeqCst);
        watcher.notify(&policy, &channels).await;
        let said = |message: &Message| (hour, message.threshold_days, message.is_escalation);
        log.extend(heard.take().iter().map(said));
        log.extend(boss.take().iter().map(said));
        if hour == 50 {
            // Somebody takes on what was said of the last day.
            watcher.connector.store.acknowledge_notices(id, watcher.now()).await.expect("noted");
        }
    }
    // The three-day notice at seven, its escalation four hours later; the last day's
    // at once, at midnight, and nothing after it was taken on.
    assert_eq!(log, [(7, Some(3), false), (11, Some(3), true), (48, Some(1), false)]);
}

#[tokio::test]
async fn states_begin_end_and_are_said_once_a_day_at_most() {
    let (_folder, watcher) = watcher().await;
    let id = watcher.credential("a").await;
    let heard = Heard::named("h");
    let (policy, channels) = (Policy::default(), channels(&[&heard], &[]));
    let refuse = async |is_refused: bool| {
        let problem = is_refused.then(|| "401".to_owned());
        watcher.observe(id, Observed { problem, ..Observed::default() }).await;
        let fault = is_refused.then_some(Fault::NotAuthenticated);
        let store = &watcher.connector.store;
        store.note_sighting(id, watcher.now(), fault, Some(0)).await.expect("noted");
        watcher.notify(&policy, &channels).await;
        heard.take().len()
    };
    assert_eq!(refuse(true).await, 1);
    assert_eq!(refuse(true).await, 0);
    assert_eq!(refuse(false).await, 0);
    watcher.now_ms.fetch_add(HOUR_MS, Ordering::SeqCst);
    assert_eq!(refuse(true).await, 0, "it comes and goes");
    // A look that failed for another reason ends nothing.
    watcher.observe(id, Observed { problem: Some("DNS".into()), ..Observed::default() }).await;
    let store = &watcher.connector.store;
    store.note_sighting(id, watcher.now(), Some(Fault::Upstream), None).await.expect("noted");
    watcher.notify(&policy, &channels).await;
    assert_eq!(store.notices().await.expect("notices")[0].ended_ms, None);
    assert_eq!(watcher.row("a").await.state, State::Unreachable);
    assert_eq!(refuse(false).await, 0);
    watcher.now_ms.fetch_add(2 * DAY_MS, Ordering::SeqCst);
    assert_eq!(refuse(true).await, 1, "another episode");
}

#[tokio::test]
async fn one_wrong_clock_is_one_notice_for_a_host() {
    let (_folder, watcher) = watcher().await;
    let heard = Heard::named("h");
    let (policy, channels) = (Policy::default(), channels(&[&heard], &[]));
    let store = &watcher.connector.store;
    for name in ["b", "a", "c"] {
        let id = watcher.credential(name).await;
        watcher.expires(id, START_MS + 300 * DAY_MS).await;
        let skew_ms = if name == "b" { 60_000 } else { 60_001 };
        store.note_sighting(id, watcher.now(), None, Some(skew_ms)).await.expect("noted");
    }
    watcher.notify(&policy, &channels).await;
    let said: Vec<_> = heard.take().into_iter().map(|one| (one.kind, one.credential)).collect();
    assert_eq!(said, [(Kind::Skew.as_str().to_owned(), "a".to_owned())]);
    assert!(!watcher.row("b").await.is_skewed, "a minute is allowed");
}

fn rotation(credential: CredentialId, now_ms: i64) -> Rotation {
    Rotation {
        id: RotationId::NONE,
        credential,
        mode: "administrator".into(),
        minter: credential,
        step: "published".into(),
        begun_ms: now_ms,
        moved_ms: now_ms,
        old_id: "old".into(),
        new_id: None,
        new_version: Some(2),
        new_expires_ms: None,
        mints: 0,
        lost: 0,
        old_until_ms: None,
        to_revoke: None,
        problem: None,
        is_over: false,
    }
}

/// What a rotation does to the store when it publishes and is over at once.
async fn publish(watcher: &Watcher, id: CredentialId, new_id: &str, expires_ms: Option<i64>) {
    let (store, now_ms) = (&watcher.connector.store, watcher.now());
    let claim = Claim { name: "r", holder: "t", gone: "", now_ms, life_ms: 1000 };
    let lease = store.take_lease(claim).await.expect("asked").expect("a lease");
    let begun = store.begin_rotation(rotation(id, now_ms), lease.clone(), Vec::new()).await;
    let mut begun = begun.expect("it begins");
    begun.new_id = Some(new_id.to_owned());
    begun.new_expires_ms = expires_ms;
    begun.is_over = true;
    let publication = Some(Publication { switch: None });
    store.move_rotation(begun, lease, Vec::new(), publication).await.expect("it is published");
}

#[tokio::test]
async fn a_stuck_rotation_and_an_id_that_is_not_ours_are_said() {
    let (_folder, watcher) = watcher().await;
    let id = watcher.credential("a").await;
    watcher.expires(id, START_MS + 300 * DAY_MS).await;
    let heard = Heard::named("h");
    let (policy, channels) = (Policy::default(), channels(&[&heard], &[]));
    let kinds = || -> Vec<String> { heard.take().into_iter().map(|one| one.kind).collect() };
    watcher.connector.note_live_id(id, Some(&"0".repeat(32))).await.expect("noted");
    watcher.notify(&policy, &channels).await;
    assert_eq!(kinds(), [""; 0], "that is ours");
    let prefixed = format!("vera01ei-{}", "0".repeat(32));
    watcher.connector.note_live_id(id, Some(&prefixed)).await.expect("noted");
    watcher.notify(&policy, &channels).await;
    assert_eq!(kinds(), [""; 0], "with its region too");
    watcher.connector.note_live_id(id, Some("f00d")).await.expect("noted");
    watcher.notify(&policy, &channels).await;
    watcher.notify(&policy, &channels).await;
    assert_eq!(kinds(), ["foreign_id"]);
    assert!(watcher.row("a").await.actions()[0].contains("f00d"));
    // Once it is published, it is ours.
    publish(&watcher, id, "f00d", Some(START_MS + 365 * DAY_MS)).await;
    watcher.notify(&policy, &channels).await;
    assert_eq!(watcher.row("a").await.foreign_id, None);

    let (store, now_ms) = (&watcher.connector.store, watcher.now());
    let claim = Claim { name: "r", holder: "t", gone: "", now_ms, life_ms: 1000 };
    let lease = store.take_lease(claim).await.expect("asked").expect("a lease");
    store.begin_rotation(rotation(id, now_ms), lease, Vec::new()).await.expect("it begins");
    watcher.connector.note_live_id(id, Some("beef")).await.expect("noted");
    watcher.now_ms.fetch_add(policy.stuck_after_ms, Ordering::SeqCst);
    watcher.notify(&policy, &channels).await;
    assert_eq!(kinds(), [""; 0], "it has its time, and its new id is its own");
    watcher.now_ms.fetch_add(1, Ordering::SeqCst);
    watcher.notify(&policy, &channels).await;
    assert_eq!(kinds(), ["rotation_stuck"]);
}

#[tokio::test]
async fn a_channel_that_fails_gets_it_later_and_the_others_do_not_wait() {
    let (_folder, watcher) = watcher().await;
    let id = watcher.credential("a").await;
    watcher.expires(id, START_MS + 20 * DAY_MS).await;
    let (good, bad) = (Heard::named("good"), Heard::named("bad"));
    bad.is_broken.store(true, Ordering::SeqCst);
    let (policy, channels) = (Policy::default(), channels(&[&bad, &good], &[]));
    let sent = watcher.notify(&policy, &channels).await;
    assert_eq!(
        (sent.raised, sent.delivered, sent.failed),
        (1, 1, vec!["bad: it is broken".into()])
    );
    bad.is_broken.store(false, Ordering::SeqCst);
    watcher.notify(&policy, &channels).await;
    assert!(bad.all().is_empty(), "not before its time");
    watcher.now_ms.fetch_add(30_000, Ordering::SeqCst);
    watcher.notify(&policy, &channels).await;
    watcher.now_ms.fetch_add(DAY_MS, Ordering::SeqCst);
    watcher.notify(&policy, &channels).await;
    assert_eq!((good.all().len(), bad.all().len()), (1, 1));
    assert_eq!(good.all()[0].id, bad.all()[0].id);
}

#[derive(Debug, Clone)]
enum Event {
    /// The clock moves, back too.
    Jump(i64),
    /// The process starts again.
    Restart,
    /// The service says another expiry, as days from where the clock began.
    Expiry(usize, i64),
    /// The flaky channel breaks or is mended.
    Break(bool),
    /// Somebody takes on what there is.
    Acknowledge(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1_i64..30).prop_map(|hours| Event::Jump(hours * HOUR_MS)),
        3 => (1_i64..20).prop_map(|days| Event::Jump(days * DAY_MS + 17)),
        2 => (1_i64..20).prop_map(|days| Event::Jump(-days * DAY_MS)),
        1 => Just(Event::Restart),
        3 => (0_usize..2, prop::sample::select(vec![20_i64, 60, 61, 100]))
            .prop_map(|(which, days)| Event::Expiry(which, days)),
        2 => any::<bool>().prop_map(Event::Break),
        1 => (0_usize..2).prop_map(Event::Acknowledge),
    ]
}

/// The most urgent threshold that was crossed, worked out another way than the plan's.
fn crossed(expires_ms: i64, now_ms: i64) -> Option<i64> {
    let all = THRESHOLDS_DAYS.into_iter().chain([0]);
    all.filter(|days| now_ms >= expires_ms - days * DAY_MS).min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Over random clocks and histories: each threshold of each expiry is said at most
    /// once on each channel; none is passed in silence; quiet hours hold back and
    /// swallow nothing.
    #[test]
    fn each_threshold_is_said_once_and_none_in_silence(
        events in prop::collection::vec(any_event(), 1..60),
        quiet in prop::option::of((0_u16..1440, 0_u16..1440)),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (folder, mut watcher) = watcher().await;
            let quiet = quiet.and_then(|(from, until)| Window::daily(from, until));
            let policy = Policy { quiet, ..Policy::default() };
            let (sound, flaky, boss) = (Heard::named("sound"), Heard::named("flaky"), Heard::named("boss"));
            let channels = channels(&[&sound, &flaky], &[&boss]);
            let ids = [watcher.credential("a").await, watcher.credential("b").await];
            let mut expires = [START_MS + 60 * DAY_MS, START_MS + 100 * DAY_MS];
            for (id, ms) in ids.iter().zip(expires) {
                watcher.expires(*id, ms).await;
            }
            let mut said: BTreeMap<(&str, bool, String, i64), BTreeSet<i64>> = BTreeMap::new();
            for event in events {
                match event {
                    Event::Jump(ms) => drop(watcher.now_ms.fetch_add(ms, Ordering::SeqCst)),
                    Event::Restart => {
                        let now_ms = Arc::clone(&watcher.now_ms);
                        watcher = Watcher::open(folder.path(), now_ms).await;
                    }
                    Event::Expiry(which, days) => {
                        expires[which] = START_MS + days * DAY_MS;
                        watcher.expires(ids[which], expires[which]).await;
                    }
                    Event::Break(is_broken) => flaky.is_broken.store(is_broken, Ordering::SeqCst),
                    Event::Acknowledge(which) => {
                        let store = &watcher.connector.store;
                        store.acknowledge_notices(ids[which], watcher.now()).await.expect("noted");
                    }
                }
                watcher.notify(&policy, &channels).await;
                let now_ms = watcher.now();
                let is_quiet = quiet.is_some_and(|quiet| quiet.in_utc().hold(now_ms));
                for heard in [&sound, &flaky, &boss] {
                    for message in heard.take() {
                        let days = message.threshold_days.expect("nothing else is wrong");
                        let key = (heard.name, message.is_escalation, message.credential.clone(), message.expires_ms.expect("an expiry"));
                        let before = said.entry(key).or_default();
                        let is_worse = before.first().is_none_or(|least| days < *least);
                        prop_assert!(is_worse, "twice, or after something more urgent: {message:?}");
                        before.insert(days);
                        prop_assert!(!is_quiet || days <= 1, "in the quiet: {message:?}");
                        prop_assert_eq!(message.is_escalation, heard.name == "boss");
                        prop_assert!(!message.is_escalation || days <= 3, "{message:?}");
                    }
                }
                for (name, expires_ms) in ["a", "b"].into_iter().zip(expires) {
                    let Some(days) = crossed(expires_ms, now_ms) else { continue };
                    if is_quiet && days > 1 {
                        continue;
                    }
                    let heard = said.get(&("sound", false, name.to_owned(), expires_ms));
                    let is_known = heard.is_some_and(|all| all.iter().any(|said| *said <= days));
                    prop_assert!(is_known, "silent at {days} days of {name}");
                }
            }
            // Mended, outside quiet hours and with the patience of the longest wait,
            // the flaky channel has what holds.
            flaky.is_broken.store(false, Ordering::SeqCst);
            for _ in 0..14 {
                watcher.now_ms.fetch_add(3 * HOUR_MS + 7 * 60_000, Ordering::SeqCst);
                watcher.notify(&policy, &channels).await;
                for message in flaky.take() {
                    let key = ("flaky", false, message.credential.clone(), message.expires_ms.expect("an expiry"));
                    let is_new = said.entry(key).or_default().insert(message.threshold_days.expect("days"));
                    prop_assert!(is_new, "twice: {message:?}");
                }
            }
            let now_ms = watcher.now();
            for (name, expires_ms) in ["a", "b"].into_iter().zip(expires) {
                let Some(days) = crossed(expires_ms, now_ms - DAY_MS) else { continue };
                let heard = said.get(&("flaky", false, name.to_owned(), expires_ms));
                let is_known = heard.is_some_and(|all| all.iter().any(|said| *said <= days));
                // Quiet hours of nearly a day may leave no pass outside of them.
                let is_sleepy = quiet.is_some_and(|quiet| (0..24).filter(|hour| quiet.in_utc().hold(hour * HOUR_MS)).count() > 18);
                prop_assert!(is_known || (is_sleepy && days > 1), "never told of {days} days of {name}");
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn two_years_at_a_platform_bring_exactly_the_expected_notices() {
    let platform = TestPlatform::start("empty".parse::<SeedSpec>().expect("a seed")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let watcher = Watcher::open(folder.path(), Arc::clone(&platform.now_ms)).await;
    let connector = &watcher.connector;
    let place = countersign_connector::integration::Place {
        url: platform.platform.rest_url(),
        ca_pem: Some(platform.platform.ca_pem().to_owned()),
        allow_http_loopback: false,
    };
    let client = |pair: &Pair| {
        let mut config = Config::new(Url::parse(&place.url).expect("a URL"));
        config.ca_pem = place.ca_pem.as_ref().map(|pem| pem.as_bytes().to_vec());
        config.budget = Budget::alone(1_000_000);
        let (clock, random) = (connector.clock.clone(), connector.random.clone());
        Client::new(config, pair, clock, random).expect("a client")
    };
    let mut pair = platform.mint("reader", &["resultsapi"]).pair;
    let added = connector
        .add_credential("reader", place.clone(), pair.clone().into(), &client(&pair))
        .await;
    let id = added.expect("it is kept").id;
    let heard = Heard::named("h");
    let (policy, channels) = (Policy::default(), channels(&[&heard], &[]));
    let mut log = Vec::new();
    for day in 1..=730_i64 {
        platform.advance(DAY_MS);
        if day == 370 {
            pair = platform.mint("reader", &["resultsapi"]).pair;
            publish(&watcher, id, pair.id.as_str(), None).await;
        }
        let credential = connector.store.credential_by(id).await.expect("it is there");
        let looked = connector.look(&credential, &client(&pair)).await;
        assert_eq!(looked.is_err(), (365..370).contains(&day), "day {day}: {looked:?}");
        watcher.notify(&policy, &channels).await;
        let said = heard.take().into_iter().map(|one| (day, one.kind, one.threshold_days));
        log.extend(said);
    }
    let expiry = |day: i64, threshold: i64| (day, "expiry".to_owned(), Some(threshold));
    // A calendar year from the first of June, and again from day 370.
    let first = [(335, 30), (351, 14), (358, 7), (362, 3), (364, 1), (365, 0)];
    let second = [(705, 30), (721, 14), (728, 7)];
    let expected: Vec<_> =
        first.into_iter().chain(second).map(|(day, threshold)| expiry(day, threshold)).collect();
    assert_eq!(log, expected);
    let row = watcher.row("reader").await;
    assert_eq!((row.state, row.days_left), (State::Expiring, Some(5)));
    assert_eq!((row.used_by, row.account.as_deref()), (None, Some("reader")), "a look is no use");
    assert_eq!(row.may_be_disabled_ms, row.expires_ms);
}

#[tokio::test]
async fn a_revoked_pair_is_refused_and_an_oauth_client_has_its_own_expiry() {
    let platform = TestPlatform::start("empty".parse::<SeedSpec>().expect("a seed")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let watcher = Watcher::open(folder.path(), Arc::clone(&platform.now_ms)).await;
    let connector = &watcher.connector;
    let pair = platform.mint("reader", &["resultsapi", "adminapi"]).pair;
    let client = |source: countersign_connector::Subject| {
        let mut config = Config::new(Url::parse(&platform.platform.rest_url()).expect("a URL"));
        config.ca_pem = Some(platform.platform.ca_pem().as_bytes().to_vec());
        let source = connector.source(source, countersign_connector::watch::PURPOSE);
        Client::with_source(config, source, connector.clock.clone(), connector.random.clone())
            .expect("a client")
    };
    let place = countersign_connector::integration::Place {
        url: platform.platform.rest_url(),
        ca_pem: Some(platform.platform.ca_pem().to_owned()),
        allow_http_loopback: false,
    };
    let body = r#"{"name":"one","expires_in_days":20}"#;
    let made = platform.call(&pair, "POST", "/api/authn/v2/oauth_clients", body).await;
    assert!(
        matches!(made.status, 200 | 201),
        "{} {:?}",
        made.status,
        String::from_utf8_lossy(&made.body)
    );
    let made = made.json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let oauth = countersign_signing::OAuthClient::parse(&text("client_id"), &text("client_secret"));
    let plain = {
        let mut config = Config::new(Url::parse(&platform.platform.rest_url()).expect("a URL"));
        config.ca_pem = Some(platform.platform.ca_pem().as_bytes().to_vec());
        Client::new(config, &pair, connector.clock.clone(), connector.random.clone()).expect("one")
    };
    let kept = connector.add_credential("pair", place.clone(), pair.clone().into(), &plain).await;
    let kept = kept.expect("it is kept");
    let other = connector
        .add_credential("oauth", place, oauth.expect("a client").into(), &plain)
        .await
        .expect("it is kept");
    for one in [&kept, &other] {
        let client = client(countersign_connector::Subject::Credential(one.id));
        connector.look(one, &client).await.expect("the service answers");
    }
    let row = watcher.row("oauth").await;
    let told = text("expiration_ts");
    assert_eq!(row.expires_ms, countersign_findings::parse_time(&told), "{told}");
    assert_eq!((row.state, row.may_be_disabled_ms), (State::Expiring, None));
    let row = watcher.row("pair").await;
    assert_eq!((row.state, row.days_left), (State::Fine, Some(365)));
    assert_eq!(row.skew_ms, Some(0));
    assert!(row.excess.iter().any(|(role, _)| role == "resultsapi"), "it makes pairs: {row:?}");

    let target = format!("/api/authn/v2/api_credentials/{}", pair.id);
    assert!(platform.call(&pair, "DELETE", &target, "").await.status < 300);
    let client = client(countersign_connector::Subject::Credential(kept.id));
    connector.look(&kept, &client).await.expect_err("it was revoked");
    let heard = Heard::named("h");
    watcher.notify(&Policy::default(), &channels(&[&heard], &[])).await;
    let said: Vec<_> = heard.take().into_iter().map(|one| (one.credential, one.kind)).collect();
    let expected = [("pair", "refused"), ("oauth", "expiry")];
    assert_eq!(said, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
    let row = watcher.row("pair").await;
    assert_eq!((row.state, row.used_by), (State::Refused, None));
    assert!(row.days_left == Some(365), "what was known stays");
}
