//! The peer: the crate `veracode-platform`, in a process of its own (`peer.rs` of
//! `conformance/rust-veracode-platform`), for it comes with another TLS library.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use crate::process::Ended;

/// Its program, for a pair and a URL.
pub fn command(what: &str, (id, secret): (&str, &str), url: &str) -> Result<Command> {
    let program = std::env::var_os("COUNTERSIGN_BENCH_PEER");
    let program = program.context("COUNTERSIGN_BENCH_PEER names no program: use bench/run")?;
    let mut command = Command::new(PathBuf::from(program));
    command.arg(what).env("PEER_ID", id).env("PEER_SECRET", secret).env("PEER_URL", url);
    Ok(command)
}

/// Signs when it is asked to.
pub struct Signer {
    _process: Ended,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Signer {
    /// One that makes the header of a GET of this URL so often each time.
    pub fn start(pair: (&str, &str), url: &str, calls: u32) -> Result<Self> {
        let mut command = command("sign", pair, url)?;
        command.arg(calls.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("the peer does not start")?;
        let asks = process.stdin.take().context("no standard input")?;
        let answers = BufReader::new(process.stdout.take().context("no standard output")?);
        Ok(Self { _process: Ended(process), asks, answers })
    }

    /// The length of a header, and the nanoseconds that one takes.
    pub fn sign(&mut self) -> Result<(usize, f64)> {
        writeln!(self.asks)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let (length, nanoseconds) = line.trim().split_once(' ').context("the peer ended")?;
        Ok((length.parse()?, nanoseconds.parse()?))
    }
}
