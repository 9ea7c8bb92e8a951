//! Changes as files of a data lake, in a folder or in a bucket of S3 and what is compatible
//! with it: `PREFIX/region=R/accountId=A/eventDay=YYYYMMDD/FROM-TO-DIGEST.ndjson`.
//!
//! The name of a file follows from what is in it. So a file that is sent twice is one file,
//! and a bucket is asked to refuse the second.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_files::{Cause, Draft, Readers};
use countersign_findings::{Finding, rfc3339};
use countersign_formats::ocsf::{Ocsf, Shape};
use countersign_formats::{Head, Item, Last, Paths};
use countersign_store::ChangeKind;
use countersign_text::{cut, line, say_missing};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::receiver::{Bundle, Digest, Event, Parcel, Stream, Taken, Verdict};
use crate::receivers::{Access, lost, refused, wait_of};
use crate::s3::{self, Keys};
use crate::wire::{Answer, Doing, Request};

/// Changes of one file at most.
const CHANGES: usize = 1000;
/// Characters of a description. The longest that the service sends are some thousand.
const DESCRIPTION_CHARS: usize = 32_000;
/// How long an upload takes at most.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of an answer: an error is a short text.
const ANSWER_BYTES: usize = 64 << 10;
/// In names of partitions, where nobody says another.
const ACCOUNT: &str = "external";
const REGION: &str = "local";

/// Where files go, and what they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A folder. Either this or `bucket`.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// A bucket. Either this or `folder`. The secret is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`,
    /// with `:SESSION_TOKEN` for a session.
    #[serde(default)]
    pub bucket: Option<BucketSettings>,
    /// The beginning of all names, such as `ext/countersign`. Empty by default.
    #[serde(default)]
    pub prefix: String,
    /// `ndjson`, the default, or `parquet`.
    #[serde(default)]
    pub format: Format,
    /// The value of `accountId` in names. `external` by default.
    #[serde(default)]
    pub account_id: Option<String>,
    /// The value of `region` in names. By default the region of the bucket; of a folder
    /// `local`.
    #[serde(default)]
    pub region: Option<String>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Its name.
    pub name: String,
    /// Its region, such as `eu-central-1`. A store without regions takes `us-east-1`.
    pub region: String,
    /// Web address of the store. By default that of AWS in the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the name stands in the path and not in the host. By default `false` for AWS
    /// and `true` for other stores, and for a name with a dot, which the certificate of AWS
    /// does not cover.
    #[serde(default)]
    pub path_style: Option<bool>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OCSF Vulnerability Findings (2002) of 1.6.0, one a line; `metadata.sequence` is the
    /// position in the feed.
    #[default]
    Ndjson,
    /// One row for each change, with the columns of `export --format parquet` and `seq`, the
    /// position in the feed. `changed` and `last_change` are of the change.
    Parquet,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }
}

impl Settings {
    /// Where files go, without secrets.
    pub fn place(&self) -> String {
        let base = match (&self.folder, &self.bucket) {
            (Some(folder), _) => folder.display().to_string(),
            (None, Some(bucket)) => bucket.place(),
            (None, None) => String::new(),
        };
        format!("{base}/{}", self.folders())
    }

    /// What all names begin with.
    fn folders(&self) -> String {
        let prefix = self.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let region = self.bucket.as_ref().map_or(REGION, |bucket| &bucket.region);
        let region = self.region.as_deref().unwrap_or(region);
        let account = self.account_id.as_deref().unwrap_or(ACCOUNT);
        format!("{prefix}{slash}region={region}/accountId={account}")
    }

    /// Neither upwards nor with what somebody has to escape.
    fn check_names(&self) -> Result<(), String> {
        let is_plain = |part: &str| {
            let is_known = |b: u8| b.is_ascii_alphanumeric() || b"-_.=".contains(&b);
            let is_named = !part.is_empty() && !part.starts_with('.') && !part.ends_with('=');
            is_named && part.bytes().all(is_known)
        };
        let folders = self.folders();
        match folders.split('/').all(is_plain) && folders.len() <= s3::KEY_BYTES / 2 {
            true => Ok(()),
            false => Err(format!(
                "`{}` does not fit into the name of a file\nhint: use letters, digits and `-_.=` in `prefix`, `region` and `account_id`",
                line(&folders)
            )),
        }
    }
}

impl BucketSettings {
    fn endpoint(&self) -> Result<Url, String> {
        let text = match &self.endpoint {
            Some(text) => text.clone(),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        };
        Url::parse(&text).map_err(|_| "the endpoint of the bucket is not a web address".to_owned())
    }

    fn place(&self) -> String {
        let Ok(mut place) = self.endpoint() else { return self.name.clone() };
        // Neither fails for a web address, and no other gets further than this.
        let _ = (place.set_username(""), place.set_password(None));
        place.set_query(None);
        place.set_fragment(None);
        format!("{}/{}", place.as_str().trim_end_matches('/'), self.name)
    }

    fn open(&self) -> Result<s3::Bucket, String> {
        let endpoint = self.endpoint()?;
        let host = endpoint.host_str().unwrap_or_default();
        let is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
        let is_path = self.path_style.unwrap_or(!is_aws || self.name.contains('.'));
        s3::Bucket::new(&endpoint, &self.region, &self.name, is_path)
    }
}

/// Writes files.
pub struct Lake {
    folders: String,
    format: Format,
    store: Files,
}

enum Files {
    Folder(PathBuf),
    Bucket(Box<(s3::Bucket, Keys, Access)>),
}

/// What is in the ledger: files under their names, as they will be.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    files: Vec<File>,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    name: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Base64(String),
}

impl Content {
    fn into_bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(text) => {
                let bytes = BASE64.decode(text.as_bytes());
                bytes.map_err(|_| "what was to be sent is broken".to_owned())
            }
        }
    }
}

impl Lake {
    /// Checks the settings; nothing is written or asked.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        settings.check_names()?;
        if settings.format == Format::Parquet && !cfg!(feature = "parquet") {
            let hint = "\nhint: set `format = \"ndjson\"`";
            return Err(format!("this program was built without Parquet{hint}"));
        }
        let (folders, format) = (settings.folders(), settings.format);
        let store = match (settings.folder, settings.bucket) {
            (Some(folder), None) => Files::Folder(folder),
            (None, Some(bucket)) => {
                let keys = Keys::parse(&access.secret)?;
                Files::Bucket(Box::new((bucket.open()?, keys, access)))
            }
            _ => {
                let hint = "\nhint: set either `folder` or `bucket`";
                return Err(format!("files go either to a folder or to a bucket{hint}"));
            }
        };
        Ok(Self { folders, format, store })
    }

    /// The file of the changes of one day.
    fn file(&self, day: &str, events: &[&Event<'_>]) -> Result<File, String> {
        let (bytes, content) = match self.format {
            Format::Ndjson => {
                let text = ndjson(events)?;
                (text.clone().into_bytes(), Content::Text(text))
            }
            Format::Parquet => {
                let bytes = parquet(events)?;
                let content = Content::Base64(BASE64.encode(&bytes));
                (bytes, content)
            }
        };
        let digest = HEXLOWER.encode(&Sha256::digest(&bytes)[..10]);
        let seqs = || events.iter().map(|event| event.change.seq);
        let (from, to) = (seqs().min().unwrap_or_default(), seqs().max().unwrap_or_default());
        let extension = self.format.extension();
        // With zeros, so that names are in the order of the feed.
        let name =
            format!("{}/eventDay={day}/{from:012}-{to:012}-{digest}.{extension}", self.folders);
        Ok(File { name, content })
    }

    async fn put(&self, parcel: &Parcel) -> Verdict {
        let Ok(body) = serde_json::from_str::<Body>(&parcel.body) else {
            return Verdict::Refused("what was to be sent is broken".to_owned());
        };
        let mut taken = Verdict::Taken(Taken::default());
        for File { name, content } in body.files {
            let bytes = match content.into_bytes() {
                Ok(bytes) => bytes,
                Err(why) => return Verdict::Refused(why),
            };
            let done = match &self.store {
                Files::Folder(folder) => write(folder.join(&name), bytes, parcel).await,
                Files::Bucket(bucket) => put_object(bucket, &name, &bytes, parcel.now_ms).await,
            };
            match done {
                Verdict::Taken(_) => taken = Verdict::taken(name, None),
                // Those before it are there, and the same once more at the next try.
                failed => return failed,
            }
        }
        taken
    }
}

impl Stream for Lake {
    fn bundle(&self) -> Bundle {
        Bundle::Changes(CHANGES)
    }

    fn render(&self, events: &[Event<'_>]) -> Result<String, String> {
        let mut days: BTreeMap<String, Vec<&Event<'_>>> = BTreeMap::new();
        for event in events {
            let text = rfc3339(event.change.at_ms);
            let day = text.get(..10).ok_or("a change has no date")?;
            days.entry(day.replace('-', "")).or_default().push(event);
        }
        let files = days.into_iter().map(|(day, mut events)| {
            events.sort_by_key(|event| (event.change.at_ms, event.change.seq));
            self.file(&day, &events)
        });
        let body = Body { files: files.collect::<Result<_, _>>()? };
        serde_json::to_string(&body).map_err(|error| error.to_string())
    }

    fn summary(&self, _: &Digest) -> Result<String, String> {
        Err("a lake has changes and no summaries".to_owned())
    }

    fn send<'r>(&'r self, parcels: &'r [Parcel]) -> Doing<'r, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = Vec::new();
            for parcel in parcels {
                verdicts.push(self.put(parcel).await);
                if !matches!(verdicts.last(), Some(Verdict::Taken(_))) {
                    break;
                }
            }
            verdicts
        })
    }

    fn probe(&self, now_ms: i64) -> Doing<'_, Verdict> {
        Box::pin(async move {
            match &self.store {
                Files::Folder(folder) => try_folder(folder.clone(), now_ms).await,
                Files::Bucket(store) => {
                    let (bucket, keys, access) = &**store;
                    match bucket.list(keys, &format!("{}/", self.folders), now_ms) {
                        Ok(request) => listed(ask(access, request).await, now_ms),
                        Err(why) => Verdict::Settings(why),
                    }
                }
            }
        })
    }
}

/// A finding as it is now, with what the change says of when and what.
fn item<'a>(event: &Event<'a>, finding: &'a Finding) -> Item<'a> {
    let row = event.row;
    Item {
        finding,
        application: event.application,
        integration: &row.integration,
        gone: row.gone,
        added_ms: row.added_ms,
        changed_ms: event.change.at_ms,
        last: match event.change.kind {
            ChangeKind::New => Last::New,
            ChangeKind::Changed => Last::Changed,
            ChangeKind::Reopened => Last::Reopened,
            ChangeKind::Closed => Last::Closed,
        },
        paths: row.paths.as_deref().unwrap_or_default(),
        raw: &row.raw,
    }
}

/// With a description that is not longer than a bundle of them can be.
fn bounded<'a>(event: &Event<'a>) -> Cow<'a, Finding> {
    let finding = &event.row.finding;
    let (kept, missing) = cut(&finding.description, DESCRIPTION_CHARS);
    if missing == 0 {
        return Cow::Borrowed(finding);
    }
    let mut description = kept.to_owned();
    // Writing to a text does not fail.
    let _ = say_missing(&mut description, missing);
    Cow::Owned(Finding { description, ..finding.clone() })
}

/// Nothing in it is of the moment: the same changes are the same bytes.
fn head(total: usize) -> Head {
    Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms: 0,
        filter: String::new(),
        total: total as u64,
        with_raw: false,
        paths: Paths::default(),
    }
}

fn ndjson(events: &[&Event<'_>]) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut out = Ocsf::new(&mut bytes, &head(events.len()), Shape::Vulnerability);
    for event in events {
        let finding = bounded(event);
        let written = out.change(&item(event, &finding), event.change.seq);
        written.map_err(|error| error.to_string())?;
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(feature = "parquet")]
fn parquet(events: &[&Event<'_>]) -> Result<Vec<u8>, String> {
    use countersign_formats::Export;
    use countersign_formats::parquet::Parquet;

    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| error.to_string();
    let mut out = Parquet::of_changes(&mut bytes, &head(events.len())).map_err(failed)?;
    for event in events {
        let finding = bounded(event);
        out.change(&item(event, &finding), event.change.seq).map_err(failed)?;
    }
    Box::new(out).end().map_err(failed)?;
    Ok(bytes)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &[&Event<'_>]) -> Result<Vec<u8>, String> {
    Err("this program was built without Parquet".to_owned())
}

/// Whole or not at all; a file of the same name has the same content.
async fn write(path: PathBuf, bytes: Vec<u8>, parcel: &Parcel) -> Verdict {
    let seed = format!("{}\0{}\0{}", parcel.uid, parcel.attempts, path.display());
    in_background(move || {
        let folder = countersign_files::folder(path.parent().unwrap_or(Path::new(".")))?;
        let path = folder.join(path.file_name().unwrap_or_default());
        countersign_files::write(&path, &bytes, Readers::Everybody, &from_seed(seed))
    })
    .await
}

/// Makes the folder, and a file in it that is gone at once.
async fn try_folder(folder: PathBuf, now_ms: i64) -> Verdict {
    in_background(move || {
        let path = countersign_files::folder(&folder)?.join("countersign-test");
        let random = from_seed(format!("test\0{now_ms}"));
        Draft::create(&path, Readers::Everybody, &random).map(drop)
    })
    .await
}

/// For the name of a file that is not in its place yet: another at every try, so that none
/// meets what a try before left behind.
fn from_seed(seed: String) -> impl Fn(&mut [u8]) {
    let asked = Cell::new(0_u64);
    move |bytes: &mut [u8]| {
        for part in bytes.chunks_mut(32) {
            asked.set(asked.get() + 1);
            let digest = Sha256::digest(format!("{seed}\0{}", asked.get()));
            part.copy_from_slice(&digest[..part.len()]);
        }
    }
}

async fn in_background(
    act: impl FnOnce() -> Result<(), countersign_files::Error> + Send + 'static,
) -> Verdict {
    match tokio::task::spawn_blocking(act).await {
        Ok(Ok(())) => Verdict::Taken(Taken::default()),
        Ok(Err(error)) => match error.cause() {
            Some(Cause::Full) => Verdict::later(error.to_string()),
            _ => Verdict::Settings(error.to_string()),
        },
        Err(_) => Verdict::later("the file was not written"),
    }
}

async fn put_object(
    (bucket, keys, access): &(s3::Bucket, Keys, Access),
    name: &str,
    bytes: &[u8],
    now_ms: i64,
) -> Verdict {
    for is_new in [true, false] {
        let request = match bucket.put(keys, name, bytes, is_new, now_ms) {
            Ok(request) => request,
            Err(why) => return Verdict::Settings(why),
        };
        match ask(access, request).await {
            // The store does not know the condition. Without it a second file takes the place
            // of the first, which is the same.
            Ok(answer) if is_new && answer.status == 501 => {}
            Ok(answer) if answer.is_success() || is_new && answer.status == 412 => {
                return Verdict::taken(name, None);
            }
            Ok(answer) => return failed(&answer, now_ms),
            Err(verdict) => return verdict,
        }
    }
    Verdict::later("it answered 501")
}

async fn ask(access: &Access, mut request: Request) -> Result<Answer, Verdict> {
    request.patience = PATIENCE;
    request.answer_bytes = ANSWER_BYTES;
    access.wire.ask(request).await.map_err(lost)
}

/// Who may write need not be allowed to list: that the store knows the keys is proof enough.
fn listed(answer: Result<Answer, Verdict>, now_ms: i64) -> Verdict {
    let remark = "these keys may not list the bucket; the first file shows whether they may write";
    match answer {
        Ok(answer) if answer.is_success() => Verdict::Taken(Taken::default()),
        Ok(answer) if answer.status == 403 && said(&answer).0 == "AccessDenied" => {
            Verdict::Taken(Taken { remark: Some(remark.to_owned()), ..Taken::default() })
        }
        Ok(answer) => failed(&answer, now_ms),
        Err(verdict) => verdict,
    }
}

/// What an answer means that is none of success.
fn failed(answer: &Answer, now_ms: i64) -> Verdict {
    let (code, message) = said(answer);
    let what = match (code.as_str(), message.as_str()) {
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let why = match what.as_str() {
        "" => format!("it answered {}", answer.status),
        what => format!("it answered {}: {what}", answer.status),
    };
    match (answer.status, code.as_str()) {
        (301 | 307 | 308, _) | (400, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
            Verdict::Settings(elsewhere(answer, &why))
        }
        (_, "ExpiredToken" | "InvalidToken" | "NoSuchBucket" | "InvalidBucketName") => {
            Verdict::Settings(why)
        }
        // Somebody else writes the same at this moment, or the store waited too long for it.
        (409, _) | (400, "RequestTimeout") | (_, "SlowDown") => Verdict::Passing {
            why,
            is_unsure: code != "SlowDown",
            after_ms: wait_of(answer, now_ms),
        },
        _ => refused(answer, &what, now_ms),
    }
}

/// The region is another one; which, where the store says so.
fn elsewhere(answer: &Answer, why: &str) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let told = answer.header("x-amz-bucket-region").or_else(|| between(&text, "Region"));
    let is_region = |name: &&str| {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !name.is_empty() && name.len() <= 40 && name.bytes().all(is_known)
    };
    match told.filter(is_region) {
        Some(region) => format!("{why}\nhint: set `region = \"{region}\"` in `bucket`"),
        None => format!("{why}\nhint: check `region` and `endpoint` in `bucket`"),
    }
}

/// Code and message of an error. Other members may repeat the keys, and are not read.
fn said(answer: &Answer) -> (String, String) {
    let text = String::from_utf8_lossy(&answer.body);
    let of = |name, most| {
        let held = between(&text, name).unwrap_or_default();
        line(held).at_most(most).to_string()
    };
    (of("Code", 60), of("Message", 300))
}

fn between<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}
