//! Data paths: what is asked, what is kept, and what is not.

use axum::http::HeaderMap;
use countersign_findings::{ApplicationGuid, Context, Finding};

use super::*;

/// Answers with what was asked for in the name of the function.
async fn flaw_info(uri: Uri, headers: HeaderMap) -> Response {
    assert!(headers.contains_key("authorization"));
    let asked = uri.to_string();
    match asked.contains("/findings/404/") {
        true => (StatusCode::NOT_FOUND, "{}").into_response(),
        false if asked.contains("/findings/500/") => "<html>".into_response(),
        false => axum::Json(json!({"data_paths": [{"module_name": "m", "calls": [
            {"function_name": "sink", "file_path": "S.java", "line_number": 2},
            {"function_name": asked, "file_path": "A.java", "line_number": 1},
        ]}]}))
        .into_response(),
    }
}

async fn client() -> Client {
    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
    let host = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(flaw_info)).await });
    let pair = Pair {
        id: ApiId::parse(&"0".repeat(32)).expect("an id"),
        secret: ApiSecret::from_bytes(vec![1; 64]),
    };
    let mut config = Config::new(Url::parse(&host).expect("a URL"));
    config.allow_http_loopback = true;
    config.max_attempts = 1;
    let clock: countersign_connector::Clock = Arc::new(|| 1_780_000_000_000);
    Client::new(config, &pair, clock, Arc::new(|buffer| buffer.fill(7))).expect("a client")
}

fn read(record: &Value, context: &str) -> Finding {
    let guid = ApplicationGuid::parse("app-1").expect("a guid");
    let context: Context = context.parse().expect("a context");
    Finding::decode(&record.to_string(), &guid, &context).expect("a finding")
}

#[tokio::test]
async fn what_has_no_path_is_not_asked_for() {
    let (bench, client) = (Bench::new().await, client().await);
    let mut dynamic = finding(1);
    dynamic["scan_type"] = "DYNAMIC".into();
    let component = json!({"scan_type": "SCA", "description": "x",
        "finding_status": {"status": "OPEN"},
        "finding_details": {"severity": 3, "component_id": "c", "component_filename": "c.jar"}});
    for (record, fault) in [
        (dynamic, Fault::Config),
        (component, Fault::Config),
        (finding(404), Fault::Config),
        (finding(500), Fault::Incomplete),
    ] {
        let finding = read(&record, "policy");
        let error = bench.connector.fetch_paths(&finding, &client).await.expect_err("no path");
        assert_eq!(error.fault(), fault, "{error}");
    }
}

#[tokio::test]
async fn a_path_is_kept_and_no_sandbox_is_named() {
    let (bench, client) = (Bench::new().await, client().await);
    bench.sync(Mood::Fine).await;
    let sandbox = "sandbox:7c1b0a52-0000-4000-8000-000000000001";
    let paths = bench.connector.fetch_paths(&read(&finding(3), "policy"), &client).await;
    let paths = paths.expect("a path");
    let own = "/appsec/v2/applications/app-1/findings/3/static_flaw_info";
    assert_eq!(paths[0].steps[0].function.as_deref(), Some(own), "from the source");
    assert_eq!(paths[0].steps[1].function.as_deref(), Some("sink"));
    let id = read(&finding(3), "policy").id;
    let rows = bench.connector.store.findings_by_id(id.as_str()).await.expect("rows");
    assert_eq!(rows[0].paths.as_deref(), Some(&paths[..]));
    assert_eq!(rows[0].paths_ms, Some(1_780_000_000_000));

    // Not in the store: asked for in the same way, and kept nowhere.
    let elsewhere = read(&finding(3), sandbox);
    let error = bench.connector.fetch_paths(&elsewhere, &client).await.expect_err("no row");
    assert_eq!(error.fault(), Fault::Storage, "{error}");
}
