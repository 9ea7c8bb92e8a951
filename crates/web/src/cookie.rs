//! The cookies that a face for people sets.

use axum::response::Response;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// Length of every value: 32 bytes in Base64.
const VALUE_CHARS: usize = 43;

/// Which cookie, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jar(pub &'static str);

impl Jar {
    /// Who is signed in.
    pub const SESSION: Self = Self("session");
    /// What the forms of a visitor who is not signed in are bound to.
    pub const FORM: Self = Self("form");
    /// By which accounts know the browser.
    pub const DEVICE: Self = Self("device");
}

/// The cookies of one face, over TLS or without.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    /// Before the names, as other programs on this machine may have cookies for other
    /// ports.
    prefix: &'static str,
    is_secure: bool,
}

impl Cookies {
    /// Over TLS, names begin with `__Host-`: no other host can set such a cookie.
    pub const fn new(prefix: &'static str, is_secure: bool) -> Self {
        Self { prefix, is_secure }
    }

    /// What the browser holds, if it could be ours.
    pub fn get(self, headers: &HeaderMap, jar: Jar) -> Option<String> {
        let name = self.name(jar);
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            all.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(held, _)| *held == name)?.1;
        (value.len() == VALUE_CHARS).then(|| value.to_owned())
    }

    /// Sets one, for as long as the browser runs.
    pub fn put(self, response: &mut Response, jar: Jar, value: &str) {
        self.set(response, jar, value, "");
    }

    /// Sets one for so long.
    pub fn keep(self, response: &mut Response, jar: Jar, value: &str, seconds: u32) {
        self.set(response, jar, value, &format!("; Max-Age={seconds}"));
    }

    /// Takes one back.
    pub fn remove(self, response: &mut Response, jar: Jar) {
        self.set(response, jar, "", "; Max-Age=0");
    }

    /// The browser holds the token of a session from now on; accounts know it by that of
    /// a device for so long.
    pub fn enter(self, mut page: Response, session: &str, device: Option<(&str, i64)>) -> Response {
        self.put(&mut page, Jar::SESSION, session);
        match device {
            Some((token, life_ms)) => self.known(page, token, life_ms),
            None => page,
        }
    }

    /// Accounts know the browser from now on, for so long.
    pub fn known(self, mut page: Response, device: &str, life_ms: i64) -> Response {
        let seconds = u32::try_from(life_ms / 1000).unwrap_or(u32::MAX);
        self.keep(&mut page, Jar::DEVICE, device, seconds);
        page
    }

    /// The browser no longer holds the token of a session.
    pub fn leave(self, mut page: Response) -> Response {
        self.remove(&mut page, Jar::SESSION);
        page
    }

    fn set(self, response: &mut Response, jar: Jar, value: &str, age: &str) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = self.name(jar);
        let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{age}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }

    fn name(self, jar: Jar) -> String {
        let host = if self.is_secure { "__Host-" } else { "" };
        format!("{host}{}{}", self.prefix, jar.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "theme=dark".parse().unwrap());
        headers.append(COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_cookie_is_taken_only_by_its_whole_name_and_length() {
        let value = "a".repeat(VALUE_CHARS);
        let cookies = Cookies::new("x-", true);
        let get = |cookie: &str| cookies.get(&held(cookie), Jar::SESSION);
        assert_eq!(get(&format!("a=b; __Host-x-session={value}")), Some(value.clone()));
        for other in [
            format!("x-session={value}"),
            format!("__Host-session={value}"),
            format!("__Host-x-form={value}"),
            format!("__Host-x-session={value}a"),
            "__Host-x-session=".into(),
        ] {
            assert_eq!(get(&other), None, "{other}");
        }
        let plain = Cookies::new("x-", false);
        assert_eq!(plain.get(&held(&format!("x-form={value}")), Jar::FORM), Some(value));
    }

    #[test]
    fn cookies_are_for_this_host_and_no_script() {
        let set = |cookies: Cookies, act: fn(Cookies, &mut Response)| {
            let mut response = Response::default();
            act(cookies, &mut response);
            response.headers()[SET_COOKIE].to_str().unwrap().to_owned()
        };
        let put = |cookies: Cookies, response: &mut Response| cookies.put(response, Jar::FORM, "v");
        assert_eq!(
            set(Cookies::new("", true), put),
            "__Host-form=v; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(set(Cookies::new("x-", false), put), "x-form=v; Path=/; HttpOnly; SameSite=Lax");
        let removed = set(Cookies::new("", true), |cookies, response| {
            cookies.remove(response, Jar::SESSION);
        });
        assert!(removed.starts_with("__Host-session=;") && removed.ends_with("; Max-Age=0"));
    }
}
