//! The tools: what each is called, what it accepts, and what all of them share.

use countersign_connector::Clock;
use countersign_connector::health::standings;
use countersign_connector::watch::Policy;
use countersign_findings::Context;
use countersign_findings::filter::{Expression, Origin};
use countersign_store::{ApplicationRow, Store};
use rmcp::model::CallToolResult;
use serde_json::{Map, Value};

use super::answer::{Item, Known, Refused};
use super::input::{Args, Input, Kind};
use super::{applications, changes, credentials, findings, fix};
use crate::Reach;

/// What the tools read.
#[derive(Clone)]
pub struct Reads {
    /// The connector's database.
    pub store: Store,
    /// Milliseconds since the Unix epoch.
    pub clock: Clock,
    /// How credentials are judged, as the configuration has it.
    pub policy: Policy,
}

/// The tools of one caller.
#[derive(Clone)]
pub struct Tools {
    /// What they read.
    pub reads: Reads,
    /// How far the caller reaches.
    pub reach: Reach,
}

/// Rows of a list at once.
const MOST_ROWS: u64 = 100;

pub(super) const LIMIT: Input = Input {
    name: "limit",
    about: "Rows at most.",
    kind: Kind::Number { least: 1, most: MOST_ROWS, usual: Some(20) },
    is_needed: false,
};
pub(super) const CURSOR: Input = Input {
    name: "cursor",
    about: "Where the list continues: `cursor` of the result before, with the same inputs.",
    kind: Kind::Text { most: 400 },
    is_needed: false,
};

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    SearchFindings,
    CountFindings,
    GetFinding,
    ListApplications,
    WhatChanged,
    ExpiringCredentials,
    HowToFix,
}

impl Tool {
    pub(super) const ALL: [Self; 7] = [
        Self::SearchFindings,
        Self::CountFindings,
        Self::GetFinding,
        Self::ListApplications,
        Self::WhatChanged,
        Self::ExpiringCredentials,
        Self::HowToFix,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SearchFindings => "search_findings",
            Self::CountFindings => "count_findings",
            Self::GetFinding => "get_finding",
            Self::ListApplications => "list_applications",
            Self::WhatChanged => "what_changed",
            Self::ExpiringCredentials => "expiring_credentials",
            Self::HowToFix => "how_to_fix",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::SearchFindings => "Search findings",
            Self::CountFindings => "Count findings",
            Self::GetFinding => "Show one finding",
            Self::ListApplications => "List applications",
            Self::WhatChanged => "List changes",
            Self::ExpiringCredentials => "List expiring credentials",
            Self::HowToFix => "Show how to fix a weakness",
        }
    }

    pub(super) fn about(self) -> &'static str {
        match self {
            Self::SearchFindings => {
                "Stored findings that match a filter, the most severe first: a short row each. \
                 `counted` names which findings these are; `elsewhere` counts those that match \
                 in other states, in sandboxes or in applications that are no longer visible."
            }
            Self::CountFindings => {
                "How many stored findings match a filter and, with `by`, how many have each \
                 value of a field, the most frequent first."
            }
            Self::GetFinding => {
                "Everything stored about one finding: where it is, its status, description, \
                 mitigation history, data paths if they were downloaded, and what changed."
            }
            Self::ListApplications => {
                "Stored applications by name, each with its open findings by severity (policy \
                 context), its last scan and its last sync."
            }
            Self::WhatChanged => {
                "The change feed, the oldest first: new, changed, reopened and closed findings \
                 since a time. `cursor` of a result, also of the last one, continues the feed \
                 later."
            }
            Self::ExpiringCredentials => {
                "API credentials that expire soon or have expired, and those that are refused, \
                 lack a role or have no known expiry. Never a Secret Key."
            }
            Self::HowToFix => {
                "How to fix a finding, or a weakness by its CWE number: the advice in the stored \
                 records, word for word, and the address of the CWE. Nothing else is added."
            }
        }
    }

    pub(super) fn inputs(self) -> &'static [&'static Input] {
        match self {
            Self::SearchFindings => findings::SEARCH,
            Self::CountFindings => findings::COUNT,
            Self::GetFinding => findings::ONE,
            Self::ListApplications => applications::LIST,
            Self::WhatChanged => changes::FEED,
            Self::ExpiringCredentials => credentials::EXPIRING,
            Self::HowToFix => fix::FIX,
        }
    }
}

impl Tools {
    /// Answers one call, refusals too.
    pub(super) async fn call(
        &self,
        tool: Tool,
        given: Option<Map<String, Value>>,
    ) -> CallToolResult {
        match self.answer(tool, given).await {
            Ok(item) => item.into_result(),
            Err(refused) => refused.into_result(),
        }
    }

    async fn answer(&self, tool: Tool, given: Option<Map<String, Value>>) -> Result<Item, Refused> {
        let args = Args::read(tool.inputs(), given)?;
        let item = match tool {
            Tool::SearchFindings => findings::search(self, &args).await,
            Tool::CountFindings => findings::count(self, &args).await,
            Tool::GetFinding => findings::one(self, &args).await,
            Tool::ListApplications => applications::list(self, &args).await,
            Tool::WhatChanged => changes::feed(self, &args).await,
            Tool::ExpiringCredentials => credentials::expiring(self, &args).await,
            Tool::HowToFix => fix::fix(self, &args).await,
        }?;
        self.with_standing(item).await
    }

    pub(super) fn store(&self) -> &Store {
        &self.reads.store
    }

    pub(super) fn now(&self) -> i64 {
        (self.reads.clock)()
    }

    /// How old what is stored is, and what is wrong with it: the same that the banner of the
    /// dashboard shows.
    async fn with_standing(&self, item: Item) -> Result<Item, Refused> {
        let now_ms = self.now();
        let mut standings = standings(self.store(), None, now_ms).await?;
        standings.retain(|one| self.reach.holds(&one.integration));
        if standings.is_empty() {
            return Ok(item.warnings(&["no integration is stored within reach".to_owned()]));
        }
        let complete = standings.iter().map(|one| one.as_of_ms);
        // One that was never complete makes the whole of unknown age.
        let oldest_ms = complete.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
        let wrong: Vec<_> = standings.iter().flat_map(|one| one.sentences(now_ms)).collect();
        Ok(item.fact("complete_as_of", oldest_ms.map(Known::time)).warnings(&wrong))
    }

    /// Refuses a name that nothing within reach has: it would match nothing without a word.
    pub(super) async fn refuse_unknown(&self, filter: &Expression) -> Result<(), Refused> {
        match self.store().unknown_name_within(filter, self.reach.names()).await? {
            Some(unknown) => Err(unknown.into()),
            None => Ok(()),
        }
    }

    /// The applications within reach that a filter of names matches, by name.
    pub(super) async fn applications(
        &self,
        filter: Expression,
    ) -> Result<Vec<ApplicationRow>, Refused> {
        let filter = self.reach.within(filter);
        let mut rows = self.store().applications().await?;
        rows.retain(|row| {
            let application = &row.application;
            let origin = Origin {
                integration: &row.integration,
                application: &application.name,
                is_visible: !row.gone,
                ..Origin::default()
            };
            filter.of_place(application.guid.as_str(), origin, &Context::Policy) == Some(true)
        });
        Ok(rows)
    }
}
