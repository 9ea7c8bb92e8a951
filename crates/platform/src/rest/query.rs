//! Query strings, read leniently: unknown parameters do not matter, booleans
//! come in any spelling, lists repeated or comma-separated.

use countersign_wire::hal::parse_truth;

use super::error::Refusal;
use countersign_tenant::list::Window;

#[cfg(test)]
mod described;

/// A query parameter: links name it, the document describes it.
#[derive(Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "the tests make the document"))]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    kind: Kind,
    about: &'static str,
}

/// What a parameter holds.
#[derive(Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "the tests make the document"))]
pub(crate) enum Kind {
    Text,
    Guid,
    /// From, to.
    Integer(i64, i64),
    /// 0 to 10.
    Score,
    Truth,
    Day,
    OneOf(&'static [&'static str]),
    /// Several, comma-separated.
    Each(&'static Kind),
}

pub(crate) const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

/// A name under which operations list their parameters; `paged` ones have `page`
/// and `size` as well.
macro_rules! parameters {
    ($name:ident, $parameters:expr $(, $paged:ident)?) => {
        #[cfg(test)]
        pub(crate) enum $name {}

        #[cfg(test)]
        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let parameters: &[$crate::rest::query::Parameter] = $parameters;
                let paging: &[$crate::rest::query::Parameter] =
                    $crate::rest::query::parameters!(@ $($paged)?);
                parameters.iter().chain(paging).map(|parameter| parameter.described()).collect()
            }
        }
    };
    (@ paged) => { $crate::rest::query::PAGING };
    (@) => { &[] };
}
pub(crate) use parameters;

pub(crate) const PAGING: &[Parameter] = &[
    parameter("page", Kind::Integer(0, i64::MAX), "Page, from 0."),
    parameter("size", Kind::Integer(1, i64::MAX), "Elements of a page; more than fit are cut."),
];

/// A list of each weakness that there is fits.
const MOST_VALUES: usize = 500;

parameters!(Pages, &[], paged);
parameters!(Context, &[CONTEXT]);

pub(crate) const CONTEXT: Parameter =
    parameter("context", Kind::Guid, "A sandbox; without it the policy context.");

/// The decoded pairs, read as the service reads them.
pub(crate) struct Query(countersign_web::query::Query);

/// More than a head has room for.
const MAX_PAIRS: usize = 8192;

impl From<countersign_web::query::Query> for Query {
    fn from(query: countersign_web::query::Query) -> Self {
        Self(query)
    }
}

/// Which page of what size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    pub(crate) number: u64,
    pub(crate) size: u64,
}

impl Paging {
    pub(crate) fn offset(self) -> u64 {
        self.number.saturating_mul(self.size).min(i64::MAX as u64)
    }

    pub(crate) fn window(self) -> Window {
        Window { limit: self.size, offset: self.offset(), sort: None }
    }
}

impl Query {
    pub(crate) fn parse(raw: Option<&str>) -> Self {
        Self(countersign_web::query::Query::parse(raw.unwrap_or_default(), MAX_PAIRS))
    }

    /// What it finds; where that is nothing, what it finds as some clients mean it.
    pub(crate) fn found<T>(
        &self,
        mut ask: impl FnMut(&Self) -> Result<(Vec<T>, u64), Refusal>,
    ) -> Result<(Vec<T>, u64), Refusal> {
        let found = ask(self)?;
        if found.1 == 0
            && let Some(again) = self.0.decoded_again()
        {
            return ask(&Self(again));
        }
        Ok(found)
    }

    /// The first value that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    /// All values, repeated or comma-separated.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.0.list(name).collect()
    }

    /// All values of a filter: a statement grows with them.
    pub(crate) fn filter(&self, name: &str) -> Result<Vec<&str>, Refusal> {
        let values = self.list(name);
        match values.len() {
            0..=MOST_VALUES => Ok(values),
            _ => Err(wrong(name, &format!("at most {MOST_VALUES} values"))),
        }
    }

    /// One of a closed set of words; `expected` describes them.
    pub(crate) fn word(
        &self,
        name: &str,
        known: &[&str],
        expected: &str,
    ) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            Some(word) if !known.contains(&word) => Err(wrong(name, expected)),
            word => Ok(word.map(String::from)),
        }
    }

    /// The same, parsed.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let parsed = |word| parse(word).ok_or_else(|| wrong(name, expected));
        self.get(name).map(parsed).transpose()
    }

    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.get(name)
            .map(|text| parse_truth(text).ok_or_else(|| wrong(name, "true or false")))
            .transpose()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.get(name).map(|text| text.parse().map_err(|_| wrong(name, "a number"))).transpose()
    }

    /// Milliseconds of a day or of a time.
    pub(crate) fn date(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let day = format!("{text}T00:00:00Z");
        let time: Option<jiff::Timestamp> = text.parse().ok().or_else(|| day.parse().ok());
        match time {
            Some(time) => Ok(Some(time.as_millisecond())),
            None => Err(wrong(name, "a date such as 2026-11-24")),
        }
    }

    /// Page from 0; a size above 500 is taken as 500.
    pub(crate) fn paging(&self, default_size: u64, most: u64) -> Result<Paging, Refusal> {
        let number = match self.get("page") {
            Some(text) => text.parse().map_err(|_| wrong("page", "a number of at least 0"))?,
            None => 0,
        };
        let size = match self.get("size") {
            Some(text) => text.parse().ok().filter(|size: &u64| *size > 0),
            None => Some(default_size),
        };
        let size = size.ok_or_else(|| wrong("size", "a number of at least 1"))?;
        Ok(Paging { number, size: size.min(most) })
    }
}

/// For the value of a link: commas are encoded as well, as the service does it.
pub(crate) fn encode(text: &str) -> String {
    countersign_web::query::encode(text).replace(',', "%2C")
}

/// The values of a filter, to keep.
pub(crate) fn owned(values: Vec<&str>) -> Vec<String> {
    values.into_iter().map(String::from).collect()
}

pub(crate) fn wrong(name: &str, expected: &str) -> Refusal {
    Refusal::bad_parameter(name, &format!("The parameter {name} must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let query = Query::parse(Some("a=TRUE&b=&c=x%2540y&d=1,2&d=3&e=%zz&f=a+b&size=1000"));
        assert_eq!(query.truth("a").unwrap(), Some(true));
        assert_eq!((query.get("b"), query.get("c")), (None, Some("x%40y")));
        assert_eq!(query.list("d"), ["1", "2", "3"]);
        assert_eq!(query.paging(20, 500).unwrap().size, 500);
        for bad in ["size=0", "size=-1", "size=x", "page=-1", "page=x"] {
            assert!(Query::parse(Some(bad)).paging(20, 500).is_err(), "{bad}");
        }
    }
}
