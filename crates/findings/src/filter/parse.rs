//! Text to tree.

use std::fmt;
use std::str::FromStr;

use strsim::levenshtein;

use super::values::{Typed, read};
use super::{Expression, Field, Filter, Operator, Type, folded};

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError(pub(super) String);

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FilterError {}

/// Bounds for what people and programs hand in.
const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 32;
const MAX_COMPARISONS: usize = 200;
const MAX_VALUES: usize = 500;
const MAX_VALUES_IN_ALL: usize = 2000;

impl Expression {
    /// Reads a filter in which times may be ages, such as `first_found[gte]30d`.
    pub fn parse(text: &str, now_ms: i64) -> Result<Self, FilterError> {
        Self::parse_by(text, Some(now_ms))
    }

    fn parse_by(text: &str, now_ms: Option<i64>) -> Result<Self, FilterError> {
        if text.len() > MAX_BYTES {
            return Err(FilterError(format!(
                "the filter is longer than {MAX_BYTES} bytes\nhint: ask in several parts"
            )));
        }
        let mut reader = Reader { text, now_ms, at: 0, depth: 0, comparisons: 0, values: 0 };
        let expression = reader.any()?;
        match reader.rest() {
            "" => Ok(expression),
            rest => Err(FilterError(format!(
                "filter `{text}`: `{rest}` does not belong there\nhint: join comparisons with and, or; quote a value that holds such a word or a parenthesis: title[like]\"this and that\""
            ))),
        }
    }
}

/// A filter whose times are dates.
impl FromStr for Expression {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse_by(text, None)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        match text.parse()? {
            Expression::Is(filter) => Ok(filter),
            _ => Err(FilterError(format!(
                "filter `{text}` is not one comparison\nhint: field[op]value, such as severity[gte]4"
            ))),
        }
    }
}

/// Reads from left to right.
struct Reader<'a> {
    text: &'a str,
    /// What ages are told from; without it there are none.
    now_ms: Option<i64>,
    at: usize,
    depth: usize,
    comparisons: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one()?];
        while self.takes_word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        if self.takes_word("not") {
            self.deeper()?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.rest().starts_with('(') {
            self.at += 1;
            self.deeper()?;
            let inner = self.any()?;
            self.depth -= 1;
            if !self.rest().starts_with(')') {
                return Err(self.wrong("a parenthesis is not closed"));
            }
            self.at += 1;
            return Ok(inner);
        }
        self.comparison().map(Expression::Is)
    }

    fn deeper(&mut self) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("it is nested too deeply"));
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> FilterError {
        FilterError(format!(
            "filter `{}`: {what}\nhint: for example severity[gte]4 and (cwe[in]79,89 or not file[like]test)",
            self.text
        ))
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let is_there = starts_with_word(rest, word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(self.wrong("it has too many comparisons"));
        }
        let malformed = |text: &str| {
            FilterError(format!(
                "filter `{text}` is not `field[op]value`\nhint: for example `severity[gte]4` or `title[like]injection`"
            ))
        };
        let rest = self.rest();
        let (field, after) = rest.split_once('[').ok_or_else(|| malformed(rest))?;
        let (operator, value) = after.split_once(']').ok_or_else(|| malformed(rest))?;
        if field.contains(['(', ')', '"']) || operator.contains(['(', ')', '"', '[']) {
            return Err(malformed(rest));
        }
        let field = find(field.trim(), &Field::ALL, Field::name, "field")?;
        let operator = find(operator.trim(), &Operator::ALL, Operator::name, "operator")?;
        let is_fit = match (field.type_(), operator) {
            (Type::Words, operator) => operator == Operator::Like,
            (type_, Operator::Like) => type_ == Type::Text,
            _ => true,
        };
        if !is_fit {
            let (name, hint) = match field.type_() {
                Type::Words => ("made of words", "text[like]words"),
                _ => ("not a text", "eq, ne, gt, gte, lt, lte or in"),
            };
            return Err(FilterError(format!(
                "`{}` is {name}, so `{}` does not apply\nhint: use {hint}",
                field.name(),
                operator.name()
            )));
        }
        self.at = self.text.len() - value.len();
        let values = self.values(operator == Operator::In)?;
        let values: Result<Vec<_>, _> =
            values.iter().map(|value| read(field, operator, value, self.now_ms)).collect();
        Ok(Filter { field, operator, values: values? })
    }

    /// One value, or several with commas between.
    fn values(&mut self, several: bool) -> Result<Vec<Typed>, FilterError> {
        let mut values = Vec::new();
        loop {
            let before = self.at;
            let is_quoted = self.rest().starts_with('"');
            let text = if is_quoted {
                self.quoted()?
            } else {
                self.at = before;
                let bare = self.bare(several);
                if several { bare.trim().to_owned() } else { bare.to_owned() }
            };
            values.push(Typed { text, is_quoted });
            self.values += 1;
            if values.len() > MAX_VALUES || self.values > MAX_VALUES_IN_ALL {
                return Err(self.wrong("it has too many values"));
            }
            if !(several && self.rest().starts_with(',')) {
                return Ok(values);
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let mut value = String::new();
        let mut characters = self.text[self.at + 1..].char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 2;
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(self.wrong("a quote is not closed"))
    }

    /// Up to what cannot belong to it: a word that joins, or the parenthesis that
    /// closes the one around.
    fn bare(&mut self, several: bool) -> &'a str {
        let from = &self.text[self.at..];
        let mut open = 0_usize;
        let mut end = from.len();
        for (at, character) in from.char_indices() {
            let is_end = match character {
                '(' => {
                    open += 1;
                    false
                }
                ')' if open > 0 => {
                    open -= 1;
                    false
                }
                ')' => self.depth > 0,
                ',' => several,
                c if c.is_whitespace() => {
                    let rest = from[at..].trim_start();
                    starts_with_word(rest, "and") || starts_with_word(rest, "or")
                }
                _ => false,
            };
            if is_end {
                end = at;
                break;
            }
        }
        self.at += end;
        &from[..end]
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let Some(start) = text.get(..word.len()) else { return false };
    let after = text[word.len()..].chars().next();
    start.eq_ignore_ascii_case(word) && after.is_some_and(|c| c.is_whitespace() || c == '(')
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
    let names = nearest(word, all.iter().map(|one| name(*one)), 3);
    Err(FilterError(format!(
        "there is no {kind} `{word}`\nhint: the nearest are {}",
        names.join(", ")
    )))
}

/// The names that are most like a word, at most `most` of them: first those that hold it.
pub fn nearest<'n>(
    word: &str,
    names: impl IntoIterator<Item = &'n str>,
    most: usize,
) -> Vec<&'n str> {
    let begins = |text: &str| folded(text).chars().take(64).collect::<String>();
    let word = begins(word);
    let key = |name: &&str| {
        let name = begins(name);
        (!name.contains(&word), levenshtein(&name, &word))
    };
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_cached_key(key);
    names.truncate(most);
    names
}

#[cfg(test)]
mod tests {
    use super::super::{Origin, Value, is_like};
    use super::*;
    use crate::{ApplicationGuid, Context, Finding};

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
            ("(severity[eq]4", "not closed"),
            ("(severity[eq]4) cwe[eq]1", "does not belong"),
            ("severity[eq]4 and", "a whole number"),
            ("severity[eq]4 or (", "field[op]value"),
            ("title[eq]\"x", "quote is not closed"),
            ("text[eq]x", "text[like]"),
            ("not", "field[op]value"),
            ("title[eq]this and that", "field[op]value"),
        ] {
            let error = text.parse::<Expression>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let deep = format!("{}severity[eq]4{}", "(".repeat(40), ")".repeat(40));
        let many = vec!["severity[eq]4"; 300].join(" or ");
        let list = format!("cwe[in]{}", vec!["1"; 600].join(","));
        for (text, word) in [(deep, "deeply"), (many, "comparisons"), (list, "values")] {
            let error = text.parse::<Expression>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!("x".repeat(20_000).parse::<Expression>().is_err());
    }

    #[test]
    fn joining_words_bind_as_everywhere() {
        let shape = |text: &str| text.parse::<Expression>().unwrap().to_string();
        let tree = |text: &str| text.parse::<Expression>().unwrap();
        let bare = "severity[gte]4 or cwe[eq]89 and not state[eq]open";
        assert_eq!(tree(bare), tree("severity[gte]4 or (cwe[eq]89 and (not state[eq]open))"));
        assert_ne!(tree(bare), tree("(severity[gte]4 or cwe[eq]89) and not state[eq]open"));
        for (text, expected) in [
            (bare, bare),
            ("severity[gte]4 or (cwe[eq]89 and not (state[eq]open))", bare),
            ("NOT (severity[eq]1 OR severity[eq]2)", "not (severity[eq]1 or severity[eq]2)"),
            (
                "title[like]sql injection and cwe[eq]89",
                "title[like]\"sql injection\" and cwe[eq]89",
            ),
            ("(title[eq]f(x))", "title[eq]\"f(x)\""),
            ("title[eq]or", "title[eq]or"),
            ("title[in]\"a, b\" , c", "title[in]\"a, b\",c"),
            ("title[eq]\"say \\\"x\\\"\"", "title[eq]\"say \\\"x\\\"\""),
        ] {
            assert_eq!(shape(text), expected, "{text}");
            assert_eq!(shape(&shape(text)), shape(text));
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
    fn a_place_can_be_judged_without_its_findings() {
        let sandbox = Context::sandbox("7c1b0a52-0000-4000-8000-000000000009").unwrap();
        for (text, policy, in_sandbox) in [
            ("severity[gte]4", None, None),
            ("application[eq]a", Some(true), Some(true)),
            ("application[eq]b", Some(false), Some(false)),
            ("application[eq]a and severity[gte]4", None, None),
            ("application[eq]b and severity[gte]4", Some(false), Some(false)),
            ("application[eq]a or severity[gte]4", Some(true), Some(true)),
            ("application[eq]web shop", Some(true), Some(true)),
            ("application[ne]WEB SHOP", Some(false), Some(false)),
            ("application[like]shop", Some(true), Some(true)),
            ("application[in]b,Web Shop", Some(true), Some(true)),
            ("integration[eq]prod", Some(true), Some(true)),
            ("integration[eq]demo", Some(false), Some(false)),
            ("not application_name[like]SHOP", Some(false), Some(false)),
            ("not (application_name[like]shop and severity[gte]4)", None, None),
            ("context[eq]policy", Some(true), Some(false)),
            ("context[eq]policy and application[in]a,b", Some(true), Some(false)),
        ] {
            let filter: Expression = text.parse().unwrap();
            let origin =
                Origin { integration: "prod", application: "Web Shop", ..Origin::default() };
            assert_eq!(filter.of_place("a", origin, &Context::Policy), policy, "{text}");
            assert_eq!(filter.of_place("a", origin, &sandbox), in_sandbox, "{text}");
        }
        let nowhere = Origin::default();
        assert_eq!(Expression::default().of_place("a", nowhere, &sandbox), Some(true));
    }

    #[test]
    fn like_ignores_case_in_any_script() {
        for (text, pattern) in [
            ("Ünïcödé", "ünï"),
            ("ünïcödé", "ÜNÏ*DÉ"),
            ("Straße", "STRASSE"),
            ("STRASSE", "straße"),
            ("ẞ", "ß"),
            ("ΟΔΟΣ", "οδος"),
            ("οδος", "ΟΔΟΣ"),
            ("ΟΔΟΣ ΣΟΥ", "οδοσ"),
            ("Приложение", "ПРИЛО"),
            ("ﬁle", "FILE"),
            ("K", "k"),
            ("日本語", "本"),
            ("İstanbul", "i\u{307}STANBUL"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("ınsan", "insan"), ("Ünï", "uni"), ("é", "e")] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn words_ignore_case_as_like_does() {
        let application = ApplicationGuid::parse("guid-alpha").unwrap();
        for (title, wanted) in [
            ("Ünïcödé in Straße", "ÜNÏCÖDÉ"),
            ("Ünïcödé in Straße", "STRASSE"),
            ("STRASSE", "straße"),
            ("ΟΔΟΣ ΣΟΥ", "οδος"),
            ("οδος", "ΟΔΟΣ"),
            ("ﬁle", "FILE"),
            ("Приложение", "ПРИЛОЖЕНИЕ"),
            ("İstanbul", "i\u{307}STANBUL"),
            ("İstanbul", "İSTANBUL"),
            ("ΐ", "ι\u{308}\u{301}"),
        ] {
            let record = serde_json::json!({"issue_id": 1, "scan_type": "STATIC",
                "finding_status": {}, "finding_details": {"severity": 3, "file_path": title}});
            let finding =
                Finding::decode(&record.to_string(), &application, &Context::Policy).unwrap();
            let filter = |wanted: &str| {
                let values = vec![Value::Text(wanted.to_owned())];
                Filter { field: Field::Text, operator: Operator::Like, values }
            };
            let nowhere = Origin::default();
            assert!(filter(wanted).matches(&finding, nowhere), "{title} {wanted}");
            assert!(!filter("strase").matches(&finding, nowhere), "{title}");
        }
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
