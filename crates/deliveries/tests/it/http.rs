use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_deliveries::gate::Gate;
use countersign_deliveries::http::{Http, Reach};
use countersign_deliveries::wire::{Answer, Lost, Method, Request, Wire};
use url::Url;

use crate::door::{Door, Reply, answer};
use crate::gate::{gate, leading};

const LOOPBACK: &str = "127.0.0.0/8";

fn http(gate: Gate, door: &Door) -> Http {
    reach(Reach { ca_pem: Some(door.ca_pem.clone()), ..Reach::new(gate) })
}

fn reach(mut reach: Reach) -> Http {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reach.ca_pem = reach.ca_pem.filter(|pem| !pem.is_empty());
    Http::new(reach).unwrap()
}

fn post(url: &str) -> Request {
    let url = Url::parse(url).unwrap();
    Request::new(Method::Post, url).header("authorization", "hush").body(b"hush".to_vec())
}

async fn ask(http: &Http, url: &str) -> Result<Answer, Lost> {
    let asked = http.ask(post(url)).await;
    if let Err(Lost::NotSent(why) | Lost::Unsure(why) | Lost::Forbidden(why)) = &asked {
        assert!(!why.contains("hush") && !why.contains("://"), "{why}");
    }
    asked
}

fn ok(_: &str) -> Reply {
    answer("200 OK", b"taken")
}

#[tokio::test]
async fn what_is_forbidden_is_refused_before_a_byte_is_sent() {
    let door = Door::tls("127.0.0.1", ok).await;
    let port = door.address.port();
    let named = http(leading(gate(&[]), &["127.0.0.1", "::1"]), &door);
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost",
        "hook.example.com",
        "localhost.",
        "user:hush@1.1.1.1",
    ] {
        let refused = ask(&named, &format!("https://{host}:{port}/hush?hush")).await;
        assert!(matches!(refused, Err(Lost::Forbidden(_))), "{host}: {refused:?}");
    }
    // Plain HTTP goes nowhere but to this machine, and there only if it may.
    for (host, allow_http_loopback, networks) in [
        ("127.0.0.1", true, &[][..]),
        ("127.0.0.1", false, &[LOOPBACK]),
        ("localhost", false, &[LOOPBACK]),
        ("hook.example.com", true, &[LOOPBACK]),
        ("[::ffff:127.0.0.1]", true, &[LOOPBACK, "::/0"]),
    ] {
        let gate = leading(gate(networks), &["127.0.0.1"]);
        let http = reach(Reach { allow_http_loopback, ..Reach::new(gate) });
        let refused = ask(&http, &format!("http://{host}:{port}/hush")).await;
        assert!(matches!(refused, Err(Lost::Forbidden(_))), "{host}: {refused:?}");
    }
    assert_eq!(door.connections(), 0);
}

#[tokio::test]
async fn what_is_named_is_reached() {
    let door = Door::tls("127.0.0.1", ok).await;
    let port = door.address.port();
    let named = http(leading(gate(&[LOOPBACK]), &["10.0.0.1", "127.0.0.1"]), &door);
    for host in ["127.0.0.1", "hook.example.com", "localhost"] {
        let taken = ask(&named, &format!("https://{host}:{port}/a?b=c")).await.unwrap();
        assert_eq!((taken.status, &taken.body[..]), (200, &b"taken"[..]), "{host}");
    }
    let request = door.requests().remove(0).to_lowercase();
    assert!(request.starts_with("post /a?b=c http/1.1\r\n"), "{request}");
    let agent = format!("\r\nuser-agent: countersign/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(
        request.contains(&agent) && request.contains("\r\nauthorization: hush\r\n"),
        "{request}"
    );
    assert!(!request.contains("referer"), "{request}");

    let door = Door::plain(ok).await;
    let gate = leading(gate(&[LOOPBACK]), &["127.0.0.1"]);
    let plain = reach(Reach { allow_http_loopback: true, ..Reach::new(gate) });
    for host in ["127.0.0.1", "localhost"] {
        let taken = ask(&plain, &format!("http://{host}:{}/", door.address.port())).await;
        assert_eq!(taken.unwrap().status, 200);
    }
}

#[tokio::test]
async fn one_connection_takes_many_requests() {
    let door = Door::tls("127.0.0.1", ok).await;
    let http = http(gate(&[LOOPBACK]), &door);
    for _ in 0..5 {
        ask(&http, &format!("https://{}/", door.address)).await.unwrap();
    }
    assert_eq!((door.connections(), door.requests().len()), (1, 5));
}

/// A name that leads to a permitted address first and to a forbidden one from then on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_leads_elsewhere_the_next_time_leads_nowhere() {
    let forbidden = Door::tls("127.0.0.1", ok).await;
    let port = forbidden.address.port();
    let permitted = SocketAddr::from(([127, 0, 0, 2], port));
    let permitted =
        Door::tls_at(permitted, |_| answer("200 OK\r\nconnection: close", b"taken")).await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let gate = gate(&["127.0.0.2"]).with_lookup(Arc::new(move |_| {
        let last = if counted.fetch_add(1, Ordering::SeqCst) == 0 { 2 } else { 1 };
        Box::pin(async move { Ok(vec![[127, 0, 0, last].into()]) })
    }));
    let http = http(gate, &permitted);
    let url = format!("https://hook.example.com:{port}/");
    assert_eq!(ask(&http, &url).await.unwrap().status, 200);
    // What was checked is what was connected to.
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
    let refused = ask(&http, &url).await;
    assert!(matches!(refused, Err(Lost::Forbidden(_))), "{refused:?}");
    assert_eq!(lookups.load(Ordering::SeqCst), 2);
    assert_eq!((permitted.connections(), forbidden.connections()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let other = Door::tls("127.0.0.1", ok).await;
    let location = format!("302 Found\r\nlocation: https://{}/", other.address);
    let door = Door::tls("127.0.0.1", move |_| answer(&location, b"")).await;
    let http = http(gate(&[LOOPBACK]), &door);
    let moved = ask(&http, &format!("https://{}/", door.address)).await.unwrap();
    assert_eq!(moved.status, 302);
    assert!(moved.header("location").is_some());
    assert_eq!((door.requests().len(), other.connections()), (1, 0));
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_forbidden() {
    let (door, other) = (Door::tls("127.0.0.1", ok).await, Door::tls("127.0.0.1", ok).await);
    let stranger = http(gate(&[LOOPBACK]), &other);
    let refused = ask(&stranger, &format!("https://{}/hush", door.address)).await;
    let is_told = |why: &str| why.contains("certificate is not trusted");
    assert!(matches!(&refused, Err(Lost::Forbidden(why)) if is_told(why)), "{refused:?}");
    // Of another name.
    let gate = leading(gate(&[LOOPBACK]), &["127.0.0.1"]);
    let url = format!("https://other.example.com:{}/hush", door.address.port());
    let refused = ask(&http(gate, &door), &url).await;
    assert!(matches!(&refused, Err(Lost::Forbidden(why)) if is_told(why)), "{refused:?}");
    assert_eq!(door.requests().len(), 0);
}

#[tokio::test]
async fn nothing_left_without_a_connection() {
    let door = Door::tls("127.0.0.1", ok).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let http_of = |gate| http(gate, &door);
    let lost = ask(&http_of(gate(&[LOOPBACK])), &format!("https://{address}/hush")).await;
    assert!(matches!(lost, Err(Lost::NotSent(_))), "{lost:?}");
    let unknown = gate(&[])
        .with_lookup(Arc::new(|_| Box::pin(async { Err(std::io::Error::other("no such name")) })));
    let lost = ask(&http_of(unknown), "https://hook.example.com/hush").await;
    let is_told = |why: &str| why.contains("`hook.example.com`") && why.contains("no such name");
    assert!(matches!(&lost, Err(Lost::NotSent(why)) if is_told(why)), "{lost:?}");
    // It closes during the handshake.
    let shy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = shy.local_addr().unwrap();
    tokio::spawn(async move { while shy.accept().await.is_ok() {} });
    let lost = ask(&http_of(gate(&[LOOPBACK])), &format!("https://{address}/hush")).await;
    assert!(matches!(lost, Err(Lost::NotSent(_))), "{lost:?}");
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_unsure() {
    let door = Door::tls("127.0.0.1", |request| {
        if request.contains("/silence") { Reply::Silence } else { Reply::Close }
    })
    .await;
    let http = http(gate(&[LOOPBACK]), &door);
    let lost = ask(&http, &format!("https://{}/hush", door.address)).await;
    assert!(matches!(lost, Err(Lost::Unsure(_))), "{lost:?}");
    // It is not sent again.
    assert_eq!(door.requests().len(), 1);
    let mut request = post(&format!("https://{}/silence", door.address));
    request.patience = Duration::from_millis(200);
    let lost = http.ask(request).await;
    assert!(matches!(lost, Err(Lost::Unsure(_))), "{lost:?}");
}

#[tokio::test]
async fn a_long_answer_is_cut_and_no_failure() {
    let head = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let door = Door::tls("127.0.0.1", move |_| {
        Reply::Endless(head.clone(), b"10\r\n0123456789abcdef\r\n".to_vec())
    })
    .await;
    let mut request = post(&format!("https://{}/", door.address));
    request.answer_bytes = 1001;
    let taken = http(gate(&[LOOPBACK]), &door).ask(request).await.unwrap();
    assert_eq!((taken.status, taken.body.len()), (201, 1001));
    assert!(taken.body.starts_with(b"0123456789abcdef0"));

    // One that breaks off has its status all the same.
    let door = Door::tls("127.0.0.1", |_| {
        Reply::Bytes(b"HTTP/1.1 201 Created\r\ncontent-length: 7\r\n\r\nhal".to_vec())
    })
    .await;
    let mut request = post(&format!("https://{}/", door.address));
    request.patience = Duration::from_millis(500);
    let taken = http(gate(&[LOOPBACK]), &door).ask(request).await.unwrap();
    assert_eq!((taken.status, &taken.body[..]), (201, &b"hal"[..]));
}

/// Nothing but blanks, 158 times as long as it is, without an end.
fn bomb() -> (Vec<u8>, Vec<u8>) {
    let mut bits = vec![0, 1, 0];
    // A zero, and then 258 times what was before, as the fixed codes of deflate write it.
    bits.extend([0, 0, 1, 1, 0, 0, 0, 0]);
    while bits.len() % 8 != 0 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    let again = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0].repeat(8 * 100);
    let bytes = |bits: &[u8]| {
        let byte = |bits: &[u8]| bits.iter().enumerate().map(|(at, bit)| bit << at).sum();
        bits.chunks(8).map(byte).collect::<Vec<u8>>()
    };
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    ([&head[..], &bytes(&bits)].concat(), bytes(&again))
}

#[tokio::test]
async fn what_unpacks_without_end_is_cut() {
    let (first, again) = bomb();
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
    let first = [head.as_bytes(), &first].concat();
    let door = Door::tls("127.0.0.1", move |_| Reply::Endless(first.clone(), again.clone())).await;
    let mut request = post(&format!("https://{}/", door.address));
    request.answer_bytes = 100_000;
    let taken = http(gate(&[LOOPBACK]), &door).ask(request).await.unwrap();
    assert_eq!((taken.status, taken.body.len()), (200, 100_000));
    assert!(taken.body.iter().all(|byte| *byte == 0));
    assert!(door.requests()[0].to_lowercase().contains("accept-encoding: gzip"));
}

#[tokio::test]
async fn a_header_that_is_too_long_is_left_out() {
    let long = "x".repeat(9_000);
    let head = format!("200 OK\r\nx-long: {long}\r\nx-short: y\r\nX-Bytes: \u{fc}");
    let door = Door::tls("127.0.0.1", move |_| answer(&head, b"")).await;
    let taken = ask(&http(gate(&[LOOPBACK]), &door), &format!("https://{}/", door.address)).await;
    let taken = taken.unwrap();
    assert_eq!((taken.header("x-long"), taken.header("x-short")), (None, Some("y")));
    assert_eq!(taken.header("x-bytes"), None);
    let unfit = post("https://1.1.1.1/").header("x-token", "hu\nsh");
    let unfit = http(gate(&[]), &door).ask(unfit).await;
    assert_eq!(unfit, Err(Lost::Forbidden("HTTP cannot carry the header `x-token`".into())));
}

#[tokio::test]
async fn a_proxy_is_told_nothing_that_is_forbidden() {
    let proxy = Door::plain(|_| answer("502 Bad Gateway", b"")).await;
    let url = Url::parse(&format!("http://user:hush@{}/", proxy.address)).unwrap();
    let through = |gate: Gate, proxy_resolves| {
        reach(Reach { proxy: Some(url.clone()), proxy_resolves, ..Reach::new(gate) })
    };
    let mixed = leading(gate(&[]), &["1.1.1.1", "10.0.0.1"]);
    for (gate, proxy_resolves, host) in [
        // The proxy might take the other one.
        (mixed.clone(), false, "hook.example.com"),
        (leading(gate(&[]), &["127.0.0.1"]), false, "hook.example.com"),
        (mixed.clone(), true, "10.0.0.1"),
        (mixed.clone(), true, "[::ffff:10.0.0.1]"),
    ] {
        let refused = ask(&through(gate, proxy_resolves), &format!("https://{host}/hush")).await;
        assert!(matches!(refused, Err(Lost::Forbidden(_))), "{host}: {refused:?}");
    }
    assert_eq!(proxy.connections(), 0);
    let public = leading(gate(&[]), &["1.1.1.1"]);
    for (gate, proxy_resolves) in [(public, false), (mixed, true)] {
        let lost = ask(&through(gate, proxy_resolves), "https://hook.example.com/hush").await;
        assert!(matches!(lost, Err(Lost::NotSent(_))), "{lost:?}");
    }
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("CONNECT hook.example.com:443 HTTP/1.1\r\n"), "{requests:?}");
}

#[test]
fn what_no_way_can_be_made_with() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let told = |reach: Reach| Http::new(reach).err().unwrap();
    let ca_pem = Some(b"-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----\n".to_vec());
    let why = told(Reach { ca_pem, ..Reach::new(gate(&[])) });
    assert!(why.contains("CA file") && !why.contains("hush"), "{why}");
    let proxy = Some(Url::parse("socks5://hush@127.0.0.1/").unwrap());
    let why = told(Reach { proxy, ..Reach::new(gate(&[])) });
    assert!(why.contains("proxy") && !why.contains("hush"), "{why}");
}
