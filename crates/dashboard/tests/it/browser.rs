//! As much of a browser as the dashboard needs: cookies, redirects, links, forms.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Browser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

/// A page that was loaded.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, cookies: BTreeMap::new() }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.load("GET", path, None, &[]).await
    }

    /// Sends the form of a page that goes to `action`, with these fields filled in.
    pub(crate) async fn send(
        &mut self,
        page: &Page,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let body = page.form(action, fields);
        let path = if action.is_empty() { page.path.clone() } else { action.to_owned() };
        self.load("POST", &path, Some(body), &[]).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str, more: &[(&str, &str)]) -> Page {
        self.load("POST", path, Some(body.to_owned()), more).await
    }

    /// With redirects followed.
    pub(crate) async fn load(
        &mut self,
        method: &str,
        path: &str,
        body: Option<String>,
        more: &[(&str, &str)],
    ) -> Page {
        let (mut method, mut path, mut body) = (method.to_owned(), path.to_owned(), body);
        for _ in 0..8 {
            let page = self.once(&method, &path, body.take().unwrap_or_default(), more).await;
            if page.status != 303 {
                return page;
            }
            path = page.header("location").expect("a place to go").to_owned();
            method = "GET".to_owned();
        }
        panic!("more redirects than anybody follows");
    }

    pub(crate) async fn once(
        &mut self,
        method: &str,
        path: &str,
        body: String,
        more: &[(&str, &str)],
    ) -> Page {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let (host, length) = (self.address.to_string(), body.len().to_string());
        let origin = format!("http://{host}");
        let mut headers = vec![
            ("host", host.as_str()),
            ("connection", "close"),
            ("cookie", cookies.as_str()),
            ("content-length", length.as_str()),
        ];
        if method == "POST" {
            headers.push(("origin", origin.as_str()));
        }
        headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        headers.extend(more);
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!("{method} {path} HTTP/1.1\r\n{}\r\n", lines.concat());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        // A server that has seen enough answers before it has read all.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let page = Page::read(path, &bytes);
        let lines = page.head.lines().filter_map(|line| line.split_once(": "));
        for (_, cookie) in lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            match value {
                "" => drop(self.cookies.remove(name)),
                _ => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        page
    }
}

impl Page {
    fn read(path: &str, bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer") + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let mut page = Self { status, path: path.to_owned(), head, body: String::new() };
        let body = match page.header("transfer-encoding") {
            Some(_) => unchunked(&bytes[end..]),
            None => bytes[end..].to_vec(),
        };
        page.body = String::from_utf8_lossy(&body).into_owned();
        page
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (held, value) = line.split_once(':')?;
            held.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn title(&self) -> &str {
        between(&self.body, "<h1>", "</h1>").unwrap_or_default()
    }

    /// The token of its forms.
    pub(crate) fn token(&self) -> &str {
        between(&self.body, "name=\"token\" value=\"", "\"").unwrap_or_default()
    }

    /// The value of a field that a form carries along.
    pub(crate) fn field(&self, name: &str) -> String {
        let value = between(&self.body, &format!("name=\"{name}\" value=\""), "\"");
        value.map(unescaped).unwrap_or_default()
    }

    /// The targets of all links, as they are followed.
    pub(crate) fn links(&self) -> Vec<String> {
        let links =
            self.body.split("<a ").skip(1).filter_map(|link| {
                between(link.split('>').next()?, "href=\"", "\"").map(unescaped)
            });
        links.collect()
    }

    /// What the form would send: hidden fields, and those given.
    fn form(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let mut forms = self.body.split("<form ").skip(1).filter(|form| {
            let tag = form.split('>').next().unwrap_or_default();
            let own = between(tag, "action=\"", "\"").map(unescaped).unwrap_or_default();
            tag.contains("method=\"post\"") && own == action
        });
        let form = forms.next().and_then(|form| form.split("</form>").next());
        let form = form.unwrap_or_else(|| panic!("no form to `{action}` in {}", self.body));
        let mut sent = url::form_urlencoded::Serializer::new(String::new());
        for tag in form.split('<').filter(|tag| tag.starts_with("input")) {
            let Some(name) = between(tag, "name=\"", "\"") else { continue };
            if fields.iter().all(|(given, _)| *given != name) {
                let value = between(tag, "value=\"", "\"").unwrap_or_default();
                sent.append_pair(name, &unescaped(value));
            }
        }
        sent.extend_pairs(fields);
        sent.finish()
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    panic!("a body that ends in the middle");
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&").replace("&#34;", "\"").replace("&#39;", "'")
}

pub(crate) fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
