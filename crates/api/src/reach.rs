//! Which part of the store a caller reaches. Every read that is answered to a caller goes
//! through a [`Reach`]; what is outside of it does not exist for them: it is not counted,
//! not named and not proposed.

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_store::{ApplicationRow, FindingRow};

/// What a caller may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Everything that is stored.
    Everything,
    /// What the integrations with these names downloaded; without a name, nothing.
    Integrations(Vec<String>),
}

impl Reach {
    /// What is asked for, as far as the caller reaches: the filter of every read.
    pub fn within(&self, asked: Expression) -> Expression {
        match self {
            Self::Everything => asked,
            Self::Integrations(names) => {
                let values = names.iter().cloned().map(Value::Text).collect();
                let own = Filter { field: Field::Integration, operator: Operator::In, values };
                Expression::all([asked, own.into()])
            }
        }
    }

    /// The names as the store's readers accept them; none for everything.
    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::Everything => None,
            Self::Integrations(names) => Some(names),
        }
    }

    /// Whether the caller reaches the integration with this name.
    pub fn holds(&self, integration: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|name| name == integration))
    }

    /// Whether the caller reaches this finding.
    pub fn holds_finding(&self, row: &FindingRow) -> bool {
        self.holds(&row.integration)
    }

    /// Whether the caller reaches this application.
    pub fn holds_application(&self, row: &ApplicationRow) -> bool {
        self.holds(&row.integration)
    }
}
