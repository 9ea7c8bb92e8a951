//! The activity log.

use countersign_signin::audit::{self, Entry, Filter};

use crate::Error;
use crate::act::View;

/// The newest entries first, each with its number.
pub fn newest(view: &View<'_>, filter: &Filter, limit: u32) -> Result<Vec<(i64, Entry)>, Error> {
    Ok(audit::newest(view.connection, filter, limit)?)
}
