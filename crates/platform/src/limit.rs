//! At most so many requests in a window of the platform's clock, for each
//! address or each account.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Addresses or accounts counted at once; more share one count.
const MAX_COUNTED: usize = 10_000;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CountedBy {
    /// As documented today: each address.
    #[default]
    Address,
    /// As documented before: each account.
    Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rule {
    /// None for no limit.
    pub(crate) requests: Option<u32>,
    pub(crate) window_seconds: u32,
    pub(crate) by: CountedBy,
    /// Whether a refusal says how long to wait.
    pub(crate) retry_after: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self { requests: Some(500), window_seconds: 60, by: CountedBy::Address, retry_after: true }
    }
}

/// A request that was one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// Seconds to wait, if the caller is told.
    pub(crate) wait: Option<u64>,
}

pub(crate) struct Limit(Mutex<Counts>);

struct Counts {
    rule: Rule,
    began_ms: i64,
    counts: HashMap<String, u32>,
}

impl Limit {
    pub(crate) fn new(rule: Rule) -> Self {
        Self(Mutex::new(Counts { rule, began_ms: 0, counts: HashMap::new() }))
    }

    pub(crate) fn rule(&self) -> Rule {
        self.lock().rule
    }

    /// Changes the rule and forgets what was counted.
    pub(crate) fn apply(&self, rule: Rule) {
        *self.lock() = Counts { rule, began_ms: 0, counts: HashMap::new() };
    }

    /// Counts a request; `account` is asked for only when accounts are counted.
    pub(crate) fn count(
        &self,
        address: impl FnOnce() -> String,
        account: impl FnOnce() -> Option<String>,
        now_ms: i64,
    ) -> Result<(), TooMany> {
        let mut counts = self.lock();
        let rule = counts.rule;
        let Some(requests) = rule.requests else { return Ok(()) };
        let window_ms = i64::from(rule.window_seconds.max(1)) * 1000;
        if !(0..window_ms).contains(&(now_ms - counts.began_ms)) {
            counts.began_ms = now_ms;
            counts.counts.clear();
        }
        let key = match rule.by {
            CountedBy::Address => address(),
            // Whoever names no account is counted where it comes from.
            CountedBy::Account => account().unwrap_or_else(address),
        };
        let is_crowded = counts.counts.len() >= MAX_COUNTED && !counts.counts.contains_key(&key);
        let left_ms = window_ms - (now_ms - counts.began_ms);
        let count = counts.counts.entry(if is_crowded { String::new() } else { key }).or_default();
        if *count >= requests {
            let wait = u64::try_from(left_ms).unwrap_or_default().div_ceil(1000).max(1);
            return Err(TooMany { wait: rule.retry_after.then_some(wait) });
        }
        *count += 1;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(limit: &Limit, address: &str, account: &str, now_ms: i64) -> Result<(), Option<u64>> {
        limit
            .count(|| address.into(), || Some(account.into()), now_ms)
            .map_err(|too_many| too_many.wait)
    }

    #[test]
    fn the_limit_holds_for_each_address_and_ends_with_the_minute() {
        let limit = Limit::new(Rule { requests: Some(2), ..Rule::default() });
        assert_eq!((count(&limit, "a", "x", 0), count(&limit, "a", "y", 1)), (Ok(()), Ok(())));
        assert_eq!(count(&limit, "a", "z", 30_500), Err(Some(30)));
        assert_eq!(count(&limit, "b", "x", 30_500), Ok(()));
        assert_eq!(count(&limit, "a", "x", 60_000), Ok(()));
        limit.apply(Rule { requests: None, ..Rule::default() });
        assert!((0..10_000).all(|_| count(&limit, "a", "x", 0).is_ok()));
    }

    #[test]
    fn the_older_rule_counts_accounts_for_two_minutes_and_may_keep_silent() {
        let rule = Rule {
            requests: Some(1),
            window_seconds: 120,
            by: CountedBy::Account,
            retry_after: false,
        };
        let limit = Limit::new(rule);
        assert_eq!(count(&limit, "a", "x", 0), Ok(()));
        assert_eq!(count(&limit, "b", "x", 119_999), Err(None));
        assert_eq!(count(&limit, "a", "y", 119_999), Ok(()));
        assert_eq!(count(&limit, "a", "x", 120_000), Ok(()));
    }
}
