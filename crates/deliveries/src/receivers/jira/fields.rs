//! What a project lets a new issue have.

use std::collections::BTreeMap;

use countersign_text::line;
use serde_json::Value;

/// The create screen of one type of issues.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) issue_type: String,
    fields: BTreeMap<String, Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    is_needed: bool,
    allowed: Vec<String>,
}

impl Screen {
    pub(super) fn new(issue_type: String, fields: &[Value]) -> Self {
        let field = |field: &Value| {
            let id = field["fieldId"].as_str().or(field["key"].as_str())?;
            let allowed = field["allowedValues"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names = allowed.iter().filter_map(|one| one["name"].as_str());
            let field = Field {
                name: field["name"].as_str().unwrap_or(id).to_owned(),
                is_needed: field["required"] == true && field["hasDefaultValue"] != true,
                allowed: names.map(str::to_owned).collect(),
            };
            Some((id.to_owned(), field))
        };
        Self { issue_type, fields: fields.iter().filter_map(field).collect() }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Whether a field takes a value; none where the field is not there. One that names no
    /// values takes any.
    pub(super) fn allows(&self, field: &str, value: &str) -> Option<bool> {
        let field = self.fields.get(field)?;
        Some(field.allowed.is_empty() || field.allowed.iter().any(|one| one == value))
    }

    /// Fields that a new issue needs and that these are not, with their names. Jira fills in
    /// the reporter itself, whatever it says of it.
    pub(super) fn missing(&self, set: &Value) -> Vec<String> {
        let is_missing = |(id, field): &(&String, &Field)| {
            field.is_needed && id.as_str() != "reporter" && set.get(id.as_str()).is_none()
        };
        let missing = self.fields.iter().filter(is_missing);
        missing.map(|(id, field)| format!("{} (`{}`)", line(&field.name), line(id))).collect()
    }
}
