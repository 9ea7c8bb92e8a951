//! A verified, authorised `GET /users/self` against the same server's
//! unauthenticated static answer. Both kinds of request are the same but for
//! their path; all of them are signed before the watch starts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use countersign_signing::{Pair, Request, Signer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use crate::median;
use crate::process::Platform;

const ROUNDS: usize = 9;
const CONNECTIONS: usize = 32;
const CALLS: usize = 500;
const VERIFIED: &str = "/api/authn/v2/users/self";
const STATIC: &str = "/.well-known/countersign";

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    let platform = Platform::start(countersign, "empty").await?;
    let (id, secret) = platform.mint(&[])?;
    let signer = Signer::new(&Pair::parse(&id, &secret)?);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(connect(&platform).await?);
    }

    let (mut verified, mut plain) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (target, rates) in [(VERIFIED, &mut verified), (STATIC, &mut plain)] {
            let rate = rate(&signer, target, &mut connections).await?;
            // The first round warms both up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let (verified, plain) = (median(verified), median(plain));
    println!("{CONNECTIONS} connections x {CALLS} requests, median of {ROUNDS} rounds");
    println!("GET {VERIFIED}  {verified:8.0} requests/s");
    println!("GET {STATIC}   {plain:8.0} requests/s");
    println!("verified / static  {:.2}  (aim: at least 0.8)", verified / plain);
    println!("peak memory of the platform  {:.0} MiB", platform.peak_mib());
    Ok(())
}

pub type Stream = TlsStream<TcpStream>;

pub async fn connect(platform: &Platform) -> anyhow::Result<Stream> {
    connect_to(platform, platform.url.trim_start_matches("https://"), "127.0.0.1").await
}

/// To another listener of the platform, by this name of its certificate.
pub async fn connect_to(platform: &Platform, host: &str, name: &str) -> anyhow::Result<Stream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(platform.ca_file())?)?;
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(ServerName::try_from(name.to_owned())?, stream).await?)
}

async fn rate(
    signer: &Signer,
    target: &str,
    connections: &mut Vec<TlsStream<TcpStream>>,
) -> anyhow::Result<f64> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    for _ in 0..CONNECTIONS {
        batches.push((0..CALLS).map(|_| signed(signer, target)).collect::<Result<_, _>>()?);
    }
    let start = Instant::now();
    let tasks: Vec<_> = connections
        .drain(..)
        .zip(batches)
        .map(|(stream, batch)| tokio::spawn(send_all(stream, batch)))
        .collect();
    for task in tasks {
        connections.push(task.await??);
    }
    Ok((CONNECTIONS * CALLS) as f64 / start.elapsed().as_secs_f64())
}

pub fn signed(signer: &Signer, target: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let nonce = crate::nonce();
    let request = Request::new("GET", "127.0.0.1", target);
    let header = signer.authorize(&request, u64::try_from(now)?, &nonce)?;
    Ok(format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {header}\r\n\r\n"))
}

async fn send_all(
    mut stream: TlsStream<TcpStream>,
    batch: Vec<String>,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut buffer = vec![0; 16 * 1024];
    for request in batch {
        send(&mut stream, &request, &mut buffer).await?;
    }
    Ok(stream)
}

/// One request that must succeed, and its whole answer, whose length is answered.
pub async fn send(
    stream: &mut TlsStream<TcpStream>,
    request: &str,
    buffer: &mut [u8],
) -> anyhow::Result<usize> {
    let (status, length) = whole(stream, request, buffer).await?;
    ensure!(status == 200, "a request was refused");
    Ok(length)
}

/// One request; answers the status.
pub async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    request: &str,
    buffer: &mut [u8],
) -> anyhow::Result<u16> {
    Ok(whole(stream, request, buffer).await?.0)
}

pub async fn whole(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
    buffer: &mut [u8],
) -> anyhow::Result<(u16, usize)> {
    stream.write_all(request.as_bytes()).await?;
    let mut held = 0;
    let whole = loop {
        let count = stream.read(&mut buffer[held..]).await?;
        ensure!(count > 0, "the platform hung up");
        held += count;
        if let Some(whole) = answer_length(&buffer[..held])? {
            break whole;
        }
    };
    while held < whole {
        held += stream.read(&mut buffer[held..]).await?;
    }
    let status = std::str::from_utf8(&buffer[9..12])?.parse()?;
    Ok((status, held))
}

/// Headers and body together, once the headers are there.
fn answer_length(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(Some(end + 4 + length.context("no content-length")?.parse::<usize>()?))
}
