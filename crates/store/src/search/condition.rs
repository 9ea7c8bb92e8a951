//! What an expression asks of a row: known beforehand, or SQL with bound values.

use countersign_findings::State;
use countersign_findings::filter::{
    Expression, Field, Filter, Operator, Origin, SHORTEST_ID, Value, folded, is_like, words,
};

use super::own::list;
use super::planner::{Goal, Planner, Sql};
use crate::columns::{FIND, Kind, hash, searchable, state_code};
use crate::error::Error;
use crate::scope;
use crate::sql::{self, Value as SqlValue, engine};
use crate::tally::Counted;

/// Numbers whose rows are merged in order.
const MERGED: usize = 32;

/// Of the values of a byte.
const SIXTEENTH: u8 = 16;
/// Rows that are few enough to look through.
pub(crate) const SOME: u64 = 50_000;
/// What no text has as its number.
const NONE: i64 = -1;

/// What has to hold of a row.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// This, whatever the row.
    Known(bool),
    /// What the SQL says.
    Rows(Sql, Reach),
}

/// How the rows that meet a condition can be got at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// By looking at each.
    Scan,
    /// By an index of the column, where it has one.
    Index,
    /// By it too, and the column has one of these few numbers.
    Numbers(Vec<i64>),
}

impl Condition {
    fn scan(sql: Sql) -> Self {
        Self::Rows(sql, Reach::Scan)
    }

    pub(crate) fn into_sql(self) -> Sql {
        match self {
            Self::Known(is_true) => Sql::new(if is_true { "true" } else { "false" }, Vec::new()),
            Self::Rows(sql, _) => sql,
        }
    }
}

/// The condition that an expression is. It is never more than what it says about
/// absent values: under `not` they count as no match.
pub(crate) fn condition(
    planner: &Planner<'_>,
    expression: &Expression,
) -> Result<Condition, Error> {
    build(planner, expression, false)
}

fn build(
    planner: &Planner<'_>,
    expression: &Expression,
    is_negated: bool,
) -> Result<Condition, Error> {
    match expression {
        Expression::All(parts) => joined(planner, parts, is_negated, true),
        Expression::Any(parts) => joined(planner, parts, is_negated, false),
        Expression::Not(part) => Ok(match build(planner, part, true)? {
            Condition::Known(is_true) => Condition::Known(!is_true),
            Condition::Rows(sql, _) => Condition::scan(sql.within("not ", "")),
        }),
        Expression::Is(filter) => Ok(match (comparison(planner, filter)?, is_negated) {
            (Condition::Rows(sql, _), true) => Condition::scan(sql.within("((", ") is true)")),
            (Condition::Rows(sql, _), false) => Condition::scan(sql.within("(", ")")),
            (known, _) => known,
        }),
    }
}

/// All of the parts, or any of them. What is known beforehand is left out: an index cannot
/// be asked for in a query that is known to be empty.
fn joined(
    planner: &Planner<'_>,
    parts: &[Expression],
    is_negated: bool,
    is_all: bool,
) -> Result<Condition, Error> {
    let mut sql: Option<Sql> = None;
    for part in parts {
        let part = match build(planner, part, is_negated)? {
            Condition::Known(known) if known == is_all => continue,
            Condition::Known(known) => return Ok(Condition::Known(known)),
            Condition::Rows(part, _) => part,
        };
        match &mut sql {
            Some(sql) => {
                sql.push(if is_all { " and " } else { " or " }, []);
                sql.push(&part.text, part.values);
            }
            none => *none = Some(part.within("(", "")),
        }
    }
    Ok(match sql {
        Some(sql) => Condition::scan(sql.within("", ")")),
        None => Condition::Known(is_all),
    })
}

/// What one comparison asks.
pub(crate) fn comparison(planner: &Planner<'_>, filter: &Filter) -> Result<Condition, Error> {
    if let Some(kind) = Kind::of(filter.field) {
        return text(planner, filter, kind);
    }
    match filter.field {
        Field::State => Ok(state(filter)),
        Field::Text => search(planner, filter),
        Field::Id => Ok(id(planner, filter)),
        Field::Application | Field::ApplicationName | Field::Integration => {
            applications(planner, filter)
        }
        Field::Context => contexts(planner, filter),
        Field::Visible => visible(planner, filter),
        Field::Cwe => counted(planner, filter, Counted::Cwe),
        Field::Category => counted(planner, filter, Counted::Category),
        _ => Ok(compared(planner, column(filter.field), filter)),
    }
}

/// The column of a field that has one.
pub(crate) fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "finding_id",
        Field::Application | Field::ApplicationName | Field::Integration => "application",
        Field::Context => "context",
        Field::Visible => "(application in (select id from applications where gone = 0))",
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
        Field::Changed => "changed_ms",
        Field::New => "(kind = 0)",
        Field::Notes => "notes",
        Field::Text => "id",
    }
}

/// A column or expression against the values as they are.
fn compared_sql(planner: &Planner<'_>, column: &str, filter: &Filter) -> Sql {
    let values: Vec<SqlValue> = filter.values.iter().map(bound).collect();
    let operator = match filter.operator {
        Operator::Eq => "= ?",
        Operator::Ne => "is distinct from ?",
        Operator::Gt => "> ?",
        Operator::Gte => ">= ?",
        Operator::Lt => "< ?",
        Operator::Lte => "<= ?",
        Operator::Like => {
            let pattern = filter.values.first().and_then(Value::as_text).unwrap_or_default();
            let (sql, pattern) = engine::is_like(planner.connection, column, pattern);
            return Sql::new(sql, vec![SqlValue::Text(pattern)]);
        }
        Operator::In => return one_of(column, values),
    };
    Sql::new(format!("{column} {operator}"), values)
}

fn one_of(column: &str, values: Vec<SqlValue>) -> Sql {
    let marks = vec!["?"; values.len()].join(", ");
    Sql::new(format!("{column} in ({marks})"), values)
}

/// A column against the values as they are. What is another value is most rows.
fn compared(planner: &Planner<'_>, column: &str, filter: &Filter) -> Condition {
    let reach = match filter.operator {
        Operator::Ne => Reach::Scan,
        _ => Reach::Index,
    };
    Condition::Rows(compared_sql(planner, column, filter), reach)
}

fn bound(value: &Value) -> SqlValue {
    match value {
        Value::Text(text) => SqlValue::Text(text.clone()),
        Value::Integer(integer) => SqlValue::Integer(*integer),
        Value::Number(number) => SqlValue::Real(*number),
    }
}

/// By applications, which are few beside findings: each is held to the comparison itself.
/// An index may lack one.
fn applications(planner: &Planner<'_>, filter: &Filter) -> Result<Condition, Error> {
    if let Some(own) = planner.own {
        let found = own.applications(planner)?.iter().filter(|one| one.is(filter));
        return Ok(one_of_some(filter, found.map(|application| application.id).collect()));
    }
    let mut statement = planner.prepare(
        "select t.id, t.guid, t.name, i.name
         from applications t not indexed join integrations i on i.id = t.integration",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at)?.as_str().map_err(Error::corrupt);
        let origin = Origin { application: text(2)?, integration: text(3)?, ..Origin::default() };
        if filter.holds_application(text(1)?, origin) {
            found.push(row.get(0)?);
        }
    }
    Ok(one_of_some(filter, found))
}

/// By the names of contexts, which are few too.
fn contexts(planner: &Planner<'_>, filter: &Filter) -> Result<Condition, Error> {
    let mut select = Sql::new("select id, name from contexts not indexed", Vec::new());
    if let Some(own) = planner.own {
        let place = own.place(planner)?;
        let held = place.within(" where id in (select context from tallies where ", ")");
        select = select.then("", held);
    }
    let mut statement = planner.prepare(&select.text)?;
    let mut rows = statement.query(select.values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if filter.holds(&Value::Text(row.get(1)?)) {
            found.push(row.get(0)?);
        }
    }
    Ok(one_of_some(filter, found))
}

/// The column has one of the numbers that were found; what is another one is most rows.
fn one_of_some(filter: &Filter, found: Vec<i64>) -> Condition {
    match (among(column(filter.field), found), filter.operator) {
        (Condition::Rows(sql, _), Operator::Ne) => Condition::scan(sql),
        (among, _) => among,
    }
}

/// Which applications the account no longer sees is looked up first: few, and mostly none.
fn visible(planner: &Planner<'_>, filter: &Filter) -> Result<Condition, Error> {
    let gone = match planner.own {
        Some(own) => {
            let gone = own.applications(planner)?.iter().filter(|application| application.is_gone);
            gone.map(|application| application.id).collect()
        }
        None => {
            let select = "select id from applications not indexed where gone = 1";
            planner.numbers(Sql::new(select, Vec::new()))?
        }
    };
    let gone = among("application", gone);
    let holds = |is_visible: bool| filter.holds(&Value::Integer(is_visible.into()));
    Ok(match (holds(true), holds(false), gone) {
        (is_true, is_same, _) if is_true == is_same => Condition::Known(is_true),
        (false, _, gone) => gone,
        (true, _, Condition::Rows(sql, _)) => Condition::scan(sql.within("not ", "")),
        (true, _, Condition::Known(is_gone)) => Condition::Known(!is_gone),
    })
}

/// The column has one of these numbers.
pub(crate) fn among(column: &str, numbers: Vec<i64>) -> Condition {
    let sql = match numbers.as_slice() {
        [] => return Condition::Known(false),
        [one] => Sql::new(format!("{column} = ?"), vec![SqlValue::Integer(*one)]),
        some => Sql::new(
            format!("{column} in ({})", sql::numbers("?")),
            vec![SqlValue::Text(list(some))],
        ),
    };
    let is_few = numbers.len() <= MERGED;
    Condition::Rows(sql, if is_few { Reach::Numbers(numbers) } else { Reach::Index })
}

/// CWEs and categories are few: which of them match is looked up first.
fn counted(planner: &Planner<'_>, filter: &Filter, field: Counted) -> Result<Condition, Error> {
    if filter.operator == Operator::Ne {
        return Ok(compared(planner, column(filter.field), filter));
    }
    let compared = compared_sql(planner, "value", filter);
    let sql = match planner.own {
        Some(own) => own
            .values(field)
            .then(" and ", compared)
            .within("select distinct value from (", ") held"),
        None => {
            let select =
                format!("select distinct value from counts where field = {} and ", field as u8);
            compared.within(&select, "")
        }
    };
    Ok(among(column(filter.field), planner.numbers(sql)?))
}

/// States are few: which of them match is known beforehand.
fn state(filter: &Filter) -> Condition {
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
        return Condition::Known(false);
    }
    Condition::scan(one_of("state", matching))
}

/// Ids are bytes in the database and digits to people, who need not type all of them.
fn id(planner: &Planner<'_>, filter: &Filter) -> Condition {
    let texts = filter.values.iter().filter_map(Value::as_text);
    let named = texts.filter(|text| text.len() >= SHORTEST_ID && text.bytes().all(is_digit));
    let ranges: Vec<_> = named.filter_map(scope::id_range).collect();
    match filter.operator {
        Operator::Eq | Operator::In => named_ids(ranges),
        Operator::Ne => match named_ids(ranges) {
            Condition::Known(is_true) => Condition::Known(!is_true),
            Condition::Rows(sql, _) => Condition::scan(sql.within("not (", ")")),
        },
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => id_range(planner, filter),
        Operator::Like => Condition::scan(compared_sql(planner, "lower(hex(finding_id))", filter)),
    }
}

/// An id of one of these ranges: a whole one is a range of its own.
fn named_ids(ranges: Vec<(Vec<u8>, Vec<u8>)>) -> Condition {
    if ranges.is_empty() {
        return Condition::Known(false);
    }
    if ranges.iter().all(|(from, to)| from == to) {
        let whole = ranges.into_iter().map(|(id, _)| SqlValue::Blob(id)).collect();
        return Condition::Rows(one_of("finding_id", whole), Reach::Index);
    }
    let reach = if ranges.len() == 1 { Reach::Index } else { Reach::Scan };
    let marks = vec!["finding_id between ? and ?"; ranges.len()].join(" or ");
    let bounds = ranges.into_iter().flat_map(|(from, to)| [from, to]).map(SqlValue::Blob);
    Condition::Rows(Sql::new(format!("({marks})"), bounds.collect()), reach)
}

/// An order among digits is the same order among bytes, once the text to compare with is
/// brought to the next 20 digits that are not before it.
fn id_range(planner: &Planner<'_>, filter: &Filter) -> Condition {
    let Some(text) = filter.values.first().and_then(Value::as_text) else {
        return Condition::Known(false);
    };
    let is_exact = text.len() == 20 && text.bytes().all(is_digit);
    let takes_equal = matches!(filter.operator, Operator::Gte | Operator::Lte);
    let is_upward = matches!(filter.operator, Operator::Gt | Operator::Gte);
    let Some(bound) = not_before(text) else { return Condition::Known(!is_upward) };
    let operator = match (is_upward, is_exact && takes_equal, is_exact) {
        (true, true, _) | (true, _, false) => ">=",
        (true, false, true) => ">",
        (false, true, _) => "<=",
        (false, false, _) => "<",
    };
    // Ids are spread evenly: the first byte tells how many are left, and when they are
    // many, counting goes through the rows as they lie, not by the index: SQLite does
    // not use one for `+finding_id`.
    let first = bound.first().copied().unwrap_or_default();
    let left = if is_upward { u8::MAX - first } else { first };
    let is_many = planner.goal == Goal::Count && left > SIXTEENTH;
    let (column, reach) = match is_many || planner.own.is_some() {
        true => (engine::unindexed(planner.connection, "finding_id"), Reach::Scan),
        false => ("finding_id".to_owned(), Reach::Index),
    };
    Condition::Rows(Sql::new(format!("{column} {operator} ?"), vec![SqlValue::Blob(bound)]), reach)
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
fn text(planner: &Planner<'_>, filter: &Filter, kind: Kind) -> Result<Condition, Error> {
    let column = column(filter.field);
    match filter.operator {
        Operator::Eq | Operator::In => {
            let mut known = Vec::new();
            for text in filter.values.iter().filter_map(Value::as_text) {
                known.extend(number(planner, kind, text)?);
            }
            return Ok(among(column, known));
        }
        Operator::Ne => {
            let text = filter.values.first().and_then(Value::as_text);
            let known = text.map(|text| number(planner, kind, text)).transpose()?;
            return Ok(match known.flatten() {
                None => Condition::Known(true),
                Some(known) => Condition::scan(Sql::new(
                    format!("{column} is distinct from ?"),
                    vec![SqlValue::Integer(known)],
                )),
            });
        }
        _ => {}
    }
    let inner = compared_sql(planner, "t.text", filter);
    let mut sql = matching_texts(planner, filter, kind, &inner)?;
    sql.push(&format!(" limit {}", planner.few + 1), []);
    let found = planner.numbers(sql)?;
    if found.len() <= planner.few {
        return Ok(among(column, found));
    }
    let around = match (planner.goal, planner.own) {
        (Goal::Page, _) => format!("exists (select 1 from texts t where t.id = {column} and "),
        (Goal::Count, None) => format!(
            "{column} in (select t.id from texts t where {} = {} and ",
            by_kind(kind),
            kind as u8
        ),
        (Goal::Count, Some(_)) => {
            let matching = matching_texts(planner, filter, kind, &inner)?;
            return Ok(Condition::scan(matching.within(&format!("{column} in ("), ")")));
        }
    };
    Ok(Condition::scan(inner.within(&around, ")")))
}

/// The number of a text that is known, to the question's own integrations where it names
/// them: they are asked whether there is such a text or not, so that the work is the same.
fn number(planner: &Planner<'_>, kind: Kind, text: &str) -> Result<Option<i64>, Error> {
    let values = vec![
        SqlValue::Integer(kind as i64),
        SqlValue::Integer(hash(text)),
        SqlValue::Text(text.to_owned()),
    ];
    let found = planner.numbers(Sql::new(FIND, values))?.first().copied();
    match planner.own {
        Some(own) if !own.has(planner, kind.counted(), found.unwrap_or(NONE))? => Ok(None),
        _ => Ok(found),
    }
}

/// The texts of a kind that match: of all that there are by trigrams, where a pattern has any;
/// of the question's own integrations all are looked at, for trigrams lead to those of others.
fn matching_texts(
    planner: &Planner<'_>,
    filter: &Filter,
    kind: Kind,
    inner: &Sql,
) -> Result<Sql, Error> {
    if let Some(own) = planner.own {
        let held = own.values(kind.counted());
        let held = held.within("select id from texts t where id in (", ") and ");
        return Ok(held.then("", inner.clone()));
    }
    let mut sql = Sql::new("select id from texts t where", Vec::new());
    let pattern = filter.values.first().and_then(Value::as_text).unwrap_or_default();
    if let (Operator::Like, Some(terms)) = (filter.operator, trigrams(pattern))
        && let Some((found, value)) = engine::has_parts(planner.connection, pattern, terms)?
    {
        sql.push(&format!(" {found} and"), [SqlValue::Text(value)]);
    }
    sql.push(&format!(" {} = ? and ", by_kind(kind)), [SqlValue::Integer(kind as i64)]);
    Ok(sql.then("", inner.clone()))
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

/// Rows of the question's own integrations are looked up one by one, as long as they are
/// some: all rows that have the words are those of others too.
fn search(planner: &Planner<'_>, filter: &Filter) -> Result<Condition, Error> {
    let Some(words) = asked_words(filter) else { return Ok(Condition::Known(true)) };
    let is_each = match planner.own {
        Some(own) => own.findings(planner)? <= SOME,
        None => false,
    };
    let (sql, value) = engine::has_words(planner.connection, &words, is_each);
    Ok(Condition::scan(Sql::new(sql, vec![SqlValue::Text(value)])))
}

/// The words that are asked for; none when no word is given, which everything matches.
fn asked_words(filter: &Filter) -> Option<Vec<String>> {
    let given: Vec<_> = filter.values.iter().filter_map(Value::as_text).map(folded).collect();
    let words: Vec<_> = given.iter().flat_map(|text| words(text)).map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}
