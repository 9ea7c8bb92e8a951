//! `credentials consumers`.

use countersign_connector::consumers::Progress;
use countersign_findings::rfc3339;
use countersign_store::Credential;
use serde_json::{Value, json};

use super::context::Context;
use crate::args::ListConsumers;
use crate::consumers::consumers;
use crate::failure::{Exit, Failure};
use crate::lists::print_list;
use crate::output::{Cell, Fit, distance, note, print_json};

pub(crate) async fn list(context: &Context, args: ListConsumers) -> Result<(), Failure> {
    let consumers = consumers(&context.config)?;
    let mut all = Vec::new();
    for credential in wanted(context, args.name.as_deref()).await? {
        if consumers.of(&credential.name).next().is_none() {
            continue;
        }
        let version = context.connector.published_version(&credential).await?;
        let progress = match args.deliver {
            true => context.connector.deliver(&consumers, &credential, version).await?,
            false => context.connector.progress(&consumers, &credential, version).await?,
        };
        all.extend(progress.into_iter().map(|one| (credential.name.clone(), one)));
    }
    for config in &context.config.consumers {
        if args.name.is_none() && !all.iter().any(|(_, one)| one.consumer == config.name) {
            note(&format!(
                "consumer `{}` waits for a credential `{}`, which there is not",
                config.name, config.credential
            ));
        }
    }
    let late = all.iter().filter(|(_, one)| one.acknowledged_ms.is_none()).count();
    tell(&all, context.now(), args.json)?;
    if args.deliver && late > 0 {
        note(&format!("{late} of {} do not run the published version yet", all.len()));
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

async fn wanted(context: &Context, name: Option<&str>) -> Result<Vec<Credential>, Failure> {
    match name {
        Some(name) => Ok(vec![super::watch::named(context, name).await?]),
        None => Ok(context.store().credentials().await?),
    }
}

fn tell(all: &[(String, Progress)], now_ms: i64, json: bool) -> Result<(), Failure> {
    if json {
        let all: Vec<_> = all.iter().map(|(name, one)| as_json(name, one)).collect();
        return print_json(&all);
    }
    if all.is_empty() {
        note("no consumer is configured; docs/reference/credential-monitoring.md shows how");
        return Ok(());
    }
    let row = |(name, one): &(String, Progress)| {
        let runs_it = match (one.acknowledged_ms, one.delivered_ms, one.attempts) {
            (Some(ms), ..) => {
                let since = format!("since {}", distance(ms, now_ms).replace(" ago", ""));
                Cell::moment(Some(ms)).shown_as(&since)
            }
            (None, Some(_), _) => Cell::text("NOT SAID"),
            (None, None, 0) => Cell::text("not delivered"),
            (None, None, tries) => Cell::text(&format!("NO, tried {tries} times")),
        };
        let problem = one.problem.as_deref().unwrap_or_default();
        [
            Cell::text(name),
            Cell::text(&one.consumer),
            Cell::text(one.kind),
            Cell::number(one.version.into()),
            runs_it,
            Cell::text(problem.lines().next().unwrap_or_default()),
        ]
    };
    let columns = [
        ("credential", Fit::End),
        ("consumer", Fit::End),
        ("kind", Fit::Whole),
        ("version", Fit::Number),
        ("runs_it", Fit::Whole),
        ("problem", Fit::End),
    ];
    print_list(columns, all.iter().map(row))
}

fn as_json(credential: &str, one: &Progress) -> Value {
    let time = |ms: Option<i64>| ms.map(rfc3339);
    json!({
        "credential": credential,
        "consumer": one.consumer,
        "kind": one.kind,
        "version": one.version,
        "attempts": one.attempts,
        "delivered_at": time(one.delivered_ms),
        "acknowledged_at": time(one.acknowledged_ms),
        "next_try_at": time(one.next_ms.filter(|_| one.attempts > 0)),
        "problem": one.problem,
    })
}
