//! The end of a listener: running requests end, and nobody holds it up.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::silence::Silence;
use super::*;

#[tokio::test]
async fn running_requests_end_and_silent_connections_do_not_hold_it_up() {
    let limits = Limits { end: Duration::from_secs(3600), ..Limits::default() };
    for served in [Served::plain(limits).await, Served::tls(limits).await] {
        let silent = Silence::ALL.into_iter().filter(|silence| {
            // Those wait for an answer of ours, or for their body.
            let is_answered = matches!(
                silence,
                Silence::NoBody
                    | Silence::TrickledBody
                    | Silence::Deaf
                    | Silence::H2NoBody
                    | Silence::H2TrickledBody
                    | Silence::H2Deaf
            );
            !is_answered && (served.door.trusts.is_some() || silence.is_plain())
        });
        let silent: Vec<_> = silent
            .map(|silence| {
                let door = served.door.clone();
                tokio::spawn(async move { silence.keep(&door, 20 * MS).await })
            })
            .collect();
        let mut running = served.door.connect(false).await.unwrap();
        running.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        until(|| served.desk.begun.load(Ordering::SeqCst) == 1).await;
        let (gate, ended) = (Arc::clone(&served.desk.gate), Arc::clone(&served.desk.ended));
        let ending = tokio::spawn(served.end());
        for silent in silent {
            let _ = silent.await.unwrap();
        }
        assert!(!ending.is_finished(), "a request is still answered");
        gate.add_permits(1);
        let mut answer = String::new();
        running.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("waited"), "{answer}");
        ending.await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn requests_that_do_not_end_are_cut_off() {
    let served = Served::plain(Limits { end: 50 * MS, ..Limits::default() }).await;
    let mut running = served.door.connect(false).await.unwrap();
    running.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until(|| served.desk.begun.load(Ordering::SeqCst) == 1).await;
    let ended = Arc::clone(&served.desk.ended);
    served.end().await;
    let mut answer = Vec::new();
    let _ = running.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    assert_eq!(ended.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_listener_ends_with_whoever_could_stop_it() {
    let served = Served::plain(Limits::default()).await;
    drop(served.stop);
    served.serving.await.unwrap();
}
