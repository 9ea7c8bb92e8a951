//! Every route for everybody.

use std::net::SocketAddr;

use countersign_dashboard::people::Role;
use countersign_dashboard::{Dashboard, Listener};
use countersign_web::Limits;
use countersign_web::health::{Face, Readiness, Unready};

use super::browser::{Browser, between};
use super::{Desk, GUID, flaw};

/// Who may go there: everybody, who is signed in, operators.
#[derive(Debug, Clone, Copy, PartialEq)]
enum May {
    Everybody,
    Reader,
    Operator,
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Takes {
    Looks,
    Forms,
    Both,
}

const ROUTES: &[(&str, May, Takes)] = &[
    ("/", May::Reader, Takes::Looks),
    ("/applications", May::Reader, Takes::Looks),
    ("/applications/{integration}/{guid}", May::Reader, Takes::Looks),
    ("/findings", May::Reader, Takes::Looks),
    ("/findings.csv", May::Reader, Takes::Looks),
    ("/findings.ndjson", May::Reader, Takes::Looks),
    ("/findings/values", May::Reader, Takes::Looks),
    ("/findings/{id}", May::Reader, Takes::Looks),
    ("/findings/{id}/raw", May::Reader, Takes::Looks),
    ("/findings/{id}/description", May::Reader, Takes::Looks),
    ("/findings/{id}/paths", May::Operator, Takes::Forms),
    ("/changes", May::Reader, Takes::Looks),
    ("/integrations", May::Reader, Takes::Looks),
    ("/integrations/{name}/run", May::Operator, Takes::Forms),
    ("/integrations/{name}/pause", May::Operator, Takes::Forms),
    ("/integrations/{name}/resume", May::Operator, Takes::Forms),
    ("/integrations/{name}/accept", May::Operator, Takes::Forms),
    ("/deliveries", May::Reader, Takes::Looks),
    ("/deliveries/{name}/approve", May::Operator, Takes::Forms),
    ("/deliveries/sends/{number}/replay", May::Operator, Takes::Forms),
    ("/events", May::Reader, Takes::Looks),
    ("/credentials", May::Reader, Takes::Looks),
    ("/style.css", May::Everybody, Takes::Looks),
    ("/dashboard.js", May::Everybody, Takes::Looks),
    ("/sign-in", May::Everybody, Takes::Both),
    ("/second-factor", May::Reader, Takes::Both),
    ("/prove", May::Reader, Takes::Both),
    ("/sign-out", May::Everybody, Takes::Forms),
    ("/welcome/{token}", May::Everybody, Takes::Both),
    ("/reset/{token}", May::Everybody, Takes::Both),
    ("/profile", May::Reader, Takes::Looks),
    ("/profile/password", May::Reader, Takes::Forms),
    ("/profile/factor", May::Reader, Takes::Both),
    ("/profile/factor/remove", May::Reader, Takes::Forms),
    ("/profile/codes", May::Reader, Takes::Forms),
    ("/profile/sessions", May::Reader, Takes::Forms),
];

/// A route without an entry fails here.
#[test]
fn every_route_is_in_the_matrix() {
    let source = include_str!("../../src/lib.rs");
    let mut routes: Vec<_> = source
        .split(".route(")
        .skip(1)
        .map(|route| between(route, "\"", "\"").expect("a path"))
        .collect();
    let mut listed: Vec<_> = ROUTES.iter().map(|(path, ..)| *path).collect();
    routes.sort_unstable();
    listed.sort_unstable();
    assert_eq!(routes, listed);
}

#[tokio::test]
async fn every_route_for_everybody() {
    let desk = Desk::start().await;
    let findings = desk.bring_in("Alpha", &[flaw(1, 4, "x")]).await;
    let concrete = |path: &str| {
        path.replace("{integration}", "demo")
            .replace("{guid}", GUID)
            .replace("{id}", findings[0].id.as_str())
            .replace("{name}", "demo")
            .replace("{number}", "1")
            .replace("{token}", "x")
    };
    let mut visitors = vec![
        (May::Everybody, desk.browser()),
        (May::Reader, desk.person("rita", Role::Reader).await),
        (May::Operator, desk.person("otto", Role::Operator).await),
    ];
    for (who, browser) in &mut visitors {
        for (path, may, takes) in ROUTES.iter().filter(|(path, ..)| *path != "/sign-out") {
            let is_let_in = match may {
                May::Everybody => true,
                May::Reader => *who != May::Everybody,
                May::Operator => *who == May::Operator,
            };
            let path = concrete(path);
            // That one does not end by itself.
            if path != "/events" || !is_let_in {
                let page = browser.get(&path).await;
                let is_asked_to_sign_in = page.title() == "Sign in" && path != "/sign-in";
                match takes {
                    Takes::Forms => assert_eq!(page.status, 405, "GET {path} {who:?}"),
                    _ => {
                        assert_eq!(is_asked_to_sign_in, !is_let_in, "GET {path} {who:?}");
                        let is_link = path.ends_with("/x");
                        let expected = if is_link { 410 } else { 200 };
                        assert_eq!(page.status, expected, "GET {path} {who:?} {}", page.body);
                    }
                }
                if page.status == 200 && !path.contains('.') && !path.contains("/raw") {
                    check_frame(&path, &page.body);
                }
            }
            if path.starts_with("/sign-in") {
                continue;
            }
            let own = match who {
                May::Everybody => browser.get("/sign-in").await,
                _ => browser.get("/profile").await,
            };
            let body = format!("token={}", own.token());
            let page = browser.post(&path, &body, &[]).await;
            match takes {
                Takes::Looks => assert_eq!(page.status, 405, "POST {path} {who:?}"),
                _ if is_let_in => assert_ne!(page.title(), "Sign in", "POST {path} {who:?}"),
                _ if *who == May::Everybody => assert_eq!(page.title(), "Sign in", "POST {path}"),
                _ => assert_eq!(page.status, 403, "POST {path} {who:?}"),
            }
        }
    }
    desk.end().await;
}

/// What every page has, and must not have.
fn check_frame(path: &str, body: &str) {
    if !body.starts_with("<!doctype html>") {
        return;
    }
    assert_eq!(body.matches("<h1>").count(), 1, "{path}");
    assert!(body.contains("<main id=\"main\""), "{path}");
    for inline in ["<script>", " style=\"", " onclick=", "<style"] {
        assert!(!body.contains(inline), "{path}: {inline}");
    }
    let mut ids: Vec<_> =
        body.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{path}: an id is there twice");
}

#[tokio::test]
async fn every_answer_has_its_guards() {
    let desk = Desk::start().await;
    let mut reader = desk.person("rita", Role::Reader).await;
    for path in ["/", "/findings", "/nowhere", "/style.css", "/sign-in", "/welcome/x"] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            let page = reader.once(method, path, String::new(), &[]).await;
            let policy = page.header("content-security-policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{path}");
            assert!(!policy.contains("unsafe"), "{path}");
            assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
            if path != "/style.css" || method != "GET" {
                let cached = page.header("cache-control").unwrap_or_default();
                assert!(cached == "no-store" || path == "/style.css", "{path}: {cached}");
            }
            match (method, path) {
                ("GET" | "HEAD", "/nowhere") => assert_eq!(page.status, 404),
                ("GET" | "HEAD", "/welcome/x") => assert_eq!(page.status, 410),
                ("GET" | "HEAD", "/sign-in") => assert_eq!(page.status, 303),
                ("GET" | "HEAD", _) => assert_eq!(page.status, 200, "{method} {path}"),
                (_, "/nowhere") => assert_eq!(page.status, 404),
                _ => assert_eq!(page.status, 405, "{method} {path}"),
            }
            if method == "HEAD" {
                assert_eq!(page.body, "", "{path}");
            }
        }
    }
    desk.end().await;
}

/// What listens before the store is open says so, and shows no page.
#[tokio::test(flavor = "multi_thread")]
async fn before_it_is_open_the_cause_is_named() {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(free, None, None).await.unwrap();
    let mut browser = Browser::new(listener.address());
    let readiness = Readiness::not_yet(Unready::StoreOpening);
    let dashboard = Dashboard::listen(listener, Limits::default(), Face::new(readiness));
    for path in ["/readyz", "/sign-in"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 503, "{path}");
        assert!(page.body.contains("\"cause\":\"store_opening\""), "{}", page.body);
    }
    assert_eq!(browser.get("/healthz").await.status, 200);
    dashboard.shutdown().await;
}
