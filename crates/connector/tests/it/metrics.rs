//! What a scraper reads, in a time that tests make pass; and series of it, by which the rules
//! for alerts are tested (`conformance/prometheus`).

use std::path::PathBuf;

use countersign_connector::metrics::Metric;
use countersign_findings::Population;
use countersign_platform::SeedSpec;
use countersign_store::{Action, DeliveryMode, DestinationId, NewSend, Planned, SendState};
use serde_json::json;

use crate::life::{DAY_MS, HOUR_MS, Life, NAME, rule};

const MINUTE_MS: i64 = 60_000;
const SMALL: SeedSpec = SeedSpec::Sized { applications: 2, findings: 40, rng: 7 };

/// The value of a sample; `name` with its labels.
fn value(text: &str, name: &str) -> f64 {
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with(&format!("{name} "))).collect();
    assert_eq!(lines.len(), 1, "{name}: {text}");
    lines[0].rsplit(' ').next().unwrap().parse().unwrap()
}

/// The service limits so many requests of the next syncs; none with 0.
async fn limited(life: &Life, times: u32) {
    let act = json!({"kind": "status", "status": 429, "headers": {"retry-after": "0"}});
    let matches = json!({"path": "*/applications", "times": times});
    let rule = json!({"name": "limit", "match": matches, "act": act});
    let rules = if times == 0 { json!([]) } else { json!([rule]) };
    let plan = json!({"rules": rules}).to_string();
    let answer = life.test.control("PUT", "/faults", &plan).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test]
async fn what_is_counted_is_what_happened() {
    let life = Life::begin(SMALL, rule(6 * HOUR_MS)).await;
    life.pass_until(life.now() + DAY_MS).await;
    limited(&life, 1).await;
    life.pass_until(life.now() + 6 * HOUR_MS).await;
    life.step(0).await;
    let expires_ms = life.look().await;
    let text = life.metrics().await;
    let of = |name: &str| value(&text, &format!("{name}{{integration=\"{NAME}\"}}"));

    let runs = life.known.store.runs(None, 100).await.unwrap();
    let ended = runs.iter().filter(|run| run.complete == Some(true)).count();
    let complete =
        format!("countersign_syncs_total{{integration=\"{NAME}\",outcome=\"complete\"}}");
    assert!(ended >= 5, "{runs:?}");
    assert_eq!(value(&text, &complete), ended as f64);
    assert_eq!(of("countersign_sync_duration_seconds_count"), runs.len() as f64);
    let last_ms = runs.iter().filter_map(|run| run.finished_ms).max().unwrap();
    assert_eq!(of("countersign_sync_last_complete_timestamp_seconds"), last_ms as f64 / 1000.0);
    assert_eq!(of("countersign_sync_age_seconds"), (life.now() - last_ms) as f64 / 1000.0);
    assert_eq!(of("countersign_schedule_lag_seconds"), 0.0);

    let swept = life.known.store.swept().await.unwrap().remove(0);
    let (sweep, stalest) = (swept.sweep.unwrap(), swept.stalest.unwrap());
    let age_ms = life.now() - stalest.read_ms;
    assert_eq!(of("countersign_application_age_oldest_seconds"), age_ms as f64 / 1000.0);
    assert_eq!(of("countersign_sweep_period_seconds"), sweep.period_ms as f64 / 1000.0);
    assert!(sweep.applications > 0, "{sweep:?}");
    assert_eq!(of("countersign_audit_applications_total"), sweep.applications as f64);
    for cause in ["dates", "scans"] {
        let labels = format!("{{integration=\"{NAME}\",cause=\"{cause}\"}}");
        assert_eq!(value(&text, &format!("countersign_audit_missed_findings_total{labels}")), 0.0);
    }

    assert_eq!(value(&text, "countersign_requests_rate_limited_total"), 1.0);
    assert_eq!(value(&text, "countersign_request_retries_total"), 1.0);
    assert!(value(&text, "countersign_requests_total") > ended as f64);

    let left = format!("countersign_credential_time_left_seconds{{name=\"{NAME}\"}}");
    assert_eq!(value(&text, &left), (expires_ms - life.now()) as f64 / 1000.0);
    let integration = life.known.store.integration(NAME).await.unwrap().id;
    let counts = life.known.store.counts(integration, Population::USUAL).await.unwrap();
    let findings = text.lines().filter(|line| line.starts_with("countersign_findings{"));
    let numbers = findings.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    let numbers: Vec<_> = numbers.collect();
    assert_eq!((numbers.len(), numbers.iter().sum::<u64>()), (24, counts.total));
    assert!(counts.total > 0);
    assert!(text.contains(&format!("severity and state: {}\n", Population::USUAL)));
    let size = value(&text, "countersign_store_size_bytes");
    assert!(size > 4096.0, "{size}");
    for metric in Metric::ALL {
        assert!(text.contains(&format!("# TYPE {} ", metric.name())), "{metric:?}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    life.end().await;
}

/// Scrapes at even distances.
struct Series {
    interval_ms: i64,
    scrapes: Vec<String>,
}

impl Series {
    async fn record(life: &Life, interval_ms: i64, scrapes: usize) -> Self {
        let mut recorded = Self { interval_ms, scrapes: Vec::new() };
        for _ in 0..scrapes {
            recorded.scrapes.push(life.metrics().await);
            life.step(interval_ms).await;
        }
        recorded
    }

    /// Where the tests of the rules find it, if they are run.
    fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("COUNTERSIGN_SERIES").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        let whole = json!({"interval_seconds": self.interval_ms / 1000, "scrapes": self.scrapes});
        std::fs::write(folder.join(format!("{name}.json")), whole.to_string()).unwrap();
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.scrapes.iter().map(|text| value(text, name)).collect()
    }
}

/// What the alert for a stale sync sees: a day of syncs, then none for three days.
#[tokio::test]
async fn series_of_a_sync_that_stands_still() {
    let life = Life::begin(SMALL, rule(6 * HOUR_MS)).await;
    life.pass_until(life.now() + DAY_MS).await;
    life.pause().await;
    let series = Series::record(&life, HOUR_MS, 72).await;
    let ages = series.values(&format!("countersign_sync_age_seconds{{integration=\"{NAME}\"}}"));
    assert!(ages[0] < 12.0 * 3600.0 && ages[71] > 2.0 * 86_400.0, "{ages:?}");
    series.keep("stale");
    life.end().await;
}

/// What the alert for a credential sees: its last twenty days.
#[tokio::test]
async fn series_of_a_credential_that_expires() {
    let life = Life::begin(SMALL, rule(DAY_MS)).await;
    life.step(0).await;
    life.pause().await;
    let expires_ms = life.look().await;
    life.step(expires_ms - life.now() - 20 * DAY_MS).await;
    let series = Series::record(&life, DAY_MS, 22).await;
    let left =
        series.values(&format!("countersign_credential_time_left_seconds{{name=\"{NAME}\"}}"));
    assert!(left[0] > 19.0 * 86_400.0 && left[21] < 0.0, "{left:?}");
    series.keep("expires");
    life.end().await;
}

/// What the alert for a limit sees: quiet, then a sync that is refused again and again.
#[tokio::test]
async fn series_of_a_service_that_limits() {
    let life = Life::begin(SMALL, rule(5 * MINUTE_MS)).await;
    limited(&life, 0).await;
    life.step(MINUTE_MS).await;
    let mut series = Series::record(&life, MINUTE_MS, 15).await;
    limited(&life, 1000).await;
    series.scrapes.extend(Series::record(&life, MINUTE_MS, 45).await.scrapes);
    let limits = series.values("countersign_requests_rate_limited_total");
    assert!(limits[14] == 0.0 && limits[59] >= 6.0, "{limits:?}");
    series.keep("limited");
    life.end().await;
}

/// Something planned for a destination, in this state.
async fn planned(life: &Life, state: SendState) -> DestinationId {
    let (store, now_ms) = (&life.known.store, life.now());
    let live = DeliveryMode::Live;
    let row = store.keep_destination("tickets", "jira", "here", live, now_ms).await.unwrap();
    let send = NewSend {
        uid: "msg_1".into(),
        group: "0123456789abcdef0123".into(),
        from_seq: 1,
        to_seq: 1,
        action: Action::Create,
        payload: "{}".into(),
        state,
        reason: None,
    };
    let planned = Planned { sends: vec![send], ..Planned::default() };
    assert!(store.plan_sends(row.id, row.cursor, planned, now_ms).await.unwrap());
    row.id
}

/// What the alerts for a destination see: what is planned waits, or is held, for thirty hours.
#[tokio::test]
async fn series_of_deliveries_that_wait() {
    for (state, name, metric) in [
        (SendState::Pending, "late", "countersign_delivery_backlog_oldest_seconds"),
        (SendState::Held, "held", "countersign_delivery_held"),
    ] {
        let life = Life::begin(SMALL, rule(DAY_MS)).await;
        life.pause().await;
        planned(&life, state).await;
        let series = Series::record(&life, HOUR_MS, 30).await;
        let values = series.values(&format!("{metric}{{destination=\"tickets\"}}"));
        let last = if state == SendState::Held { 1.0 } else { 29.0 * 3600.0 };
        assert_eq!(values[29], last, "{values:?}");
        series.keep(name);
        life.end().await;
    }
}

/// What the alert for a destination sees: it works, and then needs another setting.
#[tokio::test]
async fn series_of_a_destination_that_breaks() {
    let life = Life::begin(SMALL, rule(DAY_MS)).await;
    life.pause().await;
    let id = planned(&life, SendState::Pending).await;
    let mut series = Series::record(&life, MINUTE_MS, 20).await;
    let why = Some("it answered 401".to_owned());
    life.known.store.set_delivery_problem(id, why, life.now()).await.unwrap();
    series.scrapes.extend(Series::record(&life, MINUTE_MS, 20).await.scrapes);
    let broken = series.values("countersign_delivery_broken{destination=\"tickets\"}");
    assert_eq!((broken[19], broken[39]), (0.0, 1.0));
    series.keep("broken");
    life.end().await;
}
