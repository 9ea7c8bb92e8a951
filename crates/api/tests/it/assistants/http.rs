//! The service that a listener mounts, behind a layer that knows the callers.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use countersign_api::Reach;
use countersign_api::mcp::http;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Bench, only};

/// As a listener does: the token says how far a caller reaches.
async fn callers(mut request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let reach = match token {
        Some("Bearer all") => Some(Reach::Everything),
        Some("Bearer lab") => Some(only(&["lab"])),
        Some("Bearer forgotten") => None,
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    if let Some(reach) = reach {
        request.extensions_mut().insert(reach);
    }
    next.run(request).await
}

async fn listen(bench: &Bench) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route_service("/mcp", http(bench.reads())).layer(from_fn(callers));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

const USUAL: &str = "Accept: application/json, text/event-stream\r\nContent-Type: application/json";

/// Status and body of one request on a connection of its own.
async fn send(address: SocketAddr, method: &str, headers: &str, body: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // One that is refused early need not read all of it.
    let _ = connection.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

async fn call(address: SocketAddr, token: &str, tool: &str, inputs: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": inputs}});
    let headers = format!("Authorization: Bearer {token}\r\n{USUAL}");
    let (status, body) = send(address, "POST", &headers, &body.to_string()).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test]
async fn a_request_without_its_caller_is_not_answered() {
    let bench = Bench::filled().await;
    let address = listen(&bench).await;
    let answer = call(address, "forgotten", "search_findings", json!({})).await;
    assert!(answer.get("result").is_none(), "{answer}");
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let bench = Bench::filled().await;
    let address = listen(&bench).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "x".repeat(300_000)}).to_string();
    let own = format!("Authorization: Bearer all\r\n{USUAL}");
    for (method, headers, body, expected) in [
        ("POST", USUAL.to_owned(), &list, 401),
        ("POST", format!("{own}\r\nOrigin: https://evil.example.com"), &list, 403),
        ("POST", format!("{own}\r\nOrigin: http://{address}"), &list, 403),
        ("POST", format!("{own}\r\nOrigin: null"), &list, 403),
        ("GET", own.clone(), &String::new(), 405),
        ("DELETE", own.clone(), &String::new(), 405),
        ("PUT", own.clone(), &list, 405),
        ("POST", own.clone(), &long, 413),
        ("POST", "Authorization: Bearer all\r\nAccept: text/html".to_owned(), &list, 406),
        ("POST", own.clone(), &list, 200),
    ] {
        let (status, answer) = send(address, method, &headers, body).await;
        assert_eq!(status, expected, "{method} {headers}: {answer}");
    }
}

#[tokio::test]
async fn each_request_has_the_reach_of_its_caller() {
    let bench = Bench::filled().await;
    let address = listen(&bench).await;
    let total = async |token| {
        let answer = call(address, token, "count_findings", json!({})).await;
        answer["result"]["structuredContent"]["total"].as_u64().unwrap()
    };
    for _ in 0..5 {
        let (all, lab) = tokio::join!(total("all"), total("lab"));
        assert_eq!((all, lab), (6, 2));
    }
}
