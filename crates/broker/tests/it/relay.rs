//! What goes through, and what of it stays behind.

use countersign_signing::{Authorization, Request as Signed, SigningKey};

use super::*;

#[tokio::test]
async fn the_request_is_signed_and_the_token_stays_here() {
    let bench = Bench::start(&["PUT /a/*"]).await;
    let lines = bench.lines();
    let more = "accept: text/html\r\ncontent-type: text/plain\r\ncookie: a=b\r\nx-other: c\r\n\
                x-http-method-override: DELETE\r\nforwarded: for=x\r\naccept-encoding: br\r\n\
                connection: x-kept\r\nte: trailers\r\nuser-agent: curl/8\r\ncontent-length: 4\r\n";
    let answer = bench.send(&format!("PUT /a/%20?q=1 HTTP/1.1\r\n{lines}{more}\r\nbody")).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.code()), (200, "{}", None));
    let seen = &bench.upstream.seen()[0];
    assert_eq!((seen.method(), seen.target()), ("PUT", "/a/%20?q=1"));
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.header("accept"), Some("text/html"));
    assert_eq!(seen.header("content-type"), Some("text/plain"));
    let agent = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), Some(agent));
    for name in ["cookie", "x-other", "x-http-method-override", "forwarded", "te", "expect"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(!seen.head.contains(&bench.token[4..]), "{}", seen.head);
    let header = Authorization::parse(seen.header("authorization").unwrap()).unwrap();
    let key = SigningKey::new(&ApiSecret::from_bytes(vec![SECRET_BYTE; 64]));
    assert!(key.verify(&header, [Signed::new("PUT", "127.0.0.1", "/a/%20?q=1")]).is_ok());

    let basic = data_encoding::BASE64.encode(format!("any:{}", bench.token).as_bytes());
    let by_basic = format!(
        "PUT /a/b HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {basic}\r\n\r\n",
        bench.address()
    );
    assert_eq!(bench.send(&by_basic).await.status, 200);
    assert!(!bench.upstream.seen()[1].head.contains(&basic));
}

#[tokio::test]
async fn of_the_answer_everything_but_what_is_of_one_connection() {
    let bench = Bench::start(&["GET /**"]).await;
    bench.upstream.answers(
        "HTTP/1.1 418 I am\r\nset-cookie: a=b\r\nset-cookie2: c\r\nconnection: x-gone\r\nx-gone: 1\r\n\
         keep-alive: timeout=5\r\naccess-control-allow-origin: *\r\nx-countersign-error: forged\r\n\
         strict-transport-security: max-age=1\r\nx-conversation-id: 7\r\nlocation: https://other/\r\n\
         content-type: text/plain\r\ncontent-length: 2\r\n\r\n{}",
    );
    let answer = bench.get("/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (418, "{}"));
    for name in [
        "set-cookie",
        "set-cookie2",
        "x-gone",
        "keep-alive",
        "access-control-allow-origin",
        "x-countersign-error",
        "strict-transport-security",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-conversation-id"), Some("7"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("location"), Some("https://other/"));

    bench.upstream.answers("HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(bench.get("/x").await.status, 302, "not followed");
    bench.upstream.answers("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(bench.get("/x").await.status, 204);
    bench.upstream.answers("HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}");
    let refused = bench.get("/x").await;
    assert_eq!((refused.status, refused.code()), (401, None), "the service's own");
    assert_eq!(bench.upstream.seen().len(), 4, "nothing is tried again");
}

#[tokio::test]
async fn one_connection_serves_many_requests_with_and_without_bodies() {
    let bench = Bench::start(&["GET /a/**", "POST /a/**"]).await;
    let lines = bench.lines();
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let chunked = format!(
        "POST /a/c HTTP/1.1\r\n{lines}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    let refused = format!("POST /b HTTP/1.1\r\n{lines}content-length: 5\r\n\r\nxxxxx");
    let sized = format!("POST /a/s HTTP/1.1\r\n{lines}content-length: 1\r\n\r\n#");
    for _ in 0..3 {
        for (text, status) in [
            (format!("GET /a/x HTTP/1.1\r\n{lines}\r\n"), 200),
            (chunked.clone(), 200),
            (refused.clone(), 403),
            (format!("GET /a/x#y HTTP/1.1\r\n{lines}\r\n"), 400),
            (sized.clone(), 200),
        ] {
            stream.write_all(text.as_bytes()).await.unwrap();
            let answer = told(&mut stream).await;
            assert_eq!((answer.status, answer.header("connection")), (status, None), "{text}");
        }
    }
    let bodies: Vec<_> = bench.upstream.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies[..3], [b"".to_vec(), b"abc".to_vec(), b"#".to_vec()]);
    assert_eq!(bodies.len(), 9);
}

#[tokio::test]
async fn a_body_that_waits_to_be_asked_for() {
    let bench = Bench::start(&["POST /a"]).await;
    let lines = format!("{}expect: 100-continue\r\ncontent-length: 2\r\n", bench.lines());
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    stream.write_all(format!("POST /b HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let refused = told(&mut stream).await;
    assert_eq!((refused.status, refused.header("connection")), (403, Some("close")));

    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    stream.write_all(format!("POST /a HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    assert_eq!(told(&mut stream).await.status, 100);
    stream.write_all(b"ok").await.unwrap();
    assert_eq!(told(&mut stream).await.status, 200);
    assert_eq!(bench.upstream.seen()[0].body, b"ok");
}

#[tokio::test]
async fn a_service_that_fails_is_told_with_its_cause() {
    let slow = Bench::start_with(
        &["GET /**"],
        |_| {},
        |client| client.request_timeout = Duration::from_millis(50),
    )
    .await;
    slow.upstream.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let answer = slow.get("/x?y=1").await;
    assert_eq!((answer.status, answer.code()), (504, Some("upstream_timeout")), "{}", answer.body);

    let bench = Bench::start(&["GET /**"]).await;
    bench.upstream.answers("no HTTP at all\r\n\r\n");
    let answer = bench.get("/x").await;
    assert_eq!((answer.status, answer.code()), (502, Some("upstream_failed")), "{}", answer.body);
    assert!(!answer.body.contains("VERACODE-HMAC") && !answer.body.contains("5e5e"));

    let gone = Bench::start_with(
        &["GET /**"],
        |config| config.client = client("http://127.0.0.1:1", |_| {}),
        |_| {},
    )
    .await;
    let answer = gone.get("/x").await;
    assert_eq!((answer.status, answer.code()), (502, Some("upstream_failed")));
    assert!(answer.body.contains("no connection"), "{}", answer.body);
    assert_eq!(gone.end().await[0].refusal.as_deref(), Some("upstream_failed"));

    // Half an answer is never a whole one.
    bench.upstream.answers("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let text = format!("GET /x HTTP/1.1\r\n{}\r\n", bench.lines());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("content-length: 10") && all.ends_with("half"), "{all}");
    let last = bench.end().await.pop().unwrap();
    assert_eq!((last.status, last.refusal.as_deref()), (200, Some("broken_off")));
}
