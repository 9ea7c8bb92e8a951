//! One module for each command; this file only chooses.

mod api;
mod config;
mod consumers;
mod context;
mod control;
mod credentials;
mod deliver;
mod demo;
mod doctor;
mod env;
mod export;
mod export_pair;
mod guide;
mod health;
mod http;
mod import;
mod integration;
mod mcp;
mod own;
mod people;
mod platform;
mod proxy;
mod query;
mod quickstart;
mod rehearse;
mod reload;
mod report;
mod rotation;
mod schedule;
mod serve;
mod status;
mod store;
mod sync;
mod vault;
mod watch;
mod whose;
mod worker;

use std::path::Path;

use crate::args::{Args, Command, Credentials, Integration, Platform, Vault};
use crate::failure::Failure;
use context::Context;
pub(crate) use context::close;

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (home, is_verbose) = (args.home.as_deref(), args.verbose > 0);
    let given = config::Given {
        is_home_typed: args.is_home_typed,
        log: args.log.clone(),
        is_log_typed: args.is_log_typed,
        log_format: args.log_format,
        is_log_format_typed: args.is_log_format_typed,
    };
    match args.command {
        Command::Quickstart(args) => quickstart::run(home, args).await,
        Command::Platform(command) => match command {
            Platform::Serve(args) => platform::serve(home, args).await,
            Platform::Mint(args) => platform::mint(home, args),
            Platform::Clock(args) => control::clock(home, args).await,
            Platform::Faults(args) => control::faults(home, args).await,
            Platform::Limits(args) => control::limits(home, args).await,
            Platform::Requests(args) => control::requests(home, args).await,
            Platform::Snapshot(args) => control::snapshot(home, args).await,
            Platform::Restore(args) => control::restore(home, args).await,
            Platform::Reset(args) => control::reset(home, args).await,
            Platform::Mutate(args) => control::mutate(home, args).await,
            Platform::Audit(args) => platform::audit(home, args),
            Platform::Fork(args) => control::fork(home, args).await,
            Platform::Import(args) => control::import(home, args).await,
            Platform::Outbox(args) => control::outbox(home, args).await,
        },
        Command::Integration(command) => of_integration(home, command).await,
        Command::Sync(args) => sync::run(&Context::open(home).await?, args).await,
        Command::Worker(args) => worker::run(&Context::open(home).await?, args).await,
        Command::Import(args) => import::run(&Context::offline(home).await?, args).await,
        Command::Applications(args) => {
            query::applications(&Context::offline(home).await?, args).await
        }
        Command::Findings(args) => query::findings(&Context::offline(home).await?, args).await,
        Command::Finding(args) => query::finding(&Context::offline(home).await?, args).await,
        Command::Changes(args) => query::changes(&Context::offline(home).await?, args).await,
        Command::Mcp(args) => mcp::run(&Context::offline(home).await?, args).await,
        Command::Export(args) => export::run(&Context::offline(home).await?, args).await,
        Command::Deliver(command) => deliver::run(home, command).await,
        Command::Credentials(command) => of_credentials(home, command).await,
        Command::Store(command) => store::run(home, command).await,
        Command::Vault(Vault::Check(args)) => vault::check(home, args).await,
        Command::Vault(Vault::Reseal(args)) => vault::reseal(home, args).await,
        // Credentials of the environment need no vault.
        Command::Sign(args) => http::sign(&Context::offline(home).await?, args).await,
        Command::Http(args) => {
            http::request(&Context::offline(home).await?, args, is_verbose).await
        }
        Command::Proxy(args) => proxy::run(home, args).await,
        Command::Api(command) => api::run(home, command).await,
        Command::Schedule(command) => schedule::run(home, command).await,
        Command::Serve(args) => serve::run(home, args).await,
        Command::Status(args) => status::run(&Context::offline(home).await?, &args).await,
        Command::Config(command) => config::run(home, &given, command),
        Command::People(command) => people::run(home, command).await,
        Command::Doctor(args) => doctor::run(home, args).await,
        Command::Health(args) => health::run(args).await,
        Command::Completions(args) => own::completions(&args),
        Command::Man(args) => own::man(&args),
    }
}

async fn of_integration(home: Option<&Path>, command: Integration) -> Result<(), Failure> {
    let context = match command {
        Integration::List(_) | Integration::Show(_) => Context::offline(home).await?,
        Integration::Add(ref args) if args.imported => Context::offline(home).await?,
        _ => Context::open(home).await?,
    };
    match command {
        Integration::Add(args) => integration::add(&context, args).await,
        Integration::Check(args) => integration::check(&context, args).await,
        Integration::List(args) => integration::list(&context, args).await,
        Integration::Show(args) => integration::show_one(&context, args).await,
        Integration::Update(args) => integration::update(&context, args).await,
        Integration::Rename(args) => integration::rename(&context, args).await,
        Integration::Remove(args) => integration::remove(&context, args).await,
    }
}

async fn of_credentials(home: Option<&Path>, command: Credentials) -> Result<(), Failure> {
    // The homes of a rehearsal are its own.
    if let Credentials::Rehearse(args) = command {
        return rehearse::run(args).await;
    }
    let context = match command {
        Credentials::List(_)
        | Credentials::Acknowledge(_)
        | Credentials::Calendar(_)
        | Credentials::Metrics(_)
        | Credentials::Consumers(_)
        | Credentials::Env(_)
        | Credentials::Log(_) => Context::offline(home).await?,
        _ => Context::open(home).await?,
    };
    match command {
        Credentials::List(args) => credentials::list(&context, args).await,
        Credentials::Watch(args) => watch::run(&context, args).await,
        Credentials::Acknowledge(args) => watch::acknowledge(&context, args).await,
        Credentials::Calendar(args) => watch::calendar(&context, args).await,
        Credentials::Metrics(args) => watch::metrics(&context, args).await,
        Credentials::Consumers(args) => consumers::list(&context, args).await,
        Credentials::Import(args) => integration::add(&context, args.into()).await,
        Credentials::Export(args) => export_pair::run(&context, args).await,
        Credentials::Env(args) => env::run(context, args).await,
        Credentials::Add(args) => rotation::add(&context, args).await,
        Credentials::Replace(args) => rotation::replace(&context, args).await,
        Credentials::Remove(args) => rotation::remove(&context, args).await,
        Credentials::Rotate(args) => rotation::rotate(&context, args).await,
        Credentials::Revoke(args) => rotation::revoke(&context, args).await,
        Credentials::Log(args) => rotation::log(&context, args).await,
        Credentials::RehearseOne(args) => rehearse::one(&context, args).await,
        Credentials::Rehearse(args) => rehearse::run(args).await,
    }
}
