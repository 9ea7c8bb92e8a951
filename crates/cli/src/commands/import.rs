//! `import`.

use std::io::Read;
use std::path::Path;

use countersign_connector::import::{Done, MAX_FINDINGS, Outcome};
use countersign_connector::sync::FindingCounts;
use countersign_files::{self as files, Secrecy};
use countersign_findings::imported::Refusal;
use countersign_store::OwnedIntegration;
use countersign_text::foreign::decode;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::context::Context;
use super::report::counted;
use crate::args::ImportFindings;
use crate::failure::{Exit, Failure};
use crate::output::{Shown, grouped, note, printable, show, shown};

/// All of a file is in memory while it is imported.
const MAX_BYTES: u64 = 512 << 20;
/// Before anything is said of how far it is.
const SILENT_MS: i64 = 1000;
/// Refused findings that are named one by one on a terminal.
const MOST_NAMED: usize = 20;

pub(crate) async fn run(context: &Context, args: ImportFindings) -> Result<(), Failure> {
    let integration = chosen(context, args.integration.as_deref()).await?;
    let text = read(&args.file)?;
    let name = args.file.display().to_string();
    let findings = split(&text).map_err(|what| Failure::usage(format!("`{name}`: {what}")))?;
    let mut summary = Summary::of(&integration.name, findings.len());
    let bar = shown(ProgressBar::new_spinner());
    let begun_ms = context.now();
    let mut failure = None;
    for (at, some) in findings.chunks(MAX_FINDINGS).enumerate() {
        let first = at * MAX_FINDINGS;
        let progress = |done: usize| {
            if context.now() - begun_ms > SILENT_MS {
                let (done, all) = (grouped((first + done) as u64), grouped(findings.len() as u64));
                let name = printable(&integration.name);
                bar.set_message(format!("{name}: {done} of {all} findings"));
            }
        };
        match context.connector.import(&integration, some, &progress).await {
            Ok(done) => summary.add(first, done),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    bar.finish_and_clear();
    show(&summary, args.json)?;
    summary.tell_refused();
    match failure {
        Some(error) => Err(error.into()),
        None if !summary.refused.is_empty() => Err(Failure::silent(Exit::Incomplete)),
        None => Ok(()),
    }
}

/// The named integration, or the only one that takes findings of others.
async fn chosen(context: &Context, name: Option<&str>) -> Result<OwnedIntegration, Failure> {
    if let Some(name) = name {
        return context.any_integration(name).await;
    }
    let mut all = context.imported_integrations().await?;
    match all.len() {
        1 => Ok(all.remove(0)),
        0 => Err(Failure::usage(
            "there is no integration for findings of other scanners yet\nhint: `countersign integration add scanners --imported` adds one",
        )),
        _ => {
            let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
            Err(Failure::usage(format!(
                "there are several integrations for findings of other scanners\nhint: add `--integration` with one of {}",
                names.join(", ")
            )))
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            return Err(Failure::usage(format!(
                "standard input is larger than {most} MiB\nhint: import it in several parts"
            )));
        }
        decode(&bytes)
    } else {
        decode(&files::read(file, Secrecy::Open, MAX_BYTES).map_err(Failure::named)?)
    };
    bytes.map_err(|why| Failure::usage(format!("`{}` {why}", file.display())))
}

/// The findings of an array, or one a line.
fn split(text: &str) -> Result<Vec<&str>, String> {
    if text.trim_start().starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|error| format!("it is not a JSON array: {error}"))?;
        return Ok(all.into_iter().map(RawValue::get).collect());
    }
    // One finding may have lines of its own.
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        return Ok(vec![text]);
    }
    Ok(text.lines().filter(|line| !line.trim().is_empty()).collect())
}

/// What became of all of it.
struct Summary<'a> {
    integration: &'a str,
    given: usize,
    findings: FindingCounts,
    superseded: u64,
    refused: Vec<(usize, Refusal)>,
}

impl<'a> Summary<'a> {
    fn of(integration: &'a str, given: usize) -> Self {
        let findings = FindingCounts::default();
        Self { integration, given, findings, superseded: 0, refused: Vec::new() }
    }

    /// What came of findings from `first` on.
    fn add(&mut self, first: usize, done: Done) {
        for (at, item) in done.items.into_iter().enumerate() {
            match item.outcome {
                Outcome::Refused(refusal) => self.refused.push((first + at, refusal)),
                Outcome::Superseded { .. } => self.superseded += 1,
                Outcome::Created | Outcome::Updated | Outcome::Unchanged => {}
            }
        }
        let (sum, part) = (&mut self.findings, done.report.findings);
        sum.new += part.new;
        sum.changed += part.changed;
        sum.reopened += part.reopened;
        sum.closed += part.closed;
        sum.unchanged += part.unchanged;
        sum.mended += part.mended;
        (sum.total, sum.noted) = (part.total, part.noted);
    }

    fn tell_refused(&self) {
        for (at, refusal) in self.refused.iter().take(MOST_NAMED) {
            note(&format!("refused: {}", printable(&line(*at, refusal))));
        }
        if self.refused.len() > MOST_NAMED {
            let more = (self.refused.len() - MOST_NAMED) as u64;
            note(&format!("… and {} more; `--json` lists all", counted(more, "finding")));
        }
    }
}

/// `/3/finding_info/uid: it is missing`.
fn line(at: usize, refusal: &Refusal) -> String {
    format!("/{at}{}: {}", refusal.pointer, refusal.reason)
}

impl Shown for Summary<'_> {
    fn text(&self) -> String {
        let findings = &self.findings;
        let parts = [
            (findings.new, "new"),
            (findings.changed, "changed"),
            (findings.reopened, "reopened"),
            (findings.closed, "closed"),
            (findings.unchanged, "unchanged"),
            (self.superseded, "superseded by a later one of the same file"),
            (self.refused.len() as u64, "refused"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(count)))
            .collect();
        let what = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        let given = counted(self.given as u64, "finding");
        format!("{}: {given}: {what}\n", printable(self.integration))
    }

    fn json(&self) -> impl Serialize {
        let refused = self.refused.iter().map(|(at, refusal)| {
            json!({ "pointer": format!("/{at}{}", refusal.pointer), "reason": refusal.reason })
        });
        json!({
            "integration": self.integration,
            "given": self.given,
            "findings": self.findings,
            "superseded": self.superseded,
            "refused": refused.collect::<Vec<Value>>(),
        })
    }
}
