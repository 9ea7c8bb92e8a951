//! Filters: comparisons such as `severity[gte]4`, joined by `and`, `or`, `not` and
//! parentheses, parsed once to a typed tree. The store turns the tree into SQL with
//! bound values; [`Expression::matches`] is the same in plain Rust and what the SQL is
//! tested against.
//!
//! An absent value matches no operator but `ne`.

mod parse;
mod short;
mod values;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::finding::Finding;
use crate::ids::Context;
use crate::time::rfc3339;

pub use parse::{FilterError, nearest};
pub use short::severities;

/// What a finding is part of, as far as filters ask for it and the finding does not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// Name of the integration that brought it in.
    pub integration: &'a str,
    /// Name of its application.
    pub application: &'a str,
    /// Whether the account of the integration still sees that.
    pub is_visible: bool,
    /// When the store last noticed a change of the finding, milliseconds since the Unix
    /// epoch.
    pub changed_ms: i64,
    /// Whether that was that it came in.
    pub is_new: bool,
}

/// A member that filters can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `id`: all of its digits, or the first of them.
    Id,
    /// `application`: the guid, or the name without regard to case.
    Application,
    /// `application_name`
    ApplicationName,
    /// `integration`: its name.
    Integration,
    /// `context`: `policy` or `sandbox:GUID`.
    Context,
    /// `visible`: whether the account of the integration still sees the application.
    Visible,
    /// `scan_type`: `STATIC`, `DYNAMIC`, `MANUAL`, `SCA`.
    ScanType,
    /// `severity`: 0 to 5, or the name, such as `high`.
    Severity,
    /// `state`: `open`, `fixed`, `mitigated`, `false_positive`.
    State,
    /// `status`: the service's word.
    Status,
    /// `violates_policy`: `true` or `false`.
    ViolatesPolicy,
    /// `cwe`: the number.
    Cwe,
    /// `title`
    Title,
    /// `file`
    File,
    /// `module`
    Module,
    /// `url`
    Url,
    /// `component`: file or package name.
    Component,
    /// `cve`
    Cve,
    /// `cvss`: the CVSS 3 score, else the CVSS 2 score.
    Cvss,
    /// `first_found`: a date or a time.
    FirstFound,
    /// `last_seen`: a date or a time.
    LastSeen,
    /// `changed`: when the store last noticed a change of it, a date or a time.
    Changed,
    /// `new`: whether it has not been different since it came in.
    New,
    /// `category`: the number of the finding category.
    Category,
    /// `notes`: the members of the record that could not be read, with blanks between;
    /// empty where nothing was left out, so `notes[ne]` finds those that are not whole.
    Notes,
    /// `text`: the words of title, description, paths and component. `like` only:
    /// every word that is given has to be there, in whatever place.
    Text,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text, compared as written; `like` ignores case.
    Text,
    /// Words, in any order.
    Words,
    /// Whole number.
    Integer,
    /// Number.
    Number,
    /// `true` or `false`.
    Truth,
    /// Milliseconds since the Unix epoch.
    Time,
}

impl Field {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 26] = [
        Self::Id,
        Self::Application,
        Self::ApplicationName,
        Self::Integration,
        Self::Context,
        Self::Visible,
        Self::ScanType,
        Self::Severity,
        Self::State,
        Self::Status,
        Self::ViolatesPolicy,
        Self::Cwe,
        Self::Title,
        Self::File,
        Self::Module,
        Self::Url,
        Self::Component,
        Self::Cve,
        Self::Cvss,
        Self::FirstFound,
        Self::LastSeen,
        Self::Changed,
        Self::New,
        Self::Category,
        Self::Notes,
        Self::Text,
    ];

    /// Those whose values are counted beside a list.
    pub const FACETS: [Self; 12] = [
        Self::Severity,
        Self::State,
        Self::ScanType,
        Self::ViolatesPolicy,
        Self::Context,
        Self::Visible,
        Self::Application,
        Self::Cwe,
        Self::Category,
        Self::Component,
        Self::Module,
        Self::File,
    ];

    /// Whether its values are few enough to count them: those of times, scores and ids
    /// are nearly all different.
    pub fn is_countable(self) -> bool {
        let is_single = matches!(self, Self::Id | Self::Integration | Self::Text | Self::Cvss);
        !is_single && self.type_() != Type::Time
    }

    /// The word in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Application => "application",
            Self::ApplicationName => "application_name",
            Self::Integration => "integration",
            Self::Context => "context",
            Self::Visible => "visible",
            Self::ScanType => "scan_type",
            Self::Severity => "severity",
            Self::State => "state",
            Self::Status => "status",
            Self::ViolatesPolicy => "violates_policy",
            Self::Cwe => "cwe",
            Self::Title => "title",
            Self::File => "file",
            Self::Module => "module",
            Self::Url => "url",
            Self::Component => "component",
            Self::Cve => "cve",
            Self::Cvss => "cvss",
            Self::FirstFound => "first_found",
            Self::LastSeen => "last_seen",
            Self::Changed => "changed",
            Self::New => "new",
            Self::Category => "category",
            Self::Notes => "notes",
            Self::Text => "text",
        }
    }

    /// What it holds.
    pub fn type_(self) -> Type {
        match self {
            Self::Text => Type::Words,
            Self::Severity | Self::Cwe | Self::Category => Type::Integer,
            Self::Cvss => Type::Number,
            Self::Visible | Self::ViolatesPolicy | Self::New => Type::Truth,
            Self::FirstFound | Self::LastSeen | Self::Changed => Type::Time,
            _ => Type::Text,
        }
    }

    /// Its value in a finding.
    pub fn value(self, finding: &Finding, origin: Origin<'_>) -> Option<Value> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let some_text = |text: &Option<String>| text.clone().map(Value::Text);
        match self {
            Self::Id => text(finding.id.as_str()),
            Self::Application => text(finding.application.as_str()),
            Self::ApplicationName => text(origin.application),
            Self::Integration => text(origin.integration),
            Self::Context => Some(Value::Text(finding.context.to_string())),
            Self::Visible => Some(Value::Integer(origin.is_visible.into())),
            Self::ScanType => text(finding.scan_type.as_str()),
            Self::Severity => Some(Value::Integer(finding.severity.level().into())),
            Self::State => text(finding.state.as_str()),
            Self::Status => some_text(&finding.status.status),
            Self::ViolatesPolicy => finding.violates_policy.map(|is| Value::Integer(is.into())),
            Self::Cwe => finding.cwe.as_ref().map(|cwe| Value::Integer(cwe.id)),
            Self::Title => text(&finding.title),
            Self::File => some_text(&finding.location.file),
            Self::Module => some_text(&finding.location.module),
            Self::Url => some_text(&finding.location.url),
            Self::Component => finding.component.as_ref().and_then(|c| some_text(&c.name)),
            Self::Cve => finding.vulnerability.as_ref().and_then(|v| text(&v.name)),
            Self::Cvss => {
                finding.vulnerability.as_ref().and_then(|v| v.cvss3.or(v.cvss2)).map(Value::Number)
            }
            Self::FirstFound => finding.first_found_ms.map(Value::Integer),
            Self::LastSeen => finding.last_seen_ms.map(Value::Integer),
            Self::Changed => Some(Value::Integer(origin.changed_ms)),
            Self::New => Some(Value::Integer(origin.is_new.into())),
            Self::Category => finding.category.as_ref().map(|c| Value::Integer(c.id)),
            Self::Notes => Some(Value::Text(note_names(finding))),
            Self::Text => None,
        }
    }
}

/// What the notes of a finding are about, in their order; empty without any.
pub fn note_names(finding: &Finding) -> String {
    let names = finding.notes.iter().map(|note| note.member.as_deref().unwrap_or("record"));
    names.collect::<Vec<_>>().join(" ")
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal, or absent.
    Ne,
    /// Greater, or later.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less, or earlier.
    Lt,
    /// Less or equal.
    Lte,
    /// Contains, ignoring case; `*` stands for any characters and then the
    /// whole text must fit.
    Like,
    /// One of several, separated by commas.
    In,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Eq, Self::Ne, Self::Gt, Self::Gte, Self::Lt, Self::Lte, Self::Like, Self::In];

    /// The word in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Like => "like",
            Self::In => "in",
        }
    }
}

/// A value to compare with. Truth and time are whole numbers here, as in the
/// store.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    /// Text.
    Text(String),
    /// Whole number, time, or 0 and 1 for false and true.
    Integer(i64),
    /// Number.
    Number(f64),
}

/// Comparisons, joined.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// One comparison.
    Is(Filter),
    /// None of these may fail; without any, everything matches.
    All(Vec<Self>),
    /// One of these has to match.
    Any(Vec<Self>),
    /// It must not match.
    Not(Box<Self>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// With what: one value, or several for `in`.
    pub values: Vec<Value>,
}

impl Default for Expression {
    /// What matches everything.
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Expression {
    /// All of these at once, as with a filter that is given several times.
    pub fn all(expressions: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for expression in expressions {
            match expression {
                Self::All(more) => parts.extend(more),
                other => parts.push(other),
            }
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Self::All(parts),
        }
    }

    /// Whether everything matches.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// What is joined by `and` at the top.
    pub fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether it asks for one of these fields.
    pub fn asks_for(&self, fields: &[Field]) -> bool {
        match self {
            Self::Is(filter) => fields.contains(&filter.field),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.asks_for(fields)),
            Self::Not(part) => part.asks_for(fields),
        }
    }

    /// Whether a finding matches.
    pub fn matches(&self, finding: &Finding, origin: Origin<'_>) -> bool {
        match self {
            Self::Is(filter) => filter.matches(finding, origin),
            Self::All(parts) => parts.iter().all(|part| part.matches(finding, origin)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(finding, origin)),
            Self::Not(part) => !part.matches(finding, origin),
        }
    }

    /// Whether the findings of one context of one application match, as far as that can be
    /// said without looking at them: none when it depends on the finding.
    pub fn of_place(&self, guid: &str, origin: Origin<'_>, context: &Context) -> Option<bool> {
        self.decided(&|filter| match filter.field {
            Field::Application | Field::ApplicationName | Field::Integration => {
                Some(filter.holds_application(guid, origin))
            }
            Field::Context => Some(filter.holds(&Value::Text(context.to_string()))),
            _ => None,
        })
    }

    /// Whether it matches where only some comparisons are known: none when it depends on
    /// the others.
    pub(crate) fn decided(&self, known: &impl Fn(&Filter) -> Option<bool>) -> Option<bool> {
        let of = |parts: &[Self], decides: bool| {
            let mut whole = Some(!decides);
            for part in parts {
                match part.decided(known) {
                    Some(is) if is == decides => return Some(decides),
                    Some(_) => {}
                    None => whole = None,
                }
            }
            whole
        };
        match self {
            Self::Is(filter) => known(filter),
            Self::All(parts) => of(parts, false),
            Self::Any(parts) => of(parts, true),
            Self::Not(part) => part.decided(known).map(|is| !is),
        }
    }
}

impl From<Filter> for Expression {
    fn from(filter: Filter) -> Self {
        Self::Is(filter)
    }
}

impl Filter {
    /// A comparison with one value.
    pub fn new(field: Field, operator: Operator, value: Value) -> Self {
        Self { field, operator, values: vec![value] }
    }

    /// Whether a finding matches.
    pub fn matches(&self, finding: &Finding, origin: Origin<'_>) -> bool {
        if self.field == Field::Text {
            let held: Vec<_> = texts(finding).map(folded).collect();
            let mut wanted = self.values.iter().filter_map(Value::as_text).map(folded);
            let held: HashSet<_> = held.iter().flat_map(|text| words(text)).collect();
            return wanted.all(|text| words(&text).all(|word| held.contains(word)));
        }
        match self.field {
            Field::Application => self.holds_application(finding.application.as_str(), origin),
            Field::Id => self.holds_id(finding.id.as_str()),
            field => match field.value(finding, origin) {
                Some(actual) => self.holds(&actual),
                None => self.operator == Operator::Ne,
            },
        }
    }

    /// Whether an application is one that a comparison of `application`,
    /// `application_name` or `integration` asks for. An application is called by its guid
    /// or by its name, in whatever case.
    pub fn holds_application(&self, guid: &str, origin: Origin<'_>) -> bool {
        let text = |text: &str| Value::Text(text.to_owned());
        match self.field {
            Field::ApplicationName => return self.holds(&text(origin.application)),
            Field::Integration => return self.holds(&text(origin.integration)),
            _ => {}
        }
        let is_called = || {
            let name = folded(origin.application);
            self.values.iter().filter_map(Value::as_text).any(|given| folded(given) == name)
        };
        let is_guid = self.holds(&text(guid));
        match self.operator {
            Operator::Eq | Operator::In => is_guid || is_called(),
            Operator::Ne => is_guid && !is_called(),
            Operator::Like => is_guid || self.holds(&text(origin.application)),
            _ => is_guid,
        }
    }

    fn holds_id(&self, id: &str) -> bool {
        let is_named = || self.values.iter().filter_map(Value::as_text).any(|it| is_id(id, it));
        match self.operator {
            Operator::Eq | Operator::In => is_named(),
            Operator::Ne => !is_named(),
            _ => self.holds(&Value::Text(id.to_owned())),
        }
    }

    /// Whether a field that has this value matches.
    pub fn holds(&self, actual: &Value) -> bool {
        let given = &self.values;
        match self.operator {
            Operator::Eq | Operator::In => given.contains(actual),
            Operator::Ne => !given.contains(actual),
            Operator::Gt => given.iter().any(|given| actual > given),
            Operator::Gte => given.iter().any(|given| actual >= given),
            Operator::Lt => given.iter().any(|given| actual < given),
            Operator::Lte => given.iter().any(|given| actual <= given),
            Operator::Like => match (actual, given.first()) {
                (Value::Text(actual), Some(Value::Text(pattern))) => is_like(actual, pattern),
                _ => false,
            },
        }
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Digits of an id that are enough to name a finding by.
pub const SHORTEST_ID: usize = 4;

/// Whether these are the first digits of an id, or all of them.
fn is_id(id: &str, given: &str) -> bool {
    given.len() >= SHORTEST_ID && id.starts_with(given)
}

/// The texts of a finding whose words can be searched.
pub fn texts(finding: &Finding) -> impl Iterator<Item = &str> {
    let location = &finding.location;
    let component = finding.component.as_ref();
    let some = [
        Some(&finding.title),
        Some(&finding.description),
        location.file.as_ref(),
        location.module.as_ref(),
        location.procedure.as_ref(),
        location.url.as_ref(),
        component.and_then(|component| component.name.as_ref()),
        component.and_then(|component| component.version.as_ref()),
        finding.vulnerability.as_ref().map(|vulnerability| &vulnerability.name),
    ];
    let paths = component.into_iter().flat_map(|component| &component.paths);
    some.into_iter().flatten().chain(paths).map(String::as_str)
}

/// The words of a text that is [`folded`]: runs of letters and digits. Folding may take a
/// letter and its accent apart, so it comes first.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a text is like a pattern: without a `*` it has to contain it, with one the
/// whole text has to fit. Case does not matter.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (folded(text), folded(pattern));
    if !pattern.contains('*') {
        return text.contains(&*pattern);
    }
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = pieces.collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The text without case, as Unicode folds it: `STRASSE` and `Straße` are one, and so are
/// the three forms of a sigma.
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => folded.push(c.to_ascii_lowercase()),
            // Its capital is the one of another letter.
            '\u{131}' => folded.push(c),
            // Some letters have a capital of several, others a small one of another capital.
            c => folded
                .extend(c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)),
        }
    }
    Cow::Owned(folded)
}

/// The way to write it that is read back as the same: values that could be taken for
/// something else are quoted.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.field.name(), self.operator.name())?;
        for (at, value) in self.values.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}", written(self.field, value))?;
        }
        Ok(())
    }
}

/// With no parenthesis that is not needed: what was written within the bounds is read
/// again within them.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(filter) => filter.fmt(f),
            Self::All(parts) => {
                joined(f, parts, "and", |part| matches!(part, Self::All(_) | Self::Any(_)))
            }
            Self::Any(parts) => joined(f, parts, "or", |part| matches!(part, Self::Any(_))),
            Self::Not(part) => match **part {
                Self::Is(_) | Self::Not(_) => write!(f, "not {part}"),
                _ => write!(f, "not ({part})"),
            },
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    word: &str,
    is_apart: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            write!(f, " {word} ")?;
        }
        match is_apart(part) {
            true => write!(f, "({part})")?,
            false => write!(f, "{part}")?,
        }
    }
    Ok(())
}

fn written(field: Field, value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/@".contains(c);
            let is_plain = !text.is_empty() && text.chars().all(is_plain);
            if is_plain && values::is_known(field, text) {
                return text.as_str().into();
            }
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into()
        }
        Value::Integer(is) if field.type_() == Type::Truth => (*is != 0).to_string().into(),
        Value::Integer(ms) if field.type_() == Type::Time => rfc3339(*ms).into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Number(number) => number.to_string().into(),
    }
}
