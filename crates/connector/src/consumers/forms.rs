//! Files that are one release and nothing else: a Kubernetes Secret, and variables as
//! the command lines of GitHub and GitLab take them.

use std::fmt::Write;

use countersign_vault::Kind;
use data_encoding::BASE64;
use serde::Serialize;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Form, Release};

/// What id and secret are called.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The id's name; else the usual one of its kind.
    pub id: Option<String>,
    /// The secret's name; else the usual one of its kind.
    pub secret: Option<String>,
}

impl Names {
    /// Those for a release.
    pub fn of(&self, release: &Release) -> (String, String) {
        let (id, secret) = match release.secret.kind() {
            Kind::Hmac => ("VERACODE_API_KEY_ID", "VERACODE_API_KEY_SECRET"),
            Kind::OAuth => ("VERACODE_OAUTH_CLIENT_ID", "VERACODE_OAUTH_CLIENT_SECRET"),
        };
        let chosen = |name: &Option<String>, usual: &str| name.clone().unwrap_or(usual.to_owned());
        (chosen(&self.id, id), chosen(&self.secret, secret))
    }

    /// Whether both can be variables of an environment.
    pub fn are_variables(&self) -> bool {
        let is_variable = |name: &String| {
            let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            begins_well && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        [&self.id, &self.secret].into_iter().flatten().all(is_variable)
    }
}

/// A manifest for `kubectl apply -f`.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    name: String,
    namespace: Option<String>,
    keys: Names,
}

impl Kubernetes {
    /// None when a name is not one that Kubernetes takes.
    pub fn new(name: &str, namespace: Option<&str>, keys: Names) -> Option<Self> {
        let is_label = |text: &str| {
            let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=63).contains(&text.len())
                && text.bytes().all(is_inner)
                && !text.starts_with('-')
                && !text.ends_with('-')
        };
        let is_key = |key: &String| {
            let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            (1..=253).contains(&key.len()) && key.bytes().all(is_inner)
        };
        let are_names = name.len() <= 253
            && name.split('.').all(is_label)
            && namespace.is_none_or(is_label)
            && [&keys.id, &keys.secret].into_iter().flatten().all(is_key);
        let namespace = namespace.map(str::to_owned);
        are_names.then(|| Self { name: name.to_owned(), namespace, keys })
    }
}

impl Form for Kubernetes {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn write(&self, _: &str, release: &Release) -> Result<Zeroizing<String>, String> {
        let (id_key, secret_key) = self.keys.of(release);
        let secret = Zeroizing::new(BASE64.encode(release.secret().as_bytes()));
        // Room for all of it, so that no shorter copy is left behind.
        let mut text = Zeroizing::new(String::with_capacity(secret.len() + 1024));
        let namespace = self.namespace.as_ref();
        let namespace = namespace.map(|it| format!("  namespace: \"{it}\"\n")).unwrap_or_default();
        write!(
            text,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{}\"\n{namespace}  annotations:\n    \
             countersign/version: \"{}\"\ntype: Opaque\ndata:\n  \"{id_key}\": {}\n  \"{secret_key}\": {}\n",
            self.name,
            release.version,
            BASE64.encode(release.id().as_bytes()),
            *secret,
        )
        .map_err(|_| "it could not be written".to_owned())?;
        Ok(text)
    }

    fn holds(&self, text: &str, release: &Release) -> bool {
        is_text(self.write("", release), text)
    }
}

/// Variables of a pipeline.
#[derive(Debug, Clone)]
pub enum Variables {
    /// `NAME=value`, a line each: `gh secret set -f FILE`.
    Lines(Names),
    /// An array of objects as GitLab's API has them.
    Json(Names),
}

impl Form for Variables {
    fn kind(&self) -> &'static str {
        "variables"
    }

    fn write(&self, _: &str, release: &Release) -> Result<Zeroizing<String>, String> {
        let (id, secret) = (release.id(), release.secret());
        match self {
            Self::Lines(names) => {
                let (id_name, secret_name) = names.of(release);
                let (id, secret) = (quoted(&id)?, quoted(&secret)?);
                let parts = [&*id_name, "=", &*id, "\n", &*secret_name, "=", &*secret, "\n"];
                let length = parts.iter().map(|part| part.len()).sum();
                let mut lines = Zeroizing::new(String::with_capacity(length));
                parts.iter().for_each(|part| lines.push_str(part));
                Ok(lines)
            }
            Self::Json(names) => {
                let (id_name, secret_name) = names.of(release);
                let all =
                    [GitLab::new(&id_name, &id, false), GitLab::new(&secret_name, &secret, true)];
                // Room for all of it, were each byte escaped.
                let texts = [&*id_name, &*secret_name, &*id, &*secret];
                let room = 1024 + 6 * texts.iter().map(|text| text.len()).sum::<usize>();
                let mut text = Zeroizing::new(Vec::with_capacity(room));
                serde_json::to_writer_pretty(&mut *text, &all)
                    .map_err(|error| error.to_string())?;
                text.push(b'\n');
                let text = String::from_utf8(std::mem::take(&mut text));
                text.map(Zeroizing::new).map_err(|_| "it could not be written".to_owned())
            }
        }
    }

    fn holds(&self, text: &str, release: &Release) -> bool {
        is_text(self.write("", release), text)
    }
}

/// A variable as GitLab has it.
#[derive(Serialize)]
struct GitLab<'v> {
    environment_scope: &'static str,
    key: &'v str,
    masked: bool,
    protected: bool,
    raw: bool,
    value: &'v str,
    variable_type: &'static str,
}

impl<'v> GitLab<'v> {
    fn new(key: &'v str, value: &'v str, masked: bool) -> Self {
        Self {
            environment_scope: "*",
            key,
            masked,
            protected: true,
            raw: true,
            value,
            variable_type: "env_var",
        }
    }
}

/// A value that every reader of such lines takes as it is.
fn quoted(value: &str) -> Result<Zeroizing<String>, String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if value.bytes().all(is_plain) {
        return Ok(Zeroizing::new(value.to_owned()));
    }
    if value.contains(['\'', '\n', '\r', '\\']) {
        return Err("it has characters that such a file cannot hold".into());
    }
    Ok(Zeroizing::new(format!("'{value}'")))
}

fn is_text(expected: Result<Zeroizing<String>, String>, text: &str) -> bool {
    expected.is_ok_and(|expected| expected.as_bytes().ct_eq(text.as_bytes()).into())
}
