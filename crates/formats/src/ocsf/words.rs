//! The numbers that OCSF gives to severity, status and activity, each with its
//! caption: a caption that is not the number's own makes an event invalid.

use std::borrow::Cow;

use countersign_findings::{Severity, State};

use super::Shape;
use crate::{Item, Last};

/// A number and its caption.
pub(super) type Word = (u8, &'static str);

/// OCSF has nothing between Low and Informational.
pub(super) fn severity(severity: Severity) -> Word {
    match severity.level() {
        0 => (1, "Informational"),
        1 | 2 => (2, "Low"),
        3 => (3, "Medium"),
        4 => (4, "High"),
        _ => (5, "Critical"),
    }
}

/// A finding that vanished is not known to be fixed: its record was deleted.
pub(super) fn status(item: &Item<'_>, shape: Shape) -> Word {
    match (item.gone, item.finding.state, item.last) {
        (true, ..) if shape.is_1_3() => (99, "Gone"),
        (true, ..) => (6, "Deleted"),
        (_, State::Open, Last::New) => (1, "New"),
        (_, State::Open, _) => (2, "In Progress"),
        (_, State::Mitigated | State::FalsePositive, _) => (3, "Suppressed"),
        (_, State::Fixed, _) => (4, "Resolved"),
    }
}

/// What is first seen closed is created all the same.
pub(super) fn activity(item: &Item<'_>) -> Word {
    match (item.gone, item.last) {
        (true, _) => (3, "Close"),
        (_, Last::New) => (1, "Create"),
        (_, Last::Closed) if !item.finding.state.is_open() => (3, "Close"),
        (_, Last::Changed | Last::Reopened | Last::Closed) => (2, "Update"),
    }
}

/// Caption of the class and the activity together.
pub(super) fn type_name(shape: Shape, activity: u8) -> &'static str {
    match (shape.class(), activity) {
        (2007, 1) => "Application Security Posture Finding: Create",
        (2007, 2) => "Application Security Posture Finding: Update",
        (2007, _) => "Application Security Posture Finding: Close",
        (_, 1) => "Vulnerability Finding: Create",
        (_, 2) => "Vulnerability Finding: Update",
        _ => "Vulnerability Finding: Close",
    }
}

/// The activity that the service's word for the state of a scan means. A word without a
/// number of its own is Other, whose caption is the word.
pub(super) fn scan_activity(word: Cow<'_, str>) -> (u8, Cow<'_, str>) {
    match word.as_ref() {
        "IN_PROGRESS" | "SCAN_IN_PROGRESS" | "SCAN_IN_PROGRESS_PARTIAL_RESULTS_READY" => {
            (1, "Started".into())
        }
        "PUBLISHED"
        | "PUBLISHED_TO_VENDOR"
        | "PUBLISHED_TO_ENTERPRISE"
        | "PUBLISHED_TO_ENTERPRISEINT" => (2, "Completed".into()),
        "SCAN_CANCELED" | "PRE_SCAN_CANCELED" | "NTO_PRE_SCAN_CANCELED" => (3, "Cancelled".into()),
        "ANALYSIS_ERRORS" | "PRE_SCAN_FAILED" => (6, "Error".into()),
        "PAUSED_ID" => (7, "Paused".into()),
        _ => (99, word),
    }
}
