//! The one finding that an id names, or the beginning of one.

use countersign_findings::filter::SHORTEST_ID;
use countersign_store::{Error, FindingRow, Store};

/// Digits of a whole id.
const WHOLE_ID: usize = 20;

/// What an id names.
#[derive(Debug)]
pub enum Named {
    /// It is neither an id nor enough of one.
    Malformed,
    /// No stored finding is called so.
    Nothing,
    /// A finding: a row for each integration that holds it, and at least one.
    One(Vec<FindingRow>),
    /// Several findings, whose ids begin so: some of their rows, side by side.
    Several(Vec<FindingRow>),
}

/// What `id` names among the findings of the integrations with these names; of all without
/// the list.
pub async fn finding(
    store: &Store,
    id: &str,
    integrations: Option<&[String]>,
) -> Result<Named, Error> {
    let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(SHORTEST_ID..=WHOLE_ID).contains(&id.len()) {
        return Ok(Named::Malformed);
    }
    let rows = store.findings_by_id_within(id, integrations).await?;
    let is_one = rows.windows(2).all(|two| two[0].finding.id == two[1].finding.id);
    Ok(match (rows.is_empty(), is_one) {
        (true, _) => Named::Nothing,
        (false, true) => Named::One(rows),
        (false, false) => Named::Several(rows),
    })
}

/// The row to show of a finding that several integrations hold: where it is still there,
/// that which noticed a change last.
pub fn latest(rows: &[FindingRow]) -> Option<&FindingRow> {
    rows.iter().max_by_key(|row| (!row.gone, row.changed_ms))
}
