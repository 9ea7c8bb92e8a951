//! Two thousand connections from one address that say nothing, in every state that a
//! connection can be in, at every listener that there is: each is ended, and whoever
//! asks meanwhile from the same address is answered. Nothing here measures time:
//! `bench/run silence` does.

use std::sync::atomic::AtomicBool;

use countersign_platform::SeedSpec;
use countersign_service::dashboard::Identity;
use countersign_testkit::TestPlatform;
use countersign_testkit::silence::{Door, Place, Silence};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::dashboard::Desk;
use super::*;

const CONNECTIONS: usize = 2000;
/// Of each listener: what nobody reads is held by the system, megabytes for each.
const DEAF: usize = 4;
const LIMIT: Duration = Duration::from_secs(3);
/// Between two bytes of what trickles.
const TICK: Duration = Duration::from_millis(250);

fn limits() -> countersign_web::Limits {
    countersign_web::Limits {
        // Whoever asks on a machine that does much else is not taken for one that waits.
        safe: LIMIT / 4,
        handshake: LIMIT,
        head: LIMIT,
        idle: LIMIT,
        body_stall: LIMIT,
        body_time: LIMIT,
        write_stall: LIMIT,
        ..countersign_web::Limits::default()
    }
}

/// One listener at a time: each takes thousands of descriptors.
static SIEGE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps silent at `door` and asks at `polite`, which is another caller of the same
/// listener, if it tells callers apart.
async fn besiege(door: Door, polite: Door) {
    let _alone = SIEGE.lock().await;
    let (soft, hard) = (16_384, rustix::process::getrlimit(rustix::process::Resource::Nofile));
    let raised =
        rustix::process::Rlimit { current: Some(soft.min(hard.maximum.unwrap_or(soft))), ..hard };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let kinds = Silence::ALL.into_iter().filter(|kind| *kind != Silence::Deaf);
    let kinds: Vec<_> = kinds.filter(|kind| door.trusts.is_some() || kind.is_plain()).collect();
    let deaf = std::iter::repeat_n(Silence::Deaf, if door.large.1.is_empty() { 0 } else { DEAF });
    let all = deaf.chain(kinds.into_iter().cycle()).take(CONNECTIONS);
    let silent: Vec<_> = all
        .map(|kind| {
            let door = door.clone();
            tokio::spawn(async move { kind.keep(&door, TICK).await })
        })
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut asked = 0;
            while !is_over.load(Ordering::SeqCst) {
                assert_eq!(polite.ask().await.expect("an answer"), 200, "after {asked}");
                asked += 1;
            }
            asked
        })
    };
    for ended in silent {
        ended.await.unwrap().expect("it came in, and was ended");
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(asking.await.unwrap() > 0);
}

fn tcp(url: &str) -> Place {
    let address = url.rsplit("//").next().unwrap().replace("localhost", "127.0.0.1");
    Place::Tcp(address.parse().unwrap())
}

async fn platform() -> (TestPlatform, Option<CertificateDer<'static>>) {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.console = Some(([127, 0, 0, 1], 0).into());
        config.control = Some(([127, 0, 0, 1], 0).into());
        config.limits = limits();
    })
    .await;
    let trusts = CertificateDer::from_pem_slice(test.platform.ca_pem().as_bytes()).unwrap();
    (test, Some(trusts))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_rest_apis() {
    let (test, trusts) = platform().await;
    let door = Door {
        place: tcp(&test.platform.rest_url()),
        trusts,
        headers: vec![("host", "127.0.0.1".into())],
        reads: ("GET", "/.well-known/countersign"),
        large: ("GET", "/openapi.json"),
        writes: ("POST", "/api/authn/v2/users"),
    };
    besiege(door.clone(), door).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_console() {
    let (test, trusts) = platform().await;
    let door = Door {
        place: tcp(test.platform.console_url().unwrap()),
        trusts,
        headers: vec![("host", "127.0.0.1".into())],
        reads: ("GET", "/style.css"),
        large: ("GET", "/style.css"),
        writes: ("POST", "/sign-in"),
    };
    besiege(door.clone(), door).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_controls() {
    let (test, trusts) = platform().await;
    let control = test.platform.control().unwrap();
    let token = format!("Bearer {}", control.token());
    let door = Door {
        place: tcp(&control.url()),
        trusts,
        headers: vec![("host", "127.0.0.1".into()), ("authorization", token)],
        reads: ("GET", "/clock"),
        large: ("GET", ""),
        writes: ("PUT", "/clock"),
    };
    besiege(door.clone(), door).await;
}

async fn at_a_dashboard(identity: Option<(Identity, CertificateDer<'static>)>) {
    let (identity, trusts) = identity.unzip();
    let desk = Desk::start_at_listener(identity, None, limits(), |_| Vec::new()).await;
    let door = Door {
        place: Place::Tcp(desk.address),
        trusts,
        headers: vec![("host", desk.address.to_string())],
        reads: ("GET", "/style.css"),
        large: ("GET", "/style.css"),
        writes: ("POST", "/sign-in"),
    };
    besiege(door.clone(), door).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_dashboard() {
    at_a_dashboard(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_dashboard_over_tls() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let identity = Identity {
        certificates_pem: made.cert.pem().into_bytes(),
        key_pem: made.signing_key.serialize_pem().into_bytes().into(),
    };
    at_a_dashboard(Some((identity, made.cert.der().clone()))).await;
}

fn shorten(config: &mut Config) {
    config.limits.head_time = LIMIT;
    config.limits.body_time = LIMIT;
    config.limits.stall_time = LIMIT;
}

fn of_broker(place: Place, host: &str, token: &str) -> Door {
    Door {
        place,
        trusts: None,
        headers: vec![("host", host.to_owned()), ("authorization", format!("Bearer {token}"))],
        reads: ("GET", "/x"),
        large: ("GET", ""),
        writes: ("POST", "/x"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_broker() {
    let bench = Bench::start_with(&["GET /**", "POST /**"], shorten, |_| {}).await;
    let other = add_caller(&bench.store, "other", &["GET /**"], None).await;
    let (place, host) = (Place::Tcp(bench.address()), bench.address().to_string());
    let polite = of_broker(place.clone(), &host, &other);
    besiege(of_broker(place, &host, &bench.token), polite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_brokers_socket() {
    let bench = Bench::start(&["GET /**", "POST /**"]).await;
    let other = add_caller(&bench.store, "other", &["GET /**"], None).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private").join("s");
    let mut config = Config {
        client: client(&bench.upstream.url, |_| {}),
        store: bench.store.clone(),
        ceiling: Vec::new(),
        only: Vec::new(),
        further: Vec::new(),
        clock: Arc::new(|| 10),
        limits: Limits::usual(),
    };
    shorten(&mut config);
    let broker = Broker::start(Listener::socket(&path).unwrap(), config);
    let polite = of_broker(Place::Unix(path.clone()), "localhost", &other);
    besiege(of_broker(Place::Unix(path), "localhost", &bench.token), polite).await;
    broker.shutdown().await.unwrap();
}
