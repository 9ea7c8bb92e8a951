//! GitHub code scanning: all open findings of an application, as SARIF.
//!
//! Code scanning closes an alert when a later upload of the same category and branch lacks
//! it. The category is of the application alone, so an application without findings is sent
//! too: as one run without results. What comes twice replaces itself.
//!
//! Findings have no commit. The alerts are those of a branch, at the commit that it leads to
//! when they are sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use countersign_findings::Application;
use countersign_formats::sarif::{Options, Sarif};
use countersign_formats::{Export, Head, Item, Last, Parts, Paths};
use countersign_store::FindingRow;
use countersign_text::line;
use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Access;
use super::github::{API_URL, GitHub, Repository, read_refused, unreadable, write_refused};
use crate::receiver::{Taken, Uploads, Verdict, Whole};
use crate::wire::{Doing, Method};

/// Results of one run that people get to see. GitHub takes five times as many and keeps the
/// most severe: which of those that are equally severe, it does not say.
const MAX_RESULTS: usize = 5_000;
/// Bytes of a compressed file.
const MAX_BYTES: usize = 10_000_000;
/// How often to ask whether a file was processed, and how many times: as GitHub's own action.
const POLL: Duration = Duration::from_secs(5);
const POLLS: usize = 24;
/// Repositories that are asked for before anything is sent.
const MAX_PROBES: usize = 20;
/// Characters of what GitHub said of a file.
const WORDS: usize = 1_000;

/// The settings of a destination of the kind `github-code-scanning`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the API: `https://api.github.com` by default, `https://HOST/api/v3` of a
    /// GitHub Enterprise Server.
    #[serde(default = "api_url")]
    pub api_url: String,
    /// Where the sources of each application are, by its name or guid. Applications that are
    /// not here are not sent.
    pub repositories: BTreeMap<String, Target>,
}

/// Where the sources of an application are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `owner/name`.
    pub repository: String,
    /// The branch that alerts are shown for, such as `main`; the repository's default branch
    /// without it.
    #[serde(rename = "ref")]
    pub branch: Option<String>,
    /// Folders that paths of findings begin with and paths of the repository do not. None by
    /// default.
    pub strip: Option<String>,
    /// Folders that paths of the repository begin with and paths of findings do not. None by
    /// default.
    pub prefix: Option<String>,
}

fn api_url() -> String {
    API_URL.to_owned()
}

impl Settings {
    /// Which GitHub it is. The repository is part of what is sent: one that is another is
    /// sent to, without a destination of another name.
    pub fn place(&self) -> String {
        self.api_url.trim_end_matches('/').to_owned()
    }
}

/// Alerts of the repositories of a GitHub.
pub struct CodeScanning {
    github: GitHub,
    /// By the name or guid of the application, in lower case.
    places: BTreeMap<String, Place>,
}

struct Place {
    repository: Repository,
    branch: Option<String>,
    paths: Paths,
}

impl CodeScanning {
    /// With these settings.
    ///
    /// # Errors
    ///
    /// When a setting makes no sense, in words for people.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        if settings.repositories.is_empty() {
            return Err("`repositories` names no application\nhint: write `\"My application\" = { repository = \"owner/name\" }` below it".to_owned());
        }
        let github = GitHub::new(&settings.api_url, access)?;
        let mut places = BTreeMap::new();
        for (name, target) in settings.repositories {
            let of = |why| format!("`repositories`, `{}`: {why}", line(&name).at_most(200));
            let place = Place::new(&target).map_err(of)?;
            places.insert(name.trim().to_lowercase(), place);
        }
        Ok(Self { github, places })
    }

    fn place_of(&self, application: &Application) -> Result<&Place, String> {
        let by = |name: &str| self.places.get(&name.trim().to_lowercase());
        by(&application.guid.to_string()).or_else(|| by(&application.name)).ok_or_else(|| {
            format!(
                "`repositories` names no repository of the application `{}`",
                line(&application.name).at_most(200)
            )
        })
    }

    /// The branch as it is asked for, and the commit that it leads to now.
    async fn head(&self, place: &Place, now_ms: i64) -> Result<(String, String), Verdict> {
        let branch = match &place.branch {
            Some(branch) => branch.clone(),
            None => {
                let found = self.github.repository(&place.repository, now_ms).await?;
                let name = found["default_branch"].as_str().map(str::to_owned);
                name.ok_or_else(|| unreadable("the repository's default branch"))?
            }
        };
        let mut path = vec!["git", "ref", "heads"];
        path.extend(branch.split('/'));
        let answer = self.github.get(self.github.at(&place.repository, &path)).await?;
        match answer.status {
            200 => {}
            301 | 302 | 307 | 308 => {
                return Err(self.github.renamed(&place.repository, &answer).await);
            }
            404 | 409 => {
                // It may be the repository that is not there.
                self.github.repository(&place.repository, now_ms).await?;
                return Err(Verdict::Settings(format!(
                    "the repository `{}` has no branch `{}`",
                    place.repository.place(),
                    line(&branch).at_most(200)
                )));
            }
            _ => return Err(read_refused(&answer, now_ms)),
        }
        let found = answer.json().unwrap_or_default();
        let commit = found["object"]["sha"].as_str().filter(|sha| is_commit(sha));
        let commit = commit.ok_or_else(|| unreadable("the commit of the branch"))?;
        Ok((format!("refs/heads/{branch}"), commit.to_owned()))
    }

    async fn upload(&self, place: &Place, content: &[u8], now_ms: i64) -> Result<Taken, Verdict> {
        let packed = packed(content).map_err(|why| Verdict::Refused(why.to_string()))?;
        if packed.len() > MAX_BYTES {
            return Err(Verdict::Refused(format!(
                "the findings have {} bytes compressed, and code scanning accepts {MAX_BYTES}\nhint: leave some out by `filter`",
                packed.len()
            )));
        }
        let (reference, commit) = self.head(place, now_ms).await?;
        let body = json!({
            "commit_sha": commit,
            "ref": reference,
            "sarif": BASE64.encode(&packed),
            "tool_name": "countersign",
        });
        let url = self.github.at(&place.repository, &["code-scanning", "sarifs"]);
        let answer = self.github.write(Method::Post, url, &body).await?;
        if matches!(answer.status, 301 | 302 | 307 | 308) {
            return Err(self.github.renamed(&place.repository, &answer).await);
        }
        if !answer.is_success() {
            return Err(write_refused(&answer, now_ms));
        }
        let receipt = answer.json().unwrap_or_default();
        let Some(id) = receipt["id"].as_str() else {
            let why = "it answered, but not with the id of the upload".to_owned();
            return Err(Verdict::Passing { why, is_unsure: true, after_ms: None });
        };
        let unseen = self.processed(place, id).await?;
        let remarks: Vec<_> = unseen.into_iter().chain(left_out(content)).collect();
        let mut web = self.github.web(&place.repository);
        web.set_path(&format!("{}/security/code-scanning", web.path()));
        Ok(Taken {
            reference: Some(line(id).at_most(100).to_string()),
            url: Some(web.into()),
            remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
        })
    }

    /// Waits until a file was processed. It is GitHub's from the moment at which it was
    /// taken: what goes wrong here says nothing about it.
    async fn processed(&self, place: &Place, id: &str) -> Result<Option<String>, Verdict> {
        for _ in 0..POLLS {
            // The one wait of a receiver: whether it was taken is known only behind it.
            tokio::time::sleep(POLL).await;
            let url = self.github.at(&place.repository, &["code-scanning", "sarifs", id]);
            let Ok(answer) = self.github.get(url).await else { continue };
            let found = answer.json().unwrap_or_default();
            match found["processing_status"].as_str() {
                Some("complete") => return Ok(None),
                Some("failed") => return Err(Verdict::Refused(failure(&found))),
                _ => {}
            }
        }
        Ok(Some(
            "GitHub has the file, and did not say within 2 minutes that it was processed".into(),
        ))
    }

    /// What is wrong with one repository is not wrong with others.
    fn of_one(&self, place: &Place, verdict: Verdict) -> Verdict {
        let is_only = self.places.values().all(|other| other.repository == place.repository);
        match verdict {
            Verdict::Settings(why) if !is_only && !why.starts_with("it answered 401") => {
                Verdict::Refused(why)
            }
            verdict => verdict,
        }
    }

    async fn ready(&self) -> Result<Taken, Verdict> {
        let mut asked: Vec<&Repository> = Vec::new();
        for place in self.places.values() {
            if asked.contains(&&place.repository) || asked.len() >= MAX_PROBES {
                continue;
            }
            asked.push(&place.repository);
            self.github.repository(&place.repository, 0).await?;
            let mut url = self.github.at(&place.repository, &["code-scanning", "analyses"]);
            url.query_pairs_mut().append_pair("per_page", "1");
            let answer = self.github.get(url).await?;
            // The repository is there: this says that nothing was uploaded yet.
            if answer.status != 200 && answer.status != 404 {
                return Err(read_refused(&answer, 0));
            }
        }
        Ok(Taken::default())
    }
}

impl Place {
    fn new(target: &Target) -> Result<Self, String> {
        let repository = Repository::parse(&target.repository)?;
        let branch = target.branch.as_deref().map(branch).transpose()?;
        let folders = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let (strip, prefix) = (folders(&target.strip), folders(&target.prefix));
        if strip.as_ref().is_some_and(|strip| strip.contains('=')) {
            return Err("`strip` has a `=` in it".to_owned());
        }
        let maps = strip.map(|strip| format!("{strip}={}", prefix.as_deref().unwrap_or_default()));
        let paths = Paths::new(prefix.as_deref(), &Vec::from_iter(maps))?;
        Ok(Self { repository, branch, paths })
    }
}

/// Code scanning has alerts of branches.
fn branch(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("refs/heads/").unwrap_or(text);
    let is_odd = |part: &str| part.is_empty() || part.starts_with('.') || part.contains("..");
    let is_name = !name.starts_with("refs/")
        && name.len() <= 255
        && !name.contains(|c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
        && !name.split('/').any(is_odd);
    match is_name {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "`ref` is `{}`, which is not a branch\nhint: write its name, such as `main`",
            line(text).at_most(200)
        )),
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn packed(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}

fn failure(found: &Value) -> String {
    let errors = found["errors"].as_array().into_iter().flatten();
    let said: Vec<_> = errors.filter_map(Value::as_str).collect();
    match said.is_empty() {
        true => "GitHub could not process the file, and does not say why".to_owned(),
        false => {
            format!("GitHub could not process the file: {}", line(&said.join("; ")).at_most(WORDS))
        }
    }
}

/// What [`sarif`] wrote down about what it left out.
fn left_out(content: &[u8]) -> Option<String> {
    let file: Value = serde_json::from_slice(content).ok()?;
    let count = file["runs"][0]["properties"]["leftOut"].as_u64().filter(|count| *count > 0)?;
    Some(format!(
        "code scanning shows {MAX_RESULTS} findings of an application: {count} of those that are least severe were not sent"
    ))
}

/// The file, without anything that GitHub does not read: what is different in it is
/// different there.
fn sarif(place: &Place, whole: &Whole<'_>) -> io::Result<Vec<u8>> {
    let mut rows: Vec<&FindingRow> =
        whole.rows.iter().filter(|row| row.finding.state.is_open() && !row.gone).collect();
    rows.sort_by(|one, other| {
        let severity = other.finding.severity.level().cmp(&one.finding.severity.level());
        severity.then_with(|| one.finding.id.as_str().cmp(other.finding.id.as_str()))
    });
    let left_out = rows.len().saturating_sub(MAX_RESULTS);
    rows.truncate(MAX_RESULTS);
    let file = Buffer::default();
    let mut export = Box::new(Sarif::new(
        file.clone(),
        &head(place, rows.len()),
        Options {
            category: Some(format!("countersign/{}", whole.application.guid)),
            places: Vec::new(),
        },
    ));
    for row in rows {
        export.finding(&item(row, whole.application))?;
    }
    export.end()?;
    let mut read: Value = serde_json::from_slice(&file.0.borrow())?;
    for run in read["runs"].as_array_mut().into_iter().flatten() {
        tidy(run);
        run["properties"] = json!({
            "repository": place.repository.place(),
            "ref": place.branch,
            "leftOut": left_out,
        });
    }
    Ok(serde_json::to_vec(&read)?)
}

fn head(place: &Place, count: usize) -> Head {
    Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms: 0,
        filter: String::new(),
        total: count as u64,
        with_raw: false,
        paths: place.paths.clone(),
    }
}

fn item<'a>(row: &'a FindingRow, application: &'a Application) -> Item<'a> {
    Item {
        finding: &row.finding,
        application,
        integration: &row.integration,
        gone: row.gone,
        added_ms: row.added_ms,
        changed_ms: row.changed_ms,
        last: Last::New,
        paths: row.paths.as_deref().unwrap_or_default(),
        raw: &row.raw,
    }
}

/// Moments, and what only other readers know.
fn tidy(run: &mut Value) {
    const UNREAD: [&str; 4] = ["provenance", "baselineState", "properties", "webRequest"];
    if let Some(run) = run.as_object_mut() {
        run.remove("invocations");
    }
    for result in run["results"].as_array_mut().into_iter().flatten() {
        if let Some(result) = result.as_object_mut() {
            result.retain(|name, _| !UNREAD.contains(&name.as_str()));
        }
    }
}

/// One part, in memory.
#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Parts for Buffer {
    fn open(&mut self, _number: usize) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(self.clone()))
    }

    fn can_split(&self) -> bool {
        false
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Uploads for CodeScanning {
    fn place(&self, application: &Application) -> Result<(), String> {
        self.place_of(application).map(|_| ())
    }

    fn render(&self, whole: &Whole<'_>) -> Result<Vec<u8>, String> {
        let place = self.place_of(whole.application)?;
        sarif(place, whole).map_err(|why| why.to_string())
    }

    fn send<'r>(
        &'r self,
        application: &'r Application,
        _uid: &'r str,
        content: &'r [u8],
        now_ms: i64,
    ) -> Doing<'r, Verdict> {
        Box::pin(async move {
            let place = match self.place_of(application) {
                Ok(place) => place,
                Err(why) => return Verdict::Refused(why),
            };
            match self.upload(place, content, now_ms).await {
                Ok(taken) => Verdict::Taken(taken),
                Err(verdict) => self.of_one(place, verdict),
            }
        })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        Box::pin(async move { self.ready().await.map_or_else(|why| why, Verdict::Taken) })
    }
}
