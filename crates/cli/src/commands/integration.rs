//! `integration add|check|list|show|remove`.

use std::io::{BufRead, IsTerminal, Read};

use countersign_connector::check::{Check, Outcome};
use countersign_connector::integration::Place;
use countersign_files::{self as files, Secrecy};
use countersign_findings::Population;
use countersign_signing::{OAuthClient, Pair};
use countersign_store::Integration;
use countersign_text::foreign::decode;
use countersign_vault::Secret;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::Context;
use crate::args::{AddIntegration, Json, NamedIntegration, RemoveIntegration};
use crate::failure::{Exit, Failure};
use crate::forms::{enter_telling, machine};
use crate::output::{Shown, distance, note, printable, show, table, table_text, when};

/// A secret is at most 1,024 hex digits and a prefix.
const MAX_SECRET_BYTES: u64 = 4096;
const MAX_CA_BYTES: u64 = 1 << 20;

pub(crate) async fn add(context: &Context, args: AddIntegration) -> Result<(), Failure> {
    let (place, secret) = place_and_secret(&args)?;
    let client = context.client(&place, &secret)?;
    let added =
        context.connector.add_integration(&args.name, place.clone(), secret.clone(), &client).await;
    let check = match (added, secret.as_pair()) {
        (Ok(check), _) => check,
        (Err(error), Some(pair)) => {
            return Err(super::doctor::explain(context, error, &place, pair, &client).await);
        }
        (Err(error), None) => return Err(error.into()),
    };
    let integration = context.store().integration(&args.name).await?;
    show(&Checked { integration, check, now_ms: context.now() }, args.json)
}

pub(crate) async fn check(context: &Context, args: NamedIntegration) -> Result<(), Failure> {
    let integration = context.integration(args.name.as_deref()).await?;
    let client = context.client_of(&integration, "check")?;
    let check = context.connector.check_integration(&integration, &client).await?;
    let checked = Checked { integration, check, now_ms: context.now() };
    show(&checked, args.json)?;
    match checked.check.missing() {
        Some(missing) => Err(missing.into()),
        None => Ok(()),
    }
}

pub(crate) async fn list(context: &Context, args: Json) -> Result<(), Failure> {
    let all = context.store().integrations().await?;
    show(&List { all, now_ms: context.now() }, args.json)
}

struct List {
    all: Vec<Integration>,
    now_ms: i64,
}

impl Shown for List {
    fn nothing(&self) -> Option<&'static str> {
        let nothing = "there is no integration yet; `countersign integration add` makes one";
        self.all.is_empty().then_some(nothing)
    }

    fn text(&self) -> String {
        let mut table = table(&["name", "url", "client id", "account", "pair expires"]);
        for one in &self.all {
            let expires = one.expires_ms.map_or("unknown".into(), |ms| distance(ms, self.now_ms));
            let account = printable(one.account.as_deref().unwrap_or("unknown"));
            table.add_row([
                one.name.clone(),
                one.url.clone(),
                one.api_id.clone(),
                account,
                expires,
            ]);
        }
        table_text(&table)
    }

    fn json(&self) -> impl Serialize {
        self.all.iter().map(as_json).collect::<Vec<_>>()
    }
}

pub(crate) async fn show_one(context: &Context, args: NamedIntegration) -> Result<(), Failure> {
    let integration = context.integration(args.name.as_deref()).await?;
    let findings = context.store().counts(integration.id, Population::STORED).await?.total;
    show(&One { integration, findings, now_ms: context.now() }, args.json)
}

struct One {
    integration: Integration,
    findings: u64,
    now_ms: i64,
}

impl Shown for One {
    fn text(&self) -> String {
        let one = &self.integration;
        let expires = one
            .expires_ms
            .map_or("unknown".into(), |ms| format!("{}, {}", when(ms), distance(ms, self.now_ms)));
        format!(
            "name       {}\nurl        {}\nclient id  {}\naccount    {}\nexpires    {expires}\nchecked    {}\nfindings   {}\n",
            one.name,
            one.url,
            one.api_id,
            printable(one.account.as_deref().unwrap_or("unknown")),
            one.checked_ms.map_or("never".into(), when),
            self.findings,
        )
    }

    fn json(&self) -> impl Serialize {
        let mut object = as_json(&self.integration);
        object["findings"] = self.findings.into();
        object
    }
}

pub(crate) async fn remove(context: &Context, args: RemoveIntegration) -> Result<(), Failure> {
    let integration = context.integration(Some(&args.name)).await?;
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("removing needs a yes\nhint: add `--yes`"));
        }
        note(&format!(
            "type `{}` to remove it with its pair and everything stored for it:",
            args.name
        ));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() != args.name {
            return Err(Failure::new(Exit::Usage, "nothing was removed"));
        }
    }
    context.connector.remove_integration(&integration).await?;
    note(&format!("removed `{}`", args.name));
    Ok(())
}

/// What was given, and where it is used.
pub(crate) fn place_and_secret(args: &AddIntegration) -> Result<(Place, Secret), Failure> {
    let (secret, url) = if args.oauth {
        let (id, url) = args.client_id.as_deref().zip(args.url.clone()).ok_or_else(|| {
            Failure::usage("an OAuth client needs `--client-id ID` and `--url URL`")
        })?;
        let secret = read_secret(args.client_secret_stdin)?;
        let client = OAuthClient::parse(id.trim(), secret.trim()).map_err(Failure::usage)?;
        (Secret::OAuthClient(client), url)
    } else {
        let (pair, own_url) = read_pair(args)?;
        let region_url = || format!("https://{}", pair.region().rest_host());
        let url = args.url.clone().or(own_url).unwrap_or_else(region_url);
        (Secret::Pair(pair), url)
    };
    let ca_pem = match &args.ca_file {
        Some(path) => {
            let pem = files::read_certificates(path, Secrecy::Open, MAX_CA_BYTES);
            Some(pem.map_err(Failure::usage)?.to_string())
        }
        None => None,
    };
    Ok((Place { url, ca_pem, allow_http_loopback: args.allow_http_loopback }, secret))
}

fn read_pair(args: &AddIntegration) -> Result<(Pair, Option<String>), Failure> {
    let profile = args.from.profile.as_deref();
    let found = match &args.from.import_file {
        Some(path) => machine().file(path, profile)?,
        None if args.import => machine().first(profile)?,
        None if profile.is_some() => {
            return Err(Failure::usage(
                "a profile is of a credentials file\nhint: add `--import`, or `--import-file FILE`",
            ));
        }
        None => {
            let id = args.client_id.as_deref().ok_or_else(|| {
                Failure::usage(
                    "the Client ID is missing\nhint: give `--client-id ID`, or `--import`",
                )
            })?;
            let secret = read_secret(args.client_secret_stdin)?;
            return Ok((enter_telling(id, &secret)?, None));
        }
    };
    note(&format!("taking the pair from {}", found.place));
    let pair = enter_telling(&found.written.id, &found.written.secret)?;
    Ok((pair, found.written.url))
}

fn read_secret(from_stdin: bool) -> Result<Zeroizing<String>, Failure> {
    if !from_stdin {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                "the Client Secret is missing\nhint: pipe it in and add `--client-secret-stdin`",
            ));
        }
        let typed = rpassword::prompt_password("Client Secret (Secret Key): ")?;
        return Ok(Zeroizing::new(typed));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
    std::io::stdin().lock().take(MAX_SECRET_BYTES).read_to_end(&mut bytes)?;
    let secret = decode(&bytes).map_err(|why| {
        Failure::usage(format!(
            "the Client Secret on standard input {why}\nhint: pipe it in as UTF-8, or as UTF-16 with its byte-order mark"
        ))
    });
    secret.map(Zeroizing::new)
}

fn as_json(one: &Integration) -> Value {
    let time = |ms: Option<i64>| ms.map(countersign_findings::rfc3339);
    json!({
        "name": one.name,
        "url": one.url,
        "client_id": one.api_id,
        "account": one.account,
        "expires_at": time(one.expires_ms),
        "checked_at": time(one.checked_ms),
        "created_at": countersign_findings::rfc3339(one.created_ms),
    })
}

struct Checked {
    integration: Integration,
    check: Check,
    now_ms: i64,
}

impl Shown for Checked {
    fn text(&self) -> String {
        check_text(self.now_ms, &self.integration.name, &self.check)
    }

    fn json(&self) -> impl Serialize {
        json!({ "integration": as_json(&self.integration), "check": self.check })
    }
}

pub(crate) fn check_text(now_ms: i64, name: &str, check: &Check) -> String {
    let mut text = format!(
        "integration  {name}\naccount      {}\nroles        {}\n",
        printable(check.account.as_deref().unwrap_or("unknown")),
        printable(&check.roles.join(", ")),
    );
    if let Some(ms) = check.expires_ms {
        text.push_str(&format!("pair expires {} ({})\n", when(ms), distance(ms, now_ms)));
    }
    if let Some(count) = check.applications {
        text.push_str(&format!("sees         {count} applications\n"));
    }
    for probe in &check.probes {
        let (mark, more) = match &probe.outcome {
            Outcome::Granted => ("ok      ", String::new()),
            Outcome::Missing { needs } => ("MISSING ", format!(": needs {needs}")),
            Outcome::Unproven { why } => ("unproven", format!(": {why}")),
        };
        text.push_str(&format!("  {mark} {}{more}\n", probe.name));
    }
    text
}
