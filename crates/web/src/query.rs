//! Query strings and the fields of forms, bounded in number. Whoever reads them bounds
//! their size.

use form_urlencoded::parse;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// What stays as it is in the value of a link: besides letters and digits these few,
/// which no program reads in two ways.
const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b':');

/// The decoded pairs, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The first `most` pairs; whatever follows is not looked at.
    pub fn parse(raw: impl AsRef<[u8]>, most: usize) -> Self {
        let pairs = parse(raw.as_ref()).take(most);
        Self(pairs.map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Whether it is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(held, _)| held == name)
    }

    /// The first value that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut own = self.0.iter().filter(|(held, value)| held == name && !value.is_empty());
        own.next().map(|(_, value)| value.as_str())
    }

    /// The same; empty where there is none.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The same, for what nobody else is to see.
    pub fn secret(&self, name: &str) -> Zeroizing<String> {
        Zeroizing::new(self.text(name))
    }

    /// All values that are not empty.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let own = self.0.iter().filter(move |(held, value)| held == name && !value.is_empty());
        own.map(|(_, value)| value.as_str())
    }

    /// All values, repeated or separated by commas.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.0.iter().filter(move |(held, _)| held == name);
        let values = own.flat_map(|(_, value)| value.split(',')).map(str::trim);
        values.filter(|value| !value.is_empty())
    }

    /// Some clients encode values twice: what they mean, if this may be one.
    pub fn decoded_again(&self) -> Option<Self> {
        let again = self.0.iter().map(|(name, value)| (name.clone(), decode(value)));
        let again = Self(again.collect());
        (again != *self).then_some(again)
    }
}

/// A value as it stands in a query string: escapes, and `+` for a space.
fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// For the value of a link.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A path with these parameters; those that hold nothing are left out.
pub fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let held = parameters.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = held.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings() {
        let query = Query::parse("a=TRUE&b=&c=x%2540y&d=1,2&d=+3,&e=%zz&f=a+b&&g", 100);
        assert_eq!(query.get("a"), Some("TRUE"));
        assert_eq!((query.get("b"), query.get("g"), query.get("h")), (None, None, None));
        assert_eq!(query.list("d").collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!((query.get("e"), query.get("f")), (Some("%zz"), Some("a b")));
        assert_eq!(query.get("c"), Some("x%40y"));
        let again = query.decoded_again().expect("one may be encoded twice");
        assert_eq!(again.get("c"), Some("x@y"));
        assert_eq!(Query::parse("a=b&c=1", 100).decoded_again(), None);
        assert_eq!(Query::parse(b"a=\xff", 100).get("a"), Some("\u{fffd}"));
    }

    #[test]
    fn a_thousand_parameters_are_not_held() {
        assert_eq!(Query::parse("a=b&".repeat(1000), 64).0.len(), 64);
    }

    #[test]
    fn links_hold_what_there_is() {
        assert_eq!(link("/x", &[("a", ""), ("b", "")]), "/x");
        assert_eq!(link("/x", &[("a", "1 2"), ("b", ""), ("c", "d&e")]), "/x?a=1%202&c=d%26e");
    }

    proptest! {
        #[test]
        fn links_read_back(one in "\\PC{0,40}", two in "\\PC{1,40}") {
            let link = link("/x", &[("one", &one), ("two", &two)]);
            let query = Query::parse(link.split_once('?').expect("parameters").1, 10);
            prop_assert_eq!(query.get("one").unwrap_or_default(), one);
            prop_assert_eq!(query.get("two"), Some(two.as_str()));
        }

        #[test]
        fn what_is_encoded_decodes(text in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&text)), text);
        }
    }
}
