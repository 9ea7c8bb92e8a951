//! Who says nothing is ended, and whoever asks meanwhile is answered.

use countersign_dashboard::Identity;
use countersign_testkit::siege::{besiege, limits};
use countersign_testkit::silence::{Door, Place};
use rustls_pki_types::CertificateDer;

use super::Desk;

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
