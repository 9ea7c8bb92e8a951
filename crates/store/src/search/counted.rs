//! What `tallies` and `counts` know without a look at the findings.

use countersign_findings::filter::{Expression, Field, Operator};

use super::condition::{column, condition};
use super::planner::Planner;
use crate::error::Error;
use crate::tally::Counted;

/// What must hold all at once.
pub(crate) fn conjuncts(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The fields that an expression asks for.
fn fields(expression: &Expression) -> Vec<Field> {
    match expression {
        Expression::Is(filter) => vec![filter.field],
        Expression::Not(part) => fields(part),
        Expression::All(parts) | Expression::Any(parts) => parts.iter().flat_map(fields).collect(),
    }
}

/// Whether `tallies` has a column of it.
fn is_tallied(field: &Field) -> bool {
    matches!(
        field,
        Field::Application
            | Field::ApplicationName
            | Field::Context
            | Field::ScanType
            | Field::Severity
            | Field::State
            | Field::Status
            | Field::ViolatesPolicy
    )
}

/// Whether every table that counts has a column of it.
fn is_level(field: &Field) -> bool {
    matches!(field, Field::Severity | Field::State)
}

/// The small table that can say how many findings match, if one can.
pub(crate) fn table(filter: &Expression) -> Option<String> {
    if fields(filter).iter().all(is_tallied) {
        return Some("tallies".to_owned());
    }
    only_counted(filter).map(|(field, counted)| source(field, counted))
}

/// The small table that can say how many of them have which value of a field.
pub(crate) fn table_with(filter: &Expression, field: Field) -> Option<String> {
    let asked = fields(filter);
    if is_tallied(&field) && asked.iter().all(is_tallied) {
        return Some("tallies".to_owned());
    }
    if let Some(counted) = Counted::of(field)
        && asked.iter().all(|asked| is_level(asked) || *asked == field)
    {
        return Some(source(field, counted));
    }
    let (of, counted) = only_counted(filter).filter(|_| is_level(&field))?;
    Some(source(of, counted))
}

/// The one counted field that a filter asks for beside severity and state, and so that
/// findings without a value of it cannot match: `counts` does not have those.
fn only_counted(filter: &Expression) -> Option<(Field, Counted)> {
    let mut found = None;
    for part in conjuncts(filter) {
        if fields(part).iter().all(is_level) {
            continue;
        }
        let Expression::Is(comparison) = part else { return None };
        if comparison.operator == Operator::Ne {
            return None;
        }
        let this = (comparison.field, Counted::of(comparison.field)?);
        if found.is_some_and(|found| found != this) {
            return None;
        }
        found = Some(this);
    }
    found
}

/// `counts` under the name of the column that it counts.
fn source(field: Field, counted: Counted) -> String {
    format!(
        "(select value as {}, severity, state, findings from counts where field = {})",
        column(field),
        counted as u8
    )
}

/// Where what the tallies know leaves few findings, the numbers of the applications that
/// have them.
pub(crate) fn few_tallied(
    planner: &Planner<'_>,
    expression: &Expression,
) -> Result<Option<Vec<i64>>, Error> {
    let tallied: Vec<_> = conjuncts(expression)
        .into_iter()
        .filter(|part| {
            let fields = fields(part);
            fields.iter().all(is_tallied) && fields.iter().any(|f| *f != Field::Severity)
        })
        .cloned()
        .collect();
    if tallied.is_empty() {
        return Ok(None);
    }
    let sql = condition(planner, &Expression::All(tallied))?.into_sql();
    let sum = "select coalesce(sum(findings), 0) from tallies where ";
    let matching: u64 = planner.value(sql.clone().within(sum, ""))?;
    if matching == 0 {
        return Ok(Some(Vec::new()));
    }
    if matching > planner.few as u64 {
        return Ok(None);
    }
    let select = "select distinct application from tallies where ";
    planner.numbers(sql.within(select, &format!(" limit {}", planner.few))).map(Some)
}
