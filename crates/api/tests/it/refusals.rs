//! Who is let in, and how it is said that somebody is not.

use axum::body::Body;
use axum::http::Request;
use countersign_api::{Audience, Operation};
use countersign_store::{AccountId, ChangeKind, PermissionSet, TokenKind, TokenScope};

use crate::{DAY_MS, Desk, Seat, flaw, guid};

/// The path of an operation, with something in each of its places.
fn target(operation: Operation) -> String {
    let parts = operation.about().path.split('/').map(|part| match part {
        "{applicationId}" => guid(1),
        part if part.starts_with('{') => "00000000-0000-4000-9000-00000000dead".to_owned(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn scope(seat: &Seat, kind: TokenKind, permission_set: PermissionSet) -> TokenScope {
    let integration = (kind == TokenKind::Integration).then_some(seat.id);
    TokenScope { kind, permission_set, account: None, integration, operations: None }
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    desk.bring_in(&seat, &guid(1), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    let reading = scope(&seat, TokenKind::Integration, PermissionSet::Integration);
    let (expired, _) = desk.token(reading.clone(), -1).await;
    let (revoked, _) = desk.token(reading.clone(), DAY_MS).await;
    let tokens = desk.store.tokens(None).await.unwrap();
    desk.store.revoke_token(tokens.last().unwrap().id, "test", desk.now()).await.unwrap();
    let mut said = None;
    for operation in Operation::ALL.iter().copied() {
        if operation.about().audience == Audience::Everybody {
            continue;
        }
        let (method, target) = (operation.about().method.method(), target(operation));
        for token in [None, Some("csa_x"), Some(""), Some(&*expired), Some(&*revoked)] {
            // So many requests of a stranger are refused for another reason.
            desk.now_ms.fetch_add(2_000, std::sync::atomic::Ordering::SeqCst);
            let answer = desk.ask(method.as_str(), &target, token).await;
            assert_eq!(answer.status, 401, "{operation:?} {token:?} {}", answer.body);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            let mut problem = answer.json();
            assert!(
                problem["status"].is_u64()
                    && problem["occurred_at"].as_str().unwrap().ends_with('Z')
            );
            for varying in ["instance", "occurred_at"] {
                problem[varying] = "".into();
            }
            assert_eq!(said.get_or_insert_with(|| problem.clone()), &problem);
        }
    }
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused_and_a_narrowed_one_for_the_rest() {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    desk.bring_in(&seat, &guid(1), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    let admin = scope(&seat, TokenKind::Organization, PermissionSet::Administrator);
    let (admin, _) = desk.token(admin, DAY_MS).await;
    let assistant = scope(&seat, TokenKind::Assistant, PermissionSet::McpManagement);
    let (assistant, _) = desk.token(assistant, DAY_MS).await;
    let narrowed = TokenScope {
        operations: Some(vec![Operation::QueryApplications.id().to_owned()]),
        ..scope(&seat, TokenKind::Integration, PermissionSet::Integration)
    };
    let (narrowed, refresh) = desk.token(narrowed, DAY_MS).await;
    for operation in Operation::ALL.iter().copied().filter(|one| one.is_reading()) {
        let (method, target) = (operation.about().method.method(), target(operation));
        for token in [&admin, &assistant, &refresh] {
            let answer = desk.ask(method.as_str(), &target, Some(token)).await;
            assert_eq!(answer.status, 403, "{operation:?} {}", answer.body);
        }
        let answer = desk.ask(method.as_str(), &target, Some(&narrowed)).await;
        let is_allowed = operation == Operation::QueryApplications;
        assert_eq!(answer.status == 403, !is_allowed, "{operation:?} {}", answer.body);
    }
    for operation in Operation::ALL.iter().copied() {
        let Audience::Management(_) = operation.about().audience else { continue };
        let (method, target) = (operation.about().method.method(), target(operation));
        for token in [&seat.token, &assistant] {
            let answer = desk.ask(method.as_str(), &target, Some(token)).await;
            assert_eq!(answer.status, 403, "{operation:?} {}", answer.body);
        }
    }
}

#[tokio::test]
async fn who_tries_tokens_is_slowed_down_and_who_has_one_is_not() {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    let mut statuses = Vec::new();
    for _ in 0..70 {
        let answer = desk.ask("GET", "/v1/app-sec/findings", Some("csa_guess")).await;
        if answer.status == 429 {
            let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds));
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 60, "{statuses:?}");
    assert_eq!(desk.get(&seat, "/findings").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_shape() {
    let desk = Desk::start().await;
    let seat = desk.seat(AccountId::OWN, "prod").await;
    desk.bring_in(&seat, &guid(1), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    for (target, status, parameter) in [
        ("/findings?filter=colour[eq]red", 400, Some("filter")),
        ("/findings?filter=severity[like]x", 400, Some("filter")),
        ("/findings?filter=severity[eq]Purple", 400, Some("filter")),
        ("/findings?filter=severity", 400, Some("filter")),
        ("/findings?filter=modified_time[gte]yesterday", 400, Some("filter")),
        ("/findings?limit=-1", 400, Some("limit")),
        ("/findings?cursor=abc", 400, Some("cursor")),
        ("/findings?fliter=a", 400, Some("fliter")),
        ("/applications?filter=colour[eq]red", 400, Some("filter")),
        ("/applications/nothing/findings", 404, None),
        ("/applications/nothing/scans", 404, None),
        ("/applications/%2e%2e/scans", 404, None),
        ("/nothing", 404, None),
    ] {
        let answer = desk.get(&seat, target).await;
        assert_eq!(answer.status, status, "{target} {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/json");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{target}");
        assert!(problem["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(problem["context"]["parameter"]["id"].as_str(), parameter, "{target}");
    }
    let answer = desk.ask("POST", "/v1/app-sec/findings", Some(&seat.token)).await;
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (405, Some(405)));
    // Joined with two slashes, as one of the clients does.
    let answer = desk.ask("GET", "//v1//app-sec/findings", Some(&seat.token)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// `/mcp` with a token: the status, and what a search for findings shows.
async fn searched(desk: &Desk, token: &str) -> (u16, String) {
    let call = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "search_findings", "arguments": {"limit": 100}}});
    let request = Request::builder()
        .method("POST")
        .uri("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("host", "127.0.0.1")
        .body(Body::from(call.to_string()))
        .unwrap();
    let answer = desk.answer(request).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn tools_are_for_tokens_of_assistants_as_far_as_these_reach() {
    let desk = Desk::start().await;
    let (one, other) = (desk.account("one").await, desk.account("other").await);
    let (mine, second) = (desk.seat(one, "prod").await, desk.seat(one, "lab").await);
    let foreign = desk.seat(other, "prod").await;
    for (number, seat) in (1..).zip([&mine, &second, &foreign]) {
        desk.bring_in(seat, &guid(number), &[flaw(1, 5, "OPEN")], ChangeKind::New).await;
    }
    let of = |permission_set, account, integration| TokenScope {
        kind: TokenKind::Assistant,
        permission_set,
        account,
        integration,
        operations: None,
    };
    let use_only = PermissionSet::McpIntegrationsUseOnly;
    for (scope, seen) in [
        (of(use_only, Some(one), Some(mine.id)), vec![1]),
        (of(use_only, Some(one), None), vec![1, 2]),
        (of(PermissionSet::McpManagement, Some(other), None), vec![3]),
        (of(PermissionSet::McpManagement, None, None), vec![1, 2, 3]),
        (of(use_only, None, None), vec![]),
    ] {
        let (token, refresh) = desk.token(scope.clone(), DAY_MS).await;
        let (status, body) = searched(&desk, &token).await;
        assert_eq!(status, 200, "{scope:?} {body}");
        for number in 1..=3 {
            let is_seen = body.contains(&guid(number));
            assert_eq!(is_seen, seen.contains(&number), "{scope:?} {number} {body}");
        }
        assert_eq!(searched(&desk, &refresh).await.0, 403);
        let (expired, _) = desk.token(scope, -1).await;
        assert_eq!(searched(&desk, &expired).await.0, 401);
    }
    // One that is limited to one read does not read the rest by a tool.
    let narrowed = TokenScope {
        operations: Some(vec![Operation::QueryApplications.id().to_owned()]),
        ..of(use_only, Some(one), None)
    };
    let (narrowed, _) = desk.token(narrowed, DAY_MS).await;
    assert_eq!(searched(&desk, &narrowed).await.0, 403);
    let admin = scope(&mine, TokenKind::Organization, PermissionSet::Administrator);
    let (admin, _) = desk.token(admin, DAY_MS).await;
    for token in [&admin, &mine.token] {
        assert_eq!(searched(&desk, token).await.0, 403);
    }
}
