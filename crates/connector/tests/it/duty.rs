//! The loop around the plan: runs are the test's own, and so is the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use countersign_connector::duty::{Config, Ended, Job, Reads, Rule, Run, Scheduler, State};
use countersign_connector::health::{Mark, STILL_MS, Standing, standings};
use countersign_connector::{Fault, sync::Progress};
use countersign_store::{Schedule, Store};
use countersign_testkit::repeatable_random;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::life::{DAY_MS, HOUR_MS, PATIENCE, Time, credential, rule, until};

const START_MS: i64 = 1_780_272_000_000;
const MINUTE_MS: i64 = 60_000;

/// A store and its integrations; the runs come out at `started`.
struct Stage {
    store: Store,
    folder: tempfile::TempDir,
    time: Time,
    rules: BTreeMap<String, Rule>,
    run: Run,
    started: mpsc::UnboundedReceiver<Started>,
}

/// A run that lasts until the test ends it.
struct Started {
    job: Job,
    end: oneshot::Sender<Ended>,
}

impl Started {
    fn end(self, fault: Option<Fault>) {
        let problem = fault.map(|fault| format!("{}\nhint: none", fault.as_str()));
        self.end.send(Ended { fault, problem, is_elsewhere: false }).unwrap();
    }
}

impl Stage {
    async fn set(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        for name in names {
            store.add_integration(credential(name, "https://x", "0a"), None).await.unwrap();
        }
        let (sender, started) = mpsc::unbounded_channel();
        let run: Run = Arc::new(move |job| {
            let sender = sender.clone();
            Box::pin(async move {
                let (end, ended) = oneshot::channel();
                sender.send(Started { job, end }).unwrap_or_default();
                ended.await.expect("the test lets a run break down")
            })
        });
        let time = Time::new(Arc::new(AtomicI64::new(START_MS)));
        Self { store, folder, time, rules: BTreeMap::new(), run, started }
    }

    async fn start(&self) -> (Scheduler, JoinHandle<()>) {
        let random = repeatable_random();
        let config = Config {
            store: self.store.clone(),
            clock: self.time.clock(),
            random: Arc::new(move |buffer| random(buffer)),
            wait: self.time.wait(),
            run: Arc::clone(&self.run),
            usual: rule(6 * HOUR_MS),
            rules: self.rules.clone(),
            rounds: Vec::new(),
        };
        Scheduler::start(config).await.unwrap()
    }

    async fn next(&mut self) -> Started {
        let started = tokio::time::timeout(PATIENCE, self.started.recv()).await;
        started.expect("a run starts").unwrap()
    }

    async fn pass(&self, ms: i64) {
        self.time.set(self.time.now() + ms).await;
    }

    async fn standing(&self, scheduler: &Scheduler) -> Standing {
        let all = standings(&self.store, Some(scheduler), self.time.now()).await;
        all.unwrap().remove(0)
    }

    async fn kept(&self, at: usize) -> Schedule {
        self.store.schedules().await.unwrap().remove(at)
    }
}

async fn idle(scheduler: &Scheduler) -> Vec<State> {
    until(scheduler, |states| states.iter().all(|state| state.running.is_none())).await;
    scheduler.states()
}

async fn end(scheduler: Scheduler, task: JoinHandle<()>) {
    scheduler.stop();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(scheduler.run_now("a").unwrap_err().to_string().contains("is ending"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let mut stage = Stage::set(&["a", "b"]).await;
    stage.rules.insert("b".into(), Rule { is_paused: true, ..rule(HOUR_MS) });
    let (scheduler, task) = stage.start().await;
    assert!(scheduler.run_now("c").unwrap_err().is_not_found());
    assert!(scheduler.pause("c").await.unwrap_err().is_not_found());
    let refused = scheduler.resume("b").await.unwrap_err().to_string();
    assert!(refused.contains("config.toml"), "{refused}");
    let run = stage.next().await;
    let refused = scheduler.run_now("a").unwrap_err().to_string();
    assert!(refused.contains("under way"), "{refused}");
    run.end(None);
    let states = idle(&scheduler).await;
    assert!(states[1].paused && states[1].next_ms.is_none(), "{states:?}");
    assert_eq!(states[0].next_ms, Some(START_MS + 6 * HOUR_MS));
    end(scheduler, task).await;
}

#[tokio::test]
async fn one_that_is_paused_runs_by_hand_and_stays_paused() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    stage.next().await.end(None);
    idle(&scheduler).await;
    scheduler.pause("a").await.unwrap();
    assert!(scheduler.states()[0].paused && scheduler.states()[0].next_ms.is_none());
    stage.pass(7 * DAY_MS).await;
    end(scheduler, task).await;

    let (scheduler, task) = stage.start().await;
    assert!(scheduler.states()[0].paused, "across a restart");
    scheduler.run_now("a").unwrap();
    stage.next().await.end(None);
    let states = idle(&scheduler).await;
    assert!(states[0].paused && states[0].next_ms.is_none(), "{states:?}");
    scheduler.resume("a").await.unwrap();
    // What was missed meanwhile, once.
    stage.next().await.end(None);
    let states = idle(&scheduler).await;
    assert_eq!(states[0].next_ms, Some(stage.time.now() + 6 * HOUR_MS));
    assert!(stage.started.try_recv().is_err());
    end(scheduler, task).await;
}

#[tokio::test]
async fn a_wish_and_a_pause_of_another_process_are_seen() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    stage.next().await.end(None);
    idle(&scheduler).await;
    stage.store.ask_for_run("a", stage.time.now()).await.unwrap();
    stage.store.pause_schedule("a", Some(1)).await.unwrap();
    stage.pass(5_000).await;
    stage.next().await.end(None);
    until(&scheduler, |states| states[0].paused && states[0].running.is_none()).await;
    assert_eq!(stage.kept(0).await.asked_ms, None, "what is done is not wanted any more");
    end(scheduler, task).await;
}

#[tokio::test]
async fn while_another_process_syncs_it_is_tried_again_later() {
    let mut stage = Stage::set(&["a"]).await;
    let other = Store::open(&stage.folder.path().join("store.sqlite")).await.unwrap();
    let lock = other.lock_for_sync().unwrap();
    let (scheduler, task) = stage.start().await;
    let is_told = |states: &[State]| {
        states[0].problem.as_deref().is_some_and(|p| p.contains("another process"))
    };
    until(&scheduler, is_told).await;
    assert_eq!(scheduler.states()[0].next_ms, Some(START_MS + MINUTE_MS));
    drop(lock);
    assert!(stage.started.try_recv().is_err(), "not before its time");
    stage.pass(MINUTE_MS).await;
    let run = stage.next().await;
    assert!(other.lock_for_sync().unwrap_err().is_busy(), "and now it is the other's turn to wait");
    run.end(None);
    assert_eq!(idle(&scheduler).await[0].problem, None);
    assert!(other.lock_for_sync().is_ok());
    end(scheduler, task).await;
}

#[tokio::test]
async fn integrations_run_beside_each_other_and_each_but_once() {
    let mut stage = Stage::set(&["a", "b"]).await;
    let (scheduler, task) = stage.start().await;
    let (one, two) = (stage.next().await, stage.next().await);
    assert_ne!(one.job.integration, two.job.integration);
    let (a, b) = if one.job.integration == "a" { (one, two) } else { (two, one) };
    // Far beyond the next one.
    stage.pass(13 * HOUR_MS).await;
    b.end(None);
    stage.next().await.end(None);
    until(&scheduler, |states| states[1].running.is_none()).await;
    assert!(stage.started.try_recv().is_err(), "`a` is still under way");
    a.end(None);
    let late = stage.next().await;
    assert_eq!(late.job.integration, "a");
    late.end(None);
    for state in idle(&scheduler).await {
        assert_eq!(state.next_ms, Some(stage.time.now() + 6 * HOUR_MS));
    }
    end(scheduler, task).await;
}

#[tokio::test]
async fn closures_are_accepted_for_one_run() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    let first = stage.next().await;
    assert!(!first.job.accepts_closures);
    first.end(Some(Fault::Incomplete));
    idle(&scheduler).await;
    scheduler.accept_closures("a").unwrap();
    let accepted = stage.next().await;
    assert!(accepted.job.accepts_closures);
    accepted.end(Some(Fault::Incomplete));
    idle(&scheduler).await;
    scheduler.run_now("a").unwrap();
    let again = stage.next().await;
    assert!(!again.job.accepts_closures, "once is once");
    again.end(None);
    idle(&scheduler).await;
    end(scheduler, task).await;
}

#[tokio::test]
async fn failures_are_told_and_tried_again_and_a_run_may_break_down() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    stage.next().await.end(Some(Fault::Upstream));
    let state = idle(&scheduler).await.remove(0);
    assert_eq!(state.problem.as_deref(), Some("upstream\nhint: none"));
    let wait_ms = state.next_ms.unwrap() - START_MS;
    assert!((2 * MINUTE_MS..=2 * MINUTE_MS + 12_000).contains(&wait_ms), "{wait_ms}");
    stage.pass(wait_ms).await;
    drop(stage.next().await);
    let state = idle(&scheduler).await.remove(0);
    assert!(state.problem.unwrap().contains("broke down"));
    assert_eq!(stage.kept(0).await.failures, 2);
    stage.pass(5 * MINUTE_MS).await;
    stage.next().await.end(Some(Fault::NotAuthenticated));
    let state = idle(&scheduler).await.remove(0);
    assert_eq!(state.next_ms, Some(START_MS + 6 * HOUR_MS), "nobody waits for a new pair");
    end(scheduler, task).await;
}

#[tokio::test]
async fn what_was_missed_while_there_was_no_process_is_made_up_for_once() {
    let mut stage = Stage::set(&["a"]).await;
    stage.rules.insert("a".into(), Rule { full_every_ms: Some(DAY_MS), ..rule(6 * HOUR_MS) });
    let (scheduler, task) = stage.start().await;
    let run = stage.next().await;
    assert_eq!(run.job.reads, Reads::Everything, "nothing is known of it");
    run.end(None);
    idle(&scheduler).await;
    stage.pass(6 * HOUR_MS).await;
    let run = stage.next().await;
    assert_eq!(run.job.reads, Reads::Changes);
    // It dies in the middle.
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drop(run);
    assert_eq!(stage.kept(0).await.ended_ms, None);

    stage.time = Time::new(Arc::new(AtomicI64::new(stage.time.now() + 9 * DAY_MS)));
    let (scheduler, task) = stage.start().await;
    let run = stage.next().await;
    assert_eq!(run.job.reads, Reads::Everything);
    run.end(None);
    let states = idle(&scheduler).await;
    assert_eq!(states[0].next_ms, Some(stage.time.now() + 6 * HOUR_MS));
    assert!(stage.started.try_recv().is_err());
    end(scheduler, task).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_for_a_year_stops_nothing() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    stage.next().await.end(None);
    idle(&scheduler).await;
    stage.pass(-365 * DAY_MS).await;
    // Nobody tells; the next look sees it.
    stage.pass(5_000).await;
    stage.next().await.end(None);
    let states = idle(&scheduler).await;
    assert_eq!(states[0].next_ms, Some(stage.time.now() + 6 * HOUR_MS));
    end(scheduler, task).await;
}

#[tokio::test]
async fn progress_is_told_ten_times_a_second_at_most() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    let run = stage.next().await;
    until(&scheduler, |states| states[0].running.is_some()).await;
    let changed = scheduler.subscribe();
    let first = *changed.borrow();
    (run.job.watch)(Progress::Planned { applications: 3 });
    for at in 0..1_000 {
        (run.job.watch)(Progress::Findings { count: 2 });
        (run.job.watch)(Progress::Requests { count: at });
    }
    (run.job.watch)(Progress::Application { requests: 3, kept: Some(2) });
    assert_eq!(*changed.borrow(), first, "no time has passed");
    stage.pass(100).await;
    until(&scheduler, |states| states[0].running.is_some_and(|running| running.findings == 2_000))
        .await;
    assert_eq!(*changed.borrow(), first + 1);
    let running = scheduler.states()[0].running.unwrap();
    assert_eq!((running.applications, running.applications_total), (1, Some(3)));
    assert_eq!((running.requests, running.started_ms), (999, START_MS));
    run.end(None);
    idle(&scheduler).await;
    end(scheduler, task).await;
}

#[tokio::test]
async fn a_run_that_does_not_move_is_not_healthy() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    let run = stage.next().await;
    until(&scheduler, |states| states[0].running.is_some()).await;
    stage.pass(HOUR_MS).await;
    (run.job.watch)(Progress::Requests { count: 1 });
    let moved_ms = stage.time.now();
    stage.pass(STILL_MS).await;
    until(&scheduler, |states| states[0].running.is_some_and(|run| run.moved_ms == moved_ms)).await;
    let standing = stage.standing(&scheduler).await;
    assert!(standing.is_well(), "{standing:?}");
    stage.pass(MINUTE_MS).await;
    let standing = stage.standing(&scheduler).await;
    assert_eq!(standing.mark(), Mark::Stuck);
    assert_eq!(
        standing.sentences(stage.time.now()),
        ["Sync of a has been running for 1 h and has not moved for 31 min."]
    );
    run.end(Some(Fault::Upstream));
    idle(&scheduler).await;
    let standing = stage.standing(&scheduler).await;
    assert_eq!(standing.mark(), Mark::NeedsSomebody);
    end(scheduler, task).await;
}

#[tokio::test]
async fn a_run_under_way_is_told_to_stop_and_waited_for() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    let run = stage.next().await;
    scheduler.stop();
    tokio::time::timeout(PATIENCE, run.job.stop.clone().wanted()).await.unwrap();
    assert!(!task.is_finished());
    run.end(Some(Fault::Incomplete));
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    let kept = stage.kept(0).await;
    assert_eq!((kept.ended_ms, kept.failures), (Some(START_MS), 1));
    assert!(stage.store.lock_for_sync().is_ok());
}

#[tokio::test]
async fn integrations_come_and_go() {
    let mut stage = Stage::set(&["a"]).await;
    let (scheduler, task) = stage.start().await;
    stage.next().await.end(None);
    idle(&scheduler).await;
    stage.store.add_integration(credential("b", "https://x", "0b"), None).await.unwrap();
    stage.pass(5_000).await;
    let run = stage.next().await;
    assert_eq!(run.job.integration, "b");
    let id = stage.store.integration("b").await.unwrap().id;
    stage.store.remove_integration(id, None).await.unwrap();
    run.end(None);
    until(&scheduler, |states| states.len() == 1).await;
    assert!(scheduler.run_now("b").unwrap_err().is_not_found());
    end(scheduler, task).await;
}
