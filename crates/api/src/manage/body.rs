//! The body of a request: JSON, read member by member. What is not known is refused by its
//! JSON Pointer, so that nothing is silently left out.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::problem::Problem;

/// Characters of a name for machines, and of one for people.
pub(super) const NAME_CHARS: usize = 64;
pub(super) const FULLNAME_CHARS: usize = 200;

/// A body; null for an empty one, whatever its type is said to be.
pub(crate) struct Body(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request.headers().get(CONTENT_TYPE).is_none_or(|value| {
            let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
            let of = value.split(';').next().unwrap_or_default().trim();
            of == "application/json" || of.starts_with("application/") && of.ends_with("+json")
        });
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| {
            match refused.status().as_u16() {
                413 => Problem::too_large(crate::around::MOST_BODY_BYTES),
                _ => Problem::bad_request("the body cannot be read"),
            }
        })?;
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        if !is_json {
            return Err(Problem::unsupported_media_type());
        }
        let read = serde_json::from_slice(&bytes);
        // It may have had a secret in it.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        // Where it is wrong, and not what is there.
        let wrong = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            let message = format!("the body is not JSON: line {line}, column {column}");
            Problem::body("", message)
        };
        Ok(Self(read.map_err(wrong)?))
    }
}

/// An object whose members are taken one by one.
pub(super) struct Object {
    members: Map<String, Value>,
    at: String,
}

impl Object {
    /// The object at this pointer.
    pub(super) fn of(value: Value, at: &str) -> Result<Self, Problem> {
        match value {
            Value::Object(members) => Ok(Self { members, at: at.to_owned() }),
            _ => Err(Problem::body(at, "an object is needed")),
        }
    }

    /// The same; an empty one for nothing.
    pub(super) fn of_any(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Null => Ok(Self { members: Map::new(), at: String::new() }),
            value => Self::of(value, ""),
        }
    }

    /// The pointer of a member.
    pub(super) fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }

    /// That a member cannot be right.
    pub(super) fn wrong(&self, name: &str, message: impl Into<String>) -> Problem {
        Problem::body(&self.pointer(name), message)
    }

    /// Takes a member; null is like none.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Whether there is such a member, which stays.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text is needed")),
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "this is needed"))
    }

    /// A text that is wiped when it is no longer needed.
    pub(super) fn secret(&mut self, name: &str) -> Result<Zeroizing<String>, Problem> {
        Ok(Zeroizing::new(self.required(name)?))
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let texts = match value {
            Value::Array(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        texts.map(Some).ok_or_else(|| self.wrong(name, "a list of texts is needed"))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        let at = self.pointer(name);
        self.take(name).map(|value| Self::of(value, &at)).transpose()
    }

    /// A text that is one of a closed set.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &str,
        all: &[T],
        text: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(given) = self.text(name)? else { return Ok(None) };
        let known = all.iter().copied().find(|one| text(*one) == given);
        let names = || all.iter().map(|one| format!("`{}`", text(*one))).collect::<Vec<_>>();
        known.map(Some).ok_or_else(|| {
            self.wrong(name, format!("this is one of {}", names().join(", "))).with_value(&given)
        })
    }

    /// The name for machines and that for people: each from the other, both from `id`.
    pub(super) fn names(&mut self, id: &str) -> Result<(String, String), Problem> {
        let name = self.text("name")?.filter(|name| !name.is_empty());
        let fullname = self.text("fullname")?.filter(|name| !name.is_empty());
        if fullname.as_ref().is_some_and(|name| name.chars().count() > FULLNAME_CHARS) {
            let message = format!("this has more than {FULLNAME_CHARS} characters");
            return Err(self.wrong("fullname", message));
        }
        let name = match (name, &fullname) {
            (Some(name), _) => name.to_ascii_lowercase(),
            (None, Some(fullname)) => slug(fullname).unwrap_or_else(|| id.to_owned()),
            (None, None) => id.to_owned(),
        };
        if !is_name(&name) {
            let message = format!("a name has up to {NAME_CHARS} of `a-z`, `0-9`, `_` and `-`");
            return Err(self.wrong("name", message).with_value(&name));
        }
        let fullname = fullname.unwrap_or_else(|| name.clone());
        Ok((name, fullname))
    }

    /// Leaves these out: what a whole object has that cannot be chosen.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.members.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// What of a whole object cannot be changed has to be as it was, where it is given.
    pub(super) fn keep(&mut self, held: &Value, names: &[&str]) -> Result<(), Problem> {
        for name in names {
            if self.take(name).is_some_and(|given| given != held[name]) {
                return Err(self.wrong(name, "this cannot be changed"));
            }
        }
        Ok(())
    }

    /// Refuses what is left, but for what says nothing.
    pub(super) fn end(self) -> Result<(), Problem> {
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        match self.members.iter().find(|(_, value)| !is_empty(value)) {
            Some((name, _)) => Err(self.wrong(name, "this member is not supported")),
            None => Ok(()),
        }
    }
}

/// Whether this can be a name for machines: up to 64 of `a-z`, `0-9`, `_` and `-`.
pub fn is_name(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_plain)
}

/// A name for machines out of one for people; none if nothing of it is left.
fn slug(fullname: &str) -> Option<String> {
    let mut slug = String::new();
    for character in fullname.chars() {
        match character.to_ascii_lowercase() {
            plain @ ('a'..='z' | '0'..='9' | '_') => slug.push(plain),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(NAME_CHARS);
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_made_from_the_other_one_and_both_from_the_id() {
        for (body, name, fullname) in [
            (json!({}), "id-1", "id-1"),
            (json!({"name": "Prod_1"}), "prod_1", "prod_1"),
            (json!({"fullname": "  Größe: Prod (1) "}), "gr-e-prod-1", "  Größe: Prod (1) "),
            (json!({"fullname": "\u{4e16}"}), "id-1", "\u{4e16}"),
            (json!({"name": "a", "fullname": "B"}), "a", "B"),
        ] {
            let names = Object::of(body.clone(), "").and_then(|mut object| object.names("id-1"));
            assert_eq!(names, Ok((name.to_owned(), fullname.to_owned())), "{body}");
        }
        for name in ["a b", "a/b", "\u{e9}", &"a".repeat(65)] {
            let names = Object::of(json!({"name": name}), "").and_then(|mut one| one.names("id"));
            assert!(names.is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_left_is_refused_by_its_pointer_unless_it_says_nothing() {
        let of = |value| Object::of(value, "/a").and_then(Object::end);
        assert_eq!(of(json!({"b": null, "c": [], "d": {}})), Ok(()));
        let refused = of(json!({"x/y": 1})).map_err(|problem| problem.object("", 0));
        assert_eq!(refused.unwrap_err()["context"]["parameter"]["id"], "/a/x~1y");
    }
}
