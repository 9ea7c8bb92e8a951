//! The OpenAPI document. Served without a signature; it says nothing about a tenant.
//!
//! The tests generate it from what the handlers declare and compare it with the file that is
//! served. The program itself contains no descriptions of types and nothing that puts them
//! together, which would be more than a megabyte.

use std::io::Read;
use std::sync::LazyLock;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;

use super::answer::ok;
use crate::state::AppState;

#[cfg(test)]
mod declared;
#[cfg(test)]
pub(crate) use declared::NameTaken;

const PATH: &str = "/openapi.json";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| unpacked().into());

/// Where the document is served.
pub(super) fn route() -> Router<AppState> {
    Router::new().route(PATH, get(async || ok(DOCUMENT.clone()).into_response()))
}

fn unpacked() -> String {
    let mut document = String::new();
    let packed: &[u8] = include_bytes!("../../openapi.json.gz");
    // It unpacks: a test compares it.
    let _ = flate2::read::GzDecoder::new(packed).read_to_string(&mut document);
    document
}
