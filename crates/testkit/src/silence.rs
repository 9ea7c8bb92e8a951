//! Clients that hold a connection and say nothing, in every state that it can be in; and
//! one that behaves.
//!
//! This file needs nothing of ours: the tests of `web` and the benchmark include it by
//! its path.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// A listener, and requests that it answers.
#[derive(Clone)]
pub struct Door {
    /// Where it is.
    pub place: Place,
    /// The certificate that it shows, or that of its authority; none without TLS.
    pub trusts: Option<CertificateDer<'static>>,
    /// Headers of every request, `host` first.
    pub headers: Vec<(&'static str, String)>,
    /// Method and target of a request without a body.
    pub reads: (&'static str, &'static str),
    /// The one with the largest answer.
    pub large: (&'static str, &'static str),
    /// Method and target of a request whose body the listener reads.
    pub writes: (&'static str, &'static str),
}

/// Where a listener is.
#[derive(Debug, Clone)]
pub enum Place {
    /// At an address.
    Tcp(SocketAddr),
    /// At a socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

/// A way to say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// No byte at all.
    Connected,
    /// The beginning of a TLS handshake.
    HalfHandshake,
    /// TLS is agreed, and no request comes.
    NoRequest,
    /// The beginning of a head.
    HalfHead,
    /// A head, byte by byte.
    TrickledHead,
    /// A head, and nothing of its body.
    NoBody,
    /// A body, byte by byte.
    TrickledBody,
    /// One request, and no other.
    Idle,
    /// Requests, and no answer is read.
    Deaf,
    /// HTTP/2 is agreed, and no request comes.
    H2NoRequest,
    /// The same, and pings.
    H2Pings,
    /// The beginning of a head.
    H2HalfHead,
    /// A head, and nothing of its body.
    H2NoBody,
    /// A body, byte by byte.
    H2TrickledBody,
    /// One request, and no other.
    H2Idle,
    /// A request, and no room is given for its answer.
    H2Deaf,
}

impl Silence {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Connected,
        Self::HalfHandshake,
        Self::NoRequest,
        Self::HalfHead,
        Self::TrickledHead,
        Self::NoBody,
        Self::TrickledBody,
        Self::Idle,
        Self::Deaf,
        Self::H2NoRequest,
        Self::H2Pings,
        Self::H2HalfHead,
        Self::H2NoBody,
        Self::H2TrickledBody,
        Self::H2Idle,
        Self::H2Deaf,
    ];

    /// Whether it can be kept without TLS.
    pub fn is_plain(self) -> bool {
        !self.is_h2() && self != Self::HalfHandshake
    }

    fn is_h2(self) -> bool {
        matches!(
            self,
            Self::H2NoRequest
                | Self::H2Pings
                | Self::H2HalfHead
                | Self::H2NoBody
                | Self::H2TrickledBody
                | Self::H2Idle
                | Self::H2Deaf
        )
    }

    /// Keeps silent until the listener ends the connection; fails if there never was
    /// one. What trickles comes once in a `tick`.
    pub async fn keep(self, door: &Door, tick: Duration) -> io::Result<()> {
        let mut stream = match self {
            Self::Connected | Self::HalfHandshake => door.connect_plainly().await?,
            // Whoever lets in so many may end one while it is still being agreed on.
            _ => match door.connect(self.is_h2()).await {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Err(error);
                }
                Err(_) => return Ok(()),
            },
        };
        let (first, again) = self.script(door);
        if stream.write_all(&first).await.is_err() {
            return Ok(());
        }
        let mut ticks = tokio::time::interval(tick);
        let mut again = again.into_iter().cycle();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            tokio::select! {
                read = stream.read(&mut buffer), if self != Self::Deaf => match read {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(_) => {}
                },
                _ = ticks.tick() => {
                    let piece: Vec<u8> = again.next().unwrap_or_default();
                    let sent = async {
                        stream.write_all(&piece).await?;
                        stream.flush().await
                    };
                    // One that is full of what nobody reads takes nothing for a while.
                    if let Ok(Err(_)) = tokio::time::timeout(tick, sent).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What is sent at once, and what at every tick, over and over.
    fn script(self, door: &Door) -> (Vec<u8>, Vec<Vec<u8>>) {
        let bytes = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
        let h2 =
            |frames: &[Vec<u8>]| [&[PREFACE.to_vec(), settings(&[])], frames].concat().concat();
        let (reads, writes) = (door.reads, door.writes);
        match self {
            Self::Connected | Self::NoRequest => (Vec::new(), Vec::new()),
            Self::HalfHandshake => (vec![22, 3, 1, 2, 0, 1], Vec::new()),
            Self::HalfHead => (b"GET / HTT".to_vec(), Vec::new()),
            Self::TrickledHead => (b"GET / HTTP/1.1\r\n".to_vec(), bytes("x-long: and longer\r\n")),
            Self::NoBody => (door.head(writes, &[("content-length", "1000")]).into(), Vec::new()),
            Self::TrickledBody => {
                (door.head(writes, &[("content-length", "60000")]).into(), bytes("a=b&"))
            }
            Self::Idle => (door.head(reads, &[]).into(), Vec::new()),
            Self::Deaf => (Vec::new(), vec![door.head(door.large, &[]).repeat(20).into()]),
            Self::H2NoRequest => (h2(&[]), Vec::new()),
            Self::H2Pings => (h2(&[]), vec![frame(6, 0, 0, &[7; 8])]),
            Self::H2HalfHead => (h2(&[frame(1, 0x1, 1, &door.fields(reads))]), Vec::new()),
            Self::H2NoBody => (h2(&[frame(1, 0x4, 1, &door.fields(writes))]), Vec::new()),
            Self::H2TrickledBody => {
                (h2(&[frame(1, 0x4, 1, &door.fields(writes))]), vec![frame(0, 0, 1, b"a")])
            }
            Self::H2Idle => (h2(&[frame(1, 0x5, 1, &door.fields(reads))]), Vec::new()),
            Self::H2Deaf => {
                let closed = settings(&[(4, 0)]);
                let request = frame(1, 0x5, 1, &door.fields(reads));
                ([PREFACE.to_vec(), closed, request].concat(), Vec::new())
            }
        }
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload = values
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(4, 0, 0, &payload.collect::<Vec<_>>())
}

/// Both directions of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Door {
    /// Asks once on a connection of its own, and answers the status.
    pub async fn ask(&self) -> io::Result<u16> {
        let mut stream = self.connect(false).await?;
        stream.write_all(self.head(self.reads, &[("connection", "close")]).as_bytes()).await?;
        let mut answer = Vec::new();
        // What comes is looked at, however the connection ends.
        let ended = stream.read_to_end(&mut answer).await;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        match status.and_then(|digits| digits.parse().ok()) {
            Some(status) => Ok(status),
            None => Err(ended.err().unwrap_or(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// A connection, with TLS where the listener has it.
    pub async fn connect(&self, is_h2: bool) -> io::Result<Box<dyn Stream>> {
        let stream = self.connect_plainly().await?;
        let Some(trusts) = &self.trusts else { return Ok(stream) };
        let mut roots = RootCertStore::empty();
        roots.add(trusts.clone()).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![if is_h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    async fn connect_plainly(&self) -> io::Result<Box<dyn Stream>> {
        match &self.place {
            Place::Tcp(address) => Ok(Box::new(TcpStream::connect(address).await?)),
            #[cfg(unix)]
            Place::Unix(path) => loop {
                match tokio::net::UnixStream::connect(path).await {
                    // The queue of the listener is full: for an address the system waits.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::task::yield_now().await;
                    }
                    connected => return Ok(Box::new(connected?)),
                }
            },
        }
    }

    /// The head of a request over HTTP/1.1.
    fn head(&self, (method, target): (&str, &str), further: &[(&str, &str)]) -> String {
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let lines = own.chain(further.iter().copied());
        let lines: String = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {target} HTTP/1.1\r\n{lines}\r\n")
    }

    /// The same over HTTP/2: every field as it is.
    fn fields(&self, (method, target): (&str, &str)) -> Vec<u8> {
        let own = self.headers.iter().map(|(name, value)| match *name {
            "host" => (":authority", value.as_str()),
            name => (name, value.as_str()),
        });
        let first = [(":method", method), (":scheme", "https"), (":path", target)];
        let mut block = Vec::new();
        for (name, value) in first.into_iter().chain(own) {
            block.push(0);
            for text in [name, value] {
                // Longer than 126 bytes: what does not fit into seven bits follows.
                match u8::try_from(text.len()).ok().filter(|length| *length < 127) {
                    Some(length) => block.push(length),
                    None => {
                        let mut rest = text.len() - 127;
                        block.push(127);
                        while rest >= 128 {
                            block.push((rest % 128) as u8 | 128);
                            rest /= 128;
                        }
                        block.push(rest as u8);
                    }
                }
                block.extend_from_slice(text.as_bytes());
            }
        }
        block
    }
}
