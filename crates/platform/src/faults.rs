//! Misbehaviour on command: a plan of rules, each with what it matches and what
//! it does. The same plan and the same requests give the same faults: chance is
//! drawn from the plan's seed, the rule, and how often the rule has matched.

mod act;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::recorder::matches;

pub(crate) use act::{Act, Asked, alter, instead};

const MAX_RULES: usize = 200;
const MAX_FIRED: usize = 10_000;
/// Lists and answers that are remembered for faults that serve old ones.
const MAX_REMEMBERED: usize = 64;
const MAX_REMEMBERED_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// How it is called in the list of what fired.
    pub(crate) name: String,
    #[serde(default, rename = "match")]
    pub(crate) matches: Match,
    pub(crate) act: Act,
}

/// Every condition that is given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Match {
    pub(crate) method: Option<String>,
    /// `*` stands for any characters.
    pub(crate) path: Option<String>,
    /// API ID, or name of the account.
    pub(crate) caller: Option<String>,
    /// Only these of the requests that match everything else, counted from 1.
    pub(crate) nth: Option<Vec<u64>>,
    /// Fires at most so many times.
    pub(crate) times: Option<u64>,
    /// 0 to 1.
    pub(crate) probability: Option<f64>,
}

/// A rule that fired.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fired {
    pub(crate) rule: String,
    pub(crate) at: String,
    pub(crate) method: String,
    pub(crate) target: String,
}

#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    plan: Plan,
    /// How often each rule matched and fired.
    counts: Vec<(u64, u64)>,
    fired: VecDeque<Fired>,
    bodies: HashMap<String, serde_json::Value>,
}

/// A request as the rules see it.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    /// The API ID that it claims, and the account that this belongs to.
    pub(crate) api_id: Option<&'a str>,
    pub(crate) account: Option<&'a str>,
    pub(crate) at: &'a str,
}

impl Faults {
    /// Replaces the plan and forgets what fired. Answers what is wrong with it.
    pub(crate) fn apply(&self, plan: Plan) -> Result<(), String> {
        if plan.rules.len() > MAX_RULES {
            return Err(format!("a plan has at most {MAX_RULES} rules"));
        }
        for rule in &plan.rules {
            if rule.name.is_empty() || rule.name.len() > 100 {
                return Err("the name of a rule is 1 to 100 characters long".into());
            }
            if rule.matches.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
                return Err(format!("rule `{}`: a probability is 0 to 1", rule.name));
            }
            rule.act.check().map_err(|what| format!("rule `{}`: {what}", rule.name))?;
        }
        let counts = vec![(0, 0); plan.rules.len()];
        *self.lock() = State { plan, counts, ..State::default() };
        Ok(())
    }

    pub(crate) fn plan(&self) -> Plan {
        self.lock().plan.clone()
    }

    pub(crate) fn fired(&self) -> Vec<Fired> {
        self.lock().fired.iter().cloned().collect()
    }

    /// Whether there is nothing to ask.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().plan.rules.is_empty()
    }

    /// The rules that fire for this request, in the order of the plan.
    pub(crate) fn firing(&self, seen: &Seen<'_>) -> Vec<Rule> {
        let mut state = self.lock();
        let State { plan, counts, fired, .. } = &mut *state;
        let mut firing = Vec::new();
        for (at, rule) in plan.rules.iter().enumerate() {
            if !rule.matches.holds(seen) {
                continue;
            }
            let (matched, times) = &mut counts[at];
            *matched += 1;
            let is_turn = rule.matches.nth.as_ref().is_none_or(|nth| nth.contains(matched));
            let is_left = rule.matches.times.is_none_or(|most| *times < most);
            let chance = rule.matches.probability.unwrap_or(1.0);
            if is_turn && is_left && draw(plan.seed, at as u64, *matched) < chance {
                *times += 1;
                if fired.len() >= MAX_FIRED {
                    fired.pop_front();
                }
                fired.push_back(Fired {
                    rule: rule.name.clone(),
                    at: seen.at.to_owned(),
                    method: seen.method.to_owned(),
                    target: seen.target.to_owned(),
                });
                firing.push(rule.clone());
            }
        }
        firing
    }

    /// Two numbers from 0 to 1, drawn as everything else.
    pub(crate) fn shares(&self, rule: &str) -> [f64; 2] {
        let state = self.lock();
        let at = state.plan.rules.iter().position(|r| r.name == rule).unwrap_or_default();
        let times = state.counts.get(at).map_or(0, |(matched, _)| *matched);
        [0x5bd1_e995, 0x1b87_3593].map(|salt| draw(state.plan.seed ^ salt, at as u64, times))
    }

    /// What was last answered under this name, replaced by what is answered now.
    pub(crate) fn swap_body(
        &self,
        name: String,
        body: &serde_json::Value,
        bytes: usize,
    ) -> Option<serde_json::Value> {
        let mut state = self.lock();
        if bytes > MAX_REMEMBERED_BYTES {
            return state.bodies.remove(&name);
        }
        if state.bodies.len() >= MAX_REMEMBERED && !state.bodies.contains_key(&name) {
            state.bodies.clear();
        }
        state.bodies.insert(name, body.clone())
    }

    /// Whether some rule serves old answers, so that answers must be remembered.
    pub(crate) fn wants_memory(&self) -> bool {
        self.lock().plan.rules.iter().any(|rule| rule.act.wants_memory())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Match {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        let path = seen.target.split('?').next().unwrap_or_default();
        self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(seen.method))
            && self.path.as_deref().is_none_or(|pattern| matches(pattern, path))
            && self
                .caller
                .as_deref()
                .is_none_or(|caller| seen.api_id == Some(caller) || seen.account == Some(caller))
    }
}

/// 0 to 1, evenly, the same for the same arguments.
fn draw(seed: u64, rule: u64, time: u64) -> f64 {
    let mut n =
        seed ^ rule.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ time.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        n = (n ^ (n >> 30)).wrapping_mul(factor);
    }
    ((n ^ (n >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(matches: Match) -> Rule {
        Rule { name: "r".into(), matches, act: Act::Garbage }
    }

    fn runs(plan: &Plan, calls: usize) -> Vec<bool> {
        let faults = Faults::default();
        faults.apply(plan.clone()).unwrap();
        let seen = Seen { method: "GET", target: "/a?b", api_id: None, account: None, at: "" };
        (0..calls).map(|_| !faults.firing(&seen).is_empty()).collect()
    }

    #[test]
    fn nth_and_times() {
        let nth = Match { nth: Some(vec![2, 4]), ..Match::default() };
        let plan = Plan { seed: 0, rules: vec![rule(nth)] };
        assert_eq!(runs(&plan, 5), [false, true, false, true, false]);
        let times = Match { times: Some(2), path: Some("/a".into()), ..Match::default() };
        let plan = Plan { seed: 0, rules: vec![rule(times)] };
        assert_eq!(runs(&plan, 4), [true, true, false, false]);
        let other = Match { path: Some("/b".into()), ..Match::default() };
        assert_eq!(runs(&Plan { seed: 0, rules: vec![rule(other)] }, 2), [false, false]);
    }

    proptest! {
        #[test]
        fn the_same_seed_draws_the_same(seed: u64, probability in 0.0..=1.0_f64) {
            let chance = Match { probability: Some(probability), ..Match::default() };
            let plan = Plan { seed, rules: vec![rule(chance)] };
            let drawn = runs(&plan, 400);
            prop_assert_eq!(&drawn, &runs(&plan, 400));
            let share = drawn.iter().filter(|fires| **fires).count() as f64 / 400.0;
            prop_assert!((share - probability).abs() < 0.15, "{} of {}", share, probability);
        }
    }
}
