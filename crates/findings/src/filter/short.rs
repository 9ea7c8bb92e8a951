//! Short forms of what is asked most: `high+`, `open,fixed`.

use std::collections::BTreeSet;

use super::values::{severity, state};
use super::{Expression, Field, Filter, FilterError, Operator, Value};
use crate::finding::{Severity, State};

/// Which states are asked for.
enum States {
    All,
    These(Vec<State>),
}

impl Expression {
    /// Findings of some [`severities`].
    pub fn of_severities(text: &str) -> Result<Self, FilterError> {
        let levels: BTreeSet<_> = severities(text)?.into_iter().map(Severity::level).collect();
        let values = |levels: BTreeSet<u8>| levels.into_iter().map(|n| Value::Integer(n.into()));
        let lowest = levels.first().copied().unwrap_or_default();
        let is_open_ended = levels.len() > 1 && levels.iter().copied().eq(lowest..=5);
        let (operator, values) = match (is_open_ended, levels.len()) {
            (true, _) => (Operator::Gte, vec![Value::Integer(lowest.into())]),
            (false, 1) => (Operator::Eq, values(levels).collect()),
            (false, _) => (Operator::In, values(levels).collect()),
        };
        Ok(Self::Is(Filter { field: Field::Severity, operator, values }))
    }

    /// Findings in states such as `open`, `fixed,mitigated`, or `all`.
    pub fn of_states(text: &str) -> Result<Self, FilterError> {
        let states = match text.trim().to_ascii_lowercase().as_str() {
            "all" => States::All,
            words => States::These(words.split(',').map(read_state).collect::<Result<_, _>>()?),
        };
        Ok(match states {
            States::All => Self::default(),
            States::These(states) => {
                let text = |state: State| Value::Text(state.as_str().to_owned());
                let operator = if states.len() == 1 { Operator::Eq } else { Operator::In };
                let values = states.into_iter().map(text).collect();
                Self::Is(Filter { field: Field::State, operator, values })
            }
        })
    }

    /// Findings of one value of a field.
    pub fn of(field: Field, operator: Operator, value: Value) -> Self {
        Self::Is(Filter { field, operator, values: vec![value] })
    }
}

/// Severities such as `high`, `high+` (and above), `3-5`, `low,medium`; one at least.
pub fn severities(text: &str) -> Result<BTreeSet<Severity>, FilterError> {
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let part = part.trim();
        let (from, to) = range(part).ok_or_else(|| {
            let names = Severity::ALL.map(|one| one.name().to_lowercase());
            FilterError(format!(
                "`{part}` is not a severity\nhint: one of {}, or 5 to 0; `high+` for high and above, `medium-high`, `low,high`",
                names.join(", ")
            ))
        })?;
        found.extend(Severity::ALL.into_iter().filter(|one| (from..=to).contains(one)));
    }
    Ok(found)
}

fn read_state(word: &str) -> Result<State, FilterError> {
    state(word).ok_or_else(|| {
        let words = State::ALL.map(State::as_str).join(", ");
        FilterError(format!("`{word}` is not a state\nhint: {words}, several with commas, or all"))
    })
}

/// The lowest and the highest of one part. A name may hold a dash itself.
fn range(text: &str) -> Option<(Severity, Severity)> {
    if let Some(one) = severity(text) {
        return Some((one, one));
    }
    if let Some(from) = text.strip_suffix('+') {
        return Some((severity(from)?, Severity::ALL[0]));
    }
    text.match_indices('-').find_map(|(at, dash)| {
        let (one, other) = (severity(&text[..at])?, severity(&text[at + dash.len()..])?);
        Some((one.min(other), one.max(other)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none_is_refused_with_what_there_is() {
        for text in ["", "hgh", "high++", "6", "-", "3-", "high,", "critical"] {
            let error = Expression::of_severities(text).unwrap_err().to_string();
            assert!(error.contains("very high, high, medium"), "{text}: {error}");
        }
        for text in ["", "closed", "open,closed", "open,", "all,open"] {
            let error = Expression::of_states(text).unwrap_err().to_string();
            assert!(error.contains("open, fixed, mitigated, false_positive"), "{text}: {error}");
        }
    }

    #[test]
    fn short_forms_are_filters() {
        for (text, filter) in [
            ("high", "severity[eq]4"),
            ("High+", "severity[gte]4"),
            ("4+", "severity[gte]4"),
            ("5+", "severity[eq]5"),
            ("3-5", "severity[gte]3"),
            ("5-3", "severity[gte]3"),
            ("low-medium", "severity[in]2,3"),
            ("very-low-medium", "severity[in]1,2,3"),
            ("very high,low", "severity[in]2,5"),
        ] {
            assert_eq!(Expression::of_severities(text).unwrap().to_string(), filter, "{text}");
        }
        for (text, filter) in [
            ("open", "state[eq]open"),
            ("OPEN", "state[eq]open"),
            ("false-positive", "state[eq]false_positive"),
            ("fixed,mitigated", "state[in]fixed,mitigated"),
        ] {
            assert_eq!(Expression::of_states(text).unwrap().to_string(), filter, "{text}");
        }
        assert!(Expression::of_states("all").unwrap().is_everything());
    }
}
