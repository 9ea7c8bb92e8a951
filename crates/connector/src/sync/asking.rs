//! Which lists of an application a reading asks for, decided by its record in the listing and
//! by what the store holds. Pure.

use countersign_client::ScanFamily;
use countersign_findings::{Application, Context, PolicyScans};
use serde::{Deserialize, Serialize};

/// How much of an application a reading asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Lists that can hold something.
    Needed,
    /// All lists.
    Everything,
}

/// Whether a list can hold findings. `is_held` says that the store has some of it, which no
/// record argues away: only the list itself says that they are gone.
///
/// One thing is certain enough to save a request. The record lists the newest policy scan of
/// each type, and has a date of the last completed one: static, dynamic and manual findings of
/// the policy context come from these scans alone, so where there was none there are none.
///
/// Nothing else is:
/// - Findings of software composition analysis also come from agents whose projects somebody
///   linked with the application, and no record shows a scan of these; nor does any say what
///   its switch for the analysis keeps from appearing.
/// - The record says nothing of sandboxes: neither which there are nor what was scanned in
///   them. What a scan moves in the record of a sandbox is not known.
pub fn can_hold(
    application: &Application,
    context: &Context,
    family: ScanFamily,
    is_held: impl FnOnce() -> bool,
) -> bool {
    let was_scanned = application.policy_scans != PolicyScans::Never;
    was_scanned || *context != Context::Policy || family == ScanFamily::Sca || is_held()
}

/// Whether a reading of the application saves a list, unless the store has findings of it.
pub fn saves(application: &Application) -> bool {
    !can_hold(application, &Context::Policy, ScanFamily::NonSca, || false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_policy_scans_alone_find_is_saved_where_there_was_none() {
        let application = |members: &str| {
            Application::decode(&format!(r#"{{"guid": "app-1"{members}}}"#)).unwrap()
        };
        let sandbox = Context::sandbox("7f0e3c2a-0000-4000-8000-000000000001").unwrap();
        let scanned = application(r#", "scans": [{"scan_type": "MANUAL"}]"#);
        let never = application(r#", "scans": [], "last_completed_scan_date": null"#);
        for silent in [scanned, application("")] {
            assert!(!saves(&silent));
            for context in [&Context::Policy, &sandbox] {
                for family in [ScanFamily::NonSca, ScanFamily::Sca] {
                    assert!(can_hold(&silent, context, family, || false), "{context} {family:?}");
                }
            }
        }
        assert!(saves(&never));
        for (context, family, is_held, is_asked) in [
            (&Context::Policy, ScanFamily::NonSca, true, true),
            (&Context::Policy, ScanFamily::Sca, false, true),
            (&sandbox, ScanFamily::NonSca, false, true),
            (&sandbox, ScanFamily::Sca, false, true),
            (&Context::Policy, ScanFamily::NonSca, false, false),
        ] {
            let asks = can_hold(&never, context, family, || is_held);
            assert_eq!(asks, is_asked, "{context} {family:?} {is_held}");
        }
    }
}
