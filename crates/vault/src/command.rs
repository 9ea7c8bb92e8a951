//! A program of somebody else's as the vault: a verb as its last argument, one JSON
//! object on standard input, one on standard output. `docs/reference/vault.md` is the protocol.
//!
//! Secrets pass through the two pipes and nowhere else. What the program prints is
//! bounded, and so is its time.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use countersign_text::line;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Fault};
use crate::{Entry, Kind, PROBE, Secret, Vault, check_name, check_probe};

const PROTOCOL: u32 = 1;
const MAX_BYTES: u64 = 4 << 20;
const MAX_COMPLAINT: u64 = 64 << 10;
/// Of what the program says on standard error, so much is repeated.
const SAID: usize = 300;
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// How the program ends.
const NOT_FOUND: i32 = 3;
const DENIED: i32 = 4;
const UNREACHABLE: i32 = 5;

/// A vault that a program keeps.
#[derive(Debug)]
pub struct External {
    program: PathBuf,
    args: Vec<String>,
    timeout: Duration,
}

/// What a pipe held, once it has ended.
type Drained = Receiver<Zeroizing<Vec<u8>>>;

struct Ended {
    status: ExitStatus,
    output: Zeroizing<Vec<u8>>,
    complaint: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct Put {
    version: u32,
}

#[derive(Deserialize)]
struct Got {
    version: u32,
    kind: String,
    id: String,
    secret: String,
}

#[derive(Deserialize)]
struct Listed {
    entries: Vec<ListedEntry>,
}

#[derive(Deserialize)]
struct ListedEntry {
    name: String,
    version: u32,
    kind: String,
    id: String,
    created_ms: i64,
    #[serde(default)]
    destroyed: bool,
}

#[derive(Deserialize)]
struct Destroyed {}

#[derive(Serialize)]
struct NewSecret<'a> {
    protocol: u32,
    name: &'a str,
    kind: &'a str,
    id: &'a str,
    created_ms: i64,
    secret: &'a str,
}

impl External {
    /// `program` is asked with `args` and a verb; found by `PATH` unless it has a slash.
    pub fn new(program: PathBuf, args: Vec<String>, timeout: Duration) -> Arc<Self> {
        Arc::new(Self { program, args, timeout })
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, verb: &str, input: &[u8]) -> Result<T, Error> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let what =
                    format!("failed to start the vault's program `{}`: {error}", self.place());
                Error::elsewhere(Fault::Config, what, "see `vault.command.program`")
            })?;
        // Each pipe has a thread: a program that reads nothing, or writes to one pipe
        // while we wait for the other, must not hold us up.
        let input = Zeroizing::new(input.to_vec());
        let written = child.stdin.take().map(|mut pipe| {
            std::thread::spawn(move || {
                // A program that ends without reading says why by its exit code.
                let _ = pipe.write_all(&input);
            })
        });
        let printed = child.stdout.take().map(|pipe| drain(pipe, MAX_BYTES));
        let complained = child.stderr.take().map(|pipe| drain(pipe, MAX_COMPLAINT));
        let outcome = self.wait(&mut child, verb, printed, complained);
        if outcome.is_err() {
            // Already ended, or to be ended; what it started itself is its own affair.
            let _ = child.kill();
            let _ = child.wait();
        } else if let Some(written) = written {
            let _ = written.join();
        }
        let Ended { status, output, complaint } = outcome?;
        if !status.success() {
            return Err(self.refusal(verb, status, &complaint));
        }
        // The parser's own words could repeat a secret.
        serde_json::from_slice(&output).map_err(|_| self.odd(verb, "does not follow the protocol"))
    }

    fn wait(
        &self,
        child: &mut Child,
        verb: &str,
        printed: Option<Drained>,
        complained: Option<Drained>,
    ) -> Result<Ended, Error> {
        let deadline = Instant::now() + self.timeout;
        let late = || {
            let what = format!(
                "the vault's program `{}` did not end within {} s of `{verb}`",
                self.place(),
                self.timeout.as_secs()
            );
            let hint = "see why, or raise `vault.command.timeout_seconds`";
            Error::elsewhere(Fault::Unreachable, what, hint)
        };
        let within = |pipe: Option<Drained>| match pipe {
            Some(pipe) => {
                let left = deadline.saturating_duration_since(Instant::now());
                pipe.recv_timeout(left).map_err(|_| late())
            }
            None => Ok(Zeroizing::new(Vec::new())),
        };
        let output = within(printed)?;
        if output.len() as u64 > MAX_BYTES {
            return Err(self.odd(verb, "is larger than 4 MiB"));
        }
        let complaint = within(complained)?;
        let (_keep, never) = channel::<()>();
        loop {
            let ended = child.try_wait().map_err(Error::io("wait for", &self.program))?;
            if let Some(status) = ended {
                return Ok(Ended { status, output, complaint });
            }
            if Instant::now() >= deadline
                || never.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout)
            {
                return Err(late());
            }
        }
    }

    fn refusal(&self, verb: &str, status: ExitStatus, complaint: &[u8]) -> Error {
        let text = String::from_utf8_lossy(complaint);
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        // It knows secrets, and may say one: nothing as long as one is repeated.
        let words = first.split_whitespace().map(|word| if word.len() >= 32 { "…" } else { word });
        let mut said = words.collect::<Vec<_>>().join(" ");
        if !said.is_empty() {
            said = format!(": {}", line(&said).at_most(SAID));
        }
        let (fault, hint) = match status.code() {
            Some(DENIED) => (Fault::Denied, "sign in to, or unlock, what the program asks"),
            Some(UNREACHABLE) => (Fault::Unreachable, "try again later"),
            _ => (Fault::Protocol, "run it by hand; docs/reference/vault.md has the protocol"),
        };
        let what =
            format!("the vault's program `{}` failed to {verb} ({status}){said}", self.place());
        match status.code() {
            Some(NOT_FOUND) => Error::not_found(verb),
            _ => Error::elsewhere(fault, what, hint),
        }
    }

    fn odd(&self, verb: &str, what: &str) -> Error {
        let what =
            format!("what the vault's program `{}` answers to `{verb}` {what}", self.place());
        Error::elsewhere(Fault::Protocol, what, "docs/reference/vault.md has the protocol")
    }

    fn listed(&self) -> Result<Vec<Entry>, Error> {
        let input = json!({ "protocol": PROTOCOL }).to_string();
        let listed: Listed = self.ask("list", input.as_bytes())?;
        let entries = listed.entries.into_iter().map(|entry| {
            Some(Entry {
                kind: Kind::parse(&entry.kind)?,
                name: entry.name,
                version: entry.version,
                api_id: entry.id,
                created_ms: entry.created_ms,
                is_tombstone: entry.destroyed,
            })
        });
        let entries: Option<Vec<_>> = entries.collect();
        let mut entries =
            entries.ok_or_else(|| self.odd("list", "has a kind that is not known"))?;
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    fn got(&self, name: &str, version: Option<u32>) -> Result<(u32, Secret), Error> {
        check_name(name)?;
        let input = json!({ "protocol": PROTOCOL, "name": name, "version": version }).to_string();
        let mut got: Got = self.ask("get", input.as_bytes()).map_err(|error| {
            match (error.is_not_found(), version) {
                (true, Some(version)) => Error::no_version(name, version),
                (true, None) => Error::not_found(name),
                (false, _) => error,
            }
        })?;
        let secret = HEXLOWER.decode(got.secret.as_bytes());
        got.secret.zeroize();
        let credential = Kind::parse(&got.kind)
            .zip(secret.ok())
            .and_then(|(kind, secret)| Secret::assemble(kind, &got.id, secret));
        match credential {
            Some(credential) if version.is_none_or(|version| version == got.version) => {
                Ok((got.version, credential))
            }
            _ => Err(self.odd("get", "is not what was asked for")),
        }
    }

    fn end(&self, name: &str, version: u32, forget: bool) -> Result<(), Error> {
        let input =
            json!({ "protocol": PROTOCOL, "name": name, "version": version, "forget": forget });
        let ended: Result<Destroyed, Error> = self.ask("destroy", input.to_string().as_bytes());
        ended.map(|_| ()).map_err(|error| match error.is_not_found() {
            true => Error::no_version(name, version),
            false => error,
        })
    }
}

impl Vault for External {
    fn place(&self) -> String {
        self.program.display().to_string()
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        check_name(name)?;
        let secret = credential.secret().expose_hex();
        let request = NewSecret {
            protocol: PROTOCOL,
            name,
            kind: credential.kind().as_str(),
            id: credential.id(),
            created_ms: now_ms,
            secret: &secret,
        };
        let input = serde_json::to_vec(&request).map(Zeroizing::new);
        let input = input.map_err(|_| self.odd("put", "cannot be asked"))?;
        let put: Put = self.ask("put", &input)?;
        match put.version {
            0 => Err(self.odd("put", "names version 0: the first one is 1")),
            version => Ok(version),
        }
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        self.got(name, None)
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        Ok(self.got(name, Some(version))?.1)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = self.listed()?;
        entries.retain(|entry| entry.name != PROBE);
        Ok(entries)
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        check_name(name)?;
        let mut entries = self.listed()?;
        entries.retain(|entry| entry.name == name);
        Ok(entries)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        check_name(name)?;
        self.end(name, version, false)
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        check_probe(name)?;
        self.end(name, version, true)
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        // Each verb is a process of its own: there is nothing in memory.
        Ok(Self::new(self.program.clone(), self.args.clone(), self.timeout))
    }
}

/// Reads a pipe to its end on a thread of its own, or one byte more than `limit`.
fn drain(pipe: impl Read + Send + 'static, limit: u64) -> Drained {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        // A pipe that breaks has ended.
        let _ = pipe.take(limit + 1).read_to_end(&mut bytes);
        // Nobody waits any more after a time-out.
        let _ = sender.send(bytes);
    });
    receiver
}
