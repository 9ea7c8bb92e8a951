//! Readers for members that real answers write in more than one form.

use serde::de::{self, Deserializer, Visitor};
use serde_json::Number;
use std::fmt;

/// A text, or a number taken as its text.
pub(crate) fn text<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<String>, D::Error> {
    reader.deserialize_any(Scalar).map(|value| match value {
        Value::Nothing => None,
        Value::Text(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
    })
}

/// A number, or a text that holds one.
pub(crate) fn number<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Number>, D::Error> {
    match reader.deserialize_any(Scalar)? {
        Value::Nothing => Ok(None),
        Value::Number(number) => Ok(Some(number)),
        Value::Text(text) if text.trim().is_empty() => Ok(None),
        Value::Text(text) => text
            .trim()
            .parse()
            .map(Some)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a number")),
        Value::Bool(bool) => Err(de::Error::invalid_type(de::Unexpected::Bool(bool), &"a number")),
    }
}

/// A whole number, or a text that holds one.
pub(crate) fn integer<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = number(reader)? else { return Ok(None) };
    match number.as_i64() {
        Some(integer) => Ok(Some(integer)),
        None => match number.as_f64() {
            // Exactly representable, so the cast loses nothing.
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Some(float as i64)),
            _ => Err(de::Error::custom(format_args!("`{number}` is not a whole number"))),
        },
    }
}

/// A truth value: `true`, `"TRUE"`, `"yes"`, `1`.
pub(crate) fn truth<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<bool>, D::Error> {
    let unknown =
        |text: &str| de::Error::invalid_value(de::Unexpected::Str(text), &"true or false");
    match reader.deserialize_any(Scalar)? {
        Value::Nothing => Ok(None),
        Value::Bool(bool) => Ok(Some(bool)),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            _ => Err(unknown(&number.to_string())),
        },
        Value::Text(text) => parse_truth(&text).map(Some).ok_or_else(|| unknown(&text)),
    }
}

/// The spellings of truth that clients send in queries and bodies.
pub(crate) fn parse_truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

enum Value {
    Nothing,
    Bool(bool),
    Number(Number),
    Text(String),
}

struct Scalar;

impl<'de> Visitor<'de> for Scalar {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }
}
