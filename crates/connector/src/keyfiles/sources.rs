//! Where tools look for a pair: the environment, `~/.veracode/credentials`, and
//! `~/.veracode/veracode.yml`, in this order.

use std::path::{Path, PathBuf};

use countersign_files::{Secrecy, read_text};
use zeroize::Zeroizing;

use super::variables::{find, half};
use super::{DEFAULT_PROFILE, Form, Written};
use crate::error::{Error, Fault};

const MAX_BYTES: u64 = 1 << 20;
/// The variable that names a section of the credentials file.
const PROFILE: &str = "VERACODE_API_PROFILE";

/// A pair, and where it was found.
pub struct Found {
    /// The pair.
    pub written: Written,
    /// For people.
    pub place: String,
}

/// What tools on a machine look at.
pub struct Machine<'m> {
    /// The home folder of whoever runs them, or why nobody knows it.
    pub home: Result<PathBuf, String>,
    /// A variable of the environment.
    pub variable: &'m dyn Fn(&str) -> Option<Zeroizing<String>>,
}

impl Machine<'_> {
    /// The pair of a file, told by its content which form it has.
    pub fn file(&self, path: &Path, profile: Option<&str>) -> Result<Found, Error> {
        let shown = path.display();
        let text = read_text(path, Secrecy::Open, MAX_BYTES).map_err(|e| refused(e.to_string()))?;
        let form = Form::of(&text).ok_or_else(|| {
            refused(format!("`{shown}` has none of the forms that API credentials are read from"))
                .hint(
                    "sections with veracode_api_key_id and veracode_api_key_secret, `api:` with \
                 key-id and key-secret, or lines VERACODE_API_KEY_ID=… and \
                 VERACODE_API_KEY_SECRET=…",
                )
        })?;
        if profile.is_some() && form != Form::Ini {
            return Err(refused(format!("`{shown}` has no profiles")).hint("leave out `--profile`"));
        }
        let profile = profile.map_or_else(|| self.wanted_profile(), str::to_owned);
        let written = form.read(&text, &profile);
        match written.map_err(|what| refused(format!("`{shown}`: {what}")))? {
            Some(written) => Ok(Found { written, place: place(path, form, &profile) }),
            None => Err(refused(match form {
                Form::Ini => format!(
                    "`{shown}` has no section `[{profile}]` with veracode_api_key_id and veracode_api_key_secret"
                ),
                Form::Yaml => format!("`{shown}` has no `api:` with key-id and key-secret"),
                Form::Variables => {
                    format!("`{shown}` has no VERACODE_API_KEY_ID with VERACODE_API_KEY_SECRET")
                }
            })
            .hint(match form {
                Form::Ini => "write both values there, or name another section with `--profile`",
                _ => "write both values there, or name another file",
            })),
        }
    }

    /// The pair that tools would take. Who names a profile means the credentials file.
    pub fn first(&self, profile: Option<&str>) -> Result<Found, Error> {
        if profile.is_none()
            && let Some(found) = self.environment()
        {
            return Ok(found);
        }
        let [credentials, cli] = self.places()?;
        if profile.is_none() && !credentials.exists() && cli.exists() {
            return self.file(&cli, None);
        }
        if !credentials.exists() {
            return Err(refused(format!(
                "there are no API credentials in the environment, and `{}` cannot be read: there is no such file",
                credentials.display()
            )));
        }
        self.file(&credentials, profile)
    }

    /// Every pair that tools would find, each with its place.
    pub fn all(&self) -> Vec<Found> {
        let files = self.files();
        let of_files = files.iter().filter_map(|path| self.file(path, None).ok());
        self.environment().into_iter().chain(of_files).collect()
    }

    /// Where tools keep their pairs.
    pub fn files(&self) -> Vec<PathBuf> {
        self.places().map_or_else(|_| Vec::new(), Vec::from)
    }

    /// The pair that the environment names: its two halves, or the profile that has it.
    /// Half a pair is a mistake, and none that is silently passed over.
    pub fn named_by_environment(&self) -> Result<Option<Found>, Error> {
        if let Some(found) = self.environment() {
            return Ok(Some(found));
        }
        if let Some((set, missing)) = half(self.variable) {
            return Err(refused(format!("`{set}` is set, and `{missing}` is not"))
                .hint(format!("set both, or neither: `unset {set}`")));
        }
        match (self.variable)(PROFILE) {
            Some(profile) => Ok(Some(self.first(Some(&profile))?)),
            None => Ok(None),
        }
    }

    fn environment(&self) -> Option<Found> {
        let written = find(self.variable)?;
        Some(Found { written, place: "the environment".into() })
    }

    fn places(&self) -> Result<[PathBuf; 2], Error> {
        let folder = self.home.as_ref().map_err(|why| refused(why.clone()))?.join(".veracode");
        Ok(["credentials", "veracode.yml"].map(|name| folder.join(name)))
    }

    fn wanted_profile(&self) -> String {
        let named = (self.variable)(PROFILE);
        named.map_or_else(|| DEFAULT_PROFILE.into(), |name| name.to_string())
    }
}

fn refused(what: String) -> Error {
    Error::new(Fault::Config, what)
}

fn place(path: &Path, form: Form, profile: &str) -> String {
    match form {
        Form::Ini => format!("`{}` [{profile}]", path.display()),
        _ => format!("`{}`", path.display()),
    }
}
