//! The shortest way to the rows that match.

use countersign_findings::filter::{Expression, Field, Operator};

use super::arrivals::look_at_next;
use super::condition::{Condition, Reach, SOME, among, column, comparison, condition};
use super::counted::{conjuncts, few_tallied, tallied};
use super::own::{Own, list};
use super::planner::{Planner, Sql};
use super::walk::Walk;
use crate::error::Error;
use crate::query::{Order, Seek};
use crate::sql::{self, Value as SqlValue};

/// Values that one statement may have; SQLite bears three times as many.
const BOUND: usize = 10_000;

const BY_APPLICATION: &str = "findings_by_application";
const BY_CHANGED: &str = "findings_by_changed";
/// What asks the index of changes: it has them by application.
const WITH_CHANGES: &str = " and application in (select id from applications not indexed)";

/// How to get at the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// Few rows, by this index.
    Few(&'static str),
    /// By this index, which has those of each number of the column in order.
    Merged { index: &'static str, column: &'static str, numbers: Vec<i64> },
    /// Those of these applications, a window of numbers after the other.
    Walk(Vec<i64>),
    /// All of them, in order.
    All,
}

/// A way, with the condition that it needs beside the expression's own.
pub(crate) struct Plan {
    way: Way,
    pub(crate) condition: Sql,
}

impl Plan {
    /// Where the rows are, and the index to read them by.
    pub(crate) fn source(&self) -> String {
        match self.way {
            Way::Few(index) | Way::Merged { index, .. } => format!("findings indexed by {index}"),
            Way::Walk(_) => format!("findings indexed by {BY_APPLICATION}"),
            Way::All => "findings".to_owned(),
        }
    }

    /// The first `limit` ids in an order, after a place.
    pub(crate) fn page(
        &self,
        planner: &Planner<'_>,
        order: Order,
        after: Option<Seek>,
        limit: u32,
    ) -> Result<Sql, Error> {
        let walked = match (&self.way, order) {
            (Way::Walk(applications), _) => applications,
            (Way::Merged { index: BY_APPLICATION, numbers, .. }, Order::Arrival) => numbers,
            (_, Order::Severity) => return Ok(self.severest(after, limit)),
            (_, Order::Arrival) => return Ok(self.arrivals(after, limit)),
        };
        let walk = Walk { planner, applications: walked, condition: &self.condition };
        let found = walk.page(order, after, limit)?;
        Ok(Sql::new(sql::numbers("?"), vec![SqlValue::Text(list(&found))]))
    }

    fn severest(&self, seek: Option<Seek>, limit: u32) -> Sql {
        let mut condition = self.condition.clone();
        if let Some(Seek { severity, row }) = seek {
            let severity = severity.into();
            condition.push(
                " and severity <= ? and (severity < ? or id > ?)",
                [severity, severity, row].map(SqlValue::Integer),
            );
        }
        let limit = SqlValue::Integer(limit.into());
        let one = |index: &str, more: &str, first: Option<i64>| {
            let select = format!("select id, severity from findings indexed by {index}");
            let mut sql = Sql::new(select, Vec::new());
            sql.push(" where gone = 0", []);
            sql.push(more, first.map(SqlValue::Integer));
            sql.push(&format!(" and {}", condition.text), condition.values.iter().cloned());
            sql.push(" order by severity desc, id limit ?", [limit.clone()]);
            sql
        };
        let (index, column, numbers) = match &self.way {
            Way::Merged { index, column, numbers } => (index, column, numbers),
            Way::Few(index) => return one(index, "", None).within("select id from (", ") best"),
            Way::Walk(_) | Way::All => {
                return one("findings_by_severity", "", None).within("select id from (", ") best");
            }
        };
        let mut sql = Sql::new("select id from (", Vec::new());
        for (at, number) in numbers.iter().enumerate() {
            let part = one(index, &format!(" and {column} = ?"), Some(*number));
            let joined = if at > 0 { " union all " } else { "" };
            sql.push(&format!("{joined}select * from ({}) part{at}", part.text), part.values);
        }
        sql.push(") merged order by severity desc, id limit ?", [limit]);
        sql
    }

    fn arrivals(&self, seek: Option<Seek>, limit: u32) -> Sql {
        let row = seek.map_or(i64::MIN, |seek| seek.row);
        let by = match self.way {
            Way::Few(index) => format!("indexed by {index}"),
            _ => "not indexed".to_owned(),
        };
        let mut sql = Sql::new(format!("select id from findings {by} where gone = 0"), Vec::new());
        sql.push(&format!(" and {}", self.condition.text), self.condition.values.iter().cloned());
        let rest = [SqlValue::Integer(row), SqlValue::Integer(limit.into())];
        sql.push(" and id > ? order by id limit ?", rest);
        sql
    }
}

/// The rows of one batch of a list; none where it is known that there are none.
pub(crate) fn page(
    planner: &Planner<'_>,
    expression: &Expression,
    order: Order,
    after: Option<Seek>,
    limit: u32,
) -> Result<Option<Sql>, Error> {
    let looked = match order {
        Order::Arrival => look_at_next(planner, expression, after, limit)?,
        Order::Severity => None,
    };
    let Some(looked) = looked else {
        let Some(plan) = plan(planner, expression)? else { return Ok(None) };
        return plan.page(planner, order, after, limit).map(Some);
    };
    let mut page = Sql::new(sql::numbers("?"), vec![SqlValue::Text(list(&looked.rows))]);
    if let Some(row) = looked.rest
        && let Some(plan) = plan(planner, expression)?
    {
        let left = limit.saturating_sub(u32::try_from(looked.rows.len()).unwrap_or(limit));
        let rest = plan.page(planner, order, Some(Seek::new(0, row)), left)?;
        page = page.then(" union all select * from (", rest).within("", ") rest");
    }
    Ok(Some(page))
}

/// The shortest way to the rows that match; none where it is known that there are none.
pub(crate) fn plan(planner: &Planner<'_>, expression: &Expression) -> Result<Option<Plan>, Error> {
    let own = match condition(planner, expression)? {
        Condition::Known(false) => return Ok(None),
        own => own.into_sql(),
    };
    if let Some(held) = planner.own {
        return plan_own(planner, held, expression, own);
    }
    let Looked::Best(best) = look(planner, expression, own.values.len())? else {
        return Ok(None);
    };
    if best.as_ref().is_none_or(|best| best.count > planner.few) {
        match few_applications(planner, expression)? {
            Some(Condition::Known(_)) => return Ok(None),
            Some(Condition::Rows(mut sql, _)) => {
                sql.push(" and ", []);
                sql.push(&own.text, own.values);
                let condition = sql.within("(", ")");
                return Ok(Some(Plan { way: Way::Few(BY_APPLICATION), condition }));
            }
            None => {}
        }
    }
    let mut condition = own;
    let Some(best) = best else { return Ok(Some(Plan { way: Way::All, condition })) };
    condition.push(&best.there, []);
    Ok(Some(Plan { way: best.way, condition }))
}

/// The shortest way among the question's own applications. Indexes of values have the rows of
/// all integrations: none of them is looked at.
fn plan_own(
    planner: &Planner<'_>,
    own: &Own,
    expression: &Expression,
    condition: Sql,
) -> Result<Option<Plan>, Error> {
    for part in conjuncts(expression) {
        let Expression::Is(filter) = part else { continue };
        let index = match (filter.field, filter.operator) {
            // The rows of one id are as many as integrations at most.
            (Field::Id, Operator::Eq | Operator::In) => "findings_by_id",
            (Field::Changed, operator) if operator != Operator::Ne => BY_CHANGED,
            _ => continue,
        };
        let Condition::Rows(sql, Reach::Index) = comparison(planner, filter)? else { continue };
        let sql = own.place(planner)?.then(" and ", sql);
        if filter.field == Field::Id || count_to(planner, index, sql)? <= planner.few {
            return Ok(Some(Plan { way: Way::Few(index), condition }));
        }
    }
    let applications = tallied(planner, expression)?;
    if applications.is_empty() {
        return Ok(None);
    }
    Ok(Some(Plan { way: Way::Walk(applications), condition }))
}

/// What looking at the comparisons one by one came to.
enum Looked {
    /// One of them leaves no row.
    Nothing,
    /// The one that leaves the fewest rows, if any can be read by an index.
    Best(Option<Best>),
}

struct Best {
    count: usize,
    way: Way,
    there: String,
}

/// What must hold all at once is looked at one by one.
fn look(planner: &Planner<'_>, expression: &Expression, values: usize) -> Result<Looked, Error> {
    let mut best: Option<Best> = None;
    for part in conjuncts(expression) {
        let Expression::Is(filter) = part else { continue };
        let Some(index) = index(filter.field) else { continue };
        let (sql, numbers) = match comparison(planner, filter)? {
            Condition::Known(_) | Condition::Rows(_, Reach::Scan) => continue,
            Condition::Rows(sql, Reach::Index) => (sql, Vec::new()),
            Condition::Rows(sql, Reach::Numbers(numbers)) => (sql, numbers),
        };
        let column = match filter.field {
            Field::Visible => column(Field::Application),
            field => column(field),
        };
        let there = match filter.field {
            Field::Changed => WITH_CHANGES.to_owned(),
            // Indexes of what may be absent leave it out.
            _ => format!(" and {column} is not null"),
        };
        let count = count_to(planner, index, sql.within("", &there))?;
        let way = match count {
            0 => return Ok(Looked::Nothing),
            count if count <= planner.few && numbers.len() != 1 => Way::Few(index),
            _ if !numbers.is_empty() && numbers.len() * values < BOUND => {
                Way::Merged { index, column, numbers }
            }
            _ => continue,
        };
        if best.as_ref().is_none_or(|best| count < best.count) {
            best = Some(Best { count, way, there });
        }
    }
    Ok(Looked::Best(best))
}

/// The index of a field's column.
fn index(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::Id => "findings_by_id",
        Field::Application | Field::ApplicationName | Field::Integration | Field::Visible => {
            BY_APPLICATION
        }
        Field::Cwe => "findings_by_cwe",
        Field::Category => "findings_by_category",
        Field::Title => "findings_by_title",
        Field::File => "findings_by_file",
        Field::Module => "findings_by_module",
        Field::Url => "findings_by_url",
        Field::Component => "findings_by_component",
        Field::Cve => "findings_by_cve",
        Field::Cvss => "findings_by_cvss",
        Field::FirstFound => "findings_by_first_found",
        Field::LastSeen => "findings_by_last_seen",
        Field::Changed => BY_CHANGED,
        _ => return None,
    })
}

/// How many rows match, one more than are few at most.
fn count_to(planner: &Planner<'_>, index: &str, sql: Sql) -> Result<usize, Error> {
    let before = format!(
        "select count(*) from (select 1 from findings indexed by {index}
            where gone = 0 and "
    );
    planner.value(sql.within(&before, &format!(" limit {}) found", planner.few + 1)))
}

/// Where what the tallies know leaves few findings, the applications that have them.
fn few_applications(
    planner: &Planner<'_>,
    expression: &Expression,
) -> Result<Option<Condition>, Error> {
    let Some(found) = few_tallied(planner, expression)? else { return Ok(None) };
    let among = among("application", found);
    let Condition::Rows(sql, _) = &among else { return Ok(Some(among)) };
    let select = "select sum(findings) from tallies where ";
    let all: u64 = planner.value(sql.clone().within(select, ""))?;
    Ok((all <= SOME).then_some(among))
}
