//! Users, teams, business units, roles and permissions.

use serde::{Deserialize, Serialize};

use crate::credential::{ApiCredential, SelfLink};
use crate::lenient;

/// A user as the server writes it: lists leave most members out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct User {
    /// The key used in paths.
    pub user_id: String,
    /// Numeric id of the older APIs.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_legacy_id: Option<i64>,
    /// Login name.
    #[serde(default)]
    pub user_name: Option<String>,
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Address.
    #[serde(default)]
    pub email_address: Option<String>,
    /// Whether it may sign in.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub login_enabled: Option<bool>,
    /// Whether it is active.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether it signs in by SAML.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub saml_user: Option<bool>,
    /// `USER` or `API`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_type: Option<String>,
    /// Whether a second factor is required.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub pin_required: Option<bool>,
    /// Whether the address list below applies.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub ip_restricted: Option<bool>,
    /// Allowed addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ip_addresses: Option<Vec<String>>,
    /// Organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleRef>>,
    /// Teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<Membership>>,
    /// Permissions; `apiUser` marks an API account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<PermissionRef>>,
    /// The pair: an object, in `self` and in the creating answer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_credentials: Option<ApiCredential>,
    /// Links.
    #[serde(default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<SelfLink>,
}

/// Whoever asks, about itself. Its members are in camel case, unlike all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Principal {
    /// Login name.
    pub username: String,
    /// Numeric id of the older APIs.
    pub user_id: i64,
    /// Guid.
    pub user_uuid: String,
    /// First name.
    pub user_first_name: String,
    /// Last name.
    pub user_last_name: String,
    /// Address.
    pub email: String,
    /// Numeric organisation id.
    pub organization_id: i64,
    /// Guid of the organisation.
    pub organization_uuid: String,
    /// Name of the organisation.
    pub organization_name: String,
    /// Roles, in words for people.
    pub roles: Vec<String>,
    /// What the roles allow, such as `approveMitigations`.
    pub permissions: Vec<String>,
    /// What the organisation has, such as `sandbox`; never null.
    pub features: Vec<String>,
    /// Whether a second factor is required.
    pub pin_required: bool,
    /// Whether it signs in by SAML.
    pub saml_user: bool,
    /// Whether the organisation has sandboxes.
    pub sandbox_enabled: bool,
    /// Of the eLearning product.
    pub learn_group_id: i64,
    /// Of the eLearning product.
    pub learn_track_id: i64,
}

/// An organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Organization {
    /// Guid.
    #[serde(default)]
    pub org_id: Option<String>,
    /// Name.
    #[serde(default)]
    pub org_name: Option<String>,
}

/// A role of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RoleRef {
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
    /// Machine name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_name: Option<String>,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_description: Option<String>,
}

/// A custom role as it is made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RoleInput {
    /// Machine name.
    pub role_name: Option<String>,
    /// Display name.
    pub role_description: Option<String>,
    /// For API accounts; cannot be changed.
    #[serde(deserialize_with = "lenient::truth")]
    pub is_api: Option<bool>,
    /// May be granted just in time.
    #[serde(deserialize_with = "lenient::truth")]
    pub jit_assignable: Option<bool>,
    /// Granted just in time by default.
    #[serde(deserialize_with = "lenient::truth")]
    pub jit_assignable_default: Option<bool>,
    /// Permissions that it grants, by name.
    pub permissions: Option<Vec<PermissionRef>>,
    /// Built-in roles that it holds, by name or by name for people.
    pub child_roles: Option<Vec<RoleRef>>,
}

/// A permission that custom roles can be made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Permission {
    /// Guid.
    pub permission_id: String,
    /// Machine name.
    pub permission_name: String,
    /// Display name.
    pub permission_description: String,
    /// Whether custom roles can hold it.
    pub custom_role_enabled: bool,
    /// For API accounts alone.
    pub api_only: bool,
    /// For people alone.
    pub ui_only: bool,
    /// Kinds of it.
    pub permission_types: Vec<String>,
}

/// A permission of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PermissionRef {
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_id: Option<String>,
    /// Machine name.
    #[serde(default)]
    pub permission_name: Option<String>,
}

/// A user's membership of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Membership {
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Numeric id of the older APIs.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub team_legacy_id: Option<i64>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    /// `ADMIN` or `MEMBER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Relationship>,
}

/// Written as `{"name": …}`, read also from a bare text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Relationship {
    /// `ADMIN` or `MEMBER`.
    pub name: String,
}

impl<'de> Deserialize<'de> for Relationship {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Object { name: String },
        }
        Ok(match Form::deserialize(reader)? {
            Form::Text(name) | Form::Object { name } => Self { name },
        })
    }
}

/// The body that creates or changes a user. Unknown members are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct UserInput {
    /// Login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether it may sign in.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub login_enabled: Option<bool>,
    /// Whether it is active.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub active: Option<bool>,
    /// Whether it signs in by SAML.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub saml_user: Option<bool>,
    /// SAML subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saml_subject: Option<String>,
    /// Whether a second factor is required.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub pin_required: Option<bool>,
    /// Whether the address list applies; one client writes `ipRestricted`.
    #[serde(
        alias = "ipRestricted",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::truth"
    )]
    pub ip_restricted: Option<bool>,
    /// Allowed addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_ip_addresses: Option<Vec<String>>,
    /// Roles, by name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleRef>>,
    /// Teams, by id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<Membership>>,
    /// Permissions; `apiUser` makes an API account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<PermissionRef>>,
}

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Team {
    /// Guid.
    pub team_id: String,
    /// Numeric id of the older APIs.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub team_legacy_id: Option<i64>,
    /// Name.
    #[serde(default)]
    pub team_name: Option<String>,
    /// Whether only its members see its applications.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub member_only: Option<bool>,
    /// Business unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<BusinessUnitName>,
    /// Organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Members; on a single team only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<TeamMember>>,
    /// Links.
    #[serde(default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<SelfLink>,
}

/// A business unit as a team names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BusinessUnitName {
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bu_id: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bu_name: Option<String>,
}

/// A member of a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TeamMember {
    /// Guid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
    /// `ADMIN` or `MEMBER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Relationship>,
}

/// The body that creates or changes a team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct TeamInput {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_name: Option<String>,
    /// Business unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_unit: Option<BusinessUnitName>,
    /// One client puts the business unit here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bu_id: Option<String>,
    /// Whether only its members see its applications.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::truth")]
    pub member_only: Option<bool>,
    /// Members, by id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<TeamMember>>,
}

/// A business unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BusinessUnit {
    /// Guid.
    pub bu_id: String,
    /// Numeric id of the older APIs.
    #[serde(
        default,
        deserialize_with = "lenient::integer",
        skip_serializing_if = "Option::is_none"
    )]
    pub bu_legacy_id: Option<i64>,
    /// Name.
    #[serde(default)]
    pub bu_name: Option<String>,
    /// Whether it is the one for everything without another.
    #[serde(default, deserialize_with = "lenient::truth", skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// Its teams; on a single unit only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<Membership>>,
    /// Links.
    #[serde(default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<SelfLink>,
}

/// The body that creates or changes a business unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct BusinessUnitInput {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bu_name: Option<String>,
    /// Its teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<Membership>>,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Role {
    /// Guid.
    pub role_id: String,
    /// Numeric id of the older APIs.
    #[serde(deserialize_with = "lenient::integer", skip_serializing_if = "Option::is_none")]
    pub role_legacy_id: Option<i64>,
    /// Machine name.
    pub role_name: String,
    /// Display name.
    pub role_description: Option<String>,
    /// Reserved for the vendor.
    pub is_internal: bool,
    /// Needs a second factor.
    pub requires_token: bool,
    /// Granted to support staff acting for a user.
    pub assigned_to_proxy_users: bool,
    /// A Team Admin may grant it.
    pub team_admin_manageable: bool,
    /// May be granted just in time.
    pub jit_assignable: bool,
    /// Granted just in time by default.
    pub jit_assignable_default: bool,
    /// For API accounts.
    pub is_api: bool,
    /// Says which scans may be started.
    pub is_scan_type: bool,
    /// Sees every application.
    pub ignore_team_restrictions: bool,
    /// Only through signed calls.
    pub is_hmac_only: bool,
    /// Organisation of a custom role.
    pub org_id: Option<String>,
    /// Roles that this one holds.
    pub child_roles: Vec<RoleRef>,
    /// Cannot be granted any more.
    pub role_disabled: bool,
    /// Permissions that it grants.
    pub permissions: Vec<PermissionRef>,
    /// Links.
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<SelfLink>,
}
