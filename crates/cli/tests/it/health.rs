//! `health`, as a container engine asks it.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;

use crate::program::{run, stderr, stdout};

#[test]
fn only_this_machine_is_asked() {
    let home = tempfile::tempdir().unwrap();
    for url in [
        "https://findings.example.com/healthz",
        "http://192.0.2.1:8460",
        "http://127.0.0.1.example.com:8460",
        "http://jane:secret@127.0.0.1:8460",
        "file:///etc/passwd",
        "127.0.0.1:8460",
    ] {
        let output = run(home.path(), &["health", url]);
        assert_eq!(output.status.code(), Some(2), "{url}: {}", stderr(&output));
    }
}

#[test]
fn nobody_who_listens_is_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let output = run(home.path(), &["health", &url]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("does not answer"), "{}", stderr(&output));
}

#[test]
fn the_status_decides() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers = Router::new()
        .route("/healthz", get(async || "alive"))
        .route("/readyz", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/moved", get(async || Redirect::temporary("/healthz")));
    runtime.spawn(async move { axum::serve(listener, answers).await });
    let asked = |path: &str| run(home.path(), &["health", &format!("{url}{path}")]);
    for (path, status) in [("/readyz", "503"), ("/moved", "307"), ("/missing", "404")] {
        let output = asked(path);
        assert_eq!(output.status.code(), Some(5), "{path}");
        assert!(stderr(&output).contains(status), "{}", stderr(&output));
    }
    for path in ["", "/", "/healthz"] {
        let output = asked(path);
        assert!(output.status.success(), "{path}: {}", stderr(&output));
        assert_eq!(stdout(&output), "ok\n");
    }
    assert!(std::fs::read_dir(home.path()).unwrap().next().is_none(), "it writes nothing");
}

/// A certificate for the name that others use is no reason to restart the service.
#[test]
fn a_certificate_with_another_name_is_no_failure() {
    let served = crate::program::Served::start("empty");
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["health", &format!("{}/openapi.json", served.url)]);
    assert!(output.status.success(), "{}", stderr(&output));
}
