//! Credentials, the journal of rotations, leases and the audit log.

use countersign_store::{
    Act, Claim, CredentialId, Deed, Lease, Observed, Publication, Rotation, RotationId, Verdict,
};

use super::*;

const LIFE_MS: i64 = 1_000;

fn claim<'c>(holder: &'c str, now_ms: i64) -> Claim<'c> {
    Claim { name: "test", holder, gone: "", now_ms, life_ms: LIFE_MS }
}

async fn lease(store: &Store, holder: &str, now_ms: i64) -> Option<Lease> {
    store.take_lease(claim(holder, now_ms)).await.unwrap()
}

fn rotation(credential: CredentialId) -> Rotation {
    Rotation {
        id: RotationId::NONE,
        credential,
        mode: "administrator".into(),
        minter: credential,
        step: "armed".into(),
        begun_ms: 10,
        moved_ms: 10,
        old_id: "old".into(),
        new_id: None,
        new_version: None,
        new_expires_ms: None,
        mints: 0,
        lost: 0,
        old_until_ms: None,
        to_revoke: None,
        problem: None,
        is_over: false,
    }
}

#[tokio::test]
async fn a_lease_is_one_holders_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let first = lease(&store, "a/1", 0).await.unwrap();
    assert!(lease(&store, "b/1", 500).await.is_none());
    let again = lease(&store, "a/1", 500).await.unwrap();
    assert!(again.token() > first.token());
    let gone = Claim { gone: "a/", ..claim("a/2", 600) };
    let taken = store.take_lease(gone).await.unwrap().unwrap();
    assert!(taken.token() > again.token());
    let later = lease(&store, "b/1", 600 + LIFE_MS + 1).await.unwrap();
    // The clock went back by far: what was taken in the future holds nobody up.
    assert!(lease(&store, "c/1", -10_000_000).await.is_some());
    store.release_lease(later).await.unwrap();
    assert!(lease(&store, "d/1", -10_000_000).await.is_none(), "a stale release frees nothing");
}

#[tokio::test]
async fn a_journal_is_written_by_the_holder_of_the_lease_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let held = store.credential_of(integration).await.unwrap();
    let old = lease(&store, "a/1", 0).await.unwrap();
    let mut moved = store.begin_rotation(rotation(held.id), old.clone(), Vec::new()).await.unwrap();
    let two = store.begin_rotation(rotation(held.id), old.clone(), Vec::new()).await;
    two.expect_err("one at a time");

    let new = lease(&store, "b/1", LIFE_MS + 1).await.unwrap();
    moved.step = "sealed".into();
    moved.new_id = Some("new".into());
    moved.new_version = Some(2);
    moved.new_expires_ms = Some(99);
    let acts = vec![Act::new("test", Deed::Sealed).with("api_id", "new")];
    let publication = Some(Publication { switch: None });
    let refused = store.move_rotation(moved.clone(), old, acts.clone(), publication).await;
    assert!(refused.unwrap_err().is_superseded());
    let untouched = store.rotation_under_way(held.id).await.unwrap().unwrap();
    assert_eq!(untouched.step, "armed");
    assert_eq!(store.credential("test").await.unwrap().api_id, held.api_id);
    assert_eq!(store.audit_entries(Some("test"), 9).await.unwrap().len(), 1, "kept, and no more");

    store.move_rotation(moved.clone(), new.clone(), acts, publication).await.unwrap();
    let published = store.credential("test").await.unwrap();
    let now = (published.api_id.as_str(), published.version, published.expires_ms);
    assert_eq!(now, ("new", Some(2), Some(99)));
    assert_eq!(store.integration("test").await.unwrap().api_id, "new");
    assert_eq!(store.rotation_under_way(held.id).await.unwrap().unwrap(), moved);
    moved.is_over = true;
    store.move_rotation(moved, new, Vec::new(), None).await.unwrap();
    assert_eq!(store.rotation_under_way(held.id).await.unwrap(), None);
    assert_eq!(store.rotations(held.id, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn twins_take_turns_and_what_is_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let other = NewCredential { vault_name: "credential/b".into(), ..credential("b") };
    let b = store.add_credential(other.clone()).await.unwrap();
    assert!(store.add_credential(other).await.unwrap_err().is_existing());
    let lease = lease(&store, "a/1", 0).await.unwrap();
    let mut turn = store.begin_rotation(rotation(b), lease.clone(), Vec::new()).await.unwrap();
    turn.new_id = Some("fresh".into());
    let publication = Publication { switch: Some(integration) };
    store.move_rotation(turn, lease, Vec::new(), Some(publication)).await.unwrap();
    let now = store.integration("test").await.unwrap();
    assert_eq!((now.credential, now.api_id.as_str()), (b, "fresh"));
    assert!(store.remove_credential(b).await.is_err(), "an integration signs with it");
    store.remove_integration(integration, None).await.unwrap();
    assert!(store.credential("test").await.unwrap_err().is_not_found());
    store.remove_credential(b).await.unwrap();
    assert!(store.credentials().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_service_says_is_kept_and_a_failure_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let (store, integration, _) = store(folder.path()).await;
    let id = store.credential_of(integration).await.unwrap().id;
    let seen = Observed {
        account: Some("reader".into()),
        user_id: Some("u-1".into()),
        roles: vec!["resultsapi".into()],
        teams: Vec::new(),
        expires_ms: Some(7),
        problem: None,
    };
    store.observe_credential(id, seen, 20).await.unwrap();
    let failed = Observed { problem: Some("refused".into()), ..Observed::default() };
    store.observe_credential(id, failed, 30).await.unwrap();
    store.note_use(id, "sync", 25).await.unwrap();
    let held = store.credential_by(id).await.unwrap();
    assert_eq!(held.roles, ["resultsapi"]);
    assert_eq!((held.expires_ms, held.user_id.as_deref()), (Some(7), Some("u-1")));
    assert_eq!((held.checked_ms, held.problem.as_deref()), (Some(30), Some("refused")));
    assert_eq!((held.used_ms, held.used_by.as_deref()), (Some(25), Some("sync")));
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    for n in 0..5 {
        store.audit(Act::new("test", Deed::Asked).with("nth", n), n.into()).await.unwrap();
    }
    let Verdict::Whole { entries, digest } = store.verify_audit().await.unwrap() else {
        panic!("the chain is whole");
    };
    assert_eq!((entries, digest.len()), (6, 64));
    assert_eq!(store.audit_entries(None, 2).await.unwrap()[0].detail, r#"{"nth":4}"#);

    let direct = engine::direct(folder.path());
    for sql in ["update audit set act = 'x' where id = 3", "delete from audit where id = 6"] {
        assert!(direct.execute(sql).unwrap_err().contains("append-only"));
    }
}

#[tokio::test]
async fn who_takes_the_triggers_away_is_seen_by_the_chain() {
    for (sql, place) in [
        ("update audit set at_ms = at_ms + 1 where id = 3", 3),
        ("update audit set detail = '{}' where id = 4", 4),
        ("delete from audit where id = 2", 2),
        ("update audit set id = 60 where id = 6", 6),
        ("update audit set hash = (select hash from audit where id = 2) where id = 1", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (store, ..) = store(folder.path()).await;
        for n in 0..5 {
            store.audit(Act::new("test", Deed::Asked).with("nth", n), n.into()).await.unwrap();
        }
        let direct = engine::direct(folder.path());
        direct.unguard_audit();
        direct.execute(sql).unwrap();
        let verdict = store.verify_audit().await.unwrap();
        assert_eq!(verdict, Verdict::Broken { id: place }, "{sql}");
    }
}

#[tokio::test]
async fn what_is_to_be_revoked_is_settled_once_and_after_the_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = store(folder.path()).await;
    let held = store.credential("test").await.unwrap();
    let lease = lease(&store, "a/1", 0).await.unwrap();
    let begun = store.begin_rotation(rotation(held.id), lease.clone(), vec![]).await.unwrap();
    let owing = Rotation { to_revoke: Some("old".into()), ..begun.clone() };
    store.move_rotation(owing.clone(), lease.clone(), vec![], None).await.unwrap();
    let act = || Act::new("test", Deed::Revoked);
    assert_eq!(store.rotations_to_revoke(held.id).await.unwrap(), []);
    assert!(!store.settle_revocation(begun.id, act(), 20).await.unwrap(), "it is under way");
    let over = Rotation { is_over: true, ..owing };
    store.move_rotation(over.clone(), lease, vec![], None).await.unwrap();
    assert_eq!(store.rotations_to_revoke(held.id).await.unwrap(), [over]);
    assert!(store.settle_revocation(begun.id, act(), 20).await.unwrap());
    assert!(!store.settle_revocation(begun.id, act(), 30).await.unwrap(), "once");
    assert_eq!(store.rotations_to_revoke(held.id).await.unwrap(), []);
    assert_eq!(store.rotations(held.id, 1).await.unwrap()[0].old_until_ms, Some(20));
    let acts = store.audit_entries(Some("test"), 100).await.unwrap();
    assert_eq!(acts.iter().filter(|entry| entry.act == Deed::Revoked).count(), 1);
}
