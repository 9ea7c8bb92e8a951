//! Who says nothing is ended, and whoever asks meanwhile is answered.

use countersign_platform::SeedSpec;
use countersign_testkit::TestPlatform;
use countersign_testkit::siege::{besiege, limits};
use countersign_testkit::silence::{Door, Place};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

fn tcp(url: &str) -> Place {
    let address = url.rsplit("//").next().expect("an address").replace("localhost", "127.0.0.1");
    Place::Tcp(address.parse().expect("an address"))
}

async fn platform() -> (TestPlatform, Option<CertificateDer<'static>>) {
    let test = TestPlatform::start_with(SeedSpec::Empty, |config| {
        config.console = Some(([127, 0, 0, 1], 0).into());
        config.control = Some(([127, 0, 0, 1], 0).into());
        config.limits = limits();
    })
    .await;
    let trusts =
        CertificateDer::from_pem_slice(test.platform.ca_pem().as_bytes()).expect("a certificate");
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
