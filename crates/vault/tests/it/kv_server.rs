//! A KV version 2 engine over HTTP as its documentation has it: mounts, versions,
//! check-and-set, metadata, soft and hard deletion, tokens that lapse, AppRole, JWT. And
//! the faults that a real server has no switch for. `openbao.rs` runs the same tests
//! against a real one, which keeps this one honest.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) const ROOT: &str = "root-token";
pub(crate) const POOR: &str = "token-without-a-policy";
pub(crate) const ROLE_ID: &str = "countersign-role";
pub(crate) const SECRET_ID: &str = "countersign-secret-id";
pub(crate) const JWT: &str = "header.claims.signature";

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) state: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) struct Shared {
    pub(crate) now_ms: AtomicI64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    secrets: BTreeMap<String, Secret>,
    tokens: HashMap<String, Token>,
    signed_in: u32,
    faults: VecDeque<(Method, &'static str, Fault)>,
    seen: Vec<String>,
    namespace: Option<&'static str>,
    mount_version: &'static str,
    deletion_time: &'static str,
    lists_nothing: bool,
    token_seconds: i64,
}

#[derive(Default)]
struct Secret {
    versions: BTreeMap<u64, Version>,
    current: u64,
    custom_metadata: Value,
    cas_required: bool,
}

struct Version {
    data: Option<Value>,
    deletion_time: String,
    destroyed: bool,
}

#[derive(Clone)]
struct Token {
    expires_ms: Option<i64>,
    life_seconds: i64,
    max_ms: i64,
    may: bool,
}

/// What happens instead of, or after, the work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Answer(u16, &'static str),
    /// The work is done, and the answer is a proxy's.
    LoseAnswer(u16),
    /// The work is done, and no answer comes.
    Hang,
    Huge,
    Redirect,
}

impl Server {
    pub(crate) fn start() -> Self {
        let inner = Inner { mount_version: "2", token_seconds: 3600, ..Inner::default() };
        let state = Arc::new(Shared { now_ms: AtomicI64::new(0), inner: Mutex::new(inner) });
        let forever = Token { expires_ms: None, life_seconds: 0, max_ms: i64::MAX, may: true };
        state.with(|inner| {
            inner.tokens.insert(ROOT.into(), forever.clone());
            inner.tokens.insert(POOR.into(), Token { may: false, ..forever });
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(state.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, state, _runtime: runtime }
    }

    /// The next requests of that method, on a path that contains that text.
    pub(crate) fn fail(&self, method: Method, path: &'static str, fault: Fault) {
        self.state.with(|inner| inner.faults.push_back((method, path, fault)));
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.state.with(|inner| inner.faults.len())
    }

    /// Requests so far, as `METHOD path`.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.state.with(|inner| std::mem::take(&mut inner.seen))
    }

    pub(crate) fn require_namespace(&self, name: &'static str) {
        self.state.with(|inner| inner.namespace = Some(name));
    }

    pub(crate) fn be_version_1(&self) {
        self.state.with(|inner| inner.mount_version = "1");
    }

    pub(crate) fn delete_by_age(&self) {
        self.state.with(|inner| inner.deletion_time = "2026-11-25T00:00:00Z");
    }

    pub(crate) fn list_nothing(&self, nothing: bool) {
        self.state.with(|inner| inner.lists_nothing = nothing);
    }

    pub(crate) fn secrets(&self) -> usize {
        self.state.with(|inner| inner.secrets.len())
    }

    /// A token that lives so long, and can be renewed up to `max_seconds`.
    pub(crate) fn token(&self, seconds: i64, max_seconds: i64) -> String {
        let now_ms = self.state.now();
        self.state.with(|inner| inner.token(now_ms, seconds, max_seconds))
    }

    pub(crate) fn revoke_all(&self) {
        self.state.with(|inner| inner.tokens.retain(|token, _| token == ROOT));
    }

    pub(crate) fn set_token_seconds(&self, seconds: i64) {
        self.state.with(|inner| inner.token_seconds = seconds);
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.state.now_ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Somebody deletes a version's data by hand, so that it could be brought back.
    pub(crate) fn delete_by_hand(&self, path: &str) {
        self.state.with(|inner| {
            let version = inner.secrets.get_mut(path).unwrap().versions.get_mut(&1).unwrap();
            version.deletion_time = "2026-11-24T00:00:00Z".into();
        });
    }

    pub(crate) fn forget_metadata(&self, path: &str) {
        self.state.with(|inner| {
            inner.secrets.get_mut(path).unwrap().custom_metadata = Value::Null;
        });
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap())
    }

    pub(crate) fn now(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now_ms = shared.now();
    let path = uri.path().trim_start_matches("/v1/").to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let fault = shared.with(|inner| {
        inner.seen.push(format!("{method} {path}"));
        let at = inner.faults.iter().position(|(m, text, _)| m == method && path.contains(text))?;
        inner.faults.remove(at).map(|(_, _, fault)| fault)
    });
    match fault {
        Some(Fault::Answer(status, body)) => return answer(status, body.into()),
        Some(Fault::Huge) => {
            return answer(200, format!("{{\"data\":\"{}\"}}", "x".repeat(5 << 20)));
        }
        Some(Fault::Redirect) => {
            let elsewhere = [("location", "https://active.example.com/v1/x")];
            return (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response();
        }
        _ => {}
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let response = shared.with(|inner| {
        if inner.namespace != header("x-vault-namespace") {
            return complaint(
                404,
                &format!("no handler for route \"{path}\". route entry not found."),
            );
        }
        if header("x-vault-request") != Some("true") {
            return complaint(412, "missing 'X-Vault-Request' header");
        }
        inner.route(now_ms, &method, &path, &query, header("x-vault-token"), &body)
    });
    match fault {
        Some(Fault::LoseAnswer(status)) => answer(status, "<html>bad gateway</html>".into()),
        Some(Fault::Hang) => std::future::pending().await,
        _ => response,
    }
}

impl Inner {
    fn route(
        &mut self,
        now_ms: i64,
        method: &Method,
        path: &str,
        query: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Response {
        let parts: Vec<_> = path.split('/').collect();
        if let ["auth", mount, "login"] = parts[..] {
            return self.login(now_ms, mount, body);
        }
        let Some(token) = token else { return complaint(403, "permission denied") };
        let known = self.tokens.get(token).cloned();
        let Some(known) = known.filter(|known| known.expires_ms.is_none_or(|ms| ms > now_ms))
        else {
            return denied();
        };
        match parts[..] {
            ["auth", "token", "lookup-self"] => {
                let ttl = known.expires_ms.map_or(0, |ms| (ms - now_ms) / 1000);
                return data(json!({
                    "ttl": ttl, "creation_ttl": known.life_seconds,
                    "renewable": known.expires_ms.is_some(),
                }));
            }
            ["auth", "token", "renew-self"] => {
                let seconds = known.life_seconds.min((known.max_ms - now_ms) / 1000);
                let expires_ms = Some(now_ms + seconds * 1000);
                self.tokens.insert(token.into(), Token { expires_ms, ..known });
                return auth(token, seconds);
            }
            _ => {}
        }
        if !known.may {
            return denied();
        }
        match parts[..] {
            ["sys", "internal", "ui", "mounts", "secret"] => {
                data(json!({ "type": "kv", "options": { "version": self.mount_version } }))
            }
            ["secret", ..] if self.mount_version == "1" => match *method {
                Method::POST | Method::PUT => StatusCode::NO_CONTENT.into_response(),
                _ => complaint_of(404, &[]),
            },
            ["secret", verb, ..] => {
                let rest = parts[2..].join("/");
                self.secret(method, verb, &rest, query, body)
            }
            _ => {
                complaint(404, &format!("no handler for route \"{path}\". route entry not found."))
            }
        }
    }

    fn login(&mut self, now_ms: i64, mount: &str, body: &Value) -> Response {
        let is_known = match mount {
            "approle" => body["role_id"] == ROLE_ID && body["secret_id"] == SECRET_ID,
            "jwt" | "kubernetes" => body["role"] == "countersign" && body["jwt"] == JWT,
            _ => return complaint(403, "permission denied"),
        };
        if !is_known {
            return complaint(400, "invalid role or secret ID");
        }
        let token = self.token(now_ms, self.token_seconds, self.token_seconds * 10);
        auth(&token, self.token_seconds)
    }

    fn token(&mut self, now_ms: i64, seconds: i64, max_seconds: i64) -> String {
        self.signed_in += 1;
        let text = format!("hvs.stub-{}", self.signed_in);
        let token = Token {
            expires_ms: Some(now_ms + seconds * 1000),
            life_seconds: seconds,
            max_ms: now_ms + max_seconds * 1000,
            may: true,
        };
        self.tokens.insert(text.clone(), token);
        text
    }

    fn secret(
        &mut self,
        method: &Method,
        verb: &str,
        path: &str,
        query: &str,
        body: &Value,
    ) -> Response {
        let numbers = || -> Vec<u64> {
            body["versions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
        };
        match (verb, method.as_str()) {
            ("data", "POST" | "PUT") => self.write(path, body),
            ("data", "GET") => self.read(path, query),
            ("metadata", "GET") if query.contains("list=true") => self.list(path),
            ("metadata", "GET") => match self.secrets.get(path) {
                Some(secret) => data(secret.metadata()),
                None => complaint_of(404, &[]),
            },
            ("metadata", "POST" | "PUT") => {
                for (_, value) in body["custom_metadata"].as_object().into_iter().flatten() {
                    if value.as_str().is_none_or(|text| text.len() > 512) {
                        return complaint(
                            400,
                            "custom_metadata validation failed: length of value exceeds 512",
                        );
                    }
                }
                let secret = self.secrets.entry(path.into()).or_default();
                secret.custom_metadata = body["custom_metadata"].clone();
                secret.cas_required = body["cas_required"] == true;
                StatusCode::NO_CONTENT.into_response()
            }
            ("metadata", "DELETE") => {
                self.secrets.remove(path);
                StatusCode::NO_CONTENT.into_response()
            }
            ("destroy", "POST" | "PUT") => {
                for number in numbers() {
                    let secret = self.secrets.get_mut(path);
                    if let Some(version) =
                        secret.and_then(|secret| secret.versions.get_mut(&number))
                    {
                        version.data = None;
                        version.destroyed = true;
                    }
                }
                StatusCode::NO_CONTENT.into_response()
            }
            _ => complaint(405, "unsupported operation"),
        }
    }

    fn write(&mut self, path: &str, body: &Value) -> Response {
        let secret = self.secrets.entry(path.into()).or_default();
        match body["options"]["cas"].as_u64() {
            None if secret.cas_required => {
                return complaint(400, "check-and-set parameter required for this call");
            }
            Some(cas) if cas != secret.current => {
                return complaint(400, "check-and-set parameter did not match the current version");
            }
            _ => {}
        }
        secret.current += 1;
        let deletion_time = self.deletion_time.to_owned();
        let version = Version { data: Some(body["data"].clone()), deletion_time, destroyed: false };
        secret.versions.insert(secret.current, version);
        // What a mount keeps unless it is told otherwise.
        while secret.versions.len() > 10 {
            secret.versions.pop_first();
        }
        data(json!({
            "version": secret.current, "created_time": "2026-11-24T00:00:00Z",
            "deletion_time": self.deletion_time, "destroyed": false,
        }))
    }

    fn read(&self, path: &str, query: &str) -> Response {
        let Some(secret) = self.secrets.get(path) else { return complaint_of(404, &[]) };
        let asked = query.strip_prefix("version=").and_then(|text| text.parse().ok());
        let number = asked.filter(|number| *number > 0).unwrap_or(secret.current);
        let Some(version) = secret.versions.get(&number) else { return complaint_of(404, &[]) };
        let is_gone = version.destroyed || version.is_deleted();
        let body = json!({
            "data": if is_gone { None } else { version.data.as_ref() },
            "metadata": {
                "version": number, "created_time": "2026-11-24T00:00:00Z",
                "deletion_time": version.deletion_time, "destroyed": version.destroyed,
                "custom_metadata": secret.custom_metadata,
            },
        });
        answer(if is_gone { 404 } else { 200 }, json!({ "data": body }).to_string())
    }

    fn list(&self, path: &str) -> Response {
        let folder = format!("{path}/");
        let below = self.secrets.keys().filter_map(|key| key.strip_prefix(&folder));
        let keys: BTreeSet<_> = below
            .map(|rest| match rest.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => rest.to_owned(),
            })
            .collect();
        match keys.is_empty() || self.lists_nothing {
            true => complaint_of(404, &[]),
            false => data(json!({ "keys": keys })),
        }
    }
}

impl Version {
    /// Times of the future have not come yet; the tests know one of them.
    fn is_deleted(&self) -> bool {
        self.deletion_time.starts_with("2026-11-24")
    }
}

impl Secret {
    fn metadata(&self) -> Value {
        let versions: BTreeMap<_, _> = self
            .versions
            .iter()
            .map(|(number, version)| {
                let state = json!({
                    "created_time": "2026-11-24T00:00:00Z",
                    "deletion_time": version.deletion_time, "destroyed": version.destroyed,
                });
                (number.to_string(), state)
            })
            .collect();
        json!({
            "cas_required": self.cas_required, "current_version": self.current,
            "custom_metadata": self.custom_metadata, "max_versions": 0, "versions": versions,
        })
    }
}

fn data(data: Value) -> Response {
    answer(200, json!({ "request_id": "x", "data": data, "auth": null }).to_string())
}

fn auth(token: &str, seconds: i64) -> Response {
    let auth = json!({ "client_token": token, "lease_duration": seconds, "renewable": true });
    answer(200, json!({ "data": null, "auth": auth }).to_string())
}

fn denied() -> Response {
    complaint_of(403, &["permission denied", "invalid token"])
}

fn complaint(status: u16, text: &str) -> Response {
    complaint_of(status, &[text])
}

fn complaint_of(status: u16, texts: &[&str]) -> Response {
    answer(status, json!({ "errors": texts }).to_string())
}

fn answer(status: u16, body: String) -> Response {
    let json = [("content-type", "application/json")];
    (StatusCode::from_u16(status).unwrap(), json, body).into_response()
}
