//! The query strings of pages.

pub(super) use countersign_web::query::{Query, link};

/// Pairs that are looked at; whatever follows is not.
const MAX_PAIRS: usize = 64;

pub(super) fn parse(raw: Option<&str>) -> Query {
    Query::parse(raw.unwrap_or_default(), MAX_PAIRS)
}
