//! Pages by their number: where in a list they begin.

use countersign_findings::filter::Expression;

use crate::error::Error;
use crate::query::{Order, Seek};
use crate::search::plan::plan;
use crate::search::planner::Goal;
use crate::sql::Optional;
use crate::store::Store;

impl Store {
    /// Where the list goes on after its first `rows` findings, the most severe first; none
    /// for its beginning. Ids alone are looked at.
    pub async fn seek_past(&self, filter: Expression, rows: u32) -> Result<Option<Seek>, Error> {
        if rows == 0 {
            return Ok(None);
        }
        self.ask(Goal::Page, filter, move |planner, filter| {
            let Some(plan) = plan(planner, filter)? else { return Ok(None) };
            let page = plan.page(planner, Order::Severity, None, rows)?.within(
                "select severity, id from findings where id in (",
                ") order by severity, id desc limit 1",
            );
            let mut statement = planner.prepare(&page.text)?;
            let last =
                statement.query_row(page.values, |row| Ok(Seek::new(row.get(0)?, row.get(1)?)));
            Ok(last.optional()?)
        })
        .await
    }
}
