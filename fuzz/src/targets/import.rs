//! Pages of the real service that the platform takes in, scrubbed.

use std::cell::OnceCell;
use std::sync::Arc;

use countersign_tenant::{Act, By, Error, Opening, Tenant, import};

thread_local! {
    static TENANT: OnceCell<(tempfile::TempDir, Tenant)> = const { OnceCell::new() };
}

/// Taken in, or refused with words: nothing else, and nothing stays.
pub(crate) fn run(data: &[u8]) {
    TENANT.with(|held| {
        let (_, tenant) = held.get_or_init(open);
        let act = Act::new(By::Controls, "127.0.0.1");
        let outcome = tenant.change(&act, |change| {
            let _ = import::page(change, data, "seed", None)?;
            // The transaction ends here: the next page finds nothing.
            Err::<countersign_tenant::Noted<()>, Error>(Error::input("undone".into()))
        });
        let error = outcome.expect_err("it is undone");
        assert!(error.is_input(), "{error}");
    });
}

fn open() -> (tempfile::TempDir, Tenant) {
    let home = tempfile::tempdir().expect("a folder");
    let opening = Opening {
        home: home.path(),
        clock: Arc::new(|| 1_780_272_000_000),
        random: Arc::new(|bytes| bytes.fill(7)),
        overlap_ms: 0,
        console_url: None,
    };
    let tenant = Tenant::open(opening).expect("a tenant");
    (home, tenant)
}
