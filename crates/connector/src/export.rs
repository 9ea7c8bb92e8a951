//! What goes into an export, and whether it has every finding that it should have.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use countersign_findings::filter::{Expression, Field, Filter, Operator, Origin, Value};
use countersign_findings::{Application, Context};
use countersign_formats::{Item, Last};
use countersign_store::{ApplicationRow, ChangeKind, Error, FindingRow, Store};
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

    /// The application of this guid, whether it has findings or not.
    pub fn get(&self, integration: &str, guid: &str) -> Option<&Application> {
        self.0.get(integration)?.get(guid)
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
struct Sieve {
    filter: Expression,
    asked: Expression,
}

impl Sieve {
    fn new(filter: Expression, applications: &[ApplicationRow]) -> Self {
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for part in conjuncts(&filter) {
            let Expression::Is(one) = part else { continue };
            match one.field {
                Field::Severity | Field::State | Field::ViolatesPolicy | Field::Visible => {
                    asked.push(part.clone());
                }
                Field::Application | Field::ApplicationName | Field::Integration => {
                    places.push(part);
                }
                _ => {}
            }
        }
        let is_wanted = |row: &&ApplicationRow| {
            let guid = row.application.guid.as_str();
            let origin = Origin {
                integration: &row.integration,
                application: &row.application.name,
                is_visible: !row.gone,
                ..Origin::default()
            };
            places.iter().all(|part| part.of_place(guid, origin, &Context::Policy) == Some(true))
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
}

/// An export that has every finding of a filter, or is known not to.
pub struct CompleteExport {
    sieve: Sieve,
    /// Of the store when it was counted.
    generation: i64,
    /// Findings of the filter, by the indexes.
    total: u64,
    /// Of what was asked: counted, read, and kept of it.
    counted: u64,
    read: u64,
    kept: u64,
}

/// Findings that an export lacks because the store is damaged.
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    /// As many there are.
    pub counted: u64,
    /// As many could be read.
    pub read: u64,
}

impl CompleteExport {
    /// Of a filter over these applications.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn new(
        store: &Store,
        filter: Expression,
        applications: &[ApplicationRow],
    ) -> Result<Self, Error> {
        let generation = store.generation().await?;
        let total = store.count_findings(filter.clone()).await?;
        let sieve = Sieve::new(filter, applications);
        Ok(Self { sieve, generation, total, counted: 0, read: 0, kept: 0 })
    }

    /// How many findings there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What the store is to be asked for the findings of a place; each place once.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn ask(&mut self, store: &Store, place: Expression) -> Result<Expression, Error> {
        let asked = Expression::all([self.sieve.asked.clone(), place]);
        self.counted += store.count_findings(asked.clone()).await?;
        Ok(asked)
    }

    /// Whether a finding that the store answered belongs to the export; each finding once.
    pub fn keeps(&mut self, row: &FindingRow) -> bool {
        let is_kept = self.sieve.filter.matches(&row.finding, row.origin());
        self.read += 1;
        self.kept += u64::from(is_kept);
        is_kept
    }

    /// What is missing at the end. After a sync that wrote meanwhile, nobody can know.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn missing(&self, store: &Store) -> Result<Option<Missing>, Error> {
        let (counted, read) = match self.counted == self.read {
            true => (self.total, self.kept),
            false => (self.counted, self.read),
        };
        if counted == read || store.generation().await? != self.generation {
            return Ok(None);
        }
        Ok(Some(Missing { counted, read }))
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

/// What must hold all at once.
fn conjuncts(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}
