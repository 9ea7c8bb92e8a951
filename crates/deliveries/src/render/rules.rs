//! What a destination says about its tickets: how they are called, when they are due, and who
//! they are for.

use std::collections::BTreeMap;
use std::fmt;

use countersign_findings::filter::{folded, nearest};
use countersign_findings::{Application, Severity};
use serde::Deserialize;
use url::Url;

/// The table `ticket` of a destination with tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketRules {
    /// The title, with names in braces such as `{severity}: {title}`. Without it: one that
    /// fits the group.
    pub title: Option<Template>,
    /// Labels that every ticket has. None by default.
    pub labels: Vec<String>,
    /// Days from when a finding was first found until it has to be fixed, by severity. They
    /// count where no finding of the ticket has a grace period. None by default: such tickets
    /// have no due date.
    pub due_days: DueDays,
    /// Who a ticket is for, as the receiver names people: by guid or name of the application,
    /// else by one of its teams, else by `*`. Nobody by default.
    pub assignees: BTreeMap<String, String>,
    /// Where people see findings. It is not a key: the dashboard has its own.
    #[serde(skip)]
    pub dashboard: Option<Url>,
}

impl TicketRules {
    /// Who the tickets of an application are for.
    pub fn assignee(&self, application: &Application) -> Option<&str> {
        let called = [application.guid.as_str(), &application.name];
        let teams = application.teams.iter().map(String::as_str);
        let mut names = called.into_iter().chain(teams).chain(["*"]);
        names.find_map(|name| {
            let name = folded(name.trim());
            let mut rows = self.assignees.iter();
            rows.find(|(key, _)| folded(key.trim()) == name).map(|(_, who)| who.as_str())
        })
    }
}

/// Days by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DueDays {
    /// Severity 5. Days.
    pub very_high: Option<u16>,
    /// Severity 4. Days.
    pub high: Option<u16>,
    /// Severity 3. Days.
    pub medium: Option<u16>,
    /// Severity 2. Days.
    pub low: Option<u16>,
    /// Severity 1. Days.
    pub very_low: Option<u16>,
    /// Severity 0. Days.
    pub informational: Option<u16>,
}

impl DueDays {
    /// How many days a finding of this severity has.
    pub fn of(self, severity: Severity) -> Option<u16> {
        match severity.level() {
            0 => self.informational,
            1 => self.very_low,
            2 => self.low,
            3 => self.medium,
            4 => self.high,
            _ => self.very_high,
        }
    }
}

/// What a title can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `{severity}`: the worst of the open findings.
    Severity,
    /// `{title}`: of the worst finding.
    Title,
    /// `{application}`: its name.
    Application,
    /// `{cwe}`: such as `CWE-89`.
    Cwe,
    /// `{weakness}`: the name of the CWE, else the category.
    Weakness,
    /// `{place}`: file and line, or address.
    Place,
    /// `{component}`: its name.
    Component,
    /// `{version}`: of the component.
    Version,
    /// `{cve}`: the vulnerability.
    Cve,
    /// `{count}`: how many findings are open.
    Count,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Severity,
        Self::Title,
        Self::Application,
        Self::Cwe,
        Self::Weakness,
        Self::Place,
        Self::Component,
        Self::Version,
        Self::Cve,
        Self::Count,
    ];

    /// The word between the braces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Title => "title",
            Self::Application => "application",
            Self::Cwe => "cwe",
            Self::Weakness => "weakness",
            Self::Place => "place",
            Self::Component => "component",
            Self::Version => "version",
            Self::Cve => "cve",
            Self::Count => "count",
        }
    }

    fn parse(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == word);
        found.ok_or_else(|| {
            let near = nearest(word, Self::ALL.map(Self::as_str), 1).join("");
            let word = countersign_text::line(word).at_most(60);
            format!("a title has no `{{{word}}}`\nhint: write `{{{near}}}`")
        })
    }
}

/// A text with names in braces. `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(Name),
}

impl Template {
    /// Reads a template. An unknown name is an error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            push(&mut parts, before);
            rest = match brace.get(..2) {
                Some(twice @ ("{{" | "}}")) => {
                    push(&mut parts, &twice[..1]);
                    &brace[2..]
                }
                _ => {
                    let name = brace[1..].split_once('}').filter(|_| brace.starts_with('{'));
                    let Some((word, after)) = name else {
                        return Err("a brace of the title has no other".to_owned()
                            + "\nhint: write `{{` or `}}` for a brace");
                    };
                    parts.push(Part::Name(Name::parse(word.trim())?));
                    after
                }
            };
        }
        push(&mut parts, rest);
        match parts.is_empty() {
            true => Err("the title is empty".to_owned()),
            false => Ok(Self(parts)),
        }
    }

    /// The names in it, in their order.
    pub(crate) fn of(names: &[(&str, Name)]) -> Self {
        let mut parts = Vec::new();
        for (before, name) in names {
            push(&mut parts, before);
            parts.push(Part::Name(*name));
        }
        Self(parts)
    }

    /// With a value for each name.
    pub fn render(&self, value: impl Fn(Name) -> String) -> String {
        let each = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => value(*name),
        });
        each.collect()
    }
}

fn push(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Name(name) => write!(f, "{{{}}}", name.as_str()),
        })
    }
}
