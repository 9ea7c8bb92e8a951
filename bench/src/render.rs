//! Each renderer over the same findings, beside the bare serializer over the same
//! values: of the findings for the tables, of the finished events for OCSF.

use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use countersign_findings::{Application, Context, Finding};
use countersign_formats::csv::{Csv, Style};
use countersign_formats::ndjson::{Line, Ndjson};
use countersign_formats::ocsf::{Ocsf, Shape};
use countersign_formats::parquet::Parquet;
use countersign_formats::{Export, Head, Item, Last, Paths};
use serde_json::{Value, json};

const FINDINGS: usize = 20_000;

struct Row {
    finding: Finding,
    raw: String,
}

pub fn run() -> Result<()> {
    let application = application()?;
    let rows = (0..FINDINGS).map(|number| row(number, &application)).collect::<Result<Vec<_>>>()?;
    let raw_bytes: usize = rows.iter().map(|row| row.raw.len()).sum();
    println!("{FINDINGS} findings, {:.0} bytes a record", raw_bytes as f64 / FINDINGS as f64);

    let head = Head {
        version: "bench".into(),
        made_ms: 0,
        filter: String::new(),
        total: FINDINGS as u64,
        with_raw: false,
        paths: Paths::default(),
    };
    let mut events = Vec::new();
    export(Box::new(Ocsf::new(&mut events, &head, Shape::Posture)), &rows, &application)?;
    let events = events
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<Vec<Value>, _>>()?;

    let mut results: Vec<(&str, Duration, usize)> = Vec::new();
    // In turns, so that what else the machine does falls on all of them; the best counts.
    for _ in 0..7 {
        let mut measure = |name, act: &dyn Fn(&mut Counted) -> Result<()>| -> Result<()> {
            let mut out = Counted::default();
            let start = Instant::now();
            act(&mut out)?;
            let took = start.elapsed();
            match results.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, best, _)) => *best = took.min(*best),
                None => results.push((name, took, out.bytes.load(Ordering::Relaxed))),
            }
            Ok(())
        };
        measure("serde_json: findings", &|out| bare(out, rows.iter().map(|row| &row.finding)))?;
        measure("serde_json: lines", &|out| {
            bare(out, rows.iter().map(|row| Line::of(&item(row, &application))))
        })?;
        measure("ndjson", &|out| export(Box::new(Ndjson::new(out)), &rows, &application))?;
        measure("csv", &|out| {
            export(Box::new(Csv::new(out, Style::default())?), &rows, &application)
        })?;
        measure("serde_json: OCSF events", &|out| bare(out, &events))?;
        measure("ocsf 2007", &|out| {
            export(Box::new(Ocsf::new(out, &head, Shape::Posture)), &rows, &application)
        })?;
        measure("ocsf 2002 1.3.0", &|out| {
            export(Box::new(Ocsf::new(out, &head, Shape::Vulnerability13)), &rows, &application)
        })?;
        measure("parquet", &|out| {
            export(Box::new(Parquet::new(out.clone(), &head)?), &rows, &application)
        })?;
    }
    println!("{:<30} {:>8} {:>10} {:>12}", "", "MB", "MB/s", "findings/s");
    for (name, best, bytes) in results {
        let (mb, seconds) = (bytes as f64 / 1e6, best.as_secs_f64());
        println!("{name:<30} {mb:>8.1} {:>10.0} {:>12.0}", mb / seconds, FINDINGS as f64 / seconds);
    }
    Ok(())
}

fn bare<T: serde::Serialize>(out: &mut Counted, values: impl IntoIterator<Item = T>) -> Result<()> {
    let mut line = Vec::new();
    for value in values {
        line.clear();
        serde_json::to_writer(&mut line, &value)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

fn export(mut export: Box<dyn Export + '_>, rows: &[Row], application: &Application) -> Result<()> {
    for row in rows {
        export.finding(&item(row, application))?;
    }
    Ok(export.end()?)
}

fn item<'a>(row: &'a Row, application: &'a Application) -> Item<'a> {
    Item {
        finding: &row.finding,
        application,
        integration: "bench",
        gone: false,
        added_ms: 1_780_272_000_000,
        changed_ms: 1_780_272_000_000,
        last: Last::New,
        paths: &[],
        raw: &row.raw,
    }
}

/// A place that swallows.
#[derive(Default, Clone)]
struct Counted {
    bytes: Arc<AtomicUsize>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.fetch_add(black_box(bytes).len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn application() -> Result<Application> {
    let record = json!({
        "guid": "7c1b0a52-0000-4000-8000-000000000001", "id": 12_345,
        "created": "2026-01-02T03:04:05.000Z", "modified": "2026-05-02T03:04:05.000Z",
        "profile": {"name": "Payments", "business_criticality": "VERY_HIGH", "tags": "web, pci",
            "business_unit": {"name": "Retail"}, "teams": [{"team_name": "Blue Team"}],
            "policies": [{"name": "PCI 4.0", "policy_compliance_status": "DID_NOT_PASS"}]},
    });
    Application::decode(&record.to_string()).context("the application")
}

fn row(number: usize, application: &Application) -> Result<Row> {
    let words = "This call could result in an injection. Writing untrusted data into a query lets an attacker change what it means. Validate all untrusted input and use prepared statements. ".repeat(7);
    let status = json!({"first_found_date": "2026-01-02T03:04:05.678Z", "status": "OPEN",
        "resolution": "UNRESOLVED", "mitigation_review_status": "NONE", "new": number.is_multiple_of(3),
        "resolution_status": "NONE", "last_seen_date": "2026-05-02T03:04:05.678Z"});
    let mut record = json!({"count": 1, "context_type": "APPLICATION",
        "context_guid": "7c1b0a52-0000-4000-8000-000000000001", "violates_policy": number.is_multiple_of(2),
        "finding_status": status});
    let cwe = json!({"id": 89, "name": "Improper Neutralization of Special Elements used in an SQL Command",
        "href": "https://api.veracode.com/appsec/v1/cwes/89"});
    if number % 4 == 3 {
        record["scan_type"] = "SCA".into();
        record["description"] = words[..600].into();
        record["finding_details"] = json!({"severity": number % 6, "cwe": cwe,
            "component_id": format!("c-{number}"), "licenses": [{"license_id": "apache-2.0", "risk_rating": "2"}],
            "metadata": {"sca_scan_mode": "UPLOAD", "sca_dep_mode": "UNKNOWN"},
            "cve": {"name": format!("CVE-2026-{number:05}"), "cvss": 7.1,
                "href": "http://nvd.nist.gov/vuln/detail/CVE-2026-20883", "severity": "High",
                "vector": "AV:N/AC:M/Au:N/C:N/I:N/A:C",
                "cvss3": {"score": 7.5, "severity": "High", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
                "exploitability": {"epss_score": 0.0123, "epss_percentile": 0.5, "epss_score_date": "2026-05-01"}},
            "component_filename": "spring-boot-autoconfigure-2.5.14.jar", "language": "JAVA",
            "component_path": [{"path": "WEB-INF/lib/spring-boot-autoconfigure-2.5.14.jar"}], "version": "2.5.14"});
    } else {
        record["scan_type"] = "STATIC".into();
        record["issue_id"] = number.into();
        record["build_id"] = 9_105_452.into();
        record["description"] = format!(
            "<span>{words}</span> <span>References: <a href=\"https://cwe.mitre.org/data/definitions/89.html\">CWE</a></span>").into();
        record["finding_details"] = json!({"severity": number % 6, "cwe": cwe,
            "file_path": "org/owasp/webgoat/HammerHead.java", "file_name": "HammerHead.java",
            "module": "webgoat-container-7.1-SNAPSHOT.war", "relative_location": 91,
            "finding_category": {"id": 19, "name": "SQL Injection", "href": "https://api.veracode.com/appsec/v1/categories/19"},
            "procedure": "org.owasp.webgoat.HammerHead.log", "exploitability": 1,
            "attack_vector": "java.sql.Statement.executeQuery", "file_line_number": 1 + number % 900});
    }
    let raw = record.to_string();
    let finding = Finding::decode(&raw, &application.guid, &Context::Policy)?;
    Ok(Row { finding, raw })
}
