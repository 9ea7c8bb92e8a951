//! What is stored, as the formats take it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use countersign_findings::filter::{Expression, Field, Filter, Operator, Value};
use countersign_findings::{Application, Context};
use countersign_formats::{Item, Last};
use countersign_store::{ApplicationRow, ChangeKind, FindingRow};
use serde_json::json;

/// The applications of every integration, by integration and guid.
#[derive(Debug)]
pub struct Applications(HashMap<String, HashMap<String, Application>>);

impl Applications {
    /// Those that the store holds.
    pub fn new(rows: Vec<ApplicationRow>) -> Self {
        let mut known: HashMap<String, HashMap<String, Application>> = HashMap::new();
        for row in rows {
            let guid = row.application.guid.to_string();
            known.entry(row.integration).or_default().insert(guid, row.application);
        }
        Self(known)
    }

    /// The application of a finding. Of one that a sync brought in after they were read,
    /// what the row itself tells.
    ///
    /// # Errors
    ///
    /// When what the row tells makes no application.
    pub fn of(
        &self,
        row: &FindingRow,
    ) -> Result<Cow<'_, Application>, countersign_findings::Undecodable> {
        let guid = row.finding.application.as_str();
        if let Some(known) = self.0.get(&row.integration).and_then(|of| of.get(guid)) {
            return Ok(Cow::Borrowed(known));
        }
        let record = json!({"guid": guid, "profile": {"name": row.application_name}});
        Application::decode(&record.to_string()).map(Cow::Owned)
    }
}

/// Applications that one question to the store names at most.
const NAMED: usize = 500;

/// What of a filter the store is asked, and what is held to each finding here.
///
/// An index that lost an entry hides a finding from whoever asks it, without a word. So of
/// what must be complete the store is asked only what its sealed counts know, and it is
/// compared with them; anything else about a finding is read from its record.
#[derive(Debug, Clone)]
pub struct Sieve {
    filter: Expression,
    asked: Expression,
}

impl Sieve {
    /// Of a filter over these applications.
    pub fn new(filter: Expression, applications: &[ApplicationRow]) -> Self {
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for part in conjuncts(&filter) {
            let Expression::Is(one) = part else { continue };
            match one.field {
                Field::Severity | Field::State | Field::ViolatesPolicy => asked.push(part.clone()),
                Field::Application | Field::ApplicationName => places.push(part),
                _ => {}
            }
        }
        let is_wanted = |row: &&ApplicationRow| {
            let (guid, name) = (row.application.guid.as_str(), row.application.name.as_str());
            places.iter().all(|part| part.of_place(guid, name, &Context::Policy) == Some(true))
        };
        let guids: BTreeSet<_> = applications
            .iter()
            .filter(is_wanted)
            .map(|row| row.application.guid.as_str())
            .collect();
        match guids.len() {
            _ if places.is_empty() => {}
            0 => asked.push(Expression::Any(Vec::new())),
            1..=NAMED => asked.push(Expression::Is(Filter {
                field: Field::Application,
                operator: Operator::In,
                values: guids.into_iter().map(|guid| Value::Text(guid.to_owned())).collect(),
            })),
            _ => {}
        }
        Self { filter, asked: Expression::all(asked) }
    }

    /// What the store is asked: as much as its counts know.
    pub fn asked(&self) -> &Expression {
        &self.asked
    }

    /// Whether a finding that the store answered is one of those that are wanted.
    pub fn keeps(&self, row: &FindingRow) -> bool {
        self.filter.matches(&row.finding, &row.application_name)
    }
}

/// What must hold all at once.
fn conjuncts(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// A finding with all that a format may write of it.
pub fn item<'a>(row: &'a FindingRow, application: &'a Application) -> Item<'a> {
    Item {
        finding: &row.finding,
        application,
        integration: &row.integration,
        gone: row.gone,
        added_ms: row.added_ms,
        changed_ms: row.changed_ms,
        last: match row.last {
            ChangeKind::New => Last::New,
            ChangeKind::Changed => Last::Changed,
            ChangeKind::Reopened => Last::Reopened,
            ChangeKind::Closed => Last::Closed,
        },
        paths: row.paths.as_deref().unwrap_or_default(),
        raw: &row.raw,
    }
}
