//! The roles table: what there is, for whom, and what each may read and write.

pub mod account;
pub(crate) mod custom;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::guid_from;

/// A built-in role.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    /// Machine name.
    pub name: &'static str,
    /// Display name.
    pub description: &'static str,
    /// For API accounts, else for people.
    pub is_api: bool,
    /// Says which scans may be started.
    pub is_scan_type: bool,
    /// Sees every application.
    pub sees_all: bool,
}

const fn role(name: &'static str, description: &'static str) -> Role {
    Role { name, description, is_api: false, is_scan_type: false, sees_all: false }
}

const fn everywhere(role: Role) -> Role {
    Role { sees_all: true, ..role }
}

const fn scan(name: &'static str, description: &'static str) -> Role {
    Role { is_scan_type: true, ..role(name, description) }
}

const fn api(role: Role) -> Role {
    Role { is_api: true, ..role }
}

/// All of them.
pub const ROLES: &[Role] = &[
    everywhere(role("extadmin", "Administrator")),
    everywhere(role("extseclead", "Security Lead")),
    role("extcreator", "Creator"),
    role("extsubmitter", "Submitter"),
    role("extreviewer", "Reviewer"),
    everywhere(role("extexecutive", "Executive")),
    role("extmitigationapprover", "Mitigation Approver"),
    role("extpolicyadmin", "Policy Administrator"),
    role("securityinsightsonly", "Security Insights"),
    role("deletescans", "Delete Scans"),
    role("sandboxadmin", "Sandbox Administrator"),
    role("sandboxuser", "Sandbox User"),
    role("teamAdmin", "Team Admin"),
    role("workSpaceAdmin", "Workspace Administrator"),
    role("workSpaceEditor", "Workspace Editor"),
    role("greenlightideuser", "Greenlight IDE User"),
    role("securityLabsUser", "Security Labs User"),
    role("extelearn", "eLearning"),
    role("analyticsCreator", "Analytics Creator"),
    role("collectionManager", "Collection Manager"),
    role("collectionReviewer", "Collection Reviewer"),
    scan("extsubmitanyscan", "Any Scan"),
    scan("extsubmitstaticscan", "Static Scan"),
    scan("extsubmitdynamicscan", "Dynamic Scan"),
    scan("extsubmitdynamicanalysis", "Dynamic Analysis"),
    scan("extsubmitdynamicmpscan", "Dynamic MP Scan"),
    scan("extsubmitmanualscan", "Manual Scan"),
    scan("extsubmitdiscoveryscan", "Discovery Scan"),
    api(role("uploadapi", "Upload and Scan API")),
    api(role("submitterapi", "Upload API - Submit Only")),
    api(role("resultsapi", "Results API")),
    api(role("mitigationapi", "Mitigation API")),
    api(role("adminapi", "Admin API")),
    api(role("archerreports", "Archer Report API")),
    api(role("greenlightapiuser", "Greenlight API User")),
    api(role("reportingApi", "Reporting API User")),
    api(role("collectionManagerAPI", "Collection Manager API")),
    api(role("collectionReviewerAPI", "Collection Reviewer API")),
    api(everywhere(role("noteamrestrictionapi", "No Team Restriction API"))),
    api(scan("apisubmitanyscan", "Any Scan API")),
    api(scan("apisubmitstaticscan", "Static Scan API")),
    api(scan("apisubmitdynamicscan", "Dynamic Scan API")),
    api(scan("apisubmitdynamicanalysis", "Dynamic Analysis API")),
    api(scan("apisubmitmanualscan", "Manual Scan API")),
];

/// The role of this machine name.
pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

/// The same role has the same id in every home.
static IDS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    ROLES.iter().map(|role| (role.name, guid_from(&format!("role:{}", role.name)))).collect()
});

/// The guid of a built-in role; empty for a name that is none.
pub fn id_of(name: &str) -> &'static str {
    IDS.get(name).map_or("", String::as_str)
}

/// The built-in role of this guid.
pub fn of_id(guid: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| id_of(role.name) == guid)
}

/// What an endpoint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// List and read applications.
    ReadApplications,
    /// Read findings of every scan type.
    ReadFindings,
    /// List and read sandboxes.
    ReadSandboxes,
    /// Create, change and delete applications.
    WriteApplications,
    /// Create, change and delete sandboxes.
    WriteSandboxes,
    /// Propose mitigations and comment.
    ProposeMitigations,
    /// Approve and reject mitigations.
    ApproveMitigations,
    /// The Identity API.
    ManageIdentity,
    /// List and read collections.
    ReadCollections,
    /// Create, change and delete collections.
    WriteCollections,
    /// Ask for reports and read them.
    ReadReports,
}

impl Permission {
    /// All of them, with what they allow.
    pub const ALL: [(Self, &str); 11] = [
        (Self::ReadApplications, "lists and reads applications"),
        (Self::ReadFindings, "reads findings"),
        (Self::ReadSandboxes, "reads sandboxes"),
        (Self::WriteApplications, "writes applications"),
        (Self::WriteSandboxes, "writes sandboxes"),
        (Self::ProposeMitigations, "proposes mitigations"),
        (Self::ApproveMitigations, "approves mitigations"),
        (Self::ManageIdentity, "manages users"),
        (Self::ReadCollections, "lists and reads collections"),
        (Self::WriteCollections, "writes collections"),
        (Self::ReadReports, "asks for reports and reads them"),
    ];

    /// As accounts are told what they may. Only `approveMitigations` is known for sure.
    pub fn word(self) -> &'static str {
        match self {
            Self::ReadApplications => "viewApplications",
            Self::ReadFindings => "viewResults",
            Self::ReadSandboxes => "viewSandbox",
            Self::WriteApplications => "editApplications",
            Self::WriteSandboxes => "editSandbox",
            Self::ProposeMitigations => "proposeMitigations",
            Self::ApproveMitigations => "approveMitigations",
            Self::ManageIdentity => "manageUsers",
            Self::ReadCollections => "viewCollections",
            Self::WriteCollections => "editCollections",
            Self::ReadReports => "viewReports",
        }
    }

    /// Whether an account of this kind with these roles holds it.
    pub fn is_held_by(self, is_api: bool, roles: &[String]) -> bool {
        let any = |names: &[&str]| roles.iter().any(|role| names.contains(&role.as_str()));
        match (self, is_api) {
            (Self::ReadApplications, true) => !roles.is_empty(),
            (Self::ReadApplications, false) => any(&["extcreator", "extseclead"]),
            (Self::ReadFindings, true) => any(&["resultsapi"]),
            (Self::ReadFindings, false) => any(&["extreviewer", "extseclead"]),
            (Self::ReadSandboxes, true) => any(&["resultsapi", "uploadapi"]),
            (Self::WriteApplications | Self::WriteSandboxes, true) => any(&["uploadapi"]),
            (Self::WriteApplications, false) => any(&["extcreator", "extseclead"]),
            (Self::ReadSandboxes | Self::WriteSandboxes, false) => {
                any(&["sandboxadmin", "sandboxuser", "extcreator", "extseclead"])
            }
            (Self::ProposeMitigations, true) => any(&["resultsapi"]),
            (Self::ProposeMitigations, false) => any(&["extreviewer", "extseclead"]),
            (Self::ApproveMitigations, true) => any(&["mitigationapi"]),
            (Self::ApproveMitigations, false) => any(&["extmitigationapprover"]),
            (Self::ReadCollections, true) => {
                any(&["collectionManagerAPI", "collectionReviewerAPI"])
            }
            (Self::ReadCollections, false) => any(&["collectionManager", "collectionReviewer"]),
            (Self::WriteCollections, true) => any(&["collectionManagerAPI"]),
            (Self::WriteCollections, false) => any(&["collectionManager"]),
            (Self::ReadReports, true) => any(&["reportingApi"]),
            (Self::ReadReports, false) => {
                any(&["extexecutive", "extseclead", "securityinsightsonly"])
            }
            (Self::ManageIdentity, true) => any(&["adminapi"]),
            (Self::ManageIdentity, false) => any(&["extadmin"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = ROLES.iter().map(|role| role.name).collect();
        assert_eq!(names.len(), ROLES.len());
    }
}
