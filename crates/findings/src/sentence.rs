//! What became of a finding, in words.

use serde_json::Value;

use crate::change::Difference;
use crate::finding::Severity;

/// Members whose new values follow from a new state.
const IMPLIED: [&str; 3] = ["status.status", "status.resolution", "status.resolution_status"];

/// One sentence for each difference that says something: not those that come with every
/// scan, nor those that another one implies. The words of the finding are in them as they
/// came, so they are foreign text.
pub fn sentences(differences: &[Difference]) -> Vec<String> {
    let has_state = differences.iter().any(|one| matches!(Member::of(&one.field), Member::State));
    let is_implied = |one: &&Difference| has_state && IMPLIED.contains(&one.field.as_str());
    let told = differences.iter().filter(|one| !one.is_routine() && !is_implied(one));
    told.map(sentence).collect()
}

/// Members of which more can be said than that they are another value.
enum Member {
    State,
    Severity,
    ViolatesPolicy,
    Due,
    Line,
    File,
    Exploited,
    Epss,
    Annotations,
    Other,
}

impl Member {
    fn of(path: &str) -> Self {
        match path {
            "state" => Self::State,
            "severity" => Self::Severity,
            "violates_policy" => Self::ViolatesPolicy,
            "grace_period_expires" => Self::Due,
            "location.line" => Self::Line,
            "location.file" => Self::File,
            "vulnerability.exploit_observed" => Self::Exploited,
            "vulnerability.epss_score" => Self::Epss,
            "annotations" => Self::Annotations,
            _ => Self::Other,
        }
    }
}

fn sentence(one: &Difference) -> String {
    let (before, after) = (&one.before, &one.after);
    match (Member::of(&one.field), after.as_bool()) {
        (Member::State, _) => format!("was {}, is {} now", word(before), word(after)),
        (Member::Severity, _) => severity(before, after),
        (Member::ViolatesPolicy, Some(true)) => "violates the policy now".to_owned(),
        (Member::ViolatesPolicy, Some(false)) => "no longer violates the policy".to_owned(),
        (Member::Due, _) => due(before, after),
        (Member::Line, _) => moved("line ", before, after),
        (Member::File, _) => moved("", before, after),
        (Member::Exploited, Some(true)) => "exploitation was observed".to_owned(),
        (Member::Epss, _) => epss(before, after),
        (Member::Annotations, _) => annotations(before, after),
        (Member::ViolatesPolicy | Member::Exploited | Member::Other, _) => {
            let name = one.field.strip_prefix("status.").unwrap_or(&one.field);
            other(&name.replace(['.', '_'], " "), before, after)
        }
    }
}

/// A word of the service or of ours, as it stands in a sentence.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => words(text),
        other => other.to_string(),
    }
}

fn words(text: &str) -> String {
    text.replace('_', " ").to_lowercase()
}

/// A value as it is; the day of a time.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if crate::time::parse_time(text).is_some() => {
            text.chars().take(10).collect()
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn severity(before: &Value, after: &Value) -> String {
    let name = |value: &Value| value.as_i64().and_then(Severity::new).map(|one| (one, one.name()));
    match (name(before), name(after)) {
        (Some((old, was)), Some((new, is))) => {
            let way = if new > old { "rose" } else { "fell" };
            format!("severity {way} from {was} to {is}")
        }
        _ => other("severity", before, after),
    }
}

fn due(before: &Value, after: &Value) -> String {
    match (before, after) {
        (_, Value::Null) => format!("no longer has to be fixed by {}", shown(before)),
        (Value::Null, _) => format!("has to be fixed by {}", shown(after)),
        _ => format!("has to be fixed by {} instead of {}", shown(after), shown(before)),
    }
}

fn moved(what: &str, before: &Value, after: &Value) -> String {
    match (before, after) {
        (Value::Null, _) => format!("is in {what}{}", shown(after)),
        (_, Value::Null) => format!("is no longer in {what}{}", shown(before)),
        _ => format!("moved from {what}{} to {what}{}", shown(before), shown(after)),
    }
}

fn epss(before: &Value, after: &Value) -> String {
    let percent = |value: &Value| value.as_f64().map(|score| (score * 100.0).round());
    match (percent(before), percent(after)) {
        (Some(was), Some(is)) => {
            let way = if is > was { "rose" } else { "fell" };
            format!("the probability of exploitation (EPSS) {way} from {was} % to {is} %")
        }
        (None, Some(is)) => format!("the probability of exploitation (EPSS) is {is} %"),
        _ => "no longer has a probability of exploitation (EPSS)".to_owned(),
    }
}

/// What people added to the history of its mitigation, the oldest first.
fn annotations(before: &Value, after: &Value) -> String {
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let known = all(before);
    let told: Vec<_> =
        all(after).iter().rev().filter(|one| !known.contains(one)).map(annotation).collect();
    match told.is_empty() {
        true => "the history of its mitigation changed".to_owned(),
        false => told.join("; "),
    }
}

fn annotation(one: &Value) -> String {
    let text = |name: &str| one.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let who = text("user").unwrap_or("somebody");
    let action = text("action").unwrap_or("COMMENT");
    let known = ACTIONS.iter().find(|(word, _)| *word == action);
    let did =
        known.map_or_else(|| format!("noted {}", words(action)), |(_, did)| (*did).to_owned());
    match text("comment") {
        Some(comment) => format!("{who} {did}: “{comment}”"),
        None => format!("{who} {did}"),
    }
}

/// The service's words for what people do, as far as they are known.
const ACTIONS: [(&str, &str); 7] = [
    ("COMMENT", "commented"),
    ("APPROVED", "approved the mitigation"),
    ("REJECTED", "rejected the mitigation"),
    ("FP", "proposed: false positive"),
    ("APPDESIGN", "proposed: mitigated by design"),
    ("OSENV", "proposed: mitigated by the operating system"),
    ("NETENV", "proposed: mitigated by the network"),
];

fn other(name: &str, before: &Value, after: &Value) -> String {
    let is_long = |value: &Value| match value {
        Value::Object(_) | Value::Array(_) => true,
        Value::String(text) => text.len() > 200,
        _ => false,
    };
    match (before, after) {
        _ if is_long(before) || is_long(after) => format!("{name} changed"),
        (Value::Null, _) => format!("{name} is {} now", shown(after)),
        (_, Value::Null) => format!("{name} is no longer {}", shown(before)),
        _ => format!("{name} changed from {} to {}", shown(before), shown(after)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_said_in_words() {
        let annotation = |action: &str, comment: &str| json!({"action": action, "comment": comment, "user": "Sam Lee", "created": "x"});
        for (field, before, after, expected) in [
            ("severity", json!(3), json!(5), "severity rose from Medium to Very High"),
            ("severity", json!(5), json!(9), "severity changed from 5 to 9"),
            ("state", json!("open"), json!("false_positive"), "was open, is false positive now"),
            ("violates_policy", json!(true), json!(false), "no longer violates the policy"),
            ("violates_policy", json!(null), json!(true), "violates the policy now"),
            (
                "grace_period_expires",
                json!(null),
                json!("2026-03-02T03:04:05.678Z"),
                "has to be fixed by 2026-03-02",
            ),
            ("location.line", json!(3), json!(7), "moved from line 3 to line 7"),
            ("location.file", json!("a.rs"), json!("b.rs"), "moved from a.rs to b.rs"),
            (
                "vulnerability.epss_score",
                json!(0.004),
                json!(0.91),
                "the probability of exploitation (EPSS) rose from 0 % to 91 %",
            ),
            (
                "vulnerability.exploit_observed",
                json!(null),
                json!(true),
                "exploitation was observed",
            ),
            (
                "annotations",
                json!([annotation("FP", "looks fine")]),
                json!([annotation("APPROVED", ""), annotation("FP", "looks fine")]),
                "Sam Lee approved the mitigation",
            ),
            (
                "annotations",
                json!(null),
                json!([annotation("COMMENT", "why?")]),
                "Sam Lee commented: “why?”",
            ),
            (
                "component.dependency_mode",
                json!("DIRECT"),
                json!("TRANSITIVE"),
                "component dependency mode changed from DIRECT to TRANSITIVE",
            ),
            ("cvss", json!(null), json!("9.8"), "cvss is 9.8 now"),
            ("component", json!(null), json!({"id": "x"}), "component changed"),
        ] {
            let one = Difference { field: field.to_owned(), before, after };
            assert_eq!(sentences(&[one]), [expected], "{field}");
        }
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let of = |field: &str, before: Value, after: Value| Difference {
            field: field.to_owned(),
            before,
            after,
        };
        let all = [
            of("last_seen", json!("2026-03-02T03:04:05.678Z"), json!("2026-04-02T03:04:05.678Z")),
            of("state", json!("open"), json!("fixed")),
            of("status.status", json!("OPEN"), json!("CLOSED")),
            of("status.mitigation_review_status", json!("NONE"), json!("CONFORMS")),
        ];
        assert_eq!(
            sentences(&all),
            ["was open, is fixed now", "mitigation review status changed from NONE to CONFORMS",]
        );
        assert_eq!(sentences(&all[2..3]), ["status changed from OPEN to CLOSED"]);
    }
}
