//! Applications. Every recorded key is written, null where nothing is known.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::hal::Link;
use crate::lenient;
use crate::readable::{self, Dropped};

/// An application, in the recorded key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Application {
    /// Numeric id, also called legacy id.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub id: Option<i64>,
    /// Numeric organisation id.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub oid: Option<i64>,
    /// Alternative organisation id of newer answers.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub alt_org_id: Option<i64>,
    /// Null when never scanned.
    #[serde(default)]
    pub last_completed_scan_date: Option<String>,
    /// The key used everywhere.
    pub guid: String,
    /// Creation time.
    #[serde(default)]
    pub created: Option<String>,
    /// Last change of the profile or its newest scan.
    #[serde(default)]
    pub modified: Option<String>,
    /// Not a URL: `HomeAppProfile:<oid>:<id>`.
    #[serde(default)]
    pub app_profile_url: Option<String>,
    /// Newest policy scan of each type.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub scans: Vec<Scan>,
    /// Last evaluation of the policy.
    #[serde(default)]
    pub last_policy_compliance_check_date: Option<String>,
    /// What people edit.
    #[serde(default)]
    pub profile: Profile,
    /// `ViewReportsResultSummary:<oid>:<id>:<build>`, null without a scan.
    #[serde(default)]
    pub results_url: Option<String>,
    /// `self`, `sandboxes` (templated), `policy`.
    #[serde(default, rename = "_links")]
    pub links: ApplicationLinks,
}

impl Application {
    /// Reads one application without the members that cannot be read, and names those.
    /// Its guid is needed.
    pub fn parse_readable(text: &str) -> Result<(Self, Vec<Dropped>), serde_json::Error> {
        let error = match serde_json::from_str(text) {
            Ok(application) => return Ok((application, Vec::new())),
            Err(error) => error,
        };
        // Of a member that comes twice the last one counts here.
        let mut record: serde_json::Value = serde_json::from_str(text)?;
        let mut dropped = Vec::new();
        let application = readable::read(&mut record, "", &["guid"], &mut dropped)?;
        if dropped.is_empty() {
            dropped.push(Dropped::new(String::new(), &error));
        }
        Ok((application, dropped))
    }
}

/// The links of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApplicationLinks {
    /// The application itself.
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub this: Option<Link>,
    /// Its sandboxes, a URI template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxes: Option<Link>,
    /// Its first policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Link>,
}

/// The newest policy scan of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Scan {
    /// `STATIC`, `DYNAMIC`, `MANUAL`.
    #[serde(default)]
    pub scan_type: Option<String>,
    /// One of the 44 scan states; `PUBLISHED` in every recording.
    #[serde(default)]
    pub status: Option<String>,
    /// Last change.
    #[serde(default)]
    pub modified_date: Option<String>,
    /// A text id whose fourth colon-separated part is the build id.
    #[serde(default)]
    pub scan_url: Option<String>,
    /// `resultsready` in every recording.
    #[serde(default)]
    pub internal_status: Option<String>,
    /// Always empty in recordings.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub links: Vec<Link>,
    /// Always null in recordings.
    #[serde(default)]
    pub fallback_type: Option<String>,
    /// Always null in recordings.
    #[serde(default)]
    pub full_type: Option<String>,
}

/// What people edit of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Profile {
    /// Unique in the account.
    #[serde(default)]
    pub name: Option<String>,
    /// One comma-separated text.
    #[serde(default)]
    pub tags: Option<String>,
    /// Business unit.
    #[serde(default)]
    pub business_unit: Option<BusinessUnitRef>,
    /// Owners; each part is optional.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub business_owners: Vec<BusinessOwner>,
    /// Null in every recording.
    #[serde(default)]
    pub archer_app_name: Option<String>,
    /// Exactly one in every recording.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub policies: Vec<PolicyRef>,
    /// Teams that see the application.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub teams: Vec<TeamRef>,
    /// Null, not empty, when none is set.
    #[serde(default)]
    pub custom_fields: Option<Vec<CustomField>>,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Switches.
    #[serde(default)]
    pub settings: Option<Settings>,
    /// `VERY_HIGH` to `VERY_LOW`.
    #[serde(default)]
    pub business_criticality: Option<String>,
    /// Repository; one client writes `repo_url`.
    #[serde(default, alias = "repo_url", skip_serializing_if = "Option::is_none")]
    pub git_repo_url: Option<String>,
    /// Key alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_kms_alias: Option<String>,
}

/// A reference to a business unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BusinessUnitRef {
    /// Numeric id.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<i64>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
}

/// An owner: a name, an address, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BusinessOwner {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// The policy of an application, with its verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyRef {
    /// Guid.
    #[serde(default)]
    pub guid: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it is the default for the criticality.
    #[serde(default, deserialize_with = "lenient::truth")]
    pub is_default: Option<bool>,
    /// `PASSED`, `DID_NOT_PASS`, …
    #[serde(default)]
    pub policy_compliance_status: Option<String>,
}

/// A reference to a team. The number is the Identity API's legacy id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamRef {
    /// Numeric id.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub team_id: Option<i64>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    /// Guid: the Identity API's `team_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
}

/// A custom field that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CustomField {
    /// Name as configured.
    #[serde(default)]
    pub name: Option<String>,
    /// Value.
    #[serde(default)]
    pub value: Option<String>,
}

/// Switches of an application, in the order in which they were sent. Their set drifts over
/// the years.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, serde_json::Value>))]
pub struct Settings(pub Vec<(String, serde_json::Value)>);

impl Settings {
    /// The switch of this name.
    pub fn get(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let mut settings = Vec::new();
                while let Some(setting) = map.next_entry()? {
                    settings.push(setting);
                }
                Ok(Settings(settings))
            }
        }
        reader.deserialize_map(Reader)
    }
}

/// The body that creates or changes an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApplicationInput {
    /// The profile.
    #[serde(default)]
    pub profile: Option<Profile>,
}

pub(crate) fn null_is_empty<'de, D, T>(reader: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(reader)?.unwrap_or_default())
}
