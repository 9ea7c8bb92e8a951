//! The final report of a run, for people.

use countersign_connector::sync::Report;
use countersign_findings::Severity;
use countersign_store::Counts;

use crate::output::{bars, grouped};

pub(crate) fn sync_text(name: &str, report: &Report) -> String {
    let (applications, findings) = (&report.applications, &report.findings);
    let mut text = format!(
        "{name}: {} applications ({} changed, {} unchanged{}), {} findings\n",
        grouped(applications.listed),
        grouped(applications.changed),
        grouped(applications.unchanged),
        match applications.gone {
            0 => String::new(),
            gone => format!(", {gone} no longer visible"),
        },
        grouped(findings.total),
    );
    text.push_str(&format!(
        "  {} new, {} changed, {} reopened, {} closed, {} unchanged{}\n",
        grouped(findings.new),
        grouped(findings.changed),
        grouped(findings.reopened),
        grouped(findings.closed),
        grouped(findings.unchanged),
        match findings.undecodable {
            0 => String::new(),
            count => format!(", {} unreadable (kept raw)", grouped(count)),
        },
    ));
    if findings.noted > 0 {
        text.push_str(&format!(
            "  {} with members that cannot be read: countersign findings --filter 'notes[ne]'\n",
            grouped(findings.noted)
        ));
    }
    if report.is_held_back() {
        text.push_str(&format!(
            "  held back: {} closures, {} applications that are no longer listed\n",
            grouped(findings.held_back),
            grouped(applications.held_back)
        ));
    }
    if findings.mended > 0 {
        let mended = grouped(findings.mended);
        text.push_str(&format!("  {mended} damaged in the store, and written anew\n"));
    }
    text.push_str(&format!(
        "  {} requests ({} repeated) in {:.1} s, {} rows written\n",
        grouped(report.requests),
        grouped(report.retries),
        report.duration_ms as f64 / 1000.0,
        grouped(report.rows_written),
    ));
    text
}

pub(crate) fn counts_text(counts: &Counts) -> String {
    let severities: Vec<_> = Severity::ALL
        .iter()
        .map(|severity| {
            let count = counts.open_by_severity[usize::from(severity.level())];
            (severity.name().to_owned(), count)
        })
        .collect();
    format!(
        "\nOpen findings by severity\n{}\nFindings by scan type\n{}\nFindings by state\n{}",
        bars(&severities),
        bars(&counts.by_scan_type),
        bars(&counts.by_state),
    )
}
