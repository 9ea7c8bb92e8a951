//! Everything about a credential that somebody would act on, from what is stored.

use std::cmp::Reverse;

use countersign_store::{Credential, CredentialId, CredentialKind, Fault, Rotation, Sighting};

use super::DAY_MS;
use super::needs::{self, Need, Purpose, Standing};
use super::policy::Policy;

/// How it is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its time is over.
    Lapsed,
    /// The service does not accept it.
    Refused,
    /// Its account lacks a role that it needs.
    RoleMissing,
    /// Its time is over in thirty days or less.
    Expiring,
    /// The service could not be asked.
    Unreachable,
    /// The service was never asked.
    Unchecked,
    /// Nothing to do.
    Fine,
}

impl State {
    /// All of them, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Lapsed,
        Self::Refused,
        Self::RoleMissing,
        Self::Expiring,
        Self::Unreachable,
        Self::Unchecked,
        Self::Fine,
    ];

    /// A machine word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lapsed => "lapsed",
            Self::Refused => "refused",
            Self::RoleMissing => "role_missing",
            Self::Expiring => "expiring",
            Self::Unreachable => "unreachable",
            Self::Unchecked => "unchecked",
            Self::Fine => "fine",
        }
    }
}

/// What a row is made of.
pub(super) struct Facts<'f> {
    pub(super) credential: &'f Credential,
    pub(super) integrations: Vec<String>,
    pub(super) is_minter: bool,
    pub(super) sighting: Option<&'f Sighting>,
    pub(super) rotation: Option<&'f Rotation>,
}

/// A credential as somebody who has to act sees it. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Row id in the store.
    pub id: CredentialId,
    /// Name.
    pub name: String,
    /// A pair, or an OAuth client.
    pub kind: CredentialKind,
    /// The API ID or Client ID that signs now.
    pub api_id: String,
    /// Its version in the vault; none for the newest.
    pub version: Option<u32>,
    /// Where it is for.
    pub host: String,
    /// Whose it is.
    pub account: Option<String>,
    /// The account's `user_id`.
    pub user_id: Option<String>,
    /// When it came into the vault first.
    pub added_ms: i64,
    /// Since when this one signs.
    pub published_ms: i64,
    /// When it expires, as the service said.
    pub expires_ms: Option<i64>,
    /// Whole days until then; negative once it has.
    pub days_left: Option<i64>,
    /// When the service was last asked.
    pub checked_ms: Option<i64>,
    /// What was wrong then.
    pub problem: Option<String>,
    /// When it was last used from here.
    pub used_ms: Option<i64>,
    /// By what.
    pub used_by: Option<String>,
    /// What it is held for.
    pub purpose: Purpose,
    /// The integrations that sign with it.
    pub integrations: Vec<String>,
    /// The account's roles, machine names.
    pub roles: Vec<String>,
    /// What the purpose needs.
    pub needs: Vec<Need>,
    /// Roles that it does not need, and what they let their holder do.
    pub excess: Vec<(String, &'static str)>,
    /// How it is.
    pub state: State,
    /// How far the service's clock is ahead of ours.
    pub skew_ms: Option<i64>,
    /// Whether that is too far.
    pub is_skewed: bool,
    /// When the service may disable the account, if nobody ever signs in to it.
    pub may_be_disabled_ms: Option<i64>,
    /// An id that is live at the service and not ours.
    pub foreign_id: Option<String>,
    /// Since when its rotation has not moved, when that is too long.
    pub stuck_since_ms: Option<i64>,
    /// The step that it is stuck at.
    pub stuck_at: Option<String>,
}

pub(super) fn row(facts: Facts<'_>, policy: &Policy, now_ms: i64) -> Row {
    let Facts { credential, integrations, is_minter, sighting, rotation } = facts;
    let roles = credential.roles.clone();
    let purpose = if !integrations.is_empty() {
        Purpose::Integration
    } else if is_minter || needs::is_administrator(&roles) {
        Purpose::Administrator
    } else {
        Purpose::Spare
    };
    let needed = needs::needs(purpose, &roles);
    // A later look by somebody else says more than the last one of the watch.
    let fault = sighting
        .filter(|seen| credential.checked_ms.is_none_or(|checked_ms| checked_ms <= seen.seen_ms))
        .and_then(|seen| seen.fault)
        .filter(|_| credential.problem.is_some());
    let days_left = credential.expires_ms.map(|ms| (ms - now_ms).div_euclid(DAY_MS));
    let is_lapsed = credential.expires_ms.is_some_and(|ms| ms <= now_ms);
    let is_missing = needed.iter().any(|need| need.standing == Standing::Missing);
    let state = if is_lapsed {
        State::Lapsed
    } else if fault == Some(Fault::NotAuthenticated) {
        State::Refused
    } else if is_missing || fault == Some(Fault::RoleMissing) {
        State::RoleMissing
    } else if credential.expires_ms.is_some_and(|ms| ms - now_ms <= 30 * DAY_MS) {
        State::Expiring
    } else if credential.problem.is_some() {
        State::Unreachable
    } else if credential.checked_ms.is_none() {
        State::Unchecked
    } else {
        State::Fine
    };
    let skew_ms = sighting.and_then(|seen| seen.skew_ms);
    // The id that a rotation has made is foreign until it is published.
    let foreign_id = sighting.and_then(|seen| seen.live_id.clone());
    let foreign_id = foreign_id.filter(|id| *id != credential.api_id && rotation.is_none());
    let is_stuck = |rotation: &&Rotation| now_ms - rotation.moved_ms > policy.stuck_after_ms;
    let stuck = rotation.filter(is_stuck);
    let is_only_signing = credential.kind == CredentialKind::Hmac && needs::is_api_account(&roles);
    Row {
        id: credential.id,
        name: credential.name.clone(),
        kind: credential.kind,
        api_id: credential.api_id.clone(),
        version: credential.version,
        host: host_of(&credential.url),
        account: credential.account.clone(),
        user_id: credential.user_id.clone(),
        added_ms: credential.added_ms,
        published_ms: credential.published_ms,
        expires_ms: credential.expires_ms,
        days_left,
        checked_ms: credential.checked_ms,
        problem: credential.problem.clone(),
        used_ms: credential.used_ms,
        used_by: credential.used_by.clone(),
        purpose,
        integrations,
        excess: needs::excess(purpose, &roles),
        needs: needed,
        roles,
        state,
        skew_ms,
        is_skewed: skew_ms.is_some_and(|ms| ms.abs() > policy.max_skew_ms),
        may_be_disabled_ms: credential.expires_ms.filter(|_| is_only_signing),
        foreign_id,
        stuck_since_ms: stuck.map(|rotation| rotation.moved_ms),
        stuck_at: stuck.map(|rotation| rotation.step.clone()),
    }
}

impl Row {
    /// Compared, the worst comes first.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (self.state, self.expires_ms.unwrap_or(i64::MAX), Reverse(self.hints()), self.name.clone())
    }

    fn hints(&self) -> usize {
        usize::from(self.foreign_id.is_some())
            + usize::from(self.stuck_since_ms.is_some())
            + usize::from(self.is_skewed)
            + self.excess.len()
    }

    /// The permissions that are missing, each with the roles that would grant it.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.needs.iter().filter(|need| need.standing == Standing::Missing);
        missing
            .map(|need| {
                let roles: Vec<_> = need.any_of.iter().map(|role| needs::spoken(role)).collect();
                // Any role at all is not worth a list.
                match roles.len() {
                    1..=3 => format!("{} ({})", need.what, roles.join(" or ")),
                    _ => need.what.to_owned(),
                }
            })
            .collect()
    }

    /// What to do, the most urgent first; empty when there is nothing.
    pub fn actions(&self) -> Vec<String> {
        let name = &self.name;
        let mut actions = Vec::new();
        match self.state {
            State::Lapsed if self.may_be_disabled_ms.is_some() => actions.push(format!(
                "generate a new credential for it; if its account was disabled, an administrator enables it again first: `countersign credentials rotate {name}`"
            )),
            State::Lapsed => actions.push(format!("generate a new credential for it: `countersign credentials rotate {name}`")),
            State::Refused if self.is_skewed => actions.push("set this machine's clock: the service refuses signatures of another time".into()),
            State::Refused => actions.push("look whether it was revoked, replaced, or its account disabled; then generate a new one".into()),
            State::RoleMissing => {
                let missing = self.missing();
                let what = if missing.is_empty() { "what the service refuses".to_owned() } else { missing.join(" and ") };
                actions.push(format!("ask an administrator for the role for {what}"));
            }
            State::Expiring => actions.push(format!("replace it: `countersign credentials rotate {name}`")),
            State::Unreachable => actions.push("find out why the service could not be asked".into()),
            State::Unchecked => actions.push("ask the service: `countersign credentials list --refresh`".into()),
            State::Fine => {}
        }
        if let Some(id) = &self.foreign_id {
            actions.push(format!("find out who generated `{id}` for its account: it is active at the service, and the API ID used here may end within a day"));
        }
        if let Some(step) = &self.stuck_at {
            actions.push(format!("its rotation has not moved from `{step}`: `countersign credentials rotate {name}` resumes it"));
        }
        if let (Some(ms), true) = (self.skew_ms, self.is_skewed && self.state != State::Refused) {
            actions.push(format!(
                "set this machine's clock: the service is {} s {}",
                ms.abs() / 1000,
                if ms > 0 { "ahead" } else { "behind" }
            ));
        }
        for (role, what) in &self.excess {
            actions.push(format!("consider taking away the role `{role}`, which {what}"));
        }
        actions
    }
}

/// Host and port of a URL that was parsed when it came in.
fn host_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}
