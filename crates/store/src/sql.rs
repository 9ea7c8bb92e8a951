//! Filters as SQL with bound values, and the way to the rows that they leave.
//!
//! Conditions name columns that findings, `tallies` and `counts` share, so that the
//! same condition can be asked of whichever holds the answer in the fewest rows.

use countersign_findings::State;
use countersign_findings::filter::{
    Expression, Field, Filter, Operator, Value, folded, is_like, words,
};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};

use crate::columns::{Kind, find, searchable, state_code};
use crate::error::Error;
use crate::tally::Counted;

/// Rows or texts that are few enough to look at one by one, unless told otherwise.
pub(crate) const FEW: usize = 5000;
/// Numbers whose rows are merged in order.
const MERGED: usize = 32;
/// Values that one statement may have; SQLite bears three times as many.
const BOUND: usize = 10_000;
/// Rows of applications that are few enough to look through.
const SOME: u64 = 50_000;

/// Of the values of a byte.
const SIXTEENTH: u8 = 16;

/// Who asks, and how many rows are few.
#[derive(Clone, Copy)]
pub(crate) struct Planner<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) few: usize,
    pub(crate) goal: Goal,
}

/// What the rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The first few that match.
    Page,
    /// All that match.
    Count,
}

/// A piece of SQL with its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) values: Vec<SqlValue>,
    /// The numbers that its column may have, where that is all it says.
    numbers: Vec<i64>,
}

impl Sql {
    fn new(text: impl Into<String>, values: Vec<SqlValue>) -> Self {
        Self { text: text.into(), values, numbers: Vec::new() }
    }

    fn truth(is_true: bool) -> Self {
        Self::new(if is_true { "1" } else { "0" }, Vec::new())
    }

    /// Whether it is true or false whatever the row.
    fn known(&self) -> Option<bool> {
        match self.text.as_str() {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    pub(crate) fn push(&mut self, text: &str, values: impl IntoIterator<Item = SqlValue>) {
        self.text.push_str(text);
        self.values.extend(values);
    }
}

/// The condition that an expression is. It is never more than what it says about
/// absent values: under `not` they count as no match.
pub(crate) fn condition(planner: &Planner<'_>, expression: &Expression) -> Result<Sql, Error> {
    build(planner, expression, false)
}

fn build(planner: &Planner<'_>, expression: &Expression, is_negated: bool) -> Result<Sql, Error> {
    // What is known beforehand is left out: an index cannot be asked for in a query that
    // is known to be empty.
    let joined = |parts: &[Expression], word: &str, empty: bool| {
        let mut sql = Sql::default();
        for part in parts {
            let part = build(planner, part, is_negated)?;
            match part.known() {
                Some(known) if known == empty => continue,
                Some(known) => return Ok(Sql::truth(known)),
                None => {}
            }
            let open = if sql.text.is_empty() { "(" } else { word };
            sql.push(open, []);
            sql.push(&part.text, part.values);
        }
        if sql.text.is_empty() {
            return Ok(Sql::truth(empty));
        }
        sql.push(")", []);
        Ok(sql)
    };
    match expression {
        Expression::All(parts) => joined(parts, " and ", true),
        Expression::Any(parts) => joined(parts, " or ", false),
        Expression::Not(part) => {
            let part = build(planner, part, true)?;
            if let Some(known) = part.known() {
                return Ok(Sql::truth(!known));
            }
            Ok(Sql::new(format!("not {}", part.text), part.values))
        }
        Expression::Is(filter) => {
            let sql = comparison(planner, filter)?;
            if sql.known().is_some() {
                return Ok(sql);
            }
            let text = match is_negated {
                true => format!("(({}) is true)", sql.text),
                false => format!("({})", sql.text),
            };
            Ok(Sql::new(text, sql.values))
        }
    }
}

fn comparison(planner: &Planner<'_>, filter: &Filter) -> Result<Sql, Error> {
    if let Some(kind) = Kind::of(filter.field) {
        return text(planner, filter, kind);
    }
    match filter.field {
        Field::State => Ok(state(filter)),
        Field::Text => Ok(search(filter)),
        Field::Id => Ok(id(planner, filter)),
        Field::Application => named(planner, "applications", "guid", filter),
        Field::ApplicationName => named(planner, "applications", "name", filter),
        Field::Context => named(planner, "contexts", "name", filter),
        Field::Cwe => counted(planner, filter, Counted::Cwe),
        Field::Category => counted(planner, filter, Counted::Category),
        _ => Ok(compared(column(filter.field), filter)),
    }
}

/// The column of a field that has one.
pub(crate) fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "finding_id",
        Field::Application | Field::ApplicationName => "application",
        Field::Context => "context",
        Field::ScanType => "scan_type",
        Field::Severity => "severity",
        Field::State => "state",
        Field::Status => "status",
        Field::ViolatesPolicy => "violates_policy",
        Field::Cwe => "cwe",
        Field::Category => "category",
        Field::Title => "title",
        Field::File => "file",
        Field::Module => "module",
        Field::Url => "url",
        Field::Component => "component",
        Field::Cve => "cve",
        Field::Cvss => "cvss",
        Field::FirstFound => "first_found_ms",
        Field::LastSeen => "last_seen_ms",
        Field::Notes => "notes",
        Field::Text => "id",
    }
}

/// A column or expression against the values as they are.
fn compared(column: &str, filter: &Filter) -> Sql {
    let values: Vec<SqlValue> = filter.values.iter().map(bound).collect();
    let operator = match filter.operator {
        Operator::Eq => "= ?",
        Operator::Ne => "is not ?",
        Operator::Gt => "> ?",
        Operator::Gte => ">= ?",
        Operator::Lt => "< ?",
        Operator::Lte => "<= ?",
        Operator::Like => return Sql::new(format!("is_like({column}, ?)"), values),
        Operator::In => {
            let marks = vec!["?"; values.len()].join(", ");
            return Sql::new(format!("{column} in ({marks})"), values);
        }
    };
    Sql::new(format!("{column} {operator}"), values)
}

fn bound(value: &Value) -> SqlValue {
    match value {
        Value::Text(text) => SqlValue::Text(text.clone()),
        Value::Integer(integer) => SqlValue::Integer(*integer),
        Value::Number(number) => SqlValue::Real(*number),
    }
}

/// By the names of what a column points at: applications or contexts, which are few
/// beside findings.
fn named(planner: &Planner<'_>, table: &str, name: &str, filter: &Filter) -> Result<Sql, Error> {
    let column = column(filter.field);
    let inner = compared(&format!("t.{name}"), filter);
    let mut statement = planner
        .connection
        // There are few, and an index may lack one.
        .prepare_cached(&format!("select id from {table} t not indexed where {}", inner.text))?;
    let found = statement.query_map(params_from_iter(inner.values.iter()), |row| row.get(0))?;
    let found: Vec<i64> = found.collect::<Result<_, _>>()?;
    Ok(among(column, &found))
}

fn among(column: &str, numbers: &[i64]) -> Sql {
    let mut sql = match numbers {
        [] => Sql::truth(false),
        [one] => Sql::new(format!("{column} = ?"), vec![SqlValue::Integer(*one)]),
        some => Sql::new(
            format!("{column} in (select value from json_each(?))"),
            vec![SqlValue::Text(list(some))],
        ),
    };
    if numbers.len() <= MERGED {
        sql.numbers = numbers.to_vec();
    }
    sql
}

/// CWEs and categories are few: which of them match is looked up first.
fn counted(planner: &Planner<'_>, filter: &Filter, field: Counted) -> Result<Sql, Error> {
    if filter.operator == Operator::Ne {
        return Ok(compared(column(filter.field), filter));
    }
    let inner = compared("value", filter);
    let mut statement = planner.connection.prepare_cached(&format!(
        "select distinct value from counts where field = {} and {}",
        field as u8, inner.text
    ))?;
    let found = statement.query_map(params_from_iter(inner.values), |row| row.get(0))?;
    let found: Vec<i64> = found.collect::<Result<_, _>>()?;
    Ok(among(column(filter.field), &found))
}

/// States are few: which of them match is known beforehand.
fn state(filter: &Filter) -> Sql {
    let matching: Vec<_> = State::ALL
        .into_iter()
        .filter(|state| {
            let actual = Value::Text(state.as_str().to_owned());
            let given = &filter.values;
            match filter.operator {
                Operator::Eq | Operator::In => given.contains(&actual),
                Operator::Ne => !given.contains(&actual),
                Operator::Gt => given.iter().any(|given| actual > *given),
                Operator::Gte => given.iter().any(|given| actual >= *given),
                Operator::Lt => given.iter().any(|given| actual < *given),
                Operator::Lte => given.iter().any(|given| actual <= *given),
                Operator::Like => given
                    .first()
                    .and_then(Value::as_text)
                    .is_some_and(|pattern| is_like(state.as_str(), pattern)),
            }
        })
        .map(|state| SqlValue::Integer(state_code(state)))
        .collect();
    if matching.is_empty() {
        return Sql::truth(false);
    }
    let marks = vec!["?"; matching.len()].join(", ");
    Sql::new(format!("state in ({marks})"), matching)
}

/// Ids are bytes in the database and digits to people.
fn id(planner: &Planner<'_>, filter: &Filter) -> Sql {
    let bytes = |value: &Value| {
        let text = value.as_text()?;
        if text.len() != 20 || !text.bytes().all(is_digit) {
            return None;
        }
        let pairs = (0..20).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        pairs.collect::<Result<Vec<u8>, _>>().ok().map(SqlValue::Blob)
    };
    let known: Vec<_> = filter.values.iter().filter_map(bytes).collect();
    match filter.operator {
        Operator::Eq | Operator::In => {
            if known.is_empty() {
                return Sql::truth(false);
            }
            let marks = vec!["?"; known.len()].join(", ");
            Sql::new(format!("finding_id in ({marks})"), known)
        }
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => id_range(planner, filter),
        _ => compared("lower(hex(finding_id))", filter),
    }
}

/// An order among digits is the same order among bytes, once the text to compare with is
/// brought to the next 20 digits that are not before it.
fn id_range(planner: &Planner<'_>, filter: &Filter) -> Sql {
    let Some(text) = filter.values.first().and_then(Value::as_text) else {
        return Sql::truth(false);
    };
    let is_exact = text.len() == 20 && text.bytes().all(is_digit);
    let takes_equal = matches!(filter.operator, Operator::Gte | Operator::Lte);
    let is_upward = matches!(filter.operator, Operator::Gt | Operator::Gte);
    let Some(bound) = not_before(text) else { return Sql::truth(!is_upward) };
    let operator = match (is_upward, is_exact && takes_equal, is_exact) {
        (true, true, _) | (true, _, false) => ">=",
        (true, false, true) => ">",
        (false, true, _) => "<=",
        (false, false, _) => "<",
    };
    // Ids are spread evenly: the first byte tells how many are left, and when they are
    // many, counting goes through the rows as they lie, not by the index.
    let first = bound.first().copied().unwrap_or_default();
    let left = if is_upward { u8::MAX - first } else { first };
    let by_rows = if planner.goal == Goal::Count && left > SIXTEENTH { "+" } else { "" };
    Sql::new(format!("{by_rows}finding_id {operator} ?"), vec![SqlValue::Blob(bound)])
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// The first 20 digits in order that are not before this text, as bytes.
fn not_before(text: &str) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> = text.bytes().take(20).take_while(|byte| is_digit(*byte)).collect();
    let next = text.as_bytes().get(digits.len()).copied();
    let is_after_all = match next {
        None => false,
        Some(_) if digits.len() == 20 => true,
        Some(next) => next > b'f',
    };
    if is_after_all {
        // The next of the same length; none after the last.
        while digits.last() == Some(&b'f') {
            digits.pop();
        }
        let last = digits.last_mut()?;
        *last = if *last == b'9' { b'a' } else { *last + 1 };
    } else if next.is_some_and(|next| next > b'9') {
        digits.push(b'a');
    }
    digits.resize(20, b'0');
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(text, 16)
    });
    pairs.collect::<Result<_, _>>().ok()
}

/// Texts are numbers: which numbers match is looked up first, as long as they are few.
fn text(planner: &Planner<'_>, filter: &Filter, kind: Kind) -> Result<Sql, Error> {
    let column = column(filter.field);
    let given = || filter.values.iter().filter_map(Value::as_text);
    match filter.operator {
        Operator::Eq | Operator::In | Operator::Ne => {
            let mut known = Vec::new();
            for text in given() {
                known.extend(find(planner.connection, kind, text)?);
            }
            return Ok(match (filter.operator, known.as_slice()) {
                (Operator::Ne, []) => Sql::truth(true),
                (Operator::Ne, known) => {
                    let known = known.iter().copied().map(SqlValue::Integer).collect();
                    Sql::new(format!("{column} is not ?"), known)
                }
                (_, known) => among(column, known),
            });
        }
        _ => {}
    }
    let inner = compared("t.text", filter);
    let (mut among_texts, mut values) = (String::new(), vec![SqlValue::Integer(kind as i64)]);
    if let (Operator::Like, Some(pattern)) = (filter.operator, given().next())
        && let Some(query) = trigrams(pattern)
    {
        among_texts.push_str("id in (select rowid from trigrams where trigrams match ?) and");
        values.insert(0, SqlValue::Text(query));
    }
    values.extend(inner.values.iter().cloned());
    let mut statement = planner.connection.prepare_cached(&format!(
        "select id from texts t where {among_texts} {} = ? and {} limit {}",
        by_kind(kind),
        inner.text,
        planner.few + 1
    ))?;
    let found = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    let found: Vec<i64> = found.collect::<Result<_, _>>()?;
    if found.len() <= planner.few {
        return Ok(among(column, &found));
    }
    let text = match planner.goal {
        Goal::Page => {
            format!("exists (select 1 from texts t where t.id = {column} and {})", inner.text)
        }
        Goal::Count => format!(
            "{column} in (select t.id from texts t where {} = {} and {})",
            by_kind(kind),
            kind as u8,
            inner.text
        ),
    };
    Ok(Sql::new(text, inner.values))
}

/// By the index where a kind has a few texts only. Those of the others are most of all
/// texts, and quicker looked through in their order.
fn by_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::ScanType | Kind::Status => "kind",
        _ => "+kind",
    }
}

/// What the index of trigrams is asked for a pattern; none when the pattern has no three
/// characters in a row.
fn trigrams(pattern: &str) -> Option<String> {
    let mut terms = Vec::new();
    for piece in pattern.split('*') {
        let piece = searchable(piece);
        let characters: Vec<char> = piece.chars().collect();
        for three in characters.windows(3) {
            let three: String = three.iter().collect();
            terms.push(format!("\"{}\"", three.replace('"', "\"\"")));
        }
    }
    terms.sort_unstable();
    terms.dedup();
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

fn list(numbers: &[i64]) -> String {
    let texts: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}

fn search(filter: &Filter) -> Sql {
    match matching(filter) {
        None => Sql::truth(true),
        Some(query) => Sql::new(
            "id in (select rowid from words where words match ?)",
            vec![SqlValue::Text(query)],
        ),
    }
}

/// What the index is asked; none when no word is given, which everything matches.
fn matching(filter: &Filter) -> Option<String> {
    let given: Vec<_> = filter.values.iter().filter_map(Value::as_text).map(folded).collect();
    let given = given.iter().flat_map(|text| words(text));
    let terms: Vec<_> = given.map(|word| format!("\"{word}\"")).collect();
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

/// Whether `tallies` can answer it.
pub(crate) fn is_tallied(expression: &Expression) -> bool {
    fields(expression).iter().all(|field| {
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
    })
}

/// What must hold all at once.
pub(crate) fn conjuncts(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The fields that an expression asks for.
pub(crate) fn fields(expression: &Expression) -> Vec<Field> {
    match expression {
        Expression::Is(filter) => vec![filter.field],
        Expression::Not(part) => fields(part),
        Expression::All(parts) | Expression::Any(parts) => parts.iter().flat_map(fields).collect(),
    }
}

/// How to get at the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// There are none.
    Nowhere,
    /// Few rows, by this index.
    Few(&'static str),
    /// By this index, which has those of each number in order.
    Merged(&'static str),
    /// All of them, in order.
    All,
}

impl Way {
    /// The index to read by.
    pub(crate) fn index(self) -> &'static str {
        match self {
            Self::Few(index) | Self::Merged(index) => index,
            Self::Nowhere | Self::All => "findings_by_severity",
        }
    }
}

/// A way, with the condition that it needs beside the expression's own.
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) condition: Sql,
    /// The column and the numbers that are merged.
    pub(crate) merged: (&'static str, Vec<i64>),
}

impl Plan {
    fn of(way: Way, condition: Sql) -> Self {
        Self { way, condition, merged: ("", Vec::new()) }
    }

    /// The first `limit` ids in the order of lists, after `seek` (severity and row).
    pub(crate) fn page(&self, seek: Option<(i64, i64)>, limit: u32) -> Sql {
        let mut condition = self.condition.clone();
        if let Some((severity, row)) = seek {
            condition.push(
                " and severity <= ? and (severity < ? or id > ?)",
                [severity, severity, row].map(SqlValue::Integer),
            );
        }
        let one = |more: &str, first: Option<i64>| {
            let mut sql = Sql::new(
                format!("select id, severity from findings indexed by {}", self.way.index()),
                Vec::new(),
            );
            sql.push(" where gone = 0", []);
            sql.push(more, first.map(SqlValue::Integer));
            sql.push(&format!(" and {}", condition.text), condition.values.iter().cloned());
            let limit = [SqlValue::Integer(limit.into())];
            sql.push(" order by severity desc, id limit ?", limit);
            sql
        };
        let (column, numbers) = &self.merged;
        if numbers.is_empty() {
            let page = one("", None);
            return Sql::new(format!("select id from ({})", page.text), page.values);
        }
        let mut sql = Sql::new("select id from (", Vec::new());
        for (at, number) in numbers.iter().enumerate() {
            let part = one(&format!(" and {column} = ?"), Some(*number));
            let joined = if at > 0 { " union all " } else { "" };
            sql.push(&format!("{joined}select * from ({})", part.text), part.values);
        }
        let limit = [SqlValue::Integer(limit.into())];
        sql.push(") order by severity desc, id limit ?", limit);
        sql
    }
}

impl Plan {
    /// The first `limit` ids in the order of arrival, after `row`.
    pub(crate) fn arrivals(&self, row: i64, limit: u32) -> Sql {
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

/// The shortest way to the rows that match.
pub(crate) fn plan(planner: &Planner<'_>, expression: &Expression) -> Result<Plan, Error> {
    let mut condition = condition(planner, expression)?;
    if condition.known() == Some(false) {
        return Ok(Plan::of(Way::Nowhere, condition));
    }
    let mut best: Option<Best> = None;
    for part in conjuncts(expression) {
        let Expression::Is(filter) = part else { continue };
        let sql = comparison(planner, filter)?;
        let Some(index) = index(filter, &sql) else { continue };
        // Indexes of what may be absent leave it out.
        let column = column(filter.field);
        let there = format!(" and {column} is not null");
        let numbers = sql.numbers.clone();
        let mut present = sql;
        present.push(&there, []);
        let count = count_to(planner, index, &present, planner.few + 1)?;
        let way = match count {
            0 => return Ok(Plan::of(Way::Nowhere, condition)),
            count if count <= planner.few && numbers.len() != 1 => Way::Few(index),
            _ if !numbers.is_empty() && numbers.len() * condition.values.len() < BOUND => {
                Way::Merged(index)
            }
            _ => continue,
        };
        if best.as_ref().is_none_or(|best| count < best.count) {
            best = Some(Best { count, way, there, column, numbers });
        }
    }
    if best.as_ref().is_none_or(|best| best.count > planner.few)
        && let Some(applications) = few_applications(planner, expression)?
    {
        if applications.known() == Some(false) {
            return Ok(Plan::of(Way::Nowhere, condition));
        }
        condition = Sql::new(
            format!("({} and {})", applications.text, condition.text),
            applications.values.into_iter().chain(condition.values).collect(),
        );
        return Ok(Plan::of(Way::Few("findings_by_application"), condition));
    }
    let Some(best) = best else { return Ok(Plan::of(Way::All, condition)) };
    condition.push(&best.there, []);
    let is_merged = matches!(best.way, Way::Merged(_));
    let merged = if is_merged { (best.column, best.numbers) } else { ("", Vec::new()) };
    Ok(Plan { way: best.way, condition, merged })
}

/// The comparison that leaves the fewest rows.
struct Best {
    count: usize,
    way: Way,
    there: String,
    column: &'static str,
    numbers: Vec<i64>,
}

fn index(filter: &Filter, sql: &Sql) -> Option<&'static str> {
    if filter.operator == Operator::Ne
        || sql.text.contains("from texts")
        || (filter.field == Field::Id && filter.operator == Operator::Like)
        || sql.text.starts_with('+')
    {
        return None;
    }
    Some(match filter.field {
        Field::Id => "findings_by_id",
        Field::Application | Field::ApplicationName => "findings_by_application",
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
        _ => return None,
    })
}

/// How many rows match, up to a bound.
fn count_to(planner: &Planner<'_>, index: &str, sql: &Sql, bound: usize) -> Result<usize, Error> {
    let mut statement = planner.connection.prepare_cached(&format!(
        "select count(*) from (select 1 from findings indexed by {index}
            where gone = 0 and {} limit {bound})",
        sql.text
    ))?;
    Ok(statement.query_row(params_from_iter(sql.values.iter()), |row| row.get(0))?)
}

/// Where what the tallies know leaves few findings, the applications that have them.
fn few_applications(planner: &Planner<'_>, expression: &Expression) -> Result<Option<Sql>, Error> {
    let tallied: Vec<_> = conjuncts(expression)
        .into_iter()
        .filter(|part| is_tallied(part) && fields(part).iter().any(|f| *f != Field::Severity))
        .cloned()
        .collect();
    if tallied.is_empty() {
        return Ok(None);
    }
    let sql = condition(planner, &Expression::All(tallied))?;
    let values = || params_from_iter(sql.values.iter());
    let mut statement = planner.connection.prepare_cached(&format!(
        "select coalesce(sum(findings), 0) from tallies where {}",
        sql.text
    ))?;
    let matching: u64 = statement.query_row(values(), |row| row.get(0))?;
    if matching == 0 {
        return Ok(Some(Sql::truth(false)));
    }
    if matching > planner.few as u64 {
        return Ok(None);
    }
    let mut statement = planner.connection.prepare_cached(&format!(
        "select distinct application from tallies where {} limit {}",
        sql.text, planner.few
    ))?;
    let found = statement.query_map(values(), |row| row.get(0))?;
    let found: Vec<i64> = found.collect::<Result<_, _>>()?;
    let among = among("application", &found);
    let all: u64 = planner.connection.query_row(
        &format!("select sum(findings) from tallies where {}", among.text),
        params_from_iter(among.values.iter()),
        |row| row.get(0),
    )?;
    Ok((all <= SOME).then_some(among))
}
