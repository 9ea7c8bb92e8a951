//! Where tools look for a pair: the environment, `~/.veracode/credentials`, and
//! `~/.veracode/veracode.yml`, in this order.

use std::path::{Path, PathBuf};

use countersign_connector::keyfile::{DEFAULT_PROFILE, Form, Written, find_variables};
use countersign_files::{Secrecy, read_text};
use zeroize::Zeroizing;

use crate::failure::Failure;

const MAX_BYTES: u64 = 1 << 20;

/// A pair, and where it was found.
pub(crate) struct Found {
    pub(crate) written: Written,
    /// For people.
    pub(crate) place: String,
}

/// The pair of a file, told by its content which form it has.
pub(crate) fn of_file(path: &Path, profile: Option<&str>) -> Result<Found, Failure> {
    let shown = path.display();
    let text = read_text(path, Secrecy::Open, MAX_BYTES).map_err(Failure::usage)?;
    let form = Form::of(&text).ok_or_else(|| {
        Failure::usage(format!(
            "`{shown}` has none of the forms that a pair is read from\nhint: sections with \
             veracode_api_key_id and veracode_api_key_secret, `api:` with key-id and key-secret, \
             or lines VERACODE_API_KEY_ID=… and VERACODE_API_KEY_SECRET=…"
        ))
    })?;
    if profile.is_some() && form != Form::Ini {
        return Err(Failure::usage(format!(
            "`{shown}` has no profiles\nhint: leave out `--profile`"
        )));
    }
    let profile = profile.map_or_else(wanted_profile, str::to_owned);
    let written = form.read(&text, &profile);
    match written.map_err(|what| Failure::usage(format!("`{shown}`: {what}")))? {
        Some(written) => Ok(Found { written, place: place(path, form, &profile) }),
        None => Err(Failure::usage(match form {
            Form::Ini => format!(
                "`{shown}` has no section `[{profile}]` with veracode_api_key_id and veracode_api_key_secret"
            ),
            Form::Yaml => format!("`{shown}` has no `api:` with key-id and key-secret"),
            Form::Variables => {
                format!("`{shown}` has no VERACODE_API_KEY_ID with VERACODE_API_KEY_SECRET")
            }
        })),
    }
}

/// The pair that tools on this machine would take. Who names a profile means the
/// credentials file.
pub(crate) fn of_machine(profile: Option<&str>) -> Result<Found, Failure> {
    if profile.is_none()
        && let Some(written) = find_variables(|name| std::env::var(name).ok().map(Zeroizing::new))
    {
        return Ok(Found { written, place: "the environment".into() });
    }
    let folder = folder()?;
    let credentials = folder.join("credentials");
    let cli = folder.join("veracode.yml");
    if profile.is_none() && !credentials.exists() && cli.exists() {
        return of_file(&cli, None);
    }
    if !credentials.exists() {
        return Err(Failure::usage(format!(
            "there is no pair in the environment, and `{}` cannot be read: there is no such file",
            credentials.display()
        )));
    }
    of_file(&credentials, profile)
}

/// Every pair that tools on this machine would find, each with its place.
pub(crate) fn all_of_machine() -> Vec<Found> {
    let mut all = Vec::new();
    all.extend(
        find_variables(|name| std::env::var(name).ok().map(Zeroizing::new))
            .map(|written| Found { written, place: "the environment".into() }),
    );
    all.extend(files().iter().filter_map(|path| of_file(path, None).ok()));
    all
}

/// Where tools keep their pairs.
pub(crate) fn files() -> Vec<PathBuf> {
    let folder = folder();
    let names = folder.map(|folder| ["credentials", "veracode.yml"].map(|name| folder.join(name)));
    names.map_or_else(|_| Vec::new(), Vec::from)
}

fn wanted_profile() -> String {
    std::env::var("VERACODE_API_PROFILE").unwrap_or_else(|_| DEFAULT_PROFILE.into())
}

fn folder() -> Result<PathBuf, Failure> {
    Ok(etcetera::home_dir().map_err(Failure::usage)?.join(".veracode"))
}

fn place(path: &Path, form: Form, profile: &str) -> String {
    match form {
        Form::Ini => format!("`{}` [{profile}]", path.display()),
        _ => format!("`{}`", path.display()),
    }
}
