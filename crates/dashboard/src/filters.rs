//! Filters in addresses: read with their complaint, written as links that add or take
//! away a condition.

use countersign_findings::Population;
use countersign_findings::filter::{Expression, Field, Filter, Operator, Type, Value};
use countersign_store::Store;
use countersign_web::query::encode;

use super::query::{Query, link};
use super::web::Stop;

/// What the filter of a page is.
pub(super) struct Asked {
    /// As it was typed, for the field.
    pub(super) text: String,
    /// What it means; everything where it cannot be read.
    pub(super) expression: Expression,
    /// Why it cannot be read.
    pub(super) complaint: Option<String>,
}

impl Asked {
    /// What a list shows: the open ones of what is usually counted where nothing is asked
    /// for, everything where the filter is left empty.
    pub(super) fn listed(query: &Query, now_ms: i64) -> Self {
        if query.has("filter") {
            return Self::read(query, now_ms);
        }
        let expression = Population::OPEN.filter();
        Self { text: expression.to_string(), expression, complaint: None }
    }

    /// With a complaint where it asks for a name that nothing has: that would match nothing
    /// without a word.
    pub(super) async fn known(self, store: &Store) -> Result<Self, Stop> {
        match (&self.complaint, store.unknown_name(&self.expression).await?) {
            (None, Some(unknown)) => Ok(Self { complaint: Some(unknown.to_string()), ..self }),
            _ => Ok(self),
        }
    }

    /// All `filter` parameters together; ages in them are told from `now_ms`.
    pub(super) fn read(query: &Query, now_ms: i64) -> Self {
        let texts: Vec<_> = query.all("filter").collect();
        let parsed: Result<Vec<_>, _> = texts
            .iter()
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
            .map(|text| Expression::parse(text, now_ms))
            .collect();
        match parsed {
            Ok(parts) => {
                let expression = Expression::all(parts);
                let text = match texts[..] {
                    [one] => one.to_owned(),
                    _ => written(&expression),
                };
                Self { text, expression, complaint: None }
            }
            Err(error) => Self {
                text: texts.join(" and "),
                expression: Expression::default(),
                complaint: Some(error.to_string()),
            },
        }
    }
}

/// As filters are written; nothing for everything.
pub(super) fn written(expression: &Expression) -> String {
    match expression.is_everything() {
        true => String::new(),
        false => expression.to_string(),
    }
}

/// The list of the findings that match.
pub(super) fn findings(expression: &Expression) -> String {
    findings_page(expression, "")
}

/// One page of it. An address without a filter is the list of the open ones of what is
/// usually counted, so that one of everything has to say so.
pub(super) fn findings_page(expression: &Expression, page: &str) -> String {
    if *expression == Population::OPEN.filter() {
        return link("/findings", &[("page", page)]);
    }
    match (expression.is_everything(), page.is_empty()) {
        (false, _) => link("/findings", &[("filter", &written(expression)), ("page", page)]),
        (true, true) => "/findings?filter=".to_owned(),
        (true, false) => format!("/findings?filter=&page={}", encode(page)),
    }
}

/// `field[eq]value`; none where the field has no such value.
pub(super) fn is(field: Field, value: &str) -> Option<Expression> {
    let value = match field.type_() {
        Type::Text => Value::Text(value.to_owned()),
        Type::Integer => Value::Integer(value.parse().ok()?),
        Type::Truth => Value::Integer(i64::from(value == "true")),
        Type::Number => Value::Number(value.parse().ok()?),
        _ => return None,
    };
    Some(Expression::Is(Filter { field, operator: Operator::Eq, values: vec![value] }))
}

/// Conditions that must all hold; those that cannot be said are left out.
pub(super) fn all(conditions: &[(Field, &str)]) -> Expression {
    Expression::all(conditions.iter().filter_map(|(field, value)| is(*field, value)))
}

/// A filter seen from one field: the values that it is narrowed to, and the rest.
pub(super) struct Facet {
    field: Field,
    chosen: Vec<Value>,
    rest: Vec<Expression>,
}

impl Facet {
    pub(super) fn of(expression: &Expression, field: Field) -> Self {
        let (mut chosen, mut rest) = (Vec::new(), Vec::new());
        for part in expression.conjuncts() {
            match part {
                // A second one narrows further than links can say.
                Expression::Is(filter)
                    if filter.field == field
                        && matches!(filter.operator, Operator::Eq | Operator::In)
                        && chosen.is_empty() =>
                {
                    chosen.clone_from(&filter.values);
                }
                other => rest.push(other.clone()),
            }
        }
        Self { field, chosen, rest }
    }

    /// What its values are counted among.
    pub(super) fn rest(&self) -> Expression {
        Expression::all(self.rest.clone())
    }

    /// Whether it narrows to what one of the conditions of a filter does.
    pub(super) fn is_of(&self, filter: &Expression) -> bool {
        let own = Self::of(filter, self.field);
        own.is_narrowed() && own.chosen == self.chosen
    }

    /// Whether it narrows at all.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// Whether a value is chosen, and the filter with that turned around.
    pub(super) fn toggled(&self, value: &str) -> Option<(bool, Expression)> {
        let Expression::Is(Filter { values, .. }) = is(self.field, value)? else { return None };
        let value = values.into_iter().next()?;
        let is_chosen = self.chosen.contains(&value);
        let mut chosen: Vec<_> = self.chosen.iter().filter(|one| **one != value).cloned().collect();
        if !is_chosen {
            chosen.push(value);
        }
        let operator = if chosen.len() == 1 { Operator::Eq } else { Operator::In };
        let is_left = !chosen.is_empty();
        let own = Expression::Is(Filter { field: self.field, operator, values: chosen });
        let own = is_left.then_some(own);
        let parts = self.rest.iter().cloned().chain(own);
        Some((is_chosen, Expression::all(parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Expression {
        text.parse().unwrap()
    }

    #[test]
    fn values_come_and_go() {
        let filter = read("title[like]injection and severity[eq]4");
        let facet = Facet::of(&filter, Field::Severity);
        assert_eq!(written(&facet.rest()), "title[like]injection");
        let (is_chosen, both) = facet.toggled("5").unwrap();
        assert!(!is_chosen);
        assert_eq!(both, read("title[like]injection and severity[in]4,5"));
        let (is_chosen, four) = Facet::of(&both, Field::Severity).toggled("5").unwrap();
        assert!(is_chosen);
        assert_eq!(four, filter);
        let (_, none) = Facet::of(&filter, Field::Severity).toggled("4").unwrap();
        assert_eq!(written(&none), "title[like]injection");
    }

    #[test]
    fn what_links_cannot_say_stays() {
        let filter = read("severity[gte]3 and not state[eq]fixed");
        let (_, more) = Facet::of(&filter, Field::State).toggled("open").unwrap();
        assert_eq!(more, read("severity[gte]3 and not state[eq]fixed and state[eq]open"));
        assert!(is(Field::FirstFound, "yesterday").is_none());
    }

    #[test]
    fn any_value_survives_the_address() {
        for value in ["a and b", "\"x\" (y)", "a,b", "\u{202e}", "]", ""] {
            let expression = is(Field::Component, value).unwrap();
            let address = findings(&expression);
            let query = Query::parse(address.split_once('?').map_or("", |(_, query)| query), 64);
            assert_eq!(Asked::read(&query, 0).expression, expression, "{address}");
        }
    }

    #[test]
    fn a_complaint_keeps_what_was_typed() {
        let asked = Asked::read(&Query::parse("filter=sevrity%5Bgte%5D4", 64), 0);
        assert_eq!(asked.text, "sevrity[gte]4");
        assert!(asked.complaint.unwrap().contains("severity"));
        assert!(asked.expression.is_everything());
    }
}
