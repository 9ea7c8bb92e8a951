//! `integration add|check|list|show|update|rename|remove`.

use std::io::Read;
use std::path::Path;

use countersign_connector::check::{Check, Outcome};
use countersign_connector::integration::Place;
use countersign_files::{self as files, Secrecy};
use countersign_findings::Population;
use countersign_signing::{OAuthClient, Pair};
use countersign_store::{CredentialKind, Integration, IntegrationKind, OwnedIntegration};
use countersign_text::foreign::decode;
use countersign_vault::Secret;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::Context;
use super::report::counted;
use crate::advice::CommandLine;
use crate::args::{
    AddIntegration, Json, NamedIntegration, RemoveIntegration, RenameIntegration, UpdateIntegration,
};
use crate::asking::{asked, asked_secret, confirm, is_attended, read_line};
use crate::failure::Failure;
use crate::forms::{enter_telling, machine};
use crate::lists::print_list;
use crate::output::{
    Cell, Fit, Shown, ask, distance, grouped, note, print_json, printable, show, when,
};

/// A secret is at most 1,024 hex digits and a prefix.
const MAX_SECRET_BYTES: u64 = 4096;
const MAX_CA_BYTES: u64 = 1 << 20;

pub(crate) async fn add(context: &Context, args: AddIntegration) -> Result<(), Failure> {
    let name = name_of(&args)?;
    if args.imported {
        return add_imported(context, &name, args.json).await;
    }
    let (place, secret) = place_and_secret(&args)?;
    let client = context.client(&place, &secret)?;
    let added =
        context.connector.add_integration(&name, place.clone(), secret.clone(), &client).await;
    let check = match (added, secret.as_pair()) {
        (Ok(check), _) => check,
        (Err(error), Some(pair)) => {
            return Err(super::doctor::explain(context, error, &place, pair, &client).await);
        }
        (Err(error), None) => return Err(error.into()),
    };
    let integration = context.store().integration(&name).await?;
    show(&Checked { integration, check, now_ms: context.now() }, args.json)
}

async fn add_imported(context: &Context, name: &str, is_json: bool) -> Result<(), Failure> {
    let added = context.store().add_imported_integration(name, None, context.now()).await;
    added.map_err(|error| match error.is_existing() {
        true => Failure::usage(error),
        false => error.into(),
    })?;
    let integration = context.any_integration(name).await?;
    show(&OneImported { integration, findings: 0 }, is_json)
}

/// An integration that has findings of other scanners.
struct OneImported {
    integration: OwnedIntegration,
    findings: u64,
}

impl Shown for OneImported {
    fn text(&self) -> String {
        format!(
            "name       {}\nkind       imported\nadded      {}\nfindings   {} ({})\n",
            self.integration.name,
            when(self.integration.created_ms),
            grouped(self.findings),
            Population::STORED,
        )
    }

    fn json(&self) -> impl Serialize {
        let mut object = imported_as_json(&self.integration);
        object["findings"] = self.findings.into();
        object
    }
}

fn imported_as_json(one: &OwnedIntegration) -> Value {
    json!({
        "name": one.name,
        "kind": one.kind.as_str(),
        "created_at": countersign_findings::rfc3339(one.created_ms),
    })
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
    let imported = context.imported_integrations().await?;
    if args.json {
        let objects = all.iter().map(as_json).chain(imported.iter().map(imported_as_json));
        return print_json(&objects.collect::<Vec<_>>());
    }
    if all.is_empty() && imported.is_empty() {
        note("there is no integration yet; `countersign integration add prod` makes one");
        return Ok(());
    }
    let now_ms = context.now();
    let row = |one: &Integration| {
        let expires = match one.expires_ms {
            Some(ms) => Cell::moment(Some(ms)).shown_as(&distance(ms, now_ms)),
            None => Cell::text("").shown_as("unknown"),
        };
        let account = Cell::some(one.account.as_deref());
        let account = if one.account.is_none() { account.shown_as("unknown") } else { account };
        [Cell::text(&one.name), Cell::text(&one.url), Cell::text(&one.api_id), account, expires]
    };
    // A column of its own would leave the addresses little room, for the few that have none.
    let imported = imported.iter().map(|one| {
        let none = || Cell::text("");
        [Cell::text(&one.name), Cell::text(one.kind.as_str()), none(), none(), none()]
    });
    let columns = [
        ("name", Fit::End),
        ("url", Fit::End),
        ("client_id", Fit::Whole),
        ("account", Fit::End),
        ("expires", Fit::Whole),
    ];
    print_list(columns, all.iter().map(row).chain(imported))
}

pub(crate) async fn show_one(context: &Context, args: NamedIntegration) -> Result<(), Failure> {
    if let Some(name) = &args.name {
        let integration = context.any_integration(name).await?;
        if integration.kind == IntegrationKind::Imported {
            let counts = context.store().counts(integration.id, Population::STORED).await?;
            return show(&OneImported { integration, findings: counts.total }, args.json);
        }
    }
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
            "name       {}\nurl        {}\nclient id  {}\naccount    {}\nexpires    {expires}\nchecked    {}\nfindings   {} ({})\n",
            one.name,
            one.url,
            one.api_id,
            printable(one.account.as_deref().unwrap_or("unknown")),
            one.checked_ms.map_or("never".into(), when),
            grouped(self.findings),
            Population::STORED,
        )
    }

    fn json(&self) -> impl Serialize {
        let mut object = as_json(&self.integration);
        object["findings"] = self.findings.into();
        object
    }
}

pub(crate) async fn update(context: &Context, args: UpdateIntegration) -> Result<(), Failure> {
    let integration = context.integration(Some(&args.name)).await?;
    let held = context.store().credential_by(integration.credential).await?;
    let gives_secret = args.client_id.is_some() || args.import || args.from.import_file.is_some();
    if !gives_secret && args.url.is_none() && args.ca_file.is_none() && !args.no_ca_file {
        let url = CommandLine::of(&["integration", "update", &args.name, "--url", &held.url]);
        return Err(Failure::usage(format!(
            "there is nothing to change: give `--url`, `--ca-file`, `--no-ca-file`, `--client-id`, `--import` or `--import-file`\nhint: {url}"
        )));
    }
    let place = updated_place(&args, Place::of(&held))?;
    let given = AddIntegration {
        name: Some(args.name.clone()),
        client_id: args.client_id,
        client_secret_stdin: args.client_secret_stdin,
        import: args.import,
        from: args.from,
        url: Some(place.url.clone()),
        ca_file: None,
        allow_http_loopback: place.allow_http_loopback,
        oauth: held.kind == CredentialKind::OAuth,
        imported: false,
        json: args.json,
    };
    let secret = match gives_secret {
        true => Some(place_and_secret(&given)?.1),
        false => None,
    };
    let client = match &secret {
        Some(secret) => context.client(&place, secret)?,
        None => context.client_at(&place, &integration, "check")?,
    };
    let check = context
        .connector
        .update_integration(&integration, place, secret, &client, args.other_account)
        .await?;
    let integration = context.store().integration(&args.name).await?;
    show(&Checked { integration, check, now_ms: context.now() }, args.json)
}

/// Where it is from now on: what is not given stays.
fn updated_place(args: &UpdateIntegration, held: Place) -> Result<Place, Failure> {
    let ca_pem = match &args.ca_file {
        Some(path) => Some(read_ca(path)?),
        None => held.ca_pem.filter(|_| !args.no_ca_file),
    };
    Ok(Place {
        url: args.url.clone().unwrap_or(held.url),
        ca_pem,
        allow_http_loopback: args.allow_http_loopback || held.allow_http_loopback,
    })
}

pub(crate) async fn rename(context: &Context, args: RenameIntegration) -> Result<(), Failure> {
    let integration = context.any_integration(&args.name).await?;
    let store = context.store();
    store
        .rename_integration(integration.id, &args.to, context.now())
        .await
        .map_err(|error| if error.is_existing() { Failure::usage(error) } else { error.into() })?;
    note(&format!("`{}` is called `{}`", args.name, args.to));
    if context.config.names(&args.name) {
        note(&format!(
            "`{}` speaks of `{}`: change its name there",
            context.home.config().display(),
            args.name
        ));
    }
    Ok(())
}

pub(crate) async fn remove(context: &Context, args: RemoveIntegration) -> Result<(), Failure> {
    let integration = context.any_integration(&args.name).await?;
    let again = CommandLine::of(&["integration", "remove", &args.name, "--yes"]);
    confirm(
        &args.name,
        match integration.kind {
            IntegrationKind::Veracode => {
                "remove it with its credentials and everything stored for it"
            }
            IntegrationKind::Imported => "remove it with everything that was imported into it",
        },
        args.yes,
        &again,
    )?;
    context.connector.remove_integration(&integration).await?;
    note(&format!("removed `{}`", args.name));
    Ok(())
}

/// The name that was given, or asked for.
pub(crate) fn name_of(args: &AddIntegration) -> Result<String, Failure> {
    let hint = "give it after `add`, such as `prod`";
    args.name.clone().map_or_else(|| asked("name", hint), Ok)
}

fn read_ca(path: &Path) -> Result<String, Failure> {
    let pem = files::read_certificates(path, Secrecy::Open, MAX_CA_BYTES);
    Ok(pem.map_err(Failure::named)?.to_string())
}

/// What was given, and where it is used.
pub(crate) fn place_and_secret(args: &AddIntegration) -> Result<(Place, Secret), Failure> {
    let (secret, url) = if args.oauth {
        let id = client_id(args)?;
        let url = args.url.clone().map_or_else(
            || asked("Veracode URL", "give `--url`: an OAuth client names no region"),
            Ok,
        )?;
        let secret = read_secret(args.client_secret_stdin)?;
        let client = OAuthClient::parse(id.trim(), secret.trim()).map_err(Failure::usage)?;
        (Secret::OAuthClient(client), url)
    } else {
        let (pair, own_url) = read_pair(args)?;
        let region_url = || format!("https://{}", pair.region().rest_host());
        let url = args.url.clone().or(own_url).unwrap_or_else(region_url);
        (Secret::Pair(pair), url)
    };
    let ca_pem = args.ca_file.as_deref().map(read_ca).transpose()?;
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
            let id = client_id(args)?;
            let secret = read_secret(args.client_secret_stdin)?;
            let pair = enter_telling(&id, &secret)?;
            return Ok((pair, asked_url(args)?));
        }
    };
    note(&format!("importing the API credentials from {}", found.place));
    let pair = enter_telling(&found.written.id, &found.written.secret)?;
    Ok((pair, found.written.url))
}

fn client_id(args: &AddIntegration) -> Result<String, Failure> {
    let hint = "give `--client-id`, or take both from where other tools keep them by `--import`";
    args.client_id.clone().map_or_else(|| asked("Client ID (API ID)", hint), Ok)
}

/// Only somebody who was asked for the rest is asked for this: Enter means the region.
fn asked_url(args: &AddIntegration) -> Result<Option<String>, Failure> {
    if args.url.is_some() || args.client_id.is_some() || !is_attended() {
        return Ok(None);
    }
    ask("Veracode URL (Enter for that of the credentials' region):");
    let line = read_line()?;
    Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
}

fn read_secret(from_stdin: bool) -> Result<Zeroizing<String>, Failure> {
    if !from_stdin {
        if !is_attended() {
            return Err(Failure::usage(
                "the Client Secret is missing\nhint: pipe it in and add `--client-secret-stdin`",
            ));
        }
        return asked_secret("Client Secret (Secret Key)");
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
        "kind": IntegrationKind::Veracode.as_str(),
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
        text.push_str(&format!("expires      {} ({})\n", when(ms), distance(ms, now_ms)));
    }
    if let Some(count) = check.applications {
        text.push_str(&format!("sees         {}\n", counted(count, "application")));
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
