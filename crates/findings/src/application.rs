//! An application, read from its listing.

use countersign_wire::application as wire;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::decode;
use crate::error::Undecodable;
use crate::finding::Note;
use crate::ids::ApplicationGuid;
use crate::time;

/// What the record of an application says of scans of its policy context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyScans {
    /// It lists scans and has none, and no scan was ever completed.
    Never,
    /// It has some, or does not say.
    #[default]
    Possible,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    /// Key.
    pub guid: ApplicationGuid,
    /// Numeric id of the older APIs.
    pub id: Option<i64>,
    /// Name; the guid when the record has none.
    pub name: String,
    /// Business unit.
    pub business_unit: Option<String>,
    /// Teams that see it.
    pub teams: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// `VERY_HIGH` to `VERY_LOW`.
    pub business_criticality: Option<String>,
    /// Its first policy.
    pub policy: Option<String>,
    /// That policy's verdict, such as `DID_NOT_PASS`.
    pub policy_compliance: Option<String>,
    /// Creation, milliseconds since the Unix epoch.
    #[serde(rename = "created", serialize_with = "time::serialize")]
    pub created_ms: Option<i64>,
    /// Last change of the profile or publication of a scan.
    #[serde(rename = "modified", serialize_with = "time::serialize")]
    pub modified_ms: Option<i64>,
    /// Last evaluation of the policy.
    #[serde(rename = "policy_checked", serialize_with = "time::serialize")]
    pub policy_checked_ms: Option<i64>,
    /// Last completed scan.
    #[serde(rename = "last_scan", serialize_with = "time::serialize")]
    pub last_scan_ms: Option<i64>,
    /// Whether its policy context was ever scanned, as far as the record says.
    #[serde(skip)]
    pub policy_scans: PolicyScans,
    /// What the record says and nothing here does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Application {
    /// Reads an element of the applications list.
    pub fn decode(raw: &str) -> Result<Self, Undecodable> {
        let (read, dropped) = wire::Application::parse_readable(raw).map_err(Undecodable::new)?;
        let guid = ApplicationGuid::parse(&read.guid)?;
        let mut notes = decode::notes(dropped);
        let mut date = |text: &Option<String>, name| decode::date(text, name, &mut notes);
        let profile = read.profile;
        let policy = profile.policies.into_iter().next().unwrap_or_default();
        Ok(Self {
            id: read.id,
            name: profile.name.unwrap_or_else(|| guid.to_string()),
            business_unit: profile.business_unit.and_then(|unit| unit.name),
            teams: profile.teams.into_iter().filter_map(|team| team.team_name).collect(),
            tags: profile
                .tags
                .iter()
                .flat_map(|tags| tags.split(','))
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            business_criticality: profile.business_criticality,
            policy: policy.name,
            policy_compliance: policy.policy_compliance_status,
            created_ms: date(&read.created, "created"),
            modified_ms: date(&read.modified, "modified"),
            policy_checked_ms: date(
                &read.last_policy_compliance_check_date,
                "last_policy_compliance_check_date",
            ),
            last_scan_ms: date(&read.last_completed_scan_date, "last_completed_scan_date"),
            policy_scans: match read.scans.is_empty() && read.last_completed_scan_date.is_none() {
                true => said_of_scans(raw),
                false => PolicyScans::Possible,
            },
            guid,
            notes,
        })
    }
}

/// A record without the list of scans is not one whose list is empty.
fn said_of_scans(raw: &str) -> PolicyScans {
    #[derive(Deserialize)]
    struct Said {
        scans: Option<Vec<IgnoredAny>>,
        last_completed_scan_date: Option<IgnoredAny>,
    }
    match serde_json::from_str(raw) {
        Ok(Said { scans: Some(scans), last_completed_scan_date: None }) if scans.is_empty() => {
            PolicyScans::Never
        }
        _ => PolicyScans::Possible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_list_of_scans_says_that_there_was_none() {
        for (members, said) in [
            ("", PolicyScans::Possible),
            (r#", "scans": null"#, PolicyScans::Possible),
            (r#", "scans": 7"#, PolicyScans::Possible),
            (r#", "scans": [{}]"#, PolicyScans::Possible),
            (r#", "scans": [{"scan_type": "STATIC", "status": "CREATED"}]"#, PolicyScans::Possible),
            (
                r#", "scans": [], "last_completed_scan_date": "2026-01-01T00:00:00.000Z""#,
                PolicyScans::Possible,
            ),
            (r#", "scans": [], "last_completed_scan_date": "soon""#, PolicyScans::Possible),
            (r#", "scans": [], "last_completed_scan_date": 7"#, PolicyScans::Possible),
            (r#", "scans": [], "scans": []"#, PolicyScans::Possible),
            (r#", "scans": [], "last_completed_scan_date": null"#, PolicyScans::Never),
            (r#", "scans": []"#, PolicyScans::Never),
        ] {
            let application = Application::decode(&format!(r#"{{"guid": "app-1"{members}}}"#));
            assert_eq!(application.unwrap().policy_scans, said, "{members}");
        }
    }
}
