//! `people add|list|remove|reset|audit`: who may sign in to the dashboard.

use std::path::Path;

use countersign_dashboard::people::{Listed, People, Seal};
use countersign_findings::rfc3339;
use countersign_signin::audit::Verdict;
use countersign_vault::{MasterKey, seal, unseal};
use serde_json::{Value, json};

use crate::args;
use crate::asking::asked;
use crate::failure::Failure;
use crate::home::Home;
use crate::lists::print_list;
use crate::output::{Cell, Fit, ago, note, print, print_json};
use crate::system;

pub(crate) async fn run(home: Option<&Path>, command: args::People) -> Result<(), Failure> {
    // No vault, and so no passphrase.
    let people = open(&Home::find(home)?).await?;
    match command {
        args::People::Add(args) => {
            let name = named(args.name)?;
            let token = people.add(&name, args.role).await?;
            let link = link(&people, "welcome", &token).await?;
            told(args.json, &name, &link, "choose a password by this link within seven days")
        }
        args::People::List(args) => list(&people, &args).await,
        args::People::Remove(args) => {
            people.remove(&args.name).await?;
            note(&format!("removed `{}`", args.name));
            Ok(())
        }
        args::People::Reset(args) => {
            let name = named(args.name)?;
            let (token, is_active) = reset(&people, &name, args.second_factor).await?;
            let page = if is_active { "reset" } else { "welcome" };
            let link = link(&people, page, &token).await?;
            let life = if is_active { "an hour" } else { "seven days" };
            let what = format!("choose a password by this link within {life}");
            told(args.json, &name, &link, &what)
        }
        args::People::Audit(args) => audit(&people, &args).await,
    }
}

/// Opens them with a key of their own, which seals second factors.
pub(crate) async fn open(home: &Home) -> Result<People, Failure> {
    let random = system::random();
    let key = MasterKey::load_or_create(&home.people_key(), &*random)?;
    let (sealing, unsealing) = (key.clone(), key);
    let drawn = random.clone();
    let of = |person: i64| format!("people:{person}:factor").into_bytes();
    let seal = Seal {
        seal: Box::new(move |person, plain| seal(&sealing, &of(person), plain, &*drawn)),
        unseal: Box::new(move |person, sealed| unseal(&unsealing, &of(person), sealed).ok()),
    };
    Ok(People::open(&home.people(), seal, system::clock(), random).await?)
}

/// The name that was given, or asked for.
fn named(given: Option<String>) -> Result<String, Failure> {
    given.map_or_else(|| asked("name", "`countersign people list` names who can sign in"), Ok)
}

async fn reset(
    people: &People,
    name: &str,
    with_factor: bool,
) -> Result<(zeroize::Zeroizing<String>, bool), Failure> {
    let token = people.reset(name, with_factor).await?;
    let all = people.list().await?;
    let own = all.iter().find(|one| one.person.name.eq_ignore_ascii_case(name));
    Ok((token, own.is_some_and(|one| one.is_active)))
}

async fn link(people: &People, page: &str, token: &str) -> Result<String, Failure> {
    /// Where `serve` listens unless it is told otherwise.
    const USUAL: &str = "http://127.0.0.1:8460";
    let url = people.url().await?.unwrap_or_else(|| USUAL.to_owned());
    Ok(format!("{url}/{page}/{token}"))
}

fn told(json: bool, name: &str, link: &str, what: &str) -> Result<(), Failure> {
    if json {
        return print_json(&json!({ "name": name, "url": link }));
    }
    note(&format!("`{name}` can {what}:"));
    print(&format!("{link}\n"))
}

async fn list(people: &People, args: &args::Json) -> Result<(), Failure> {
    let all = people.list().await?;
    if args.json {
        return print_json(&all.iter().map(as_json).collect::<Vec<_>>());
    }
    if all.is_empty() {
        note(
            "there is nobody yet; `countersign serve` prints a link that sets up the first account",
        );
        return Ok(());
    }
    let now_ms = (system::clock())();
    let row = |one: &Listed| {
        [
            Cell::text(&one.person.name),
            Cell::text(one.person.role.as_str()),
            Cell::text(if one.is_active { "set" } else { "not yet" }),
            Cell::text(if one.has_factor { "app" } else { "none" }),
            ago(one.last_ms, now_ms),
        ]
    };
    let columns = [
        ("name", Fit::End),
        ("role", Fit::Whole),
        ("password", Fit::Whole),
        ("second_factor", Fit::Whole),
        ("last_sign_in", Fit::Whole),
    ];
    print_list(columns, all.iter().map(row))
}

fn as_json(one: &Listed) -> Value {
    json!({
        "name": one.person.name,
        "role": one.person.role.as_str(),
        "added_at": rfc3339(one.person.added_ms),
        "is_active": one.is_active,
        "has_second_factor": one.has_factor,
        "last_sign_in_at": one.last_ms.map(rfc3339),
    })
}

async fn audit(people: &People, args: &args::Json) -> Result<(), Failure> {
    match people.verify().await? {
        Verdict::Whole(entries, digest) if args.json => {
            print_json(&json!({ "whole": true, "entries": entries, "last": digest }))
        }
        Verdict::Whole(entries, digest) => {
            print(&format!("whole: {entries} entries\nlast digest: {digest}\n"))
        }
        Verdict::Broken(entry) => {
            if args.json {
                print_json(&json!({ "whole": false, "broken_at": entry }))?;
            }
            Err(Failure::storage(format!(
                "the activity log is broken at entry {entry}: it, or one before it, was changed or removed\nhint: compare with a backup of the data directory"
            )))
        }
    }
}
