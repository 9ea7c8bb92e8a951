//! Lists in an order that people ask for. The numbers of the rows are sorted at once, eight
//! bytes a finding; the findings are read in batches.

use countersign_findings::filter::{Expression, Field};

use crate::columns::Kind;
use crate::error::Error;
use crate::query::{FindingRow, findings_of_rows};
use crate::search::condition::column;
use crate::search::plan::plan;
use crate::search::planner::Goal;
use crate::sql::{Connection, Value as SqlValue, engine};
use crate::store::Store;

/// By which field a list is sorted. Findings without a value come last, equal ones the most
/// severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorting {
    /// The field.
    pub field: Field,
    /// Whether its highest value comes first.
    pub is_descending: bool,
}

impl Store {
    /// The rows of the findings that match, sorted, for [`Store::findings_of_rows`]; at
    /// most `limit`. None of a field that has no order.
    pub async fn sorted_rows(
        &self,
        filter: Expression,
        by: Sorting,
        limit: u64,
    ) -> Result<Vec<i64>, Error> {
        self.ask(Goal::Count, filter, move |planner, filter| {
            let (Some(key), Some(plan)) =
                (key(planner.connection, by.field), plan(planner, filter)?)
            else {
                return Ok(Vec::new());
            };
            let order = if by.is_descending { "desc" } else { "asc" };
            let select = format!("select id from {} where gone = 0 and ", plan.source());
            let rest = format!(" order by {key} is null, {key} {order}, severity desc, id limit ?");
            let mut sql = plan.condition.within(&select, &rest);
            sql.push("", [SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX))]);
            planner.numbers(sql)
        })
        .await
    }

    /// The findings of these rows, in their order.
    pub async fn findings_of_rows(&self, rows: Vec<i64>) -> Result<Vec<FindingRow>, Error> {
        let meter = self.meter.clone();
        self.database.read(move |connection| findings_of_rows(connection, &meter, &rows)).await
    }
}

/// What is compared. Texts and names are compared, not the numbers that stand for them.
fn key(connection: &Connection, field: Field) -> Option<String> {
    if Kind::of(field).is_some() {
        let column = column(field);
        let key = engine::without_case(connection, "t.text");
        return Some(format!("(select {key} from texts t where t.id = findings.{column})"));
    }
    let (name, from) = match field {
        Field::Text => return None,
        Field::Application | Field::ApplicationName => {
            ("a.name", "applications a where a.id = findings.application")
        }
        Field::Integration => (
            "i.name",
            "applications a join integrations i on i.id = a.integration
             where a.id = findings.application",
        ),
        Field::Context => ("c.name", "contexts c where c.id = findings.context"),
        field => return Some(format!("findings.{}", column(field))),
    };
    let key = engine::without_case(connection, name);
    Some(format!("(select {key} from {from})"))
}
