//! JSON Patch (RFC 6902) on the object of a noun: all operations or none.

use serde_json::Value;

use super::body::Object;
use crate::problem::Problem;

/// Operations in one patch.
const MOST: usize = 200;

#[derive(Debug, Clone, Copy)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Op {
    const ALL: [Self; 6] =
        [Self::Add, Self::Remove, Self::Replace, Self::Move, Self::Copy, Self::Test];

    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Test => "test",
        }
    }
}

/// What becomes of an object by a patch. Fails by the pointer of the operation that cannot
/// be done.
pub(super) fn apply(mut object: Value, patch: Value) -> Result<Value, Problem> {
    let Value::Array(steps) = patch else {
        return Err(Problem::body("", "a list of operations of JSON Patch is needed"));
    };
    if steps.len() > MOST {
        return Err(Problem::body("", format!("these are more than {MOST} operations")));
    }
    for (at, step) in steps.into_iter().enumerate() {
        apply_one(&mut object, Object::of(step, &format!("/{at}"))?)?;
    }
    Ok(object)
}

fn apply_one(object: &mut Value, mut step: Object) -> Result<(), Problem> {
    let op =
        step.word("op", &Op::ALL, Op::as_str)?.ok_or_else(|| step.wrong("op", "this is needed"))?;
    let path = step.required("path")?;
    let from = step.text("from")?;
    if step.has("value") != matches!(op, Op::Add | Op::Replace | Op::Test) {
        return Err(step.wrong("value", "`add`, `replace` and `test` need this, and no other"));
    }
    let value = step.take("value").unwrap_or(Value::Null);
    let from = |step: &Object| from.clone().ok_or_else(|| step.wrong("from", "this is needed"));
    let done = match op {
        Op::Add => add(object, &path, value),
        Op::Remove => remove(object, &path).map(drop),
        Op::Replace => remove(object, &path).and_then(|_| add(object, &path, value)),
        Op::Copy => {
            object.pointer(&from(&step)?).cloned().and_then(|value| add(object, &path, value))
        }
        Op::Move => {
            let from = from(&step)?;
            // What is moved into itself would be nowhere.
            let is_inside = path.strip_prefix(&from).is_some_and(|rest| rest.starts_with('/'));
            let moved = if is_inside { None } else { remove(object, &from) };
            moved.and_then(|value| add(object, &path, value))
        }
        Op::Test => object.pointer(&path).filter(|held| **held == value).map(drop),
    };
    done.ok_or_else(|| match op {
        Op::Test => step.wrong("value", "this is not what is there"),
        _ => step.wrong("path", "this cannot be done there").with_value(&path),
    })
}

/// The place that a pointer leads to: what it is in, and its last part.
fn parent<'o>(object: &'o mut Value, path: &str) -> Option<(&'o mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((object.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    match parent(object, path)? {
        (Value::Object(members), name) => {
            members.insert(name, value);
        }
        (Value::Array(values), name) => {
            let at = if name == "-" { values.len() } else { index(&name)? };
            (at <= values.len()).then(|| values.insert(at, value))?;
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(object.take());
    }
    match parent(object, path)? {
        (Value::Object(members), name) => members.remove(&name),
        (Value::Array(values), name) => {
            let at = index(&name)?;
            (at < values.len()).then(|| values.remove(at))
        }
        _ => None,
    }
}

/// Digits without a zero before them.
fn index(name: &str) -> Option<usize> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit());
    (is_plain && (name == "0" || !name.starts_with('0'))).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused_by_its_pointer() {
        let object = json!({"a": {"b": 1}, "c": [1, 2]});
        for (patch, pointer) in [
            (json!({}), ""),
            (json!([1]), "/0"),
            (json!([{"op": "put", "path": "/a"}]), "/0/op"),
            (json!([{"op": "add", "path": "/a"}]), "/0/value"),
            (json!([{"op": "remove", "path": "/a", "value": 1}]), "/0/value"),
            (json!([{"op": "remove", "path": "/x"}]), "/0/path"),
            (json!([{"op": "replace", "path": "/x", "value": 1}]), "/0/path"),
            (json!([{"op": "add", "path": "/c/3", "value": 1}]), "/0/path"),
            (json!([{"op": "add", "path": "/c/01", "value": 1}]), "/0/path"),
            (json!([{"op": "copy", "path": "/x"}]), "/0/from"),
            (json!([{"op": "move", "path": "/a/b/c", "from": "/a"}]), "/0/path"),
            (
                json!([{"op": "test", "path": "/a/b", "value": 1}, {"op": "test", "path": "/a/b", "value": 2}]),
                "/1/value",
            ),
        ] {
            let refused = apply(object.clone(), patch.clone()).map_err(|one| one.object("", 0));
            let refused = refused.expect_err(&patch.to_string());
            assert_eq!(refused["context"]["parameter"]["id"], pointer, "{patch}");
        }
    }

    #[test]
    fn each_operation_does_what_the_rfc_says() {
        let object = json!({"a": {"b": 1}, "c": [1, 2], "x/y~": 0});
        for (patch, expected) in [
            (
                json!([{"op": "add", "path": "/c/1", "value": 9}]),
                json!({"a": {"b": 1}, "c": [1, 9, 2], "x/y~": 0}),
            ),
            (
                json!([{"op": "add", "path": "/c/-", "value": null}]),
                json!({"a": {"b": 1}, "c": [1, 2, null], "x/y~": 0}),
            ),
            (
                json!([{"op": "replace", "path": "/a/b", "value": 2}]),
                json!({"a": {"b": 2}, "c": [1, 2], "x/y~": 0}),
            ),
            (json!([{"op": "remove", "path": "/x~1y~0"}]), json!({"a": {"b": 1}, "c": [1, 2]})),
            (
                json!([{"op": "move", "path": "/d", "from": "/c/0"}]),
                json!({"a": {"b": 1}, "c": [2], "d": 1, "x/y~": 0}),
            ),
            (
                json!([{"op": "copy", "path": "/a/d", "from": "/c"}]),
                json!({"a": {"b": 1, "d": [1, 2]}, "c": [1, 2], "x/y~": 0}),
            ),
            (json!([{"op": "replace", "path": "", "value": {}}]), json!({})),
        ] {
            assert_eq!(apply(object.clone(), patch.clone()), Ok(expected), "{patch}");
        }
    }
}
