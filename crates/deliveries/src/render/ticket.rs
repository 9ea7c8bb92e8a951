//! What a ticket says of its findings. Nothing that every scan moves is in it, so that a scan
//! without news changes no ticket.

use std::collections::HashMap;

use countersign_findings::{Application, Finding, Severity, State, cwe_url, remediation, rfc3339};
use countersign_store::FindingRow;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::doc::{Block, Doc, Span};
use crate::group::{Kind, Subject};
use crate::render::rules::{Name, Template, TicketRules};
use crate::render::{bounded, finding_url, is_open, long, short, title_of};
use crate::ticket::Ticket;

/// Characters of a title: GitLab and Jira take 255.
pub const TITLE_CHARS: usize = 240;
/// Characters of a body, with its links: Jira takes 32,767.
pub const BODY_CHARS: usize = 30_000;
/// Findings that a table shows.
pub const MEMBERS: usize = 50;
/// Characters of a name within a title.
const NAME_CHARS: usize = 100;
/// Characters of a value in a table of facts.
const FACT_CHARS: usize = 160;
/// Characters of a description, before odd ones are written as their numbers.
const DESCRIPTION_CHARS: usize = 5_000;
/// The same of what a tester wrote on how to fix it.
const FIX_CHARS: usize = 2_000;
/// Lines of a text that are paragraphs; what follows is one more.
const PARAGRAPHS: usize = 60;
/// Links below a text, and characters of one.
const LINKS: usize = 5;
const LINK_CHARS: usize = 250;
const DAY_MS: i64 = 86_400_000;

/// A finding of a group.
#[derive(Debug, Clone)]
pub struct Member {
    /// The finding.
    pub row: FindingRow,
    /// Whether the filter of the destination lets it in.
    pub is_wanted: bool,
}

impl Member {
    /// Whether the ticket has to be open because of it.
    pub fn is_open(&self) -> bool {
        self.is_wanted && is_open(&self.row)
    }
}

/// The ticket of a group as it should be. `members` are all findings of the group in whatever
/// order; one that two integrations brought in counts once.
pub fn ticket(
    subject: &Subject,
    members: &[Member],
    application: &Application,
    rules: &TicketRules,
    now_ms: i64,
) -> Ticket {
    let group = Group::new(subject, members, application, rules);
    let (title, body) = (group.title(), group.body());
    let severity = group.severity().map_or(0, Severity::level);
    let labels: Vec<_> = rules.labels.iter().map(|label| short(label, NAME_CHARS)).collect();
    let due = group.due();
    let digest = digest(&(&title, &body, severity, &labels, &due));
    Ticket {
        title,
        body,
        severity,
        labels,
        due: due.map(|day| not_past(day, now_ms)),
        assignee: rules.assignee(application).map(str::to_owned),
        digest,
        comment: None,
        why: None,
    }
}

/// Of a due date as the findings have it: one that is past is tomorrow every day anew, and
/// would change the ticket daily.
fn digest(of: &impl serde::Serialize) -> String {
    let bytes = serde_json::to_vec(of).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(bytes)[..16])
}

/// The date; of one that is past tomorrow's.
fn not_past(day: String, now_ms: i64) -> String {
    match (date(now_ms), date(now_ms.saturating_add(DAY_MS))) {
        (Some(today), Some(tomorrow)) if day < today => tomorrow,
        _ => day,
    }
}

/// `YYYY-MM-DD`.
fn date(ms: i64) -> Option<String> {
    rfc3339(ms).get(..10).map(str::to_owned)
}

/// A group with what is said of it.
struct Group<'a> {
    subject: &'a Subject,
    application: &'a Application,
    rules: &'a TicketRules,
    /// Open ones first, then by severity, then by id: always in the same order.
    rows: Vec<&'a FindingRow>,
    open: usize,
}

impl<'a> Group<'a> {
    fn new(
        subject: &'a Subject,
        members: &'a [Member],
        application: &'a Application,
        rules: &'a TicketRules,
    ) -> Self {
        let wanted = || members.iter().filter(|member| member.is_wanted);
        // A ticket without any is about to be closed, and still has to say what it was about.
        let rows = match wanted().next() {
            Some(_) => once(wanted()),
            None => once(members.iter()),
        };
        let open = match wanted().next() {
            Some(_) => rows.iter().filter(|row| is_open(row)).count(),
            None => 0,
        };
        Self { subject, application, rules, rows, open }
    }

    fn open(&self) -> &[&'a FindingRow] {
        &self.rows[..self.open]
    }

    /// Open ones; all where none is.
    fn telling(&self) -> &[&'a FindingRow] {
        if self.open > 0 { self.open() } else { &self.rows }
    }

    fn severity(&self) -> Option<Severity> {
        self.telling().iter().map(|row| row.finding.severity).max()
    }

    /// The worst one.
    fn first(&self) -> Option<&'a Finding> {
        self.rows.first().map(|row| &row.finding)
    }

    /// When it has to be done, whether or not that is past: the end of the first grace period,
    /// else what the rules say.
    fn due(&self) -> Option<String> {
        let open = || self.open().iter();
        let grace = open().filter_map(|row| row.finding.grace_period_expires_ms).min();
        let ruled = || {
            open().filter_map(|row| {
                let days = self.rules.due_days.of(row.finding.severity)?;
                let found_ms = row.finding.first_found_ms.unwrap_or(row.added_ms);
                Some(found_ms.saturating_add(i64::from(days) * DAY_MS))
            })
        };
        grace.or_else(|| ruled().min()).and_then(date)
    }

    fn title(&self) -> String {
        let usual = || self.usual_title();
        let template = self.rules.title.clone().unwrap_or_else(usual);
        let text = template.render(|name| self.value(name));
        match short(&text, TITLE_CHARS) {
            title if title.is_empty() => format!("Findings {}", self.subject.key()),
            title => title,
        }
    }

    fn usual_title(&self) -> Template {
        let start = ("", Name::Severity);
        let end = (" in ", Name::Application);
        let has_place = !self.value(Name::Place).is_empty();
        match self.subject.kind {
            Kind::Finding if has_place => {
                Template::of(&[start, (": ", Name::Title), (" at ", Name::Place), end])
            }
            Kind::Finding => Template::of(&[start, (": ", Name::Title), end]),
            Kind::Component => {
                Template::of(&[start, (": ", Name::Component), (" ", Name::Version), end])
            }
            Kind::Cve => Template::of(&[start, (": ", Name::Cve), end]),
            Kind::Cwe => Template::of(&[start, (": ", Name::Cwe), (" ", Name::Weakness), end]),
        }
    }

    /// What a title says for a name; empty where the findings have nothing or different
    /// things.
    fn value(&self, name: Name) -> String {
        let text = match name {
            Name::Severity => self.severity().map(|worst| worst.name().to_owned()),
            Name::Application => Some(self.application.name.clone()),
            Name::Count => Some(self.telling().len().to_string()),
            Name::Title => self.first().map(|finding| title_of(finding, NAME_CHARS)),
            Name::Component if self.subject.kind == Kind::Component => {
                Some(self.subject.value.clone())
            }
            Name::Version if self.subject.kind == Kind::Component => self.subject.version.clone(),
            Name::Cve if self.subject.kind == Kind::Cve => Some(self.subject.value.clone()),
            Name::Cwe if self.subject.kind == Kind::Cwe => {
                Some(format!("CWE-{}", self.subject.value))
            }
            name => self.shared(|finding| of_finding(finding, name)),
        };
        short(&text.unwrap_or_default(), NAME_CHARS)
    }

    /// What all findings say, if they say the same.
    fn shared(&self, of: impl Fn(&Finding) -> Option<String>) -> Option<String> {
        let mut each = self.telling().iter().map(|row| of(&row.finding));
        let first = each.next()??;
        each.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    fn body(&self) -> Doc {
        let mut blocks = vec![self.facts()];
        match self.subject.kind {
            Kind::Finding => blocks.extend(self.rows.first().into_iter().flat_map(|row| told(row))),
            Kind::Cve => {
                blocks.extend(self.members());
                let texts = self.first().into_iter().flat_map(described);
                blocks.extend(texts);
            }
            Kind::Component | Kind::Cwe => blocks.extend(self.members()),
        }
        Doc { blocks }
    }

    fn facts(&self) -> Block {
        let mut facts = Facts::default();
        facts.text("Severity", self.severity().map(|worst| worst.name().to_owned()));
        facts.text("Application", Some(self.application.name.clone()));
        let sandbox = self.subject.context.strip_prefix("sandbox:");
        facts.text("Sandbox", sandbox.map(str::to_owned));
        facts.text("Fix by", self.due());
        match (self.subject.kind, self.rows.first()) {
            (Kind::Finding, Some(row)) => {
                facts.of_finding(&row.finding);
                facts.push("Finding", self.id(row));
            }
            (kind, first) => {
                facts.of_group(kind, self.subject, first.map(|row| &row.finding));
                let all = self.rows.len();
                facts.text("Open findings", Some(format!("{} of {all}", self.open)));
            }
        }
        Block::Table { head: vec!["Field".to_owned(), "Value".to_owned()], rows: facts.0 }
    }

    fn members(&self) -> Vec<Block> {
        let head = ["Severity", "Title", "Weakness", "Place", "State", "Finding"];
        let shown = self.rows.iter().take(MEMBERS);
        let rows: Vec<_> = shown.map(|row| self.member(row)).collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let rest = self.rows.len() - rows.len();
        let open = self.open.saturating_sub(rows.len());
        let mut blocks = vec![
            heading("Findings"),
            Block::Table { head: head.map(str::to_owned).to_vec(), rows },
        ];
        if rest > 0 {
            let text = format!("{}, {open} of them open.", counted(rest, "more finding"));
            blocks.push(Block::Paragraph { spans: vec![Span::text(text)] });
        }
        blocks
    }

    fn member(&self, row: &FindingRow) -> Vec<Vec<Span>> {
        let finding = &row.finding;
        let cell = |text: &str, most| match short(text, most) {
            text if text.is_empty() => Vec::new(),
            text => vec![Span::text(text)],
        };
        vec![
            vec![Span::text(finding.severity.name())],
            vec![Span::text(title_of(finding, 60))],
            cell(&finding.weakness(), 40),
            cell(&finding.place(), 80),
            vec![Span::text(state_of(row))],
            vec![self.id(row)],
        ]
    }

    /// The id, with a link where there is a dashboard.
    fn id(&self, row: &FindingRow) -> Span {
        let text = row.finding.id.to_string();
        match &self.rules.dashboard {
            Some(dashboard) => Span::Link { url: finding_url(dashboard, &text), text },
            None => Span::code(text),
        }
    }
}

/// Each finding once, in the order of a table. Of one that two integrations show the row
/// that changed last is taken.
fn once<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<&'a FindingRow> {
    let mut rows: HashMap<&str, &FindingRow> = HashMap::new();
    let age = |row: &'a FindingRow| (row.changed_ms, &row.integration);
    for member in members {
        let held = rows.entry(member.row.finding.id.as_str()).or_insert(&member.row);
        if age(&member.row) > age(held) {
            *held = &member.row;
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by(|a, b| {
        let worst = b.finding.severity.cmp(&a.finding.severity);
        let open = is_open(b).cmp(&is_open(a));
        open.then(worst).then_with(|| a.finding.id.cmp(&b.finding.id))
    });
    rows
}

fn of_finding(finding: &Finding, name: Name) -> Option<String> {
    let component = finding.component.as_ref();
    match name {
        Name::Cwe => cwe_of(finding).map(|id| format!("CWE-{id}")),
        Name::Weakness => {
            let weakness = finding.cwe.as_ref().and_then(|cwe| cwe.name.clone());
            weakness.or_else(|| finding.category.as_ref()?.name.clone())
        }
        Name::Place => Some(finding.place()),
        Name::Component => component.and_then(|component| component.name.clone()),
        Name::Version => component.and_then(|component| component.version.clone()),
        Name::Cve => finding.vulnerability.as_ref().map(|known| known.name.clone()),
        Name::Severity | Name::Title | Name::Application | Name::Count => None,
    }
}

fn cwe_of(finding: &Finding) -> Option<i64> {
    finding.cwe.as_ref().map(|cwe| cwe.id).filter(|id| *id > 0)
}

/// Where a finding stands, in a word or two.
pub(crate) fn state_of(row: &FindingRow) -> &'static str {
    match row.finding.state {
        _ if row.gone => "no longer reported",
        State::Open => "open",
        State::Fixed => "fixed",
        State::Mitigated => "mitigated",
        State::FalsePositive => "false positive",
    }
}

/// `1 finding`, `2 findings`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn heading(text: &str) -> Block {
    Block::Heading { text: text.to_owned() }
}

/// What is told of a finding by itself.
fn told(row: &FindingRow) -> Vec<Block> {
    let mut blocks = described(&row.finding);
    let fix = remediation(&row.raw).map(|text| long(&text, FIX_CHARS)).unwrap_or_default();
    if !fix.is_empty() {
        blocks.push(heading("How to fix"));
        blocks.extend(paragraphs(&fix));
    }
    blocks
}

/// Its description and the links in it.
fn described(finding: &Finding) -> Vec<Block> {
    let mut blocks = Vec::new();
    let text = long(&finding.description, DESCRIPTION_CHARS);
    if !text.trim().is_empty() {
        blocks.push(heading("Description"));
        blocks.extend(paragraphs(&text));
    }
    let href = finding.vulnerability.as_ref().and_then(|known| known.href.as_ref());
    let links = href.into_iter().chain(&finding.references).filter_map(|url| link(url));
    let items: Vec<_> = links.take(LINKS).map(|link| vec![link]).collect();
    if !items.is_empty() {
        blocks.push(heading("References"));
        blocks.push(Block::List { items });
    }
    blocks
}

/// A web address that is one as it is: one that is cut leads elsewhere.
fn link(url: &str) -> Option<Span> {
    let url = url.trim();
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = !url.chars().any(|c| c.is_whitespace() || countersign_text::is_odd(c));
    let is_short = url.chars().count() <= LINK_CHARS;
    (is_web && is_plain && is_short)
        .then(|| Span::Link { text: url.to_owned(), url: url.to_owned() })
}

/// A paragraph for each line: what writes them in a markup has no line ends within one.
fn paragraphs(text: &str) -> Vec<Block> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (first, rest) = lines.split_at(lines.len().min(PARAGRAPHS));
    let rest = (!rest.is_empty()).then(|| rest.join(" "));
    let all = first.iter().map(|line| (*line).to_owned()).chain(rest);
    all.map(|text| Block::Paragraph { spans: vec![Span::text(text)] }).collect()
}

/// Rows of a table of two columns.
#[derive(Default)]
struct Facts(Vec<Vec<Vec<Span>>>);

impl Facts {
    fn push(&mut self, name: &str, value: Span) {
        self.0.push(vec![vec![Span::strong(name)], vec![value]]);
    }

    /// Nothing where there is no value.
    fn text(&mut self, name: &str, value: Option<String>) {
        let value = short(&value.unwrap_or_default(), FACT_CHARS);
        if !value.is_empty() {
            self.push(name, Span::text(value));
        }
    }

    fn of_finding(&mut self, finding: &Finding) {
        let location = &finding.location;
        self.text("Found by", Some(found_by(finding)));
        self.cwe(finding);
        self.text("Category", finding.category.as_ref().and_then(|one| one.name.clone()));
        self.of_vulnerability(finding);
        self.text("CVSS", finding.cvss.clone());
        self.of_component(finding);
        self.text("Place", Some(finding.place()).filter(|_| finding.component.is_none()));
        self.text("Module", location.module.clone());
        self.text("Procedure", location.procedure.clone());
        self.text("Attack vector", location.attack_vector.clone());
        self.text("Parameter", location.parameter.clone());
        self.text("Violates the policy", finding.violates_policy.map(yes_or_no));
        self.text("First found", finding.first_found_ms.and_then(date));
    }

    fn of_group(&mut self, kind: Kind, subject: &Subject, first: Option<&Finding>) {
        match (kind, first) {
            (Kind::Cve, Some(finding)) => self.of_vulnerability(finding),
            (Kind::Cwe, Some(finding)) => self.cwe(finding),
            (Kind::Component, Some(finding)) => self.of_component(finding),
            _ => self.text("Group", Some(subject.value.clone())),
        }
    }

    fn cwe(&mut self, finding: &Finding) {
        let Some(id) = cwe_of(finding) else { return };
        let name = finding.cwe.as_ref().and_then(|cwe| cwe.name.as_deref()).unwrap_or_default();
        let text = short(&format!("CWE-{id} {name}"), FACT_CHARS);
        self.push("Weakness", Span::Link { text, url: cwe_url(id) });
    }

    /// No percentile and no day of a score: they are other ones every day.
    fn of_vulnerability(&mut self, finding: &Finding) {
        let Some(known) = &finding.vulnerability else { return };
        self.text("Vulnerability", Some(known.name.clone()));
        let score = known.cvss3.or(known.cvss2);
        self.text("CVSS", score.map(|score| format!("{score:.1}")));
        let percent = known.epss_score.map(|score| (score * 100.0).round());
        self.text(
            "Probability of exploitation (EPSS)",
            percent.map(|percent| format!("{percent} %")),
        );
        self.text("Exploitation observed", known.exploit_observed.map(yes_or_no));
    }

    fn of_component(&mut self, finding: &Finding) {
        let Some(component) = &finding.component else { return };
        let name = component.name.as_deref().unwrap_or(&component.id);
        let version = component.version.as_deref().unwrap_or_default();
        self.text("Component", Some(format!("{name} {version}")));
        self.text("Dependency", component.dependency_mode.as_deref().map(str::to_lowercase));
        let paths: Vec<_> = component.paths.iter().take(3).map(String::as_str).collect();
        self.text("Path", Some(paths.join(", ")));
    }
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// `Static scan`, or the name of another scanner.
fn found_by(finding: &Finding) -> String {
    match finding.scanner() {
        Some(scanner) => bounded(scanner, FACT_CHARS),
        None => format!("Veracode, {}", finding.scan_type.as_str()),
    }
}
