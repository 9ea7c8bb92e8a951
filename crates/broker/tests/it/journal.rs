//! The log: every request has its line, and without a log nothing is answered.

use super::*;

#[tokio::test]
async fn every_request_has_a_line_without_its_query() {
    let bench = Bench::start(&["GET /a/**"]).await;
    bench.get("/a/x?secret=hunter2").await;
    bench.get("/b?secret=hunter2").await;
    bench.get("/a/..?secret=hunter2").await;
    bench.send("GET /a/x?secret=hunter2 HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    bench.upstream.answers("HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\n{}");
    bench.get("/a/y").await;
    let token = bench.token.clone();
    let log = bench.end().await;
    let lines: Vec<_> = log
        .iter()
        .map(|line| {
            (line.caller.as_deref(), line.path.as_str(), line.status, line.refusal.as_deref())
        })
        .collect();
    let ci = Some("ci");
    assert_eq!(
        lines,
        [
            (ci, "/a/x", 200, None),
            (ci, "/b", 403, Some("not_allowed")),
            (ci, "/a/..", 400, Some("bad_target")),
            (None, "/a/x", 421, Some("other_host")),
            (ci, "/a/y", 404, None),
        ]
    );
    let all = format!("{log:?}");
    assert!(!all.contains("hunter2") && !all.contains(&token[4..]), "{all}");
    assert!(log.iter().all(|line| line.at_ms == 10 && line.method == "GET"));
}

#[tokio::test]
async fn who_hangs_up_has_a_line_too() {
    let bench = Bench::start(&["GET /**"]).await;
    bench.upstream.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let text = format!("GET /x HTTP/1.1\r\n{}\r\n", bench.lines());
    stream.write_all(text.as_bytes()).await.unwrap();
    while bench.upstream.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let log = bench.end().await;
    assert_eq!((log[0].status, log[0].refusal.as_deref()), (499, Some("hung_up")));
    assert_eq!(log[0].caller.as_deref(), Some("ci"));
}

#[tokio::test]
async fn without_a_log_nothing_is_answered() {
    let bench = Bench::start(&["GET /**"]).await;
    assert_eq!(bench.get("/x").await.status, 200);
    let other = rusqlite(&bench);
    other("alter table broker_requests rename to elsewhere");
    // The first to go through fails to be written; then the rest are refused.
    let mut answer = bench.get("/x").await;
    while answer.status == 200 {
        answer = bench.get("/x").await;
    }
    assert_eq!((answer.status, answer.code()), (503, Some("log_failed")));
    let sent = bench.upstream.seen().len();
    assert_eq!(bench.get("/x").await.status, 503);
    assert_eq!(bench.upstream.seen().len(), sent, "nothing was sent");

    other("alter table elsewhere rename to broker_requests");
    while bench.get("/x").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sent = bench.upstream.seen().len();
    let log = bench.end().await;
    assert_eq!(log.len(), sent, "what was sent meanwhile is in the log");
}

/// Statements on a connection of its own.
fn rusqlite(bench: &Bench) -> impl Fn(&str) + use<> {
    let path = bench.home.path().join("store.sqlite");
    let connection = ::rusqlite::Connection::open(path).unwrap();
    move |sql| connection.execute_batch(sql).unwrap()
}
