//! Query strings and bodies of forms: bounded in number and size.

/// Pairs that are looked at; whatever follows is not.
const MAX_PAIRS: usize = 64;

/// The decoded pairs, in order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(raw: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes());
        let pairs = pairs.take(MAX_PAIRS).map(|(name, value)| (name.into(), value.into()));
        Self(pairs.collect())
    }

    /// The first value that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut own = self.0.iter().filter(|(n, value)| n == name && !value.is_empty());
        own.next().map(|(_, value)| value.as_str())
    }

    /// All values that are not empty.
    pub(super) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let own = self.0.iter().filter(move |(n, value)| n == name && !value.is_empty());
        own.map(|(_, value)| value.as_str())
    }
}

/// A path with these parameters; those that hold nothing are left out.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let held: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).collect();
    if held.is_empty() {
        return path.to_owned();
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(held.iter().map(|(name, value)| (name, value)));
    format!("{path}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_read_back() {
        let filter = "title[like]a&b=c d+\u{202e}";
        let link = link("/findings", &[("filter", filter), ("after", "")]);
        let query = Query::parse(link.split_once('?').map(|(_, query)| query));
        assert_eq!((query.get("filter"), query.get("after")), (Some(filter), None));
    }

    #[test]
    fn a_thousand_parameters_are_not_held() {
        let raw = "a=b&".repeat(1000);
        assert_eq!(Query::parse(Some(&raw)).0.len(), MAX_PAIRS);
    }
}
