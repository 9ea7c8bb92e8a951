//! DefectDojo: all findings of an application are imported again into one test, which opens,
//! changes and closes there what differs.
//!
//! DefectDojo knows a finding again by title, weakness, place and description, unless its
//! administrator says that findings of the test type `countersign Scan (Generic Findings
//! Import)` are known by `unique_id_from_tool`. Without that, a finding whose description
//! changes is closed there, and opened as another one.

use std::cmp::Reverse;

use countersign_connector::export::item;
use countersign_findings::Application;
use countersign_formats::defectdojo::DefectDojo as Document;
use countersign_formats::{Export, Head, Paths};
use countersign_store::FindingRow;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{Access, base_url, lost, refused};
use crate::markup::shown;
use crate::receiver::{Taken, Uploads, Verdict, Whole};
use crate::wire::{Answer, Doing, Method, Request};

/// How long an import takes at most. One of some hundred findings took 40 seconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
const MEGABYTE: usize = 1 << 20;

/// Where findings go.
///
/// Names are templates: `{application}` is the name of the application, `{guid}` its guid,
/// `{business_unit}` its business unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the server, such as `https://defectdojo.example.com/`.
    pub url: String,
    /// Template for the name of the product; `{application}` unless set.
    #[serde(default = "product")]
    pub product: String,
    /// Template for the product type of products that are made; `Research and Development`
    /// unless set, which every server has. A product that exists keeps its own.
    #[serde(default = "product_type")]
    pub product_type: String,
    /// Template for the name of the engagement; `countersign` unless set.
    #[serde(default = "engagement")]
    pub engagement: String,
    /// Template for the title of the test; `countersign {guid}` unless set. Two applications
    /// must not have the same test.
    #[serde(default = "test")]
    pub test: String,
    /// Whether findings that people closed in DefectDojo stay closed while scans still show
    /// them; `false` unless set.
    #[serde(default)]
    pub do_not_reactivate: bool,
    /// Whether open findings that a complete reading no longer showed are closed; `false`
    /// unless set.
    #[serde(default)]
    pub close_vanished: bool,
    /// Megabytes of a file that the server takes (its `DD_SCAN_FILE_MAX_SIZE`); 100 unless set.
    #[serde(default = "max_megabytes")]
    pub max_megabytes: u32,
}

fn product() -> String {
    "{application}".to_owned()
}

fn product_type() -> String {
    "Research and Development".to_owned()
}

fn engagement() -> String {
    "countersign".to_owned()
}

fn test() -> String {
    "countersign {guid}".to_owned()
}

fn max_megabytes() -> u32 {
    100
}

impl Settings {
    /// Where findings go.
    pub fn place(&self) -> String {
        let url = base_url(&self.url, "url").map_or_else(|_| "defectdojo".to_owned(), String::from);
        format!("{url} {} {} {}", self.product, self.engagement, self.test)
    }
}

/// A server of DefectDojo.
pub struct DefectDojo {
    settings: Settings,
    access: Access,
    base: Url,
    reimport: Url,
    profile: Url,
}

/// What the findings of an application belong to.
struct Home {
    product: String,
    product_type: String,
    engagement: String,
    test: String,
}

impl DefectDojo {
    /// # Errors
    ///
    /// When the address, a template or the secret is none.
    pub fn new(settings: Settings, access: Access) -> Result<Self, String> {
        let base = base_url(&settings.url, "url")?;
        let templates = [
            ("product", &settings.product),
            ("product_type", &settings.product_type),
            ("engagement", &settings.engagement),
            ("test", &settings.test),
        ];
        for (key, template) in templates {
            check_template(template).map_err(|why| format!("`{key}` {why}"))?;
        }
        if settings.max_megabytes == 0 {
            return Err("`max_megabytes` is 0".to_owned());
        }
        let token = access.secret.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the secret is not an API key of DefectDojo".to_owned());
        }
        let join = |path: &str| base.join(path).map_err(|error| format!("`url`: {error}"));
        let (reimport, profile) = (join("api/v2/reimport-scan/")?, join("api/v2/user_profile/")?);
        Ok(Self { settings, access, base, reimport, profile })
    }

    fn home(&self, application: &Application) -> Result<Home, String> {
        let name = |template: &str, most| named(template, application, most);
        Ok(Home {
            product: name(&self.settings.product, 255)?,
            product_type: name(&self.settings.product_type, 255)?,
            engagement: name(&self.settings.engagement, 300)?,
            test: name(&self.settings.test, 255)?,
        })
    }

    fn authorization(&self) -> String {
        format!("Token {}", self.access.secret.trim())
    }

    /// With a product type, which a product is made with, or without.
    fn request(&self, home: &Home, uid: &str, content: &[u8], is_new: bool) -> Request {
        let word = |is: bool| if is { "true" } else { "false" };
        let mut fields = vec![
            ("scan_type", "Generic Findings Import"),
            ("product_name", &home.product),
            ("engagement_name", &home.engagement),
            ("test_title", &home.test),
            ("auto_create_context", "true"),
            ("close_old_findings", "true"),
            ("do_not_reactivate", word(self.settings.do_not_reactivate)),
        ];
        if is_new {
            fields.push(("product_type_name", &home.product_type));
        }
        let boundary = format!("countersign-{}", HEXLOWER.encode(&Sha256::digest(uid)[..16]));
        let mut request = Request::new(Method::Post, self.reimport.clone())
            .header("authorization", self.authorization())
            .header("accept", "application/json")
            .header("content-type", format!("multipart/form-data; boundary={boundary}"))
            .body(form(&boundary, &fields, content));
        request.patience = PATIENCE;
        request
    }

    async fn upload(&self, home: &Home, uid: &str, content: &[u8], now_ms: i64) -> Verdict {
        // A product that exists with another type is refused, and before the file is read.
        for is_new in [true, false] {
            match self.access.wire.ask(self.request(home, uid, content, is_new)).await {
                Err(why) => return lost(why),
                Ok(answer) if is_new && has_another_type(&answer) => {}
                Ok(answer) => return self.judged(&answer, now_ms),
            }
        }
        Verdict::Refused("the product has another product type".to_owned())
    }

    fn judged(&self, answer: &Answer, now_ms: i64) -> Verdict {
        let body = answer.json().unwrap_or_default();
        let test = body["test_id"].as_u64().or_else(|| body["test"].as_u64());
        match (answer.is_success(), test) {
            (true, Some(test)) => {
                let url = self.base.join(&format!("test/{test}")).ok().map(String::from);
                Verdict::Taken(Taken { reference: Some(test.to_string()), url, remark: None })
            }
            (true, None) => Verdict::Passing {
                why: "it answered without the test that it imported into".to_owned(),
                is_unsure: true,
                after_ms: None,
            },
            (false, _) => refused(answer, &said(&body), now_ms),
        }
    }
}

impl Uploads for DefectDojo {
    fn place(&self, application: &Application) -> Result<(), String> {
        self.home(application).map(drop)
    }

    fn render(&self, whole: &Whole<'_>) -> Result<Vec<u8>, String> {
        let mut rows: Vec<_> = whole.rows.iter().filter(|row| self.keeps(row)).collect();
        // Two integrations may bring the same finding: it is there once, rather
        // as it is still shown, and as it changed last.
        rows.sort_by_key(|row| (row.finding.id.as_str(), row.gone, Reverse(row.changed_ms)));
        rows.dedup_by(|one, before| one.finding.id == before.finding.id);
        let mut bytes = Vec::new();
        write(&mut bytes, &rows, whole.application).map_err(|error| error.to_string())?;
        let most = self.settings.max_megabytes as usize * MEGABYTE;
        if bytes.len() > most {
            let (has, most) = (bytes.len().div_ceil(MEGABYTE), self.settings.max_megabytes);
            return Err(format!(
                "the findings are {has} MB, more than the {most} MB that the server accepts\n\
                 hint: choose fewer with `filter`, or raise DD_SCAN_FILE_MAX_SIZE there and \
                 `max_megabytes` here"
            ));
        }
        Ok(bytes)
    }

    fn send<'r>(
        &'r self,
        application: &'r Application,
        uid: &'r str,
        content: &'r [u8],
        now_ms: i64,
    ) -> Doing<'r, Verdict> {
        Box::pin(async move {
            match self.home(application) {
                Err(why) => Verdict::Refused(why),
                Ok(home) => self.upload(&home, uid, content, now_ms).await,
            }
        })
    }

    fn probe(&self) -> Doing<'_, Verdict> {
        Box::pin(async move {
            let request = Request::new(Method::Get, self.profile.clone())
                .header("authorization", self.authorization())
                .header("accept", "application/json");
            match self.access.wire.ask(request).await {
                Err(why) => lost(why),
                Ok(answer) if answer.is_success() && answer.json().is_some() => {
                    Verdict::Taken(Taken::default())
                }
                Ok(answer) if answer.is_success() => {
                    Verdict::Settings("it does not answer like DefectDojo".to_owned())
                }
                Ok(answer) => refused(&answer, &said(&answer.json().unwrap_or_default()), 0),
            }
        })
    }
}

impl DefectDojo {
    /// What is not in the file is closed by the import.
    fn keeps(&self, row: &FindingRow) -> bool {
        let has_vanished = row.gone && row.finding.state.is_open();
        !(has_vanished && self.settings.close_vanished)
    }
}

fn write(bytes: &mut Vec<u8>, rows: &[&FindingRow], of: &Application) -> std::io::Result<()> {
    let head = Head {
        version: String::new(),
        made_ms: 0,
        filter: String::new(),
        total: rows.len() as u64,
        with_raw: false,
        paths: Paths::default(),
    };
    let mut document = Box::new(Document::for_reimport(bytes, &head)?);
    for row in rows {
        document.finding(&item(row, of))?;
    }
    document.end()
}

/// Fields and a file as `multipart/form-data`. No field and no file holds the boundary on a
/// line of its own: fields are one line, and a line of JSON never begins with a dash.
fn form(boundary: &str, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(file.len() + 4_096);
    for (name, value) in fields {
        let head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(format!("\r\n{value}\r\n").as_bytes());
    }
    // DefectDojo reads what is not called `.json` as a table.
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; \
         filename=\"countersign.json\"\r\ncontent-type: application/json\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

const NAMES: [&str; 3] = ["application", "guid", "business_unit"];

fn check_template(template: &str) -> Result<(), String> {
    let mut rest = template;
    while let Some((_, tail)) = rest.split_once('{') {
        let (name, tail) = tail.split_once('}').ok_or("has a `{` without a `}`")?;
        if !NAMES.contains(&name) {
            let (name, names) = (shown(name, 50), NAMES.join("}, {"));
            return Err(format!("names `{{{name}}}`\nhint: there are {{{names}}}"));
        }
        rest = tail;
    }
    if template.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}

/// The template with the names of this application, in one pass: a name that looks like part
/// of a template is none.
fn named(template: &str, application: &Application, most: usize) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, (name, tail))) =
        rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        text.push_str(before);
        text.push_str(match name {
            "application" => &application.name,
            "guid" => application.guid.as_str(),
            _ => application.business_unit.as_deref().ok_or("it has no business unit")?,
        });
        rest = tail;
    }
    text.push_str(rest);
    let text = countersign_text::line(&text).to_string();
    // What DefectDojo cuts off at the ends it does not find again either.
    let text: String = text.trim().chars().take(most).collect();
    match text.trim() {
        "" => Err("its name is empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn has_another_type(answer: &Answer) -> bool {
    answer.status == 400
        && String::from_utf8_lossy(&answer.body).contains("conflict with the supplied product type")
}

/// What it has against which member.
fn said(body: &Value) -> String {
    let words = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let text = match body {
        Value::Null => String::new(),
        Value::Object(members) => {
            let said = members.iter().map(|(name, value)| format!("{name}: {}", words(value)));
            said.collect::<Vec<_>>().join("; ")
        }
        other => words(other),
    };
    countersign_text::line(&text).at_most(500).to_string()
}
