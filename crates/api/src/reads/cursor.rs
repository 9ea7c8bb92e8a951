//! Where a list goes on, bound to what was asked: with other filters, of another integration
//! or in another operation it is refused, not followed.

use std::fmt::Display;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::asked::Asked;
use crate::operation::Operation;
use crate::problem::Problem;

const BOUND_BYTES: usize = 9;

/// What a cursor is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound(String);

impl Bound {
    /// To a question: its operation, whose it is, what it is about, and its filters.
    pub(crate) fn new(
        operation: Operation,
        integration: &str,
        application: Option<&str>,
        asked: &Asked,
    ) -> Self {
        let mut digest = Sha256::new();
        let parts = [operation.id(), integration, application.unwrap_or_default()];
        let filters = asked.filters.iter().map(String::as_str);
        for part in parts.into_iter().chain(filters) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(BASE64URL_NOPAD.encode(&digest.finalize()[..BOUND_BYTES]))
    }

    /// A cursor to this place.
    pub(crate) fn to(&self, place: impl Display) -> String {
        format!("{}.{place}", self.0)
    }

    /// The place of the cursor that was given; none at the beginning.
    pub(crate) fn place<T: FromStr>(&self, asked: &Asked) -> Result<Option<T>, Problem> {
        let Some(cursor) = &asked.cursor else { return Ok(None) };
        let place = cursor.split_once('.').filter(|(bound, _)| *bound == self.0);
        place.and_then(|(_, place)| place.parse().ok()).map(Some).ok_or_else(|| {
            Problem::query("cursor", cursor, "this cursor is not of this question")
                .with_remediation("begin without a cursor; send the same filters with each page")
        })
    }
}
