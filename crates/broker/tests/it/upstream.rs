//! A service that keeps the bytes of each request as they came.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
    /// Requests that may be answered.
    pub(crate) gate: Arc<Semaphore>,
}

/// The bytes of an answer; one without an end leaves the connection.
type Script = Vec<u8>;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(crate) const PLAIN: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let script = Arc::new(Mutex::new(PLAIN.as_bytes().to_vec()));
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let upstream =
            Self { url, seen: Arc::clone(&seen), script: Arc::clone(&script), gate: gate.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, script, gate) = (seen.clone(), script.clone(), gate.clone());
                tokio::spawn(connection(stream, seen, script, gate));
            }
        });
        upstream
    }

    /// What it answers from now on.
    pub(crate) fn answers(&self, bytes: impl Into<Vec<u8>>) {
        *self.script.lock().unwrap() = bytes.into();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn connection(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
    gate: Arc<Semaphore>,
) -> Option<()> {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            more(&mut stream, &mut held).await?;
        };
        let head = String::from_utf8(held[..end].to_vec()).unwrap();
        let mut request = Seen { head, body: held.split_off(end) };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        while request.body.len() < length {
            more(&mut stream, &mut request.body).await?;
        }
        held = request.body.split_off(length);
        seen.lock().unwrap().push(request);
        gate.acquire().await.ok()?.forget();
        let answer = script.lock().unwrap().clone();
        stream.write_all(&answer).await.ok()?;
        if !answer.ends_with(b"{}") {
            return None;
        }
    }
}

async fn more(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 * 1024];
    match stream.read(&mut piece).await.ok()? {
        0 => None,
        count => {
            held.extend_from_slice(&piece[..count]);
            Some(())
        }
    }
}
