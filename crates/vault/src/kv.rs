//! A secret store that speaks HashiCorp's KV version 2: Vault or OpenBao.
//!
//! Each version of each name is a path of its own, `MOUNT/data/PATH/NAME/VERSION`, and
//! is written with `cas: 0`, which the store grants once: whoever comes second gets
//! another number, so that writers cannot overwrite each other and a number is never
//! used twice. (One path for each name would let the store count, but it forgets all
//! but the last ten versions, and keeps one set of metadata for all of them.)
//!
//! What can be listed without a secret (kind, id, time) is `custom_metadata` of that
//! path, written after the secret. A crash between the two leaves a secret that says
//! itself what it is; a listing then reads it. Destroying keeps path and metadata, and
//! with them the number.
//!
//! `/` in a name becomes `~`, and a name that begins with a dot gets `@` in front, so
//! that no name is a folder of another and none is `.` or `..`.

mod http;
mod path;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, Fault};
use crate::payload::Document;
use crate::{Clock, Entry, Kind, PROBE, Random, Secret, Vault, check_name, check_probe};
use http::{Answer, Method};
use session::Session;

pub use path::{KvPath, KvSecret};

/// How often `put` looks for a free number before it gives up.
const ROUNDS: u32 = 64;
/// A value of `custom_metadata` holds so many bytes.
const METADATA_BYTES: usize = 512;
/// Room for a document, so that no shorter copy of a secret is left behind.
const ROOM_BYTES: usize = 16 << 10;

/// What opens a [`Kv`].
#[derive(Debug, Clone)]
pub struct KvConfig {
    /// Such as `https://vault.example.com:8200`.
    pub address: String,
    /// Where the KV version 2 engine is mounted, such as `secret`.
    pub mount: String,
    /// The folder below it that is ours, such as `countersign`.
    pub path: String,
    /// Sent as `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// How we show who we are.
    pub sign_in: SignIn,
    /// Further certificate authorities to trust, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Allows `http` on this machine's loopback address.
    pub allow_http_loopback: bool,
    /// Until a request is given up.
    pub timeout: Duration,
    /// What these are called where they come from, such as `vault.kv`: hints name it.
    pub keys: &'static str,
}

/// How to get a token.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// A token as it is; renewed as long as the store allows.
    Token(SecretText),
    /// AppRole.
    AppRole {
        /// Where the method is mounted: `approle` unless somebody moved it.
        mount: String,
        /// The role; not a secret.
        role_id: String,
        /// The secret id; none for a role that is bound otherwise.
        secret_id: Option<SecretText>,
    },
    /// A signed token of somebody else: JWT and Kubernetes.
    Jwt {
        /// Where the method is mounted, such as `jwt` or `kubernetes`.
        mount: String,
        /// The role; not a secret.
        role: String,
        /// The signed token.
        jwt: SecretText,
    },
}

/// A secret that somebody else hands to us.
#[derive(Clone)]
pub enum SecretText {
    /// As it is.
    Given(Zeroizing<String>),
    /// In a file that its owner may rewrite: read at each sign-in.
    File(PathBuf),
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(redacted)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A vault in a KV version 2 engine.
pub struct Kv {
    config: Arc<KvConfig>,
    session: Session,
    clock: Clock,
    random: Random,
    is_version_2: OnceLock<()>,
}

impl std::fmt::Debug for Kv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kv").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl Kv {
    /// Checks the configuration. Nothing is sent before the first operation.
    pub fn open(config: KvConfig, clock: Clock, random: Random) -> Result<Arc<Self>, Error> {
        check_places(&config)?;
        Self::start(Arc::new(config), clock, random)
    }

    fn start(config: Arc<KvConfig>, clock: Clock, random: Random) -> Result<Arc<Self>, Error> {
        let session = Session::new(config.clone(), clock.clone())?;
        Ok(Arc::new(Self { config, session, clock, random, is_version_2: OnceLock::new() }))
    }

    /// `MOUNT/VERB/PATH/more…`
    fn path<'p>(&'p self, verb: &'p str, more: &[&'p str]) -> Vec<&'p str> {
        let mut path: Vec<_> = self.config.mount.split('/').collect();
        path.push(verb);
        path.extend(self.config.path.split('/'));
        path.extend(more);
        path
    }

    fn check_engine(&self) -> Result<(), Error> {
        if self.is_version_2.get().is_none() {
            check_engine(&self.session, &self.config)?;
            let _ = self.is_version_2.set(());
        }
        Ok(())
    }

    /// The members of a folder; none when there is no such folder.
    fn list(&self, more: &[&str]) -> Result<Vec<String>, Error> {
        let path = self.path("metadata", more);
        let answer = self.session.call(Method::Get, &path, &[("list", "true")], None)?;
        match answer.status {
            200 => Ok(answer.data::<Keys>()?.keys),
            404 if answer.is_bare() => Ok(Vec::new()),
            _ => Err(self.refusal("list", &answer)),
        }
    }

    /// Numbers of the versions that a name ever had, in their order.
    fn numbers(&self, name: &str) -> Result<Vec<u32>, Error> {
        let keys = self.list(&[&segment(name)])?;
        let mut numbers: Vec<u32> = keys.iter().filter_map(|key| parse_number(key)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What the store holds at a version; none for a tombstone and for nothing.
    fn read(&self, name: &str, version: u32) -> Result<Option<Document>, Error> {
        let (segment, number) = (segment(name), version.to_string());
        let path = self.path("data", &[&segment, &number]);
        // Ours is the first write. Whoever wrote over it by hand did not change it.
        let answer = self.session.call(Method::Get, &path, &[("version", "1")], None)?;
        match answer.status {
            200 => {
                let document: Read = answer.data()?;
                let document = document.data.and_then(|raw| Document::parse(raw.get().as_bytes()));
                match document {
                    Some(document)
                        if (document.name.as_str(), document.version) == (name, version) =>
                    {
                        Ok(Some(document))
                    }
                    _ => Err(self.foreign(name, version)),
                }
            }
            404 if answer.is_bare() || answer.has_data() => Ok(None),
            _ => Err(self.refusal("read", &answer)),
        }
    }

    fn foreign(&self, name: &str, version: u32) -> Error {
        let what = format!("{}: version {version} of `{name}` is not of countersign", self.place());
        Error::elsewhere(Fault::Protocol, what, "find out who else writes there")
    }

    /// Writes where nothing ever was. `false` when another was there first.
    fn claim(&self, document: &Document) -> Result<bool, Error> {
        let (segment, number) = (segment(&document.name), document.version.to_string());
        let path = self.path("data", &[&segment, &number]);
        let mut body = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        let write = Write { options: Options { cas: 0 }, data: document };
        serde_json::to_writer(&mut *body, &write).expect("text and numbers are JSON");
        let outcome = self.session.call(Method::Post, &path, &[], Some(&body));
        let failure = match outcome {
            Ok(answer) if answer.status == 200 => {
                self.check_written(&answer, &document.name, document.version)?;
                return Ok(true);
            }
            Ok(answer) if answer.status == 204 => return Err(not_version_2(&self.config)),
            Ok(answer) if answer.says("did not match the current version") => return Ok(false),
            // By a policy without `update`, what is there already is a refusal.
            Ok(answer) if answer.status == 403 && self.is_taken(document) => return Ok(false),
            Ok(answer) if answer.status < 500 => return Err(self.refusal("write", &answer)),
            Ok(answer) => self.refusal("write", &answer),
            Err(error) if error.is_unreachable() => error,
            Err(error) => return Err(error),
        };
        // It may have been written all the same.
        match self.read(&document.name, document.version) {
            Ok(Some(found)) => Ok(found.write == document.write),
            Ok(None) | Err(_) => Err(failure),
        }
    }

    fn is_taken(&self, document: &Document) -> bool {
        self.metadata(&document.name, document.version).is_ok_and(|metadata| metadata.is_some())
    }

    /// A mount that deletes what is old would take a secret away that is in use.
    fn check_written(&self, answer: &Answer, name: &str, version: u32) -> Result<(), Error> {
        let written: Written = answer.data()?;
        if written.version == 1 && written.deletion_time.is_empty() {
            return Ok(());
        }
        if written.version != 1 {
            return Err(self.foreign(name, version));
        }
        self.remove(name, version)?;
        let what = format!("the KV engine `{}` deletes secrets by age", self.config.mount);
        let hint = "set its `delete_version_after` to 0, or use another mount";
        Err(Error::elsewhere(Fault::Config, what, hint))
    }

    /// Makes a version listable. Later overwriting it by hand needs `cas`.
    fn describe(&self, entry: &Entry) -> Result<(), Error> {
        let mut custom = BTreeMap::from([
            ("name".to_owned(), entry.name.clone()),
            ("version".to_owned(), entry.version.to_string()),
            ("kind".to_owned(), entry.kind.as_str().to_owned()),
            ("created_ms".to_owned(), entry.created_ms.to_string()),
        ]);
        for (at, part) in entry.api_id.as_bytes().chunks(METADATA_BYTES).enumerate() {
            custom.insert(format!("id{at}"), String::from_utf8_lossy(part).into_owned());
        }
        let body = json!({ "custom_metadata": custom, "cas_required": true }).to_string();
        let (segment, number) = (segment(&entry.name), entry.version.to_string());
        let path = self.path("metadata", &[&segment, &number]);
        let answer = self.session.call(Method::Post, &path, &[], Some(body.as_bytes()))?;
        match answer.status {
            200 | 204 => Ok(()),
            _ => Err(self.refusal("write metadata", &answer)),
        }
    }

    fn metadata(&self, name: &str, version: u32) -> Result<Option<Metadata>, Error> {
        let (segment, number) = (segment(name), version.to_string());
        let path = self.path("metadata", &[&segment, &number]);
        let answer = self.session.call(Method::Get, &path, &[], None)?;
        match answer.status {
            200 => Ok(Some(answer.data()?)),
            404 if answer.is_bare() => Ok(None),
            _ => Err(self.refusal("read metadata", &answer)),
        }
    }

    /// What a version is, from its metadata, or from itself where a crash left none.
    fn entry(&self, name: &str, version: u32) -> Result<Option<Entry>, Error> {
        let Some(metadata) = self.metadata(name, version)? else { return Ok(None) };
        let is_tombstone = metadata.is_tombstone();
        if let Some(entry) = metadata.entry(name, version) {
            return Ok(Some(Entry { is_tombstone, ..entry }));
        }
        let document = if is_tombstone { None } else { self.read(name, version)? };
        let said = document.and_then(|document| document.entry());
        Ok(Some(said.unwrap_or_else(|| Entry {
            name: name.to_owned(),
            version,
            kind: Kind::default(),
            api_id: String::new(),
            created_ms: 0,
            is_tombstone: true,
        })))
    }

    /// Path, secret and metadata.
    fn remove(&self, name: &str, version: u32) -> Result<(), Error> {
        let (segment, number) = (segment(name), version.to_string());
        let path = self.path("metadata", &[&segment, &number]);
        let answer = self.session.call(Method::Delete, &path, &[], None)?;
        match answer.status {
            200 | 204 => Ok(()),
            404 if answer.is_bare() => Ok(()),
            _ => Err(self.refusal("delete", &answer)),
        }
    }

    fn refusal(&self, doing: &str, answer: &Answer) -> Error {
        self.session.refusal(&format!("{doing} in {}", self.place()), answer)
    }
}

impl Vault for Kv {
    fn place(&self) -> String {
        place(&self.config)
    }

    fn put(&self, name: &str, credential: &Secret, now_ms: i64) -> Result<u32, Error> {
        check_name(name)?;
        self.check_engine()?;
        let mut document = Document::new(name, credential, now_ms, &self.random);
        // A store of several nodes may list less than it has.
        let mut taken = 0;
        for _ in 0..ROUNDS {
            let newest = self.numbers(name)?.last().copied().unwrap_or(0);
            document.version = newest.max(taken) + 1;
            if self.claim(&document)? {
                // The secret is kept, and says itself what it is: without metadata it is
                // only slower to list.
                if let Some(entry) = document.entry() {
                    let _ = self.describe(&entry);
                }
                return Ok(document.version);
            }
            taken = document.version;
        }
        let what = format!("others write `{name}` in {} all the time", self.place());
        Err(Error::elsewhere(Fault::Conflict, what, "try again"))
    }

    fn get(&self, name: &str) -> Result<(u32, Secret), Error> {
        check_name(name)?;
        for version in self.numbers(name)?.into_iter().rev() {
            if let Some(document) = self.read(name, version)? {
                let credential = document.credential(name, version);
                return credential
                    .map(|credential| (version, credential))
                    .ok_or_else(|| self.foreign(name, version));
            }
        }
        Err(Error::not_found(name))
    }

    fn get_version(&self, name: &str, version: u32) -> Result<Secret, Error> {
        check_name(name)?;
        let document = self.read(name, version)?;
        let document = document.ok_or_else(|| Error::no_version(name, version))?;
        document.credential(name, version).ok_or_else(|| self.foreign(name, version))
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut names: Vec<_> = self.list(&[])?.iter().filter_map(|key| name_of(key)).collect();
        names.sort_unstable();
        let mut entries = Vec::new();
        for name in names.iter().filter(|name| *name != PROBE) {
            entries.extend(self.versions(name)?);
        }
        Ok(entries)
    }

    fn versions(&self, name: &str) -> Result<Vec<Entry>, Error> {
        check_name(name)?;
        let mut entries = Vec::new();
        for version in self.numbers(name)? {
            entries.extend(self.entry(name, version)?);
        }
        Ok(entries)
    }

    fn destroy(&self, name: &str, version: u32) -> Result<(), Error> {
        check_name(name)?;
        let not_found = || Error::no_version(name, version);
        let metadata = self.metadata(name, version)?.ok_or_else(not_found)?;
        if metadata.entry(name, version).is_none()
            && let Some(document) = self.read(name, version)?
            && let Some(entry) = document.entry()
        {
            self.describe(&entry)?;
        }
        let all: Vec<_> = metadata.versions.keys().filter_map(|key| parse_number(key)).collect();
        let body = json!({ "versions": all }).to_string();
        let (segment, number) = (segment(name), version.to_string());
        let path = self.path("destroy", &[&segment, &number]);
        let answer = self.session.call(Method::Put, &path, &[], Some(body.as_bytes()))?;
        match answer.status {
            200 | 204 => Ok(()),
            _ => Err(self.refusal("destroy", &answer)),
        }
    }

    fn erase(&self, name: &str, version: u32) -> Result<(), Error> {
        check_probe(name)?;
        self.remove(name, version)
    }

    fn reopen(&self) -> Result<Arc<dyn Vault>, Error> {
        Ok(Self::start(self.config.clone(), self.clock.clone(), self.random.clone())?)
    }
}

fn place(config: &KvConfig) -> String {
    let KvConfig { address, mount, path, .. } = config;
    format!("{}/v1/{mount}/data/{path}", address.trim_end_matches('/'))
}

fn check_places(config: &KvConfig) -> Result<(), Error> {
    for (what, text) in [("mount", &config.mount), ("path", &config.path)] {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('~');
        if !text.split('/').all(is_plain) {
            let what = format!("`{text}` cannot be the {what} of a KV engine");
            return Err(Error::elsewhere(Fault::Config, what, "for example `secret`"));
        }
    }
    Ok(())
}

/// On version 1 a path below `data` is a path like any other, and a secret written
/// there would not be versioned: look before the first one goes out.
fn check_engine(session: &Session, config: &KvConfig) -> Result<(), Error> {
    let mut path = vec!["sys", "internal", "ui", "mounts"];
    path.extend(config.mount.split('/'));
    let answer = session.call(Method::Get, &path, &[], None)?;
    // Who may not look finds out by the answer to the first write.
    if answer.status == 200 {
        let mount: Mount = answer.data()?;
        let version = mount.options.as_ref().and_then(|all| all.get("version"));
        if mount.kind != "kv" || version.map(String::as_str) != Some("2") {
            return Err(not_version_2(config));
        }
    }
    Ok(())
}

fn not_version_2(config: &KvConfig) -> Error {
    let what = format!("`{}` is not a KV version 2 engine", config.mount);
    let hint = format!(
        "set `{}.mount` to one, or enable one: `vault secrets enable -path=secret -version=2 kv`",
        config.keys
    );
    Error::elsewhere(Fault::Config, what, &hint)
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let dot = if name.starts_with('.') { "@" } else { "" };
    format!("{dot}{}", name.replace('/', "~"))
}

/// The name whose versions a folder holds; none when it is not ours.
fn name_of(key: &str) -> Option<String> {
    let folder = key.strip_suffix('/')?;
    let name = folder.strip_prefix('@').unwrap_or(folder).replace('~', "/");
    (check_name(&name).is_ok() && segment(&name) == folder).then_some(name)
}

fn parse_number(key: &str) -> Option<u32> {
    key.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == key)
}

#[derive(Deserialize)]
struct Mount {
    #[serde(rename = "type")]
    kind: String,
    options: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// What a write says: the version that it expects, 0 for none, and what there is to be.
#[derive(Serialize)]
struct Write<D> {
    options: Options,
    data: D,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

#[derive(Deserialize)]
struct Written {
    version: u32,
    #[serde(default)]
    deletion_time: String,
}

#[derive(Deserialize)]
struct Metadata {
    custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    versions: BTreeMap<String, VersionState>,
}

#[derive(Deserialize)]
struct VersionState {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

impl Metadata {
    /// Deleted by hand counts as destroyed: what comes back some day is no secret to
    /// rely on.
    fn is_tombstone(&self) -> bool {
        let first = self.versions.get("1");
        first.is_none_or(|first| first.destroyed || !first.deletion_time.is_empty())
    }

    fn entry(&self, name: &str, version: u32) -> Option<Entry> {
        let custom = self.custom_metadata.as_ref()?;
        let text = |key: &str| custom.get(key).map(String::as_str);
        if text("name") != Some(name) || text("version") != Some(&*version.to_string()) {
            return None;
        }
        let parts = (0..).map_while(|at| text(&format!("id{at}")));
        Some(Entry {
            name: name.to_owned(),
            version,
            kind: Kind::parse(text("kind")?)?,
            api_id: parts.collect(),
            created_ms: text("created_ms")?.parse().ok()?,
            is_tombstone: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_not_ours_name_nothing() {
        for key in ["a", "/", "a b/", "@a/", "a@/", "ä/", "@/"] {
            assert_eq!(name_of(key), None, "{key}");
        }
        for key in ["0", "01", "-1", "1/", "+1", "x", ""] {
            assert_eq!(parse_number(key), None, "{key}");
        }
    }

    #[test]
    fn a_name_is_one_segment_and_comes_back() {
        for name in ["a", "a/b", "..", ".", "./a", "a//b", "/", "a/1", "-_.", PROBE] {
            let segment = segment(name);
            assert!(!segment.contains('/') && !segment.starts_with('.'), "{segment}");
            assert_eq!(name_of(&format!("{segment}/")).unwrap(), name);
        }
    }
}
