//! A place that findings are delivered to, as it was configured.

use countersign_findings::filter::{Expression, Field, Operator, Value};
use countersign_store::{DeliveryMode, FindingRow};

use crate::decide::Taste;
use crate::group::Grouping;
use crate::receiver::Receiver;
use crate::render::rules::TicketRules;

/// Tickets that one plan makes without being asked.
pub const MAX_NEW: u32 = 25;

/// A place that findings are delivered to.
pub struct Destination {
    /// Unlike any other's.
    pub name: String,
    /// Which receiver it is.
    pub kind: &'static str,
    /// Where things go, without secrets: at another place it is another destination.
    pub place: String,
    /// What it does before anybody said otherwise.
    pub mode: DeliveryMode,
    /// Which findings it is for.
    pub filter: Expression,
    /// What a ticket is about.
    pub grouping: Grouping,
    /// More tickets than that in one plan are held until somebody approves them.
    pub max_new: u32,
    /// What a ticket says.
    pub rules: TicketRules,
    /// What is a matter of taste.
    pub taste: Taste,
    /// What speaks to it.
    pub receiver: Receiver,
}

impl Destination {
    /// Which findings a filter stands for: those of the policy context unless it says
    /// otherwise, else one flaw would have a ticket for each sandbox.
    pub fn filter_of(given: Expression) -> Expression {
        if given.asks_for(&[Field::Context]) {
            return given;
        }
        let policy = Expression::of(Field::Context, Operator::Eq, Value::Text("policy".into()));
        Expression::all([policy, given])
    }

    /// Whether its filter holds a finding.
    pub fn holds(&self, row: &FindingRow) -> bool {
        self.filter.matches(&row.finding, row.origin())
    }
}
