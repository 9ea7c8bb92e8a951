use countersign_platform::{Permission, SeedSpec};
use countersign_testkit::TestPlatform;

/// Each endpoint with the permission that it asks for; none is for everybody.
const ENDPOINTS: &[(&str, &str, Option<Permission>)] = &[
    ("GET", "/api/authn/v2/users/self", None),
    ("GET", "/api/authn/v2/api_credentials", None),
    ("GET", "/api/authn/v2/principal", None),
    ("GET", "/healthcheck/status", None),
    ("GET", "/api/authn/v2/oauth_clients", None),
    ("GET", "/api/authn/v2/oauth_clients/user_id/{any}", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/oauth_clients/user_id/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/users", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/users", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/users/{any}", Some(Permission::ManageIdentity)),
    ("PUT", "/api/authn/v2/users/{any}", Some(Permission::ManageIdentity)),
    ("DELETE", "/api/authn/v2/users/{any}", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/users/1/resetPassword", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/users/search", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/users/by_role/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/users/notinteam", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/roles", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/roles/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/teams", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/teams", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/teams/self", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/teams/{any}", Some(Permission::ManageIdentity)),
    ("PUT", "/api/authn/v2/teams/{any}", Some(Permission::ManageIdentity)),
    ("DELETE", "/api/authn/v2/teams/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/business_units", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/business_units", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/business_units/{any}", Some(Permission::ManageIdentity)),
    ("PUT", "/api/authn/v2/business_units/{any}", Some(Permission::ManageIdentity)),
    ("DELETE", "/api/authn/v2/business_units/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/api/authn/v2/api_credentials/user_id/{any}", Some(Permission::ManageIdentity)),
    ("POST", "/api/authn/v2/api_credentials/user_id/{any}", Some(Permission::ManageIdentity)),
    ("DELETE", "/api/authn/v2/api_credentials/user_id/{any}", Some(Permission::ManageIdentity)),
    ("GET", "/appsec/v1/applications", Some(Permission::ReadApplications)),
    ("POST", "/appsec/v1/applications", Some(Permission::WriteApplications)),
    ("GET", "/appsec/v1/applications/{any}", Some(Permission::ReadApplications)),
    ("PUT", "/appsec/v1/applications/{any}", Some(Permission::WriteApplications)),
    ("DELETE", "/appsec/v1/applications/{any}", Some(Permission::WriteApplications)),
    ("GET", "/appsec/v2/applications/{any}/findings", Some(Permission::ReadFindings)),
    ("POST", "/appsec/v1/analytics/report", Some(Permission::ReadReports)),
    ("GET", "/appsec/v1/analytics/report/{any}", Some(Permission::ReadReports)),
    ("GET", "/appsec/v1/collections", Some(Permission::ReadCollections)),
    ("GET", "/appsec/v1/collections/statistics", Some(Permission::ReadCollections)),
    ("GET", "/appsec/v1/collections/{any}", Some(Permission::ReadCollections)),
    ("GET", "/appsec/v1/collections/{any}/assets", Some(Permission::ReadCollections)),
    ("POST", "/appsec/v1/collections", Some(Permission::WriteCollections)),
    ("PUT", "/appsec/v1/collections/{any}", Some(Permission::WriteCollections)),
    ("DELETE", "/appsec/v1/collections/{any}", Some(Permission::WriteCollections)),
    ("GET", "/appsec/v1/policies", Some(Permission::ReadApplications)),
    ("GET", "/appsec/v1/policies/{any}", Some(Permission::ReadApplications)),
    ("GET", "/appsec/v1/policies/{any}/versions", Some(Permission::ReadApplications)),
    ("GET", "/appsec/v1/policies/{any}/versions/1", Some(Permission::ReadApplications)),
    ("GET", "/appsec/v1/custom_fields", Some(Permission::ReadApplications)),
    ("GET", "/appsec/v1/cwes", None),
    ("GET", "/appsec/v1/cwes/79", None),
    ("GET", "/appsec/v1/categories", None),
    ("GET", "/appsec/v1/categories/1", None),
    (
        "GET",
        "/appsec/v2/applications/{any}/findings/1/static_flaw_info",
        Some(Permission::ReadFindings),
    ),
    (
        "GET",
        "/appsec/v2/applications/{any}/findings/1/dynamic_flaw_info",
        Some(Permission::ReadFindings),
    ),
    ("GET", "/appsec/v2/applications/{any}/summary_report", Some(Permission::ReadFindings)),
    ("GET", "/srcclr/v3/applications/{any}/sca_annotations", Some(Permission::ReadFindings)),
    ("GET", "/appsec/v1/applications/{any}/sandboxes", Some(Permission::ReadSandboxes)),
    ("GET", "/appsec/v2/applications/{any}/sandboxes", Some(Permission::ReadSandboxes)),
    ("POST", "/appsec/v1/applications/{any}/sandboxes", Some(Permission::WriteSandboxes)),
    (
        "POST",
        "/appsec/v1/applications/{any}/sandboxes/{any}/promote",
        Some(Permission::WriteSandboxes),
    ),
    ("GET", "/appsec/v1/applications/{any}/sandboxes/{any}", Some(Permission::ReadSandboxes)),
    ("PUT", "/appsec/v1/applications/{any}/sandboxes/{any}", Some(Permission::WriteSandboxes)),
    ("DELETE", "/appsec/v1/applications/{any}/sandboxes/{any}", Some(Permission::WriteSandboxes)),
];

/// Role sets of API accounts, and what each may do by the documentation.
const ACCOUNTS: &[(&[&str], &[Permission])] = &[
    (
        &["resultsapi", "noteamrestrictionapi"],
        &[
            Permission::ReadApplications,
            Permission::ReadFindings,
            Permission::ReadSandboxes,
            Permission::ProposeMitigations,
        ],
    ),
    (
        &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"],
        &[
            Permission::ReadApplications,
            Permission::ReadSandboxes,
            Permission::WriteApplications,
            Permission::WriteSandboxes,
        ],
    ),
    (
        &["submitterapi", "apisubmitstaticscan", "noteamrestrictionapi"],
        &[Permission::ReadApplications],
    ),
    (
        &["mitigationapi", "noteamrestrictionapi"],
        &[Permission::ReadApplications, Permission::ApproveMitigations],
    ),
    (&["adminapi"], &[Permission::ReadApplications, Permission::ManageIdentity]),
    (&["archerreports", "noteamrestrictionapi"], &[Permission::ReadApplications]),
    (&["greenlightapiuser", "noteamrestrictionapi"], &[Permission::ReadApplications]),
    (
        &["reportingApi", "noteamrestrictionapi"],
        &[Permission::ReadApplications, Permission::ReadReports],
    ),
    (
        &["collectionManagerAPI", "noteamrestrictionapi"],
        &[Permission::ReadApplications, Permission::ReadCollections, Permission::WriteCollections],
    ),
    (
        &["collectionReviewerAPI", "noteamrestrictionapi"],
        &[Permission::ReadApplications, Permission::ReadCollections],
    ),
    (&["noteamrestrictionapi"], &[Permission::ReadApplications]),
];

#[tokio::test]
async fn each_endpoint_for_each_role() {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let any = "00000000-0000-4000-8000-000000000000";
    for (at, (roles, granted)) in ACCOUNTS.iter().enumerate() {
        let pair = test.mint(&format!("account-{at}"), roles).pair;
        for (method, target, needs) in ENDPOINTS {
            let target = target.replace("{any}", any);
            let answer = test.call(&pair, method, &target, "").await;
            let is_granted = needs.is_none_or(|permission| granted.contains(&permission));
            assert_eq!(
                answer.status == 403,
                !is_granted,
                "{method} {target} {roles:?}: {}",
                answer.status
            );
            assert_ne!(answer.status, 401, "{method} {target}");
            if !is_granted {
                assert_eq!(answer.json()["http_status"], "Forbidden");
                assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
            }
        }
    }
}

#[test]
fn user_accounts_by_the_documentation() {
    let holds =
        |permission: Permission, role: &str| permission.is_held_by(false, &[role.to_owned()]);
    for (permission, roles) in [
        (Permission::ReadApplications, &["extcreator", "extseclead"][..]),
        (Permission::ReadFindings, &["extreviewer", "extseclead"]),
        (Permission::WriteApplications, &["extcreator", "extseclead"]),
        (Permission::WriteSandboxes, &["sandboxadmin", "sandboxuser", "extcreator", "extseclead"]),
        (Permission::ReadSandboxes, &["sandboxadmin", "sandboxuser", "extcreator", "extseclead"]),
        (Permission::ProposeMitigations, &["extreviewer", "extseclead"]),
        (Permission::ApproveMitigations, &["extmitigationapprover"]),
        (Permission::ManageIdentity, &["extadmin"]),
        (Permission::ReadCollections, &["collectionManager", "collectionReviewer"]),
        (Permission::WriteCollections, &["collectionManager"]),
        (Permission::ReadReports, &["extexecutive", "extseclead", "securityinsightsonly"]),
    ] {
        for role in [
            "extadmin",
            "extseclead",
            "extcreator",
            "extsubmitter",
            "extreviewer",
            "extexecutive",
            "extmitigationapprover",
            "sandboxadmin",
            "sandboxuser",
            "teamAdmin",
            "collectionManager",
            "collectionReviewer",
            "resultsapi",
            "adminapi",
        ] {
            assert_eq!(holds(permission, role), roles.contains(&role), "{permission:?} {role}");
        }
    }
}
