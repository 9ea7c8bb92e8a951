//! The parameters of a read.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::operation::Operation;
use crate::problem::Problem;

/// Parameters that are looked at; more are refused.
const MOST: usize = 64;
const USUAL_LIMIT: u32 = 100;
const MOST_LIMIT: u32 = 5000;
/// What counts everything.
const COUNT: &str = "*";

/// What a read was asked for, beside its path.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) limit: u32,
    pub(crate) cursor: Option<String>,
    /// As they were given; all must hold.
    pub(crate) filters: Vec<String>,
    pub(crate) with_raw: bool,
    /// Whether the answer says how many there are.
    pub(crate) with_count: bool,
    /// What could not be done and did not stop the request.
    pub(crate) problems: Vec<Problem>,
}

impl Asked {
    fn read(query: &str, operation: Operation) -> Result<Self, Problem> {
        if query.split('&').count() > MOST {
            return Err(Problem::bad_request(format!("there are more than {MOST} parameters")));
        }
        let pairs = form_urlencoded::parse(query.as_bytes());
        let mut asked = Self {
            limit: USUAL_LIMIT,
            cursor: None,
            filters: Vec::new(),
            with_raw: false,
            with_count: false,
            problems: Vec::new(),
        };
        for (name, value) in pairs {
            asked.take(&name, &value, operation)?;
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str, operation: Operation) -> Result<(), Problem> {
        let is_creating = operation == Operation::CreateFindings;
        let has_pages = operation != Operation::GetFindingDetails && !is_creating;
        let has_filter = has_pages && operation != Operation::QueryApplicationScans;
        match name {
            "limit" if has_pages => self.limit = limit(value)?,
            "cursor" if has_pages => self.cursor = Some(value.to_owned()).filter(|c| !c.is_empty()),
            "filter" if has_filter => self.filters.push(value.to_owned()),
            "order" if has_filter => order(value)?,
            "meta" => self.meta(value),
            "include_raw_data" if !is_creating => self.with_raw = truth(name, value)?,
            _ => {
                let message = format!("`{}` has no such parameter", operation.id());
                return Err(Problem::query(name, value, message));
            }
        }
        Ok(())
    }

    /// A function over the answer. One that is not known changes nothing, and that is said.
    fn meta(&mut self, value: &str) {
        let argument = value
            .strip_prefix("stats/count(")
            .and_then(|rest| rest.strip_suffix(')'))
            .map(|path| path.trim().trim_matches(['[', ']', '"']));
        match argument {
            Some("" | COUNT) => self.with_count = true,
            _ => self.problems.push(
                Problem::query(
                    "meta",
                    value,
                    "this function is not known; the answer is without it",
                )
                .with_remediation("use `meta=stats/count()`"),
            ),
        }
    }
}

fn limit(value: &str) -> Result<u32, Problem> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("a limit is a number from 1 to {MOST_LIMIT}");
        return Err(Problem::query("limit", value, message));
    }
    // More digits than a number holds are more than the most.
    match value.parse::<u32>().unwrap_or(MOST_LIMIT) {
        0 => Ok(USUAL_LIMIT),
        limit => Ok(limit.min(MOST_LIMIT)),
    }
}

/// Pages are complete in one order alone: that of arrival, which nothing that changes between
/// two pages can disturb.
fn order(value: &str) -> Result<(), Problem> {
    match value {
        "" | ARRIVAL => Ok(()),
        _ => Err(Problem::query("order", value, "pages have one order, which no sync disturbs")
            .with_remediation(format!("leave `order` out, or use `order={ARRIVAL}`"))),
    }
}

/// The only order, by its name.
pub(crate) const ARRIVAL: &str = "arrival[asc]";

fn truth(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(Problem::query(name, value, "this is `true` or `false`")),
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let operation = parts.extensions.get::<Operation>().copied();
        let operation = operation.unwrap_or(Operation::QueryFindings);
        Self::read(parts.uri.query().unwrap_or_default(), operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, Problem> {
        Asked::read(query, Operation::QueryFindings)
    }

    #[test]
    fn limits_are_clamped_and_refused() {
        for (text, limit) in [
            ("", 100),
            ("limit=0", 100),
            ("limit=7", 7),
            ("limit=5001", 5000),
            ("limit=99999999999999999999999999", 5000),
        ] {
            assert_eq!(read(text).unwrap().limit, limit, "{text}");
        }
        for wrong in ["limit=", "limit=-1", "limit=x", "limit=1.5", "limit=%2B5"] {
            assert_eq!(read(wrong).unwrap_err().status(), 400, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_or_said() {
        for wrong in ["fliter=a", "order=severity[desc]", "include_raw_data=yes", "x"] {
            assert_eq!(read(wrong).unwrap_err().status(), 400, "{wrong}");
        }
        let asked = read("meta=stats/count()&meta=api/response(all)&cursor=").unwrap();
        assert!(asked.with_count && asked.problems.len() == 1 && asked.cursor.is_none());
        let details = |query| Asked::read(query, Operation::GetFindingDetails);
        assert!(details("include_raw_data=true").unwrap().with_raw);
        for wrong in ["limit=1", "filter=a", "cursor=x"] {
            assert!(details(wrong).is_err(), "{wrong}");
        }
        assert!(Asked::read("filter=a", Operation::QueryApplicationScans).is_err());
        assert!(read(&"filter=a&".repeat(65)).is_err());
    }
}
