//! What `tallies` and `counts` know without a look at the findings.

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};

use super::condition::{column, condition};
use super::planner::Planner;
use crate::columns::{IS_GONE, IS_POLICY, POLICY};
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
pub(super) fn fields(expression: &Expression) -> Vec<Field> {
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
            | Field::Integration
            | Field::Context
            | Field::Visible
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

/// Whether it asks for the policy context, which every table that counts knows of.
fn is_policy(part: &Expression) -> bool {
    let text = |value: &Value| value.as_text() == Some(POLICY);
    is_one(part, Field::Context, text)
}

/// Whether it asks for visible applications: [`source`] can leave out the others.
fn is_visible(part: &Expression) -> bool {
    is_one(part, Field::Visible, |value| *value == Value::Integer(1))
}

fn is_one(part: &Expression, of: Field, is_it: impl Fn(&Value) -> bool) -> bool {
    let Expression::Is(Filter { field, operator: Operator::Eq, values }) = part else {
        return false;
    };
    *field == of && values.iter().all(is_it)
}

/// The small table that can say how many findings match, if one can.
pub(crate) fn table(filter: &Expression) -> Option<String> {
    if fields(filter).iter().all(is_tallied) {
        return Some("tallies".to_owned());
    }
    only_counted(filter).map(|(field, counted)| of_field(filter, field, counted))
}

/// The small table that can say how many of them have which value of a field.
pub(crate) fn table_with(filter: &Expression, field: Field) -> Option<String> {
    let asked = fields(filter);
    if is_tallied(&field) && asked.iter().all(is_tallied) {
        return Some("tallies".to_owned());
    }
    let is_known = |part: &&Expression| {
        let is_own = |asked: &Field| is_level(asked) || *asked == field;
        is_policy(part) || is_visible(part) || fields(part).iter().all(is_own)
    };
    if let Some(counted) = Counted::of(field)
        && conjuncts(filter).iter().all(is_known)
    {
        return Some(of_field(filter, field, counted));
    }
    let (of, counted) = only_counted(filter).filter(|_| is_level(&field))?;
    Some(of_field(filter, of, counted))
}

/// The one counted field that a filter asks for beside what every table that counts knows,
/// and so that findings without a value of it cannot match: `counts` does not have those.
fn only_counted(filter: &Expression) -> Option<(Field, Counted)> {
    let mut found = None;
    for part in conjuncts(filter) {
        if is_policy(part) || is_visible(part) || fields(part).iter().all(is_level) {
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

fn of_field(filter: &Expression, field: Field, counted: Counted) -> String {
    let leaves_out = conjuncts(filter).into_iter().any(is_visible);
    format!("({}) counted", source(counted, column(field), column(field), leaves_out))
}

/// `counts` under the name of the column that it counts, with the columns by which findings
/// are told apart: an application is none there. Applications are told apart by `findings`
/// alone, so the rows of those that are gone are taken off again where they are to be left
/// out: they are few. What is asked of it has to sum up `findings`.
pub(crate) fn source(counted: Counted, name: &str, value: &str, leaves_out_gone: bool) -> String {
    let policy = "select id from contexts not indexed where name = 'policy'";
    let all = format!(
        "select integration, value as {name}, severity, state,
            case when is_policy = 1 then ({policy}) end as context, 0 as application, findings
         from counts where field = {}",
        counted as u8
    );
    if !leaves_out_gone {
        return all;
    }
    format!(
        "{all} union all
         select (select integration from applications a where a.id = application), {value},
            severity, state, case when {IS_POLICY} then context end, 0, -1
         from findings indexed by findings_by_application
         where gone = 0 and {value} is not null and {IS_GONE}"
    )
}

/// The applications that have findings, as far as the tallies know which match: of a question
/// that names its integrations its own alone.
pub(crate) fn tallied(planner: &Planner<'_>, expression: &Expression) -> Result<Vec<i64>, Error> {
    let parts = conjuncts(expression).into_iter();
    let known = parts.filter(|part| fields(part).iter().all(is_tallied)).cloned().collect();
    let sql = condition(planner, &Expression::All(known))?.into_sql();
    planner.numbers(sql.within("select distinct application from tallies where ", ""))
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
