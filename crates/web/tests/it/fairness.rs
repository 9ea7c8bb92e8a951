//! Whoever waits makes room for whoever asks; whoever is answered never does.

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::silence::{Silence, Stream};
use super::*;

/// Waits for ever unless others need the place.
fn patient() -> Limits {
    let long = Duration::from_secs(3600);
    Limits {
        places: 16,
        places_per_address: 12,
        safe: 100 * MS,
        handshake: long,
        head: long,
        idle: long,
        body_stall: long,
        body_time: long,
        write_stall: long,
        end: 100 * MS,
        ..Limits::default()
    }
}

async fn asks_again(stream: &mut Box<dyn Stream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1024];
    let count = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

/// Many times as many silent connections as there are places, from the same address.
#[tokio::test]
async fn silence_locks_nobody_out() {
    for served in [Served::plain(patient()).await, Served::tls(patient()).await] {
        let door = &served.door;
        let flood = Silence::ALL.into_iter().cycle().take(64);
        let flood = flood.filter(|silence| door.trusts.is_some() || silence.is_plain());
        let silent: Vec<_> = flood
            .map(|silence| {
                let door = door.clone();
                tokio::spawn(async move { silence.keep(&door, 20 * MS).await })
            })
            .collect();
        for _ in 0..50 {
            assert_eq!(door.ask().await.unwrap(), 200);
        }
        served.end().await;
        for ended in join_all(silent).await {
            // Those that came when nobody listened any more did not get in.
            let _ = ended.unwrap();
        }
    }
}

#[tokio::test]
async fn whoever_is_answered_keeps_the_place() {
    let served = Served::plain(patient()).await;
    let mut answered = Vec::new();
    for count in 1..=11 {
        let mut stream = served.door.connect(false).await.unwrap();
        stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        until(|| served.desk.begun.load(Ordering::SeqCst) == count).await;
        answered.push(stream);
    }
    // The one place that is left to this address goes from hand to hand.
    for _ in 0..10 {
        let silent = served.door.connect(false).await.unwrap();
        assert_eq!(served.door.ask().await.unwrap(), 200);
        drop(silent);
    }
    served.desk.gate.add_permits(11);
    for mut stream in answered {
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
    }
    assert_eq!(served.desk.ended.load(Ordering::SeqCst), 11);
}

/// All of an address's places are answered: its next connection is closed at once, and
/// another address still gets in.
#[tokio::test]
async fn one_address_never_has_all_places() {
    let served = Served::plain(patient()).await;
    let mut answered = Vec::new();
    for count in 1..=12 {
        let mut stream = served.door.connect(false).await.unwrap();
        stream.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        until(|| served.desk.begun.load(Ordering::SeqCst) == count).await;
        answered.push(stream);
    }
    assert!(served.door.ask().await.is_err());
    let Place::Tcp(address) = served.door.place else { panic!("no address") };
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut other: Box<dyn Stream> = Box::new(socket.connect(address).await.unwrap());
    assert!(asks_again(&mut other).await.starts_with("HTTP/1.1 200"));
}

/// Of the connections that wait, the one goes that waits longest: not the oldest, if that
/// was used since.
#[tokio::test]
async fn whoever_comes_back_in_time_stays() {
    let served = Served::plain(patient()).await;
    let mut kept = served.door.connect(false).await.unwrap();
    assert!(asks_again(&mut kept).await.starts_with("HTTP/1.1 200"));
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(served.door.connect(false).await.unwrap());
        assert!(asks_again(&mut kept).await.starts_with("HTTP/1.1 200"));
    }
}
