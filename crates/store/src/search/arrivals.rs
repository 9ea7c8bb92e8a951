//! The next rows in the order of arrival: of the integrations that are named, by the stretches
//! in which theirs came in, so that no row of others is passed over. What most rows meet is
//! there at a look, without a plan.

use countersign_findings::filter::{Expression, Field};

use super::condition::{Condition, among, condition};
use super::counted::{conjuncts, fields};
use super::own::as_integration;
use super::planner::{Planner, Sql};
use crate::error::Error;
use crate::query::Seek;
use crate::sql::Value as SqlValue;
use crate::stretches::{Stretch, after_row, all_rows};

/// Of an application, where it is what a row says.
const INTEGRATION: &str = "(select integration from applications a where a.id = application)";
/// Stretches of one integration that are read at once.
const STRETCHES: usize = 64;

/// What a look at the next rows came to.
pub(super) struct Looked {
    /// Those that match, in their order.
    pub(super) rows: Vec<i64>,
    /// The last row that was looked at, where these are too few and there are more.
    pub(super) rest: Option<i64>,
}

/// A look under way.
struct Look<'a> {
    planner: &'a Planner<'a>,
    condition: Sql,
    limit: usize,
    found: Vec<i64>,
    /// The last row that was looked at.
    at: i64,
    /// Rows that may still be looked at.
    left: i64,
}

/// Looks at the next rows, about as many as are few. None where the question asks for what
/// an index or the tallies lead to, past most rows.
pub(super) fn look_at_next(
    planner: &Planner<'_>,
    expression: &Expression,
    after: Option<Seek>,
    limit: u32,
) -> Result<Option<Looked>, Error> {
    let is_left = |part: &&Expression| planner.named.is_none() || as_integration(part).is_none();
    let rest: Vec<_> = conjuncts(expression).into_iter().filter(is_left).cloned().collect();
    let rest = Expression::All(rest);
    if !fields(&rest).iter().all(has_most) {
        return Ok(None);
    }
    let condition = match condition(planner, &rest)? {
        Condition::Known(false) => return Ok(Some(Looked { rows: Vec::new(), rest: None })),
        condition => condition.into_sql(),
    };
    let mut look = Look {
        planner,
        condition: whose(planner).then(" and ", condition),
        limit: limit as usize,
        found: Vec::new(),
        at: after.map_or(i64::MIN, |seek| seek.row),
        left: i64::try_from(planner.few).unwrap_or(i64::MAX).saturating_mul(2),
    };
    let has_all = look.go_on()?;
    Ok(Some(Looked { rest: (!has_all).then_some(look.at), rows: look.found }))
}

/// Fields of a few values, each of which many findings have.
fn has_most(field: &Field) -> bool {
    matches!(
        field,
        Field::Visible
            | Field::ScanType
            | Field::Severity
            | Field::State
            | Field::Status
            | Field::ViolatesPolicy
            | Field::New
    )
}

/// That a row is of the integrations that are named. Stretches say so too; but what is shown
/// goes by the application.
fn whose(planner: &Planner<'_>) -> Sql {
    match planner.named {
        None => Sql::new("true", Vec::new()),
        Some(named) => among(INTEGRATION, named.integrations.clone()).into_sql(),
    }
}

impl Look<'_> {
    /// Answers whether the page is full, or the list at its end.
    fn go_on(&mut self) -> Result<bool, Error> {
        loop {
            let stretches = self.stretches()?;
            if stretches.is_empty() {
                return Ok(true);
            }
            for stretch in stretches {
                if self.found.len() >= self.limit {
                    return Ok(true);
                }
                if self.left <= 0 {
                    return Ok(false);
                }
                self.look_through(stretch)?;
            }
        }
    }

    /// At as many rows of a stretch as may be.
    fn look_through(&mut self, stretch: Stretch) -> Result<(), Error> {
        let first = stretch.first.max(self.at.saturating_add(1));
        let last = stretch.last.min(first.saturating_add(self.left - 1));
        let limit = self.limit - self.found.len();
        let mut sql = Sql::new(
            "select id from findings not indexed where id between ? and ? and gone = 0 and ",
            vec![SqlValue::Integer(first), SqlValue::Integer(last)],
        );
        sql.push(&self.condition.text, self.condition.values.iter().cloned());
        let limit = SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        sql.push(" order by id limit ?", [limit]);
        self.found.extend(self.planner.numbers(sql)?);
        self.left -= last.saturating_sub(first).saturating_add(1);
        self.at = last;
        Ok(())
    }

    /// The next stretches in their order; of all rows where no integration is named.
    fn stretches(&self) -> Result<Vec<Stretch>, Error> {
        let Some(named) = self.planner.named else {
            return Ok(all_rows(self.planner)?
                .into_iter()
                .filter(|all| all.last > self.at)
                .collect());
        };
        let (mut next, mut known_to) = (Vec::new(), i64::MAX);
        for integration in &named.integrations {
            let some = after_row(self.planner, *integration, self.at, STRETCHES)?;
            if let (STRETCHES, Some(end)) = (some.len(), some.last()) {
                known_to = known_to.min(end.last);
            }
            next.extend(some);
        }
        next.retain(|stretch| stretch.last <= known_to);
        next.sort_unstable_by_key(|stretch| stretch.last);
        Ok(next)
    }
}
