//! What a rehearsal counted.

use std::collections::BTreeMap;
use std::process::ExitStatus;

use countersign_store::{AuditEntry, Deed};
use serde_json::{Value, json};

use super::hammer::Calls;
use super::misfortune::Misfortune;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rotations: u64,
    /// The pair that is published did not work, when nothing disturbed any more.
    pub(crate) lock_outs: u64,
    /// The pair that is live was not in the vault, when nothing disturbed any more.
    pub(crate) lost_secrets: u64,
    /// Pairs that the service made and that the log knows nothing of.
    pub(crate) unaccounted_mints: u64,
    /// Pairs whose request is in the log, and that another took the place of before
    /// anybody looked.
    pub(crate) superseded_unseen: u64,
    /// Answers that were lost, by API ID in the log.
    pub(crate) lost_answers: u64,
    /// Processes that died.
    pub(crate) crashes: u64,
    /// Rotations that a later run brought to their end.
    pub(crate) recovered: u64,
    pub(crate) published: u64,
    pub(crate) last_outcome: Option<String>,
    pub(crate) is_log_whole: bool,
    pub(crate) calls: u64,
    pub(crate) failed_calls: u64,
    pub(crate) median_call_ms: u64,
    pub(crate) longest_call_ms: u64,
    first_failure: Option<String>,
    misfortunes: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn ended(&mut self, status: ExitStatus, misfortunes: &[Misfortune]) {
        self.crashes += u64::from(status.code().is_none());
        for one in misfortunes {
            *self.misfortunes.entry(one.kind.name()).or_default() += 1;
        }
    }

    pub(crate) fn retire(&mut self, audited: &[AuditEntry]) {
        let count = |deed| audited.iter().filter(|entry| entry.act == deed).count() as u64;
        self.lost_answers = count(Deed::Lost);
        self.published = count(Deed::Published);
    }

    pub(crate) fn hammered(&mut self, calls: Calls) {
        self.calls = calls.made;
        self.failed_calls = calls.failed;
        self.first_failure = calls.first_failure;
        let at = |share: f64| {
            let place = (calls.took_ms.len() as f64 * share) as usize;
            calls.took_ms.get(place.min(calls.took_ms.len().saturating_sub(1))).copied()
        };
        self.median_call_ms = at(0.5).unwrap_or_default().round() as u64;
        self.longest_call_ms = at(1.0).unwrap_or_default().round() as u64;
    }

    pub(crate) fn is_well(&self) -> bool {
        self.lock_outs + self.lost_secrets + self.unaccounted_mints == 0 && self.is_log_whole
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "rotations": self.rotations,
            "published": self.published,
            "lock_outs": self.lock_outs,
            "lost_secrets": self.lost_secrets,
            "unaccounted_mints": self.unaccounted_mints,
            "superseded_unseen": self.superseded_unseen,
            "lost_answers": self.lost_answers,
            "crashes": self.crashes,
            "recovered": self.recovered,
            "audit_whole": self.is_log_whole,
            "misfortunes": self.misfortunes,
            "calls": self.calls,
            "failed_calls": self.failed_calls,
            "first_failure": self.first_failure,
            "median_call_ms": self.median_call_ms,
            "longest_call_ms": self.longest_call_ms,
            "last_outcome": self.last_outcome,
        })
    }
}
