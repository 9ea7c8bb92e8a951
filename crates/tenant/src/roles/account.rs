//! Which roles an account may hold: by its kind, together, and with its teams. REST and the
//! console ask here, and show all that is wrong at once.

use super::custom::CustomRole;
use super::{Role, find};

/// The one role for people that API accounts can hold too.
const FOR_BOTH: &str = "extpolicyadmin";
/// They say what is submitted only together with which scans.
const SUBMITTERS: [&str; 5] =
    ["extcreator", "extsubmitter", "extseclead", "uploadapi", "submitterapi"];
const NO_TEAMS_NEEDED: &str = "noteamrestrictionapi";
const ADMIN_API: &str = "adminapi";
const DELETES_SCANS: &str = "deletescans";
const MAY_DELETE_SCANS: [&str; 2] = ["extseclead", "extcreator"];

impl Role {
    /// Whether an account of this kind can hold it.
    pub fn fits(&self, is_api: bool) -> bool {
        self.is_api == is_api || is_api && self.name == FOR_BOTH
    }

    /// By its label, and by its name in the API.
    fn in_full(&self) -> String {
        format!("{} ({})", self.description, self.name)
    }
}

fn is_one_of(role: &Role, names: &[&str]) -> bool {
    names.contains(&role.name)
}

/// An account as it is to be.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    pub is_api: bool,
    /// Built-in ones by their names in the API.
    pub roles: &'a [String],
    pub custom: &'a [CustomRole],
    pub has_teams: bool,
}

impl Account<'_> {
    /// The roles that it cannot hold, by their labels.
    pub fn misfits(&self) -> Vec<&str> {
        let built_in = self.roles.iter().filter_map(|name| find(name));
        let built_in = built_in.filter(|role| !role.fits(self.is_api)).map(|r| r.description);
        let own = self.custom.iter().filter(|role| role.is_api != self.is_api);
        built_in.chain(own.map(|role| role.description.as_str())).collect()
    }

    /// All that is wrong with its roles, as a refusal names it; nothing where it holds none.
    pub fn complaints(&self) -> Vec<String> {
        if self.roles.is_empty() {
            return Vec::new();
        }
        let mut complaints = self.wrong_kind();
        // What counts is what an account ends up with.
        let fitting = self.custom.iter().filter(|role| role.is_api == self.is_api);
        let names = self.roles.iter().chain(fitting.flat_map(|role| &role.child_roles));
        let known: Vec<_> =
            names.filter_map(|name| find(name)).filter(|role| role.fits(self.is_api)).collect();
        complaints.extend(combination(&known));
        let is_admin_alone = self.custom.is_empty() && self.roles == [ADMIN_API];
        let sees_all = known.iter().any(|role| role.sees_all);
        if self.is_api && !self.has_teams && !sees_all && !is_admin_alone {
            let role = find(NO_TEAMS_NEEDED).map(Role::in_full).unwrap_or_default();
            complaints.push(format!("teams: an API account needs teams or the role {role}."));
        }
        complaints
    }

    fn wrong_kind(&self) -> Vec<String> {
        let kind = if self.is_api { "an API account" } else { "a user account" };
        let built_in = self.roles.iter().filter_map(|name| find(name));
        let built_in = built_in.filter(|role| !role.fits(self.is_api)).map(Role::in_full);
        let own = self.custom.iter().filter(|role| role.is_api != self.is_api);
        let own = own.map(|role| format!("{} ({})", role.description, role.name));
        let misfits = built_in.chain(own);
        misfits.map(|role| format!("roles: {role} cannot be given to {kind}.")).collect()
    }

    /// The same account as an API account, with the roles that do for it what its roles do
    /// for people. Nothing is granted that no role asks for, but sight of the applications.
    pub fn for_api(&self) -> ForApi {
        let mut roles: Vec<&'static str> = Vec::new();
        for name in self.roles {
            let held = match find(name) {
                Some(role) if role.fits(true) => Some(role.name),
                Some(role) => counterpart(role.name),
                None => None,
            };
            if let Some(name) = held.filter(|name| !roles.contains(name)) {
                roles.push(name);
            }
        }
        settle_scan_types(&mut roles);
        let own = self.custom.iter().filter(|role| role.is_api);
        let mut roles: Vec<String> =
            roles.into_iter().map(String::from).chain(own.map(|role| role.name.clone())).collect();
        let api = Account { is_api: true, roles: &roles, ..*self };
        if api.complaints().iter().any(|complaint| complaint.starts_with("teams:")) {
            roles.push(NO_TEAMS_NEEDED.to_owned());
        }
        self.against(roles)
    }

    fn against(&self, roles: Vec<String>) -> ForApi {
        let label = |name: &String| match find(name) {
            Some(role) => role.description.to_owned(),
            None => {
                let own = self.custom.iter().find(|role| role.name == *name);
                own.map_or(name.as_str(), |role| role.description.as_str()).to_owned()
            }
        };
        let left_out = self.roles.iter().filter(|name| !roles.contains(name)).map(label);
        let added = roles.iter().filter(|name| !self.roles.contains(name)).map(label);
        let (left_out, added) = (left_out.collect(), added.collect());
        ForApi { roles, left_out, added }
    }
}

/// The roles of an account that becomes an API account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForApi {
    /// By their names in the API.
    pub roles: Vec<String>,
    /// What it cannot hold or has no use for, by label.
    pub left_out: Vec<String>,
    /// What it holds in their place, by label.
    pub added: Vec<String>,
}

/// All that is wrong with roles that are held together.
fn combination(known: &[&'static Role]) -> Vec<String> {
    let mut complaints = Vec::new();
    let submitters = known.iter().filter(|role| is_one_of(role, &SUBMITTERS));
    let submitters: Vec<_> = submitters.map(|role| role.in_full()).collect();
    let has_scan_type = known.iter().any(|role| role.is_scan_type);
    if !submitters.is_empty() && !has_scan_type {
        let with = submitters.join(", ");
        complaints.push(format!("roles: a scan type role is required with {with}."));
    }
    if has_scan_type && submitters.is_empty() {
        complaints.push("roles: a scan type role needs a role that submits scans.".into());
    }
    let deletes = known.iter().find(|role| role.name == DELETES_SCANS);
    if let Some(role) = deletes
        && !known.iter().any(|role| is_one_of(role, &MAY_DELETE_SCANS))
    {
        let needed = MAY_DELETE_SCANS.iter().filter_map(|name| find(name)).map(Role::in_full);
        let needed = needed.collect::<Vec<_>>().join(" or ");
        complaints.push(format!("roles: {} needs {needed}.", role.in_full()));
    }
    complaints
}

/// What an API account holds in place of a role for people: the role that reads or does the
/// same, and of two the lesser.
fn counterpart(name: &str) -> Option<&'static str> {
    Some(match name {
        "extreviewer" | "extcreator" | "extseclead" | "extexecutive" => "resultsapi",
        "extsubmitter" => "submitterapi",
        "extmitigationapprover" => "mitigationapi",
        "extadmin" => ADMIN_API,
        "greenlightideuser" => "greenlightapiuser",
        "collectionManager" => "collectionManagerAPI",
        "collectionReviewer" => "collectionReviewerAPI",
        "extsubmitanyscan" => "apisubmitanyscan",
        "extsubmitstaticscan" => "apisubmitstaticscan",
        "extsubmitdynamicscan" => "apisubmitdynamicscan",
        "extsubmitdynamicanalysis" => "apisubmitdynamicanalysis",
        "extsubmitmanualscan" => "apisubmitmanualscan",
        _ => return None,
    })
}

/// A role that submits has a scan type, and a scan type has a role that submits.
fn settle_scan_types(roles: &mut Vec<&'static str>) {
    let is_scan_type = |name: &str| find(name).is_some_and(|role| role.is_scan_type);
    let submits = roles.iter().any(|name| SUBMITTERS.contains(name));
    let has_scan_type = roles.iter().any(|name| is_scan_type(name));
    match (submits, has_scan_type) {
        (true, false) => roles.push("apisubmitanyscan"),
        (false, true) => roles.retain(|name| !is_scan_type(name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::ROLES;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    fn account(is_api: bool, roles: &[String]) -> Account<'_> {
        Account { is_api, roles, custom: &[], has_teams: true }
    }

    #[test]
    fn everything_that_is_wrong_is_named_by_label() {
        let roles = names("extcreator resultsapi extreviewer deletescans mitigationapi");
        assert_eq!(account(false, &roles).misfits(), ["Results API", "Mitigation API"]);
        assert_eq!(
            account(false, &roles).complaints(),
            [
                "roles: Results API (resultsapi) cannot be given to a user account.",
                "roles: Mitigation API (mitigationapi) cannot be given to a user account.",
                "roles: a scan type role is required with Creator (extcreator).",
            ]
        );
        let alone = Account { has_teams: false, ..account(true, &roles) };
        assert_eq!(alone.misfits(), ["Creator", "Reviewer", "Delete Scans"]);
        assert_eq!(alone.complaints().len(), 4, "{:?}", alone.complaints());
    }

    #[test]
    fn combinations() {
        for (is_api, held) in [
            (true, "resultsapi noteamrestrictionapi"),
            (true, "resultsapi extpolicyadmin"),
            (false, "extseclead extsubmitanyscan"),
            (false, ""),
        ] {
            let roles = names(held);
            assert_eq!(account(is_api, &roles).complaints(), [""; 0], "{held}");
        }
        for (is_api, held, word) in [
            (true, "extreviewer", "API account"),
            (false, "resultsapi", "user account"),
            (true, "uploadapi", "scan type role is required"),
            (true, "resultsapi apisubmitanyscan", "submits scans"),
            (false, "extreviewer deletescans", "or Creator (extcreator)"),
        ] {
            let roles = names(held);
            let complaints = account(is_api, &roles).complaints();
            assert!(complaints.len() == 1 && complaints[0].contains(word), "{complaints:?}");
        }
    }

    #[test]
    fn the_roles_of_the_guide_become_those_of_an_api_account() {
        for first in ["extcreator", "extseclead"] {
            for third in ["extreviewer", "extseclead"] {
                let roles = names(&format!("{first} resultsapi {third}"));
                let wanted = Account { has_teams: false, ..account(false, &roles) };
                let mended = wanted.for_api();
                assert_eq!(mended.roles, ["resultsapi", "noteamrestrictionapi"]);
                assert_eq!(mended.added, ["No Team Restriction API"]);
                assert!(mended.left_out.len() >= 2, "{mended:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_mended_can_be_held(
            chosen in subsequence(ROLES, 0..12),
            is_api: bool,
            has_teams: bool,
        ) {
            let roles: Vec<_> = chosen.iter().map(|role| role.name.to_owned()).collect();
            let mended = Account { is_api, roles: &roles, custom: &[], has_teams }.for_api();
            let after = Account { is_api: true, roles: &mended.roles, custom: &[], has_teams };
            prop_assert_eq!(after.complaints(), Vec::<String>::new());
            prop_assert_eq!(&after.for_api().roles, &mended.roles, "a second time changes nothing");
        }
    }
}
