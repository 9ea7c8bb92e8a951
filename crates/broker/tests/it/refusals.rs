//! What is refused, and that nothing of it reaches the service.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use super::*;

/// One thing at a time is wrong.
#[tokio::test]
async fn without_a_live_token_nothing_is_sent_and_all_are_answered_alike() {
    let bench = Bench::start_with(&["GET /appsec/**"], |_| {}, |_| {}).await;
    let host = format!("host: {}\r\n", bench.address());
    let token = &bench.token;
    let ask = |line: String| format!("GET /appsec/v1/applications HTTP/1.1\r\n{host}{line}\r\n");
    let bearer = format!("authorization: Bearer {token}\r\n");
    let short = &token[..token.len() - 1];
    let lapsed = add_caller(&bench.store, "lapsed", &["GET /appsec/**"], Some(10)).await;
    let revoked = add_caller(&bench.store, "revoked", &["GET /appsec/**"], None).await;
    bench.store.revoke_caller("revoked", 5).await.unwrap();
    let mut answers = Vec::new();
    for line in [
        String::new(),
        "authorization: Bearer \r\n".into(),
        format!("authorization: Bearer {short}\r\n"),
        format!("authorization: Bearer {token}x\r\n"),
        format!("authorization: {token}\r\n"),
        format!("authorization: Basic {token}\r\n"),
        format!("authorization: Bearer {lapsed}\r\n"),
        format!("authorization: Bearer {revoked}\r\n"),
        format!("{bearer}{bearer}"),
        format!("proxy-authorization: Bearer {token}\r\n"),
    ] {
        let answer = bench.send(&ask(line.clone())).await;
        assert_eq!((answer.status, answer.code()), (401, Some("unauthenticated")), "{line}");
        answers.push((answer.body.clone(), answer.header("www-authenticate").map(String::from)));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    bench.now_ms.store(1_000, Ordering::SeqCst);
    assert_eq!(bench.send(&ask(bearer.clone())).await.status, 401, "expired meanwhile");
    bench.now_ms.store(999, Ordering::SeqCst);
    assert_eq!(bench.upstream.seen().len(), 0);
    assert_eq!(bench.send(&ask(bearer.clone())).await.status, 200);
    bench.store.revoke_caller("ci", 5).await.unwrap();
    assert_eq!(bench.send(&ask(bearer)).await.status, 401, "revoked meanwhile");
    assert_eq!(bench.upstream.seen().len(), 1);
    let log = bench.end().await;
    assert_eq!(log.len(), 13);
    assert!(log.iter().all(|line| line.caller.is_some() == (line.status == 200)));
}

#[tokio::test]
async fn what_no_rule_names_is_not_sent() {
    let bench = Bench::start_with(
        &["GET /appsec/**", "POST /appsec/v1/*/x", "POST /api/**", "DELETE /api/**"],
        |config| {
            config.ceiling = rules(&["GET /appsec/v1/**", "POST /**", "DELETE /api/**"]);
        },
        |_| {},
    )
    .await;
    let api = "/api/authn/v2";
    for (method, path, code) in [
        ("GET", "/api/authn/v2/users/self", "not_allowed"),
        ("GET", "/appsec", "not_allowed"),
        ("GET", "/appsec/v2/x", "not_allowed"),
        ("GET", "/", "not_allowed"),
        ("POST", "/appsec/v1/a/x/", "not_allowed"),
        ("PUT", "/appsec/v1/a/x", "not_allowed"),
        ("OPTIONS", "/appsec/v1/a", "not_allowed"),
        ("TRACE", "/appsec/v1/a", "not_allowed"),
        ("PURGE", "/appsec/v1/a", "not_allowed"),
        ("POST", &format!("{api}/api_credentials"), "guarded"),
        ("POST", &format!("{api}/API_CREDENTIALS/user_id/x"), "guarded"),
        ("DELETE", &format!("{api}/api_credentials/x"), "guarded"),
        ("POST", &format!("{api}/oauth_clients"), "guarded"),
        ("POST", &format!("{api}/oauth2/token"), "guarded"),
        ("POST", &format!("{api}/users?generate_api_creds=true"), "guarded"),
        ("POST", &format!("{api}/users?generate%5Fapi_creds=true"), "guarded"),
        ("POST", &format!("{api}/users/?generate_api_creds=true"), "guarded"),
    ] {
        let lines = bench.lines();
        let answer = bench.send(&format!("{method} {path} HTTP/1.1\r\n{lines}\r\n")).await;
        assert_eq!((answer.status, answer.code()), (403, Some(code)), "{method} {path}");
    }
    assert_eq!(bench.upstream.seen().len(), 0);
    for target in ["GET /appsec/v1/x", "HEAD /appsec/v1/x", "POST /appsec/v1/a/x", "POST /api/x"] {
        // Without a body, whatever the length of the one that it would have.
        let mut stream = TcpStream::connect(bench.address()).await.unwrap();
        let text = format!("{target} HTTP/1.1\r\nconnection: close\r\n{}\r\n", bench.lines());
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert!(all.starts_with("HTTP/1.1 200") && all.contains("content-length: 2"), "{all}");
        assert_eq!(all.ends_with("{}"), !target.starts_with("HEAD"), "{target}");
    }
    let sent: Vec<_> = bench
        .upstream
        .seen()
        .iter()
        .map(|seen| format!("{} {}", seen.method(), seen.target()))
        .collect();
    assert_eq!(
        sent,
        ["GET /appsec/v1/x", "HEAD /appsec/v1/x", "POST /appsec/v1/a/x", "POST /api/x"]
    );
}

#[tokio::test]
async fn a_rule_without_a_wildcard_opens_what_is_guarded() {
    let bench = Bench::start(&["POST /api/authn/v2/api_credentials"]).await;
    let ask = |path: &str| format!("POST {path} HTTP/1.1\r\n{}\r\n", bench.lines());
    let path = "/api/authn/v2/api_credentials";
    assert_eq!(bench.send(&ask(path)).await.status, 200);
    assert_eq!(bench.send(&ask(&format!("{path}/x"))).await.status, 403);
}

#[tokio::test]
async fn only_the_callers_that_are_let_in() {
    let bench =
        Bench::start_with(&["GET /**"], |config| config.only = vec!["nightly".into()], |_| {})
            .await;
    assert_eq!(bench.get("/x").await.status, 401);
    let nightly = add_caller(&bench.store, "nightly", &["GET /**"], None).await;
    let host = bench.address();
    let ask = format!("GET /x HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {nightly}\r\n\r\n");
    assert_eq!(bench.send(&ask).await.status, 200);
}

/// What a page in a browser can be made to send.
#[tokio::test]
async fn other_hosts_and_origins_are_refused() {
    let bench = Bench::start(&["GET /**", "OPTIONS /**"]).await;
    let (address, port) = (bench.address(), bench.address().port());
    let bearer = format!("authorization: Bearer {}\r\n", bench.token);
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "127.0.0.1:1",
        &format!("127.0.0.1.evil.example:{port}"),
        &format!("[::1]:{port}"),
        &format!("127.0.0.2:{port}"),
        &format!("127.0.0.1:{port}@evil.example"),
        "",
    ] {
        let answer = bench.send(&format!("GET /x HTTP/1.1\r\nhost: {host}\r\n{bearer}\r\n")).await;
        assert_eq!((answer.status, answer.code()), (421, Some("other_host")), "{host}");
    }
    let without = bench.send(&format!("GET /x HTTP/1.1\r\n{bearer}\r\n")).await;
    assert_eq!(without.status, 400);
    let twice = format!("host: {address}\r\nhost: {address}\r\n");
    assert_eq!(bench.send(&format!("GET /x HTTP/1.1\r\n{twice}{bearer}\r\n")).await.status, 400);

    for line in [
        "origin: https://evil.example".to_owned(),
        "origin: null".into(),
        format!("origin: https://{address}"),
        format!("origin: http://{address}.evil.example"),
        format!("origin: http://{address}\r\norigin: https://evil.example"),
        "sec-fetch-site: cross-site".into(),
        "sec-fetch-site: same-site".into(),
    ] {
        for method in ["GET", "OPTIONS"] {
            let lines = format!("{}{line}\r\n", bench.lines());
            let answer = bench.send(&format!("{method} /x HTTP/1.1\r\n{lines}\r\n")).await;
            assert_eq!((answer.status, answer.code()), (403, Some("other_origin")), "{line}");
            assert!(!answer.head.contains("access-control"), "{}", answer.head);
        }
    }
    assert_eq!(bench.upstream.seen().len(), 0);
    for lines in [
        bench.lines(),
        format!("host: LOCALHOST:{port}\r\n{bearer}"),
        format!("{}origin: http://{address}\r\nsec-fetch-site: same-origin\r\n", bench.lines()),
    ] {
        let answer = bench.send(&format!("GET /x HTTP/1.1\r\n{lines}\r\n")).await;
        assert_eq!(answer.status, 200, "{lines}");
    }
}

#[tokio::test]
async fn targets_with_two_readings_are_refused() {
    let bench = Bench::start(&["GET /**", "OPTIONS /**"]).await;
    let address = bench.address();
    let lines = bench.lines();
    for target in [
        "/appsec/../api/authn/v2/users",
        "/appsec/./x",
        "/appsec/..",
        "/appsec/%2e%2e/api",
        "/appsec/%2E./api",
        "/appsec%2fapi",
        "/appsec%5cx",
        "/appsec\\x",
        "/appsec/%00",
        "/appsec/%0d%0ax",
        "/appsec//x",
        "//evil.example/x",
        "/appsec/x#y",
        "/appsec/x?y#z",
        "/appsec/x;y",
        "/appsec/%61pi",
        "/appsec/%252e%252e/api",
        "/appsec/%zz",
        "/appsec/x?y=%0",
        "/appsec/x?y=\\",
        "/appsec/\u{e4}",
        "*",
        &format!("http://{address}/appsec/../x"),
    ] {
        let answer = bench.send(&format!("GET {target} HTTP/1.1\r\n{lines}\r\n")).await;
        // What is no target at all is refused by the HTTP library, without a code.
        let own = answer.code().unwrap_or("bad_target");
        assert_eq!((answer.status, own), (400, "bad_target"), "{target}: {}", answer.body);
    }
    let connect = bench.send(&format!("CONNECT {address} HTTP/1.1\r\n{lines}\r\n")).await;
    assert_eq!((connect.status, connect.code()), (400, Some("bad_target")));
    let star = bench.send(&format!("OPTIONS * HTTP/1.1\r\n{lines}\r\n")).await;
    assert_eq!(star.status, 400);
    let long = "a".repeat(9_000);
    let long = bench.send(&format!("GET /{long} HTTP/1.1\r\n{lines}\r\n")).await;
    assert_eq!((long.status, long.code()), (414, Some("target_too_long")));
    for target in [
        "http://evil.example/appsec/x".to_owned(),
        format!("https://{address}/appsec/x"),
        format!("http://user@{address}/appsec/x"),
    ] {
        let answer = bench.send(&format!("GET {target} HTTP/1.1\r\n{lines}\r\n")).await;
        assert_eq!((answer.status, answer.code()), (421, Some("other_host")), "{target}");
    }
    assert_eq!(bench.upstream.seen().len(), 0);
    assert_eq!(bench.get(&format!("http://{address}/appsec/x?y=1")).await.status, 200);
    assert_eq!(bench.upstream.seen()[0].target(), "/appsec/x?y=1");
}

#[tokio::test]
async fn messages_with_two_readings_are_refused() {
    let bench = Bench::start(&["POST /**"]).await;
    let lines = bench.lines();
    for more in [
        "content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "content-length: 2, 2\r\n\r\n{}",
        "content-length: +2\r\n\r\n{}",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n",
        "content-length : 2\r\n\r\n{}",
        "x: a\r\n b\r\n\r\n",
    ] {
        let answer = bench.send(&format!("POST /x HTTP/1.1\r\n{lines}{more}")).await;
        assert_eq!(answer.status, 400, "{more}");
    }
    let expecting = bench.send(&format!("POST /x HTTP/1.1\r\n{lines}expect: gold\r\n\r\n")).await;
    assert_eq!((expecting.status, expecting.code()), (417, Some("expectation")));
    assert_eq!(bench.upstream.seen().len(), 0);

    // The second is sent before the first is answered.
    let one = format!("POST /x HTTP/1.1\r\n{lines}\r\n");
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    stream.write_all(format!("{one}{one}").as_bytes()).await.unwrap();
    let mut both = String::new();
    stream.read_to_string(&mut both).await.unwrap();
    assert!(both.starts_with("HTTP/1.1 200 OK"), "{both}");
    assert!(both.contains("HTTP/1.1 400") && both.contains("connection: close"), "{both}");
    assert_eq!(bench.upstream.seen().len(), 1);
}

fn any_path() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "/", "/a", "a", "v1", "~", "*", "%20", "%C3%A4", "@", ":", "?", "'", "+",
    ]);
    let tricky = prop::sample::select(vec![
        "//",
        "/..",
        "/.",
        "..",
        ".",
        "%2e",
        "%2F",
        "%5c",
        "\\",
        "%00",
        "%252e",
        ";x",
        "%3b",
        "%61",
        "#",
        "/API_credentials",
        "|",
        "\"",
        "<",
        "{",
        "^",
        "\t",
        "\u{e4}",
        "%",
    ]);
    let begin = prop::sample::select(vec!["/appsec/v1/", "/appsec/api/", "/appsec/", "/"]);
    let piece = prop_oneof![6 => plain, 1 => tricky];
    (begin, prop::collection::vec(piece, 0..7))
        .prop_map(|(begin, pieces)| format!("{begin}{}", pieces.concat()))
}

/// Whatever reaches the service was named by a rule as it stands there, and is what
/// was sent, but for the two escapes of the query.
#[test]
fn what_is_forwarded_is_what_a_rule_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::start(&[
        "GET /appsec/*/a",
        "GET /appsec/v1/**",
        "GET /appsec/api/**",
    ]));
    let cases = Cases { cases: 1000, failure_persistence: None, ..Cases::default() };
    let forwarded = std::cell::Cell::new(0);
    TestRunner::new(cases)
        .run(&any_path(), |path| {
            let before = bench.upstream.seen().len();
            let answer = runtime.block_on(bench.get(&path));
            let seen = bench.upstream.seen();
            if seen.len() == before {
                prop_assert!(matches!(answer.status, 400 | 403), "{path}: {}", answer.status);
                return Ok(());
            }
            forwarded.set(forwarded.get() + 1);
            let sent = seen.last().unwrap().target();
            let expected = match path.split_once('?') {
                Some((path, query)) => {
                    format!("{path}?{}", query.replace('+', "%20").replace('\'', "%27"))
                }
                None => path.clone(),
            };
            prop_assert_eq!(sent, expected);
            let path = sent.split('?').next().unwrap();
            let segments: Vec<_> = path.split('/').skip(1).collect();
            let is_first = segments.len() == 3 && segments[2] == "a" && !segments[1].is_empty();
            let is_below = ["/appsec/v1/", "/appsec/api/"]
                .iter()
                .any(|prefix| path.len() > prefix.len() && path.starts_with(prefix));
            prop_assert!(is_first || is_below, "{path}");
            prop_assert!(!segments.iter().any(|s| matches!(*s, "." | "..")), "{path}");
            prop_assert!(!path.to_lowercase().contains("api_credentials"), "{path}");
            Ok(())
        })
        .unwrap();
    assert!(forwarded.get() > 100, "{} were forwarded: the rest proves little", forwarded.get());
}
