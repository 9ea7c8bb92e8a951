//! A command that takes a release: in its environment and nowhere else.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::forms::Names;
use super::{Answering, Consumer, Receipt, Release};

/// A program that is run once for each version. It acknowledges by ending with 0.
pub struct Command {
    /// Its name.
    pub name: String,
    /// The credential that it is given.
    pub credential: String,
    /// Program and arguments. The program is an absolute path.
    pub line: Vec<OsString>,
    /// What else is in its environment: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// The variables of id and secret.
    pub names: Names,
    /// How long it may take.
    pub patience: Duration,
}

impl Command {
    async fn run(&self, release: &Release) -> Result<Receipt, String> {
        let Some((program, arguments)) = self.line.split_first() else {
            return Err("there is no command".into());
        };
        if !Path::new(program).is_absolute() {
            return Err("the command is not an absolute path".into());
        }
        let (id_name, secret_name) = self.names.of(release);
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("COUNTERSIGN_CREDENTIAL", &release.name)
            .env("COUNTERSIGN_VERSION", release.version.to_string())
            .env("COUNTERSIGN_URL", &release.url)
            .env(id_name, release.id())
            .env(secret_name, &*release.secret())
            .stdin(Stdio::null())
            // What it prints may be the secret: nobody reads it.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("the command did not start: {error}"))?;
        let ended = tokio::time::timeout(self.patience, child.wait()).await;
        let Ok(status) = ended else {
            // Not waited for longer: what the operating system does not end now, it
            // ends when the handle goes.
            let _ = child.start_kill();
            return Err(format!("the command took longer than {} s", self.patience.as_secs()));
        };
        let status = status.map_err(|error| format!("the command was lost: {error}"))?;
        match status.code() {
            Some(0) => Ok(Receipt::Acknowledged),
            Some(code) => Err(format!("the command ended with {code}")),
            None => Err("the command was ended by a signal".into()),
        }
    }
}

impl Consumer for Command {
    fn name(&self) -> &str {
        &self.name
    }

    fn credential(&self) -> &str {
        &self.credential
    }

    fn kind(&self) -> &'static str {
        "command"
    }

    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        Box::pin(self.run(release))
    }
}
