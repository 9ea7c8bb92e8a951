//! What identifies an application and a finding.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::Undecodable;

/// The key of an application everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ApplicationGuid(Box<str>);

impl ApplicationGuid {
    /// Takes a guid as the service writes it. It goes into request paths, so
    /// only what a guid can hold is accepted.
    pub fn parse(text: &str) -> Result<Self, Undecodable> {
        Ok(Self(plain_guid(text)?.into()))
    }

    /// The guid.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApplicationGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can stand in a path or a query as it is.
fn plain_guid(text: &str) -> Result<&str, Undecodable> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
        return Err(Undecodable::new("the guid is not letters, digits and dashes"));
    }
    Ok(text)
}

/// Where a finding was seen: status and friends are relative to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// The application's policy scans.
    Policy,
    /// One of its sandboxes, by guid.
    Sandbox(Box<str>),
}

impl Context {
    /// The sandbox with this guid. It goes into requests, so only what a guid can hold is
    /// accepted.
    pub fn sandbox(guid: &str) -> Result<Self, Undecodable> {
        Ok(Self::Sandbox(plain_guid(guid)?.into()))
    }

    /// The sandbox's guid; none for the policy context.
    pub fn guid(&self) -> Option<&str> {
        match self {
            Self::Policy => None,
            Self::Sandbox(guid) => Some(guid),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::Sandbox(guid) => write!(f, "sandbox:{guid}"),
        }
    }
}

impl FromStr for Context {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "policy" => Ok(Self::Policy),
            Some(("sandbox", guid)) if !guid.is_empty() => Ok(Self::Sandbox(guid.into())),
            _ => Err("expected `policy` or `sandbox:GUID`"),
        }
    }
}

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

/// What identifies a finding within one application and context.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKey {
    /// Static, dynamic and manual findings: the flaw id. The same flaw keeps it
    /// across the policy context and the sandboxes.
    Flaw(i64),
    /// SCA findings have no flaw id. The scan mode keeps upload and agent apart.
    Component {
        /// Component and version.
        component_id: Box<str>,
        /// Vulnerability; `-` when the record names none.
        cve: Box<str>,
        /// `UPLOAD`, `AGENT`; `-` when the record names none.
        scan_mode: Box<str>,
    },
    /// Findings of other scanners, each of which gives its own ids.
    Imported {
        /// The scanner.
        product: Box<str>,
        /// What it calls the finding.
        uid: Box<str>,
    },
}

impl fmt::Display for FindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaw(issue_id) => write!(f, "flaw:{issue_id}"),
            Self::Component { component_id, cve, scan_mode } => {
                write!(f, "sca:{scan_mode}:{component_id}:{cve}")
            }
            // So that the first colon is where the product ends.
            Self::Imported { product, uid } => {
                write!(f, "imported:{}:{uid}", product.replace('%', "%25").replace(':', "%3A"))
            }
        }
    }
}

impl FromStr for FindingKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "expected `flaw:ID`, `sca:MODE:COMPONENT:CVE` or `imported:PRODUCT:ID`";
        match text.split_once(':') {
            Some(("flaw", id)) => id.parse().map(Self::Flaw).map_err(|_| malformed),
            Some(("sca", rest)) => {
                let mut parts = rest.splitn(3, ':');
                let mut part = || parts.next().map(Box::from).ok_or(malformed);
                let (scan_mode, component_id) = (part()?, part()?);
                Ok(Self::Component { component_id, cve: part()?, scan_mode })
            }
            Some(("imported", rest)) => {
                let (product, uid) = rest.split_once(':').ok_or(malformed)?;
                let product = product.replace("%3A", ":").replace("%25", "%").into();
                Ok(Self::Imported { product, uid: uid.into() })
            }
            _ => Err(malformed),
        }
    }
}

impl Serialize for FindingKey {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(self)
    }
}

/// A short name for a finding, the same in every store: 20 hex digits of a hash
/// over application, context and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FindingId(Box<str>);

impl FindingId {
    /// The id of this key in this context of this application.
    pub fn of(application: &ApplicationGuid, context: &Context, key: &FindingKey) -> Self {
        let mut digest = Sha256::new();
        digest.update(format!("{application}\0{context}\0{key}"));
        Self(HEXLOWER.encode(&digest.finalize()[..10]).into())
    }

    /// What the digits stand for.
    pub fn to_bytes(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        if let Ok(decoded) = HEXLOWER.decode(self.0.as_bytes())
            && decoded.len() == bytes.len()
        {
            bytes.copy_from_slice(&decoded);
        }
        bytes
    }

    /// The id of these bytes.
    pub fn from_bytes(bytes: &[u8; 10]) -> Self {
        Self(HEXLOWER.encode(bytes).into())
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<FindingId> for String {
    fn from(id: FindingId) -> Self {
        id.0.into()
    }
}

/// All twenty digits, in lower case.
impl FromStr for FindingId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 10]>::try_from(bytes).ok());
        bytes.map(|bytes| Self::from_bytes(&bytes)).ok_or("expected 20 hexadecimal digits")
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
