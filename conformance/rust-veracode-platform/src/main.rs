//! The crate `veracode-platform`, unmodified, against a freshly started
//! platform. Its findings decoder knows static findings only and fails on an
//! empty list, so it is asked for the static findings of applications that have
//! some; the counts come from the platform's database through the environment.

use std::process::ExitCode;

use veracode_platform::findings::FindingsQuery;
use veracode_platform::identity::CreateTeamRequest;
use veracode_platform::{VeracodeClient, VeracodeConfig};

const NAME: &str = "veracode-platform";

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn tell(capability: &str, outcome: Result<(), String>, failed: &mut u32) {
    match outcome {
        Ok(()) => println!("pass {NAME} {capability}"),
        Err(error) => {
            *failed += 1;
            println!("fail {NAME} {capability}: {error}");
        }
    }
}

fn same(actual: usize, expected: &str) -> Result<(), String> {
    if actual.to_string() == expected { Ok(()) } else { Err(format!("got {actual}, expected {expected}")) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut config =
        VeracodeConfig::new(&env("VERACODE_API_KEY_ID"), &env("VERACODE_API_KEY_SECRET"));
    config.base_url = env("PLATFORM_URL");
    config.rest_base_url = env("PLATFORM_URL");
    let client = VeracodeClient::new(config).expect("the client starts");
    let mut failed = 0;

    let applications = client.get_all_applications().await;
    let outcome = applications
        .map_err(|error| error.to_string())
        .and_then(|all| same(all.len(), &env("TRUE_APPLICATIONS")));
    tell("applications (all pages)", outcome, &mut failed);

    let guid = env("STATIC_APPLICATION");
    let query = FindingsQuery::new(&guid).with_scan_type("STATIC");
    let findings = client.findings_api().get_all_findings(&query).await;
    let outcome = findings
        .map_err(|error| error.to_string())
        .and_then(|all| same(all.len(), &env("TRUE_STATIC_FINDINGS")));
    tell("static findings (all pages)", outcome, &mut failed);

    let policies = client.policy_api().list_policies(None).await;
    let outcome = policies
        .map_err(|error| error.to_string())
        .and_then(|all| same(all.len(), &env("TRUE_POLICIES")));
    tell("policies", outcome, &mut failed);

    let recommended = "9ab6dc63-29cf-4457-a1d1-e2125277df0e";
    let policy = client.policy_api().get_policy(recommended).await;
    let outcome = policy.map_err(|error| error.to_string()).and_then(|policy| {
        match (&*policy.name, &*policy.policy_type) {
            ("Veracode Recommended High", "BUILTIN") => Ok(()),
            other => Err(format!("got {other:?}")),
        }
    });
    tell("policy of the vendor", outcome, &mut failed);

    let request = CreateTeamRequest {
        team_name: "Rust Team".into(),
        team_description: None,
        business_unit_id: None,
        user_ids: None,
    };
    let identity = client.identity_api();
    let outcome = match identity.create_team(request).await {
        Ok(team) => identity.delete_team(&team.team_id).await,
        Err(error) => Err(error),
    };
    let outcome = outcome.map_err(|error| error.to_string());
    tell("teams (create, delete)", outcome, &mut failed);

    let report = client.policy_api().get_summary_report(&guid, None, None).await;
    let outcome = report
        .map_err(|error| error.to_string())
        .and_then(|report| same(report.flaw_status.map_or(0, |f| f.total as usize), &env("TRUE_OPEN_FLAWS")));
    tell("summary report", outcome, &mut failed);

    println!("{} passed, {failed} failed", 6 - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
