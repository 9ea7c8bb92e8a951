//! Rotation against a real platform over TLS, on its virtual clock.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_client::{Budget, Client, Config, Url};
use countersign_connector::consumers::{Answering, Consumer, Consumers, Receipt, Release};
use countersign_connector::integration::Place;
use countersign_connector::rotation::schedule::{Due, Schedule};
use countersign_connector::rotation::{
    Arrangement, Connect, Mode, Options, Outcome, Report, Watch,
};
use countersign_connector::sync::{Finished, Options as SyncOptions};
use countersign_connector::{Connector, Fault, Fences, Subject};
use countersign_platform::SeedSpec;
use countersign_signing::OAuthClient;
use countersign_store::Store;
use countersign_testkit::{TestPlatform, repeatable_random};
use countersign_vault::{KeySource, SealedFile, Secret};
use serde_json::json;
use tempfile::TempDir;

const READER: &[&str] = &["resultsapi", "noteamrestrictionapi"];
const DAY_MS: i64 = 86_400_000;

/// A platform, and a home with an integration `prod`, its twin, and an administrator.
struct Stage {
    test: TestPlatform,
    folder: TempDir,
    connector: Connector,
    connect: Connect,
}

async fn connector(test: &TestPlatform, folder: &Path) -> Connector {
    let random = repeatable_random();
    let key = KeySource::KeyFile(folder.join("key"));
    let now_ms = Arc::clone(&test.now_ms);
    Connector {
        store: Store::open(&folder.join("store.sqlite")).await.expect("a store"),
        vault: SealedFile::open(&folder.join("vault.json"), key, random.clone()).expect("a vault"),
        fences: Fences::at(&folder.join("fences")),
        clock: Arc::new(move || now_ms.load(Ordering::SeqCst)),
        random,
    }
}

impl Stage {
    async fn set(overlap_ms: i64) -> Self {
        let test = TestPlatform::start_with(
            SeedSpec::Sized { applications: 2, findings: 20, rng: 1 },
            |config| {
                config.overlap_ms = overlap_ms;
                config.control = Some(([127, 0, 0, 1], 0).into());
            },
        )
        .await;
        let folder = tempfile::tempdir().expect("a folder");
        let connector = connector(&test, folder.path()).await;
        let (clock, random) = (connector.clock.clone(), connector.random.clone());
        let connect: Connect = Arc::new(move |place, source| {
            let mut config = Config::new(Url::parse(&place.url).expect("a URL"));
            config.ca_pem = place.ca_pem.as_ref().map(|pem| pem.as_bytes().to_vec());
            config.budget = Budget::alone(1_000_000);
            config.max_attempts = 2;
            config.request_timeout = Duration::from_secs(5);
            Client::with_source(config, source, clock.clone(), random.clone())
        });
        let stage = Self { test, folder, connector, connect };
        stage.keep("prod", READER, true).await;
        stage.keep("twin", READER, false).await;
        stage.keep("admin", &["adminapi"], false).await;
        stage
    }

    fn place(&self) -> Place {
        Place {
            url: self.test.platform.rest_url(),
            ca_pem: Some(self.test.platform.ca_pem().to_owned()),
            allow_http_loopback: false,
        }
    }

    fn client(&self, secret: &Secret) -> Client {
        let authority = match secret {
            Secret::Pair(pair) => countersign_client::Authority::from(pair),
            Secret::OAuthClient(client) => client.clone().into(),
        };
        let source = Arc::new(countersign_client::Fixed::new(authority));
        (self.connect)(&self.place(), source).expect("a client")
    }

    async fn keep(&self, name: &str, roles: &[&str], is_integration: bool) {
        let secret = Secret::Pair(self.test.mint(name, roles).pair);
        let client = self.client(&secret);
        if is_integration {
            let added = self.connector.add_integration(name, self.place(), secret, &client).await;
            added.expect("an integration");
        } else {
            let added = self.connector.add_credential(name, self.place(), secret, &client).await;
            added.expect("a credential");
        }
    }

    fn arrangement(&self, mode: Mode) -> Arrangement {
        Arrangement {
            name: "prod".into(),
            mode,
            by: Some("admin".into()),
            twin: Some("twin".into()),
            overlap: None,
        }
    }

    fn options(&self) -> Options {
        Options {
            is_wanted: true,
            most_mints: 4,
            drain: Duration::from_secs(5),
            late: Duration::from_millis(1),
            pause: Duration::from_millis(1),
            lease: Duration::from_secs(60),
            revoke_old: false,
            holder: "here/1".into(),
            machine: "here/".into(),
        }
    }

    async fn try_rotate(
        &self,
        arrangement: &Arrangement,
        options: &Options,
    ) -> Result<Report, countersign_connector::Error> {
        let watch: Watch = Arc::new(|_| {});
        let nobody = Consumers::default();
        self.connector.rotate(arrangement, options, &self.connect, &nobody, &watch).await
    }

    async fn rotate(&self, arrangement: &Arrangement) -> Report {
        self.try_rotate(arrangement, &self.options()).await.expect("a report")
    }

    async fn source_client(&self, subject: Subject) -> Client {
        (self.connect)(&self.place(), self.connector.source(subject, "test")).expect("a client")
    }

    async fn integration_client(&self) -> Client {
        let integration = self.connector.store.integration("prod").await.expect("it");
        self.source_client(Subject::Integration(integration.id)).await
    }

    async fn faults(&self, rules: serde_json::Value) {
        let body = json!({ "rules": rules }).to_string();
        assert_eq!(self.test.control("PUT", "/faults", &body).await.status, 200);
    }

    async fn acts(&self, name: &str) -> Vec<String> {
        let entries = self.connector.store.audit_entries(Some(name), 1000).await.expect("a log");
        entries.into_iter().rev().map(|entry| entry.act.as_str().to_owned()).collect()
    }

    async fn pairs(&self, user: &str) -> usize {
        let answer = self.test.control("GET", &format!("/credentials?user={user}"), "").await;
        answer.json()["credentials"].as_array().expect("a list").len()
    }
}

async fn refused(stage: &Stage, arrangement: Arrangement, what: &str) {
    let before = stage.pairs("prod").await + stage.pairs("twin").await;
    let error = stage.try_rotate(&arrangement, &stage.options()).await.expect_err(what);
    assert!(error.to_string().contains(what), "{error}");
    assert_eq!(error.fault(), Fault::Config, "{error}");
    assert_eq!(stage.pairs("prod").await + stage.pairs("twin").await, before, "nothing was made");
}

#[tokio::test]
async fn what_could_lock_out_is_refused_before_anything_is_asked_for() {
    let stage = Stage::set(0).await;
    let with = |mode, change: fn(&mut Arrangement)| {
        let mut arrangement = stage.arrangement(mode);
        change(&mut arrangement);
        arrangement
    };
    let alone = with(Mode::SelfRenewal, |a| a.by = None);
    refused(&stage, alone, "may not renew itself").await;
    let nobody = with(Mode::Administrator, |a| a.by = None);
    refused(&stage, nobody, "needs an account").await;
    let itself = with(Mode::Administrator, |a| a.by = Some("prod".into()));
    refused(&stage, itself, "cannot issue its own").await;
    let unknown = with(Mode::Administrator, |a| a.by = Some("nobody".into()));
    refused(&stage, unknown, "no credential `nobody`").await;
    let one = with(Mode::Twins, |a| a.twin = Some("prod".into()));
    refused(&stage, one, "is not the twin").await;
    let none = with(Mode::Twins, |a| a.twin = None);
    refused(&stage, none, "name of the other one").await;
    stage
        .keep(
            "wide",
            &["resultsapi", "uploadapi", "apisubmitanyscan", "noteamrestrictionapi"],
            false,
        )
        .await;
    let unlike = with(Mode::Twins, |a| a.twin = Some("wide".into()));
    refused(&stage, unlike, "different roles").await;
}

#[tokio::test]
async fn each_mode_ends_with_a_pair_that_works_and_calls_go_on() {
    let stage = Stage::set(0).await;
    let client = stage.integration_client().await;
    let mut ids = vec![client.own_credential().await.expect("it works").api_id];
    for mode in [Mode::Administrator, Mode::SelfRenewal, Mode::Twins, Mode::Twins] {
        let report = stage.rotate(&stage.arrangement(mode)).await;
        assert_eq!(
            (report.outcome, report.mints, report.lost),
            (Outcome::Done, 1, 0),
            "{report:?}"
        );
        let own = client.own_credential().await.expect("the same client goes on");
        assert_eq!(Some(&own.api_id), report.new_api_id.as_ref(), "{mode:?}");
        assert!(!ids.contains(&own.api_id));
        ids.push(own.api_id);
    }
    assert_eq!(stage.connector.store.integration("prod").await.expect("it").api_id, ids[4]);
    let acts = stage.acts("prod").await;
    let one = ["armed", "vault_proven", "asked", "sealed", "confirmed", "published"];
    assert!(acts.windows(6).any(|window| window == one), "{acts:?}");
    let again = Options { is_wanted: false, ..stage.options() };
    let looked = stage.try_rotate(&stage.arrangement(Mode::Administrator), &again).await;
    assert_eq!(looked.expect("a report").outcome, Outcome::Nothing);
}

/// A call that was let out with the old pair must have its answer before the new one
/// is asked for, and none goes out before the new one is in use: the service refuses
/// nothing, although the old pair ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_ever_refused_while_a_pair_is_replaced() {
    let stage = Stage::set(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut hammers = Vec::new();
    for _ in 0..4 {
        let (client, stop) = (stage.integration_client().await, Arc::clone(&stop));
        hammers.push(tokio::spawn(async move {
            let mut calls = 0_u32;
            while !stop.load(Ordering::SeqCst) {
                client.self_user().await.expect("every call is answered");
                calls += 1;
            }
            calls
        }));
    }
    for mode in [Mode::Administrator, Mode::SelfRenewal, Mode::Administrator, Mode::Twins] {
        let report = stage.rotate(&stage.arrangement(mode)).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    }
    stop.store(true, Ordering::SeqCst);
    for hammer in hammers {
        assert!(hammer.await.expect("no call failed") > 0);
    }
    let refused = stage.test.control("GET", "/requests/count?status=401", "").await.json();
    assert_eq!(refused["count"], 0, "a call went out with a pair that had ended");
}

#[tokio::test]
async fn a_lost_answer_is_recognised_accounted_for_and_asked_for_again() {
    for (mode, lost) in [(Mode::Administrator, 2), (Mode::SelfRenewal, 1), (Mode::Twins, 3)] {
        let stage = Stage::set(0).await;
        stage
            .faults(json!([{
                "name": "lost", "match": {"method": "POST", "path": "*api_credentials*", "times": lost},
                "act": {"kind": "reset", "when": "after"},
            }]))
            .await;
        let report = stage.rotate(&stage.arrangement(mode)).await;
        assert_eq!((report.outcome, report.lost), (Outcome::Done, lost), "{mode:?} {report:?}");
        let name = report.credential.as_str();
        let acts = stage.acts(name).await;
        assert_eq!(acts.iter().filter(|act| *act == "lost").count(), lost as usize);
        assert_eq!(acts.iter().filter(|act| *act == "asked").count(), lost as usize + 1);
        let is_rescued = acts.iter().any(|act| act == "rescued");
        assert_eq!(is_rescued, mode == Mode::SelfRenewal, "the old pair is dead: {acts:?}");
        stage.integration_client().await.self_user().await.expect("it works");
        assert_eq!(stage.pairs(name).await, lost as usize + 2);
    }
    // As many as may be: the next run goes on, and then it works.
    let stage = Stage::set(0).await;
    stage
        .faults(json!([{
            "name": "lost", "match": {"method": "POST", "path": "*api_credentials*", "times": 4},
            "act": {"kind": "status", "status": 500, "when": "after"},
        }]))
        .await;
    let first = stage.rotate(&stage.arrangement(Mode::Administrator)).await;
    assert_eq!((first.outcome, first.fault()), (Outcome::TooManyLost, Some(Fault::Upstream)));
    let second = stage.rotate(&stage.arrangement(Mode::Administrator)).await;
    assert_eq!(second.outcome, Outcome::Done);
    stage.integration_client().await.self_user().await.expect("it works");
}

#[tokio::test]
async fn a_request_that_is_carried_out_late_takes_nothing_away() {
    for mode in [Mode::Administrator, Mode::Twins] {
        let mut stage = Stage::set(0).await;
        let patient = Arc::clone(&stage.connect);
        let (clock, random) = (stage.connector.clock.clone(), stage.connector.random.clone());
        let hasty: Connect = Arc::new(move |place, source| {
            let mut config = Config::new(Url::parse(&place.url).expect("a URL"));
            config.ca_pem = place.ca_pem.as_ref().map(|pem| pem.as_bytes().to_vec());
            config.request_timeout = Duration::from_millis(400);
            config.max_attempts = 1;
            Client::with_source(config, source, clock.clone(), random.clone())
        });
        stage.connect = hasty;
        // Given up after 400 ms, carried out after 900: while it is waited for.
        stage
            .faults(json!([{
                "name": "late", "match": {"method": "POST", "path": "*api_credentials*", "times": 1},
                "act": {"kind": "delay", "ms": 900},
            }]))
            .await;
        let options = Options { late: Duration::from_millis(1_500), ..stage.options() };
        let report = stage.try_rotate(&stage.arrangement(mode), &options).await.expect("a report");
        stage.connect = patient;
        assert_eq!(
            (report.outcome, report.lost, report.mints),
            (Outcome::Done, 1, 2),
            "{report:?}"
        );
        stage.integration_client().await.self_user().await.expect("it works");
        let live = stage.pairs(&report.credential).await;
        assert_eq!(live as u32, report.mints + 1, "{report:?}");
    }
}

#[tokio::test]
async fn a_pair_that_was_replaced_elsewhere_is_replaced_here() {
    let stage = Stage::set(0).await;
    // Somebody presses the button in the console: ours is dead, theirs is not here.
    let [prod, admin] = ["prod", "admin"].map(|name| stage.connector.store.credential(name));
    let (prod, admin) = (prod.await.expect("it"), admin.await.expect("it"));
    let somebody = stage.source_client(Subject::Credential(admin.id)).await;
    somebody.mint(prod.user_id.as_deref()).await.expect("a pair");
    let client = stage.integration_client().await;
    client.get("/api/authn/v2/users/self").await.expect_err("dead");
    let check = Options { is_wanted: false, ..stage.options() };
    let report = stage.try_rotate(&stage.arrangement(Mode::Administrator), &check).await;
    assert_eq!(report.expect("a report").outcome, Outcome::Done);
    client.self_user().await.expect("the same client works again");
    assert!(stage.acts("prod").await.contains(&"lost".to_owned()));
}

#[tokio::test]
async fn nothing_is_asked_for_when_the_log_cannot_be_written() {
    let stage = Stage::set(0).await;
    let before = stage.pairs("prod").await;
    let direct = rusqlite::Connection::open(stage.folder.path().join("store.sqlite"));
    let direct = direct.expect("the store");
    direct
        .execute_batch("create trigger full before insert on audit when new.act = 'asked' begin select raise(abort, 'disk full'); end")
        .expect("a trigger");
    let error = stage.try_rotate(&stage.arrangement(Mode::Administrator), &stage.options()).await;
    let error = error.expect_err("the log refuses");
    assert_eq!(error.fault(), Fault::Storage);
    assert_eq!(stage.pairs("prod").await, before, "no pair was made");
    direct.execute_batch("drop trigger full").expect("dropped");
    assert_eq!(stage.rotate(&stage.arrangement(Mode::Administrator)).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn one_rotates_at_a_time_and_a_lapsed_lease_is_taken_over() {
    let stage = Stage::set(0).await;
    let arrangement = stage.arrangement(Mode::Administrator);
    let options = stage.options();
    let twice = tokio::join!(
        stage.try_rotate(&arrangement, &options),
        stage.try_rotate(&arrangement, &options)
    );
    let outcomes = [twice.0, twice.1];
    let done =
        outcomes.iter().filter(|o| o.as_ref().is_ok_and(|r| r.outcome == Outcome::Done)).count();
    let busy = outcomes
        .iter()
        .filter(|o| o.as_ref().is_err_and(|e| e.to_string().contains("another process")))
        .count();
    assert_eq!((done, busy), (1, 1), "{outcomes:?}");
    assert_eq!(stage.pairs("prod").await, 2);

    // Another machine holds the lease: not ours to take before its time.
    let claim = countersign_store::Claim {
        name: "prod",
        holder: "there/1",
        gone: "there/",
        now_ms: stage.test.now(),
        life_ms: 60_000,
    };
    stage.connector.store.take_lease(claim).await.expect("a store").expect("a lease");
    let error = stage.try_rotate(&arrangement, &options).await.expect_err("theirs");
    assert!(error.to_string().contains("another process"), "{error}");
    stage.test.advance(61_000);
    assert_eq!(stage.rotate(&arrangement).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn an_oauth_client_is_replaced_by_its_like_and_the_old_one_revoked() {
    let stage = Stage::set(0).await;
    let admin = stage.connector.pair_of(Subject::Credential(
        stage.connector.store.credential("admin").await.expect("it").id,
    ));
    let admin = admin.await.expect("a pair");
    let prod = stage.connector.store.credential("prod").await.expect("it");
    let user_id = prod.user_id.expect("a user");
    let body = json!({"name": "ours", "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}]});
    let target = format!("/api/authn/v2/oauth_clients/user_id/{user_id}");
    let made = stage.test.call(&admin, "POST", &target, &body.to_string()).await.json();
    let text = |name: &str| made[name].as_str().expect(name).to_owned();
    let client = OAuthClient::parse(&text("client_id"), &text("client_secret")).expect("a client");
    let secret = Secret::OAuthClient(client);
    let added = stage
        .connector
        .add_integration("oauth", stage.place(), secret.clone(), &stage.client(&secret))
        .await;
    added.expect("an integration that gets tokens");

    let arrangement = Arrangement { name: "oauth".into(), ..stage.arrangement(Mode::SelfRenewal) };
    refused(&stage, arrangement.clone(), "an OAuth client cannot make another").await;
    stage
        .faults(json!([{
            "name": "lost", "match": {"method": "POST", "path": "*oauth_clients*", "times": 1},
            "act": {"kind": "reset", "when": "after"},
        }]))
        .await;
    let arrangement = Arrangement { mode: Mode::Administrator, ..arrangement };
    let report = stage.rotate(&arrangement).await;
    assert_eq!((report.outcome, report.lost), (Outcome::Done, 1), "{report:?}");
    let integration = stage.connector.store.integration("oauth").await.expect("it");
    assert_eq!(Some(&integration.api_id), report.new_api_id.as_ref());
    let subject = Subject::Integration(integration.id);
    stage.source_client(subject).await.self_user().await.expect("the new one works");
    stage.client(&secret).get("/x").await.expect_err("the old one is revoked");
    let all = stage.client(&Secret::Pair(admin)).oauth_clients(Some(&user_id)).await;
    let live = all.expect("a list").into_iter().filter(|one| one.status == "ACTIVE").count();
    assert_eq!(live, 1, "the lost one is revoked too");
}

async fn sync(stage: &Stage) -> Finished {
    let integration = stage.connector.store.integration("prod").await.expect("it");
    let client = stage.source_client(Subject::Integration(integration.id)).await;
    let options = SyncOptions { parallel: 2, page_size: 100, ..SyncOptions::default() };
    let watch = Arc::new(|_| {});
    stage.connector.sync(integration.id, client, options, watch).await.expect("a report")
}

/// Acceptance: two years in which nothing fails. The administrator's own pair is
/// replaced by another administrator.
#[tokio::test]
async fn two_years_pass_without_one_failed_sync() {
    let stage = Stage::set(0).await;
    stage.keep("admin-2", &["adminapi"], false).await;
    let schedule = Schedule {
        before_ms: 30 * DAY_MS,
        jitter_ms: DAY_MS,
        window: countersign_connector::hours::Window::daily(22 * 60, 4 * 60),
    };
    let arrange = |name: &str, by: &str| Arrangement {
        name: name.into(),
        by: Some(by.into()),
        ..stage.arrangement(Mode::Administrator)
    };
    let all = [arrange("prod", "admin"), arrange("admin", "admin-2"), arrange("admin-2", "admin")];
    let mut rotations = 0;
    for day in 0..731 {
        for arrangement in &all {
            let credential = stage.connector.store.credential(&arrangement.name).await.expect("it");
            let now_ms = stage.test.now();
            let is_wanted =
                schedule.due(&credential.name, credential.expires_ms, now_ms) == Due::Now;
            // Looking after it daily costs requests; here every week is enough.
            if is_wanted || day % 7 == 0 {
                let options = Options { is_wanted, ..stage.options() };
                let report = stage.try_rotate(arrangement, &options).await.expect("a report");
                assert!(report.is_well(), "day {day}: {report:?}");
                rotations += usize::from(report.outcome == Outcome::Done);
            }
        }
        let finished = sync(&stage).await;
        assert!(finished.report.complete, "day {day}: {:?}", finished.failure);
        stage.test.advance(DAY_MS);
    }
    assert!(rotations >= 6, "{rotations} rotations in two years");
    assert_eq!(stage.pairs("prod").await, 3);
}

/// Fails until it is told to work; hangs at first where that is wanted.
struct Slow {
    works: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Consumer for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn credential(&self) -> &str {
        "prod"
    }

    fn kind(&self) -> &'static str {
        "slow"
    }

    fn deliver<'s>(&'s self, _: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(match self.works.load(Ordering::SeqCst) {
            true => Ok(Receipt::Acknowledged),
            false => Err("not now".into()),
        }))
    }
}

struct Lagging {
    stage: Stage,
    consumers: Consumers,
    works: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    old: Secret,
}

impl Lagging {
    async fn new() -> Self {
        let stage = Stage::set(7 * DAY_MS).await;
        let (works, hangs) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let mut consumers = Consumers::default();
        consumers.add(Box::new(Slow { works: works.clone(), hangs: hangs.clone() }));
        let id = stage.connector.store.credential("prod").await.expect("it").id;
        let old = stage.connector.pair_of(Subject::Credential(id)).await.expect("a pair").into();
        Self { stage, consumers, works, hangs, old }
    }

    async fn rotate(&self, is_wanted: bool) -> Report {
        let options = Options { is_wanted, revoke_old: true, ..self.stage.options() };
        let (connector, connect) = (&self.stage.connector, &self.stage.connect);
        let watch: Watch = Arc::new(|_| {});
        let arrangement = self.stage.arrangement(Mode::Administrator);
        let rotated = connector.rotate(&arrangement, &options, connect, &self.consumers, &watch);
        rotated.await.expect("a report")
    }

    async fn see_off(&self) -> Result<Vec<String>, countersign_connector::Error> {
        let prod = self.stage.connector.store.credential("prod").await.expect("it");
        self.stage.connector.see_off(&prod, &self.stage.connect, &self.consumers).await
    }

    async fn deliver(&self) {
        self.stage.test.advance(31_000);
        let prod = self.stage.connector.store.credential("prod").await.expect("it");
        let version = prod.version.expect("a version");
        self.stage.connector.deliver(&self.consumers, &prod, version).await.expect("it runs");
    }

    async fn is_old_live(&self) -> bool {
        self.stage.client(&self.old).self_user().await.is_ok()
    }

    async fn acts(&self, act: &str) -> usize {
        self.stage.acts("prod").await.iter().filter(|done| *done == act).count()
    }
}

#[tokio::test]
async fn the_old_pair_is_revoked_when_nobody_lags_and_not_before() {
    let it = Lagging::new().await;
    let report = it.rotate(true).await;
    assert_eq!(
        (report.outcome, report.laggards.as_slice()),
        (Outcome::Done, &["slow".to_owned()][..])
    );
    assert_eq!(report.to_revoke.as_deref(), Some(it.old.id()));
    assert_eq!(it.see_off().await.expect("nothing to do"), [""; 0]);
    assert!(it.is_old_live().await, "somebody runs it");
    // Looking after it is a rotation of its own, and forgets nothing.
    assert_eq!(it.rotate(false).await.outcome, Outcome::Nothing);
    it.deliver().await;
    assert_eq!(it.see_off().await.expect("nothing to do"), [""; 0]);

    it.works.store(true, Ordering::SeqCst);
    it.stage.test.advance(DAY_MS);
    it.deliver().await;
    it.stage
        .faults(json!([{
            "name": "down", "match": {"method": "DELETE", "path": "*", "times": 1},
            "act": {"kind": "status", "status": 500, "when": "before"},
        }]))
        .await;
    it.see_off().await.expect_err("the service does not answer");
    assert!(it.is_old_live().await);
    assert_eq!(it.acts("revoked").await, 0);
    assert_eq!(it.see_off().await.expect("it answers"), [it.old.id()]);
    assert!(!it.is_old_live().await);
    it.stage.integration_client().await.self_user().await.expect("the new one works");
    assert_eq!(it.see_off().await.expect("nothing to do"), [""; 0]);
    for (act, times) in [("revocation_waits", 1), ("revoked", 1), ("destroyed", 1)] {
        assert_eq!(it.acts(act).await, times, "{act}");
    }
    let entries = it.stage.connector.vault.entries().expect("a list");
    let old = entries.iter().find(|entry| entry.api_id == it.old.id()).expect("it was there");
    assert!(old.is_tombstone);
}

#[tokio::test]
async fn an_old_pair_that_has_ended_by_itself_is_only_noted() {
    let it = Lagging::new().await;
    it.rotate(true).await;
    it.works.store(true, Ordering::SeqCst);
    it.stage.test.advance(8 * DAY_MS);
    it.deliver().await;
    assert!(!it.is_old_live().await, "the overlap is over");
    assert_eq!(it.see_off().await.expect("nothing to revoke"), [""; 0]);
    assert_eq!((it.acts("revoked").await, it.acts("old_has_ended").await), (0, 1));
    it.see_off().await.expect("nothing to do");
    assert_eq!(it.acts("old_has_ended").await, 1);
}

#[tokio::test]
async fn a_crash_after_the_publication_does_not_forget_whom_to_revoke() {
    let it = Lagging::new().await;
    it.hangs.store(true, Ordering::SeqCst);
    {
        // Dropped while a consumer is given the new one, like a process that was killed.
        let mut rotating = std::pin::pin!(it.rotate(true));
        let mut is_published = false;
        while !is_published {
            tokio::select! {
                _ = &mut rotating => panic!("it came back"),
                acts = it.acts("published") => is_published = acts > 0,
            }
        }
    }
    it.hangs.store(false, Ordering::SeqCst);
    it.works.store(true, Ordering::SeqCst);
    it.stage.test.advance(31_000);
    let report = it.rotate(false).await;
    assert_eq!((report.outcome, report.to_revoke), (Outcome::Done, None));
    assert!(!it.is_old_live().await);
    assert_eq!(it.acts("revoked").await, 1);
}
