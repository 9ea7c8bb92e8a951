//! Tries each permission that the integration needs, and names what is missing.

use countersign_client::{Client, ScanFamily};
use countersign_findings::Application;
use countersign_store::Observed;
use countersign_wire::identity::User;
use serde::Serialize;

use crate::account::{expiry, observed};
use crate::error::{Error, Fault};

/// What a check found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Name of the account behind the pair.
    pub account: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// When the pair expires, milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
    /// Applications that the account sees.
    pub applications: Option<u64>,
    /// How far the service's clock is ahead of ours, in milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// Each permission that was tried.
    pub probes: Vec<Probe>,
    /// The account, for the inventory.
    #[serde(skip)]
    pub(crate) seen: Observed,
}

/// One permission that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What it is for.
    pub name: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It works.
    Granted,
    /// The account lacks a role.
    Missing {
        /// Roles that would grant it.
        needs: &'static str,
    },
    /// It cannot be tried.
    Unproven {
        /// Why not.
        why: &'static str,
    },
}

/// What grants a permission: to an API account, to a person, and to either while it
/// is not known which of the two an account is.
struct Needs {
    api: &'static str,
    person: &'static str,
    either: &'static str,
}

const NEEDS_APPLICATIONS: Needs = Needs {
    api: "any API role",
    person: "Creator or Security Lead",
    either: "any API role on an API account, or Creator or Security Lead on a user account",
};
const NEEDS_FINDINGS: Needs = Needs {
    api: "Results API",
    person: "Reviewer or Security Lead",
    either: "Results API on an API account, or Reviewer or Security Lead on a user account",
};
const NEEDS_SANDBOXES: Needs = Needs {
    api: "Results API",
    person: "Sandbox User or Sandbox Administrator",
    either: "Results API on an API account, or Sandbox User or Sandbox Administrator on a user account",
};
const NO_APPLICATION: &str =
    "the account sees no application: give it teams, or No Team Restriction API";

impl Needs {
    fn of(&self, user: &User) -> &'static str {
        match user.account_type.as_deref() {
            Some("API") => self.api,
            Some("USER") => self.person,
            _ => self.either,
        }
    }
}

impl Check {
    pub(crate) fn observed(&self) -> Observed {
        self.seen.clone()
    }

    /// The failure that missing roles are.
    pub fn missing(&self) -> Option<Error> {
        let missing: Vec<_> = self
            .probes
            .iter()
            .filter_map(|probe| match probe.outcome {
                Outcome::Missing { needs } => Some(format!("{} needs {needs}", probe.name)),
                _ => None,
            })
            .collect();
        if missing.is_empty() {
            return None;
        }
        let what = format!("the account lacks a role: {}", missing.join("; "));
        Some(Error::new(Fault::RoleMissing, what).hint("ask an administrator to add it"))
    }
}

/// Tries everything that a sync will do. Fails when the pair itself is refused
/// or the service cannot be reached; a missing role is a finding of the check.
pub async fn check(client: &Client) -> Result<Check, Error> {
    let user = client.self_user().await?;
    let expires_ms = expiry(client, &user).await?;
    let [applications, findings, sandboxes] =
        [&NEEDS_APPLICATIONS, &NEEDS_FINDINGS, &NEEDS_SANDBOXES].map(|needs| needs.of(&user));
    let roles = user.roles.clone().unwrap_or_default();
    let mut check = Check {
        account: user.user_name.clone(),
        roles: roles
            .into_iter()
            .filter_map(|role| role.role_description.or(role.role_name))
            .collect(),
        expires_ms,
        applications: None,
        clock_skew_ms: client.clock_skew_ms(),
        probes: Vec::new(),
        seen: observed(user, expires_ms),
    };
    let (outcome, first) = probe_applications(client, &mut check, applications).await?;
    check.probes.push(Probe { name: "listing applications", outcome });
    for (name, needs, family) in [
        ("reading static, dynamic and manual findings", findings, Some(ScanFamily::NonSca)),
        ("reading SCA findings", findings, Some(ScanFamily::Sca)),
        ("listing sandboxes", sandboxes, None),
    ] {
        let outcome = match &first {
            None => Outcome::Unproven { why: NO_APPLICATION },
            Some(guid) => {
                let mut pages = match family {
                    Some(family) => client.findings(guid, None, family, 1),
                    None => client.sandboxes(guid, 1),
                };
                granted(pages.next().await.map(drop), needs)?
            }
        };
        check.probes.push(Probe { name, outcome });
    }
    Ok(check)
}

async fn probe_applications(
    client: &Client,
    check: &mut Check,
    needs: &'static str,
) -> Result<(Outcome, Option<String>), Error> {
    let page = match client.applications(1).next().await {
        Ok(page) => page,
        Err(error) => return Ok((granted(Err(error), needs)?, None)),
    };
    let Some(page) = page else { return Ok((Outcome::Granted, None)) };
    check.applications = Some(page.page().total_elements);
    let first = page.elements().next().and_then(|raw| Application::decode(raw).ok());
    Ok((Outcome::Granted, first.map(|application| application.guid.to_string())))
}

fn granted(
    answer: Result<(), countersign_client::Error>,
    needs: &'static str,
) -> Result<Outcome, Error> {
    match answer {
        Ok(()) => Ok(Outcome::Granted),
        Err(error) if error.is_forbidden() => Ok(Outcome::Missing { needs }),
        Err(error) => Err(error.into()),
    }
}
