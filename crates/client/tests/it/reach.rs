//! Services and proxies that do not answer, or do not let through.

use std::sync::atomic::{AtomicU32, Ordering};

use countersign_client::{Blame, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Counts connections, and answers each with these bytes; with none it says nothing.
async fn listener(answer: &'static [u8]) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut caller, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            if !answer.is_empty() {
                let _ = caller.read(&mut [0; 4096]).await;
                let _ = caller.write_all(answer).await;
            }
            kept.push(caller);
        }
    });
    (address, count)
}

fn client(url: &str, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config::new(Url::parse(url).expect("a URL"));
    config.allow_http_loopback = true;
    config.max_attempts = 3;
    config.connect_timeout = Duration::from_millis(200);
    change(&mut config);
    Client::new(config, &pair(), clock(), random()).expect("a client")
}

#[tokio::test]
async fn a_service_that_never_answered_is_not_asked_again() {
    let (address, count) = listener(b"").await;
    let url = format!("https://{address}");
    let error =
        client(&url, |config| config.is_prompt = true).get("/x").await.expect_err("silence");
    assert_eq!((error.tries(), count.load(Ordering::SeqCst)), (1, 1));
    assert!(error.is_timeout() && error.is_network() && !error.may_have_been_done());
    let unreached = error.unreached().expect("no connection");
    assert_eq!(unreached.blame(), Blame::Service);
    assert_eq!(unreached.cause(), format!("nobody answers at {url}: no connection within 0.2 s"));
    assert!(error.to_string().contains("hint: start the platform again"), "{error}");
    let error = client(&url, |_| {}).get("/x").await.expect_err("silence");
    assert_eq!((error.tries(), count.load(Ordering::SeqCst)), (3, 4), "nobody waits in front");
}

#[tokio::test]
async fn a_service_that_has_answered_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let client = client(&url, |config| config.is_prompt = true);
    let once = tokio::spawn(async move {
        let (mut caller, _) = listener.accept().await.expect("a caller");
        let _ = caller.read(&mut [0; 4096]).await;
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        caller.write_all(answer).await.expect("an answer");
    });
    client.get("/x").await.expect("the one answer");
    once.await.expect("it ends");
    let error = client.get("/x").await.expect_err("nobody listens");
    assert_eq!(error.tries(), 3, "{error}");
    assert!(error.to_string().contains("nothing listens on port"), "{error}");
    assert!(!error.to_string().contains("os error"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_wants_a_sign_in_is_asked_once_and_told_what_it_offers() {
    for (answer, user, cause, fix) in [
        (
            &b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n"[..],
            "",
            "wants a user and a password; it offers NTLM, Negotiate",
            "such as cntlm or px",
        ),
        (
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "",
            "wants a user and a password; it offers Basic",
            "put them into HTTPS_PROXY, like http://USER:PASSWORD@127.0.0.1:",
        ),
        (
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "me:hush@",
            "refuses the user and the password; it offers Basic",
            "correct the user and the password in HTTPS_PROXY",
        ),
        (b"HTTP/1.1 407 No\r\n\r\n", "", "wants a user and a password", "put them into HTTPS_PROXY"),
    ] {
        let (address, count) = listener(answer).await;
        let proxy = Proxy::parse(&format!("http://{user}{address}"), "HTTPS_PROXY");
        let proxy = Some(proxy.expect("a proxy"));
        let client = client("https://api.veracode.com", |config| config.proxy = proxy);
        let error = client.get("/x").await.expect_err("a sign-in");
        // One try, and one look at what is offered.
        assert_eq!((error.tries(), count.load(Ordering::SeqCst)), (1, 2), "{error}");
        let unreached = error.unreached().expect("no connection");
        assert_eq!(unreached.blame(), Blame::ProxyRefuses);
        assert!(unreached.cause().contains(cause), "{}", unreached.cause());
        assert!(unreached.fix().contains(fix), "{}", unreached.fix());
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn what_goes_past_a_proxy_does_not_meet_it() {
    let service = Service::start(|_, _| "{}".into_response()).await;
    let (address, count) =
        listener(b"HTTP/1.1 502 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = Proxy::parse(&address, "`client.proxy` in config.toml").expect("a proxy");
    let direct = service.client_with(|config| {
        config.proxy = Some(proxy.clone());
        config.is_direct = true;
    });
    direct.get("/x").await.expect("an answer");
    assert_eq!(count.load(Ordering::SeqCst), 0);
    let through = service.client_with(|config| config.proxy = Some(proxy));
    through.get("/x").await.expect_err("a proxy that answers 502");
    assert!(count.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn what_listens_without_tls_is_told_apart() {
    let (address, _) = listener(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let url = format!("https://{address}");
    let error = client(&url, |config| config.is_prompt = true).get("/x").await.expect_err("no TLS");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

/// A clock that is off is told in words.
#[tokio::test]
async fn a_clock_is_told_in_words() {
    for (date, words) in [
        ("Mon, 22 Jun 2026 20:26:40 GMT", "this machine's clock is 25 days behind the service's"),
        ("Thu, 28 May 2026 18:26:40 GMT", "this machine's clock is 2 hours ahead of the service's"),
    ] {
        let service = Service::start(move |_, _| {
            (StatusCode::UNAUTHORIZED, [("date", date)]).into_response()
        })
        .await;
        let told = service.client().get("/x").await.expect_err("401").to_string();
        assert!(told.contains(words) && told.contains("`timedatectl set-ntp true`"), "{told}");
    }
}
