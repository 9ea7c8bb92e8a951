//! How long a polite client waits while two thousand connections from its own address say
//! nothing, in every state that a connection can be in, at each listener of the program
//! with its usual limits; beside how long it waits alone.

#[path = "../../crates/testkit/src/silence.rs"]
mod clients;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clients::{Door, Place, Silence};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use crate::broker::{Broker, quantile};
use crate::process::{Ended, Platform, told};

const CONNECTIONS: usize = 2000;
/// What nobody reads is held by the system, megabytes for each.
const DEAF: usize = 4;
const ALONE: usize = 1000;
/// Between two bytes of what trickles.
const TICK: Duration = Duration::from_millis(250);
/// Between two asks.
const PAUSE: Duration = Duration::from_millis(10);

pub async fn run(countersign: &Path) -> Result<()> {
    println!(
        "{CONNECTIONS} silent connections a listener; ms of a whole polite request (aim: p99 250)"
    );
    println!("                              alone          meanwhile");
    println!(
        "                         median     p99   median     p99     worst   asked    lost   longest"
    );
    let platform = Platform::start_with_controls(countersign).await?;
    let trusts = CertificateDer::from_pem_file(platform.ca_file())?;
    let rest = door(tcp(&platform.url)?, Some(trusts.clone()));
    let rest = Door { reads: ("GET", "/.well-known/countersign"), ..rest };
    let rest = Door { large: ("GET", "/openapi.json"), ..rest };
    let rest = Door { writes: ("POST", "/api/authn/v2/users"), ..rest };
    measure("platform, REST", &rest, &rest).await?;

    let console = door(tcp(member(&platform.ready, "console_url")?)?, Some(trusts.clone()));
    measure("platform, console", &console, &console).await?;

    let control = door(tcp(member(&platform.ready, "control_url")?)?, Some(trusts));
    let token = format!("Bearer {}", member(&platform.ready, "control_token")?);
    let mut control = Door { reads: ("GET", "/clock"), writes: ("PUT", "/clock"), ..control };
    control.large.1 = "";
    control.headers.push(("authorization", token));
    measure("platform, controls", &control, &control).await?;

    let home = tempfile::tempdir()?;
    let ready = home.path().join("serve.json");
    let mut serve = Command::new(countersign);
    serve.arg("--home").arg(home.path());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
    let mut serving = Ended(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let told = told(&mut serving.0, &ready).await?;
    let dashboard = member(&told, "setup_url")?;
    let host = dashboard.trim_start_matches("http://").split('/').next().context("no address")?;
    let mut dashboard = door(tcp(host)?, None);
    dashboard.headers = vec![("host", host.to_owned())];
    measure("dashboard", &dashboard, &dashboard).await?;

    let pair = platform.mint(&[])?;
    for socket in [false, true] {
        let broker = if socket {
            Broker::start_at_socket(countersign, &platform, &pair).await?
        } else {
            Broker::start(countersign, &platform, &pair).await?
        };
        let place = match &broker.socket {
            Some(path) => Place::Unix(path.clone()),
            None => tcp(&broker.url)?,
        };
        let host = broker.url.trim_start_matches("http://").to_owned();
        let of = |token: &str| Door {
            headers: vec![("host", host.clone()), ("authorization", format!("Bearer {token}"))],
            reads: ("GET", "/api/authn/v2/users/self"),
            large: ("GET", ""),
            writes: ("POST", "/api/authn/v2/users/self"),
            ..door(place.clone(), None)
        };
        let name = if socket { "broker, socket" } else { "broker" };
        measure(name, &of(&broker.token), &of(&broker.another_token()?)).await?;
    }
    Ok(())
}

fn door(place: Place, trusts: Option<CertificateDer<'static>>) -> Door {
    let headers = vec![("host", "127.0.0.1".to_owned())];
    let style = ("GET", "/style.css");
    Door { place, trusts, headers, reads: style, large: style, writes: ("POST", "/sign-in") }
}

fn tcp(url: &str) -> Result<Place> {
    let address = url.rsplit("//").next().context("no address")?;
    Ok(Place::Tcp(address.replace("localhost", "127.0.0.1").parse()?))
}

fn member<'a>(ready: &'a Value, name: &'static str) -> Result<&'a str> {
    ready[name].as_str().context(name)
}

/// `polite` is another caller at the same listener, where callers are told apart.
async fn measure(name: &str, door: &Door, polite: &Door) -> Result<()> {
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(ask(polite).await?);
    }
    let begun = Instant::now();
    let kinds = Silence::ALL.into_iter().filter(|kind| *kind != Silence::Deaf);
    let kinds: Vec<_> = kinds.filter(|kind| door.trusts.is_some() || kind.is_plain()).collect();
    let deaf = std::iter::repeat_n(Silence::Deaf, if door.large.1.is_empty() { 0 } else { DEAF });
    let all = deaf.chain(kinds.into_iter().cycle()).take(CONNECTIONS);
    let silent: Vec<_> = all
        .map(|kind| {
            let door = door.clone();
            tokio::spawn(async move {
                let ended = kind.keep(&door, TICK).await;
                (ended, begun.elapsed())
            })
        })
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let asking = {
        let (is_over, polite) = (Arc::clone(&is_over), polite.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                // One that made room for others has no answer at all.
                times.push(ask(&polite).await.unwrap_or(f64::INFINITY));
                tokio::time::sleep(PAUSE).await;
            }
            times
        })
    };
    let mut longest = Duration::ZERO;
    for ended in silent {
        let (ended, after) = ended.await?;
        ended.with_context(|| format!("{name}: a silent connection"))?;
        longest = longest.max(after);
    }
    is_over.store(true, Ordering::SeqCst);
    let times = asking.await?;
    let lost = times.iter().filter(|time| time.is_infinite()).count();
    println!(
        "{name:22} {:8.1}{:8.1} {:8.1}{:8.1}{:10.1}{:8}{lost:8}{:8.0} s",
        quantile(&alone, 0.5),
        quantile(&alone, 0.99),
        quantile(&times, 0.5),
        quantile(&times, 0.99),
        quantile(&times, 1.0),
        times.len(),
        longest.as_secs_f64(),
    );
    Ok(())
}

/// The milliseconds from before the connection to the last byte.
async fn ask(door: &Door) -> Result<f64> {
    let since = Instant::now();
    let status = door.ask().await?;
    ensure!(status == 200, "the polite client was answered {status}");
    Ok(since.elapsed().as_secs_f64() * 1000.0)
}
