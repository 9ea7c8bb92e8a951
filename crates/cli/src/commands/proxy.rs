//! `proxy` and `proxy token|callers|revoke|log`.

use std::path::Path;

use countersign_broker::{
    Address, Broker, Config, Digest, FurtherCaller, Limits, Listener, MAX_RULES, Rule, Token,
};
use countersign_files::{Created, Draft, Readers};
use countersign_findings::rfc3339;
use countersign_store::{BrokerRequest, Caller, NewCaller, Store};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::{Context, open_store};
use super::control::{forget_ready_file, write_ready_file};
use super::platform::Stop;
use super::serve::free_port;
use crate::args::{Json, MakeToken, Proxy, ProxyCommand, ProxyLog, RevokeCaller, RunProxy};
use crate::config::CallerConfig;
use crate::failure::Failure;
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, ago, distance, note, print, print_json, printable, when};
use crate::system;

const USUAL_RULE: &str = "GET /appsec/**";
const MAX_NAME_BYTES: usize = 64;

pub(crate) async fn run(home: Option<&Path>, args: Proxy) -> Result<(), Failure> {
    let Some(command) = args.command else {
        return serve(&Context::open(home).await?, args.run).await;
    };
    // Callers and log need no vault, and so no passphrase.
    let store = open_store(&Home::find(home)?).await?;
    match command {
        ProxyCommand::Token(args) => token(&store, args).await,
        ProxyCommand::Callers(args) => callers(&store, args).await,
        ProxyCommand::Revoke(args) => revoke(&store, args).await,
        ProxyCommand::Log(args) => log(&store, args).await,
    }
}

async fn serve(context: &Context, args: RunProxy) -> Result<(), Failure> {
    let integration = context.integration(args.integration.as_deref()).await?;
    context.store().hold().await?;
    let stored = context.store().callers().await?;
    let further = match args.config_callers {
        true => further(&context.config.proxy.callers, &stored)?,
        false => Vec::new(),
    };
    let is_known = |name: &String| {
        stored.iter().any(|one| one.name == *name) || further.iter().any(|one| one.name == *name)
    };
    if let Some(unknown) = args.caller.iter().find(|name| !is_known(name)) {
        return Err(Failure::usage(format!(
            "there is no caller `{unknown}`\nhint: `countersign proxy token {unknown}` makes one"
        )));
    }
    if stored.is_empty() && further.is_empty() {
        note("there is no caller yet; `countersign proxy token ci` makes one");
    }
    let config = Config {
        client: context.client_of(&integration, "proxy")?,
        store: context.store().clone(),
        ceiling: rules(&args.allow)?,
        only: args.caller,
        further,
        clock: system::clock(),
        limits: Limits { in_flight_per_caller: args.in_flight.into(), ..Limits::usual() },
    };
    forget_ready_file(args.ready_file.as_deref())?;
    let listener = match &args.socket {
        Some(path) => socket(path)?,
        None => Listener::loopback(args.listen).map_err(|error| {
            let failure = Failure::from(error);
            match failure.is_address() {
                true => failure.with_hint(free_port(&["proxy"], args.listen)),
                false => failure,
            }
        })?,
    };
    let mut stop = Stop::listen()?;
    let broker = Broker::start(listener, config);
    if let Some(path) = &args.ready_file {
        write_ready_file(path, &ready_object(broker.address()))?;
    }
    note(&format!(
        "proxy: {} signs for `{}` at {}\nCtrl-C stops it",
        broker.address(),
        integration.name,
        integration.url
    ));
    stop.asked().await?;
    note("stopping …");
    Ok(broker.shutdown().await?)
}

#[cfg(unix)]
fn socket(path: &Path) -> Result<Listener, Failure> {
    Ok(Listener::socket(path)?)
}

#[cfg(not(unix))]
fn socket(_: &Path) -> Result<Listener, Failure> {
    Err(Failure::usage("there are no sockets on this system\nhint: use `--listen`"))
}

fn ready_object(address: &Address) -> Value {
    match address {
        Address::Loopback(_) => json!({ "url": address.to_string() }),
        Address::Socket(socket) => json!({ "socket": socket }),
    }
}

fn rules(texts: &[String]) -> Result<Vec<Rule>, Failure> {
    if texts.len() > MAX_RULES {
        return Err(Failure::usage(format!("there are more than {MAX_RULES} rules")));
    }
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

fn further(callers: &[CallerConfig], stored: &[Caller]) -> Result<Vec<FurtherCaller>, Failure> {
    let mut further: Vec<FurtherCaller> = Vec::new();
    for caller in callers {
        let name = &caller.name;
        check_name(name)?;
        let is_taken = stored.iter().any(|one| one.name == *name)
            || further.iter().any(|one| one.name == *name);
        if is_taken {
            return Err(Failure::usage(format!(
                "the caller `{name}` of config.toml is there already\nhint: choose another name"
            )));
        }
        let digest = Digest::parse(&caller.token_sha256).map_err(|error| {
            Failure::usage(format!("the caller `{name}` of config.toml: {error}"))
        })?;
        further.push(FurtherCaller { name: name.clone(), digest, rules: rules(&caller.allow)? });
    }
    Ok(further)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
        return Err(Failure::usage(format!(
            "`{}` is not the name of a caller\nhint: up to {MAX_NAME_BYTES} letters, digits and `-_.@`",
            printable(name)
        )));
    }
    Ok(())
}

async fn token(store: &Store, args: MakeToken) -> Result<(), Failure> {
    check_name(&args.name)?;
    let rules = match args.allow.is_empty() {
        true => rules(&[USUAL_RULE.to_owned()])?,
        false => rules(&args.allow)?,
    };
    let draft = args.output.as_deref().map(begin).transpose()?;
    let now_ms = (system::clock())();
    let token = Token::generate(&system::random());
    let new = NewCaller {
        name: args.name.clone(),
        digest: token.digest().bytes(),
        rules: rules.iter().map(Rule::to_string).collect(),
        created_ms: now_ms,
        expires_ms: args.expires.0.map(|lives_ms| now_ms.saturating_add(lives_ms)),
    };
    let expires_ms = new.expires_ms;
    let expires = expires_ms.map_or("never expires".into(), |ms| format!("expires {}", when(ms)));
    let added = store.add_caller(new).await;
    added
        .map_err(|error| if error.is_existing() { Failure::usage(error) } else { error.into() })?;
    let line = Zeroizing::new(format!("{}\n", token.expose()));
    let written = match (draft, &args.output) {
        (Some(draft), Some(path)) => end(draft, path, &line),
        _ if args.json => print_json(&json!({
            "name": args.name,
            "token": line.trim_end(),
            "rules": rules.iter().map(Rule::to_string).collect::<Vec<_>>(),
            "expires_at": expires_ms.map(rfc3339),
        })),
        _ => print(&line),
    };
    if written.is_err() {
        // Nobody has it.
        store.revoke_caller(&args.name, now_ms).await?;
    }
    written?;
    let allowed: Vec<_> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    note(&format!("`{}` may {}; the token {expires}", args.name, allowed.join(", ")));
    if let Some(rule) = rules.iter().find(|rule| rule.is_guarded()) {
        note(&format!("`{rule}` deals in credentials: whoever has the token may get at them"));
    }
    Ok(())
}

/// A new file, for its owner alone from the first moment on: whether there can be one is
/// known before there is a token.
pub(super) fn begin(path: &Path) -> Result<Draft, Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Draft::create(path, Readers::Owner, &*system::random()).map_err(Failure::named),
    }
}

pub(super) fn end(draft: Draft, path: &Path, line: &str) -> Result<(), Failure> {
    let put = draft.put(line.as_bytes()).and_then(|()| draft.settle_new());
    match put.map_err(Failure::named)? {
        Created::New => Ok(()),
        Created::Existed => Err(exists(path)),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("failed to create `{}`: there is one already", path.display()))
}

async fn callers(store: &Store, args: Json) -> Result<(), Failure> {
    let all = store.callers().await?;
    let now_ms = (system::clock())();
    if args.json {
        return print_json(&all.iter().map(|one| caller_json(one, now_ms)).collect::<Vec<_>>());
    }
    if all.is_empty() {
        note("there is no caller yet; `countersign proxy token ci` makes one");
        return Ok(());
    }
    let row = |one: &Caller| {
        [
            Cell::text(&one.name),
            Cell::text(&one.rules.join(", ")),
            Cell::text(state(one, now_ms)),
            match one.expires_ms {
                Some(ms) => Cell::moment(Some(ms)).shown_as(&distance(ms, now_ms)),
                None => Cell::text("").shown_as("never"),
            },
            ago(one.last_used_ms, now_ms),
        ]
    };
    let columns = [
        ("name", Fit::End),
        ("may", Fit::End),
        ("state", Fit::Whole),
        ("expires", Fit::Whole),
        ("last_used", Fit::Whole),
    ];
    print_list(columns, all.iter().map(row))
}

fn state(caller: &Caller, now_ms: i64) -> &'static str {
    match (caller.revoked_ms, caller.expires_ms) {
        (Some(_), _) => "revoked",
        (None, Some(expires_ms)) if expires_ms <= now_ms => "expired",
        (None, _) => "live",
    }
}

fn caller_json(caller: &Caller, now_ms: i64) -> Value {
    json!({
        "name": caller.name,
        "allow": caller.rules,
        "state": state(caller, now_ms),
        "created_at": rfc3339(caller.created_ms),
        "expires_at": caller.expires_ms.map(rfc3339),
        "revoked_at": caller.revoked_ms.map(rfc3339),
        "last_used_at": caller.last_used_ms.map(rfc3339),
    })
}

async fn revoke(store: &Store, args: RevokeCaller) -> Result<(), Failure> {
    let now_ms = (system::clock())();
    store
        .revoke_caller(&args.name, now_ms)
        .await
        .map_err(|error| if error.is_not_found() { Failure::usage(error) } else { error.into() })?;
    note(&format!("revoked the token of `{}`", args.name));
    Ok(())
}

async fn log(store: &Store, args: ProxyLog) -> Result<(), Failure> {
    let lines = store.broker_requests(args.caller.as_deref(), args.limit).await?;
    if args.json {
        return lines.iter().try_for_each(|line| print_json(&line_json(line)));
    }
    if lines.is_empty() {
        note("nothing was asked for yet");
        return Ok(());
    }
    let row = |line: &BrokerRequest| {
        [
            Cell::moment(Some(line.at_ms)),
            Cell::some(line.caller.as_deref()),
            Cell::text(&format!("{} {}", line.method, line.path)),
            Cell::number(line.status.into()),
            Cell::some(line.refusal.as_deref()),
            Cell::number(line.duration_ms.try_into().unwrap_or(i64::MAX)),
        ]
    };
    let columns = [
        ("when", Fit::Whole),
        ("caller", Fit::End),
        ("asked", Fit::End),
        ("status", Fit::Number),
        ("refused", Fit::End),
        ("ms", Fit::Number),
    ];
    print_list(columns, lines.iter().map(row))
}

fn line_json(line: &BrokerRequest) -> Value {
    json!({
        "at": rfc3339(line.at_ms),
        "caller": line.caller,
        "method": line.method,
        "path": line.path,
        "status": line.status,
        "refusal": line.refusal,
        "duration_ms": line.duration_ms,
    })
}
