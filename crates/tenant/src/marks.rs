//! Links as they are stored: a byte that JSON never holds stands where they name the host,
//! which is known when they are served.

use countersign_wire::finding::FindingDetails;

use crate::Error;

/// What begins a link to this platform, in what is not stored yet.
pub(crate) const BASE: &str = "countersign-base:";

pub(crate) fn stored(details: &FindingDetails) -> Result<String, Error> {
    Ok(with_marks(&serde_json::to_string(details)?))
}

/// The same for any JSON that holds links.
pub(crate) fn with_marks(json: &str) -> String {
    json.replace(&format!("\"href\":\"{BASE}"), "\"href\":\"\u{1}")
}
