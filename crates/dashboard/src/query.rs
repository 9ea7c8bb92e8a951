//! The query strings of pages.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::inner::Inner;

pub(super) use countersign_web::query::{Query, link};

/// Pairs that are looked at; whatever follows is not.
const MAX_PAIRS: usize = 64;

impl FromRequestParts<Inner> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Inner) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default(), MAX_PAIRS))
    }
}

/// The address of an application's page.
pub(super) fn application(integration: &str, guid: &str) -> String {
    let escaped: String = url::form_urlencoded::byte_serialize(integration.as_bytes()).collect();
    format!("/applications/{}/{guid}", escaped.replace('+', "%20"))
}
