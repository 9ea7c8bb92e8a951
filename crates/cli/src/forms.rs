//! Pairs that other tools keep, and pairs that people type.

use countersign_connector::keyfiles::paste::enter;
use countersign_connector::keyfiles::sources::Machine;
use countersign_signing::Pair;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::note;

/// This one.
pub(crate) fn machine() -> Machine<'static> {
    Machine {
        home: etcetera::home_dir().map_err(|error| error.to_string()),
        // A runner sets what it has no value for to nothing.
        variable: &|name| {
            std::env::var(name).ok().filter(|value| !value.is_empty()).map(Zeroizing::new)
        },
    }
}

/// The pair in two texts, however they were pasted; tells on standard error what was
/// taken out of them.
pub(crate) fn enter_telling(id: &str, secret: &str) -> Result<Pair, Failure> {
    let entered = enter(id, secret).map_err(Failure::usage)?;
    for (half, what) in &entered.removed {
        note(&format!("taken out of the {half}: {what}"));
    }
    Ok(entered.pair)
}
