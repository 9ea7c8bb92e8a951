use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Served, countersign, pause, run, stderr, stdout};

const KILLS: u32 = 50;

/// What a store holds, without row ids, run ids and times of its own.
pub(crate) fn content(home: &Path) -> Vec<String> {
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "select 'f' || hex(finding_id) || hex(f.hash) || f.state || f.gone || f.severity || c.name
            || (select text from texts where id = f.title)
         from findings f join contexts c on c.id = f.context order by 1",
        "select 'c' || hex(finding_id) || c.kind || coalesce(reason, '') || coalesce(differences, '')
         from changes c join findings f on f.id = c.finding order by 1",
        "select 'a' || guid || name || modified_ms || gone || (read_ms is not null)
            || coalesce(policy_compliance, '') from applications order by 1",
        "select 'u' || reason from undecodable order by 1",
        // What lists count from, and what is searched.
        "select 't' || guid || severity || state || sum(findings)
         from tallies join applications a on a.id = application group by guid, severity, state
         order by 1",
        "select 'n' || field || severity || state || is_policy || sum(findings)
         from counts where field in (1, 2) group by field, severity, state, is_policy order by 1",
        "select 'h' || application || severity || open || first || new from history
         where application = 0 order by 1",
        "select 'w' || count(*) from words where words match 'the'",
    ] {
        let mut statement = store.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        lines.extend(rows.map(|line| line.unwrap().unwrap_or_default()));
    }
    // The records as sent, unpacked: how small they are depends on what came before.
    let records = run(home, &["export", "--format", "ndjson"]);
    assert!(records.status.success(), "{}", stderr(&records));
    let mut records: Vec<_> = stdout(&records).lines().map(without_times).collect();
    records.sort_unstable();
    lines.extend(records);
    lines
}

fn without_times(line: &str) -> String {
    let mut finding: serde_json::Value = serde_json::from_str(line).unwrap();
    for member in ["added", "changed"] {
        finding[member].take();
    }
    format!("r{finding}")
}

#[test]
fn killed_at_any_moment_it_ends_up_the_same() {
    let served = Served::start("apps=16,findings=3200,rng=5");
    let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
    let homes = tempfile::tempdir().unwrap();
    let new_home = |name: &str| {
        let home = homes.path().join(name);
        let added = served.add(&home, (&id, &secret));
        assert!(added.status.success(), "{}", stderr(&added));
        home
    };
    let undisturbed = new_home("undisturbed");
    let began = Instant::now();
    assert!(run(&undisturbed, &["sync"]).status.success());
    let whole = began.elapsed();
    let expected = content(&undisturbed);
    assert_eq!(expected.iter().filter(|line| line.starts_with('f')).count(), 3200);

    let (mut kills, mut completed, mut home) = (0, 0, new_home("0"));
    while kills < KILLS {
        let mut child = countersign(&home)
            .arg("sync")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A different moment each time, from the start to past the end.
        pause(whole.mul_f64(f64::from(kills * 7 % 23) / 23.0) + Duration::from_millis(5));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            assert_eq!(content(&home), expected);
            completed += 1;
            home = new_home(&completed.to_string());
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        kills += 1;
    }
    let last = run(&home, &["sync"]);
    assert!(last.status.success(), "{}", stderr(&last));
    assert_eq!(content(&home), expected);
}
