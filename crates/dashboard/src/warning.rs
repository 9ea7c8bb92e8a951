//! What every page says before its own: that what it shows is old, or that a sync hangs or
//! fails. Which is so is decided by `connector::health`.

use countersign_connector::health::{self, Standing};
use countersign_store::Error;
use countersign_web::moment::Moment;

use super::inner::Inner;
use super::text::Shown;

/// Integrations that are named one by one.
const MAX_NAMED: usize = 3;
const MAX_CHARS: usize = 300;

/// About one integration.
#[derive(Clone)]
pub(super) struct Warning {
    pub(super) words: Shown,
    /// When what is stored was last complete.
    pub(super) as_of: Option<Moment>,
    pub(super) link: String,
    /// What the link is called.
    pub(super) label: Shown,
}

/// One for each integration that is not well; many are counted.
pub(super) async fn all(inner: &Inner, now_ms: i64) -> Result<Vec<Warning>, Error> {
    let standings = health::standings(&inner.store, inner.scheduler.as_ref(), now_ms).await?;
    let ill = standings.iter().enumerate().filter(|(_, standing)| !standing.is_well());
    let ill: Vec<_> = ill.collect();
    let named = ill.iter().take(MAX_NAMED).map(|(at, standing)| warning(*at, standing, now_ms));
    let others = ill.len().saturating_sub(MAX_NAMED);
    let rest = (others > 0).then(|| Warning {
        words: Shown::new(&format!("{others} more integrations need a look.")),
        as_of: None,
        link: "/integrations".to_owned(),
        label: Shown::new("Integrations"),
    });
    Ok(named.chain(rest).collect())
}

fn warning(at: usize, standing: &Standing, now_ms: i64) -> Warning {
    Warning {
        words: Shown::cut(&standing.sentences(now_ms).join(" "), MAX_CHARS),
        as_of: standing.as_of_ms.map(Moment),
        link: format!("/integrations#name-{at}"),
        label: Shown::cut(&format!("Look at {}", standing.integration), 80),
    }
}
