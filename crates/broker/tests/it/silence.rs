//! Who says nothing is ended, and whoever asks meanwhile is answered.

use countersign_testkit::siege::{LIMIT, besiege};
use countersign_testkit::silence::{Door, Place};

use super::*;

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
