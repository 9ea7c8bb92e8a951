//! Roles that a credential needs for what it does, and roles that it has beyond.

/// What a credential is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An integration signs with it.
    Integration,
    /// It makes pairs for others.
    Administrator,
    /// Nothing uses it now: the resting one of twins, or nobody's.
    Spare,
}

impl Purpose {
    /// A machine word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integration => "integration",
            Self::Administrator => "administrator",
            Self::Spare => "spare",
        }
    }
}

/// A permission that a purpose needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What for.
    pub what: &'static str,
    /// The roles that grant it, to accounts of this kind.
    pub any_of: &'static [&'static str],
    /// Whether one of them is there.
    pub standing: Standing,
}

/// Whether a permission is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A role grants it.
    Held,
    /// No role does.
    Missing,
    /// The roles are not known, or one is and it is not one of the service's own.
    Unproven,
}

const API_ROLES: &[&str] = &[
    "uploadapi",
    "submitterapi",
    "resultsapi",
    "mitigationapi",
    "adminapi",
    "archerreports",
    "greenlightapiuser",
    "reportingApi",
    "collectionManagerAPI",
    "collectionReviewerAPI",
    "noteamrestrictionapi",
    "apisubmitanyscan",
    "apisubmitstaticscan",
    "apisubmitdynamicscan",
    "apisubmitdynamicanalysis",
    "apisubmitmanualscan",
];

const USER_ROLES: &[&str] = &[
    "extadmin",
    "extseclead",
    "extcreator",
    "extsubmitter",
    "extreviewer",
    "extexecutive",
    "extmitigationapprover",
    "extpolicyadmin",
    "securityinsightsonly",
    "deletescans",
    "sandboxadmin",
    "sandboxuser",
    "teamAdmin",
    "workSpaceAdmin",
    "workSpaceEditor",
    "greenlightideuser",
    "securityLabsUser",
    "extelearn",
    "analyticsCreator",
    "collectionManager",
    "collectionReviewer",
    "extsubmitanyscan",
    "extsubmitstaticscan",
    "extsubmitdynamicscan",
    "extsubmitdynamicanalysis",
    "extsubmitdynamicmpscan",
    "extsubmitmanualscan",
    "extsubmitdiscoveryscan",
];

/// What a reader has no use for, and what it could do with it.
const BEYOND_READING: &[(&str, &str)] = &[
    ("adminapi", "makes users and credentials"),
    ("extadmin", "makes users and credentials"),
    ("teamAdmin", "manages the users of teams"),
    ("mitigationapi", "approves mitigations"),
    ("extmitigationapprover", "approves mitigations"),
    ("deletescans", "deletes scans"),
    ("extpolicyadmin", "changes policies"),
    ("uploadapi", "creates and deletes applications, uploads scans"),
    ("submitterapi", "uploads scans"),
    ("sandboxadmin", "deletes sandboxes"),
];

/// What an administrator that makes pairs has no use for.
const BEYOND_MINTING: &[(&str, &str)] = &[
    ("resultsapi", "reads findings"),
    ("extseclead", "reads findings, creates applications"),
    ("mitigationapi", "approves mitigations"),
    ("extmitigationapprover", "approves mitigations"),
    ("deletescans", "deletes scans"),
    ("extpolicyadmin", "changes policies"),
    ("uploadapi", "creates and deletes applications, uploads scans"),
    ("submitterapi", "uploads scans"),
];

fn is_one_of(names: &[&str], role: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(role))
}

/// Whether it is an account for programs. People and programs have different roles,
/// but for the policy administrator's.
pub(super) fn is_api_account(roles: &[String]) -> bool {
    roles.iter().any(|role| is_one_of(API_ROLES, role))
}

/// Whether an administrator's role is among them.
pub(super) fn is_administrator(roles: &[String]) -> bool {
    roles.iter().any(|role| is_one_of(&["adminapi", "extadmin"], role))
}

pub(super) fn needs(purpose: Purpose, roles: &[String]) -> Vec<Need> {
    let is_api = is_api_account(roles);
    let wanted: &[(&str, &[&str])] = match (purpose, is_api) {
        (Purpose::Integration, true) => {
            &[("applications", API_ROLES), ("findings", &["resultsapi"])]
        }
        (Purpose::Integration, false) => &[
            ("applications", &["extcreator", "extseclead"]),
            ("findings", &["extreviewer", "extseclead"]),
        ],
        (Purpose::Administrator, true) => &[("issuing API credentials", &["adminapi"])],
        (Purpose::Administrator, false) => {
            &[("issuing API credentials", &["adminapi", "extadmin"])]
        }
        (Purpose::Spare, _) => &[],
    };
    let is_known = |role: &String| is_one_of(API_ROLES, role) || is_one_of(USER_ROLES, role);
    let is_readable = !roles.is_empty() && roles.iter().all(is_known);
    let standing = |any_of: &[&str]| match roles.iter().any(|role| is_one_of(any_of, role)) {
        true => Standing::Held,
        false if is_readable => Standing::Missing,
        false => Standing::Unproven,
    };
    let need = |(what, any_of): &(&'static str, &'static [&'static str])| Need {
        what,
        any_of,
        standing: standing(any_of),
    };
    wanted.iter().map(need).collect()
}

/// Roles that the purpose does not need, each with what it lets its holder do.
pub(super) fn excess(purpose: Purpose, roles: &[String]) -> Vec<(String, &'static str)> {
    let beyond = match purpose {
        Purpose::Integration => BEYOND_READING,
        Purpose::Administrator => BEYOND_MINTING,
        Purpose::Spare => return Vec::new(),
    };
    let why = |role: &String| beyond.iter().find(|(name, _)| name.eq_ignore_ascii_case(role));
    roles.iter().filter_map(|role| Some((role.clone(), why(role)?.1))).collect()
}

/// How a role is called where an administrator gives it.
pub(super) fn spoken(role: &str) -> &str {
    match role {
        "resultsapi" => "Results API",
        "adminapi" => "Admin API",
        "extadmin" => "Administrator",
        "extcreator" => "Creator",
        "extseclead" => "Security Lead",
        "extreviewer" => "Reviewer",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(purpose: Purpose, roles: &[&str]) -> Vec<&'static str> {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        let all = needs(purpose, &roles).into_iter();
        all.filter(|need| need.standing == Standing::Missing).map(|need| need.what).collect()
    }

    #[test]
    fn what_is_missing_depends_on_the_kind_of_account() {
        let missing_to = |roles: &[&str]| missing(Purpose::Integration, roles);
        assert_eq!(missing_to(&["uploadapi", "apisubmitanyscan"]), ["findings"]);
        assert_eq!(missing_to(&["extreviewer"]), ["applications"]);
        assert_eq!(missing_to(&["extcreator", "extsubmitanyscan"]), ["findings"]);
        assert_eq!(missing_to(&["extexecutive"]), ["applications", "findings"]);
        // A reviewer's role does nothing for a program.
        assert_eq!(missing_to(&["noteamrestrictionapi", "extreviewer"]), ["findings"]);
        assert_eq!(missing(Purpose::Administrator, &["resultsapi"]), ["issuing API credentials"]);

        for enough in [&["resultsapi"][..], &["extseclead"], &["extcreator", "extreviewer"]] {
            assert_eq!(missing_to(enough), [""; 0], "{enough:?}");
        }
        assert_eq!(missing(Purpose::Administrator, &["adminapi"]), [""; 0]);
        assert_eq!(missing(Purpose::Spare, &["uploadapi"]), [""; 0]);
    }

    #[test]
    fn what_is_not_known_is_not_called_missing() {
        assert_eq!(missing(Purpose::Integration, &[]), [""; 0]);
        assert_eq!(missing(Purpose::Integration, &["uploadapi", "ourOwnRole"]), [""; 0]);
    }

    #[test]
    fn a_reader_that_could_do_more() {
        let roles = ["resultsapi", "adminapi", "noteamrestrictionapi"].map(str::to_owned);
        let beyond = |purpose| excess(purpose, &roles).into_iter().map(|(role, _)| role);
        assert_eq!(beyond(Purpose::Integration).collect::<Vec<_>>(), ["adminapi"]);
        assert_eq!(beyond(Purpose::Administrator).collect::<Vec<_>>(), ["resultsapi"]);
        assert_eq!(beyond(Purpose::Spare).count(), 0);
    }
}
