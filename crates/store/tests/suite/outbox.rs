//! What is delivered elsewhere: who holds a destination, what is planned once, what is on its
//! way once, and what outlives what it was about.

use countersign_store::{
    Action, DeliveryMode, DestinationRow, LinkRow, LinkStanding, NewSend, PLANNING, Planned,
    SendFilter, SendRow, SendState, Settlement, Want,
};

use super::*;

async fn desk(folder: &Path) -> (Store, DestinationRow) {
    let (store, _, _) = store(folder).await;
    let row = keep(&store, "example.com").await;
    (store, row)
}

async fn keep(store: &Store, place: &str) -> DestinationRow {
    store.keep_destination("a", "kind", place, DeliveryMode::Live, 5).await.unwrap()
}

fn send(group: &str, action: Action, state: SendState) -> NewSend {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    NewSend {
        uid: format!("msg_{number}"),
        group: group.into(),
        from_seq: 1,
        to_seq: 1,
        action,
        payload: "{}".into(),
        state,
        reason: None,
    }
}

fn of(sends: Vec<NewSend>) -> Planned {
    Planned { sends, ..Planned::default() }
}

fn want(group: &str, from_seq: i64, to_seq: i64) -> Want {
    Want {
        group: group.into(),
        subject: "{}".into(),
        from_seq,
        to_seq,
        events: format!("{{\"to\":{to_seq}}}"),
    }
}

fn link(group: &str, created_ms: i64, standing: LinkStanding) -> LinkRow {
    LinkRow {
        group: group.into(),
        subject: "{}".into(),
        reference: format!("ticket-{group}"),
        url: None,
        digest: "x".into(),
        standing,
        is_remarked: false,
        created_ms,
        changed_ms: created_ms,
    }
}

fn settled(send: &SendRow, state: SendState) -> Settlement {
    Settlement {
        send: send.id,
        state,
        is_counted: true,
        reason: None,
        next_ms: 50,
        started_ms: None,
        reference: None,
        answer: None,
        link: None,
        want: None,
    }
}

async fn plan(store: &Store, row: &DestinationRow, planned: Planned) -> bool {
    store.plan_sends(row.id, row.cursor, planned, 10).await.unwrap()
}

async fn states(store: &Store) -> Vec<SendState> {
    let sends = store.sends(SendFilter::default(), 50).await.unwrap();
    sends.into_iter().rev().map(|send| send.state).collect()
}

async fn due(store: &Store, row: &DestinationRow) -> Vec<SendRow> {
    store.due_sends(row.id, 1_000, 50).await.unwrap()
}

#[tokio::test]
async fn a_destination_is_one_processes_until_its_claim_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    let hold = |holder: &'static str, now_ms| {
        let store = store.clone();
        async move { store.hold_destination(row.id, holder, now_ms, now_ms + 100).await.unwrap() }
    };
    assert!(hold("one", 1_000).await && hold("one", 1_050).await);
    assert!(!hold("other", 1_149).await);
    store.leave_destination(row.id, "other").await.unwrap();
    assert!(!hold("other", 1_149).await, "nobody ends another one's claim");
    assert!(hold("other", 1_150).await, "it ran out");
    assert!(!hold("one", 1_200).await);
    store.leave_destination(row.id, "other").await.unwrap();
    assert!(hold("one", 1_201).await);
    assert!(hold("other", 900).await, "a claim from a clock that was wrong");
}

#[tokio::test]
async fn a_step_is_planned_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    let step = |group: &str| Planned {
        cursor: Some(7),
        left_out: 2,
        wants: vec![want(group, 1, 7)],
        ..Planned::default()
    };
    assert!(plan(&store, &row, step("a")).await);
    assert!(!plan(&store, &row, step("b")).await, "the cursor is another one");
    let now = keep(&store, "example.com").await;
    assert_eq!((now.cursor, now.left_out), (7, 2));
    let wants = store.wants(row.id, None, 9).await.unwrap();
    assert_eq!(wants, [want("a", 1, 7)]);
    // Wanted again: both; what was looked at before that stays wanted.
    let again = Planned { wants: vec![want("a", 8, 9)], ..Planned::default() };
    assert!(plan(&store, &now, again).await);
    let done = |to_seq| Planned { done: vec![("a".into(), to_seq)], ..Planned::default() };
    assert!(plan(&store, &now, done(7)).await);
    let wants = store.wants_of(row.id, vec!["a".into()]).await.unwrap();
    assert_eq!(wants["a"], Want { from_seq: 1, ..want("a", 8, 9) });
    assert!(plan(&store, &now, done(9)).await);
    assert!(store.wants(row.id, None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_on_its_way_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    for state in [SendState::Pending, SendState::Held] {
        let group = state.as_str();
        assert!(plan(&store, &row, of(vec![send(group, Action::Create, state)])).await);
        for second in [SendState::Pending, SendState::Held] {
            let second = of(vec![send(group, Action::Create, second)]);
            assert!(store.plan_sends(row.id, row.cursor, second, 10).await.is_err());
        }
        for over in [SendState::Skipped, SendState::Simulated] {
            assert!(plan(&store, &row, of(vec![send(group, Action::Comment, over)])).await);
        }
    }
    let first = due(&store, &row).await.remove(0);
    assert_eq!(store.claim_sends(vec![(first.id, 0, 20)]).await.unwrap(), [first.id]);
    let second = of(vec![send("pending", Action::Create, SendState::Pending)]);
    assert!(store.plan_sends(row.id, row.cursor, second, 10).await.is_err(), "it is sending");
}

#[tokio::test]
async fn a_try_is_counted_before_it_is_made_and_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    plan(&store, &row, of(vec![send("a", Action::Create, SendState::Pending)])).await;
    let read = due(&store, &row).await.remove(0);
    assert_eq!((read.attempts, read.started_ms), (0, None));
    assert_eq!(store.claim_sends(vec![(read.id, 0, 20)]).await.unwrap(), [read.id]);
    assert!(store.claim_sends(vec![(read.id, 0, 21)]).await.unwrap().is_empty());
    let held = store.send(read.id.number()).await.unwrap().unwrap();
    assert_eq!((held.state, held.attempts, held.started_ms), (SendState::Sending, 1, Some(20)));
    // A process that ended leaves it so, and the next one finds it.
    assert_eq!(due(&store, &row).await, std::slice::from_ref(&held));

    let uncounted = Settlement { is_counted: false, ..settled(&held, SendState::Pending) };
    store.settle_sends(row.id, vec![uncounted], 30).await.unwrap();
    let held = store.send(read.id.number()).await.unwrap().unwrap();
    assert_eq!((held.attempts, held.next_ms, held.settled_ms), (0, 50, None));
    assert!(store.due_sends(row.id, 49, 9).await.unwrap().is_empty());
    assert_eq!(store.next_send_ms(row.id).await.unwrap(), Some(50));

    store.claim_sends(vec![(read.id, 0, 60)]).await.unwrap();
    let link = Some((link("a", 60, LinkStanding::Open), Vec::new()));
    let sent = Settlement { link, ..settled(&held, SendState::Sent) };
    store.settle_sends(row.id, vec![sent], 61).await.unwrap();
    assert_eq!(states(&store).await, [SendState::Sent]);
    assert!(store.claim_sends(vec![(read.id, 1, 70)]).await.unwrap().is_empty(), "it is over");
    assert_eq!(store.links(row.id, "", 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_what_cannot_have_arrived_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    plan(&store, &row, of(vec![send("a", Action::Update, SendState::Pending)])).await;
    let replace = |with: &SendRow| Planned {
        replaced: vec![(with.id, "newer".into())],
        ..of(vec![send("a", Action::Update, SendState::Pending)])
    };
    // It was tried, and nothing left.
    let first = due(&store, &row).await.remove(0);
    store.claim_sends(vec![(first.id, 0, 20)]).await.unwrap();
    store.settle_sends(row.id, vec![settled(&first, SendState::Pending)], 30).await.unwrap();
    assert!(plan(&store, &row, replace(&first)).await);
    // This one may have arrived, although the try was not counted.
    let second = due(&store, &row).await.remove(0);
    store.claim_sends(vec![(second.id, 0, 20)]).await.unwrap();
    assert!(!plan(&store, &row, replace(&second)).await, "it is sending");
    let unsure = Settlement {
        is_counted: false,
        started_ms: Some(20),
        ..settled(&second, SendState::Pending)
    };
    store.settle_sends(row.id, vec![unsure], 30).await.unwrap();
    assert!(!plan(&store, &row, replace(&second)).await);
    assert_eq!(states(&store).await, [SendState::Skipped, SendState::Pending]);
}

#[tokio::test]
async fn a_plan_of_few_goes_and_one_of_many_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    let planning = |group: &str| NewSend {
        reason: Some(PLANNING.into()),
        ..send(group, Action::Create, SendState::Held)
    };
    assert_eq!(store.end_plan(row.id, 2, 20).await.unwrap(), 0);
    plan(&store, &row, of(vec![planning("a"), planning("b")])).await;
    assert_eq!(store.end_plan(row.id, 2, 20).await.unwrap(), 0);
    assert_eq!(states(&store).await, [SendState::Pending; 2]);

    plan(&store, &row, of(vec![planning("c"), planning("d"), planning("e")])).await;
    assert_eq!(store.end_plan(row.id, 2, 30).await.unwrap(), 3);
    assert_eq!(keep(&store, "example.com").await.held_ms, Some(30));
    plan(&store, &row, of(vec![planning("f")])).await;
    assert_eq!(store.end_plan(row.id, 2, 40).await.unwrap(), 1, "it is held");
    assert_eq!(store.end_plan(row.id, 2, 50).await.unwrap(), 0, "it is said once");
    assert_eq!(keep(&store, "example.com").await.held_ms, Some(30));

    assert_eq!(store.approve_sends(row.id, 60).await.unwrap(), 4);
    assert_eq!(keep(&store, "example.com").await.held_ms, None);
    assert_eq!(states(&store).await, [SendState::Pending; 6]);
    store.hold_sends(row.id, 70).await.unwrap();
    assert_eq!(states(&store).await, [SendState::Held; 6]);
    assert_eq!(keep(&store, "example.com").await.held_ms, Some(70));
}

#[tokio::test]
async fn what_was_given_up_is_sent_again_under_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    plan(&store, &row, of(vec![send("a", Action::Create, SendState::Pending)])).await;
    let first = due(&store, &row).await.remove(0);
    let number = first.id.number();
    assert!(!store.replay_send(number, 40).await.unwrap(), "it waits already");
    store.claim_sends(vec![(first.id, 0, 20)]).await.unwrap();
    let dead = Settlement { started_ms: Some(20), ..settled(&first, SendState::Dead) };
    store.settle_sends(row.id, vec![dead], 30).await.unwrap();
    assert!(!store.replay_send(999, 40).await.unwrap());
    assert!(store.replay_send(number, 40).await.unwrap());
    let again = store.send(number).await.unwrap().unwrap();
    assert_eq!((&again.uid, again.replays, again.attempts), (&first.uid, 1, 0));
    assert_eq!((again.planned_ms, again.started_ms, again.settled_ms), (40, Some(20), None));

    // Given up again; the next of its group begins with a look for it.
    store.claim_sends(vec![(first.id, 0, 25)]).await.unwrap();
    let dead = Settlement { started_ms: Some(25), ..settled(&first, SendState::Dead) };
    store.settle_sends(row.id, vec![dead], 50).await.unwrap();
    let next = [
        send("a", Action::Create, SendState::Pending),
        send("b", Action::Create, SendState::Pending),
    ];
    plan(&store, &row, of(next.into())).await;
    let started: Vec<_> = due(&store, &row).await.iter().map(|send| send.started_ms).collect();
    assert_eq!(started, [Some(25), None]);
    assert!(!store.replay_send(number, 60).await.unwrap(), "another one is on its way");
}

#[tokio::test]
async fn what_was_delivered_outlives_what_it_was_about() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, run) = store(folder.path()).await;
    let row = keep(&store, "example.com").await;
    let mut writer = open(&store, run, "Alpha").await;
    let record = flaw(1, 3, 80, "x", None, "OPEN");
    let finding = put(&mut writer, "Alpha", &record, Some(ChangeKind::New)).await;
    writer.commit(COMPLETE).await.unwrap();
    plan(&store, &row, of(vec![send("a", Action::Create, SendState::Pending)])).await;
    let first = due(&store, &row).await.remove(0);
    store.claim_sends(vec![(first.id, 0, 20)]).await.unwrap();
    let link = Some((link("a", 20, LinkStanding::Open), vec![finding.id.clone()]));
    let sent = Settlement { link, ..settled(&first, SendState::Sent) };
    store.settle_sends(row.id, vec![sent], 30).await.unwrap();
    plan(&store, &row, of(vec![send("b", Action::Create, SendState::Pending)])).await;
    let id = finding.id.to_string();
    assert_eq!(store.delivered(&id).await.unwrap()[0].link.reference, "ticket-a");
    assert_eq!(store.linked(row.id, "a").await.unwrap(), std::slice::from_ref(&finding.id));
    assert_eq!(store.linked(row.id, "b").await.unwrap(), []);

    let before = (states(&store).await, store.links(row.id, "", 9).await.unwrap());
    store.remove_integration(integration, None).await.unwrap();
    assert_eq!(store.changes(Since::Beginning, 9).await.unwrap().len(), 0);
    assert_eq!((states(&store).await, store.links(row.id, "", 9).await.unwrap()), before);
    assert_eq!(store.check().await.unwrap(), []);
    // What was sent is forgotten after its time, where it stands never.
    assert_eq!(store.forget_sends(31).await.unwrap(), 1);
    assert_eq!(store.links(row.id, "", 9).await.unwrap().len(), 1);
    store.remove_destination(row.id).await.unwrap();
    assert!(states(&store).await.is_empty() && store.delivered(&id).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_sent_somewhere_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    assert_eq!(keep(&store, "moved.example.com").await.place, "moved.example.com");
    plan(&store, &row, of(vec![send("a", Action::Create, SendState::Pending)])).await;
    assert_eq!(keep(&store, "b.example.com").await.place, "b.example.com", "nothing was sent");
    let first = due(&store, &row).await.remove(0);
    store.claim_sends(vec![(first.id, 0, 20)]).await.unwrap();
    assert_eq!(keep(&store, "c.example.com").await.place, "b.example.com");
    // A try that is not counted may have arrived all the same.
    let unsure = Settlement {
        is_counted: false,
        started_ms: Some(20),
        ..settled(&first, SendState::Pending)
    };
    store.settle_sends(row.id, vec![unsure], 30).await.unwrap();
    assert_eq!(keep(&store, "c.example.com").await.place, "b.example.com");
}

#[tokio::test]
async fn a_proof_is_what_was_made_before_and_is_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    let links = vec![
        link("a", 10, LinkStanding::Open),
        link("b", 20, LinkStanding::ClosedOurs),
        link("c", 30, LinkStanding::Lost),
        link("d", 40, LinkStanding::Open),
    ];
    plan(&store, &row, Planned { links, ..Planned::default() }).await;
    let known = store.known_links(row.id, 40, 5).await.unwrap();
    let groups: Vec<_> = known.iter().map(|link| link.group.as_str()).collect();
    assert_eq!(groups, ["b", "a"]);
    assert_eq!(store.known_links(row.id, 41, 1).await.unwrap()[0].group, "d");
}

#[tokio::test]
async fn a_problem_is_news_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, row) = desk(folder.path()).await;
    let problem = |text: Option<&str>| {
        let (store, text) = (store.clone(), text.map(str::to_owned));
        async move { store.set_delivery_problem(row.id, text, 9).await.unwrap() }
    };
    assert!(!problem(None).await);
    assert!(problem(Some("401")).await && !problem(Some("401")).await);
    assert!(!problem(Some("403")).await);
    assert!(problem(None).await);
}
