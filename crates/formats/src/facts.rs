//! What several formats want to know of a finding and the record does not say outright.

use countersign_findings::{Finding, Severity, State};

use crate::text::{line, plain};

/// Where a mitigation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    /// There is none.
    None,
    /// Somebody proposed one.
    Proposed,
    /// It was proposed and refused.
    Rejected,
    /// It holds.
    Accepted,
}

/// Where this finding's mitigation stands. An open finding has none that holds,
/// whatever single members say.
pub(crate) fn review(finding: &Finding) -> Review {
    match (finding.state, finding.status.resolution_status.as_deref()) {
        (State::Mitigated | State::FalsePositive, _) => Review::Accepted,
        (State::Open, Some("PROPOSED")) => Review::Proposed,
        (State::Open, Some("REJECTED")) => Review::Rejected,
        _ => Review::None,
    }
}

/// Whether somebody says, without an approval yet, that it is none.
pub(crate) fn is_doubted(finding: &Finding) -> bool {
    review(finding) == Review::Proposed
        && (finding.status.resolution.as_deref() == Some("POTENTIAL_FALSE_POSITIVE")
            || newest_measure(finding) == Some(Measure::FalsePositive))
}

/// A kind of mitigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    FalsePositive,
    ByDesign,
    OfSystem,
    OfNetwork,
    OfEnvironment,
    OfLibrary,
    RiskAccepted,
    Deferred,
    Remediated,
}

impl Measure {
    fn parse(action: &str) -> Option<Self> {
        Some(match action {
            "FP" => Self::FalsePositive,
            "APPDESIGN" | "BYDESIGN" => Self::ByDesign,
            "OSENV" => Self::OfSystem,
            "NETENV" => Self::OfNetwork,
            "BYENV" => Self::OfEnvironment,
            "LIBRARY" => Self::OfLibrary,
            "ACCEPTRISK" => Self::RiskAccepted,
            "DEFER" => Self::Deferred,
            "REMEDIATED" => Self::Remediated,
            _ => return None,
        })
    }

    /// The flaw is there and stays.
    pub(crate) fn leaves_the_risk(self) -> bool {
        matches!(self, Self::RiskAccepted | Self::Deferred)
    }
}

/// The kind of mitigation that was proposed last.
pub(crate) fn newest_measure(finding: &Finding) -> Option<Measure> {
    let actions = finding.annotations.iter().filter_map(|step| step.action.as_deref());
    actions.filter_map(Measure::parse).next()
}

/// What people wrote on the mitigation, newest first.
pub(crate) fn reasons(finding: &Finding) -> Option<String> {
    let lines: Vec<_> = finding
        .annotations
        .iter()
        .filter_map(|step| {
            let words: Vec<_> =
                step.comment.iter().chain(&step.mitigation).map(|words| plain(words)).collect();
            let words = words.join("\n");
            let who = match (&step.action, &step.user) {
                (Some(action), Some(user)) => format!("{action} ({user}): "),
                (Some(action), None) => format!("{action}: "),
                _ => String::new(),
            };
            (!words.trim().is_empty()).then(|| format!("{}{words}", plain(&who)))
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// 0 to 10: of CVSS 3, else of CVSS 2, else of a text.
pub(crate) fn cvss(finding: &Finding) -> Option<f64> {
    let known = finding.vulnerability.as_ref();
    let score = known.and_then(|v| v.cvss3).or_else(|| known.and_then(|v| v.cvss2));
    score.or_else(|| written_score(finding)).filter(|score| (0.0..=10.0).contains(score))
}

/// The score that is written as a text.
pub(crate) fn written_score(finding: &Finding) -> Option<f64> {
    let score = finding.cvss.as_deref()?.trim().parse::<f64>().ok()?;
    score.is_finite().then_some(score)
}

/// A number of 0 to 10 in the middle of what readers take for this severity.
pub(crate) fn score(severity: Severity) -> f64 {
    match severity.level() {
        0 => 0.0,
        1 => 1.0,
        2 => 3.0,
        3 => 5.5,
        4 => 8.0,
        _ => 9.5,
    }
}

/// The weakness's number, where it can be one.
pub(crate) fn cwe(finding: &Finding) -> Option<i64> {
    finding.cwe.as_ref().map(|cwe| cwe.id).filter(|id| *id > 0)
}

/// The CVE, where the vulnerability's name is one.
pub(crate) fn cve(finding: &Finding) -> Option<&str> {
    let name = finding.vulnerability.as_ref()?.name.as_str();
    let (year, number) = name.strip_prefix("CVE-")?.split_once('-')?;
    let is_number = |text: &str, least: usize| {
        text.len() >= least && text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit())
    };
    (year.len() == 4 && is_number(year, 4) && is_number(number, 4)).then_some(name)
}

/// Where a CVE is described.
pub(crate) fn cve_url(cve: &str) -> String {
    format!("https://nvd.nist.gov/vuln/detail/{cve}")
}

/// The description, or the title where there is none.
pub(crate) fn words(finding: &Finding) -> String {
    match plain(&finding.description).trim() {
        "" => title(finding, usize::MAX),
        words => words.to_owned(),
    }
}

/// The title in one line; the finding's id where nothing is left of it.
pub(crate) fn title(finding: &Finding, max_chars: usize) -> String {
    match line(&finding.title, max_chars) {
        title if title.is_empty() => format!("Finding {}", finding.id),
        title => title,
    }
}

/// A line from 1, or none: 0 is what the service says without debug symbols.
pub(crate) fn line_number(line: Option<i64>) -> Option<i64> {
    // Readers keep lines in 32 bits.
    line.filter(|line| (1..=i64::from(i32::MAX)).contains(line))
}

/// A CVSS vector whose every metric is known, in the form that validators want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vector {
    /// As text. One of version 3 has its prefix.
    pub(crate) text: String,
    /// `2`, `3.0`, `3.1`; `3` when the text did not say which.
    pub(crate) version: &'static str,
}

/// The vulnerability's vectors, newest version first.
pub(crate) fn vectors(finding: &Finding) -> Vec<Vector> {
    let known = finding.vulnerability.as_ref();
    let third = known.and_then(|v| v.cvss3_vector.as_deref()).and_then(cvss3);
    let second = known.and_then(|v| v.cvss2_vector.as_deref()).and_then(cvss2);
    third.into_iter().chain(second).collect()
}

/// The base metrics of version 3 and their values; one letter each.
const BASE_3: [(&str, &str); 8] = [
    ("AV", "NALP"),
    ("AC", "LH"),
    ("PR", "NLH"),
    ("UI", "NR"),
    ("S", "UC"),
    ("C", "NLH"),
    ("I", "NLH"),
    ("A", "NLH"),
];

/// The base metrics of version 2.
const BASE_2: [(&str, &str); 6] =
    [("AV", "NAL"), ("AC", "LMH"), ("Au", "MSN"), ("C", "NPC"), ("I", "NPC"), ("A", "NPC")];

fn cvss3(text: &str) -> Option<Vector> {
    let text = text.trim();
    let (version, metrics) = match text.split_once('/')? {
        ("CVSS:3.1", metrics) => ("3.1", metrics),
        ("CVSS:3.0", metrics) => ("3.0", metrics),
        _ => ("3", text),
    };
    let prefix = if version == "3.1" { "CVSS:3.1" } else { "CVSS:3.0" };
    is_base(metrics, &BASE_3).then(|| Vector { text: format!("{prefix}/{metrics}"), version })
}

fn cvss2(text: &str) -> Option<Vector> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    is_base(text, &BASE_2).then(|| Vector { text: text.to_owned(), version: "2" })
}

/// Whether these are the base metrics, each once, in their order.
fn is_base(metrics: &str, base: &[(&str, &str)]) -> bool {
    let mut given = metrics.split('/');
    base.iter().all(|(name, values)| {
        given
            .next()
            .and_then(|metric| metric.split_once(':'))
            .is_some_and(|(n, value)| n == *name && value.len() == 1 && values.contains(value))
    }) && given.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_known_metric_by_metric() {
        for text in
            ["", "AV:N", "CVSS:3.1/AV:N", "CVSS:4.0/AV:N/AC:L", "AV:N/AC:L/Au:N/C:X/I:N/A:N"]
        {
            assert_eq!((cvss3(text), cvss2(text)), (None, None), "{text}");
        }
        let bare = "AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
        let read = cvss3(bare).unwrap();
        assert_eq!((read.text.as_str(), read.version), (&*format!("CVSS:3.0/{bare}"), "3"));
        assert_eq!(cvss3(&format!("CVSS:3.1/{bare}")).unwrap().version, "3.1");
        assert_eq!(cvss2("(AV:N/AC:L/Au:N/C:C/I:C/A:C)").unwrap().version, "2");
    }
}
