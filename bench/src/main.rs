//! Ratios against a peer or a floor, both measured in the same run.
//!
//! `bench/run sign | signin | silence | request | soak [SECONDS] | start | pages | broker | sync | million | readers [HOME] | api [HOME] | engines [FINDINGS] | deliver | render` builds what is measured and starts this.

mod api;
mod broker;
mod dashboard;
mod deliver;
mod engines;
mod pages;
mod peer;
#[path = "../../crates/testkit/src/postgres.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod postgres;
mod process;
mod proxy;
mod readers;
mod render;
mod request;
mod sign;
mod signin;
mod silence;
mod soak;
mod start;
mod sync;

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

fn main() -> anyhow::Result<()> {
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    ensure!(provider.install_default().is_ok(), "a TLS provider was already installed");
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let countersign =
        PathBuf::from(arguments.next().context("the path of countersign is missing")?);
    match what.as_str() {
        "sign" => sign::run(),
        "silence" => runtime()?.block_on(silence::run(&countersign)),
        "signin" => runtime()?.block_on(signin::run(&countersign)),
        "request" => runtime()?.block_on(request::run(&countersign)),
        "soak" => runtime()?.block_on(soak::run(&countersign, arguments.next().as_deref())),
        "start" => runtime()?.block_on(start::run(&countersign)),
        "pages" => runtime()?.block_on(pages::run(&countersign)),
        "broker" => runtime()?.block_on(broker::run(&countersign)),
        "sync" => runtime()?.block_on(sync::run(&countersign)),
        "million" => runtime()?.block_on(sync::million(&countersign)),
        "readers" => runtime()?.block_on(readers::run_all(&countersign, arguments.next())),
        "api" => runtime()?.block_on(api::run_all(&countersign, arguments.next())),
        "engines" => runtime()?.block_on(engines::run_all(arguments.next())),
        "deliver" => runtime()?.block_on(deliver::run()),
        "render" => render::run(),
        _ => bail!(
            "usage: bench/run sign | signin | silence | request | soak [SECONDS] | start | pages | broker | sync | million | readers [HOME] | api [HOME] | engines [FINDINGS] | deliver | render"
        ),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// As the client makes a nonce.
fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).expect("the operating system gives random bytes");
    nonce
}

/// The middle of several measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
