//! Pairs that other tools keep, and pairs that people type.

pub(crate) mod sources;

use countersign_connector::keyfile::paste::enter;
use countersign_signing::Pair;

use crate::failure::Failure;
use crate::output::note;

/// The pair in two texts, however they were pasted; tells on standard error what was
/// taken out of them.
pub(crate) fn enter_telling(id: &str, secret: &str) -> Result<Pair, Failure> {
    let entered = enter(id, secret).map_err(Failure::usage)?;
    for (half, what) in &entered.removed {
        note(&format!("taken out of the {half}: {what}"));
    }
    Ok(entered.pair)
}
