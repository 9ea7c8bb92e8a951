//! `credentials env`: one command with the pair in its environment. Ours never
//! holds it, and no command line does.

use countersign_connector::keyfiles::Written;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::context::{Context, parse_url};
use super::whose::{Asked, choose};
use crate::advice::CommandLine;
use crate::args::RunWithPair;
use crate::failure::Failure;

/// What shells answer when there is no such command, or none that runs.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

pub(crate) async fn run(context: Context, args: RunWithPair) -> Result<(), Failure> {
    let url = args.url.as_deref().map(parse_url).transpose()?;
    let command: Vec<_> = args.command.iter().map(|word| word.to_string_lossy()).collect();
    let command: Vec<_> = command.iter().map(AsRef::as_ref).collect();
    let options = args.url.as_deref().map_or(vec![], |url| vec!["--url", url]);
    let again = |name: Option<&str>| {
        let names = name.into_iter().collect::<Vec<_>>();
        CommandLine::of(&["credentials", "env"])
            .then(&names)
            .then(&options)
            .then(&["--"])
            .then(&command)
    };
    let asked = Asked {
        name: args.name.as_deref(),
        url: url.as_ref(),
        again: &|name| again(Some(name)),
        is_sent: false,
        bare: again(None),
    };
    let whose = choose(&context, &asked).await?;
    let url = whose.url().to_owned();
    let pair = Written::of(&whose.pair(&context).await?, &url);
    drop(context);
    let Some((program, rest)) = args.command.split_first() else {
        return Err(Failure::usage("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(rest);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_scrubbed(name)) {
        command.env_remove(name);
    }
    command.envs(pair.variables());
    // Before the command starts: a signal that comes now must not end us alone.
    let signals = Signals::catch()?;
    let child = command.spawn().map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
        let shown = program.display();
        Failure::of_command(code, format!("failed to run `{shown}`: {error}"))
    })?;
    drop((command, pair));
    match code(signals.wait(child).await?) {
        0 => Ok(()),
        code => Err(Failure::silent_of_command(code)),
    }
}

/// A pair of another place, and secrets of ours.
fn is_scrubbed(name: &OsString) -> bool {
    const KEPT: [&str; 2] = ["COUNTERSIGN_HOME", "COUNTERSIGN_LOG"];
    let name = name.to_string_lossy();
    name.starts_with("VERACODE_") || name.starts_with("COUNTERSIGN_") && !KEPT.contains(&&*name)
}

/// Its exit code; for a command that a signal ended, what shells say then.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What is sent to us while the command runs, and is meant for it.
#[cfg(unix)]
struct Signals(Vec<(rustix::process::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let all =
            [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];
        let caught =
            all.into_iter().map(|one| Ok((one, signal(SignalKind::from_raw(one.as_raw()))?)));
        Ok(Self(caught.collect::<std::io::Result<_>>()?))
    }

    /// Passes them on until the command has ended.
    async fn wait(mut self, mut child: Child) -> std::io::Result<ExitStatus> {
        use rustix::process::{Pid, Signal, kill_process};
        use std::task::Poll;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        loop {
            let next = std::future::poll_fn(|context| {
                let ready = self.0.iter_mut().find_map(|(signal, stream)| {
                    stream.poll_recv(context).is_ready().then_some(*signal)
                });
                ready.map_or(Poll::Pending, Poll::Ready)
            });
            let signal = tokio::select! {
                status = child.wait() => return status,
                signal = next => signal,
            };
            // The terminal sends its own to everybody in the foreground.
            let is_sent_twice = matches!(signal, Signal::INT | Signal::QUIT) && is_in_foreground();
            if let Some(pid) = pid.filter(|_| !is_sent_twice) {
                // Gone already: the wait ends.
                let _ = kill_process(pid, signal);
            }
        }
    }
}

#[cfg(unix)]
fn is_in_foreground() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
    })
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// The console sends its own to the command as well.
    async fn wait(self, mut child: Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                _ = tokio::signal::ctrl_c() => {}
            }
        }
    }
}
