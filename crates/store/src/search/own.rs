//! What a question is about that names its integrations, where there are others. Who may ask
//! about some integrations alone must not learn from the work of the answer what others hold:
//! so texts and numbers are those that its own integrations have, and rows are looked for
//! among its own applications.

use std::cell::OnceCell;

use countersign_findings::filter::{Expression, Field, Filter, Origin, Value};

use super::counted::conjuncts;
use super::planner::{Planner, Sql};
use crate::error::Error;
use crate::sql::{self, Value as SqlValue};
use crate::tally::Counted;

/// The integrations that a question names, and their applications.
pub(crate) struct Own {
    pub(crate) integrations: Vec<i64>,
    names: Vec<String>,
    /// Read by the first that asks for them.
    applications: OnceCell<Vec<OwnApplication>>,
    /// Whether there are no others: then the work has nothing to hide, and the shortest way
    /// is taken.
    pub(crate) is_all: bool,
}

/// One application of them.
pub(crate) struct OwnApplication {
    pub(crate) id: i64,
    guid: String,
    name: String,
    integration: String,
    pub(crate) is_gone: bool,
}

impl Own {
    /// None where the question names no integration.
    pub(crate) fn of(
        planner: &Planner<'_>,
        expression: &Expression,
    ) -> Result<Option<Self>, Error> {
        let named: Vec<_> = conjuncts(expression).into_iter().filter_map(as_integration).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let mut statement = planner.prepare("select id, name from integrations not indexed")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let all: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let count = all.len();
        let is_named = |name: &str| {
            let name = Value::Text(name.to_owned());
            named.iter().all(|filter| filter.holds(&name))
        };
        let own = all.into_iter().filter(|(_, name)| is_named(name));
        let (integrations, names): (Vec<_>, Vec<_>) = own.unzip();
        let is_all = integrations.len() == count;
        Ok(Some(Self { integrations, names, applications: OnceCell::new(), is_all }))
    }

    /// Its applications.
    pub(crate) fn applications(&self, planner: &Planner<'_>) -> Result<&[OwnApplication], Error> {
        if let Some(known) = self.applications.get() {
            return Ok(known);
        }
        let mut found = Vec::new();
        for (id, name) in self.integrations.iter().zip(&self.names) {
            read_applications(planner, *id, name, &mut found)?;
        }
        Ok(self.applications.get_or_init(|| found))
    }

    /// The values of a field that its findings have, each once or several times.
    pub(crate) fn values(&self, field: Counted) -> Sql {
        Sql::new(
            format!(
                "select value from counts indexed by counts_by_integration
                 where integration in ({}) and field = {}",
                sql::numbers("?"),
                field as u8
            ),
            vec![SqlValue::Text(list(&self.integrations))],
        )
    }

    /// Whether one of its findings has this value.
    pub(crate) fn has(
        &self,
        planner: &Planner<'_>,
        field: Counted,
        value: i64,
    ) -> Result<bool, Error> {
        let mut sql = self.values(field);
        sql.push(" and value = ?", [SqlValue::Integer(value)]);
        planner.value(sql.within("select exists (", ")"))
    }

    /// That a row of findings or `tallies` is of one of its applications.
    pub(crate) fn place(&self, planner: &Planner<'_>) -> Result<Sql, Error> {
        let own = self.applications(planner)?;
        let ids: Vec<_> = own.iter().map(|application| application.id).collect();
        Ok(Sql::new(
            format!("application in ({})", sql::numbers("?")),
            vec![SqlValue::Text(list(&ids))],
        ))
    }

    /// How many findings it has.
    pub(crate) fn findings(&self, planner: &Planner<'_>) -> Result<u64, Error> {
        let select = "select coalesce(sum(findings), 0) from tallies where ";
        planner.value(self.place(planner)?.within(select, ""))
    }
}

impl OwnApplication {
    /// Whether a comparison of `application`, `application_name` or `integration` asks for it.
    pub(crate) fn is(&self, filter: &Filter) -> bool {
        let origin =
            Origin { application: &self.name, integration: &self.integration, ..Origin::default() };
        filter.holds_application(&self.guid, origin)
    }
}

/// A comparison of the integration alone.
pub(super) fn as_integration(part: &Expression) -> Option<&Filter> {
    match part {
        Expression::Is(filter) if filter.field == Field::Integration => Some(filter),
        _ => None,
    }
}

fn read_applications(
    planner: &Planner<'_>,
    integration: i64,
    name: &str,
    found: &mut Vec<OwnApplication>,
) -> Result<(), Error> {
    let mut statement =
        planner.prepare("select id, guid, name, gone from applications where integration = ?")?;
    let mut rows = statement.query([integration])?;
    while let Some(row) = rows.next()? {
        found.push(OwnApplication {
            id: row.get(0)?,
            guid: row.get(1)?,
            name: row.get(2)?,
            integration: name.to_owned(),
            is_gone: row.get(3)?,
        });
    }
    Ok(())
}

/// Numbers as one value of a statement, for `json_each`.
pub(crate) fn list(numbers: &[i64]) -> String {
    let texts: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}
