//! Where it listens, and where it refuses to.

use super::*;

#[tokio::test]
async fn only_loopback_addresses() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "10.0.0.1:80"] {
        let error = Listener::loopback(address.parse().unwrap()).err().unwrap();
        assert!(error.is_input() && error.to_string().contains("loopback"), "{error}");
    }
    let taken = Listener::loopback(([127, 0, 0, 1], 0).into()).unwrap();
    let Address::Loopback(address) = taken.address() else { panic!("a socket") };
    let error = Listener::loopback(address).err().unwrap();
    assert!(!error.is_input(), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_that_nobody_else_can_open() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, mode(0o750)).unwrap();
    let error = Listener::socket(&open.join("s")).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("chmod 700"), "{error}");
    assert!(!open.join("s").exists());

    let private = folder.path().join("private");
    let path = private.join("s");
    let listener = Listener::socket(&path).unwrap();
    assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let error = Listener::socket(&path).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("already"), "{error}");
    drop(listener);
    assert!(!path.exists(), "it goes with the broker");

    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    assert!(path.exists());
    drop(Listener::socket(&path).unwrap());
    std::fs::write(&path, "kept").unwrap();
    assert!(Listener::socket(&path).err().unwrap().is_input());
    assert_eq!(std::fs::read(&path).unwrap(), b"kept");
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_over_the_socket() {
    let bench = Bench::start(&["GET /**"]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private").join("s");
    let config = Config {
        client: client(&bench.upstream.url, |_| {}),
        store: bench.store.clone(),
        ceiling: Vec::new(),
        only: Vec::new(),
        further: Vec::new(),
        clock: Arc::new(|| 10),
        limits: Limits::usual(),
    };
    let broker = Broker::start(Listener::socket(&path).unwrap(), config);
    for (host, status) in [("localhost", 200), ("evil.example", 421)] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let token = &bench.token;
        let text =
            format!("GET /x HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(told(&mut stream).await.status, status);
    }
    broker.shutdown().await.unwrap();
    assert!(!path.exists());
}
