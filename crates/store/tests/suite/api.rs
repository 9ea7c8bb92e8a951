//! Accounts, tokens and what the API counts.

use countersign_store::{
    AccountForm, AccountId, Added, ApiFailure, Environment, Known, Mode, NewKept, NewSecrets,
    NewToken, PermissionSet, SecretPlace, Store, TokenKind, TokenScope, Traffic, TrafficBatch,
};

use super::credential;
use crate::engine;

fn form(name: &str) -> AccountForm {
    AccountForm {
        name: name.into(),
        fullname: name.to_uppercase(),
        environment: Environment::Test,
        labels: vec!["blue".into()],
    }
}

fn known(uid: &str, account: AccountId, slug: &str) -> Known {
    Known { uid: uid.into(), account, slug: slug.into(), fullname: None, mode: Mode::Stored }
}

fn secrets(byte: u8) -> NewSecrets {
    NewSecrets {
        access: [byte; 32],
        access_expires_ms: 1000,
        refresh: Some(([byte + 100; 32], 2000)),
    }
}

fn token(uid: &str, account: Option<AccountId>, byte: u8) -> NewToken {
    NewToken {
        uid: uid.into(),
        name: uid.into(),
        fullname: uid.into(),
        scope: TokenScope {
            kind: TokenKind::Integration,
            permission_set: PermissionSet::Integration,
            account,
            integration: None,
            operations: Some(vec!["appsec_query_findings".into()]),
        },
        ttl_ms: 60_000,
        secrets: secrets(byte),
    }
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = engine::open(folder.path()).await;
    (folder, store)
}

#[tokio::test]
async fn an_integration_belongs_to_one_account_and_is_found_by_that() {
    let (_folder, store) = store().await;
    store.add_integration(credential("prod"), None).await.unwrap();
    let other = store.add_account("a-1", form("other"), "command", 5).await.unwrap();
    assert!(store.add_account("a-2", form("other"), "command", 5).await.unwrap_err().is_existing());
    // The same slug in another account, under another name of the store.
    let added = Added {
        known: known("i-2", other.id, "prod"),
        token: Some(token("t-1", Some(other.id), 1)),
        kept: None,
        by: "root".into(),
    };
    let id = store.add_integration(credential("prod-2"), Some(added)).await.unwrap();
    let again =
        Added { known: known("i-3", other.id, "prod"), token: None, kept: None, by: "root".into() };
    let refused = store.add_imported_integration("prod-3", Some(again), 9).await.unwrap_err();
    assert!(refused.is_existing() && refused.to_string().contains("`prod`"), "{refused}");

    let own = store.owned_integrations(Some(AccountId::OWN)).await.unwrap();
    assert_eq!(own.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["prod"]);
    let theirs = store.owned_integrations(Some(other.id)).await.unwrap();
    assert_eq!(theirs.len(), 1);
    assert_eq!((theirs[0].id, theirs[0].account_uid.as_str()), (id, "a-1"));
    assert_eq!(theirs[0].access_uid.as_deref(), Some("t-1"));
    assert_eq!(store.owned_integration("i-2").await.unwrap(), theirs[0]);
    assert!(store.owned_integration("i-9").await.unwrap_err().is_not_found());

    // What is used stays; what is the program's own stays too.
    assert!(store.remove_account(other.id, "root", 9).await.unwrap_err().is_in_use());
    assert!(store.remove_account(AccountId::OWN, "root", 9).await.unwrap_err().is_in_use());
    store.remove_integration(id, None).await.unwrap();
    store.remove_account(other.id, "root", 9).await.unwrap();
    assert!(store.account("a-1").await.unwrap_err().is_not_found());
    // Its tokens went along.
    assert!(store.token("t-1").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_renewed_token_has_two_pairs_and_a_reset_one_has_one() {
    let (_folder, store) = store().await;
    let made = store.add_token(token("t-1", Some(AccountId::OWN), 1), "root", 10).await.unwrap();
    let places = |token: &countersign_store::ApiToken| {
        token.secrets.iter().map(|(place, ..)| *place).collect::<Vec<_>>()
    };
    assert_eq!(places(&made), [SecretPlace::PrimaryAccess, SecretPlace::PrimaryRefresh]);
    let found = store.presented([1; 8]).await.unwrap();
    assert_eq!((found.len(), found[0].digest, found[0].expires_ms), (1, [1; 32], 1000));
    assert_eq!(found[0].token, made);

    let renewed = store.renew_token(made.id, secrets(2), false, "root", 20).await.unwrap();
    assert_eq!(renewed.secrets.len(), 4);
    // The one before the one before ends.
    store.renew_token(made.id, secrets(3), false, "root", 30).await.unwrap();
    assert!(store.presented([1; 8]).await.unwrap().is_empty());
    assert_eq!(store.presented([2; 8]).await.unwrap()[0].place, SecretPlace::SecondaryAccess);
    store.end_secondary_secrets(made.id, "root", 31).await.unwrap();
    assert!(store.presented([2; 8]).await.unwrap().is_empty());
    store.renew_token(made.id, secrets(4), false, "root", 40).await.unwrap();
    let reset = store.renew_token(made.id, secrets(5), true, "root", 50).await.unwrap();
    assert_eq!(places(&reset), [SecretPlace::PrimaryAccess, SecretPlace::PrimaryRefresh]);
    for ended in [3, 4] {
        assert!(store.presented([ended; 8]).await.unwrap().is_empty());
    }
    // Ended ones are cleared, the token with the last of them.
    assert_eq!(store.clear_ended_tokens(1500).await.unwrap(), 0);
    assert!(store.presented([5; 8]).await.unwrap().is_empty());
    assert_eq!(store.clear_ended_tokens(2500).await.unwrap(), 1);
    assert!(store.token("t-1").await.unwrap_err().is_not_found());
    let deeds = store.audit_entries(Some("t-1"), 20).await.unwrap();
    assert_eq!(deeds.len(), 6, "{deeds:?}");
    assert!(deeds.iter().all(|entry| entry.detail.contains("\"by\":\"root\"")));
}

#[tokio::test]
async fn a_kept_credential_becomes_that_of_an_integration_under_its_id() {
    let (_folder, store) = store().await;
    let new = NewKept {
        uid: "c-1".into(),
        account: AccountId::OWN,
        name: "spare".into(),
        fullname: "Spare".into(),
        vault_name: "kept/c-1".into(),
        kind: credential("x").kind,
        api_id: "0a".into(),
        version: 1,
        expires_ms: None,
    };
    let kept = store.keep_credential(new.clone(), "root", 10).await.unwrap();
    let again = NewKept { uid: "c-2".into(), vault_name: "kept/c-2".into(), ..new.clone() };
    assert!(store.keep_credential(again, "root", 10).await.unwrap_err().is_existing());
    assert!(store.remove_account(AccountId::OWN, "root", 9).await.unwrap_err().is_in_use());
    let added = Added {
        known: known("i-1", AccountId::OWN, "prod"),
        token: None,
        kept: Some(kept.id),
        by: "root".into(),
    };
    store.add_integration(credential("prod"), Some(added)).await.unwrap();
    assert!(store.kept_credential("c-1").await.unwrap_err().is_not_found());
    let integration = store.owned_integration("i-1").await.unwrap();
    assert_eq!(integration.credential.unwrap().uid, "c-1");
}

#[tokio::test]
async fn traffic_is_summed_by_the_hour_and_failures_are_bounded() {
    let (_folder, store) = store().await;
    let id = store.add_integration(credential("prod"), None).await.unwrap();
    let gone = store.add_integration(credential("gone"), None).await.unwrap();
    store.remove_integration(gone, None).await.unwrap();
    let one = Traffic { succeeded: 2, failed: 1, cpu_us: 5, out_bytes: 7, ..Traffic::default() };
    let failure = |at_ms| ApiFailure {
        at_ms,
        operation: "appsec_query_findings".into(),
        status: 400,
        error: "no".into(),
    };
    let batch = TrafficBatch {
        hours: vec![(id, 4, one), (gone, 4, one), (id, 5, one)],
        failures: (0..150).map(|at_ms| (id, failure(at_ms))).chain([(gone, failure(1))]).collect(),
        uses: Vec::new(),
    };
    store.add_traffic(batch.clone()).await.unwrap();
    store.add_traffic(TrafficBatch { failures: Vec::new(), ..batch }).await.unwrap();
    let mut twice = one;
    twice.add(&one);
    assert_eq!(store.traffic(id, 0).await.unwrap(), [(4, twice), (5, twice)]);
    assert_eq!(store.traffic(id, 5).await.unwrap().len(), 1);
    let failures = store.api_failures(id, 1000).await.unwrap();
    assert_eq!((failures.len(), failures[0].at_ms, failures[99].at_ms), (100, 149, 50));
    store.reset_traffic(id).await.unwrap();
    assert!(store.traffic(id, 0).await.unwrap().is_empty());
    assert!(store.api_failures(id, 10).await.unwrap().is_empty());
}
