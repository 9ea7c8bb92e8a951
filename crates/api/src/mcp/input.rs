//! What tools are called with. One table says what a tool accepts; its JSON schema and what
//! is refused are made from it.

use countersign_findings::filter::{FilterError, nearest};
use countersign_store::UnknownName;
use countersign_text::line;
use serde_json::{Map, Value, json};

use super::answer::Refused;

/// One input of a tool.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
    pub(super) is_needed: bool,
}

/// What an input holds.
pub(super) enum Kind {
    /// So many bytes at most.
    Text { most: usize },
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// A whole number within bounds.
    Number { least: u64, most: u64, usual: Option<u64> },
    /// Whether or not; not, if it is not given.
    Flag,
}

/// What a call was given, as its table says.
pub(super) struct Args(Map<String, Value>);

/// The schema of the inputs of a tool.
pub(super) fn schema(inputs: &[&Input]) -> Map<String, Value> {
    let property = |input: &&Input| {
        let mut property = match &input.kind {
            Kind::Text { most } => json!({ "type": "string", "maxLength": most }),
            Kind::Word(words) => json!({ "type": "string", "enum": words() }),
            Kind::Number { least, most, usual: None } => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Kind::Number { least, most, usual: Some(usual) } => json!({
                "type": "integer", "minimum": least, "maximum": most, "default": usual
            }),
            Kind::Flag => json!({ "type": "boolean", "default": false }),
        };
        property["description"] = input.about.into();
        (input.name.to_owned(), property)
    };
    let needed = inputs.iter().filter(|input| input.is_needed).map(|input| input.name);
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), inputs.iter().map(property).collect::<Map<_, _>>().into());
    schema.insert("required".into(), needed.collect::<Vec<_>>().into());
    schema.insert("additionalProperties".into(), false.into());
    schema
}

impl Args {
    /// Refuses what the table does not have; what is null was not given.
    pub(super) fn read(
        inputs: &[&Input],
        given: Option<Map<String, Value>>,
    ) -> Result<Self, Refused> {
        let mut given = given.unwrap_or_default();
        given.retain(|_, value| !value.is_null());
        for (name, value) in &given {
            let input = inputs.iter().find(|input| input.name == name);
            check(input.ok_or_else(|| unknown(name, inputs))?, value)?;
        }
        match inputs.iter().find(|input| input.is_needed && !given.contains_key(input.name)) {
            Some(input) => Err(Refused::new(
                format!("`{}` is missing", input.name),
                format!("give `{}`: {}", input.name, input.about),
            )),
            None => Ok(Self(given)),
        }
    }

    /// None where it was not given, or is blank.
    pub(super) fn text(&self, input: &Input) -> Option<&str> {
        let text = self.0.get(input.name).and_then(Value::as_str);
        text.filter(|text| !text.trim().is_empty())
    }

    /// The usual one where it was not given.
    pub(super) fn number(&self, input: &Input) -> Option<u64> {
        let usual = if let Kind::Number { usual, .. } = input.kind { usual } else { None };
        self.0.get(input.name).and_then(Value::as_u64).or(usual)
    }

    pub(super) fn flag(&self, input: &Input) -> bool {
        self.0.get(input.name).and_then(Value::as_bool).unwrap_or_default()
    }
}

fn check(input: &Input, value: &Value) -> Result<(), Refused> {
    let (is_fit, expected) = match &input.kind {
        Kind::Text { most } => (
            value.as_str().is_some_and(|text| text.len() <= *most),
            format!("a text of at most {most} bytes"),
        ),
        Kind::Word(words) => {
            let words = words();
            let is_known = value.as_str().is_some_and(|word| words.contains(&word));
            (is_known, format!("one of {}", words.join(", ")))
        }
        Kind::Number { least, most, .. } => (
            value.as_u64().is_some_and(|number| (*least..=*most).contains(&number)),
            format!("a whole number from {least} to {most}"),
        ),
        Kind::Flag => (value.is_boolean(), "true or false".to_owned()),
    };
    match is_fit {
        true => Ok(()),
        false => Err(Refused::new(
            format!("`{}` cannot be {}", input.name, line(&value.to_string()).at_most(100)),
            format!("give {expected}"),
        )),
    }
}

fn unknown(name: &str, inputs: &[&Input]) -> Refused {
    let names = inputs.iter().map(|input| input.name);
    let near = match nearest(name, names, 3).as_slice() {
        [] => "call it without inputs".to_owned(),
        some => format!("the nearest are {}", some.join(", ")),
    };
    Refused::new(format!("there is no input `{}`", line(name).at_most(100)), near)
}

/// A filter that cannot be read, with the place where it breaks off.
impl From<FilterError> for Refused {
    fn from(error: FilterError) -> Self {
        let text = error.to_string();
        let (cause, hint) = text.split_once("\nhint: ").unwrap_or((&text, "see `filter`"));
        Self::new(line(cause).to_string(), line(hint).to_string())
    }
}

/// A name that nothing within reach has. The nearest are names that a service gave.
impl From<UnknownName> for Refused {
    fn from(unknown: UnknownName) -> Self {
        let cause =
            format!("no {} is called `{}`", unknown.field.name(), line(&unknown.name).at_most(200));
        let hint = match unknown.nearest.is_empty() {
            true => "`list_applications` lists what is stored",
            false => "`nearest` has the names that are most like it; `list_applications` lists all",
        };
        Self::new(cause, hint).near(unknown.nearest)
    }
}
