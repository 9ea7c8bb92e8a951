//! JSON as it was recorded: members in their order, numbers in their spelling. What was
//! imported is served as it came, but for what was scrubbed and what has changed since.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::marks::with_marks;

/// How deep values may be nested.
const MOST_DEPTH: usize = 64;

/// Members that the service writes and this program does not know. Where they say nothing
/// they are kept: what they could say is nobody's business.
const EMPTY_MEMBERS: [&str; 9] = [
    "alt_org_id",
    "custom_field_values",
    "email",
    "enterprise_id",
    "fallback_type",
    "full_type",
    "name",
    "organization_id",
    "vendor_rescan",
];

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    /// A text, a number, `true`, `false` or `null`, as it is written.
    Leaf(String),
}

impl Json {
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        Self::read(serde_json::from_str(text)?, MOST_DEPTH)
    }

    fn read(raw: &RawValue, depth: usize) -> serde_json::Result<Self> {
        let text = raw.get();
        let Some(depth) = depth.checked_sub(1) else {
            return Err(serde::de::Error::custom("values are nested too deeply"));
        };
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text)?;
                let read = |(name, raw)| Ok((name, Self::read(raw, depth)?));
                Self::Object(members.into_iter().map(read).collect::<serde_json::Result<_>>()?)
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                let read = |raw| Self::read(raw, depth);
                Self::Array(elements.into_iter().map(read).collect::<serde_json::Result<_>>()?)
            }
            _ => Self::Leaf(text.to_owned()),
        })
    }

    /// The member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(crate) fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// What a text says.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Leaf(raw) => serde_json::from_str(raw).ok(),
            _ => None,
        }
    }

    /// Without the members of these names.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|(name, _)| !names.contains(&name.as_str()));
        }
        self
    }

    /// The same with another value for a member that it has.
    pub(crate) fn with(mut self, name: &str, value: Self) -> Self {
        if let Self::Object(members) = &mut self
            && let Some(member) = members.iter_mut().find(|(own, _)| own == name)
        {
            member.1 = value;
        }
        self
    }

    fn says_nothing(&self) -> bool {
        match self {
            Self::Object(members) => members.is_empty(),
            Self::Array(elements) => elements.is_empty(),
            Self::Leaf(raw) => ["null", "false", "\"\""].contains(&raw.as_str()),
        }
    }

    /// The shape of what was recorded with the values of what may be told: members in the
    /// recorded order, values that are the same in the recorded spelling.
    pub(crate) fn shaped_as(self, recorded: &Self) -> Self {
        match (recorded, self) {
            (Self::Object(recorded), Self::Object(mut told)) => {
                let mut members = Vec::with_capacity(told.len());
                for (name, value) in recorded {
                    let at = told.iter().position(|(own, _)| own == name);
                    if let Some(at) = at {
                        members.push((name.clone(), told.remove(at).1.shaped_as(value)));
                    } else if value.says_nothing() && EMPTY_MEMBERS.contains(&name.as_str()) {
                        members.push((name.clone(), value.clone()));
                    }
                }
                // Those that were recorded under another name.
                members.extend(told.into_iter().filter(|(_, value)| !value.says_nothing()));
                Self::Object(members)
            }
            (Self::Array(recorded), Self::Array(told)) if recorded.len() == told.len() => {
                let pairs = told.into_iter().zip(recorded);
                Self::Array(pairs.map(|(told, recorded)| told.shaped_as(recorded)).collect())
            }
            (Self::Leaf(recorded), Self::Leaf(told)) => {
                Self::Leaf(if is_same(recorded, &told) { recorded.clone() } else { told })
            }
            (_, told) => told,
        }
    }

    /// What was recorded, with all that has changed since: `then` is what this program
    /// would have written at that time, `now` what it would write.
    pub(crate) fn brought_up(self, then: &Self, now: Self) -> Self {
        if *then == now {
            return self;
        }
        match (self, then, now) {
            (Self::Object(recorded), Self::Object(then), Self::Object(mut now)) => {
                let before = |name: &str| then.iter().find(|(own, _)| own == name);
                let mut members = Vec::with_capacity(recorded.len());
                for (name, value) in recorded {
                    let at = now.iter().position(|(own, _)| *own == name);
                    match (before(&name), at.map(|at| now.remove(at).1)) {
                        (Some((_, then)), Some(now)) => {
                            members.push((name, value.brought_up(then, now)));
                        }
                        (None, Some(now)) => members.push((name, now)),
                        (None, None) => members.push((name, value)),
                        // It is gone.
                        (Some(_), None) => {}
                    }
                }
                let is_other = |(name, value): &(String, Self)| {
                    before(name).is_none_or(|(_, then)| then != value)
                };
                members.extend(now.into_iter().filter(is_other));
                Self::Object(members)
            }
            (Self::Array(recorded), Self::Array(then), Self::Array(now))
                if recorded.len() == now.len() && then.len() == now.len() =>
            {
                let pairs = recorded.into_iter().zip(then).zip(now);
                Self::Array(pairs.map(|((own, then), now)| own.brought_up(then, now)).collect())
            }
            (_, _, now) => now,
        }
    }

    /// As it is kept: where links name the host stands a byte that JSON never holds.
    pub(crate) fn stored(&self) -> String {
        with_marks(&self.to_string())
    }

    /// What is kept, with the links of this host.
    pub(crate) fn of_stored(stored: &str, base: &str) -> serde_json::Result<Self> {
        Self::parse(&stored.replace('\u{1}', base))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(members) => {
                f.write_str("{")?;
                for (at, (name, value)) in members.iter().enumerate() {
                    let joint = if at == 0 { "" } else { "," };
                    write!(f, "{joint}{}:{value}", serde_json::Value::from(name.as_str()))?;
                }
                f.write_str("}")
            }
            Self::Array(elements) => {
                f.write_str("[")?;
                for (at, value) in elements.iter().enumerate() {
                    let joint = if at == 0 { "" } else { "," };
                    write!(f, "{joint}{value}")?;
                }
                f.write_str("]")
            }
            Self::Leaf(raw) => f.write_str(raw),
        }
    }
}

/// Whether two values say the same, however they are written: `10.0`, `10` and `"10"`.
fn is_same(a: &str, b: &str) -> bool {
    let plain = |raw: &str| match serde_json::from_str::<String>(raw) {
        Ok(text) => text,
        Err(_) => raw.to_owned(),
    };
    let (a, b) = (plain(a), plain(b));
    let is_number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    a.eq_ignore_ascii_case(&b) && (a == b || matches!(&*b, "true" | "false"))
        || is_number(&a).zip(is_number(&b)).is_some_and(|(a, b)| a.to_bits() == b.to_bits())
}

/// The members of an object in their order; of several of one name the last.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    match members.iter_mut().find(|(own, _)| *own == name) {
                        Some(member) => member.1 = value,
                        None => members.push((name, value)),
                    }
                }
                Ok(members)
            }
        }
        reader.deserialize_map(Reader).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn what_is_told_takes_the_recorded_shape() {
        for (recorded, told, shaped) in [
            (r#"{"b":10.0,"a":1}"#, r#"{"a":1,"b":10}"#, r#"{"b":10.0,"a":1}"#),
            (r#"{"a":1.5E-4}"#, r#"{"a":0.00015}"#, r#"{"a":1.5E-4}"#),
            (
                r#"{"port":443,"is":"TRUE"}"#,
                r#"{"port":"443","is":true}"#,
                r#"{"port":443,"is":"TRUE"}"#,
            ),
            (r#"{"a":"Jo","own":"Jo"}"#, r#"{"a":"person 1"}"#, r#"{"a":"person 1"}"#),
            (
                r#"{"name":null,"own":null,"email":"x"}"#,
                r#"{"email":"y"}"#,
                r#"{"name":null,"email":"y"}"#,
            ),
            (r#"{"old":"x"}"#, r#"{"new":"y","none":null}"#, r#"{"new":"y"}"#),
            (r#"["\u00e9",{}]"#, r#"["é",{}]"#, r#"["\u00e9",{}]"#),
        ] {
            assert_eq!(json(told).shaped_as(&json(recorded)).to_string(), shaped);
        }
    }

    #[test]
    fn what_changed_since_is_shown() {
        let recorded = r#"{"z":10.0,"a":{"y":1,"x":2},"only":[],"l":[1,2]}"#;
        let then = r#"{"a":{"x":2,"y":1,"w":null},"l":[1,2],"z":10,"never":null}"#;
        assert_eq!(json(recorded).brought_up(&json(then), json(then)), json(recorded));
        let now = r#"{"a":{"x":3,"y":1,"w":5},"l":[1,2,3],"never":null,"new":1}"#;
        let shown = json(recorded).brought_up(&json(then), json(now)).to_string();
        assert_eq!(shown, r#"{"a":{"y":1,"x":3,"w":5},"only":[],"l":[1,2,3],"new":1}"#);
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        for bad in ["", "{", "[1,]", "{\"a\":01}", &"[".repeat(100_000)] {
            assert!(Json::parse(bad).is_err());
        }
        assert!(Json::parse(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_err());
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
            any::<i64>().prop_map(|number| number.to_string()),
            prop::sample::select(&["null", "true", "10.0", "1E-5", "-0.10", "\"\\u0041\""][..])
                .prop_map(String::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let names = prop::collection::hash_set(any::<String>(), 0..6);
            let object =
                (names, prop::collection::vec(inner.clone(), 6)).prop_map(|(names, values)| {
                    let members = names.into_iter().zip(values);
                    let members = members
                        .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                });
            let array =
                prop::collection::vec(inner, 0..6).prop_map(|all| format!("[{}]", all.join(",")));
            prop_oneof![object, array]
        })
    }

    proptest! {
        /// Nothing of the spelling or the order is lost, and what did not change stays.
        #[test]
        fn it_is_written_as_it_was_read(text in any_json(), other in any_json()) {
            let read = json(&text);
            prop_assert_eq!(read.to_string(), text.as_str());
            prop_assert_eq!(read.clone().shaped_as(&read).to_string(), text.as_str());
            let then = json(&other);
            prop_assert_eq!(read.brought_up(&then, then.clone()).to_string(), text);
        }

        /// All that has changed is there.
        #[test]
        fn it_becomes_what_it_is_now(then in any_json(), now in any_json()) {
            let (then, now) = (json(&then), json(&now));
            let (a, b) = (then.clone().brought_up(&then, now.clone()), now);
            let plain = |json: &Json| serde_json::from_str::<serde_json::Value>(&json.to_string()).unwrap();
            prop_assert_eq!(plain(&a), plain(&b));
        }
    }
}
