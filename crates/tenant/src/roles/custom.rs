//! What a role that an organisation made for itself is, and what it is made of.

use super::Permission;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomRole {
    pub id: i64,
    pub guid: String,
    pub name: String,
    pub description: String,
    pub is_api: bool,
    pub jit_assignable: bool,
    pub jit_assignable_default: bool,
    pub permissions: Vec<String>,
    /// Built-in roles that it holds.
    pub child_roles: Vec<String>,
}

impl CustomRole {
    pub fn may(&self, permission: Permission) -> bool {
        permission.is_held_by(self.is_api, &self.child_roles)
            || self
                .permissions
                .iter()
                .filter_map(|name| find_permission(name))
                .any(|known| known.allows.contains(&permission))
    }
}

/// A permission as custom roles are made of.
#[derive(Debug)]
pub struct Known {
    pub name: &'static str,
    pub description: &'static str,
    pub ui_only: bool,
    /// What it allows on this platform.
    pub allows: &'static [Permission],
}

const fn known(
    name: &'static str,
    description: &'static str,
    allows: &'static [Permission],
) -> Known {
    Known { name, description, ui_only: false, allows }
}

/// The names that are known; most allow nothing that this platform offers.
pub const PERMISSIONS: &[Known] = &[
    known("viewResults", "View results", &[Permission::ReadApplications, Permission::ReadFindings]),
    known("viewSandbox", "View sandboxes", &[Permission::ReadSandboxes]),
    known("approveMitigations", "Approve mitigations", &[Permission::ApproveMitigations]),
    known("assignAppToTeam", "Assign applications to own teams", &[Permission::WriteApplications]),
    known(
        "assignAppToAnyTeam",
        "Assign applications to any team",
        &[Permission::WriteApplications],
    ),
    known("submitStaticScan", "Submit static scans", &[]),
    known("submitPolicyStaticScan", "Submit static policy scans", &[]),
    known("submitSandboxStaticScan", "Submit static sandbox scans", &[]),
    known("downloadScanReportXML", "Download report XML", &[]),
    Known { ui_only: true, ..known("downloadDiscoverySiteList", "Download discovery lists", &[]) },
    Known { ui_only: true, ..known("downloadScript", "Download scripts", &[]) },
    Known { ui_only: true, ..known("downloadSiteList", "Download site lists", &[]) },
    Known { ui_only: true, ..known("fileExchange", "File exchange", &[]) },
];

pub fn find_permission(name: &str) -> Option<&'static Known> {
    PERMISSIONS.iter().find(|known| known.name == name)
}
