//! The rows of some applications in an order of lists, without a look at those of others: the
//! index of applications has them by severity and then by number, so a window of numbers is a
//! short way in it for each application and severity. A window that does not fill the page
//! is followed by one twice as wide.

use super::own::list;
use super::planner::{Planner, Sql};
use crate::error::Error;
use crate::query::{Order, Seek};
use crate::sql::{self, Value as SqlValue};

/// The most severe first.
const LEVELS: [u8; 6] = [5, 4, 3, 2, 1, 0];

/// Rows of these applications that meet a condition.
pub(super) struct Walk<'a> {
    pub(super) planner: &'a Planner<'a>,
    pub(super) applications: &'a [i64],
    pub(super) condition: &'a Sql,
}

impl Walk<'_> {
    /// The first `limit` ids in an order, after a place.
    pub(super) fn page(
        &self,
        order: Order,
        after: Option<Seek>,
        limit: u32,
    ) -> Result<Vec<i64>, Error> {
        let (limit, mut found) = (limit as usize, Vec::new());
        let row = after.map_or(0, |seek| seek.row);
        match order {
            Order::Arrival => self.fill(&mut found, &LEVELS, row, limit)?,
            Order::Severity => {
                let from = after.map_or(LEVELS[0], |seek| seek.severity);
                for level in LEVELS.into_iter().filter(|level| *level <= from) {
                    let row = if level == from { row } else { 0 };
                    self.fill(&mut found, &[level], row, limit)?;
                }
            }
        }
        Ok(found)
    }

    /// Adds the ids of these severities that come after a number, until there are `limit`.
    fn fill(
        &self,
        found: &mut Vec<i64>,
        levels: &[u8],
        after: i64,
        limit: usize,
    ) -> Result<(), Error> {
        let last = "select coalesce(max(id), 0) from findings";
        let last: i64 = self.planner.value(Sql::new(last, Vec::new()))?;
        let mut from = after.max(0);
        // Where all rows are of these applications, one window has the page.
        let mut width = (self.applications.len() * LEVELS.len() + limit) as i64;
        while from < last && found.len() < limit {
            let to = from.saturating_add(width).min(last);
            let window = self.window(levels, from, to, limit - found.len());
            found.extend(self.planner.numbers(window)?);
            (from, width) = (to, width.saturating_mul(2));
        }
        Ok(())
    }

    /// The first ids after `from` and up to `to`.
    fn window(&self, levels: &[u8], from: i64, to: i64, limit: usize) -> Sql {
        let levels: Vec<_> = levels.iter().map(u8::to_string).collect();
        let mut sql = Sql::new(
            format!(
                "select id from findings indexed by findings_by_application
                 where application in ({}) and severity in ({})
                    and id > ? and id <= ? and gone = 0 and ",
                sql::numbers("?"),
                levels.join(", ")
            ),
            vec![
                SqlValue::Text(list(self.applications)),
                SqlValue::Integer(from),
                SqlValue::Integer(to),
            ],
        );
        sql.push(&self.condition.text, self.condition.values.iter().cloned());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        sql.push(" order by id limit ?", [SqlValue::Integer(limit)]);
        sql
    }
}
