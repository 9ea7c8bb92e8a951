//! Names in filters that nothing is called: what would match nothing is said, with the
//! nearest names that there are.

use std::collections::BTreeSet;
use std::fmt;

use countersign_findings::filter::{Expression, Field, Filter, Operator, Origin, nearest};

use crate::error::Error;
use crate::store::Store;

/// A name that nothing is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// What was asked for.
    pub field: Field,
    /// By which name.
    pub name: String,
    /// The nearest that there are.
    pub nearest: Vec<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, list) = match self.field {
            Field::Integration => ("integration", "countersign integration list"),
            _ => ("application", "countersign applications"),
        };
        write!(f, "no {what} is called `{}`\nhint: ", self.name)?;
        match self.nearest.as_slice() {
            [] => write!(f, "none is stored yet; `countersign sync` downloads them"),
            [one] => write!(f, "`{one}` is the nearest; `{list}` lists all"),
            some => write!(f, "the nearest are {}; `{list}` lists all", quoted(some)),
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Names that are proposed.
const PROPOSED: usize = 3;

impl Store {
    /// The first application or integration that a filter asks for by a name that none
    /// has: it would match nothing.
    pub async fn unknown_name(&self, filter: &Expression) -> Result<Option<UnknownName>, Error> {
        self.unknown_name_within(filter, None).await
    }

    /// The same for a reader who knows of the integrations with these names alone, and of
    /// all without the list: names of others are unknown and never proposed.
    pub async fn unknown_name_within(
        &self,
        filter: &Expression,
        integrations: Option<&[String]>,
    ) -> Result<Option<UnknownName>, Error> {
        let mut asked = Vec::new();
        comparisons(filter, &mut asked);
        if asked.is_empty() {
            return Ok(None);
        }
        let is_within = |name: &String| integrations.is_none_or(|names| names.contains(name));
        let mut applications = self.applications().await?;
        applications.retain(|row| is_within(&row.integration));
        let mut integrations = self.owned_integrations(None).await?;
        integrations.retain(|one| is_within(&one.name));
        for filter in asked {
            let is_integration = filter.field == Field::Integration;
            for value in &filter.values {
                let one = Filter { values: vec![value.clone()], ..filter.clone() };
                let is_known = match is_integration {
                    true => integrations.iter().any(|it| {
                        let origin = Origin { integration: &it.name, ..Origin::default() };
                        one.holds_application("", origin)
                    }),
                    false => applications.iter().any(|row| {
                        let (guid, name) = (row.application.guid.as_str(), &row.application.name);
                        let origin = Origin {
                            integration: &row.integration,
                            application: name,
                            ..Origin::default()
                        };
                        one.holds_application(guid, origin)
                    }),
                };
                if is_known {
                    continue;
                }
                let names: BTreeSet<&str> = match is_integration {
                    true => integrations.iter().map(|it| it.name.as_str()).collect(),
                    false => applications.iter().map(|row| row.application.name.as_str()).collect(),
                };
                let name = value.as_text().unwrap_or_default().to_owned();
                let nearest = nearest(&name, names, PROPOSED);
                let nearest = nearest.into_iter().map(str::to_owned).collect();
                return Ok(Some(UnknownName { field: filter.field, name, nearest }));
            }
        }
        Ok(None)
    }
}

/// The comparisons that ask for something by its name.
fn comparisons(expression: &Expression, found: &mut Vec<Filter>) {
    match expression {
        Expression::Is(filter) => {
            let is_name = matches!(
                filter.field,
                Field::Application | Field::ApplicationName | Field::Integration
            );
            let is_equal = matches!(filter.operator, Operator::Eq | Operator::In | Operator::Ne);
            if is_name && is_equal {
                let operator = Operator::Eq;
                found.push(Filter { operator, ..filter.clone() });
            }
        }
        Expression::All(parts) | Expression::Any(parts) => {
            parts.iter().for_each(|part| comparisons(part, found));
        }
        Expression::Not(part) => comparisons(part, found),
    }
}
