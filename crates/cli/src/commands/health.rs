//! `health`: whether a service of ours on this machine answers. Containers without a
//! shell have no other program to ask with.

use std::time::Duration;

use url::{Host, Url};

use crate::args::Health;
use crate::failure::{Exit, Failure};
use crate::output::print;

/// Where a service answers for itself, if the address names nothing else.
const PATH: &str = "/healthz";
/// Less than what container engines wait for a check.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn run(args: Health) -> Result<(), Failure> {
    let url = asked(&args.url)?;
    let failed = |why: &str| Failure::new(Exit::Upstream, format!("`{url}` {why}"));
    // The certificate has the name by which others reach the service, not this one.
    // Nothing secret is sent, and of the answer only its status is believed.
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(Failure::unexpected)?;
    let answer = client.get(url.clone()).send().await;
    let status = answer.map_err(|_| failed("does not answer"))?.status();
    match status.is_success() {
        true => print("ok\n"),
        false => Err(failed(&format!("answers {}", status.as_u16()))),
    }
}

fn asked(text: &str) -> Result<Url, Failure> {
    let refused = || {
        Failure::usage(format!("`{text}` is not an http or https address of this machine"))
            .with_hint("countersign health http://127.0.0.1:8460")
    };
    let mut url = Url::parse(text).map_err(|_| refused())?;
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_spoken = ["http", "https"].contains(&url.scheme());
    if !is_here || !is_spoken || url.password().is_some() || !url.username().is_empty() {
        return Err(refused());
    }
    if url.path() == "/" {
        url.set_path(PATH);
    }
    Ok(url)
}
