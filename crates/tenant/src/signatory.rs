//! Who signs requests.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use countersign_signing::SigningKey;

use crate::user::User;

/// A pair as stored.
#[derive(Debug, Clone)]
pub struct Credential {
    pub api_id: String,
    pub user: i64,
    pub expires_ms: i64,
    pub revoked_ms: Option<i64>,
    pub revoked_by: Option<String>,
}

/// Everything that judging a signed request takes.
pub struct Signatory {
    pub key: SigningKey,
    pub credential: Credential,
    pub user: Arc<User>,
    /// What it is told about itself, and under which address the platform was
    /// asked: nothing in it changes while it is remembered.
    pub own_body: OnceLock<(String, Bytes)>,
}
