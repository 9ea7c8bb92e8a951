//! Findings of other scanners: from one OCSF Application Security Posture Finding (class
//! 2007) to the record that the store keeps.
//!
//! The record has the members that [`Finding::decode`] reads of every record, and before
//! them `source`: whose finding it is, and the finding as it was given. So whatever reads
//! findings reads these, and what has no place among the members is not lost.

mod posture;
mod record;

use std::fmt;

use countersign_wire::finding as wire;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::posture::Posture;
use crate::application::Application;
use crate::error::Undecodable;
use crate::finding::{Finding, Note};
use crate::ids::{Context, FindingKey};

/// Bytes of one finding.
pub const MAX_BYTES: usize = 1 << 20;
/// Bytes of one text in it.
const MAX_TEXT: usize = 256 << 10;
/// Objects and lists within each other.
const MAX_DEPTH: usize = 64;
/// Characters of a reason, which may repeat what was given.
const MAX_REASON: usize = 160;

/// How a record of ours begins, and none of the service: others are not read twice.
const BEGINNING: &str = r#"{"source":{"#;

/// Why a finding is refused: the first cause that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where in the finding, as a JSON pointer such as `/finding_info/uid`; empty for the
    /// finding as a whole.
    pub pointer: String,
    /// Why, in one line; may repeat the beginning of what was given.
    pub reason: String,
}

impl Refusal {
    fn new(pointer: impl Into<String>, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string().chars().take(MAX_REASON).collect();
        Self { pointer: pointer.into(), reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.reason),
            pointer => write!(f, "{pointer}: {}", self.reason),
        }
    }
}

impl std::error::Error for Refusal {}

/// The scanner that found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Name; of a product without one its id, else its vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_name: Option<String>,
    /// Version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Where a finding of another scanner comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The scanner.
    pub product: Product,
    /// The OCSF finding as it was given.
    pub ocsf: Map<String, Value>,
}

impl Source {
    /// What the record says of it; none for a record of the service.
    pub(crate) fn of(raw: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Record {
            source: Source,
        }
        let is_ours = raw.starts_with(BEGINNING);
        let source =
            is_ours.then(|| serde_json::from_str::<Record>(raw)).and_then(Result::ok)?.source;
        source.uid().is_some().then_some(source)
    }

    fn uid(&self) -> Option<&str> {
        self.ocsf.get("finding_info")?.get("uid")?.as_str()
    }

    /// What identifies it within its application: the id alone is its scanner's.
    pub(crate) fn key(&self) -> FindingKey {
        FindingKey::Imported {
            product: self.product.name.as_deref().unwrap_or_default().into(),
            uid: self.uid().unwrap_or_default().into(),
        }
    }

    /// Gives a finding what only the OCSF finding has.
    pub(crate) fn complete(self, finding: &mut Finding) -> Result<(), Undecodable> {
        let posture = Posture::read(&self.ocsf).map_err(Undecodable::new)?;
        if let Some(title) = posture.title() {
            finding.title = title.to_owned();
        }
        finding.description = posture.description();
        finding.references = posture.references();
        let notes = posture.notes().into_iter();
        finding.notes.extend(notes.map(|(member, reason)| Note {
            member: Some(format!("source.ocsf.{member}")),
            reason,
        }));
        finding.source = Some(Box::new(self));
        Ok(())
    }
}

/// A finding of another scanner, and the application that it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Its application.
    pub application: Named,
    /// The finding.
    pub finding: Finding,
    /// The record to keep, from which [`Finding::decode`] reads the same finding.
    pub raw: String,
}

/// An application as a finding names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The application. Its GUID is its id where that is one; else made of its id, or of its
    /// name where it has none: the same in every integration.
    pub application: Application,
    /// The record to keep, from which [`Application::decode`] reads the same.
    pub raw: String,
    /// Whether the finding says what it is called; else its id or the scanner stand for
    /// the name.
    pub has_name: bool,
}

/// Reads one OCSF posture finding.
///
/// Refuses what is no finding of class 2007, has no `finding_info.uid`, has a severity that
/// OCSF does not know, has a member of a wrong type among those that are read, or is larger
/// than [`MAX_BYTES`]. Members that are not read stay in `source.ocsf`.
pub fn read(item: &str) -> Result<Imported, Refusal> {
    if item.len() > MAX_BYTES {
        return Err(Refusal::new("", format_args!("it is larger than {MAX_BYTES} bytes")));
    }
    let value: Value = serde_json::from_str(item)
        .map_err(|error| Refusal::new("", format_args!("it is not JSON: {error}")))?;
    bounded(&value, &mut Vec::new())?;
    let Value::Object(ocsf) = value else {
        return Err(Refusal::new("", "it is not a JSON object"));
    };
    let posture = Posture::read(&ocsf)?;
    let application = named(&posture)?;
    let source = Source { product: posture.product(), ocsf };
    let raw = record(&source, posture.record()?)?;
    let finding = Finding::decode(&raw, &application.application.guid, &Context::Policy)
        .map_err(|error| Refusal::new("", error))?;
    Ok(Imported { application, finding, raw })
}

fn record(source: &Source, finding: wire::Finding) -> Result<String, Refusal> {
    #[derive(Serialize)]
    struct Record<'a> {
        source: &'a Source,
        #[serde(flatten)]
        finding: wire::Finding,
    }
    serde_json::to_string(&Record { source, finding }).map_err(|error| Refusal::new("", error))
}

/// Walks through all of it: a text or a depth that nobody means is refused wherever it is.
fn bounded(value: &Value, path: &mut Vec<String>) -> Result<(), Refusal> {
    let refuse = |path: &[String], reason: String| Err(Refusal::new(pointer(path), reason));
    if path.len() > MAX_DEPTH {
        return refuse(path, format!("it is more than {MAX_DEPTH} levels deep"));
    }
    match value {
        Value::String(text) if text.len() > MAX_TEXT => {
            refuse(path, format!("the text is longer than {MAX_TEXT} bytes"))
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            path.push(at.to_string());
            bounded(item, path)?;
            path.pop();
            Ok(())
        }),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            path.push(name.chars().take(MAX_REASON).collect());
            bounded(member, path)?;
            path.pop();
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The JSON pointer of a path.
fn pointer<'a>(path: impl IntoIterator<Item = &'a String>) -> String {
    let escaped = path.into_iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
    escaped.fold(String::new(), |pointer, part| pointer + "/" + &part)
}

fn named(posture: &Posture) -> Result<Named, Refusal> {
    let application = posture.application.as_ref();
    let (uid, name) = match application {
        Some(application) => (filled(&application.uid), filled(&application.name)),
        None => (None, None),
    };
    let product = posture.product().name.unwrap_or_else(|| "unknown scanner".to_owned());
    let (guid, shown) = match (uid, name) {
        (Some(uid), name) => (guid_of("uid", uid), name.unwrap_or(uid).to_owned()),
        (None, Some(name)) => (guid_of("name", name), name.to_owned()),
        (None, None) => (guid_of("product", &product), format!("{product}: no application")),
    };
    let labels = application.and_then(|application| application.labels.as_ref());
    let labels = labels.map(|labels| labels.iter().map(|label| label.as_str()).collect::<Vec<_>>());
    let unit = application.and_then(|application| application.group.as_ref());
    let unit = unit.and_then(|group| filled(&group.name)).map(|name| json!({ "name": name }));
    let tags = labels.filter(|labels| !labels.is_empty()).map(|labels| labels.join(","));
    let profile = json!({ "name": shown, "tags": tags, "business_unit": unit });
    let raw = json!({ "guid": guid, "profile": profile }).to_string();
    let application =
        Application::decode(&raw).map_err(|error| Refusal::new("/application", error))?;
    Ok(Named { application, raw, has_name: name.is_some() })
}

/// A GUID as it is, in small letters; of anything else one that only this text has.
fn guid_of(kind: &str, text: &str) -> String {
    let is_dash = |at| matches!(at, 8 | 13 | 18 | 23);
    let is_guid = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match is_dash(at) {
            true => b == b'-',
            false => b.is_ascii_hexdigit(),
        });
    if is_guid {
        return text.to_ascii_lowercase();
    }
    let digest = Sha256::digest(format!("countersign imported application\0{kind}\0{text}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Of the form that leaves it to the maker how one is made.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut digits = HEXLOWER.encode(&bytes);
    for at in [20, 16, 12, 8] {
        digits.insert(at, '-');
    }
    digits
}

/// The text, unless nothing is in it.
fn filled<const MAX: usize>(text: &Option<posture::Text<MAX>>) -> Option<&str> {
    text.as_ref().map(posture::Text::as_str).map(str::trim).filter(|text| !text.is_empty())
}
