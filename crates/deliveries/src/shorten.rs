//! JSON that has to fit: what matters least goes first, in an order that is always the same,
//! and what went is named in what is left.

use countersign_text::json;
use serde_json::Value;

/// Bytes of a text that is kept when it is cut.
const TEXT: usize = 200;
/// Values of a list that are kept when it is cut.
const VALUES: usize = 10;
/// For the note about a text that was cut, and for its name in the list of those.
const SLACK: usize = 100;

/// One thing to leave out. Members are named by JSON pointers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// The end of a text, as much as has to go.
    Cut(&'static str),
    /// A member.
    Drop(&'static str),
    /// The ends of all texts and lists.
    Clip,
    /// All members of an object but these.
    Only(&'static str, &'static [&'static str]),
}

/// What goes, in which order, and how it is noted.
pub(crate) struct Plan {
    /// Bytes of the text.
    pub(crate) most: usize,
    /// The first is done first, and the last leaves little.
    pub(crate) steps: &'static [Step],
    /// Writes into the value what was left out.
    pub(crate) note: fn(&mut Value, &[String]),
}

/// The text of a value within a limit; fails if the last step still leaves too much.
pub(crate) fn shorten(value: &mut Value, plan: &Plan) -> Result<String, String> {
    let written = |value: &Value| json::to_string(value).map_err(|error| error.to_string());
    let mut text = written(value)?;
    let mut left_out = Vec::new();
    for step in plan.steps {
        if text.len() <= plan.most {
            break;
        }
        if let Some(name) = take(value, *step, text.len() - plan.most) {
            left_out.push(name);
            (plan.note)(value, &left_out);
            text = written(value)?;
        }
    }
    match text.len() <= plan.most {
        true => Ok(text),
        false => Err(format!("it does not fit into {} bytes", plan.most)),
    }
}

/// What was left out, if there was anything to leave out.
fn take(value: &mut Value, step: Step, over: usize) -> Option<String> {
    match step {
        Step::Cut(pointer) => {
            let Value::String(text) = value.pointer_mut(pointer)? else { return None };
            let width: usize = text.chars().map(width).sum();
            *text = clip(text, width.saturating_sub(over + SLACK).max(TEXT))?;
            Some(name(pointer))
        }
        Step::Drop(pointer) => {
            let (parent, member) = pointer.rsplit_once('/')?;
            match value.pointer_mut(parent)? {
                Value::Object(members) => members.remove(member)?,
                _ => return None,
            };
            Some(name(pointer))
        }
        Step::Clip => clip_all(value).then(|| "*".into()),
        Step::Only(pointer, kept) => {
            let members = value.pointer_mut(pointer)?.as_object_mut()?;
            members.retain(|member, _| kept.contains(&member.as_str()));
            Some("*".into())
        }
    }
}

fn name(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Whether anything was too long.
fn clip_all(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match clip(text, TEXT) {
            Some(shorter) => {
                *text = shorter;
                true
            }
            None => false,
        },
        Value::Array(values) => {
            let is_long = values.len() > VALUES;
            values.truncate(VALUES);
            values.iter_mut().map(clip_all).fold(is_long, |any, one| any | one)
        }
        Value::Object(members) => {
            members.values_mut().map(clip_all).fold(false, |any, one| any | one)
        }
        _ => false,
    }
}

/// The beginning of a text that is longer than so many bytes of JSON, with a note.
fn clip(text: &str, most: usize) -> Option<String> {
    let mut used = 0;
    let (end, _) = text.char_indices().find(|(_, c)| {
        used += width(*c);
        used > most
    })?;
    let (kept, rest) = text.split_at(end);
    let mut shorter = kept.to_owned();
    // A `String` takes every character.
    let _ = countersign_text::say_missing(&mut shorter, rest.chars().count());
    Some(shorter)
}

/// Bytes of a character in a text of JSON.
fn width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c if countersign_text::is_odd(c) => 6 * c.len_utf16(),
        c => c.len_utf8(),
    }
}
