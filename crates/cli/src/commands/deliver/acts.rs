//! What a person does about a destination by hand.

use std::io::Read;

use countersign_deliveries::acts::{self, Repeated};
use countersign_text::foreign::decode;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::context::Context;
use super::{configured, refused};
use crate::advice::CommandLine;
use crate::args::{FailedSends, ForgetDestination, OneDestination, SecretOfDestination};
use crate::asking::{asked_secret, confirm, is_attended};
use crate::config::destinations::{DestinationConfig, check_name};
use crate::destinations::{make, remove_secret, write_secret};
use crate::failure::Failure;
use crate::output::{note, print_json, printable};

/// A certificate with its key has some thousand.
const MAX_SECRET_BYTES: u64 = 64 << 10;

pub(super) async fn hold(context: &Context, args: OneDestination) -> Result<(), Failure> {
    configured(context, &args.name)?;
    let held = acts::hold(context.store(), &args.name, context.now()).await;
    let held = held.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "destination": args.name, "held": held }));
    }
    let approve = CommandLine::of(&["deliver", "approve"]).and(&args.name);
    note(&format!("`{}` creates no tickets until {approve}; {held} are held now", args.name));
    Ok(())
}

pub(super) async fn approve(context: &Context, args: OneDestination) -> Result<(), Failure> {
    let approved = acts::approve(context.store(), &args.name, context.now()).await;
    let approved = approved.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "destination": args.name, "approved": approved }));
    }
    let run = CommandLine::of(&["deliver", "run"]).and(&args.name);
    note(&format!(
        "{approved} sends of `{}` may go out: {run} sends them now, a running `countersign serve` within a minute",
        printable(&args.name)
    ));
    Ok(())
}

pub(super) async fn pause(context: &Context, args: OneDestination) -> Result<(), Failure> {
    let paused = acts::pause(context.store(), &args.name, context.now()).await;
    paused.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "destination": args.name, "paused": true }));
    }
    let resume = CommandLine::of(&["deliver", "resume"]).and(&args.name);
    note(&format!("`{}` is paused; {resume} resumes it", printable(&args.name)));
    Ok(())
}

pub(super) async fn resume(context: &Context, args: OneDestination) -> Result<(), Failure> {
    let mode = configured(context, &args.name)?.mode();
    let resumed = acts::resume(context.store(), &args.name, mode, context.now()).await;
    resumed.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "destination": args.name, "paused": false }));
    }
    note(&format!("`{}` continues where it was paused", args.name));
    Ok(())
}

pub(super) async fn replay(context: &Context, args: FailedSends) -> Result<(), Failure> {
    let (store, now_ms) = (context.store(), context.now());
    let done = match args.which.parse() {
        Ok(number) => acts::replay(store, number, now_ms).await.map(|_| one()),
        Err(_) => acts::replay_all(store, &args.which, now_ms).await,
    };
    let done = done.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "replayed": done.done, "overtaken": done.overtaken }));
    }
    note(&format!("{} wait to be sent again", counted(done.done)));
    if done.overtaken > 0 {
        note(&format!("{} are out of date and were left as they are", counted(done.overtaken)));
    }
    Ok(())
}

pub(super) async fn dismiss(context: &Context, args: FailedSends) -> Result<(), Failure> {
    let (store, now_ms) = (context.store(), context.now());
    let done = match args.which.parse() {
        Ok(number) => acts::dismiss(store, number, now_ms).await.map(|_| one()),
        Err(_) => acts::dismiss_all(store, &args.which, now_ms).await,
    };
    let done = done.map_err(|refusal| refused(context, refusal))?;
    if args.json {
        return print_json(&json!({ "dismissed": done.done }));
    }
    note(&format!("{} will not be sent", counted(done.done)));
    Ok(())
}

fn one() -> Repeated {
    Repeated { done: 1, overtaken: 0 }
}

fn counted(count: u64) -> String {
    match count {
        1 => "1 send".to_owned(),
        count => format!("{count} sends"),
    }
}

pub(super) async fn secret(context: &Context, args: SecretOfDestination) -> Result<(), Failure> {
    let list = CommandLine::of(&["deliver", "list"]);
    check_name(&args.name).map_err(|why| {
        let name = printable(&args.name);
        Failure::usage(format!("`{name}`: {why}\nhint: {list} shows the names"))
    })?;
    let config = context.config.destinations.iter().find(|one| one.name == args.name);
    let name = config.map_or(args.name.as_str(), |config| config.secret_name());
    let vault = &context.connector.vault;
    if args.remove {
        let is_removed = remove_secret(vault, name).await?;
        if args.json.json {
            return print_json(&json!({ "secret": name, "removed": is_removed }));
        }
        return match is_removed {
            true => {
                note(&format!("the secret `{name}` is destroyed"));
                Ok(())
            }
            false => Err(Failure::usage(format!("the vault holds no secret `{name}`"))),
        };
    }
    let kind = config.and_then(|config| config.kind());
    let what = kind.and_then(|kind| kind.secret()).unwrap_or("secret");
    let secret = read(what, args.secret_stdin, &args.name)?;
    if let (Some(config), Some(kind)) = (config, kind) {
        // One that cannot work is refused while whoever has it is there.
        make(config, kind, secret.clone(), context.now())
            .map_err(|why| Failure::usage(format!("destination `{}`: {why}", config.name)))?;
    }
    write_secret(vault, name, &secret, context.now()).await?;
    if args.json.json {
        return print_json(&json!({ "secret": name, "stored": true }));
    }
    note(&format!("the secret `{name}` is in the vault"));
    match config {
        Some(_) => {
            let test = CommandLine::of(&["deliver", "test"]).and(&args.name);
            note(&format!("{test} tests the destination"));
        }
        None => note(&format!("no destination of config.toml is called `{name}` yet")),
    }
    Ok(())
}

fn read(what: &str, is_stdin: bool, name: &str) -> Result<Zeroizing<String>, Failure> {
    let secret = match (is_stdin, is_attended()) {
        (false, true) => asked_secret(what)?,
        (false, false) => {
            let again = CommandLine::of(&["deliver", "secret"]).and(name).then(&["--secret-stdin"]);
            return Err(Failure::usage(format!(
                "the {what} is missing\nhint: pipe it into {again}"
            )));
        }
        (true, _) => {
            let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
            std::io::stdin().lock().take(MAX_SECRET_BYTES).read_to_end(&mut bytes)?;
            let text = decode(&bytes).map_err(|why| {
                Failure::usage(format!(
                    "the {what} on standard input {why}\nhint: pipe it in as UTF-8"
                ))
            });
            Zeroizing::new(text?)
        }
    };
    match secret.trim() {
        "" => Err(Failure::usage(format!(
            "the {what} is empty\nhint: {} asks for it",
            CommandLine::of(&["deliver", "secret"]).and(name)
        ))),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}

pub(super) async fn forget(context: &Context, args: ForgetDestination) -> Result<(), Failure> {
    let found = acts::named(context.store(), &args.name).await;
    let row = found.map_err(|refusal| refused(context, refusal))?.row;
    if configured(context, &args.name).is_ok() {
        return Err(Failure::usage(format!(
            "`{}` is in config.toml\nhint: remove its `[[destinations]]` from `{}` first",
            args.name,
            context.home.config().display()
        )));
    }
    let again = CommandLine::of(&["deliver", "forget"]).and(&args.name).then(&["--yes"]);
    let what = "forget which tickets belong to which findings";
    confirm(&args.name, what, args.yes, &again)?;
    context.store().remove_destination(row.id).await?;
    let is_used = |one: &DestinationConfig| one.secret_name() == args.name;
    if !context.config.destinations.iter().any(is_used) {
        remove_secret(&context.connector.vault, &args.name).await?;
    }
    if args.json.json {
        return print_json(&json!({ "destination": args.name, "forgotten": true }));
    }
    note(&format!("`{}` is forgotten; its tickets stay where they are", printable(&args.name)));
    Ok(())
}
