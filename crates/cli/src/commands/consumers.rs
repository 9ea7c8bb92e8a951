//! `credentials consumers`.

use countersign_connector::consumers::Progress;
use countersign_findings::rfc3339;
use countersign_store::Credential;
use serde::Serialize;
use serde_json::{Value, json};

use super::context::Context;
use crate::args::ListConsumers;
use crate::consumers::consumers;
use crate::failure::{Exit, Failure};
use crate::output::{Shown, distance, note, printable, show, table, table_text};

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
    let handed = Handed { all, now_ms: context.now() };
    show(&handed, args.json)?;
    if args.deliver && late > 0 {
        note(&format!("{late} of {} do not run the published version yet", handed.all.len()));
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

struct Handed {
    all: Vec<(String, Progress)>,
    now_ms: i64,
}

impl Shown for Handed {
    fn nothing(&self) -> Option<&'static str> {
        self.all.is_empty().then_some("no consumer is configured; docs/watch.md shows how")
    }

    fn json(&self) -> impl Serialize {
        self.all.iter().map(|(name, one)| as_json(name, one)).collect::<Vec<_>>()
    }

    fn text(&self) -> String {
        let mut table = table(&["credential", "consumer", "kind", "version", "runs it", "problem"]);
        for (name, one) in &self.all {
            let runs_it = match (one.acknowledged_ms, one.delivered_ms, one.attempts) {
                (Some(ms), ..) => {
                    format!("since {}", distance(ms, self.now_ms).replace(" ago", ""))
                }
                (None, Some(_), _) => "NOT SAID".into(),
                (None, None, 0) => "not delivered".into(),
                (None, None, tries) => format!("NO, tried {tries} times"),
            };
            let problem = one.problem.as_deref().unwrap_or_default();
            table.add_row([
                name.clone(),
                one.consumer.clone(),
                one.kind.to_owned(),
                one.version.to_string(),
                runs_it,
                printable(problem.lines().next().unwrap_or_default()),
            ]);
        }
        table_text(&table)
    }
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
