//! Reads what can be read: a member that is not what it should be is left out and named,
//! and the rest is kept.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Error, Map, Value};
use serde_path_to_error::{Path, Segment};

/// Members that may be left out below one member; after them it goes as a whole.
const MOST_BELOW: usize = 16;
/// Characters of a reason, which repeats what was sent.
const MOST_REASON: usize = 160;

/// A member that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its path, such as `finding_details.file_line_number` or `annotations[2].comment`;
    /// empty where the record as a whole is odd and nothing had to be left out.
    pub member: String,
    /// Why it cannot be read; may repeat what was sent, cut short.
    pub reason: String,
}

impl Dropped {
    pub(crate) fn new(member: String, reason: &impl ToString) -> Self {
        Self { member, reason: reason.to_string().chars().take(MOST_REASON).collect() }
    }
}

/// Reads `value`, which stands at `place`, without the members that cannot be read. Fails
/// where one of `needed` cannot, or what it stands in.
pub(crate) fn read<T: DeserializeOwned>(
    value: &mut Value,
    place: &str,
    needed: &[&str],
    dropped: &mut Vec<Dropped>,
) -> Result<T, Error> {
    let mut below: HashMap<String, usize> = HashMap::new();
    loop {
        let error = match serde_path_to_error::deserialize(&*value) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        let mut path = segments(error.path());
        let Some(first) = path.first().map(ToString::to_string) else {
            return member_by_member(value, place, needed, dropped, error.into_inner());
        };
        let count = below.entry(first).or_default();
        *count += 1;
        if *count > MOST_BELOW {
            path.truncate(1);
        }
        let name = named(&path);
        let is_needed = needed.iter().any(|needed| is_at_or_below(needed, &name));
        if is_needed || !remove(value, &path) {
            return Err(error.into_inner());
        }
        dropped.push(Dropped::new(below_place(place, &name), error.inner()));
    }
}

/// Where no member is to blame: one after the other is added to those that are needed,
/// and stays if that can be read.
fn member_by_member<T: DeserializeOwned>(
    value: &mut Value,
    place: &str,
    needed: &[&str],
    dropped: &mut Vec<Dropped>,
    error: Error,
) -> Result<T, Error> {
    let Value::Object(members) = std::mem::take(value) else { return Err(error) };
    let is_needed = |name: &str| needed.iter().any(|needed| is_at_or_below(needed, name));
    let (kept, others): (Map<_, _>, Map<_, _>) =
        members.into_iter().partition(|(name, _)| is_needed(name));
    *value = Value::Object(kept);
    let mut read = T::deserialize(&*value).map_err(|_| error)?;
    for (name, other) in others {
        value[&name] = other;
        match T::deserialize(&*value) {
            Ok(more) => read = more,
            Err(error) => {
                dropped.push(Dropped::new(below_place(place, &name), &error));
                if let Value::Object(members) = value {
                    members.remove(&name);
                }
            }
        }
    }
    Ok(read)
}

enum Step {
    Member(String),
    Element(usize),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(name) => f.write_str(name),
            Self::Element(at) => write!(f, "[{at}]"),
        }
    }
}

/// As far as it can be followed.
fn segments(path: &Path) -> Vec<Step> {
    let steps = path.iter().map_while(|segment| match segment {
        Segment::Map { key } => Some(Step::Member(key.clone())),
        Segment::Seq { index } => Some(Step::Element(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    steps.collect()
}

fn named(path: &[Step]) -> String {
    let mut name = String::new();
    for step in path {
        if matches!(step, Step::Member(_)) && !name.is_empty() {
            name.push('.');
        }
        name.push_str(&step.to_string());
    }
    name
}

fn below_place(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// Whether `path` is `place`, or lies in it.
fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((last, way)) = path.split_last() else { return false };
    let mut place = value;
    for step in way {
        let next = match step {
            Step::Member(name) => place.get_mut(name),
            Step::Element(at) => place.get_mut(*at),
        };
        let Some(next) = next else { return false };
        place = next;
    }
    match (last, place) {
        (Step::Member(name), Value::Object(members)) => members.remove(name).is_some(),
        // Those behind it would be called by other numbers.
        (Step::Element(at), Value::Array(elements)) if *at < elements.len() => {
            elements.remove(*at);
            true
        }
        _ => false,
    }
}
