//! `finding`.

use countersign_connector::named::{self, Named};
use countersign_findings::filter::SHORTEST_ID;
use countersign_findings::{Annotation, Component, DataPath, Finding, Step, Vulnerability};
use countersign_store::FindingRow;
use serde_json::value::RawValue;

use super::{SHORT_ID, as_json, paths_of, severity_tone};
use crate::args;
use crate::commands::context::Context;
use crate::failure::Failure;
use crate::output::{
    Stage, Tone, Toned, note, print, print_json, print_toned, printable, prose, when, wrapped,
};

/// Columns of what a fact is called.
const LABEL: usize = 19;
/// The widest text that is read with ease.
const WIDEST: usize = 100;
/// Findings that are named when a beginning is not enough.
const NAMED: usize = 5;

pub(crate) async fn finding(context: &Context, args: args::OneFinding) -> Result<(), Failure> {
    let held = held(context, &args.id).await?;
    let row = chosen(&held, args.integration.as_deref())?;
    if args.raw {
        let raw = RawValue::from_string(row.raw.clone()).map_err(Failure::storage)?;
        return print_json(&raw);
    }
    let paths = match args.paths {
        true => Some(paths_of(context, row).await?),
        false => None,
    };
    if args.json {
        let mut object = as_json(row)?;
        if let Some(paths) = &paths {
            object["paths"] = serde_json::to_value(paths).map_err(Failure::unexpected)?;
        }
        return print_json(&object);
    }
    let stage = Stage::now();
    show_head(stage, row)?;
    let room = stage.columns().min(WIDEST);
    let mut sheet = Sheet { text: String::new(), room };
    sheet.facts(&held, row);
    if let Some(component) = &row.finding.component {
        sheet.component(component);
    }
    if let Some(known) = &row.finding.vulnerability {
        sheet.vulnerability(known);
    }
    sheet.description(&row.finding);
    sheet.history(&row.finding.annotations);
    let kept = paths.as_deref().or(row.paths.as_deref());
    sheet.paths(kept.unwrap_or_default());
    sheet.notes(&row.finding);
    print(&sheet.text)?;
    if kept.is_none() && row.finding.component.is_none() && row.finding.location.line.is_some() {
        let id = &row.finding.id.as_str()[..SHORT_ID];
        note(&format!("how data reaches it: countersign finding {id} --paths"));
    }
    Ok(())
}

/// The rows of the one finding that an id names, one for each integration that holds it.
async fn held(context: &Context, id: &str) -> Result<Vec<FindingRow>, Failure> {
    let rows = match named::finding(context.store(), id, None).await? {
        Named::Malformed => {
            return Err(Failure::usage(format!(
                "`{id}` is not the id of a finding\nhint: `countersign findings` lists ids; the first {SHORTEST_ID} digits of one are enough if no other begins so"
            )));
        }
        Named::Nothing => {
            return Err(Failure::usage(format!(
                "no stored finding has an id that begins with `{id}`\nhint: `countersign findings --state all` lists them"
            )));
        }
        Named::One(rows) => return Ok(rows),
        Named::Several(rows) => rows,
    };
    let mut message =
        format!("several findings have an id that begins with `{id}`\nhint: name one:");
    let mut ids: Vec<_> = rows.iter().map(|row| &row.finding).collect();
    ids.dedup_by(|one, other| one.id == other.id);
    for finding in ids.iter().take(NAMED) {
        message.push_str(&format!(
            "\n  countersign finding {}  {}",
            finding.id,
            printable(&finding.title)
        ));
    }
    Err(Failure::usage(message))
}

/// As the integration that was named downloaded it, else the one where it is still there,
/// else that which noticed a change last.
fn chosen<'r>(held: &'r [FindingRow], wanted: Option<&str>) -> Result<&'r FindingRow, Failure> {
    let Some(name) = wanted else {
        return named::latest(held).ok_or_else(|| Failure::unexpected("a finding without a row"));
    };
    held.iter().find(|row| row.integration == name).ok_or_else(|| {
        let names: Vec<_> = held.iter().map(|row| row.integration.as_str()).collect();
        Failure::usage(format!(
            "the integration `{name}` does not hold this finding\nhint: {} holds it",
            names.join(", ")
        ))
    })
}

/// The title, and what one asks first, in colour.
fn show_head(stage: Stage, row: &FindingRow) -> Result<(), Failure> {
    let finding = &row.finding;
    print_toned(stage.toned(&printable(&finding.title), Tone::Strong))?;
    let mut line = Toned::default();
    line.push(&stage.toned(finding.severity.name(), severity_tone(finding.severity)));
    for part in [finding.state.as_str(), finding.scan_type.as_str(), &row.application_name] {
        line.push(&stage.toned(&format!(" · {}", printable(part)), Tone::Plain));
    }
    print_toned(line)
}

/// The facts below, group by group.
struct Sheet {
    text: String,
    room: usize,
}

impl Sheet {
    fn group(&mut self, name: &str) {
        self.text.push_str(&format!("\n{name}\n"));
    }

    /// Nothing when there is nothing to say. What is long goes on under its beginning.
    fn fact(&mut self, name: &str, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        let indent = LABEL + 2;
        let value = wrapped(&printable(value), indent, self.room);
        self.text.push_str(&format!("  {name:<LABEL$}{}", value.get(indent..).unwrap_or_default()));
    }

    fn some(&mut self, name: &str, value: Option<&str>) {
        self.fact(name, value.unwrap_or_default());
    }

    fn moment(&mut self, name: &str, ms: Option<i64>) {
        self.fact(name, &ms.map(when).unwrap_or_default());
    }

    fn facts(&mut self, held: &[FindingRow], row: &FindingRow) {
        let (finding, location) = (&row.finding, &row.finding.location);
        self.group("Finding");
        self.fact("id", finding.id.as_str());
        self.fact("key", &finding.key.to_string());
        self.some("scanner", finding.scanner());
        self.fact("weakness", &finding.weakness());
        let category = finding.category.as_ref();
        self.some("category", category.and_then(|category| category.name.as_deref()));
        self.some("cvss", finding.cvss.as_deref());
        self.fact("exploitability", &number(finding.exploitability));
        self.fact("application", &row.application_name);
        self.fact("context", &finding.context.to_string());
        self.fact("integration", &holders(held, row));
        self.group("Place");
        self.fact("place", &finding.place());
        for (name, value) in [
            ("module", &location.module),
            ("procedure", &location.procedure),
            ("attack vector", &location.attack_vector),
            ("host", &location.host),
            ("port", &location.port),
            ("path", &location.path),
            ("parameter", &location.parameter),
            ("plugin", &location.plugin),
            ("found at", &location.place),
        ] {
            self.some(name, value.as_deref());
        }
        self.standing(finding, row.gone);
    }

    fn standing(&mut self, finding: &Finding, is_gone: bool) {
        self.group("Standing");
        self.fact("state", finding.state.as_str());
        let status = &finding.status;
        for (name, value) in [
            ("status", &status.status),
            ("resolution", &status.resolution),
            ("resolution status", &status.resolution_status),
            ("mitigation review", &status.mitigation_review_status),
        ] {
            self.some(name, value.as_deref());
        }
        self.fact("violates policy", truth(finding.violates_policy));
        self.fact("new in last scan", truth(status.new));
        self.moment("first found", finding.first_found_ms);
        self.moment("last seen", finding.last_seen_ms);
        self.moment("fix by", finding.grace_period_expires_ms);
        self.fact("scan", &number(finding.build_id));
        if is_gone {
            self.fact("gone", "the last complete reading no longer showed it");
        }
    }

    fn component(&mut self, component: &Component) {
        self.group("Component");
        self.some("name", component.name.as_deref());
        self.some("version", component.version.as_deref());
        self.some("language", component.language.as_deref());
        self.some("dependency", component.dependency_mode.as_deref());
        self.some("scan mode", component.scan_mode.as_deref());
        component.paths.iter().for_each(|path| self.fact("path", path));
        for license in &component.licenses {
            let risk = license.risk.as_ref().map(|risk| format!(" (risk {risk})"));
            self.fact("licence", &format!("{}{}", license.id, risk.unwrap_or_default()));
        }
    }

    fn vulnerability(&mut self, known: &Vulnerability) {
        self.group("Vulnerability");
        self.fact("name", &known.name);
        let score = |score: Option<f64>, vector: &Option<String>| match (score, vector) {
            (Some(score), Some(vector)) => format!("{score} ({vector})"),
            (Some(score), None) => score.to_string(),
            (None, vector) => vector.clone().unwrap_or_default(),
        };
        self.fact("cvss 3", &score(known.cvss3, &known.cvss3_vector));
        self.fact("cvss 2", &score(known.cvss2, &known.cvss2_vector));
        self.fact("epss", &known.epss_score.map(|score| score.to_string()).unwrap_or_default());
        self.fact("exploited", truth(known.exploit_observed));
        self.some("address", known.href.as_deref());
    }

    fn description(&mut self, finding: &Finding) {
        if !finding.description.is_empty() {
            self.group("Description");
            self.text.push_str(&wrapped(&prose(&finding.description), 2, self.room));
        }
        if !finding.references.is_empty() {
            self.group("References");
        }
        for address in &finding.references {
            self.text.push_str(&wrapped(&printable(address), 2, self.room));
        }
    }

    /// The newest first.
    fn history(&mut self, annotations: &[Annotation]) {
        if !annotations.is_empty() {
            self.group("History");
        }
        for one in annotations {
            let parts = [&one.created, &one.action, &one.user];
            let head: Vec<_> = parts.into_iter().flatten().map(|part| printable(part)).collect();
            self.text.push_str(&format!("  {}\n", head.join(" · ")));
            for text in one.comment.iter().chain(&one.mitigation) {
                self.text.push_str(&wrapped(&prose(text), 4, self.room));
            }
        }
    }

    /// From where the value enters to the flaw.
    fn paths(&mut self, paths: &[DataPath]) {
        for (at, path) in paths.iter().enumerate() {
            let module = path.module.as_ref().map(|name| format!(" in {}", printable(name)));
            self.group(&format!(
                "Data path {} of {}{}",
                at + 1,
                paths.len(),
                module.unwrap_or_default()
            ));
            for (number, step) in path.steps.iter().enumerate() {
                let text = format!("  {:>2}  {}\n", number + 1, printable(&step_text(step)));
                self.text.push_str(&text);
            }
            let flaw =
                Step { function: path.function.clone(), file: path.file.clone(), line: path.line };
            let is_last = path.steps.last().is_some_and(|last| last.line == flaw.line);
            let text = step_text(&flaw);
            if !text.is_empty() && !is_last {
                self.text.push_str(&format!("   →  {}\n", printable(&text)));
            }
        }
    }

    fn notes(&mut self, finding: &Finding) {
        if finding.notes.is_empty() {
            return;
        }
        self.group("Left out, because it could not be read");
        for one in &finding.notes {
            let text = format!("{}: {}", one.member.as_deref().unwrap_or("record"), one.reason);
            self.text.push_str(&wrapped(&printable(&text), 2, self.room));
        }
    }
}

/// The integrations that hold a finding: the one that is shown first, the others with what
/// they say of it.
fn holders(held: &[FindingRow], row: &FindingRow) -> String {
    let others = held.iter().filter(|other| other.integration != row.integration);
    let others = others.map(|other| {
        let state = other.finding.state;
        match (other.gone, state == row.finding.state) {
            (true, _) => format!("; {} too, gone there", other.integration),
            (false, true) => format!("; {} holds it too", other.integration),
            (false, false) => format!("; {} too, {} there", other.integration, state.as_str()),
        }
    });
    format!("{}{}", row.integration, others.collect::<String>())
}

fn step_text(step: &Step) -> String {
    let place = match (&step.file, step.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        (None, line) => number(line),
    };
    match &step.function {
        Some(function) if !place.is_empty() => format!("{place}  {function}"),
        Some(function) => function.clone(),
        None => place,
    }
}

fn number(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn truth(is: Option<bool>) -> &'static str {
    match is {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    }
}
