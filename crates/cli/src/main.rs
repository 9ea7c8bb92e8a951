//! `countersign`: arguments, wiring and exit codes. What the commands do lives
//! in the crates below; this is the only one that reads a clock, makes
//! randomness, or looks at files, environment and terminal.

mod advice;
mod args;
mod asking;
mod backup;
mod channels;
mod commands;
mod config;
mod consumers;
mod destinations;
mod exports;
mod failure;
mod forms;
mod home;
mod later;
mod lists;
mod located;
mod logs;
mod off_runtime;
mod output;
mod post;
#[cfg(test)]
#[path = "../tests/unit/reference.rs"]
mod reference;
mod signed;
mod system;
mod waiting;
mod way;

use std::process::ExitCode;

use countersign_files::Trusted;

use args::Trust;
use failure::Failure;
use output::report;

fn main() -> ExitCode {
    system::forbid_core_files();
    // Also what cannot be parsed is told as it was asked for.
    let words = || std::env::args_os().take_while(|word| word != "--");
    if words().any(|word| word == "--json") {
        output::speak_json();
    }
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => return report(&Failure::typed(&error)),
        // Help and version.
        Err(error) => error.exit(),
    };
    trust(&args.trust);
    if args.quiet {
        output::be_quiet();
    }
    if let Some(home) = args.home.clone().filter(|_| args.is_home_typed) {
        located::on(home);
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return report(&Failure::unexpected("a TLS provider was already installed"));
    }
    system::start_logging(args.log.as_deref(), args.log_format, args.quiet, args.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::unexpected(format!("failed to start the runtime: {error}")));
        }
    };
    let outcome = runtime.block_on(async {
        let outcome = match system::survive_file_limits() {
            Ok(()) => commands::run(args).await,
            Err(error) => Err(error.into()),
        };
        commands::close().await;
        outcome
    });
    // Blocking reads of a terminal or a pipe must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Before the first file is looked at.
fn trust(all: &[Trust]) {
    let mut trusted = Trusted::default();
    for one in all {
        match one {
            Trust::User(id) => trusted.users.push(*id),
            Trust::Group(id) => trusted.groups.push(*id),
        }
    }
    countersign_files::trust(trusted);
}
