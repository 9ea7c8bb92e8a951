//! Who asks for a page, as far as the browser says it.

use hyper::header::{HeaderMap, USER_AGENT};
use hyper::http::request::Parts;
use zeroize::Zeroizing;

use crate::cookie::{Cookies, Jar};
use crate::form::FormKey;
use crate::names::Site;

/// A browser: where it comes from, and the cookies that it holds. No `Debug`: they are
/// tokens.
pub struct Guest {
    /// Network address; empty where there is none.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// The token by which accounts know the browser.
    pub device: Option<Zeroizing<String>>,
    cookies: Cookies,
    session: Option<String>,
}

impl Guest {
    /// Reads the head of a request.
    pub fn new(parts: &Parts, site: &Site, cookies: Cookies) -> Self {
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Self {
            address: site.client(parts).map(|ip| ip.to_string()).unwrap_or_default(),
            agent: agent.unwrap_or_default().to_owned(),
            device: cookies.get(&parts.headers, Jar::DEVICE).map(Zeroizing::new),
            cookies,
            session: cookies.get(&parts.headers, Jar::SESSION),
        }
    }

    /// What `find` knows of the session whose token the browser holds. A session that is
    /// over is none.
    ///
    /// # Errors
    ///
    /// When `find` fails.
    pub async fn seat<S, E>(
        &mut self,
        find: impl AsyncFnOnce(String) -> Result<Option<S>, E>,
    ) -> Result<Option<S>, E> {
        let Some(token) = self.session.clone() else { return Ok(None) };
        let found = find(token).await?;
        self.session = self.session.take().filter(|_| found.is_some());
        Ok(found)
    }

    /// What the forms of this browser are bound to: the session, if it goes on.
    pub fn form_key(&self, headers: &HeaderMap, random: &dyn Fn(&mut [u8])) -> FormKey {
        FormKey::new(self.session.clone(), self.cookies, headers, random)
    }
}
