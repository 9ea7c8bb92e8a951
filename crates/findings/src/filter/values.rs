//! What may be written as the value of a field. Whatever a list prints can be typed: words
//! in any case, numbers with their mark, moments with their zone.

use super::{Field, FilterError, Operator, SHORTEST_ID, Type, Value};
use crate::decode::identifier;
use crate::finding::{ScanType, Severity, State};
use crate::ids::Context;
use crate::time::{parse_date, parse_moment};

/// A value as it was typed.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) text: String,
    /// In quotes a word is meant as it is written.
    pub(super) is_quoted: bool,
}

/// Of a scan type or a status, which the service may add to.
const STATUSES: [&str; 3] = ["OPEN", "CLOSED", "REOPENED"];

/// The words of a field that has a set of them; empty for any other.
fn words(field: Field) -> Vec<&'static str> {
    match field {
        Field::State => State::ALL.map(State::as_str).to_vec(),
        Field::ScanType => SCAN_TYPES.iter().map(ScanType::as_str).collect(),
        Field::Status => STATUSES.to_vec(),
        _ => Vec::new(),
    }
}

static SCAN_TYPES: [ScanType; 4] = ScanType::KNOWN;

/// The words of a text, when the field has a set of them and it is one.
fn known(field: Field, text: &str) -> Option<&'static str> {
    words(field).into_iter().find(|word| is_same_word(word, text))
}

/// Whether a text is read as it is when it is written without quotes.
pub(super) fn is_known(field: Field, text: &str) -> bool {
    match field {
        Field::ScanType | Field::Status => known(field, text) == Some(text),
        Field::Context => text.parse::<Context>().is_ok(),
        Field::Id => is_id(text),
        _ => true,
    }
}

fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (SHORTEST_ID..=20).contains(&text.len()) && text.bytes().all(is_digit)
}

/// The value that was meant.
pub(super) fn read(
    field: Field,
    operator: Operator,
    typed: &Typed,
    now_ms: Option<i64>,
) -> Result<Value, FilterError> {
    let text = typed.text.as_str();
    match field.type_() {
        Type::Words => Ok(Value::Text(text.to_owned())),
        Type::Text if operator == Operator::Like => Ok(Value::Text(text.to_owned())),
        Type::Text => read_text(field, typed).map(Value::Text),
        Type::Integer => match integer(field, text) {
            Some(number) => Ok(Value::Integer(number)),
            None if field == Field::Severity => {
                Err(wrong(field, text, "a whole number from 0 to 5, or a name such as high"))
            }
            None => Err(wrong(field, text, "a whole number")),
        },
        Type::Number => {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Value::Number).ok_or_else(|| wrong(field, text, "a number"))
        }
        Type::Truth => match truth(text) {
            Some(is) => Ok(Value::Integer(is.into())),
            None => Err(wrong(field, text, "true or false")),
        },
        Type::Time => {
            let ms = match now_ms {
                Some(now_ms) => parse_moment(text, now_ms),
                None => parse_date(text),
            };
            ms.map(Value::Integer).ok_or_else(|| {
                let forms = "a date such as 2026-11-24, a time such as 2026-11-24T08:00:00Z, or \
                    an age such as 30d";
                wrong(field, text, forms)
            })
        }
    }
}

/// Equality asks for a text that there can be; a misspelt one would match nothing without
/// a word.
fn read_text(field: Field, typed: &Typed) -> Result<String, FilterError> {
    let text = typed.text.as_str();
    let words = words(field);
    if !words.is_empty() {
        let may_be_new = field != Field::State;
        return match known(field, text) {
            Some(word) => Ok(word.to_owned()),
            None if typed.is_quoted && may_be_new => Ok(text.to_owned()),
            None => {
                let quoted =
                    if may_be_new { "; a word that the service added, in quotes" } else { "" };
                Err(wrong(field, text, &format!("{}{quoted}", listed(&words))))
            }
        };
    }
    match field {
        Field::Cve => Ok(identifier(text)),
        Field::Context if !typed.is_quoted => {
            let context = text.trim().to_ascii_lowercase().parse::<Context>();
            let context = context.map_err(|_| wrong(field, text, "policy or sandbox:GUID"))?;
            Ok(context.to_string())
        }
        Field::Id if !typed.is_quoted => {
            let digits = text.trim().to_ascii_lowercase();
            match is_id(&digits) {
                true => Ok(digits),
                false => Err(wrong(field, text, "4 to 20 of the digits 0 to 9 and a to f")),
            }
        }
        _ => Ok(text.to_owned()),
    }
}

/// `a, b or c`.
fn listed(words: &[&str]) -> String {
    match words {
        [rest @ .., before, last] => {
            let rest: String = rest.iter().map(|word| format!("{word}, ")).collect();
            format!("{rest}{before} or {last}")
        }
        words => words.concat(),
    }
}

fn wrong(field: Field, text: &str, expected: &str) -> FilterError {
    FilterError(format!(
        "`{text}` cannot be compared with `{}`\nhint: expected {expected}",
        field.name()
    ))
}

/// A number; a severity by its name too, and a weakness or category as lists print it:
/// `CWE-79`, `18 SQL Injection`.
fn integer(field: Field, text: &str) -> Option<i64> {
    let text = text.trim();
    match field {
        Field::Severity => {
            severity(text).map(|severity| severity.level().into()).or_else(|| text.parse().ok())
        }
        Field::Cwe => {
            let mark = field.name().len();
            let is_marked =
                text.get(..mark).is_some_and(|it| it.eq_ignore_ascii_case(field.name()));
            let number = if is_marked { text[mark..].trim_start_matches(['-', ' ']) } else { text };
            number.split_whitespace().next()?.parse().ok()
        }
        Field::Category => text.split_whitespace().next()?.parse().ok(),
        _ => text.parse().ok(),
    }
}

/// A severity by its name, or by its level.
pub(super) fn severity(text: &str) -> Option<Severity> {
    let named = Severity::ALL.into_iter().find(|severity| is_same_word(severity.name(), text));
    named.or_else(|| Severity::new(text.trim().parse().ok()?))
}

/// A state by its word.
pub(super) fn state(text: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| is_same_word(state.as_str(), text))
}

fn truth(text: &str) -> Option<bool> {
    [(true, "true"), (false, "false"), (true, "yes"), (false, "no")]
        .into_iter()
        .find(|(_, word)| is_same_word(word, text))
        .map(|(is, _)| is)
}

fn is_same_word(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.trim().replace(['_', ' ', '-'], "").to_ascii_lowercase();
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::super::{Expression, Filter};
    use super::*;

    fn value(text: &str) -> Result<Value, FilterError> {
        Expression::parse(text, 100 * 86_400_000).map(|expression| match expression {
            Expression::Is(Filter { values, .. }) => values[0].clone(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_word_that_is_none_is_refused_with_those_there_are() {
        for (filter, expected) in [
            ("scan_type[eq]sast", "STATIC, DYNAMIC, MANUAL or SCA"),
            ("scan_type[in]STATIC,DAST", "STATIC, DYNAMIC, MANUAL or SCA"),
            ("scan_type[ne]", "STATIC, DYNAMIC, MANUAL or SCA"),
            ("status[eq]fixed", "OPEN, CLOSED or REOPENED"),
            ("state[eq]closed", "open, fixed, mitigated or false_positive"),
            ("state[eq]\"closed\"", "open, fixed, mitigated or false_positive"),
            ("context[eq]sandbox", "policy or sandbox:GUID"),
            ("id[eq]zzzz", "4 to 20 of the digits"),
            ("id[eq]abc", "4 to 20 of the digits"),
            ("cwe[eq]CWE-", "a whole number"),
            ("cwe[eq]XSS", "a whole number"),
            ("first_found[gte]30", "an age such as 30d"),
            ("violates_policy[eq]perhaps", "true or false"),
        ] {
            let error = value(filter).unwrap_err().to_string();
            assert!(error.contains(expected), "{filter}: {error}");
        }
        let error = "first_found[gte]30d".parse::<Expression>().unwrap_err().to_string();
        assert!(error.contains("a date such as"), "{error}");
    }

    #[test]
    fn what_is_printed_can_be_typed() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (filter, meant) in [
            ("scan_type[eq]static", text("STATIC")),
            ("scan_type[ne]Sca", text("SCA")),
            ("scan_type[eq]\"sca\"", text("SCA")),
            ("scan_type[eq]\"FUZZ\"", text("FUZZ")),
            ("status[eq]open", text("OPEN")),
            ("state[eq]Open", text("open")),
            ("state[eq]false positive", text("false_positive")),
            ("context[eq]POLICY", text("policy")),
            ("context[eq]sandbox:7C1B0A52", text("sandbox:7c1b0a52")),
            ("id[eq]01AB", text("01ab")),
            ("cve[eq]cve-2020-1236", text("CVE-2020-1236")),
            ("cwe[eq]79", Value::Integer(79)),
            ("cwe[eq]CWE-79", Value::Integer(79)),
            ("cwe[eq]cwe 79", Value::Integer(79)),
            ("cwe[eq]CWE-79 Cross-Site Scripting", Value::Integer(79)),
            ("category[eq]18 SQL Injection", Value::Integer(18)),
            ("severity[eq]Very High", Value::Integer(5)),
            ("severity[gte]very_high", Value::Integer(5)),
            ("severity[lt]4", Value::Integer(4)),
            ("violates_policy[eq]Yes", Value::Integer(1)),
            ("first_found[gte]30d", Value::Integer(70 * 86_400_000)),
            ("first_found[gte]30 days ago", Value::Integer(70 * 86_400_000)),
            ("first_found[gte]1970-01-02 01:00 +01:00", Value::Integer(86_400_000)),
            ("first_found[gte]1970-01-02 00:00 UTC", Value::Integer(86_400_000)),
        ] {
            assert_eq!(value(filter).unwrap(), meant, "{filter}");
        }
    }

    #[test]
    fn a_word_of_the_service_is_written_so_that_it_is_read_again() {
        for (field, word) in [
            (Field::ScanType, "FUZZ"),
            (Field::ScanType, "STATIC"),
            (Field::Status, "Odd"),
            (Field::Context, "_"),
            (Field::Id, "zz"),
            (Field::Id, "0011"),
        ] {
            let values = vec![Value::Text(word.to_owned())];
            let filter = Expression::Is(Filter { field, operator: Operator::Eq, values });
            assert_eq!(filter.to_string().parse::<Expression>().unwrap(), filter, "{filter}");
        }
    }
}
