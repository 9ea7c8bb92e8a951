//! `worker`: syncs that several processes do, each with a data directory of its own, over one
//! database.

use crate::program::{run, stderr};

#[test]
fn a_store_in_a_file_has_no_workers() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&folder.path().join("home"), &["worker", "--once"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("store.url") && told.matches("hint: ").count() == 1, "{told}");
}

#[cfg(all(unix, feature = "postgres"))]
mod shared {
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use serde_json::Value;

    use crate::crash::content;
    use crate::failover::Pair;
    use crate::program::{Served, countersign, pause, run, stderr, stdout, wait_until};

    /// Syncs in `./test`, of which each is disturbed.
    const ROUNDS: u32 = 4;
    /// Days of one tenant; then another one is synced.
    const DAYS: u32 = 10;
    const WORKERS: usize = 3;
    /// So much happens in a day that the brake would hold it back.
    const SYNC: [&str; 2] = ["sync", "--accept-closures"];

    fn number(name: &str, usual: u32) -> u32 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    fn well(home: &Path, words: &[&str]) -> String {
        let output = run(home, words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// A platform, a data directory that is synced alone, and several that share a database.
    struct Team {
        served: Served,
        folder: tempfile::TempDir,
        alone: PathBuf,
        homes: Vec<PathBuf>,
        url: String,
    }

    impl Team {
        fn new(database: &str, seed: &str, count: usize) -> Self {
            Self::over(crate::postgres::server().create(database, &[]), seed, count)
        }

        fn over(url: String, seed: &str, count: usize) -> Self {
            let served = Served::start(seed);
            let (id, secret) = served.mint("reader", &["resultsapi", "noteamrestrictionapi"]);
            let folder = tempfile::tempdir().unwrap();
            let alone = folder.path().join("alone");
            let homes: Vec<_> =
                (0..count).map(|at| folder.path().join(format!("home{at}"))).collect();
            std::fs::create_dir_all(&homes[0]).unwrap();
            let config = format!(
                "[store]\nurl = \"{url}\"\n[sync]\nlease_seconds = 1\nparallel = 2\naudit_share = 0.0\n"
            );
            std::fs::write(homes[0].join("config.toml"), config).unwrap();
            for home in [&alone, &homes[0]] {
                let added = served.add(home, (&id, &secret));
                assert!(added.status.success(), "{}", stderr(&added));
            }
            std::fs::write(alone.join("config.toml"), "[sync]\naudit_share = 0.0\n").unwrap();
            // The vault goes to each machine by hand.
            for home in &homes[1..] {
                let copied = Command::new("cp").arg("-a").args([&homes[0], home]).status();
                assert!(copied.unwrap().success());
            }
            Self { served, folder, alone, homes, url }
        }

        /// What the database holds, as a file would.
        fn content(&self, at: u32) -> Vec<String> {
            let home = self.folder.path().join(format!("copy{at}"));
            std::fs::create_dir(&home).unwrap();
            let file = home.join("store.sqlite");
            well(&self.homes[0], &["store", "copy", &self.url, file.to_str().unwrap()]);
            let store = rusqlite::Connection::open(&file).unwrap();
            let numbers: (i64, i64, i64) = store
                .query_row(
                    "select count(*), coalesce(min(seq), 1), coalesce(max(seq), 0) from changes",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .unwrap();
            assert_eq!((numbers.0, numbers.1), (numbers.2, 1), "the feed has a gap");
            let left: i64 = store
                .query_row("select count(*) from conducts, work", [], |row| row.get(0))
                .unwrap();
            assert_eq!(left, 0, "a run that is not over");
            content(&home)
        }
    }

    /// A process; killed on drop.
    struct Process(Option<Child>);

    fn begin(home: &Path, words: &[&str]) -> Process {
        let mut command = countersign(home);
        command.args(words).stdout(Stdio::null()).stderr(Stdio::piped());
        Process(Some(command.spawn().unwrap()))
    }

    impl Process {
        /// Its code, and what it wrote to standard error.
        fn ended(mut self) -> (Option<i32>, String) {
            let output = self.0.take().unwrap().wait_with_output().unwrap();
            (output.status.code(), stderr(&output))
        }

        fn terminate(&self) {
            let id = self.0.as_ref().unwrap().id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        }

        fn kill(&mut self) {
            if let Some(child) = &mut self.0 {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            self.kill();
        }
    }

    #[test]
    fn workers_end_when_they_are_asked_to_and_at_once_when_there_is_nothing_to_do() {
        let team = Team::new("workers_end", "apps=2,findings=20,rng=3", 2);
        well(&team.homes[1], &["worker", "--once"]);
        let worker = begin(&team.homes[1], &["worker"]);
        well(&team.homes[0], &["sync"]);
        worker.terminate();
        let (code, told) = worker.ended();
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("waiting for syncs") && told.contains("stopping"), "{told}");
        // One without the credentials leaves the work to others, and says so.
        let bare = team.folder.path().join("bare");
        std::fs::create_dir(&bare).unwrap();
        std::fs::copy(team.homes[0].join("config.toml"), bare.join("config.toml")).unwrap();
        well(&bare, &["worker", "--once"]);
    }

    fn serve(home: &Path) -> Process {
        let ready = home.join("serve.json");
        let words = ["serve", "--listen", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()];
        let process = begin(home, &words);
        wait_until("serve", || ready.exists());
        process
    }

    /// When the last scheduled sync started, if it has ended.
    fn last_start(home: &Path) -> Option<String> {
        let listed: Value =
            serde_json::from_str(&well(home, &["schedule", "list", "--json"])).unwrap();
        let last = &listed[0];
        last["ended_at"].as_str()?;
        last["started_at"].as_str().map(str::to_owned)
    }

    /// Each sync that somebody wants, or the schedule, is done by one of two servers.
    #[test]
    fn two_servers_with_one_database_sync_once() {
        let team = Team::new("workers_servers", "apps=2,findings=40,rng=5", 2);
        let add = "\n[schedule]\nperiod = \"24h\"\njitter = \"off\"\n";
        for home in &team.homes {
            let path = home.join("config.toml");
            let text = std::fs::read_to_string(&path).unwrap() + add;
            std::fs::write(&path, text).unwrap();
        }
        let servers: Vec<_> = team.homes.iter().map(|home| serve(home)).collect();
        let mut last = None;
        for wished in 0..4 {
            if wished > 0 {
                well(&team.homes[wished % 2], &["schedule", "run", "demo"]);
            }
            wait_until("the sync", || {
                let now = last_start(&team.homes[0]);
                let is_over = now.is_some() && now != last;
                last = if is_over { now } else { last.clone() };
                is_over
            });
        }
        drop(servers);
        let file = team.folder.path().join("runs.sqlite");
        well(&team.homes[0], &["store", "copy", &team.url, file.to_str().unwrap()]);
        let store = rusqlite::Connection::open(&file).unwrap();
        let runs: i64 = store.query_row("select count(*) from runs", [], |row| row.get(0)).unwrap();
        assert_eq!(runs, 4);
    }

    /// Numbers that are the same each time.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, below: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (self.0 >> 33) as usize % below
        }
    }

    impl Team {
        /// One sync that is disturbed, and its end, whoever comes to it. Answers how many
        /// processes were killed.
        fn disturbed(&self, workers: &mut [Process], draw: &mut Draw) -> u32 {
            let conductor = &self.homes[0];
            let mut sync = begin(conductor, &SYNC);
            let mut kills = 0;
            for _ in 0..=draw.below(3) {
                pause(Duration::from_millis(20 + draw.below(400) as u64));
                kills += 1;
                match draw.below(workers.len() + 1) {
                    0 => sync.kill(),
                    at => {
                        workers[at - 1].kill();
                        workers[at - 1] = begin(&self.homes[at], &["worker"]);
                    }
                }
            }
            let (code, told) = sync.ended();
            // Killed, done, or incomplete because another took the run over.
            assert!(matches!(code, None | Some(0 | 6)), "{code:?}: {told}");
            self.is_over();
            kills
        }

        /// Until nobody has to be waited for.
        fn is_over(&self) {
            wait_until("the run", || {
                let output = run(&self.homes[0], &SYNC);
                let (code, told) = (output.status.code(), stderr(&output));
                // Its lease is short, and this machine is busy.
                let is_lost = code == Some(6) && told.contains("has taken over the run");
                assert!(is_lost || matches!(code, Some(0 | 7)), "{code:?}: {told}");
                code == Some(0)
            });
        }

        fn pass(&self, days: u32) {
            let platform = self.served.platform_home();
            well(&platform, &["platform", "mutate", "--days", &days.to_string()]);
            // What happened has happened; the clocks are one again.
            well(&platform, &["platform", "clock", "--real"]);
        }

        /// So many days, each with a sync.
        fn live(&self, days: u32, draw: &mut Draw) -> u32 {
            let begin_worker = |home: &PathBuf| begin(home, &["worker"]);
            let mut workers: Vec<_> = self.homes[1..].iter().map(begin_worker).collect();
            let mut kills = 0;
            for day in 0..days {
                if day > 0 {
                    self.pass(day);
                }
                well(&self.alone, &SYNC);
                kills += self.disturbed(&mut workers, draw);
            }
            workers.iter().for_each(Process::terminate);
            for worker in workers {
                let (code, told) = worker.ended();
                assert_eq!(code, Some(0), "{told}");
            }
            kills
        }
    }

    /// Machines fail at any moment, workers and conductors: what is stored is what one machine
    /// would have stored that nothing happened to, and the feed of changes has no gap and nothing
    /// twice. `COUNTERSIGN_WORKERS_ROUNDS=200 COUNTERSIGN_WORKERS=8` is the long form.
    #[test]
    fn killed_at_any_moment_workers_store_what_one_machine_does() {
        let rounds = number("COUNTERSIGN_WORKERS_ROUNDS", ROUNDS);
        let count = number("COUNTERSIGN_WORKERS", WORKERS as u32) as usize;
        let mut draw = Draw(number("COUNTERSIGN_WORKERS_SEED", 1).into());
        let (mut left, mut kills, mut teams) = (rounds, 0, 0);
        while left > 0 {
            let team = Team::new(
                &format!("workers_killed_{teams}"),
                &format!("apps=14,findings=1400,rng={}", 11 + teams),
                count + 1,
            );
            let days = left.min(DAYS);
            kills += team.live(days, &mut draw);
            assert!(team.content(0) == content(&team.alone), "after {kills} kills");
            let status = well(&team.homes[0], &["status", "--json"]);
            let status: Value = serde_json::from_str(&status).unwrap();
            assert_eq!(status["ok"], true, "{status}");
            (left, teams) = (left - days, teams + 1);
            println!("{left} rounds left, {kills} kills");
        }
        println!("{rounds} rounds, {count} workers, {kills} kills");
    }

    /// The server of the database is killed while four workers read, once to start again and once
    /// for good: they go on with the one that takes its place.
    #[test]
    fn the_database_fails_over_while_four_workers_read() {
        let mut pair = Pair::start();
        let team = Team::over(pair.create("store"), "apps=40,findings=2000,rng=17", 5);
        let workers: Vec<_> = team.homes[1..].iter().map(|home| begin(home, &["worker"])).collect();
        let mut is_noticed = false;
        for (day, disaster) in [Pair::restart_primary, Pair::fail_over].into_iter().enumerate() {
            if day > 0 {
                team.pass(30);
            }
            well(&team.alone, &SYNC);
            let sync = begin(&team.homes[0], &SYNC);
            let mut work = |state| {
                pair.count("store", &format!("select count(*) from work where state = '{state}'"))
            };
            wait_until("work that is done", || work("done") > 0);
            assert!(work("open") > 0, "all is done");
            disaster(&mut pair);
            let (code, told) = sync.ended();
            // Reconnected, or left to a worker.
            assert!(matches!(code, Some(0 | 6 | 7)), "{code:?}: {told}");
            is_noticed |= code == Some(7);
            team.is_over();
            assert!(team.content(day as u32) == content(&team.alone), "day {day}");
        }
        assert!(is_noticed, "nobody noticed");
        workers.iter().for_each(Process::terminate);
        for worker in workers {
            let (code, told) = worker.ended();
            assert_eq!(code, Some(0), "{told}");
        }
    }
}
