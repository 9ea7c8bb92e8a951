//! The test controls of a running platform, found through its home.

use std::path::{Path, PathBuf};

use countersign_client::Method;
use countersign_files::{self as files, Readers, Secrecy};
use countersign_platform::Platform;
use countersign_text::foreign::decode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::{
    Clock, Faults, Fork, Import, Json, Limits, Mutate, Named, RateLimit, Requests, Snapshot, Switch,
};
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, note, print, print_json, printable};
use crate::system;

const FILE: &str = "control.json";
const MAX_BYTES: u64 = 64 << 10;

/// Leaves where the controls are, for commands on the same home; removed on drop.
pub(crate) struct Signpost(PathBuf);

impl Signpost {
    pub(crate) fn put(home: &Path, platform: &Platform) -> Result<Option<Self>, Failure> {
        let Some(control) = platform.control() else { return Ok(None) };
        let path = home.join(FILE);
        let text = json!({
            "control_url": control.url(),
            "control_token": control.token(),
            "ca_file": platform.ca_file(),
        });
        put(&path, &text)?;
        Ok(Some(Self(path)))
    }
}

impl Drop for Signpost {
    fn drop(&mut self) {
        // A signpost that stays leads to a refused connection, which says enough.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes the ready file of something that answers by now. It may hold a token, a link or
/// a password: readable by its owner alone, and never through a link that is there.
pub(crate) fn write_ready_file(path: &Path, object: &Value) -> Result<(), Failure> {
    put(path, object).map_err(Failure::named)
}

/// Removes the ready file of a run before: who waits for it must not read of one that is over.
/// What is no file is left for the writing to complain of.
pub(crate) fn forget_ready_file(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    if !std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(|error| {
        Failure::usage(format!("the ready file of before, `{}`: {error}", path.display()))
            .with_hint("remove it, or name another file")
    })
}

fn put(path: &Path, object: &Value) -> Result<(), files::Error> {
    let text = Zeroizing::new(format!("{object}\n"));
    files::write(path, text.as_bytes(), Readers::Owner, &*system::random())
}

/// The controls of a running platform.
pub(crate) struct Controls {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Controls {
    fn find(home: Option<&Path>) -> Result<Self, Failure> {
        let path = Home::find(home)?.path().join(FILE);
        let text = files::read(&path, Secrecy::Key, MAX_BYTES).map_err(|error| {
            match error.is_missing() {
                true => Failure::usage(format!(
                    "no platform with test controls runs on this data directory: `{}` is missing\nhint: \
                     start `countersign platform serve`, and give both commands the same `--home`",
                    path.display()
                )),
                false => error.into(),
            }
        })?;
        let malformed = || Failure::storage(format!("`{}` is malformed", path.display()));
        let object: Value = serde_json::from_slice(&text).map_err(|_| malformed())?;
        let member = |name: &str| object[name].as_str().map(String::from).ok_or_else(malformed);
        let ca_file = member("ca_file")?;
        let pem = files::read(Path::new(&ca_file), Secrecy::Open, MAX_BYTES)?;
        let ca = reqwest::Certificate::from_pem(&pem).map_err(Failure::storage)?;
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .build()
            .map_err(Failure::unexpected)?;
        Ok(Self { client, url: member("control_url")?, token: member("control_token")? })
    }

    /// Those of a platform in this process.
    pub(crate) fn of(platform: &Platform) -> Result<Self, Failure> {
        let control =
            platform.control().ok_or_else(|| Failure::unexpected("the controls are off"))?;
        let ca = reqwest::Certificate::from_pem(platform.ca_pem().as_bytes());
        let client = reqwest::Client::builder()
            .tls_certs_only([ca.map_err(Failure::unexpected)?])
            .no_proxy()
            .build()
            .map_err(Failure::unexpected)?;
        Ok(Self { client, url: control.url(), token: control.token().to_owned() })
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let (status, answer) = self.ask(method, path, body).await?;
        match status {
            200..=299 => Ok(answer),
            _ => Err(Failure::usage(answer["error"].as_str().unwrap_or("the controls refused"))),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), Failure> {
        let unreachable = |error: reqwest::Error| {
            let url = &self.url;
            Failure::new(Exit::Upstream, format!("the controls at {url} do not answer: {error}"))
        };
        let mut request =
            self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(unreachable)?;
        Ok((status, serde_json::from_slice(&bytes).map_err(Failure::unexpected)?))
    }
}

pub(crate) async fn clock(home: Option<&Path>, args: Clock) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    let frozen = match (args.freeze, args.run) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let mut view = controls.call(Method::GET, "/clock", None).await?;
    if args.real {
        view = controls.call(Method::DELETE, "/clock", None).await?;
    }
    if args.set.is_some() || frozen.is_some() || args.signatures.is_some() {
        let signatures = args.signatures.map(|judge| judge.as_str());
        let body = json!({ "now": args.set, "frozen": frozen, "signatures": signatures });
        view = controls.call(Method::PUT, "/clock", Some(body)).await?;
    }
    if let Some(by) = args.advance {
        view = controls.call(Method::POST, "/clock/advance", Some(json!({ "by": by }))).await?;
    }
    if args.json {
        return print_json(&view);
    }
    let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
    let state = if view["frozen"] == true { "held" } else { "running" };
    print(&format!("{}  {state}, signatures by {} time\n", text("now"), text("signatures")))
}

pub(crate) async fn faults(home: Option<&Path>, args: Faults) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    if args.fired {
        let answer = controls.call(Method::GET, "/faults/fired", None).await?;
        if args.json {
            return print_json(&answer);
        }
        let columns =
            [("at", Fit::Whole), ("rule", Fit::End), ("method", Fit::Whole), ("target", Fit::End)];
        return rows(&answer["fired"], columns, "faults fired");
    }
    let answer = match &args.plan {
        Some(path) => {
            let text = match path == Path::new("-") {
                true => std::io::read_to_string(std::io::stdin())?,
                false => text_of(path)?,
            };
            let plan = serde_json::from_str(&text).map_err(|error| {
                Failure::usage(format!("the plan of faults is not JSON: {error}"))
            })?;
            controls.call(Method::PUT, "/faults", Some(plan)).await?
        }
        None if args.clear => controls.call(Method::DELETE, "/faults", None).await?,
        None => controls.call(Method::GET, "/faults", None).await?,
    };
    if args.json {
        return print_json(&answer);
    }
    for rule in answer["rules"].as_array().into_iter().flatten() {
        let name = rule["name"].as_str().unwrap_or_default();
        print(&format!("{}  {} when {}\n", printable(name), rule["act"], rule["match"]))?;
    }
    note(&format!("{} rules", answer["rules"].as_array().map_or(0, Vec::len)));
    Ok(())
}

pub(crate) async fn limits(home: Option<&Path>, args: Limits) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    let mut rule = controls.call(Method::GET, "/limits", None).await?;
    let before = rule.clone();
    if let Some(requests) = args.requests {
        rule["requests"] = match requests {
            RateLimit::Off => Value::Null,
            RateLimit::PerMinute(requests) => requests.into(),
        };
    }
    if let Some(seconds) = args.window_seconds {
        rule["window_seconds"] = json!(seconds);
    }
    if let Some(by) = args.by {
        rule["by"] = json!(by.as_str());
    }
    if let Some(switch) = args.retry_after {
        rule["retry_after"] = json!(switch == Switch::On);
    }
    if rule != before {
        rule = controls.call(Method::PUT, "/limits", Some(rule)).await?;
    }
    if args.json {
        return print_json(&rule);
    }
    let by = rule["by"].as_str().unwrap_or_default();
    match rule["requests"].as_u64() {
        None => print("no limit\n"),
        Some(requests) => print(&format!(
            "{requests} requests in {} seconds for each {by}{}\n",
            rule["window_seconds"],
            if rule["retry_after"] == true { ", refusals say how long to wait" } else { "" }
        )),
    }
}

pub(crate) async fn requests(home: Option<&Path>, args: Requests) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    if args.clear {
        let answer = controls.call(Method::DELETE, "/requests", None).await?;
        return if args.json { print_json(&answer) } else { print("forgotten\n") };
    }
    if args.at_least.is_some() || args.at_most.is_some() {
        return expect(&controls, args).await;
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("method", &args.method),
        ("path", &args.path),
        ("caller", &args.caller),
        ("cause", &args.cause),
        ("status", &args.status.map(|status| status.to_string())),
        ("limit", &args.limit.map(|limit| limit.to_string())),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let kind = match (args.har, args.count) {
        (true, _) => "/har",
        (_, true) => "/count",
        _ => "",
    };
    let path = format!("/requests{kind}?{}", query.finish());
    let answer = controls.call(Method::GET, &path, None).await?;
    if args.json || args.har {
        return print_json(&answer);
    }
    if args.count {
        return print(&format!("{}\n", answer["count"]));
    }
    let columns = [
        ("at", Fit::Whole),
        ("method", Fit::Whole),
        ("target", Fit::End),
        ("caller", Fit::End),
        ("status", Fit::Number),
        ("cause", Fit::Whole),
        ("faults", Fit::End),
    ];
    rows(&answer["requests"], columns, "requests")
}

async fn expect(controls: &Controls, args: Requests) -> Result<(), Failure> {
    let body = json!({
        "method": args.method, "path": args.path, "caller": args.caller, "status": args.status,
        "cause": args.cause, "at_least": args.at_least, "at_most": args.at_most,
    });
    let (status, answer) = controls.ask(Method::POST, "/requests/expect", Some(body)).await?;
    if status != 200 && status != 409 {
        return Err(Failure::usage(answer["error"].as_str().unwrap_or_default()));
    }
    if args.json {
        print_json(&answer)?;
    } else {
        print(&format!("{} such requests\n", answer["count"]))?;
    }
    match status {
        200 => Ok(()),
        _ => Err(Failure::unexpected("the recorded requests are not as expected")),
    }
}

pub(crate) async fn snapshot(home: Option<&Path>, args: Snapshot) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    let answer = match (&args.name, args.delete) {
        (Some(name), true) => {
            controls.call(Method::DELETE, &format!("/snapshots/{}", segment(name)), None).await?
        }
        (Some(name), false) => {
            controls.call(Method::POST, &format!("/snapshots/{}", segment(name)), None).await?
        }
        (None, _) => controls.call(Method::GET, "/snapshots", None).await?,
    };
    if args.json {
        return print_json(&answer);
    }
    let names = answer["snapshots"].as_array().cloned().unwrap_or_default();
    for name in names.iter().filter_map(Value::as_str) {
        print(&format!("{}\n", printable(name)))?;
    }
    note(&format!("{} snapshots", names.len()));
    Ok(())
}

pub(crate) async fn restore(home: Option<&Path>, args: Named) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    let path = format!("/snapshots/{}/restore", segment(&args.name));
    let view = controls.call(Method::POST, &path, None).await?;
    if args.json { print_json(&view) } else { print(&format!("restored `{}`\n", args.name)) }
}

pub(crate) async fn reset(home: Option<&Path>, args: Json) -> Result<(), Failure> {
    let view = Controls::find(home)?.call(Method::POST, "/reset", None).await?;
    if args.json { print_json(&view) } else { print("as after the first start\n") }
}

pub(crate) async fn mutate(home: Option<&Path>, args: Mutate) -> Result<(), Failure> {
    let body = json!({ "days": args.days, "seed": args.seed });
    let events = Controls::find(home)?.call(Method::POST, "/mutate", Some(body)).await?;
    if args.json {
        return print_json(&events);
    }
    for (name, count) in events.as_object().into_iter().flatten() {
        print(&format!("{count:>6}  {}\n", printable(&name.replace('_', " "))))?;
    }
    Ok(())
}

pub(crate) async fn fork(home: Option<&Path>, args: Fork) -> Result<(), Failure> {
    let to = std::path::absolute(&args.to)?;
    let answer =
        Controls::find(home)?.call(Method::POST, "/fork", Some(json!({ "to": to }))).await?;
    if args.json {
        return print_json(&answer);
    }
    print(&format!(
        "forked\nserve it with: countersign --home {} platform serve\n",
        printable(&to.display().to_string())
    ))
}

/// A file that somebody else may have written, in whatever encoding.
fn text_of(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::of_file("read", path, &error))?;
    decode(&bytes).map_err(|why| Failure::usage(format!("`{}` {why}", path.display())))
}

pub(crate) async fn import(home: Option<&Path>, args: Import) -> Result<(), Failure> {
    let controls = Controls::find(home)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("seed", &args.seed);
    if let Some(application) = &args.application {
        query.append_pair("application", application);
    }
    let path = format!("/import?{}", query.finish());
    let mut total = serde_json::Map::new();
    for page in &args.pages {
        let failed =
            |what: &dyn std::fmt::Display| Failure::usage(format!("`{}`: {what}", page.display()));
        let text = text_of(page)?;
        let body: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
        let (status, taken) = controls.ask(Method::POST, &path, Some(body)).await?;
        if status != 200 {
            return Err(failed(&taken["error"].as_str().unwrap_or("the controls refused")));
        }
        for (name, count) in taken.as_object().into_iter().flatten() {
            let sum = total.get(name).and_then(Value::as_u64).unwrap_or_default();
            total.insert(name.clone(), (sum + count.as_u64().unwrap_or_default()).into());
        }
    }
    let total = Value::Object(total);
    if args.json {
        return print_json(&total);
    }
    print(&format!(
        "{} applications, {} findings; {} were held already\n",
        total["applications"], total["findings"], total["repeated"]
    ))
}

pub(crate) async fn outbox(home: Option<&Path>, args: Json) -> Result<(), Failure> {
    let answer = Controls::find(home)?.call(Method::GET, "/outbox", None).await?;
    if args.json {
        return print_json(&answer);
    }
    let columns = [("at", Fit::Whole), ("to", Fit::End), ("subject", Fit::End)];
    rows(&answer["mails"], columns, "mails")
}

/// One segment of a path, whatever was typed.
fn segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

fn rows<const N: usize>(
    list: &Value,
    columns: [(&'static str, Fit); N],
    what: &str,
) -> Result<(), Failure> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |value: &Value| match value {
        Value::Null => Cell::text(""),
        Value::String(text) => Cell::text(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            Cell::text(&items.join(", "))
        }
        other => Cell::text(&other.to_string()),
    };
    let row = |row: &Value| columns.map(|(name, _)| cell(&row[name]));
    if !list.is_empty() {
        print_list(columns, list.iter().map(row))?;
    }
    note(&format!("{} {what}", list.len()));
    Ok(())
}
