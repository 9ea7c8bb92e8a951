//! Parameters of the query string. What an operation does not know is refused, so that a
//! list is never longer or shorter than its caller believes.

use axum::Json;
use countersign_findings::filter::is_like;
use countersign_findings::{parse_time, rfc3339};
use serde_json::{Value, json};

use super::Answer;
use crate::problem::Problem;

/// Of a list, unless told otherwise, and at most.
pub(super) const LIMIT: usize = 100;
pub(super) const MOST: usize = 5000;

/// What a list may be asked by.
pub(super) struct Asked {
    /// Members that it can be filtered and ordered by.
    pub(super) fields: &'static [&'static str],
    /// Words that `expand` accepts.
    pub(super) expand: &'static [&'static str],
    /// Whether it counts.
    pub(super) total: bool,
}

/// A list that was asked for.
pub(super) struct List {
    limit: usize,
    start_after: Option<String>,
    order: Vec<(&'static str, bool)>,
    filters: Vec<Filter>,
    total: bool,
    expand: Vec<String>,
}

struct Filter {
    field: &'static str,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
    Like,
    NotLike,
}

impl Operator {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" | "neq" => Self::Ne,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "in" => Self::In,
            "not in" => Self::NotIn,
            "like" => Self::Like,
            "not like" => Self::NotLike,
            _ => return None,
        })
    }
}

/// Refuses every parameter.
pub(super) fn none(query: Option<&str>) -> Result<(), Problem> {
    expanded(query, &[]).map(drop)
}

/// The words of `expand`; every other parameter is refused.
pub(super) fn expanded(query: Option<&str>, words: &[&str]) -> Result<Vec<String>, Problem> {
    let mut expand = Vec::new();
    for (name, value) in pairs(query) {
        match name.as_str() {
            "expand" if !words.is_empty() => expand.push(word(&value, words)?),
            _ => return Err(unknown(&name, &value)),
        }
    }
    Ok(expand)
}

pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

pub(super) fn unknown(name: &str, value: &str) -> Problem {
    Problem::query(name, value, "this parameter is not supported here")
}

fn word(value: &str, words: &[&str]) -> Result<String, Problem> {
    match words.contains(&value) {
        true => Ok(value.to_owned()),
        false => {
            let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>();
            let message = format!("this is one of {}", words.join(", "));
            Err(Problem::query("expand", value, message))
        }
    }
}

impl List {
    /// What a query string asks for.
    pub(super) fn of(query: Option<&str>, asked: &Asked) -> Result<Self, Problem> {
        let mut list = Self {
            limit: LIMIT,
            start_after: None,
            order: Vec::new(),
            filters: Vec::new(),
            total: false,
            expand: Vec::new(),
        };
        for (name, value) in pairs(query) {
            match name.as_str() {
                "limit" => list.limit = limit(&value)?,
                "start_after" => list.start_after = Some(value),
                "order" => list.order.push(order(&value, asked.fields)?),
                "filter" => list.filters.push(Filter::of(&value, asked.fields)?),
                "total" if asked.total => {
                    let wrong = |_| Problem::query("total", &value, "this is `true` or `false`");
                    list.total = value.parse().map_err(wrong)?;
                }
                "expand" if !asked.expand.is_empty() => {
                    list.expand.push(word(&value, asked.expand)?);
                }
                _ => return Err(unknown(&name, &value)),
            }
        }
        Ok(list)
    }

    /// Whether one of these is to be expanded.
    pub(super) fn expands(&self, words: &[&str]) -> bool {
        self.expand.iter().any(|word| words.contains(&word.as_str()))
    }

    /// The answer, out of all that there is, which is ordered by name.
    pub(super) fn answer(self, all: Vec<Value>) -> Answer {
        let mut found: Vec<_> =
            all.into_iter().filter(|one| self.filters.iter().all(|by| by.matches(one))).collect();
        // The last key first: each sort keeps the order of those before.
        for (field, is_ascending) in self.order.iter().rev() {
            found.sort_by(|a, b| {
                let order = text(a, field).cmp(&text(b, field));
                if *is_ascending { order } else { order.reverse() }
            });
        }
        let total = found.len();
        if let Some(name) = &self.start_after {
            let at = found.iter().position(|one| one["name"] == name.as_str());
            let at = at.map(|at| at + 1).or_else(|| {
                let is_after = |one: &Value| text(one, "name").as_deref() > Some(name.as_str());
                let first = found.iter().position(is_after).unwrap_or(total);
                self.order.is_empty().then_some(first)
            });
            let gone = || Problem::query("start_after", name, "this name is not in the list");
            found.drain(..at.ok_or_else(gone)?);
        }
        found.truncate(self.limit);
        let mut answer = json!({ "result": found });
        if self.total {
            answer["total"] = total.into();
        }
        Ok(Json(answer))
    }
}

fn limit(value: &str) -> Result<usize, Problem> {
    match value.parse() {
        Ok(0) => Ok(LIMIT),
        Ok(limit) => Ok(usize::min(limit, MOST)),
        Err(_) => Err(Problem::query("limit", value, "this is a number from 0")),
    }
}

fn order(value: &str, fields: &[&'static str]) -> Result<(&'static str, bool), Problem> {
    let wrong = || Problem::query("order", value, "this is `field[asc]` or `field[desc]`");
    // Upwards, unless it says otherwise.
    let (name, rest) = value.split_once('[').unwrap_or((value, "asc]"));
    let is_ascending = match rest {
        "asc]" => true,
        "desc]" => false,
        _ => return Err(wrong()),
    };
    Ok((field(name, fields).ok_or_else(|| no_field("order", value, fields))?, is_ascending))
}

fn field(name: &str, fields: &[&'static str]) -> Option<&'static str> {
    fields.iter().copied().find(|field| *field == name)
}

fn no_field(parameter: &str, value: &str, fields: &[&str]) -> Problem {
    let message = format!("the field is one of {}", fields.join(", "));
    Problem::query(parameter, value, message)
}

impl Filter {
    fn of(text: &str, fields: &[&'static str]) -> Result<Self, Problem> {
        let wrong = || Problem::query("filter", text, "this is `field[operator]value`");
        let (name, rest) = text.split_once('[').ok_or_else(wrong)?;
        let (operator, value) = rest.split_once(']').ok_or_else(wrong)?;
        let field = field(name, fields).ok_or_else(|| no_field("filter", text, fields))?;
        let operator = Operator::of(operator).ok_or_else(wrong)?;
        let parts: Vec<_> = match operator {
            Operator::In | Operator::NotIn => value.split(',').collect(),
            _ => vec![value],
        };
        let values = parts.into_iter().map(|part| {
            let part = part.trim();
            let bare = part.strip_prefix('"').and_then(|part| part.strip_suffix('"'));
            let bare = bare.unwrap_or(part);
            if !field.ends_with("_at") {
                return Ok(bare.to_lowercase());
            }
            let time = parse_time(bare);
            time.map(rfc3339).ok_or_else(|| Problem::query("filter", text, "the value is no time"))
        });
        Ok(Self { field, operator, values: values.collect::<Result<_, _>>()? })
    }

    /// Texts are compared without their case; a list matches by any of its values.
    fn matches(&self, object: &Value) -> bool {
        let held: Vec<String> = match &object[self.field] {
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).map(str::to_lowercase).collect()
            }
            Value::String(text) if self.field.ends_with("_at") => vec![text.clone()],
            Value::String(text) => vec![text.to_lowercase()],
            _ => Vec::new(),
        };
        let any = |is: &dyn Fn(&str, &str) -> bool| {
            held.iter().any(|held| self.values.iter().any(|value| is(held, value)))
        };
        // `%` is the `*` of some clients.
        let like = |held: &str, value: &str| is_like(held, &value.replace('%', "*"));
        match self.operator {
            Operator::Eq | Operator::In => any(&|held, value| held == value),
            Operator::Ne | Operator::NotIn => !any(&|held, value| held == value),
            Operator::Lt => any(&|held, value| held < value),
            Operator::Lte => any(&|held, value| held <= value),
            Operator::Gt => any(&|held, value| held > value),
            Operator::Gte => any(&|held, value| held >= value),
            Operator::Like => any(&like),
            Operator::NotLike => !any(&like),
        }
    }
}

fn text(object: &Value, field: &str) -> Option<String> {
    object[field].as_str().map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked =
        Asked { fields: &["name", "labels", "created_at"], expand: &["account"], total: true };

    fn listed(query: &str) -> Result<Vec<String>, String> {
        let all = [("a", "x", 1), ("ab", "y", 3), ("c", "x", 2)].map(|(name, label, ms)| {
            json!({"name": name, "labels": [label], "created_at": rfc3339(ms * 1000)})
        });
        let answer = List::of(Some(query), &ASKED).and_then(|list| list.answer(all.into()));
        let answer = answer.map_err(|problem| {
            problem.object("", 0)["context"]["parameter"]["id"].as_str().unwrap_or("").to_owned()
        })?;
        let names = answer.0["result"].as_array().cloned().unwrap_or_default();
        Ok(names.iter().map(|one| one["name"].as_str().unwrap_or("").to_owned()).collect())
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_the_name_of_its_parameter() {
        for (query, parameter) in [
            ("colour=red", "colour"),
            ("limit=-1", "limit"),
            ("limit=x", "limit"),
            ("order=name[up]", "order"),
            ("order=colour[asc]", "order"),
            ("filter=name", "filter"),
            ("filter=colour[eq]red", "filter"),
            ("filter=name[is]a", "filter"),
            ("filter=created_at[gt]soon", "filter"),
            ("total=1", "total"),
            ("expand=moon", "expand"),
            ("order=name[desc]&start_after=b", "start_after"),
        ] {
            assert_eq!(listed(query), Err(parameter.to_owned()), "{query}");
        }
    }

    #[test]
    fn a_list_is_filtered_ordered_and_cut() {
        for (query, names) in [
            ("", &["a", "ab", "c"][..]),
            ("limit=0&expand=account&total=true", &["a", "ab", "c"]),
            ("limit=2", &["a", "ab"]),
            ("start_after=a", &["ab", "c"]),
            ("start_after=b", &["c"]),
            ("start_after=z", &[]),
            ("order=created_at[desc]", &["ab", "c", "a"]),
            ("order=created_at%5Bdesc%5D&start_after=ab&limit=1", &["c"]),
            ("filter=name[eq]A", &["a"]),
            ("filter=name[ne]a&filter=name[neq]c", &["ab"]),
            ("filter=name[in]a,+\"c\"", &["a", "c"]),
            ("filter=name[not+in]a,c", &["ab"]),
            ("filter=name[like]a*", &["a", "ab"]),
            ("filter=name[like]%25b", &["ab"]),
            ("filter=name[not+like]a%25", &["c"]),
            ("filter=labels[eq]x", &["a", "c"]),
            ("filter=created_at[gte]1970-01-01T00:00:02Z", &["ab", "c"]),
        ] {
            let expected: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(listed(query), Ok(expected), "{query}");
        }
    }
}
