//! The Reporting API as a hint: it adds to what is read, and is done without.

use std::sync::Arc;
use std::time::Duration;

use countersign_client::{Budget, Client, Config, Url};
use countersign_connector::sync::plan::Scope;
use countersign_connector::sync::{Options, Report};
use countersign_findings::Population;
use countersign_platform::SeedSpec;
use countersign_signing::Pair;
use countersign_testkit::{TestPlatform, repeatable_random};
use serde_json::{Value, json};

use super::Bench;
use crate::life::{DAY_MS, HOUR_MS};

struct Reader {
    platform: &'static TestPlatform,
    bench: Bench,
    pair: Pair,
    client: Client,
}

impl Reader {
    async fn new(roles: &[&str]) -> Self {
        let platform: &'static TestPlatform =
            Box::leak(Box::new(TestPlatform::start(SeedSpec::Demo).await));
        let pair = platform.mint("reader", roles).pair;
        let random = repeatable_random();
        let clock: countersign_connector::Clock = Arc::new(|| platform.now());
        let bench = Bench::at(axum::Router::new(), clock.clone(), random.clone()).await;
        let mut config = Config::new(Url::parse(&platform.platform.rest_url()).expect("a URL"));
        config.ca_pem = Some(platform.platform.ca_pem().as_bytes().to_vec());
        config.budget = Budget::alone(1_000_000);
        // Time passes while it asks: the platform prepares a report by its own clock.
        let passing: countersign_connector::Clock = Arc::new(|| {
            platform.advance(100);
            platform.now()
        });
        let client = Client::new(config, &pair, passing, random).expect("a client");
        Self { platform, bench, pair, client }
    }

    async fn sync(&self, scope: Scope, hint: bool) -> Report {
        let hint = hint.then_some(Duration::from_millis(1));
        let options = Options { scope, audit_share: 0.0, hint, ..Options::default() };
        let Bench { connector, integration, .. } = &self.bench;
        let run = connector.sync(*integration, self.client.clone(), options, Arc::new(|_| {}));
        run.await.expect("a report").report
    }

    async fn incremental(&self, hint: bool) -> Report {
        let report = self.sync(Scope::Incremental { sweep_ms: 1_000 * DAY_MS }, hint).await;
        assert!(report.complete, "{:?}", report.problems);
        report
    }

    /// Proposes a mitigation, which moves no date of the application.
    async fn propose(&self) {
        let findings = self.bench.connector.store.findings(countersign_store::Query {
            limit: 5_000,
            ..countersign_store::Query::default()
        });
        let undecided = findings.await.expect("findings").into_iter().find_map(|row| {
            let raw: Value = serde_json::from_str(&row.raw).ok()?;
            let is_it = row.finding.context.guid().is_none()
                && raw["finding_status"]["resolution_status"] == "NONE";
            is_it.then_some(())?;
            Some((row.finding, raw["issue_id"].as_i64()?.to_string()))
        });
        let (finding, issue) = undecided.expect("a finding that nobody decided about");
        let said = json!({ "issue_list": issue,
            "comment": "Technique : M1 : Specifics : x", "action": "APPDESIGN" });
        let target = format!("/appsec/v2/applications/{}/annotations", finding.application);
        let answer = self.platform.call(&self.pair, "POST", &target, &said.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
}

const REPORTER: &[&str] = &["resultsapi", "reportingApi", "noteamrestrictionapi"];

#[tokio::test]
async fn what_no_date_tells_of_is_read_once_the_report_names_it() {
    let reader = Reader::new(REPORTER).await;
    let first = reader.sync(Scope::Full, true).await;
    assert!(first.complete && first.hint.is_none(), "a full run needs no hint");
    // The seed's own changes are older than what was just read.
    let quiet = reader.incremental(true).await.hint.expect("a report");
    assert_eq!((quiet.read, quiet.changed, quiet.problem), (0, 0, None));
    reader.propose().await;
    let at_once = reader.incremental(true).await;
    assert_eq!(at_once.hint.expect("a report").read, 0, "reports are hours late");
    reader.platform.advance(3 * HOUR_MS);
    let without = reader.incremental(false).await;
    assert_eq!((without.findings.changed, without.hint), (0, None), "the dates do not tell");
    let with = reader.incremental(true).await;
    let hint = with.hint.expect("a report");
    assert_eq!((hint.read, hint.changed, with.findings.changed), (1, 1, 1), "{hint:?}");
    let again = reader.incremental(true).await;
    let hint = again.hint.expect("a report");
    assert!(hint.named >= 1, "the time before is asked about again");
    assert_eq!((hint.read, again.findings.changed), (0, 0), "it was read since");
    let counts = reader.bench.connector.store.counts(reader.bench.integration, Population::STORED);
    assert_eq!(counts.await.expect("counts").total, first.findings.total);
}

#[tokio::test]
async fn without_the_role_a_run_goes_on_without_the_hint() {
    let reader = Reader::new(&["resultsapi", "noteamrestrictionapi"]).await;
    reader.sync(Scope::Full, false).await;
    let report = reader.incremental(true).await;
    let problem = report.hint.expect("it was asked").problem.expect("and refused");
    assert!(problem.contains("403"), "{problem}");
    assert_eq!(report.findings.unchanged + report.applications.skipped, report.applications.listed);
}
