//! `[vault]`: which vault it is, and what opens it. `docs/reference/vault.md` has examples.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_files::{self as files, Secrecy};
use countersign_vault::{External, KeySource, Kv, KvConfig, SealedFile, SecretText, SignIn, Vault};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::home::Home;
use crate::off_runtime::OffRuntime;
use crate::system;

const PASSPHRASE: &str = "COUNTERSIGN_VAULT_PASSPHRASE";
/// The usual mount of a KV engine.
const MOUNT: &str = "secret";
/// The usual folder of the vault in it.
const FOLDER: &str = "countersign";
const KV: &str = "vault.kv";
/// Of a passphrase or a certificate.
const MAX_FILE_BYTES: u64 = 1 << 20;
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What the table may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VaultConfig {
    pub(crate) backend: Backend,
    /// File with the key that seals [default: `vault.key` in the home].
    key_file: Option<PathBuf>,
    /// File whose first line is the passphrase. Without it, and without
    /// `COUNTERSIGN_VAULT_PASSPHRASE`, the key file seals.
    pub(crate) passphrase_file: Option<PathBuf>,
    keyring: Option<KeyringTable>,
    kv: Option<KvTable>,
    command: Option<CommandTable>,
}

/// Where the secrets are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    #[default]
    File,
    Keyring,
    Kv,
    Command,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeyringTable {
    service: String,
}

impl Default for KeyringTable {
    fn default() -> Self {
        Self { service: "countersign".into() }
    }
}

/// `[vault.kv]`, and the `kv` of a consumer, whose `path` is a secret and no folder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KvTable {
    address: String,
    mount: Option<String>,
    pub(crate) path: Option<String>,
    namespace: Option<String>,
    ca_file: Option<PathBuf>,
    allow_http_loopback: bool,
    timeout_seconds: Option<u64>,
    sign_in: Way,
    sign_in_mount: Option<String>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    role_id: Option<String>,
    secret_id_file: Option<PathBuf>,
    secret_id_env: Option<String>,
    role: Option<String>,
    jwt_file: Option<PathBuf>,
    jwt_env: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    #[default]
    Token,
    AppRole,
    Jwt,
    Kubernetes,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CommandTable {
    program: PathBuf,
    args: Vec<String>,
    timeout_seconds: Option<u64>,
}

impl Backend {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Keyring => "keyring",
            Self::Kv => "kv",
            Self::Command => "command",
        }
    }
}

impl VaultConfig {
    /// What cannot be meant. A table of another backend than the chosen one is refused,
    /// so that a forgotten line does not send secrets elsewhere.
    pub(super) fn check(&self) -> Result<(), String> {
        let of_file = self.key_file.is_some() || self.passphrase_file.is_some();
        for (is_there, what, backend) in [
            (of_file, "vault.key_file` or `vault.passphrase_file", Backend::File),
            (self.keyring.is_some(), "vault.keyring", Backend::Keyring),
            (self.kv.is_some(), "vault.kv", Backend::Kv),
            (self.command.is_some(), "vault.command", Backend::Command),
        ] {
            if is_there && backend != self.backend {
                let (chosen, fitting) = (self.backend.as_str(), backend.as_str());
                return Err(format!(
                    "`{what}` is there, but `vault.backend` is \"{chosen}\"\nhint: set `vault.backend = \"{fitting}\"`, or remove it"
                ));
            }
        }
        if self.key_file.is_some() && self.passphrase_file.is_some() {
            return Err("`vault.key_file` and `vault.passphrase_file` exclude each other".into());
        }
        match self.backend {
            Backend::File | Backend::Keyring => Ok(()),
            Backend::Kv => self.kv.as_ref().ok_or("`vault.kv.address` is missing")?.check(KV),
            Backend::Command => match &self.command {
                Some(table) if !table.program.as_os_str().is_empty() => {
                    check_seconds("vault.command.timeout_seconds", table.timeout_seconds)
                }
                _ => Err("`vault.command.program` is missing".into()),
            },
        }
    }

    /// Whether this path of a KV engine is inside of the vault, or would be, were it the
    /// same store: a store has many addresses.
    pub(crate) fn has_in_it(&self, table: &KvTable) -> bool {
        let Some(own) = self.kv.as_ref().filter(|_| self.backend == Backend::Kv) else {
            return false;
        };
        let folder = own.path.as_deref().unwrap_or(FOLDER);
        let rest = table.path.as_deref().and_then(|path| path.strip_prefix(folder));
        own.mount() == table.mount()
            && rest.is_some_and(|rest| matches!(rest.chars().next(), None | Some('/')))
    }

    /// Opens the vault. Nothing is asked of a network yet.
    pub(crate) fn open(&self, home: &Home) -> Result<Arc<dyn Vault>, Failure> {
        match self.backend {
            Backend::File => Ok(self.open_file(home)?),
            Backend::Keyring => {
                let table = KeyringTable::default();
                open_keyring(home, &self.keyring.as_ref().unwrap_or(&table).service)
            }
            Backend::Kv => {
                let table = self.kv.as_ref().ok_or_else(|| Failure::usage("no `[vault.kv]`"))?;
                let config = table.config(KV)?;
                OffRuntime::open(|| Ok(Kv::open(config, system::clock(), system::random())?))
            }
            Backend::Command => {
                let table = self.command.as_ref();
                let table = table.ok_or_else(|| Failure::usage("no `[vault.command]`"))?;
                let timeout = Duration::from_secs(table.timeout_seconds.unwrap_or(30));
                let (program, args) = (table.program.clone(), table.args.clone());
                OffRuntime::open(|| Ok(External::new(program, args, timeout)))
            }
        }
    }

    /// Opens the sealed file, the one vault that can be resealed.
    pub(crate) fn open_file(&self, home: &Home) -> Result<Arc<SealedFile>, Failure> {
        let source = self.key_source(home.vault_key())?;
        Ok(SealedFile::open(&home.vault(), source, system::random())?)
    }

    /// What opens the file; `key_file` when nothing else is said.
    pub(crate) fn key_source(&self, key_file: PathBuf) -> Result<KeySource, Failure> {
        if let Some(path) = &self.passphrase_file {
            return passphrase_in(path);
        }
        if let Some(path) = &self.key_file {
            return Ok(KeySource::KeyFile(path.clone()));
        }
        match std::env::var(PASSPHRASE) {
            Ok(passphrase) => passphrase_of(Zeroizing::new(passphrase), PASSPHRASE),
            Err(_) => Ok(KeySource::KeyFile(key_file)),
        }
    }
}

/// The passphrase in the first line of a file.
pub(crate) fn passphrase_in(path: &Path) -> Result<KeySource, Failure> {
    let text = files::read_text(path, Secrecy::Secret, MAX_FILE_BYTES);
    let text = text.map_err(|error| match error.is_exposed() {
        true => error.into(),
        false => Failure::storage(format!("failed to read the passphrase: {error}")),
    })?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    passphrase_of(Zeroizing::new(line), &path.display().to_string())
}

fn passphrase_of(passphrase: Zeroizing<String>, origin: &str) -> Result<KeySource, Failure> {
    match passphrase.is_empty() {
        true => Err(Failure::storage(format!("the passphrase of the vault is empty: `{origin}`"))),
        false => Ok(KeySource::Passphrase(passphrase)),
    }
}

#[cfg(feature = "keyring")]
fn open_keyring(home: &Home, service: &str) -> Result<Arc<dyn Vault>, Failure> {
    let list = home.vault_keyring();
    let random = system::random();
    OffRuntime::open(|| Ok(countersign_vault::Keyring::open(&list, service, random)?))
}

#[cfg(not(feature = "keyring"))]
fn open_keyring(_: &Home, _: &str) -> Result<Arc<dyn Vault>, Failure> {
    Err(Failure::usage(
        "this program was built without the OS keyring, which `vault.backend` names\n\
         hint: build it with `cargo build --release --features keyring`, or set another \
         `vault.backend`",
    ))
}

impl KvTable {
    /// What cannot be meant; `keys` is what the table is called.
    pub(crate) fn check(&self, keys: &str) -> Result<(), String> {
        if self.address.is_empty() {
            return Err(format!("`{keys}.address` is missing"));
        }
        check_seconds(&format!("{keys}.timeout_seconds"), self.timeout_seconds)?;
        let way = self.sign_in;
        let is_jwt = matches!(way, Way::Jwt | Way::Kubernetes);
        for (is_there, what, is_fitting) in [
            (self.token_file.is_some(), "token_file", way == Way::Token),
            (self.token_env.is_some(), "token_env", way == Way::Token),
            (self.sign_in_mount.is_some(), "sign_in_mount", way != Way::Token),
            (self.role_id.is_some(), "role_id", way == Way::AppRole),
            (self.secret_id_file.is_some(), "secret_id_file", way == Way::AppRole),
            (self.secret_id_env.is_some(), "secret_id_env", way == Way::AppRole),
            (self.role.is_some(), "role", is_jwt),
            (self.jwt_file.is_some(), "jwt_file", is_jwt),
            (self.jwt_env.is_some(), "jwt_env", is_jwt),
        ] {
            if is_there && !is_fitting {
                let way = way.as_str();
                return Err(format!("`{keys}.{what}` does not go with `sign_in = \"{way}\"`"));
            }
        }
        for (both, what) in [
            (self.token_file.is_some() && self.token_env.is_some(), "token"),
            (self.secret_id_file.is_some() && self.secret_id_env.is_some(), "secret_id"),
            (self.jwt_file.is_some() && self.jwt_env.is_some(), "jwt"),
        ] {
            if both {
                return Err(format!("`{keys}.{what}_file` and `{what}_env` exclude each other"));
            }
        }
        match way {
            Way::AppRole if self.role_id.is_none() => Err(format!("`{keys}.role_id` is missing")),
            Way::Jwt | Way::Kubernetes if self.role.is_none() => {
                Err(format!("`{keys}.role` is missing"))
            }
            Way::Jwt if self.jwt_file.is_none() && self.jwt_env.is_none() => {
                Err(format!("`{keys}.jwt_file` or `{keys}.jwt_env` is missing"))
            }
            _ => Ok(()),
        }
    }

    fn mount(&self) -> &str {
        self.mount.as_deref().unwrap_or(MOUNT)
    }

    pub(crate) fn config(&self, keys: &'static str) -> Result<KvConfig, Failure> {
        let ca_pem = self.ca_file.as_ref().map(|path| {
            let pem = files::read_certificates(path, Secrecy::Open, MAX_FILE_BYTES);
            pem.map(|pem| pem.as_bytes().to_vec()).map_err(Failure::usage)
        });
        Ok(KvConfig {
            address: self.address.clone(),
            mount: self.mount().to_owned(),
            path: self.path.clone().unwrap_or_else(|| FOLDER.into()),
            namespace: self.namespace.clone(),
            sign_in: self.sign_in()?,
            ca_pem: ca_pem.transpose()?,
            allow_http_loopback: self.allow_http_loopback,
            timeout: Duration::from_secs(self.timeout_seconds.unwrap_or(10)),
            keys,
        })
    }

    fn sign_in(&self) -> Result<SignIn, Failure> {
        let mount = self.sign_in_mount.clone().unwrap_or_else(|| self.sign_in.as_str().to_owned());
        Ok(match self.sign_in {
            Way::Token => {
                let text = secret_text(self.token_file.as_ref(), self.token_env.as_deref())?;
                SignIn::Token(match text {
                    Some(text) => text,
                    None => environment("VAULT_TOKEN")?,
                })
            }
            Way::AppRole => SignIn::AppRole {
                mount,
                role_id: self.role_id.clone().unwrap_or_default(),
                secret_id: secret_text(
                    self.secret_id_file.as_ref(),
                    self.secret_id_env.as_deref(),
                )?,
            },
            Way::Jwt | Way::Kubernetes => SignIn::Jwt {
                mount,
                role: self.role.clone().unwrap_or_default(),
                jwt: secret_text(self.jwt_file.as_ref(), self.jwt_env.as_deref())?
                    .unwrap_or_else(|| SecretText::File(SERVICE_ACCOUNT.into())),
            },
        })
    }
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppRole => "approle",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
        }
    }
}

fn secret_text(
    file: Option<&PathBuf>,
    variable: Option<&str>,
) -> Result<Option<SecretText>, Failure> {
    match (file, variable) {
        (Some(file), _) => Ok(Some(SecretText::File(file.clone()))),
        (None, Some(variable)) => environment(variable).map(Some),
        (None, None) => Ok(None),
    }
}

fn environment(variable: &str) -> Result<SecretText, Failure> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => Ok(SecretText::Given(Zeroizing::new(text))),
        // Not the value, which may be a secret that somebody put in place of the name.
        _ if variable.len() > 40 => {
            Err(Failure::usage("a key that ends in `_env` is no variable's name"))
        }
        _ => Err(Failure::usage(format!(
            "there is no environment variable `{variable}` with the secret that signs in to the KV store"
        ))),
    }
}

fn check_seconds(key: &str, seconds: Option<u64>) -> Result<(), String> {
    match seconds {
        Some(seconds) if !(1..=600).contains(&seconds) => Err(format!("`{key}` must be 1 to 600")),
        _ => Ok(()),
    }
}
