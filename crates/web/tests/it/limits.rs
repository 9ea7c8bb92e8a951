//! Every state of a connection ends by itself, and nothing that the server works on does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::silence::Silence;
use super::*;

async fn all_end(served: &Served) {
    let kept = Silence::ALL
        .into_iter()
        .filter(|silence| served.door.trusts.is_some() || silence.is_plain());
    let kept = kept.map(|silence| silence.keep(&served.door, 20 * MS));
    for ended in futures::future::join_all(kept).await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn every_silence_ends_without_tls() {
    let served = Served::plain(short()).await;
    all_end(&served).await;
    assert_eq!(served.door.ask().await.unwrap(), 200);
}

#[tokio::test]
async fn every_silence_ends_over_tls() {
    let served = Served::tls(short()).await;
    all_end(&served).await;
    assert_eq!(served.door.ask().await.unwrap(), 200);
}

/// Sends these bytes and reads everything that comes.
async fn answered(door: &Door, text: &str) -> String {
    let mut stream = door.connect(false).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn whoever_sends_no_body_is_told() {
    let served = Served::tls(short()).await;
    let head = "POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n";
    let answer = answered(&served.door, &format!("{head}1234")).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("TooSlow"), "{answer}");
    let answer = answered(&served.door, &format!("{head}12345")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('5'), "{answer}");
}

/// A minute of work is no silence, and neither is an answer that has nothing to give.
#[tokio::test]
async fn our_own_work_is_not_cut_off() {
    let served = Served::plain(short()).await;
    let mut stream = served.door.connect(false).await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until(|| served.desk.begun.load(Ordering::SeqCst) == 1).await;
    // Meanwhile others come, say nothing, and are ended: time passes.
    for _ in 0..2 {
        Silence::Connected.keep(&served.door, 20 * MS).await.unwrap();
    }
    served.desk.gate.add_permits(1);
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_large_answer_comes_whole_to_whoever_takes_it() {
    for served in [Served::plain(short()).await, Served::tls(short()).await] {
        let text = "GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = answered(&served.door, text).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {LARGE_BYTES}")), "{head}");
        assert_eq!(body.len(), LARGE_BYTES);
    }
}

#[tokio::test]
async fn an_answer_that_must_not_be_sent_is_not() {
    let served = Served::plain(Limits::default()).await;
    assert_eq!(answered(&served.door, "GET /broken HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
}

#[tokio::test]
async fn heads_are_bounded() {
    let served = Served::plain(Limits { head_bytes: 8192, ..Limits::default() }).await;
    let head =
        |bytes: usize| format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(bytes));
    assert!(answered(&served.door, &head(9000)).await.starts_with("HTTP/1.1 431 "));
}
