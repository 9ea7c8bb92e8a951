//! HMAC pairs on the wire.

use serde::{Deserialize, Serialize};

use crate::hal::Link;

/// The state of a pair. Holds the secret only in the answer that creates it:
/// that is why it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApiCredential {
    /// The API ID.
    pub api_id: String,
    /// The Secret Key, in the creating answer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_secret: Option<String>,
    /// When the pair stops working, `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    #[serde(default)]
    pub expiration_ts: Option<String>,
    /// When the pair was or will be revoked.
    #[serde(default)]
    pub revocation_ts: Option<String>,
    /// Who revoked it.
    #[serde(default)]
    pub revocation_user: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// Links.
    #[serde(default, rename = "_links", skip_serializing_if = "Option::is_none")]
    pub links: Option<SelfLink>,
}

/// The `_links` of a single resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SelfLink {
    /// The resource itself.
    #[serde(rename = "self")]
    pub this: Link,
}

impl SelfLink {
    /// Links to `href`.
    pub fn to(href: impl Into<String>) -> Self {
        Self { this: Link::to(href) }
    }
}
