//! Runs that several processes do: leases, and what is refused to who has lost one.

use std::collections::{BTreeMap, BTreeSet};

use countersign_store::{
    ClaimedWork, Conducted, NewConduct, NewWork, RunEnd, RunStage, ScheduledEnd, WorkLease,
    WorkNote, WorkState,
};

use super::*;

const LONG_MS: i64 = 3_600_000;
/// Such a lease has ended when it is looked at.
const ENDED_MS: i64 = 0;

fn new_conduct(integration: IntegrationId, holder: &str, life_ms: i64) -> NewConduct {
    NewConduct {
        integration,
        kind: RunKind::Incremental,
        started_ms: 7,
        holder: holder.into(),
        life_ms,
        terms: "{}".into(),
    }
}

async fn conduct(
    store: &Store,
    integration: IntegrationId,
    holder: &str,
    life_ms: i64,
) -> Result<Conducted, countersign_store::Error> {
    store.conduct_run(new_conduct(integration, holder, life_ms), |_, _| true).await
}

fn new_work(count: usize) -> Vec<NewWork> {
    let new = |n: usize| {
        let name = format!("App{n:03}");
        let (application, raw) = application(&name);
        NewWork { application: application.guid.to_string(), terms: format!("{{\"n\":{n}}}"), raw }
    };
    (0..count).map(new).collect()
}

/// A run whose applications can be claimed.
async fn planned(folder: &Path, count: usize) -> (Store, IntegrationId, Conducted) {
    let (store, integration, _) = store(folder).await;
    let conducted = conduct(&store, integration, "conductor", LONG_MS).await.unwrap();
    store.plan_run(conducted.conduct, "{\"planned\":1}".into(), new_work(count)).await.unwrap();
    (store, integration, conducted)
}

fn note(lease: WorkLease, outcome: &str) -> WorkNote {
    WorkNote { lease, state: WorkState::Done, outcome: outcome.into() }
}

async fn claim_one(store: &Store, run: RunId, holder: &str, life_ms: i64) -> ClaimedWork {
    let mut claimed = store.claim_work(run, holder, 1, life_ms).await.unwrap();
    assert_eq!(claimed.len(), 1, "{holder}");
    claimed.remove(0)
}

fn end(finished_ms: i64) -> RunEnd {
    let summary = RunSummary { finished_ms, complete: true, requests: 3, report: "{}".to_owned() };
    RunEnd { summary, audited: None, pace: None, hinted_ms: Some(9) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_application_is_claimed_by_two() {
    const COUNT: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let (store, _, conducted) = planned(folder.path(), COUNT).await;
    let run = conducted.conduct.run();
    let mut hands = Vec::new();
    for at in 0..8 {
        let store = engine::open(folder.path()).await;
        hands.push(tokio::spawn(async move {
            let mut places = Vec::new();
            loop {
                let most = 1 + (at + places.len()) % 2;
                let claimed =
                    store.claim_work(run, &format!("hand{at}"), most, LONG_MS).await.unwrap();
                if claimed.is_empty() {
                    return places;
                }
                assert!(claimed.len() <= most);
                places.extend(claimed.iter().map(|one| one.lease.place()));
            }
        }));
    }
    let mut all = BTreeSet::new();
    for hand in hands {
        let places = hand.await.unwrap();
        assert!(places.is_sorted(), "in the order of the plan: {places:?}");
        for place in places {
            assert!(all.insert(place), "{place} was claimed twice");
        }
    }
    assert_eq!(all, (0..COUNT as i64).collect());
    assert_eq!(store.work_left(run).await.unwrap(), COUNT as u64);
    assert!(store.work(run).await.unwrap().iter().all(|row| row.state == WorkState::Taken));
}

#[tokio::test]
async fn who_has_lost_an_application_writes_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, conducted) = planned(folder.path(), 2).await;
    let run = conducted.conduct.run();
    let first = claim_one(&store, run, "first", ENDED_MS).await;
    let mut late = open(&store, run, "App000").await;
    put(&mut late, "App000", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    let second = claim_one(&store, run, "second", LONG_MS).await;
    assert_eq!((&second.application, &second.raw), (&first.application, &first.raw));
    assert_eq!(second.lease.place(), first.lease.place());

    let before = dump(folder.path());
    let work = store.work(run).await.unwrap();
    let error = late.commit_work(COMPLETE, note(first.lease, "1")).await.unwrap_err();
    assert!(error.is_superseded() && error.is_taken_over(), "{error}");
    assert_eq!(error.to_string().matches("hint: ").count(), 1, "{error}");
    let error = store.note_work(note(first.lease, "1")).await.unwrap_err();
    assert!(error.is_taken_over(), "{error}");
    store.renew_work(run, "first", LONG_MS).await.unwrap();
    store.give_back_work(run, "first").await.unwrap();
    store.give_back(first.lease).await.unwrap();
    assert_eq!(dump(folder.path()), before);
    assert_eq!(store.work(run).await.unwrap(), work);

    let mut writer = open(&store, run, "App000").await;
    put(&mut writer, "App000", &flaw(1, 3, 80, "x", None, "OPEN"), Some(ChangeKind::New)).await;
    let written = writer.commit_work(COMPLETE, note(second.lease, "2")).await.unwrap();
    let row = store.work(run).await.unwrap().remove(0);
    assert_eq!((row.state, row.outcome.as_deref()), (WorkState::Done, Some("2")));
    assert_eq!(row.rows_written, written.rows);
    assert_eq!(store.counts(integration, Population::STORED).await.unwrap().total, 1);
    // It is over, for its own holder too.
    assert!(store.note_work(note(second.lease, "3")).await.unwrap_err().is_taken_over());
    assert_eq!(store.work_left(run).await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_given_back_is_read_by_another_and_not_written_by_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, conducted) = planned(folder.path(), 3).await;
    let run = conducted.conduct.run();
    let claimed = store.claim_work(run, "first", 3, LONG_MS).await.unwrap();
    assert!(store.claim_work(run, "second", 3, LONG_MS).await.unwrap().is_empty());
    store.note_work(note(claimed[1].lease, "done")).await.unwrap();
    store.give_back(claimed[0].lease).await.unwrap();
    let again = claim_one(&store, run, "second", LONG_MS).await;
    assert_eq!(again.application, claimed[0].application);
    store.give_back_work(run, "first").await.unwrap();
    assert!(store.note_work(note(claimed[2].lease, "late")).await.unwrap_err().is_taken_over());
    let left = store.claim_work(run, "third", 9, LONG_MS).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].application, claimed[2].application);
}

#[tokio::test]
async fn a_run_is_conducted_by_one_and_taken_over_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let first = conduct(&store, integration, "first", LONG_MS).await.unwrap();
    assert_eq!((first.stage, first.is_taken_over), (RunStage::Listing, false));
    let run = first.conduct.run();
    for _ in 0..2 {
        let busy = conduct(&store, integration, "second", LONG_MS).await.unwrap_err();
        assert!(busy.is_busy(), "{busy}");
        assert!(store.take_over_run(run, "second", LONG_MS).await.unwrap().is_none());
    }
    assert!(store.is_conducted(Some(integration)).await.unwrap());
    store.plan_run(first.conduct, "{\"planned\":1}".into(), new_work(4)).await.unwrap();
    let held = store.claim_work(run, "first", 2, LONG_MS).await.unwrap();
    // Its own lease ends, and not those of what it reads.
    store.renew_run(first.conduct, "nobody", ENDED_MS).await.unwrap();
    assert!(!store.is_conducted(Some(integration)).await.unwrap());

    let second = store.take_over_run(run, "second", LONG_MS).await.unwrap().unwrap();
    assert_eq!(
        (second.stage, second.kind, second.started_ms),
        (RunStage::Reading, RunKind::Incremental, 7)
    );
    assert_eq!((second.terms.as_str(), second.is_taken_over), ("{\"planned\":1}", true));
    assert_eq!(second.conduct.run(), run);
    assert!(second.conduct.lease() > first.conduct.lease());

    // The first wakes up.
    let before = (dump(folder.path()), store.runs(None, 9).await.unwrap());
    let work = store.work(run).await.unwrap();
    let error = store.renew_run(first.conduct, "first", LONG_MS).await.unwrap_err();
    assert!(error.is_taken_over() && error.to_string().contains("hint: "), "{error}");
    let refused = [
        store.plan_run(first.conduct, "{}".into(), new_work(9)).await,
        store.settle_run(first.conduct, "{}".into()).await,
        store.end_run(first.conduct, end(11)).await,
        store.claim_doubted(first.conduct, 0, "first", 9).await.map(drop),
        store.mark_applications_gone_for(first.conduct, vec!["x".into()]).await.map(drop),
    ];
    for one in refused {
        assert!(one.unwrap_err().is_taken_over());
    }
    store.leave_run(first.conduct, "nobody").await.unwrap();
    assert_eq!((dump(folder.path()), store.runs(None, 9).await.unwrap()), before);
    assert_eq!(store.work(run).await.unwrap(), work);
    assert_eq!(store.hinted_ms(integration).await.unwrap(), None);
    assert!(store.is_conducted(Some(integration)).await.unwrap(), "the second still has it");

    // What the first has claimed is still read by it: its leases have not ended.
    assert_eq!(held.len(), 2);
    assert_eq!(store.claim_work(run, "second", 9, LONG_MS).await.unwrap().len(), 2);
    store.settle_run(second.conduct, "{\"settled\":1}".into()).await.unwrap();
    store.end_run(second.conduct, end(12)).await.unwrap();
    assert!(
        store.work(run).await.unwrap().is_empty() && store.open_runs().await.unwrap().is_empty()
    );
    assert_eq!(store.hinted_ms(integration).await.unwrap(), Some(9));
    assert_eq!(store.runs(None, 9).await.unwrap()[0].finished_ms, Some(12));
    assert!(store.note_work(note(held[0].lease, "late")).await.unwrap_err().is_taken_over());
    assert!(store.end_run(second.conduct, end(13)).await.unwrap_err().is_taken_over());
}

#[tokio::test]
async fn a_run_that_nobody_means_any_more_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let first = conduct(&store, integration, "first", ENDED_MS).await.unwrap();
    store.plan_run(first.conduct, "{}".into(), new_work(2)).await.unwrap();
    // Whoever asks means the same, and goes on.
    let again = conduct(&store, integration, "second", ENDED_MS).await.unwrap();
    assert_eq!((again.conduct.run(), again.is_taken_over), (first.conduct.run(), true));
    assert_eq!(store.work(again.conduct.run()).await.unwrap().len(), 2);
    // Whoever means another one begins it.
    let wanted = new_conduct(integration, "third", LONG_MS);
    let other = store.conduct_run(wanted, |_, _| false).await.unwrap();
    assert!(!other.is_taken_over && other.conduct.run() != first.conduct.run());
    assert!(store.work(first.conduct.run()).await.unwrap().is_empty());
    assert!(store.renew_run(again.conduct, "second", LONG_MS).await.unwrap_err().is_taken_over());
    // One that was left long ago says little.
    let direct = engine::direct(folder.path());
    direct.execute("update conducts set until_ms = 1").unwrap();
    let new = conduct(&store, integration, "fourth", LONG_MS).await.unwrap();
    assert!(!new.is_taken_over && new.conduct.run() != other.conduct.run());
}

#[tokio::test]
async fn what_waits_for_the_end_is_claimed_by_the_conductor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, conducted) = planned(folder.path(), 1).await;
    let (run, conduct) = (conducted.conduct.run(), conducted.conduct);
    let claimed = claim_one(&store, run, "first", LONG_MS).await;
    let doubted = WorkNote { lease: claimed.lease, state: WorkState::Doubted, outcome: "1".into() };
    store.note_work(doubted).await.unwrap();
    assert_eq!(store.work_left(run).await.unwrap(), 0);
    assert!(store.claim_work(run, "second", 9, LONG_MS).await.unwrap().is_empty());
    let again = store.claim_doubted(conduct, 0, "conductor", ENDED_MS).await.unwrap().unwrap();
    assert_eq!(again.application, claimed.application);
    assert!(store.claim_work(run, "second", 9, LONG_MS).await.unwrap().is_empty());
    // Its conductor is gone; the next one reads it.
    let next = store.claim_doubted(conduct, 0, "next", LONG_MS).await.unwrap().unwrap();
    assert!(store.note_work(note(again.lease, "2")).await.unwrap_err().is_taken_over());
    store.note_work(note(next.lease, "3")).await.unwrap();
    assert!(store.claim_doubted(conduct, 0, "next", LONG_MS).await.unwrap().is_none());
}

/// A reading for an answer gives way to a run that is conducted, and bars who has left an
/// application that it writes to.
#[tokio::test]
async fn a_reading_for_an_answer_and_a_run_do_not_write_to_the_same_application() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, conducted) = planned(folder.path(), 2).await;
    let run = conducted.conduct.run();
    let live = store.begin_run(integration, RunKind::Live, 8).await.unwrap();
    let record = flaw(1, 3, 80, "x", None, "OPEN");
    for (leave, claims, is_refused) in
        [(false, None, true), (true, Some(LONG_MS), true), (true, Some(ENDED_MS), false)]
    {
        let life_ms = if leave { ENDED_MS } else { LONG_MS };
        store.renew_run(conducted.conduct, "conductor", life_ms).await.unwrap();
        let claimed = match claims {
            Some(life_ms) => Some(claim_one(&store, run, "hand", life_ms).await),
            None => None,
        };
        let mut writer = open(&store, live, "App000").await;
        put(&mut writer, "App000", &record, Some(ChangeKind::New)).await;
        let committed = writer.commit(COMPLETE).await;
        assert_eq!(committed.is_err_and(|error| error.is_outdated()), is_refused, "{claims:?}");
        let Some(claimed) = claimed else { continue };
        let noted = store.note_work(note(claimed.lease, "1")).await;
        match is_refused {
            true => {
                // It is read once more in the next turn of this loop.
                noted.unwrap();
                let direct = engine::direct(folder.path());
                direct.execute("update work set state = 'open' where place = 0").unwrap();
            }
            false => assert!(noted.unwrap_err().is_taken_over()),
        }
    }
}

#[tokio::test]
async fn two_schedules_start_a_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, integration, _) = store(folder.path()).await;
    let second = engine::open(folder.path()).await;
    first.ask_for_run("test", 1).await.unwrap();
    assert!(first.claim_scheduled(integration, None, Some(5), 10).await.unwrap());
    assert!(!second.claim_scheduled(integration, None, Some(5), 11).await.unwrap());
    let end = ScheduledEnd { ended_ms: 12, full_ms: None, trouble: None };
    first.end_scheduled(integration, end).await.unwrap();
    assert!(!second.claim_scheduled(integration, None, Some(5), 13).await.unwrap());
    let seen = second.schedules().await.unwrap().remove(0);
    assert_eq!((seen.started_ms, seen.ended_ms, seen.due_ms), (Some(10), Some(12), Some(5)));
    assert!(second.claim_scheduled(integration, seen.started_ms, None, 20).await.unwrap());
    let seen = first.schedules().await.unwrap().remove(0);
    assert_eq!((seen.started_ms, seen.ended_ms, seen.due_ms), (Some(20), None, Some(5)));
}

#[tokio::test]
async fn who_does_a_run_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, conducted) = planned(folder.path(), 9).await;
    let run = conducted.conduct.run();
    let one = store.claim_work(run, "one", 3, LONG_MS).await.unwrap();
    store.claim_work(run, "gone", 2, ENDED_MS).await.unwrap();
    store.note_work(note(one[0].lease, "1")).await.unwrap();
    let crew = store.crews().await.unwrap().remove(0);
    assert_eq!((crew.integration.as_str(), crew.stage), ("test", RunStage::Reading));
    assert_eq!((crew.conductor.as_str(), crew.is_left), ("conductor", false));
    assert_eq!((crew.planned, crew.read, crew.left), (9, 1, 2));
    assert_eq!(crew.readers, [("one".to_owned(), 2)]);
    assert_eq!(crew.workers(), 2);
    let open = store.open_runs().await.unwrap().remove(0);
    assert_eq!((open.run, open.is_left, open.has_work), (run, false, true));
}

/// What is known of an application by whoever watched everything.
#[derive(Debug, Clone, Default, PartialEq)]
struct Modelled {
    state: Option<WorkState>,
    holder: String,
    number: u64,
    has_ended: bool,
}

/// Hands that claim, renew, give back, write and lose, at random, against a model of it.
#[tokio::test]
async fn leases_are_as_a_model_has_them() {
    const COUNT: usize = 7;
    for seed in 1_u64..=6 {
        let folder = tempfile::tempdir().unwrap();
        let (store, _, conducted) = planned(folder.path(), COUNT).await;
        let run = conducted.conduct.run();
        let mut model = vec![Modelled::default(); COUNT];
        // Every lease that there ever was, with its number.
        let mut leases: Vec<(WorkLease, u64)> = Vec::new();
        let mut written: BTreeMap<usize, u32> = BTreeMap::new();
        let mut state = seed;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (state >> 33) % below
        };
        for step in 0..120 {
            let holder = format!("hand{}", draw(3));
            match draw(6) {
                0 | 1 => {
                    let (most, life_ms) =
                        (1 + draw(3) as usize, if draw(2) == 0 { ENDED_MS } else { LONG_MS });
                    let claimed = store.claim_work(run, &holder, most, life_ms).await.unwrap();
                    let is_free = |one: &Modelled| match one.state {
                        None => true,
                        Some(WorkState::Taken) => one.has_ended,
                        Some(_) => false,
                    };
                    let free = (0..COUNT).filter(|at| is_free(&model[*at])).take(most);
                    let free: Vec<_> = free.collect();
                    let places = claimed.iter().map(|one| one.lease.place() as usize);
                    assert_eq!(places.collect::<Vec<_>>(), free, "seed {seed}, step {step}");
                    for (at, one) in free.into_iter().zip(claimed) {
                        let number = model[at].number + 1;
                        leases.push((one.lease, number));
                        model[at] = Modelled {
                            state: Some(WorkState::Taken),
                            holder: holder.clone(),
                            number,
                            has_ended: life_ms == ENDED_MS,
                        };
                    }
                }
                2 => {
                    store.renew_work(run, &holder, LONG_MS).await.unwrap();
                    for one in model.iter_mut().filter(|one| one.holder == holder) {
                        one.has_ended = false;
                    }
                }
                3 => {
                    store.give_back_work(run, &holder).await.unwrap();
                    let held = |one: &&mut Modelled| {
                        one.holder == holder && one.state == Some(WorkState::Taken)
                    };
                    for one in model.iter_mut().filter(held) {
                        *one = Modelled { number: one.number + 1, ..Modelled::default() };
                    }
                }
                _ if leases.is_empty() => {}
                _ => {
                    let (lease, number) = leases[draw(leases.len() as u64) as usize];
                    let at = lease.place() as usize;
                    let may =
                        model[at].state == Some(WorkState::Taken) && model[at].number == number;
                    let name = format!("App{at:03}");
                    let writer = open(&store, run, &name).await;
                    let outcome = writer.commit_work(COMPLETE, note(lease, "{}")).await;
                    assert_eq!(outcome.is_ok(), may, "seed {seed}, step {step}: {outcome:?}");
                    if may {
                        model[at].state = Some(WorkState::Done);
                        *written.entry(at).or_default() += 1;
                    }
                }
            }
        }
        assert!(written.values().all(|times| *times == 1), "{written:?}");
        let done = store.work(run).await.unwrap();
        let done = done.iter().filter(|row| row.state == WorkState::Done).count();
        assert_eq!(done, written.len(), "seed {seed}");
        assert!(!leases.is_empty() && !written.is_empty());
    }
}
