//! Rotations by processes that are killed, with answers that get lost, vaults that
//! refuse, disks that are full, clocks that jump and second rotators. The deep run is
//! `countersign credentials rehearse --rotations 2000`.

use serde_json::Value;

use crate::program::{run, stderr, stdout};

fn rehearse(arguments: &[&str]) -> Value {
    let home = tempfile::tempdir().unwrap();
    let mut all = vec!["credentials", "rehearse", "--json"];
    all.extend(arguments);
    let output = run(home.path(), &all);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn nothing_is_lost_whatever_goes_wrong() {
    let report = rehearse(&["--rotations", "14", "--faults", "all", "--seed", "7"]);
    for name in ["lock_outs", "lost_secrets", "unaccounted_mints"] {
        assert_eq!(report[name], 0, "{name}: {report}");
    }
    assert_eq!(report["rotations"], 42);
    assert!(report["crashes"].as_u64().unwrap() > 0, "somebody was killed: {report}");
    for mode in ["administrator", "twins", "self"] {
        let tally = &report["modes"][mode];
        assert_eq!(tally["audit_whole"], true, "{mode}: {tally}");
        assert!(tally["lost_answers"].as_u64().unwrap() > 0, "{mode}: {tally}");
        assert!(tally["calls"].as_u64().unwrap() > 100, "{mode}: {tally}");
    }
    // While one twin is replaced, calls go on with the other, whatever happens.
    assert_eq!(report["modes"]["twins"]["failed_calls"], 0, "{report}");
}

#[test]
fn undisturbed_no_call_fails_in_any_mode() {
    let report = rehearse(&["--rotations", "4", "--faults", "none"]);
    for mode in ["administrator", "twins", "self"] {
        let tally = &report["modes"][mode];
        assert_eq!(tally["failed_calls"], 0, "{mode}: {tally}");
        assert_eq!(tally["published"], 4, "{mode}: {tally}");
    }
}

#[test]
fn a_misfortune_that_does_not_exist_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["credentials", "rehearse", "--faults", "rain"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("kill-at-step"), "{}", stderr(&output));
}
