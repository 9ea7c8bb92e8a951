//! Which findings share a ticket, and what their group is called: the same name at every
//! sync and in every store, so that a ticket is found again.

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_findings::{Finding, ScanType};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the tickets of a destination are made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// One for each version of a third-party component, and one for each other finding.
    #[default]
    Auto,
    /// One for each finding.
    Finding,
    /// One for each version of a component. A finding without a component that has a name
    /// has its own.
    Component,
    /// One for each vulnerability. A finding without one has its own.
    Cve,
    /// One for each weakness. A finding without one has its own.
    Cwe,
}

/// What the findings of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is one finding.
    Finding,
    /// A component and its version.
    Component,
    /// A vulnerability.
    Cve,
    /// A weakness.
    Cwe,
}

impl Kind {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Component => "component",
            Self::Cve => "cve",
            Self::Cwe => "cwe",
        }
    }
}

/// A group of findings: of one application, in one context.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Guid of the application.
    pub application: String,
    /// What they have in common.
    pub kind: Kind,
    /// Id of the finding, name of the component or of the vulnerability, number of the
    /// weakness.
    pub value: String,
    /// Version of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `policy` or `sandbox:GUID`.
    pub context: String,
    /// Id of the finding, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
}

impl Subject {
    /// The group that a finding is in.
    pub fn of(finding: &Finding, grouping: Grouping) -> Self {
        let kind = match grouping {
            Grouping::Auto if finding.scan_type == ScanType::Sca => Kind::Component,
            Grouping::Auto | Grouping::Finding => Kind::Finding,
            Grouping::Component => Kind::Component,
            Grouping::Cve => Kind::Cve,
            Grouping::Cwe => Kind::Cwe,
        };
        let alone = || Self::with(finding, Kind::Finding, finding.id.to_string(), None);
        Self::of_kind(finding, kind).unwrap_or_else(alone)
    }

    /// None where the finding has nothing of this kind.
    fn of_kind(finding: &Finding, kind: Kind) -> Option<Self> {
        let (value, version) = match kind {
            Kind::Finding => (finding.id.to_string(), None),
            Kind::Component => {
                let component = finding.component.as_ref()?;
                (component.name.clone()?, component.version.clone())
            }
            Kind::Cve => (finding.vulnerability.as_ref()?.name.clone(), None),
            Kind::Cwe => (finding.cwe.as_ref().filter(|cwe| cwe.id > 0)?.id.to_string(), None),
        };
        (!is_blank(&value)).then(|| Self::with(finding, kind, value, version))
    }

    fn with(finding: &Finding, kind: Kind, value: String, version: Option<String>) -> Self {
        Self {
            application: finding.application.to_string(),
            kind,
            value,
            version,
            context: finding.context.to_string(),
            finding: (kind == Kind::Finding).then(|| finding.id.to_string()),
        }
    }

    /// 20 hexadecimal digits that only this group has.
    pub fn key(&self) -> String {
        let mut digest = Sha256::new();
        let version = self.version.as_deref();
        let has_version = if version.is_some() { "1" } else { "0" };
        for part in [
            &self.application,
            &self.context,
            self.kind.as_str(),
            &self.value,
            has_version,
            version.unwrap_or_default(),
        ] {
            // Its length before each, so that no other parts are the same bytes.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        HEXLOWER.encode(&digest.finalize()[..10])
    }

    /// Which findings of the store may be members: all that are, and of a component those of
    /// its other versions too.
    pub fn filter(&self) -> Expression {
        let is = |field, value| Filter::new(field, Operator::Eq, value).into();
        let text = |field, text: &str| is(field, Value::Text(text.to_owned()));
        let mut all: Vec<Expression> =
            vec![text(Field::Application, &self.application), text(Field::Context, &self.context)];
        match self.kind {
            Kind::Finding => all.push(text(Field::Id, &self.value)),
            // Filters do not know versions: `holds` does.
            Kind::Component => all.push(text(Field::Component, &self.value)),
            Kind::Cve => all.push(text(Field::Cve, &self.value)),
            Kind::Cwe => match self.value.parse() {
                Ok(number) => all.push(is(Field::Cwe, Value::Integer(number))),
                Err(_) => all.push(Expression::Any(Vec::new())),
            },
        }
        Expression::all(all)
    }

    /// Whether a finding is a member.
    pub fn holds(&self, finding: &Finding) -> bool {
        Self::of_kind(finding, self.kind).as_ref() == Some(self)
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
