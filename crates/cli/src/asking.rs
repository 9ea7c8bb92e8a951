//! What is asked of whoever sits at the terminal. Nobody is asked who is not there.

use std::io::{BufRead, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::advice::CommandLine;
use crate::failure::Failure;
use crate::output::ask;

const MAX_LINE_BYTES: u64 = 4096;

/// Whether somebody is there to answer.
pub(crate) fn is_attended() -> bool {
    std::io::stdin().is_terminal()
}

/// A yes, by its name: what is removed does not come back.
pub(crate) fn confirm(
    name: &str,
    what: &str,
    is_given: bool,
    again: &CommandLine,
) -> Result<(), Failure> {
    if is_given {
        return Ok(());
    }
    if !is_attended() {
        return Err(Failure::usage(format!("this needs a yes\nhint: {again}")));
    }
    ask(&format!("type `{name}` to {what}:"));
    match read_line()?.trim() == name {
        true => Ok(()),
        false => Err(Failure::usage("nothing was done")),
    }
}

pub(crate) fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_LINE_BYTES).read_line(&mut line)?;
    Ok(line)
}

/// What is missing, from whoever sits at the terminal; elsewhere it is an error.
pub(crate) fn asked(what: &str, hint: &str) -> Result<String, Failure> {
    if !is_attended() {
        return Err(Failure::usage(format!("the {what} is missing\nhint: {hint}")));
    }
    ask(&format!("{what}:"));
    match read_line()?.trim() {
        "" => Err(Failure::usage(format!("the {what} is missing\nhint: {hint}"))),
        line => Ok(line.to_owned()),
    }
}

/// A secret, hidden before it is asked for: what is typed or pasted at once is not shown either.
pub(crate) fn asked_secret(what: &str) -> Result<Zeroizing<String>, Failure> {
    let _hidden = Hidden::begin();
    Ok(Zeroizing::new(rpassword::prompt_password(format!("{what}: "))?))
}

/// What is typed on the terminal of standard input is not shown, until this is dropped.
struct Hidden {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Hidden {
    #[cfg(unix)]
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut hidden) = before.clone() {
            hidden.local_modes.remove(LocalModes::ECHO);
            // Where this fails, the question itself hides what is typed.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &hidden);
        }
        Self { before }
    }

    #[cfg(not(unix))]
    fn begin() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}
