//! Policies.

use countersign_wire::policy::Policy;

use crate::timestamp;

/// What the policies that every tenant has say.
pub fn definition(highest_severity: i64, made_ms: i64) -> String {
    use countersign_wire::policy::{FindingRule, ScanFrequencyRule};
    let rule = |kind: &str, scan_type: &str, value: String| FindingRule {
        kind: kind.into(),
        scan_type: vec![scan_type.into()],
        value,
        advanced_options: None,
    };
    let policy = Policy {
        description: Some("An example for demonstrations and tests.".into()),
        kind: Some("BUILTIN".into()),
        category: Some("APPLICATION".into()),
        version: Some(1),
        created: Some(timestamp(made_ms)),
        modified_by: Some("Example Organization".into()),
        finding_rules: vec![
            rule("MAX_SEVERITY", "STATIC", highest_severity.to_string()),
            rule("MAX_SEVERITY", "DYNAMIC", highest_severity.to_string()),
            rule("CVSS", "SCA", "6.9".into()),
        ],
        scan_frequency_rules: vec![ScanFrequencyRule {
            scan_type: "STATIC".into(),
            frequency: "QUARTERLY".into(),
        }],
        sev5_grace_period: 30,
        sev4_grace_period: 30,
        sev3_grace_period: 60,
        sev2_grace_period: 90,
        sev1_grace_period: 180,
        sev0_grace_period: 365,
        score_grace_period: 60,
        sca_blacklist_grace_period: 30,
        ..Policy::default()
    };
    serde_json::to_string(&policy).unwrap_or_else(|_| "{}".into())
}
