//! What is proposed runs. That each proposal can be parsed is a unit test beside the
//! parser; here those that change nothing are run.

use std::collections::BTreeMap;

use crate::collected::{documents, messages};
use crate::program::{Served, countersign, run, stderr};

/// Commands that read, or write to the working directory alone.
const SAFE: &[&str] = &[
    "applications",
    "findings",
    "changes",
    "export",
    "sync",
    "integration list",
    "integration show",
    "integration check",
    "credentials list",
    "credentials log",
    "credentials calendar",
    "credentials metrics",
    "credentials consumers",
    "schedule list",
    "people list",
    "proxy callers",
    "proxy log",
    "store check",
    "vault check",
];

/// Names that documents use.
const NAMES: &[&str] = &["prod", "ci", "nightly", "NAME"];

#[test]
fn what_is_proposed_runs() {
    let served = Served::start("apps=2,findings=40");
    let (folder, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    assert!(served.add(folder.path(), (&id, &secret)).status.success());
    assert!(run(folder.path(), &["sync"]).status.success());
    let scanners = run(folder.path(), &["integration", "add", "scanners", "--imported"]);
    assert!(scanners.status.success(), "{}", stderr(&scanners));
    let mut proposed = BTreeMap::new();
    for proposal in messages().into_iter().chain(documents()) {
        let words: Vec<_> = proposal.words[1..]
            .iter()
            .map(|word| if NAMES.contains(&&**word) { "demo".to_owned() } else { word.clone() })
            .collect();
        let line = words.join(" ");
        let is_safe =
            SAFE.iter().any(|safe| line == *safe || line.starts_with(&format!("{safe} ")));
        // A document names `export` as such.
        let is_ours = !line.contains('…') && line != "export";
        if is_safe && is_ours {
            proposed.insert(words, proposal.place);
        }
    }
    assert!(proposed.len() > 25, "{proposed:?}");
    for (words, place) in proposed {
        let mut command = countersign(folder.path());
        let output = command.args(&words).current_dir(work.path()).output().unwrap();
        let told = stderr(&output);
        // The application of an example is nobody's.
        if !told.contains("no application is called") {
            assert_eq!(output.status.code(), Some(0), "{place}: {words:?}: {told}");
        }
    }
}

/// A proposal is about the data directory that was named.
#[test]
fn a_proposal_names_the_home() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("it's here");
    let refused = run(&home, &["sync"]);
    let told = stderr(&refused);
    let quoted = home.display().to_string().replace('\'', r"'\''");
    assert!(
        told.contains(&format!("`countersign --home '{quoted}' integration add prod`")),
        "{told}"
    );
    let mut by_variable = crate::program::without_home(folder.path());
    let output = by_variable.env("COUNTERSIGN_HOME", &home).arg("sync").output().unwrap();
    assert!(stderr(&output).contains("`countersign integration add prod`"), "{}", stderr(&output));
}
