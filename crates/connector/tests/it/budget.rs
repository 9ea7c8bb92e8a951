//! One budget for all processes with one data directory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_client::{Ask, Given, Ledger, Urgency};
use countersign_connector::budget::SharedBudget;

const START_MS: i64 = 1_780_000_000_000;

/// Processes that share a file and a clock.
struct Machine {
    folder: tempfile::TempDir,
    now_ms: Arc<AtomicI64>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, now_ms: Arc::new(AtomicI64::new(START_MS)) }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("budget.json")
    }

    fn process(&self, number: u8) -> SharedBudget {
        let now_ms = Arc::clone(&self.now_ms);
        let clock: countersign_connector::Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        let random: countersign_connector::Random = Arc::new(move |bytes| bytes.fill(number));
        SharedBudget::at(&self.file(), clock, &random)
    }

    fn pass(&self, seconds: i64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

fn question(host: &str, share: &str, places: u32) -> Ask {
    Ask { host: host.into(), limit: 200, share: share.into(), places, ..Ask::default() }
}

async fn given(process: &SharedBudget, ask: Ask) -> Given {
    process.ask(ask).await.expect("an answer")
}

#[tokio::test]
async fn processes_share_a_minute_of_a_host() {
    let machine = Machine::new();
    let (one, other) = (machine.process(1), machine.process(2));
    assert_eq!(given(&one, question("a", "prod", 120)).await.places, 120);
    assert_eq!(given(&other, question("a", "prod", 120)).await.places, 78);
    assert_eq!(given(&other, question("b", "prod", 120)).await.places, 120, "another host");
    let person = Ask { urgency: Urgency::Interactive, ..question("a", "prod", 5) };
    assert_eq!(given(&other, person).await.places, 2);
    // A third begins later, and knows nothing but what is in the file.
    let third = machine.process(3);
    let refused = given(&third, question("a", "test", 1)).await;
    assert_eq!((refused.places, refused.others), (0, 200));
    let seen = third.hosts().await.expect("the file");
    let a = seen.iter().find(|one| one.host == "a").expect("the host");
    let shares: Vec<_> =
        a.shares.iter().map(|one| (&*one.share, one.started, one.waiting)).collect();
    assert_eq!(shares, [("prod", 200, 3), ("test", 0, 1)]);
    machine.pass(62);
    assert_eq!(given(&third, question("a", "test", 1)).await.places, 1);
    machine.pass(200);
    assert_eq!(third.hosts().await.expect("the file"), []);
}

#[tokio::test]
async fn a_429_that_one_process_hears_holds_all() {
    let machine = Machine::new();
    let (one, other) = (machine.process(1), machine.process(2));
    let close = Some(Duration::from_secs(20));
    given(&one, Ask { close, ..question("a", "prod", 0) }).await;
    let held = given(&other, question("a", "test", 1)).await;
    assert_eq!((held.places, held.is_closed, held.wait), (0, true, Duration::from_secs(20)));
    assert_eq!(given(&other, question("b", "test", 1)).await.places, 1);
    machine.pass(20);
    assert_eq!(given(&other, question("a", "test", 1)).await.places, 1);
}

#[tokio::test]
async fn a_file_that_is_torn_or_not_ours_to_read_is_begun_anew() {
    let machine = Machine::new();
    let one = machine.process(1);
    for text in ["", "{", "[]", "{\"a\":{\"starts\":{\"prod\":[[1,", "\u{0}\u{0}\u{0}"] {
        fs::write(machine.file(), text).expect("a file");
        assert_eq!(given(&one, question("a", "prod", 7)).await.places, 7, "{text:?}");
    }
    // What a longer text left behind a shorter one.
    let mut text = fs::read(machine.file()).expect("the file");
    text.extend_from_slice(b"}}]}");
    fs::write(machine.file(), text).expect("a file");
    assert_eq!(given(&one, question("a", "prod", 200)).await.places, 191);
}

#[tokio::test]
async fn a_process_that_was_stopped_with_the_file_holds_nobody_for_long() {
    let machine = Machine::new();
    let one = machine.process(1);
    given(&one, question("a", "prod", 7)).await;
    let file = fs::File::open(machine.file()).expect("the file");
    file.lock().expect("the lock");
    tokio::time::pause();
    let why = one.ask(question("a", "prod", 7)).await.expect_err("no answer");
    assert!(why.contains("another process has kept it"), "{why}");
    drop(file);
    assert_eq!(given(&one, question("a", "prod", 7)).await.places, 7);
}

#[tokio::test]
async fn a_look_creates_nothing() {
    let machine = Machine::new();
    assert_eq!(machine.process(1).hosts().await.expect("nothing"), []);
    assert!(!Path::new(&machine.file()).exists());
}
