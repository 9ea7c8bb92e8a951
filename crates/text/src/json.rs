//! JSON that may be looked at: what is odd in a text is an escape, so that a terminal
//! or a pager never gets it raw. Every reader reads the same values.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Result, Serializer};

use crate::is_odd;

/// The value on one line.
pub fn to_string(value: &(impl Serialize + ?Sized)) -> Result<String> {
    let mut bytes = Vec::new();
    to_writer(&mut bytes, value)?;
    // The serializer writes UTF-8, and escapes are ASCII.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes the value on one line.
pub fn to_writer(out: impl Write, value: &(impl Serialize + ?Sized)) -> Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Escaped))
}

/// JSON that was made elsewhere, escaped alike.
pub fn escaped(json: &str) -> String {
    let mut bytes = Vec::with_capacity(json.len());
    // A `Vec` takes every byte.
    let _ = write_escaped(&mut bytes, json);
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Escaped;

impl Formatter for Escaped {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(out, fragment)
    }

    fn write_raw_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(out, fragment)
    }
}

/// What is beyond ASCII is within a string, wherever in the document it is; controls
/// below it are escaped there already, and line breaks between members stay.
fn write_escaped<W: Write + ?Sized>(out: &mut W, json: &str) -> io::Result<()> {
    let is_escaped = |c: char| !matches!(c, '\0'..='\u{1f}') && is_odd(c);
    if json.bytes().all(|byte| byte < 0x7f) {
        return out.write_all(json.as_bytes());
    }
    let mut rest = json;
    while let Some(at) = rest.find(is_escaped) {
        let (plain, tail) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let odd = tail.chars().next().unwrap_or_default();
        for unit in odd.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = &tail[odd.len_utf8()..];
    }
    out.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    #[test]
    fn what_is_odd_is_an_escape() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}é\n";
        let json = r#""a\u001b\u007f\u009b\u202e\udb40\udc41é\n""#;
        assert_eq!(to_string(text).unwrap(), json);
        let raw = RawValue::from_string(format!("[\n\"{}\"]", "\u{202e}")).unwrap();
        assert_eq!(to_string(&raw).unwrap(), "[\n\"\\u202e\"]");
        assert_eq!(escaped("{\n  \"\u{200b}\": 1\n}"), "{\n  \"\\u200b\": 1\n}");
    }

    proptest! {
        #[test]
        fn every_value_stays_what_it_is(text in any::<String>(), name in any::<String>()) {
            let value = serde_json::json!({ &name: [&text, 1.5, null] });
            let json = to_string(&value).unwrap();
            prop_assert!(!json.contains(is_odd));
            prop_assert_eq!(escaped(&value.to_string()), json.as_str());
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        }
    }
}
