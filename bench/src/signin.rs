//! Wrong sign-ins on the console, over the network: how the memory of the platform grows,
//! and how many there are in a second beside bare Argon2.
//!
//! Those of made-up names are compared, five of each name; of those against one account
//! nearly none is. Addresses of the loopback network keep each below 60 a minute.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpSocket;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls};

use crate::pages::Visitor;
use crate::process::Platform;

const COMPARED: u32 = 1_000;
const ALL: u32 = 20_000;
/// Each from an address of its own.
const PER_ADDRESS: u32 = 50;
/// Visitors at once.
const AT_ONCE: u32 = 4;
/// As `signin` has it: KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
const BARE: u32 = 100;

pub async fn run(countersign: &Path) -> anyhow::Result<()> {
    let platform = Arc::new(Platform::start(countersign, "demo").await?);
    let admin = platform.ready["admin"]["user_name"].as_str().context("no administrator")?;
    let admin = admin.replace('@', "%40");
    let bare = bare_per_second()?;
    println!("bare Argon2, one thread          {bare:10.1} a second");
    let before = platform.resident_mib();
    println!("resident before                  {before:10.1} MiB");
    let compared =
        rate(&platform, 0..COMPARED, Arc::new(|at| format!("nobody-{}", at / 5))).await?;
    println!(
        "compared                         {compared:10.1} a second, {:.2} x bare",
        compared / bare
    );
    let first = platform.resident_mib();
    println!("resident after {COMPARED:6}            {first:10.1} MiB");
    let rest = rate(&platform, COMPARED..ALL, Arc::new(move |_| admin.clone())).await?;
    println!("not looked at                    {rest:10.1} a second");
    let last = platform.resident_mib();
    println!(
        "resident after {ALL:6}            {last:10.1} MiB, {:.1} more than before (aim 24)",
        last - before
    );
    println!(
        "                                 {:10.1} MiB more than after {COMPARED}",
        last - first
    );
    println!("peak                             {:10.1} MiB", platform.peak_mib());
    Ok(())
}

/// The same computation, with memory that is there already.
fn bare_per_second() -> anyhow::Result<f64> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(anyhow::Error::msg)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut blocks = vec![Block::new(); memory as usize];
    let mut digest = [0; 32];
    let since = Instant::now();
    for _ in 0..BARE {
        argon
            .hash_password_into_with_memory(b"wrong", &[7; 16], &mut digest, &mut blocks)
            .map_err(anyhow::Error::msg)?;
    }
    Ok(f64::from(BARE) / since.elapsed().as_secs_f64())
}

type Name = Arc<dyn Fn(u32) -> String + Send + Sync>;

async fn rate(
    platform: &Arc<Platform>,
    numbers: std::ops::Range<u32>,
    name: Name,
) -> anyhow::Result<f64> {
    let count = numbers.len();
    let since = Instant::now();
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|worker| {
            let (platform, name, numbers) =
                (Arc::clone(platform), Arc::clone(&name), numbers.clone());
            tokio::spawn(async move {
                let begins = numbers.clone().step_by(PER_ADDRESS as usize);
                for begin in begins.skip(worker as usize).step_by(AT_ONCE as usize) {
                    let end = (begin + PER_ADDRESS).min(numbers.end);
                    wrong(&platform, begin..end, &name).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(count as f64 / since.elapsed().as_secs_f64())
}

async fn wrong(
    platform: &Platform,
    numbers: std::ops::Range<u32>,
    name: &Name,
) -> anyhow::Result<()> {
    let console = platform.ready["console_url"].as_str().context("no console_url")?;
    let host = console.trim_start_matches("https://");
    let address = numbers.start / PER_ADDRESS;
    let from = Ipv4Addr::from(0x7f01_0001 + address);
    let mut visitor = Visitor::new(connect_from(platform, host, from).await?, host);
    let token = visitor.token("/sign-in").await?;
    for number in numbers {
        let body = format!("token={token}&user_name={}&password=wrong", name(number));
        let (status, _) = visitor.ask("POST", "/sign-in", &body).await?;
        ensure!(status == 401, "a wrong sign-in: {status}");
    }
    Ok(())
}

async fn connect_from(
    platform: &Platform,
    host: &str,
    from: Ipv4Addr,
) -> anyhow::Result<TlsStream<tokio::net::TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(platform.ca_file())?)?;
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(host.replace("localhost", "127.0.0.1").parse()?).await?;
    stream.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(ServerName::try_from("localhost")?.to_owned(), stream).await?)
}
