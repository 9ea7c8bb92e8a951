//! The calls, each a thin line over the one path.

use countersign_signing::{OAuthClient, Pair};
use countersign_wire::application::Application;
use countersign_wire::credential::ApiCredential;
use countersign_wire::identity::User;
use countersign_wire::report::ReportAnswer;
use http::Method;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::client::{Client, Repeat, Response};
use crate::error::{Error, Kind};
use crate::pages::Pages;

/// Findings come in two families that cannot be asked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanFamily {
    /// Static, dynamic and manual.
    NonSca,
    /// Software composition analysis.
    Sca,
}

/// A credential that the service has just made: the one answer that holds its
/// secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted<C> {
    /// It.
    pub credential: C,
    /// When it expires, as the service said it.
    pub expires: Option<String>,
}

/// What the service says of an OAuth client. Paths and shapes are those of
/// countersign's platform: none are documented for the real service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OAuthClientState {
    /// The Client ID.
    pub client_id: String,
    /// Name, unique in its account.
    #[serde(default)]
    pub name: String,
    /// `ACTIVE`, `EXPIRED` or `REVOKED`.
    #[serde(default)]
    pub status: String,
    /// When it expires.
    #[serde(default)]
    pub expiration_ts: Option<String>,
    /// When it was last used.
    #[serde(default)]
    pub last_used_ts: Option<String>,
}

/// Applications with findings that came to be others, as a page of a report says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Number of each application, and when the finding was last another one: in a zone that
    /// is not said.
    pub rows: Vec<(i64, Option<String>)>,
    /// Pages of the report.
    pub pages: u64,
}

const REPORTS: &str = "/appsec/v1/analytics/report";
/// Rows of a page of a report, at most.
const REPORT_ROWS: u32 = 1000;
const CREDENTIALS: &str = "/api/authn/v2/api_credentials";
const OAUTH_CLIENTS: &str = "/api/authn/v2/oauth_clients";

impl Client {
    /// The account behind the pair.
    pub async fn self_user(&self) -> Result<User, Error> {
        self.get("/api/authn/v2/users/self").await?.json()
    }

    /// The state of the pair that signs.
    pub async fn own_credential(&self) -> Result<ApiCredential, Error> {
        self.get("/api/authn/v2/api_credentials").await?.json()
    }

    /// All applications that the account sees.
    pub fn applications(&self, size: u32) -> Pages {
        Pages::new(self.clone(), "/appsec/v1/applications".into(), "applications", size)
    }

    /// One application.
    pub async fn application(&self, guid: &str) -> Result<Application, Error> {
        self.application_record(guid).await?.json()
    }

    /// One application, as the service sends it.
    pub async fn application_record(&self, guid: &str) -> Result<Response, Error> {
        self.get(&format!("/appsec/v1/applications/{guid}")).await
    }

    /// The sandboxes of an application.
    pub fn sandboxes(&self, guid: &str, size: u32) -> Pages {
        let target = format!("/appsec/v1/applications/{guid}/sandboxes");
        Pages::new(self.clone(), target, "sandboxes", size)
    }

    /// The findings of one family in one context: a sandbox's guid, or none for
    /// the policy context. Annotations exist for the non-SCA family only.
    pub fn findings(
        &self,
        guid: &str,
        sandbox: Option<&str>,
        family: ScanFamily,
        size: u32,
    ) -> Pages {
        let escaped =
            |guid: &str| url::form_urlencoded::byte_serialize(guid.as_bytes()).collect::<String>();
        let context = sandbox.map(|guid| format!("context={}&", escaped(guid))).unwrap_or_default();
        let family = match family {
            ScanFamily::NonSca => {
                "include_annot=true&include_exp_date=true&scan_type=STATIC,DYNAMIC,MANUAL"
            }
            ScanFamily::Sca => "include_exp_date=true&scan_type=SCA",
        };
        let target = format!("/appsec/v2/applications/{guid}/findings?{context}{family}");
        Pages::new(self.clone(), target, "findings", size)
    }

    /// Asks for a report of the findings that came to be others since then, as
    /// `YYYY-MM-DD HH:MM:SS`; its id. Asking twice makes two reports and changes nothing else.
    pub async fn report_since(&self, start: &str) -> Result<String, Error> {
        let asked = serde_json::json!({
            "report_type": "FINDINGS", "last_updated_start_date": start,
        });
        let body = Some(asked.to_string().into_bytes());
        let answer = self.request(Method::POST, REPORTS, body, Repeat::Safe).await?;
        let report: ReportAnswer = answer.json()?;
        Ok(report.embedded.id)
    }

    /// A page of a report; none while it is not complete.
    pub async fn report_page(&self, id: &str, page: u64) -> Result<Option<Moved>, Error> {
        let target = format!("{REPORTS}/{}?page={page}&size={REPORT_ROWS}", segment(id)?);
        let report: ReportAnswer = self.get(&target).await?.json()?;
        let report = report.embedded;
        match report.status.as_str() {
            "COMPLETED" => {}
            "FAILED" => return Err(self.mismatch("the report failed")),
            _ => return Ok(None),
        }
        let rows = report.findings.unwrap_or_default().into_iter();
        let rows = rows.filter_map(|row| Some((row.app_id?, row.last_updated_date))).collect();
        let pages = report.page_metadata.unwrap_or_default().total_pages;
        Ok(Some(Moved { rows, pages }))
    }

    /// A user, by its `user_id`.
    pub async fn user(&self, user_id: &str) -> Result<User, Error> {
        let user_id = segment(user_id)?;
        self.get(&format!("/api/authn/v2/users/{user_id}")).await?.json()
    }

    /// The state of the newest pair of an API user.
    pub async fn credential_of(&self, user_id: &str) -> Result<ApiCredential, Error> {
        let user_id = segment(user_id)?;
        self.get(&format!("{CREDENTIALS}/user_id/{user_id}")).await?.json()
    }

    /// The state of one pair.
    pub async fn credential(&self, api_id: &str) -> Result<ApiCredential, Error> {
        self.get(&format!("{CREDENTIALS}/{}", segment(api_id)?)).await?.json()
    }

    /// Makes a new pair: for an API user, or for the caller itself. Never sent
    /// twice; when it fails, [`Error::may_have_been_done`] tells whether there may be
    /// a pair that nobody has.
    pub async fn mint(&self, user_id: Option<&str>) -> Result<Minted<Pair>, Error> {
        let target = match user_id {
            Some(user_id) => format!("{CREDENTIALS}/user_id/{}", segment(user_id)?),
            None => CREDENTIALS.to_owned(),
        };
        /// No `Debug`: it holds the secret.
        #[derive(Deserialize)]
        struct Answer {
            api_id: String,
            api_secret: String,
            expiration_ts: Option<String>,
        }
        let answer: Answer = self.create(&target, b"{}".to_vec()).await?;
        let secret = Zeroizing::new(answer.api_secret);
        let credential =
            Pair::parse(&answer.api_id, &secret).map_err(|error| unusable(&target, &error))?;
        Ok(Minted { credential, expires: answer.expiration_ts })
    }

    /// Revokes a pair, at once.
    pub async fn revoke(&self, api_id: &str) -> Result<(), Error> {
        let target = format!("{CREDENTIALS}/{}", segment(api_id)?);
        self.request(Method::DELETE, &target, None, Repeat::Idempotent).await.map(drop)
    }

    /// The OAuth clients of an API user, or of the caller.
    pub async fn oauth_clients(
        &self,
        user_id: Option<&str>,
    ) -> Result<Vec<OAuthClientState>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            oauth_clients: Vec<OAuthClientState>,
        }
        let target = match user_id {
            Some(user_id) => format!("{OAUTH_CLIENTS}/user_id/{}", segment(user_id)?),
            None => OAUTH_CLIENTS.to_owned(),
        };
        let answer: Answer = self.get(&target).await?.json()?;
        Ok(answer.oauth_clients)
    }

    /// Makes an OAuth client of this name with the roles of another, for the same
    /// user. As for [`Client::mint`], never sent twice.
    pub async fn clone_oauth_client(
        &self,
        client_id: &str,
        name: &str,
    ) -> Result<Minted<OAuthClient>, Error> {
        let target = format!("{OAUTH_CLIENTS}/{}/clone", segment(client_id)?);
        /// No `Debug`: it holds the secret.
        #[derive(Deserialize)]
        struct Answer {
            client_id: String,
            client_secret: String,
            expiration_ts: Option<String>,
        }
        let body = serde_json::json!({ "name": name }).to_string().into_bytes();
        let answer: Answer = self.create(&target, body).await?;
        let secret = Zeroizing::new(answer.client_secret);
        let credential = OAuthClient::parse(&answer.client_id, &secret)
            .map_err(|error| unusable(&target, &error))?;
        Ok(Minted { credential, expires: answer.expiration_ts })
    }

    /// Revokes an OAuth client, at once.
    pub async fn revoke_oauth_client(&self, client_id: &str) -> Result<(), Error> {
        let target = format!("{OAUTH_CLIENTS}/{}", segment(client_id)?);
        self.request(Method::DELETE, &target, None, Repeat::Idempotent).await.map(drop)
    }

    /// Asks for something that holds a secret: not repeated, its body wiped, and what
    /// cannot be read not quoted.
    async fn create<T: serde::de::DeserializeOwned>(
        &self,
        target: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let response = self.request(Method::POST, target, Some(body), Repeat::Never).await?;
        let Response { body, asked, .. } = response;
        let read = serde_json::from_slice(&body)
            .map_err(|_| Error::new(Kind::NotJson("it holds no credential".into()), asked));
        if let Ok(mut body) = body.try_into_mut() {
            body.zeroize();
        }
        read
    }
}

/// An id as one segment of a path: nothing in it may lead elsewhere.
fn segment(id: &str) -> Result<&str, Error> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if id.is_empty() || id.len() > 128 || !id.bytes().all(is_plain) {
        return Err(Error::config("an id of the service is not letters, digits and `-`"));
    }
    Ok(id)
}

fn unusable(target: &str, error: &countersign_signing::Error) -> Error {
    Error::not_json(error, format!("POST {target}"))
}
