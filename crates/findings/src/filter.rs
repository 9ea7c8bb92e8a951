//! Filters: `field[op]value`, parsed once to a typed tree. The store turns the
//! tree into SQL with bound values; [`Filter::matches`] is the same in plain
//! Rust and what the SQL is tested against.
//!
//! An absent value matches no operator but `ne`.

use std::fmt;
use std::str::FromStr;

use crate::finding::{Finding, Severity, State};
use crate::time::parse_time;

/// A member that filters can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `id`
    Id,
    /// `application`: the guid.
    Application,
    /// `application_name`
    ApplicationName,
    /// `context`: `policy` or `sandbox:GUID`.
    Context,
    /// `scan_type`: `STATIC`, `DYNAMIC`, `MANUAL`, `SCA`.
    ScanType,
    /// `severity`: 0 to 5, or the name, such as `high`.
    Severity,
    /// `state`: `open`, `fixed`, `mitigated`, `false_positive`.
    State,
    /// `status`: the service's word.
    Status,
    /// `violates_policy`: `true` or `false`.
    ViolatesPolicy,
    /// `cwe`: the number.
    Cwe,
    /// `title`
    Title,
    /// `file`
    File,
    /// `module`
    Module,
    /// `url`
    Url,
    /// `component`: file or package name.
    Component,
    /// `cve`
    Cve,
    /// `cvss`: the CVSS 3 score, else the CVSS 2 score.
    Cvss,
    /// `first_found`: a date or a time.
    FirstFound,
    /// `last_seen`: a date or a time.
    LastSeen,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text, compared as written; `like` ignores the case of ASCII letters.
    Text,
    /// Whole number.
    Integer,
    /// Number.
    Number,
    /// `true` or `false`.
    Truth,
    /// Milliseconds since the Unix epoch.
    Time,
}

impl Field {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::Id,
        Self::Application,
        Self::ApplicationName,
        Self::Context,
        Self::ScanType,
        Self::Severity,
        Self::State,
        Self::Status,
        Self::ViolatesPolicy,
        Self::Cwe,
        Self::Title,
        Self::File,
        Self::Module,
        Self::Url,
        Self::Component,
        Self::Cve,
        Self::Cvss,
        Self::FirstFound,
        Self::LastSeen,
    ];

    /// The word in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Application => "application",
            Self::ApplicationName => "application_name",
            Self::Context => "context",
            Self::ScanType => "scan_type",
            Self::Severity => "severity",
            Self::State => "state",
            Self::Status => "status",
            Self::ViolatesPolicy => "violates_policy",
            Self::Cwe => "cwe",
            Self::Title => "title",
            Self::File => "file",
            Self::Module => "module",
            Self::Url => "url",
            Self::Component => "component",
            Self::Cve => "cve",
            Self::Cvss => "cvss",
            Self::FirstFound => "first_found",
            Self::LastSeen => "last_seen",
        }
    }

    /// What it holds.
    pub fn type_(self) -> Type {
        match self {
            Self::Severity | Self::Cwe => Type::Integer,
            Self::Cvss => Type::Number,
            Self::ViolatesPolicy => Type::Truth,
            Self::FirstFound | Self::LastSeen => Type::Time,
            _ => Type::Text,
        }
    }

    /// Its value in a finding of an application of this name.
    pub fn value(self, finding: &Finding, application_name: &str) -> Option<Value> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let some_text = |text: &Option<String>| text.clone().map(Value::Text);
        match self {
            Self::Id => text(finding.id.as_str()),
            Self::Application => text(finding.application.as_str()),
            Self::ApplicationName => text(application_name),
            Self::Context => Some(Value::Text(finding.context.to_string())),
            Self::ScanType => text(finding.scan_type.as_str()),
            Self::Severity => Some(Value::Integer(finding.severity.level().into())),
            Self::State => text(finding.state.as_str()),
            Self::Status => some_text(&finding.status.status),
            Self::ViolatesPolicy => finding.violates_policy.map(|is| Value::Integer(is.into())),
            Self::Cwe => finding.cwe.as_ref().map(|cwe| Value::Integer(cwe.id)),
            Self::Title => text(&finding.title),
            Self::File => some_text(&finding.location.file),
            Self::Module => some_text(&finding.location.module),
            Self::Url => some_text(&finding.location.url),
            Self::Component => finding.component.as_ref().and_then(|c| some_text(&c.name)),
            Self::Cve => finding.vulnerability.as_ref().and_then(|v| text(&v.name)),
            Self::Cvss => {
                finding.vulnerability.as_ref().and_then(|v| v.cvss3.or(v.cvss2)).map(Value::Number)
            }
            Self::FirstFound => finding.first_found_ms.map(Value::Integer),
            Self::LastSeen => finding.last_seen_ms.map(Value::Integer),
        }
    }
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal, or absent.
    Ne,
    /// Greater, or later.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less, or earlier.
    Lt,
    /// Less or equal.
    Lte,
    /// Contains, ignoring case; `*` stands for any characters and then the
    /// whole text must fit.
    Like,
    /// One of several, separated by commas.
    In,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Eq, Self::Ne, Self::Gt, Self::Gte, Self::Lt, Self::Lte, Self::Like, Self::In];

    /// The word in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Like => "like",
            Self::In => "in",
        }
    }
}

/// A value to compare with. Truth and time are whole numbers here, as in the
/// store.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    /// Text.
    Text(String),
    /// Whole number, time, or 0 and 1 for false and true.
    Integer(i64),
    /// Number.
    Number(f64),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// With what: one value, or several for `in`.
    pub values: Vec<Value>,
}

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError(String);

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FilterError {}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let malformed = || {
            FilterError(format!(
                "filter `{text}` is not `field[op]value`\nhint: for example `severity[gte]4` or `title[like]injection`"
            ))
        };
        let (field, rest) = text.split_once('[').ok_or_else(malformed)?;
        let (operator, value) = rest.split_once(']').ok_or_else(malformed)?;
        let field = find(field.trim(), &Field::ALL, Field::name, "field")?;
        let operator = find(operator.trim(), &Operator::ALL, Operator::name, "operator")?;
        if operator == Operator::Like && field.type_() != Type::Text {
            return Err(FilterError(format!(
                "`{}` is not a text, so `like` does not apply\nhint: use eq, ne, gt, gte, lt, lte or in",
                field.name()
            )));
        }
        let values = match operator {
            Operator::In => value.split(',').map(|one| read(field, one.trim())).collect(),
            _ => read(field, value).map(|value| vec![value]),
        };
        Ok(Self { field, operator, values: values? })
    }
}

impl Filter {
    /// Whether a finding of an application of this name matches.
    pub fn matches(&self, finding: &Finding, application_name: &str) -> bool {
        let Some(actual) = self.field.value(finding, application_name) else {
            return self.operator == Operator::Ne;
        };
        let given = &self.values;
        match self.operator {
            Operator::Eq | Operator::In => given.contains(&actual),
            Operator::Ne => !given.contains(&actual),
            Operator::Gt => given.iter().any(|given| actual > *given),
            Operator::Gte => given.iter().any(|given| actual >= *given),
            Operator::Lt => given.iter().any(|given| actual < *given),
            Operator::Lte => given.iter().any(|given| actual <= *given),
            Operator::Like => match (&actual, given.first()) {
                (Value::Text(actual), Some(Value::Text(pattern))) => is_like(actual, pattern),
                _ => false,
            },
        }
    }
}

/// The pieces of a `like` pattern between its `*`, and whether the whole text
/// must fit.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    if !pattern.contains('*') {
        return text.contains(&pattern);
    }
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = pieces.collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn read(field: Field, text: &str) -> Result<Value, FilterError> {
    let wrong = |expected: &str| {
        FilterError(format!(
            "`{text}` cannot be compared with `{}`\nhint: expected {expected}",
            field.name()
        ))
    };
    if field == Field::Severity
        && let Some(severity) = Severity::ALL.into_iter().find(|s| is_same_word(s.name(), text))
    {
        return Ok(Value::Integer(severity.level().into()));
    }
    if field == Field::State && !State::ALL.iter().any(|state| state.as_str() == text) {
        return Err(wrong("open, fixed, mitigated or false_positive"));
    }
    match field.type_() {
        Type::Text => Ok(Value::Text(text.to_owned())),
        Type::Integer => {
            text.trim().parse().map(Value::Integer).map_err(|_| wrong("a whole number"))
        }
        Type::Number => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Value::Number)
            .ok_or_else(|| wrong("a number")),
        Type::Truth => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Integer(1)),
            "false" => Ok(Value::Integer(0)),
            _ => Err(wrong("true or false")),
        },
        Type::Time => parse_time(text)
            .or_else(|| parse_time(&format!("{}T00:00:00Z", text.trim())))
            .map(Value::Integer)
            .ok_or_else(|| {
                wrong("a date such as 2026-11-24 or a time such as 2026-11-24T08:00:00Z")
            }),
    }
}

fn is_same_word(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.replace(['_', ' ', '-'], "").to_ascii_lowercase();
    plain(a) == plain(b)
}

fn find<T: Copy>(
    word: &str,
    all: &[T],
    name: fn(T) -> &'static str,
    kind: &str,
) -> Result<T, FilterError> {
    if let Some(found) = all.iter().find(|one| name(**one) == word) {
        return Ok(*found);
    }
    let mut names: Vec<_> = all.iter().map(|one| name(*one)).collect();
    names.sort_by_key(|name| distance(name, word));
    names.truncate(3);
    Err(FilterError(format!(
        "there is no {kind} `{word}`\nhint: the nearest are {}",
        names.join(", ")
    )))
}

/// Edits between two short words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_what_could() {
        for (text, word) in [
            ("severity", "field[op]value"),
            ("severity[gte", "field[op]value"),
            ("sevrity[gte]4", "severity"),
            ("severity[gt3]4", "gte"),
            ("severity[gte]huge", "a whole number"),
            ("severity[like]4", "not a text"),
            ("state[eq]closed", "fixed, mitigated"),
            ("violates_policy[eq]maybe", "true or false"),
            ("first_found[gt]yesterday", "a date such as"),
            ("cvss[gt]NaN", "a number"),
        ] {
            let error = text.parse::<Filter>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn names_and_dates_are_understood() {
        let value = |text: &str| text.parse::<Filter>().unwrap().values[0].clone();
        assert_eq!(value("severity[eq]very_high"), Value::Integer(5));
        assert_eq!(value("first_found[gte]1970-01-02"), Value::Integer(86_400_000));
        assert_eq!("cwe[in]79, 89".parse::<Filter>().unwrap().values.len(), 2);
    }

    #[test]
    fn like_is_a_substring_or_a_whole_pattern() {
        assert!(is_like("SQL Injection", "inject"));
        assert!(is_like("src/a/b.rs", "src/*.RS"));
        assert!(!is_like("src/a/b.rs", "a/*.rs"));
        assert!(is_like("aXbXc", "a*b*c"));
        assert!(!is_like("ac", "a*b*c"));
        assert!(is_like("aa", "a*a") && !is_like("a", "a*a"));
    }
}
