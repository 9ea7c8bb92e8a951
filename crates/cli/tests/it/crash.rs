use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Served, countersign, pause, run, stderr};

const KILLS: u32 = 50;

/// What a store holds, without row ids, run ids and times of its own.
fn content(home: &Path) -> Vec<String> {
    let store = rusqlite::Connection::open(home.join("store.sqlite")).unwrap();
    let mut lines = Vec::new();
    for sql in [
        "select 'f' || finding_id || hex(f.hash) || f.state || f.gone || f.severity || hex(f.raw) || c.name
         from findings f join contexts c on c.id = f.context order by 1",
        "select 'c' || finding_id || kind || coalesce(reason, '') || coalesce(differences, '') from changes order by 1",
        "select 'a' || guid || name || modified_ms || gone || (read_ms is not null) || hex(raw) from applications order by 1",
        "select 'u' || reason from undecodable order by 1",
    ] {
        let mut statement = store.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        lines.extend(rows.map(|line| line.unwrap().unwrap_or_default()));
    }
    lines
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
