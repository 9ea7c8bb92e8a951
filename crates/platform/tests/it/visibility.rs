//! Who sees which application: random tenants against a model of ten lines.

use std::collections::BTreeSet;

use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::TestPlatform;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

const TEAMS: usize = 4;

#[derive(Debug, Clone)]
struct Tenant {
    /// The teams of each application.
    applications: Vec<BTreeSet<usize>>,
    accounts: Vec<Account>,
    /// Applications that move to other teams at the end.
    moved: Vec<(usize, BTreeSet<usize>)>,
}

#[derive(Debug, Clone)]
struct Account {
    roles: Vec<&'static str>,
    teams: BTreeSet<usize>,
}

impl Account {
    fn sees_all(&self) -> bool {
        self.roles.contains(&"noteamrestrictionapi")
    }

    fn sees(&self, teams: &BTreeSet<usize>) -> bool {
        self.sees_all() || !self.teams.is_disjoint(teams)
    }

    fn reads_findings(&self) -> bool {
        self.roles.contains(&"resultsapi")
    }
}

fn teams() -> impl Strategy<Value = BTreeSet<usize>> {
    prop::collection::btree_set(0..TEAMS, 0..3)
}

fn account() -> impl Strategy<Value = Account> {
    let roles = prop::sample::subsequence(
        vec!["resultsapi", "mitigationapi", "greenlightapiuser", "noteamrestrictionapi"],
        1..4,
    );
    (roles, prop::collection::btree_set(0..TEAMS, 1..3))
        .prop_map(|(roles, teams)| Account { roles, teams })
}

fn tenant() -> impl Strategy<Value = Tenant> {
    let applications = prop::collection::vec(teams(), 1..6);
    let moved = prop::collection::vec((0..5_usize, teams()), 0..3);
    (applications, prop::collection::vec(account(), 1..4), moved)
        .prop_map(|(applications, accounts, moved)| Tenant { applications, accounts, moved })
}

struct Stage {
    test: TestPlatform,
    admin: Pair,
    upload: Pair,
    teams: Vec<String>,
}

impl Stage {
    async fn post(&self, pair: &Pair, target: &str, body: Value) -> Value {
        let answer = self.test.call(pair, "POST", target, &body.to_string()).await;
        assert!(answer.status < 300, "{target}: {}", answer.json());
        answer.json()
    }

    fn refs(&self, teams: &BTreeSet<usize>, member: &str) -> Value {
        teams.iter().map(|team| json!({ member: self.teams[*team] })).collect()
    }
}

async fn play(tenant: Tenant) {
    let test = TestPlatform::start(SeedSpec::Empty).await;
    let admin = test.mint("admin", &["adminapi"]).pair;
    let upload =
        test.mint("upload", &["uploadapi", "apisubmitanyscan", "noteamrestrictionapi"]).pair;
    let mut stage = Stage { test, admin, upload, teams: Vec::new() };
    for team in 0..TEAMS {
        let body = json!({"team_name": format!("Team {team}")});
        let made = stage.post(&stage.admin, "/api/authn/v2/teams", body).await;
        stage.teams.push(made["team_id"].as_str().expect("an id").to_owned());
    }
    let mut pairs = Vec::new();
    for (at, account) in tenant.accounts.iter().enumerate() {
        let roles: Vec<_> = account.roles.iter().map(|role| json!({"role_name": role})).collect();
        let body = json!({
            "user_name": format!("account-{at}"), "email_address": "a@example.com",
            "first_name": "A", "last_name": "B", "roles": roles,
            "permissions": [{"permission_name": "apiUser"}],
            "teams": stage.refs(&account.teams, "team_id"),
        });
        let target = "/api/authn/v2/users?generate_api_creds=true";
        let made = stage.post(&stage.admin, target, body).await;
        let text = |name: &str| made["api_credentials"][name].as_str().expect("a text");
        pairs.push(Pair::parse(text("api_id"), text("api_secret")).expect("a pair"));
    }
    let mut guids = Vec::new();
    let mut owners = tenant.applications.clone();
    for (at, teams) in tenant.applications.iter().enumerate() {
        let body = json!({"profile": {"name": format!("App {at}"), "business_criticality": "LOW",
            "teams": stage.refs(teams, "guid")}});
        let made = stage.post(&stage.upload, "/appsec/v1/applications", body).await;
        guids.push(made["guid"].as_str().expect("a guid").to_owned());
    }
    check(&stage, &tenant.accounts, &pairs, &guids, &owners).await;
    for (at, teams) in &tenant.moved {
        let at = at % guids.len();
        let target = format!("/appsec/v1/applications/{}?method=partial", guids[at]);
        let body = json!({"profile": {"teams": stage.refs(teams, "guid")}}).to_string();
        assert_eq!(stage.test.call(&stage.upload, "PUT", &target, &body).await.status, 200);
        owners[at].clone_from(teams);
    }
    check(&stage, &tenant.accounts, &pairs, &guids, &owners).await;
}

async fn check(
    stage: &Stage,
    accounts: &[Account],
    pairs: &[Pair],
    guids: &[String],
    owners: &[BTreeSet<usize>],
) {
    for (account, pair) in accounts.iter().zip(pairs) {
        let list = stage.test.get(pair, "/appsec/v1/applications?size=500").await.json();
        let listed = list["_embedded"]["applications"].as_array().into_iter().flatten();
        let listed: Vec<_> = listed.map(|one| one["guid"].as_str().expect("it")).collect();
        let seen = guids.iter().zip(owners).filter(|(_, teams)| account.sees(teams));
        let seen: Vec<_> = seen.map(|(guid, _)| guid.as_str()).collect();
        assert_eq!(listed, seen, "{account:?} {owners:?}");
        assert_eq!(list["page"]["total_elements"], seen.len());
        for (guid, teams) in guids.iter().zip(owners) {
            let expected = if account.sees(teams) { 200 } else { 404 };
            let one = format!("/appsec/v1/applications/{guid}");
            assert_eq!(stage.test.get(pair, &one).await.status, expected, "{account:?}");
            let findings = format!("/appsec/v2/applications/{guid}/findings");
            let expected = if account.reads_findings() { expected } else { 403 };
            assert_eq!(stage.test.get(pair, &findings).await.status, expected, "{account:?}");
        }
    }
}

#[test]
fn an_account_sees_the_applications_of_its_teams() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = Config { cases: 16, max_shrink_iters: 20, ..Config::default() };
    TestRunner::new(config)
        .run(&tenant(), |tenant| {
            runtime.block_on(play(tenant));
            Ok(())
        })
        .expect("every tenant fits the model");
}
