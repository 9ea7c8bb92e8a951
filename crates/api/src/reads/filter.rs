//! Filters of the reads, `field[operator]value`: the names are those of the objects that are
//! answered, and so are the values.

use std::collections::BTreeSet;

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value, is_like};
use countersign_findings::{Severity, State, parse_time};
use countersign_formats::ocsf::severity_id;
use countersign_store::ApplicationRow;

use crate::problem::Problem;

/// Values that one `in` may have.
const MOST_VALUES: usize = 100;
const MOST_BYTES: usize = 2_000;

/// What a field holds, and what of the store that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Text.
    Text(Field),
    /// A time, RFC 3339 or milliseconds.
    Time(Field),
    /// A number.
    Number(Field),
    /// `CWE-79`, or 79.
    Cwe,
    /// A severity, by its caption.
    Severity,
    /// A severity, by its number.
    SeverityId,
    /// A status, by its caption.
    Status,
    /// A status, by its number.
    StatusId,
    /// `Pass` or `Fail`.
    Compliance,
}

/// A field by a name of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    /// The name.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) holds: Holds,
}

const fn named(name: &'static str, holds: Holds) -> Named {
    Named { name, holds }
}

/// What findings are filtered by. `finding.` may stand for `finding_info.`.
pub(crate) const FINDING_FIELDS: &[Named] = &[
    named("severity", Holds::Severity),
    named("severity_id", Holds::SeverityId),
    named("status", Holds::Status),
    named("status_id", Holds::StatusId),
    named("compliance.status", Holds::Compliance),
    named("modified_time", Holds::Time(Field::Changed)),
    named("first_seen_time", Holds::Time(Field::FirstFound)),
    named("last_seen_time", Holds::Time(Field::LastSeen)),
    named("finding_info.modified_time", Holds::Time(Field::Changed)),
    named("finding_info.first_seen_time", Holds::Time(Field::FirstFound)),
    named("finding_info.last_seen_time", Holds::Time(Field::LastSeen)),
    named("finding_info.uid", Holds::Text(Field::Id)),
    named("finding_info.title", Holds::Text(Field::Title)),
    named("finding_info.types", Holds::Text(Field::ScanType)),
    named("application.uid", Holds::Text(Field::Application)),
    named("application.name", Holds::Text(Field::ApplicationName)),
    named("vulnerabilities.cwe.uid", Holds::Cwe),
    named("vulnerabilities.cve.uid", Holds::Text(Field::Cve)),
    named("vulnerabilities.cve.cvss.base_score", Holds::Number(Field::Cvss)),
    named("vulnerabilities.affected_code.file.path", Holds::Text(Field::File)),
    named("vulnerabilities.affected_packages.name", Holds::Text(Field::Component)),
    named("resources.uid", Holds::Text(Field::Url)),
];

/// What applications are filtered by.
pub(crate) const APPLICATION_FIELDS: &[&str] =
    &["uid", "name", "criticality", "tags", "modified_time"];

/// The operators of a field, by their names in filters.
pub(crate) fn operators(holds: Holds) -> &'static [&'static str] {
    match holds {
        Holds::Text(_) => &["eq", "ne", "in", "not in", "like", "not like"],
        Holds::Cwe | Holds::Compliance | Holds::Status | Holds::StatusId => {
            &["eq", "ne", "in", "not in"]
        }
        Holds::Severity | Holds::SeverityId => {
            &["eq", "ne", "in", "not in", "gt", "gte", "lt", "lte"]
        }
        Holds::Time(_) | Holds::Number(_) => &["eq", "ne", "gt", "gte", "lt", "lte"],
    }
}

/// `field[operator]value`, taken apart.
struct Comparison<'f> {
    text: &'f str,
    field: &'f str,
    operator: Operator,
    is_negated: bool,
    values: Vec<String>,
}

impl<'f> Comparison<'f> {
    fn parse(text: &'f str) -> Result<Self, Problem> {
        let wrong = |message: &str| {
            Problem::query("filter", text, message)
                .with_remediation("for example `filter=severity[in]Critical,High`")
        };
        if text.len() > MOST_BYTES {
            return Err(wrong(&format!("a filter has {MOST_BYTES} bytes at most")));
        }
        let parts = text.split_once('[').and_then(|(field, rest)| {
            rest.split_once(']').map(|(operator, value)| (field, operator, value))
        });
        let Some((field, operator, value)) = parts else {
            return Err(wrong("a filter is `field[operator]value`"));
        };
        let operator = operator.trim().to_ascii_lowercase();
        let (operator, is_negated) = match operator.as_str() {
            "eq" => (Operator::Eq, false),
            "ne" | "neq" => (Operator::Eq, true),
            "gt" => (Operator::Gt, false),
            "gte" => (Operator::Gte, false),
            "lt" => (Operator::Lt, false),
            "lte" => (Operator::Lte, false),
            "in" => (Operator::In, false),
            "not in" => (Operator::In, true),
            "like" => (Operator::Like, false),
            "not like" => (Operator::Like, true),
            _ => {
                return Err(wrong(
                    "there is no such operator; there are eq, ne, gt, gte, lt, lte, in, like, not in, not like",
                ));
            }
        };
        let values = match operator {
            Operator::In => list(value),
            _ => vec![bare(value).to_owned()],
        };
        if values.is_empty() || values.len() > MOST_VALUES {
            return Err(wrong(&format!("`in` has 1 to {MOST_VALUES} values")));
        }
        Ok(Self { text, field: field.trim(), operator, is_negated, values })
    }

    fn wrong(&self, message: impl Into<String>) -> Problem {
        Problem::query("filter", self.text, message)
    }

    fn must_be(&self, allowed: &[Operator]) -> Result<(), Problem> {
        match allowed.contains(&self.operator) {
            true => Ok(()),
            false => Err(self.wrong(format!("`{}` has no such operator", self.field))),
        }
    }

    /// Whether a number fits.
    fn fits(&self, number: f64, values: &[f64]) -> bool {
        let first = values.first().copied().unwrap_or(f64::NAN);
        match self.operator {
            Operator::Eq | Operator::In => values.contains(&number),
            Operator::Ne => !values.contains(&number),
            Operator::Gt => number > first,
            Operator::Gte => number >= first,
            Operator::Lt => number < first,
            Operator::Lte => number <= first,
            Operator::Like => false,
        }
    }

    /// As an expression of the store.
    fn expression(&self, holds: Holds) -> Result<Expression, Problem> {
        let positive = match holds {
            Holds::Text(field) => self.text(field)?,
            Holds::Time(field) => self.times(field)?,
            Holds::Number(field) => self.numbers(field)?,
            Holds::Cwe => self.cwes()?,
            Holds::Severity => self.severities(&self.captions(&SEVERITIES)?)?,
            Holds::SeverityId => self.severities(&self.ids()?)?,
            Holds::Status => self.statuses(&self.captions(&STATUSES)?)?,
            Holds::StatusId => self.statuses(&self.ids()?)?,
            Holds::Compliance => self.compliance()?,
        };
        Ok(match self.is_negated {
            true => Expression::Not(Box::new(positive)),
            false => positive,
        })
    }

    fn is(&self, field: Field, values: Vec<Value>) -> Expression {
        Expression::Is(Filter { field, operator: self.operator, values })
    }

    fn text(&self, field: Field) -> Result<Expression, Problem> {
        self.must_be(&[Operator::Eq, Operator::In, Operator::Like])?;
        let is_pattern = self.operator == Operator::Like;
        let values = self
            .values
            .iter()
            .map(|value| Value::Text(if is_pattern { pattern(value) } else { value.clone() }));
        Ok(self.is(field, values.collect()))
    }

    fn times(&self, field: Field) -> Result<Expression, Problem> {
        let operators = [Operator::Eq, Operator::Gt, Operator::Gte, Operator::Lt, Operator::Lte];
        self.must_be(&operators)?;
        let values = self.values.iter().map(|value| {
            time(value).map(Value::Integer).ok_or_else(|| {
                self.wrong("a time is written as in RFC 3339, or in milliseconds since 1970")
            })
        });
        Ok(self.is(field, values.collect::<Result<_, _>>()?))
    }

    fn numbers(&self, field: Field) -> Result<Expression, Problem> {
        let operators = [Operator::Eq, Operator::Gt, Operator::Gte, Operator::Lt, Operator::Lte];
        self.must_be(&operators)?;
        let values = self.values.iter().map(|value| {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Value::Number).ok_or_else(|| self.wrong("this is not a number"))
        });
        Ok(self.is(field, values.collect::<Result<_, _>>()?))
    }

    fn cwes(&self) -> Result<Expression, Problem> {
        self.must_be(&[Operator::Eq, Operator::In])?;
        let values = self.values.iter().map(|value| {
            let digits = match value.get(..4) {
                Some(prefix) if prefix.eq_ignore_ascii_case("cwe-") => &value[4..],
                _ => value.as_str(),
            };
            let number = digits.parse::<u32>().ok();
            number
                .map(|number| Value::Integer(number.into()))
                .ok_or_else(|| self.wrong("a CWE is written `CWE-79`"))
        });
        Ok(self.is(Field::Cwe, values.collect::<Result<_, _>>()?))
    }

    /// The numbers of captions.
    fn captions(&self, known: &[(&str, u8)]) -> Result<Vec<f64>, Problem> {
        let values = self.values.iter().map(|value| {
            let word = value.replace(['_', '-'], " ");
            let found = known.iter().find(|(caption, _)| caption.eq_ignore_ascii_case(&word));
            found.map(|(_, id)| f64::from(*id)).ok_or_else(|| {
                let captions: Vec<_> = known.iter().map(|(caption, _)| *caption).collect();
                self.wrong(format!("`{}` is one of {}", self.field, captions.join(", ")))
            })
        });
        values.collect()
    }

    fn ids(&self) -> Result<Vec<f64>, Problem> {
        let values = self.values.iter().map(|value| {
            let number = value.parse::<u8>().ok();
            number.map(f64::from).ok_or_else(|| self.wrong("this is not the number of a caption"))
        });
        values.collect()
    }

    /// The levels whose number fits: OCSF has one for two of them.
    fn severities(&self, wanted: &[f64]) -> Result<Expression, Problem> {
        if self.operator == Operator::Like {
            return Err(self.wrong("`severity` has no such operator"));
        }
        let levels = (0..=5).filter(|level| {
            let id = Severity::new(*level).map_or(0, severity_id);
            self.fits(f64::from(id), wanted)
        });
        let values: Vec<_> = levels.map(Value::Integer).collect();
        Ok(one_of(Field::Severity, values))
    }

    fn statuses(&self, wanted: &[f64]) -> Result<Expression, Problem> {
        self.must_be(&[Operator::Eq, Operator::In])?;
        let states = |states: &[State]| {
            let values = states.iter().map(|state| Value::Text(state.as_str().to_owned()));
            one_of(Field::State, values.collect())
        };
        let parts = wanted.iter().map(|id| match *id as u8 {
            NEW => Expression::all([states(&[State::Open]), is_new()]),
            IN_PROGRESS => {
                Expression::all([states(&[State::Open]), Expression::Not(Box::new(is_new()))])
            }
            ACTIVE => states(&[State::Open]),
            SUPPRESSED => states(&[State::Mitigated, State::FalsePositive]),
            RESOLVED => states(&[State::Fixed]),
            _ => Expression::Any(Vec::new()),
        });
        Ok(Expression::Any(parts.collect()))
    }

    fn compliance(&self) -> Result<Expression, Problem> {
        self.must_be(&[Operator::Eq, Operator::In])?;
        let wanted = self.captions(&[("Pass", 0), ("Fail", 1)])?;
        let values = wanted.iter().map(|id| Value::Integer(*id as i64)).collect();
        Ok(one_of(Field::ViolatesPolicy, values))
    }
}

const NEW: u8 = 1;
const IN_PROGRESS: u8 = 2;
const SUPPRESSED: u8 = 3;
const RESOLVED: u8 = 4;
/// Ours: new or in progress. No number of OCSF.
const ACTIVE: u8 = 200;

/// Captions of severities and their numbers.
pub(crate) const SEVERITIES: [(&str, u8); 6] =
    [("Critical", 5), ("High", 4), ("Medium", 3), ("Low", 2), ("Informational", 1), ("Info", 1)];

/// Captions of statuses and their numbers.
pub(crate) const STATUSES: [(&str, u8); 5] = [
    ("New", NEW),
    ("In Progress", IN_PROGRESS),
    ("Suppressed", SUPPRESSED),
    ("Resolved", RESOLVED),
    ("Active", ACTIVE),
];

fn is_new() -> Expression {
    one_of(Field::New, vec![Value::Integer(1)])
}

fn one_of(field: Field, values: Vec<Value>) -> Expression {
    match values.is_empty() {
        true => Expression::Any(Vec::new()),
        false => Expression::Is(Filter { field, operator: Operator::In, values }),
    }
}

/// A value without the quotes around it.
fn bare(value: &str) -> &str {
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// Values between commas, some of them in quotes.
fn list(text: &str) -> Vec<String> {
    let (mut values, mut value, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(std::mem::take(&mut value)),
            other => value.push(other),
        }
    }
    values.push(value);
    values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// `%` is `*`.
fn pattern(value: &str) -> String {
    value.strip_prefix('~').unwrap_or(value).replace('%', "*")
}

fn time(value: &str) -> Option<i64> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && value.len() > 4 { value.parse().ok() } else { parse_time(value) }
}

/// What findings have to be, by all of these filters.
pub(crate) fn of_findings(filters: &[String]) -> Result<Expression, Problem> {
    let parts = filters.iter().map(|text| {
        let comparison = Comparison::parse(text)?;
        let name = match comparison.field.strip_prefix("finding.") {
            Some(rest) => format!("finding_info.{rest}"),
            None => comparison.field.to_owned(),
        };
        let Some(field) = FINDING_FIELDS.iter().find(|field| field.name == name) else {
            let names: Vec<_> = FINDING_FIELDS.iter().map(|field| field.name).collect();
            return Err(comparison
                .wrong(format!("findings cannot be filtered by `{}`", comparison.field))
                .with_remediation(format!("use one of {}", names.join(", "))));
        };
        comparison.expression(field.holds)
    });
    Ok(Expression::all(parts.collect::<Result<Vec<_>, _>>()?))
}

/// Whether an application fits.
pub(crate) type Fits = Box<dyn Fn(&ApplicationRow) -> bool + Send + Sync>;

/// What applications have to be, by all of these filters.
pub(crate) fn of_applications(filters: &[String]) -> Result<Fits, Problem> {
    let parts = filters.iter().map(|text| of_application(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(move |row| parts.iter().all(|fits| fits(row))))
}

fn of_application(text: &str) -> Result<Fits, Problem> {
    let comparison = Comparison::parse(text)?;
    let (operator, is_negated) = (comparison.operator, comparison.is_negated);
    if comparison.field == "modified_time" {
        let Expression::Is(filter) = comparison.times(Field::Changed)? else {
            return Err(comparison.wrong("this time cannot be compared"));
        };
        return Ok(Box::new(move |row| {
            let modified = row.application.modified_ms.map(Value::Integer);
            modified.is_some_and(|modified| filter.holds(&modified)) != is_negated
        }));
    }
    if !APPLICATION_FIELDS.contains(&comparison.field) {
        return Err(comparison
            .wrong(format!("applications cannot be filtered by `{}`", comparison.field))
            .with_remediation(format!("use one of {}", APPLICATION_FIELDS.join(", "))));
    }
    comparison.must_be(&[Operator::Eq, Operator::In, Operator::Like])?;
    let field = comparison.field.to_owned();
    let values: Vec<_> =
        comparison.values.iter().map(|value| pattern_of(value, operator)).collect();
    Ok(Box::new(move |row| {
        let held = texts(row, &field);
        let fits = |text: &String| {
            values.iter().any(|value| match operator {
                Operator::Like => is_like(text, value),
                _ => text.eq_ignore_ascii_case(value),
            })
        };
        held.iter().any(fits) != is_negated
    }))
}

fn pattern_of(value: &str, operator: Operator) -> String {
    if operator == Operator::Like { pattern(value) } else { value.to_owned() }
}

/// What an application has under a name.
fn texts(row: &ApplicationRow, field: &str) -> BTreeSet<String> {
    let application = &row.application;
    match field {
        "uid" => [application.guid.to_string()].into(),
        "name" => [application.name.clone()].into(),
        "criticality" => application.business_criticality.iter().cloned().collect(),
        _ => application.tags.iter().cloned().collect(),
    }
}
