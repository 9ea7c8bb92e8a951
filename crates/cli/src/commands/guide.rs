//! The guide's first two steps as a person takes them: sign in, add a user, open
//! the mail, activate, set password and second factor, generate API credentials.
//! Pages, forms and mail of the console, over HTTPS, and nothing else.

use std::collections::BTreeMap;

use countersign_platform::Platform;
use countersign_signin::totp::Secret;
use countersign_signing::Pair;
use data_encoding::BASE32_NOPAD;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::system;

/// Redirects that are followed.
const MAX_HOPS: usize = 8;
/// Accounts of earlier tries whose pair got lost.
const MAX_TRIES: u32 = 20;

/// A pair for a new API account that reads applications and findings.
pub(crate) async fn credentials(platform: &Platform, name: &str) -> Result<Pair, Failure> {
    let console = platform.console_url().ok_or_else(|| stuck("there is no console", ""))?;
    let admin = platform.first_admin().map_err(super::platform::failure)?;
    let (admin, password) = admin.ok_or_else(|| {
        stuck("the first administrator's password was changed", "add the integration by hand")
    })?;
    let mut browser = Browser::new(console, platform.ca_pem())?;
    let page = browser.get("/sign-in").await?;
    let fields = [("user_name", admin.as_str()), ("password", password.as_str())];
    browser.send(&page, "/sign-in", &fields).await?.titled("API Credentials")?;
    add_user(&mut browser, name).await?;
    let mailbox = platform.mailbox_url().ok_or_else(|| stuck("there is no mailbox", ""))?;
    let mailbox = mailbox.strip_prefix(console).unwrap_or_default();
    let link = activation_link(&mut browser, mailbox).await?;

    let mut browser = Browser::new(console, platform.ca_pem())?;
    let page = browser.get(&link).await?.titled("Activate your account")?;
    let password = made_up_password();
    let fields = [("password", password.as_str()), ("again", password.as_str())];
    let page = browser.send(&page, "", &fields).await?.titled("Set up a second factor")?;
    let key = between(&page.body, "<code class=\"key\">", "</code>").unwrap_or_default();
    let key = Zeroizing::new(key.replace(' ', ""));
    let secret = BASE32_NOPAD.decode(key.as_bytes()).map_err(Failure::unexpected)?;
    let secret = Secret::from_bytes(Zeroizing::new(secret));
    let code = secret.code_at((system::clock())()).unwrap_or_default();
    browser.send(&page, "/enrol", &[("code", &code)]).await?.titled("Recovery codes")?;

    let page = browser.get("/credentials").await?.titled("API Credentials")?;
    let shown = browser.send(&page, "/credentials", &[("kind", "hmac")]).await?;
    let shown = shown.titled("Store the Secret Key now")?;
    let id = between(&shown.body, "id=\"api_id\" readonly value=\"", "\"").unwrap_or_default();
    let key = between(&shown.body, "aria-label=\"Secret Key\">", "<").unwrap_or_default();
    Pair::parse(id, key).map_err(Failure::unexpected)
}

/// Add New User, with the preset of the guide.
async fn add_user(browser: &mut Browser, name: &str) -> Result<(), Failure> {
    for attempt in 1..=MAX_TRIES {
        let name = if attempt == 1 { name.to_owned() } else { format!("{name}-{attempt}") };
        let form =
            browser.get("/admin/users/new?preset=api-reader").await?.titled("Add New User")?;
        let fields = [
            ("first_name", "Countersign"),
            ("last_name", "Reader"),
            ("email", "countersign-reader@example.com"),
            ("user_name", name.as_str()),
        ];
        let page = browser.send(&form, "/admin/users/new", &fields).await?;
        if page.title() == name {
            return Ok(());
        }
        if !page.body.contains("is taken") {
            return page.titled(&name).map(drop);
        }
    }
    Err(stuck("every name for the API account is taken", "start on an empty data directory"))
}

/// The link of the newest mail.
async fn activation_link(browser: &mut Browser, mailbox: &str) -> Result<String, Failure> {
    let mailbox = browser.get(mailbox).await?.titled("Mailbox")?;
    let newest = between(&mailbox.body, "href=\"/mailbox/", "\"").unwrap_or_default();
    let mail = browser.get(&format!("/mailbox/{newest}")).await?;
    let mail = mail.titled("Welcome to Veracode")?;
    let link = between(&mail.body, "<a href=\"https://", "\"").unwrap_or_default();
    let path = link.find('/').map(|at| &link[at..]);
    path.map(String::from).ok_or_else(|| stuck("the mail has no link", ""))
}

/// Thrown away afterwards: the account signs requests, and an administrator can
/// send another link.
fn made_up_password() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 20]);
    (system::random())(&mut *bytes);
    password_of(&bytes)
}

/// Without vowels, so that chance makes no word and no name of its owner.
fn password_of(bytes: &[u8; 20]) -> Zeroizing<String> {
    const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrstv";
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut password = Zeroizing::new(String::with_capacity(43));
    password.extend(halves.map(|half| char::from(LETTERS[usize::from(half)])));
    password.push_str("-A7");
    password
}

fn stuck(what: &str, hint: &str) -> Failure {
    match hint {
        "" => Failure::unexpected(format!("the guide's steps ended early: {what}")),
        hint => Failure::unexpected(format!("the guide's steps ended early: {what}\nhint: {hint}")),
    }
}

struct Browser {
    client: reqwest::Client,
    url: String,
    cookies: BTreeMap<String, Zeroizing<String>>,
}

struct Page {
    path: String,
    body: Zeroizing<String>,
}

impl Browser {
    fn new(url: &str, ca_pem: &str) -> Result<Self, Failure> {
        let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).map_err(Failure::unexpected)?;
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Failure::unexpected)?;
        Ok(Self { client, url: url.to_owned(), cookies: BTreeMap::new() })
    }

    async fn get(&mut self, path: &str) -> Result<Page, Failure> {
        self.load(path, None).await
    }

    /// Sends the form of the page that goes to `action`; empty is the page itself.
    async fn send(
        &mut self,
        page: &Page,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Result<Page, Failure> {
        let body = page.form(action, fields)?;
        let path = if action.is_empty() { &page.path } else { action };
        self.load(path, Some(body)).await
    }

    async fn load(&mut self, path: &str, form: Option<Zeroizing<String>>) -> Result<Page, Failure> {
        let (mut path, mut form) = (path.to_owned(), form);
        for _ in 0..MAX_HOPS {
            let url = format!("{}{path}", self.url);
            let request = match form.take() {
                Some(body) => self
                    .client
                    .post(url)
                    .header(ORIGIN, &self.url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.to_string()),
                None => self.client.get(url),
            };
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
            let request = request.header(COOKIE, cookies.join("; "));
            let answer = request.send().await.map_err(Failure::unexpected)?;
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let pair = cookie.to_str().ok().and_then(|text| text.split(';').next());
                if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                    self.cookies.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
                }
            }
            match answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()) {
                Some(to) => path = to.to_owned(),
                None => {
                    let body = answer.text().await.map_err(Failure::unexpected)?;
                    return Ok(Page { path, body: Zeroizing::new(body) });
                }
            }
        }
        Err(stuck("the console redirects in a circle", ""))
    }
}

impl Page {
    fn title(&self) -> &str {
        between(&self.body, "<h1>", "</h1>").unwrap_or_default()
    }

    /// This page, if it is the one that was to come. A page may hold secrets: only
    /// its complaint is told.
    fn titled(self, expected: &str) -> Result<Self, Failure> {
        if self.title() == expected {
            return Ok(self);
        }
        let complaint = between(&self.body, "role=\"alert\">", "</").unwrap_or_default();
        let what = format!("`{expected}` was to come, `{}` came. {complaint}", self.title());
        Err(stuck(what.trim(), ""))
    }

    /// Hidden and chosen fields of the form, and those that are given.
    fn form(&self, action: &str, fields: &[(&str, &str)]) -> Result<Zeroizing<String>, Failure> {
        let mut forms = self.body.split("<form ").skip(1).filter(|form| {
            let tag = form.split('>').next().unwrap_or_default();
            tag.contains("\"post\"") && attribute(tag, "action").unwrap_or_default() == action
        });
        let form = forms.next().and_then(|form| form.split("</form>").next());
        let form = form.ok_or_else(|| stuck("a page lacks its form", ""))?;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for tag in form.split('<').filter(|tag| tag.starts_with("input")) {
            let Some(name) = attribute(tag, "name") else { continue };
            let is_choice = ["checkbox", "radio"].iter().any(|kind| tag.contains(kind));
            let is_given = fields.iter().any(|(given, _)| *given == name);
            if !is_given && (!is_choice || tag.contains(" checked")) {
                body.append_pair(name, attribute(tag, "value").unwrap_or_default());
            }
        }
        body.extend_pairs(fields);
        Ok(Zeroizing::new(body.finish()))
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.split_once(begin)?.1.split_once(end).map(|(inner, _)| inner)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    between(tag, &format!("{name}=\""), "\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::password_of;

    proptest! {
        #[test]
        fn a_made_up_password_is_never_refused(bytes in any::<[u8; 20]>()) {
            let names = ["Countersign", "Reader", "countersign-reader", "countersign-reader@example.com"];
            let rules = countersign_signin::password::rules(&password_of(&bytes), &names);
            prop_assert!(rules.iter().all(|rule| rule.is_kept), "{rules:?}");
        }
    }
}
