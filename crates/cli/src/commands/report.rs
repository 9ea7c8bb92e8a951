//! The final report of a run, for people.

use countersign_connector::sync::{AuditCounts, Report};
use countersign_findings::{Population, Severity, State};
use countersign_store::Counts;

use crate::output::{bars, grouped, printable};

/// `1 request`, `2 requests`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {one}{ending}", grouped(count))
}

pub(crate) fn sync_text(name: &str, report: &Report) -> String {
    let (applications, findings) = (&report.applications, &report.findings);
    let mut text = format!(
        "{name}: {} ({} changed, {} unchanged{}), {}\n",
        counted(applications.listed, "application"),
        grouped(applications.changed),
        grouped(applications.unchanged),
        match applications.gone {
            0 => String::new(),
            gone => format!(", {gone} no longer visible"),
        },
        counted(findings.total, "finding"),
    );
    text.push_str(&format!("  counted: {}\n", Population::STORED));
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
            "  held back: {}, {} no longer listed\n",
            counted(findings.held_back, "closure"),
            counted(applications.held_back, "application")
        ));
    }
    if findings.mended > 0 {
        let mended = grouped(findings.mended);
        text.push_str(&format!("  {mended} damaged in the store, and written anew\n"));
    }
    if let Some(audit) = &report.audit {
        let words = AuditCounts::words(audit.applications, audit.missed());
        text.push_str(&format!(
            "  audit: {words}{}\n",
            match audit.missed() {
                0 => String::new(),
                _ => format!(
                    " ({} although no date moved, {} although no scan was recorded)",
                    grouped(audit.missed_by_dates),
                    grouped(audit.missed_by_scans)
                ),
            }
        ));
    }
    if let Some(hint) = &report.hint {
        text.push_str(&match &hint.problem {
            None => format!(
                "  Reporting API: {} named, {} read for it, {} of them changed\n",
                counted(hint.named, "application"),
                grouped(hint.read),
                grouped(hint.changed)
            ),
            Some(problem) => format!("  Reporting API: no report: {}\n", printable(problem)),
        });
    }
    text.push_str(&format!(
        "  {} ({} repeated) in {:.1} s, {} written\n",
        counted(report.requests, "request"),
        grouped(report.retries),
        report.duration_ms as f64 / 1000.0,
        counted(report.rows_written, "row"),
    ));
    text
}

/// What a population looks like, and how much of all that is stored it leaves out.
pub(crate) fn counts_text(counts: &Counts, population: Population, stored: u64) -> String {
    let severities: Vec<_> = Severity::ALL
        .iter()
        .map(|severity| {
            let count = counts.open_by_severity[usize::from(severity.level())];
            (severity.name().to_owned(), count)
        })
        .collect();
    let open = population.only(State::Open);
    let mut text = format!(
        "\n{} findings: {open}\n{}\n{} findings: {population}\n{}\n{}",
        grouped(counts.open_by_severity.iter().sum()),
        bars(&severities),
        grouped(counts.total),
        bars(&counts.by_scan_type),
        bars(&counts.by_state),
    );
    if let Some(others @ 1..) = stored.checked_sub(counts.total) {
        text.push_str(&format!(
            "  {} more are in sandboxes or of applications no longer visible\n",
            grouped(others)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_says_what_it_counts() {
        let counts = Counts {
            total: 1500,
            noted: 0,
            open_by_severity: [0, 0, 0, 0, 200, 1000],
            by_scan_type: vec![("STATIC".into(), 1500)],
            by_state: vec![("open".into(), 1200), ("fixed".into(), 300)],
        };
        let text = counts_text(&counts, Population::USUAL, 1720);
        for line in [
            "1,200 findings: open, policy context, visible applications",
            "1,500 findings: any state, policy context, visible applications",
            "220 more are in sandboxes or of applications no longer visible",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!counts_text(&counts, Population::USUAL, 1500).contains("more"));
        let synced = sync_text("demo", &Report::default());
        assert!(synced.contains("any state, policy context and sandboxes"), "{synced}");
        assert!(!synced.contains("audit"), "{synced}");
    }

    #[test]
    fn what_an_audit_found_is_said_with_its_cause() {
        let text = |applications, missed_by_dates, missed_by_scans| {
            let counts = AuditCounts {
                applications,
                missed_by_dates,
                missed_by_scans,
                ..AuditCounts::default()
            };
            sync_text("demo", &Report { audit: Some(counts), ..Report::default() })
        };
        for (text, line) in [
            (text(1, 0, 0), "  audit: 1 application read completely, no finding missed\n"),
            (
                text(2, 1, 0),
                "  audit: 2 applications read completely, 1 finding missed (1 although no date moved, 0 although no scan was recorded)\n",
            ),
            (
                text(2, 1, 2),
                "  audit: 2 applications read completely, 3 findings missed (1 although no date moved, 2 although no scan was recorded)\n",
            ),
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
