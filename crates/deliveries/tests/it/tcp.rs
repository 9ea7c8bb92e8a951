//! A wire to a server that is really there: HTTP/1.0 without TLS, one connection a request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use countersign_deliveries::receivers::Access;
use countersign_deliveries::wire::{Answer, Doing, Lost, Method, Request, Wire};
use serde_json::Value;
use zeroize::Zeroizing;

pub(crate) struct Tcp;

pub(crate) fn access(secret: &str) -> Access {
    Access {
        wire: Arc::new(Tcp),
        secret: Arc::new(Zeroizing::new(secret.to_owned())),
        dashboard: None,
    }
}

/// What the script of a server wrote when it answered.
pub(crate) fn ready(variable: &str, script: &str) -> Value {
    let file = std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} names the file that {script} wrote"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

impl Wire for Tcp {
    fn ask(&self, request: Request) -> Doing<'_, Result<Answer, Lost>> {
        Box::pin(async move { exchange(&request) })
    }
}

fn exchange(request: &Request) -> Result<Answer, Lost> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let (url, length) = (&request.url, request.body.len());
    let address = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut head = format!("{method} {target} HTTP/1.0\r\nhost: {}\r\n", address.0);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {}\r\n", value.as_str()));
    }
    head.push_str(&format!("content-length: {length}\r\n\r\n"));
    let mut stream = TcpStream::connect(address).map_err(|e| Lost::NotSent(e.to_string()))?;
    let mut bytes = Vec::new();
    let talked = stream.write_all(&[head.as_bytes(), &request.body].concat());
    talked
        .and_then(|()| stream.read_to_end(&mut bytes))
        .map_err(|e| Lost::Unsure(e.to_string()))?;
    parse(&bytes).ok_or_else(|| Lost::Unsure("the connection was cut".to_owned()))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Answer { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
}
