//! JSON that may be looked at: what is odd in a text is an escape, so that a terminal
//! or a pager never gets it raw. Every reader reads the same values.

mod writer;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Result;

use self::writer::{Writer, again};

/// The value on one line.
pub fn to_string(value: &(impl Serialize + ?Sized)) -> Result<String> {
    let mut bytes = Vec::new();
    append(&mut bytes, value)?;
    // What was written is UTF-8, and escapes are ASCII.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes the value on one line, in one piece.
pub fn to_writer(mut out: impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut bytes = Vec::new();
    append(&mut bytes, value)?;
    out.write_all(&bytes)
}

/// Appends the value on one line.
pub fn append(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<()> {
    value.serialize(&mut Writer::new(out))
}

/// JSON that was made elsewhere, escaped alike.
pub fn escaped(json: &str) -> String {
    let mut bytes = Vec::with_capacity(json.len());
    again(&mut bytes, json);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::is_odd;
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

    /// A value of every form that serde has.
    #[derive(Serialize, Default)]
    struct Every<'a> {
        nothing: (),
        unit: Unit,
        truth: (bool, Option<bool>, Option<bool>),
        whole: (i8, i16, i32, i64, i128, u8, u16, u32, u64, u128),
        float: (f32, f64, f32, f64),
        text: (&'a str, char, Text<'a>),
        list: Vec<Variant<'a>>,
        bytes: Bytes,
        none: [u8; 0],
        members: BTreeMap<String, Vec<Option<f64>>>,
        numbered: BTreeMap<i64, BTreeMap<bool, Variant<'a>>>,
        raw: Vec<&'a RawValue>,
    }

    #[derive(Serialize, Default)]
    struct Unit;

    #[derive(Serialize, Default)]
    struct Text<'a>(&'a str);

    #[derive(Default)]
    struct Bytes(Vec<u8>);

    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(
            &self,
            writer: S,
        ) -> std::result::Result<S::Ok, S::Error> {
            writer.serialize_bytes(&self.0)
        }
    }

    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
    enum Variant<'a> {
        Unit,
        Text(&'a str),
        Two(&'a str, i64),
        Members { text: &'a str, number: Option<u64> },
    }

    /// What `serde_json` writes, with the odd characters beyond ASCII as escapes.
    fn expected(value: &impl Serialize) -> String {
        let plain = serde_json::to_string(value).unwrap();
        let is_odd = |c: char| !c.is_ascii_control() && is_odd(c) || c == '\u{7f}';
        let mut json = String::new();
        for c in plain.chars() {
            match is_odd(c) {
                true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                    json += &format!("\\u{unit:04x}");
                }),
                false => json.push(c),
            }
        }
        json
    }

    #[test]
    fn a_name_is_a_text() {
        let named_by = |key| to_string(&BTreeMap::from([(key, 1)]));
        assert!(named_by(None::<u8>).is_err());
        assert!(to_string(&BTreeMap::from([(vec![1], 1)])).is_err());
        assert_eq!(to_string(&BTreeMap::from([(-1, 1), (7, 2)])).unwrap(), r#"{"-1":1,"7":2}"#);
    }

    proptest! {
        #[test]
        fn values_are_written_as_serde_json_writes_them(
            text in any::<String>(),
            plain in "[ -~\n]{0,80}",
            whole in any::<(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128)>(),
            float in any::<(f32, f64, f32, f64)>(),
            members in prop::collection::btree_map(any::<String>(), any::<Vec<Option<f64>>>(), 0..4),
            bytes in any::<Vec<u8>>(),
        ) {
            let (text, plain, number) = (text.as_str(), plain.as_str(), Some(whole.8));
            let variants = [
                Variant::Unit,
                Variant::Text(text),
                Variant::Two(plain, whole.3),
                Variant::Members { text: plain, number },
            ];
            let raw = RawValue::from_string(serde_json::to_string(&[text, plain]).unwrap()).unwrap();
            let value = Every {
                truth: (true, Some(false), None),
                whole,
                float,
                text: (text, plain.chars().next().unwrap_or('\u{202e}'), Text(plain)),
                list: variants.to_vec(),
                bytes: Bytes(bytes),
                members,
                numbered: BTreeMap::from([(whole.3, variants.map(|one| (true, one)).into())]),
                raw: vec![&raw, &raw],
                ..Every::default()
            };
            prop_assert_eq!(to_string(&value).unwrap(), expected(&value));
        }

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
