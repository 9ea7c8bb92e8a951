//! `doctor`: looks for everything that can be wrong, worst first.

use std::path::Path;

use serde_json::json;

use super::context::Context;
use crate::args::Doctor;
use crate::failure::{Exit, Failure};
use crate::output::{distance, note, print, print_json};

const DAY_MS: i64 = 86_400_000;

struct Diagnosis {
    subject: String,
    /// What is wrong and what to do; none when it is well.
    trouble: Option<(Exit, String)>,
}

pub(crate) async fn run(home: Option<&Path>, args: Doctor) -> Result<(), Failure> {
    // Home, configuration, store and vault fail with a cause and a fix here.
    let context = Context::open(home).await?;
    let mut all = vec![Diagnosis {
        subject: format!("home {} with store and vault", context.home.path().display()),
        trouble: None,
    }];
    for integration in context.store().integrations().await? {
        let subject = format!("integration `{}` at {}", integration.name, integration.url);
        let trouble = match examine(&context, &integration).await {
            Ok(trouble) => trouble,
            Err(failure) => Some((failure.exit(), failure.to_string())),
        };
        all.push(Diagnosis { subject, trouble });
    }
    let undecodable = context.store().undecodable().await?;
    if let Some(first) = undecodable.first() {
        all.push(Diagnosis {
            subject: format!("{} records that cannot be read", undecodable.len()),
            trouble: Some((
                Exit::Incomplete,
                format!("the first is in application {}: {}", first.application, first.reason),
            )),
        });
    }
    if all.len() == 1 {
        note("there is no integration yet; `countersign quickstart` makes one to look at");
    }
    tell(&all, args.json)?;
    let worst = all.iter().find_map(|one| one.trouble.as_ref().map(|(exit, _)| *exit));
    worst.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

async fn examine(
    context: &Context,
    integration: &countersign_store::Integration,
) -> Result<Option<(Exit, String)>, Failure> {
    let client = context.client_of(integration, "doctor")?;
    let check = context.connector.check_integration(integration, &client).await?;
    if let Some(missing) = check.missing() {
        return Err(missing.into());
    }
    let now_ms = context.now();
    let expires = check.expires_ms.filter(|ms| ms - now_ms < 30 * DAY_MS);
    Ok(expires.map(|ms| {
        let when = distance(ms, now_ms);
        (
            Exit::NotAuthenticated,
            format!("the pair expires {when}\nhint: generate a new one and add it"),
        )
    }))
}

fn tell(all: &[Diagnosis], json: bool) -> Result<(), Failure> {
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|one| {
                json!({
                    "subject": one.subject,
                    "ok": one.trouble.is_none(),
                    "trouble": one.trouble.as_ref().map(|(_, text)| text),
                })
            })
            .collect();
        return print_json(&rows);
    }
    for one in all {
        match &one.trouble {
            None => print(&format!("ok       {}\n", one.subject))?,
            Some((_, text)) => {
                print(&format!(
                    "TROUBLE  {}\n         {}\n",
                    one.subject,
                    text.replace('\n', "\n         ")
                ))?;
            }
        }
    }
    Ok(())
}
