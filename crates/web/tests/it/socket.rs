//! Where a listener refuses to be.

use std::os::unix::fs::PermissionsExt;

use countersign_web::ListenError;

use super::silence::Silence;
use super::*;

#[tokio::test]
async fn plain_http_is_for_loopback_addresses() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.0.0.1:80"] {
        let refused = Listener::plain(address.parse().unwrap());
        assert!(matches!(refused, Err(ListenError::NotLoopback)), "{refused:?}");
    }
    let taken = Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let Address::Tcp(address) = taken.address() else { panic!("a socket") };
    assert!(matches!(Listener::plain(address), Err(ListenError::Failed(_))));
}

#[tokio::test]
async fn a_socket_that_nobody_else_can_open() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, mode(0o750)).unwrap();
    let input = |path: &std::path::Path| match Listener::socket(path) {
        Err(ListenError::Input(what)) => what,
        other => panic!("{other:?}"),
    };
    assert!(input(&open.join("s")).contains("chmod 700"));
    assert!(!open.join("s").exists());

    let private = folder.path().join("private");
    let path = private.join("s");
    let listener = Listener::socket(&path).unwrap();
    assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(input(&path).contains("already"));
    drop(listener);
    assert!(!path.exists(), "it goes with its listener");

    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    assert!(path.exists());
    drop(Listener::socket(&path).unwrap());
    std::fs::write(&path, "kept").unwrap();
    assert!(input(&path).contains("no socket"));
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
}

#[tokio::test]
async fn a_socket_has_the_same_limits() {
    let folder = tempfile::tempdir().unwrap();
    let listener = Listener::socket(&folder.path().join("private").join("s")).unwrap();
    let served = Served::start(listener, None, Limits { places_per_address: 4, ..short() });
    let silent = Silence::ALL.into_iter().filter(|silence| silence.is_plain()).cycle().take(30);
    let silent = silent.map(|silence| {
        let door = served.door.clone();
        async move { silence.keep(&door, 20 * MS).await }
    });
    let polite = async {
        for _ in 0..20 {
            assert_eq!(served.door.ask().await.unwrap(), 200);
        }
    };
    let (ended, ()) = futures::join!(futures::future::join_all(silent), polite);
    assert!(ended.into_iter().all(|ended| ended.is_ok()));
    served.end().await;
}
