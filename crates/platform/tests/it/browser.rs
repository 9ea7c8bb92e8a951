//! As much of a browser as the console needs: cookies, redirects, links, forms.

use std::collections::BTreeMap;

use countersign_testkit::TestPlatform;

pub(crate) struct Browser<'a> {
    test: &'a TestPlatform,
    url: String,
    cookies: BTreeMap<String, String>,
}

/// A page that was loaded.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) path: String,
    pub(crate) body: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(test: &'a TestPlatform) -> Self {
        let url = test.platform.console_url().expect("the console is on").to_owned();
        Self { test, url, cookies: BTreeMap::new() }
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

    /// The mailbox, by its link.
    pub(crate) async fn mailbox(&mut self) -> Page {
        let link = self.test.platform.mailbox_url().expect("there is a mailbox");
        let path = link.strip_prefix(&self.url).expect("a link to the console").to_owned();
        let page = self.get(&path).await;
        assert_eq!((page.status, page.path.as_str()), (200, "/mailbox"));
        page
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

    pub(crate) async fn post(&mut self, path: &str, body: &str, headers: &[(&str, &str)]) -> Page {
        self.load("POST", path, Some(body.to_owned()), headers).await
    }

    async fn load(
        &mut self,
        method: &str,
        path: &str,
        body: Option<String>,
        more: &[(&str, &str)],
    ) -> Page {
        let (mut method, mut path, mut body) = (method.to_owned(), path.to_owned(), body);
        for _ in 0..8 {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let cookies = cookies.join("; ");
            let mut headers = vec![("cookie", cookies.as_str())];
            if method == "POST" {
                headers.push(("origin", "https://127.0.0.1"));
                headers.push(("content-type", "application/x-www-form-urlencoded"));
            }
            headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
            headers.extend(more);
            let sent = body.clone().unwrap_or_default();
            let answer =
                self.test.send_to(&self.url, &method, &path, &headers, sent.as_bytes()).await;
            let answer = answer.expect("the console answers");
            for (name, value) in &answer.headers {
                if name == "set-cookie" {
                    assert!(value.contains("; Secure; HttpOnly; SameSite=Lax"), "{value}");
                    let pair = value.split(';').next().unwrap_or_default();
                    let (name, value) = pair.split_once('=').expect("a cookie");
                    match value {
                        "" => drop(self.cookies.remove(name)),
                        _ => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
                    }
                }
            }
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'"), "{path}");
            if answer.status == 303 {
                path = answer.header("location").expect("a place to go").to_owned();
                (method, body) = ("GET".to_owned(), None);
                continue;
            }
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Page { status: answer.status, path, body: text };
        }
        panic!("more redirects than anybody follows");
    }
}

impl Page {
    pub(crate) fn title(&self) -> &str {
        between(&self.body, "<h1>", "</h1>").unwrap_or_default()
    }

    /// The value of a field, by its id or name.
    pub(crate) fn field(&self, name: &str) -> String {
        for tag in self.body.split('<').filter(|tag| tag.starts_with("input")) {
            let is_it = attribute(tag, "name") == Some(name) || attribute(tag, "id") == Some(name);
            if is_it {
                return attribute(tag, "value").unwrap_or_default().replace("&#38;", "&");
            }
        }
        String::new()
    }

    /// The target of the link with these words.
    pub(crate) fn link(&self, words: &str) -> String {
        let links = self.body.split("<a ").skip(1);
        let link = links.filter(|link| link.contains(words)).find_map(|link| {
            let (tag, rest) = link.split_once('>')?;
            rest.split("</a>").next()?.contains(words).then(|| attribute(tag, "href"))?
        });
        link.unwrap_or_else(|| panic!("no link `{words}` in {}", self.body)).to_owned()
    }

    /// What the form would send: hidden and chosen fields, and those given.
    fn form(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let forms = self.body.split("<form ").skip(1);
        let mut forms = forms.filter_map(|form| form.split_once("</form>").map(|(form, _)| form));
        let form = forms.find(|form| {
            let tag = form.split('>').next().unwrap_or_default();
            tag.contains("method=\"post\"")
                && attribute(tag, "action").unwrap_or_default() == action
        });
        let form = form.unwrap_or_else(|| panic!("no form to `{action}` in {}", self.body));
        let mut sent = Vec::new();
        for tag in form.split('<').filter(|tag| tag.starts_with("input")) {
            let Some(name) = attribute(tag, "name") else { continue };
            let kind = attribute(tag, "type").unwrap_or("text");
            let is_chosen = !["checkbox", "radio"].contains(&kind) || tag.contains(" checked");
            if is_chosen && fields.iter().all(|(given, _)| *given != name) {
                sent.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        sent.extend(fields.iter().copied());
        let encode = |text: &str| -> String {
            text.bytes()
                .map(|b| match b {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                        (b as char).to_string()
                    }
                    _ => format!("%{b:02X}"),
                })
                .collect()
        };
        let pairs = sent.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

pub(crate) fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    between(tag, &format!("{name}=\""), "\"")
}
