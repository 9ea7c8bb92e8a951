//! What is different between two sightings of a finding, and what that means.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::{Finding, State};

/// One member that is different.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Dotted path in the finding's JSON.
    pub field: String,
    /// What it was; null when it was absent.
    pub before: Value,
    /// What it is; null when it is absent.
    pub after: Value,
}

/// Members that every scan moves, or a feed every day, whatever became of the finding.
const ROUTINE: [&str; 5] = [
    "last_seen",
    "build_id",
    "status.new",
    "vulnerability.epss_date",
    "vulnerability.epss_percentile",
];

/// The same of a finding of another scanner: what each event says of itself rather than of
/// the finding.
const ROUTINE_OF_EVENTS: [&str; 9] = [
    "activity_",
    "count",
    "duration",
    "end_time",
    "finding_info.last_seen_time",
    "metadata.",
    "start_time",
    "time",
    "type_",
];

impl Difference {
    /// Whether it is one that comes with every scan or every day: kept, but no change of
    /// the finding. A score that is published anew daily counts once its whole percents move.
    pub fn is_routine(&self) -> bool {
        let percents = |value: &Value| value.as_f64().map(|score| (score * 100.0).round());
        match self.field.as_str() {
            "vulnerability.epss_score" => {
                let before = percents(&self.before);
                before.is_some() && before == percents(&self.after)
            }
            field => match field.strip_prefix("source.ocsf.") {
                Some(field) => ROUTINE_OF_EVENTS.iter().any(|start| field.starts_with(start)),
                None => ROUTINE.contains(&field) || field == "source.product.version",
            },
        }
    }
}

/// How a finding stood at the last sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Whether a complete reading no longer showed it.
    pub is_gone: bool,
}

impl Standing {
    /// Whether somebody still had to look at it.
    pub fn is_open(self) -> bool {
        self.state.is_open() && !self.is_gone
    }
}

/// What a sighting means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Never seen before.
    New,
    /// Seen before and different, but as open or closed as it was.
    Changed,
    /// Not open before, and open now.
    Reopened,
    /// Open before, and not open now.
    Closed,
    /// The same in meaning; what every scan moves may have moved.
    Unchanged,
}

/// Judges a sighting against the one before.
pub fn judge(before: Option<Standing>, after: &Finding, differences: &[Difference]) -> Verdict {
    let Some(before) = before else { return Verdict::New };
    match (before.is_open(), after.state.is_open()) {
        (false, true) => Verdict::Reopened,
        (true, false) => Verdict::Closed,
        _ if before.is_gone || !differences.iter().all(Difference::is_routine) => Verdict::Changed,
        _ => Verdict::Unchanged,
    }
}

impl Finding {
    /// Every member that is different in `newer`; empty when both mean the same. Of a finding
    /// of another scanner the finding as it was given is compared only where nothing else is
    /// different: most of it is the same once more.
    pub fn differences(&self, newer: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        let json = |finding| serde_json::to_value(finding).unwrap_or_default();
        let (mut before, mut after) = (json(self), json(newer));
        let (of_before, of_after) = (before["source"].take(), after["source"].take());
        compare("", &before, &after, &mut differences);
        if differences.iter().all(Difference::is_routine) {
            compare("source", &of_before, &of_after, &mut differences);
        }
        differences
    }
}

fn compare(path: &str, before: &Value, after: &Value, differences: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let fresh = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(fresh) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let member =
                    |object: &serde_json::Map<_, _>| object.get(name).cloned().unwrap_or_default();
                compare(&path, &member(old), &member(new), differences);
            }
        }
        _ if before == after => {}
        _ => differences.push(Difference {
            field: path.to_owned(),
            before: before.clone(),
            after: after.clone(),
        }),
    }
}
