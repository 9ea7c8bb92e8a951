//! Policies: the vendor's, which every tenant has, and the organisation's own.

mod supplied;

use countersign_wire::credential::SelfLink;
use countersign_wire::policy::Policy;
use rusqlite::{OptionalExtension, Row};

use crate::act::View;
use crate::condition::{Condition, text};
use crate::list::{Source, Window};
use crate::{Error, ORGANIZATION, Refused, guid_of, timestamp};

const SOURCE: Source = Source {
    columns: "guid, name, definition, is_default",
    tables: "policies",
    sorts: &[],
    order: "id",
};

pub use supplied::RECOMMENDED;
pub(crate) use supplied::furnish;

/// What a policy is for.
pub const CATEGORIES: &[&str] = &["APPLICATION", "COMPONENT"];

/// Which policies are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub category: Option<String>,
    pub legacy_policy_id: Option<i64>,
    /// Part of the name.
    pub name: Option<String>,
    /// The whole name instead.
    pub name_exact: bool,
    /// `false` leaves those that the organisation made.
    pub public_policy: Option<bool>,
    pub vendor_policy: Option<bool>,
}

impl Filter {
    fn condition(&self) -> Condition {
        let mut condition = Condition::always();
        if let Some(category) = &self.category {
            condition.and("definition ->> 'category' = ?", [text(category)]);
        }
        if let Some(id) = self.legacy_policy_id {
            condition.and("id = ?", [id.into()]);
        }
        match &self.name {
            Some(name) if self.name_exact => condition.and("name = ?", [text(name)]),
            Some(name) => condition.holds(&["name"], name),
            None => {}
        }
        if self.public_policy == Some(false) {
            condition.and("not is_default", []);
        }
        if let Some(is) = self.vendor_policy {
            condition.and("definition ->> 'vendor_policy' = ?", [is.into()]);
        }
        condition
    }
}

/// One page of policies, each in its newest version, and how many there are; `base` is
/// for links.
pub fn list(
    view: &View<'_>,
    filter: &Filter,
    window: &Window,
    base: &str,
) -> Result<(Vec<Policy>, u64), Error> {
    let condition = filter.condition();
    Ok(SOURCE.page(view.connection, &condition, window, |row| read_row(row, base))?)
}

/// A policy in its newest version.
pub fn read(view: &View<'_>, guid: &str, base: &str) -> Result<Policy, Refused> {
    let sql = format!("select {} from {} where guid = ?", SOURCE.columns, SOURCE.tables);
    let found =
        view.connection.query_row(&sql, [guid_of(guid)?], |row| read_row(row, base)).optional()?;
    found.ok_or(Refused::NoSuch("Policy"))
}

fn read_row(row: &Row<'_>, base: &str) -> rusqlite::Result<Policy> {
    let guid: String = row.get(0)?;
    let definition: String = row.get(2)?;
    let definition: Policy = serde_json::from_str(&definition)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, TEXT, error.into()))?;
    let is_supplied: bool = row.get(3)?;
    Ok(Policy {
        name: row.get(1)?,
        organization_id: (!is_supplied).then_some(ORGANIZATION),
        links: Some(SelfLink::to(format!("{base}/appsec/v1/policies/{guid}"))),
        guid,
        ..definition
    })
}

const TEXT: rusqlite::types::Type = rusqlite::types::Type::Text;

/// What a policy of the organisation says.
pub(crate) fn definition(highest_severity: i64, made_ms: i64) -> String {
    use countersign_wire::policy::{FindingRule, ScanFrequencyRule};
    let rule = |kind: &str, scan_type: &str, value: String| FindingRule {
        kind: kind.into(),
        scan_type: vec![scan_type.into()],
        value,
        advanced_options: None,
    };
    let policy = Policy {
        description: Some("An example for demonstrations and tests.".into()),
        kind: Some("CUSTOMER".into()),
        category: Some("APPLICATION".into()),
        version: Some(1),
        created: Some(timestamp(made_ms)),
        modified_by: Some("Example Organization".into()),
        finding_rules: vec![
            rule("MAX_SEVERITY", "STATIC", highest_severity.to_string()),
            rule("MAX_SEVERITY", "DYNAMIC", highest_severity.to_string()),
            rule("CVSS", "SCA", "6.9".into()),
        ],
        scan_frequency_rules: vec![ScanFrequencyRule {
            scan_type: "STATIC".into(),
            frequency: "QUARTERLY".into(),
        }],
        sev5_grace_period: 30,
        sev4_grace_period: 30,
        sev3_grace_period: 60,
        sev2_grace_period: 90,
        sev1_grace_period: 180,
        sev0_grace_period: 365,
        score_grace_period: 60,
        sca_blacklist_grace_period: 30,
        ..Policy::default()
    };
    serde_json::to_string(&policy).unwrap_or_else(|_| "{}".into())
}
