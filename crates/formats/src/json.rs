//! JSON documents written piece by piece.

use std::io::{self, Write};

use countersign_text::json;
use serde_json::Value;

/// The value without the members that hold nothing, at any depth.
pub(crate) fn tidy(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, tidy(value)))
            .collect(),
        Value::Array(elements) => elements.into_iter().map(tidy).collect(),
        other => other,
    }
}

/// The elements; none when there are none.
pub(crate) fn some<T>(elements: Vec<T>) -> Option<Vec<T>> {
    (!elements.is_empty()).then_some(elements)
}

/// The elements of an array, one after the other, each on a line of its own.
#[derive(Default)]
pub(crate) struct Elements {
    count: usize,
}

impl Elements {
    /// Writes one, and what separates it from the one before.
    pub(crate) fn write(&mut self, out: &mut impl Write, element: &Value) -> io::Result<()> {
        out.write_all(if self.count == 0 { b"\n" } else { b",\n" })?;
        self.count += 1;
        json::to_writer(out, element)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// Writes members of an object, each behind a comma.
pub(crate) fn write_members(out: &mut impl Write, members: &Value) -> io::Result<()> {
    for (name, value) in members.as_object().into_iter().flatten() {
        out.write_all(b",\n")?;
        json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        json::to_writer(&mut *out, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_nothing_is_left_out_and_empty_lists_stay() {
        let value = json!({"a": null, "b": [{"c": null, "d": 1}], "e": [], "f": ""});
        assert_eq!(tidy(value), json!({"b": [{"d": 1}], "e": [], "f": ""}));
    }
}
