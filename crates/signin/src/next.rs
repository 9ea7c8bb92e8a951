//! Where somebody wanted to go before signing in: a path of the same site, and nothing that a
//! browser could read as another one.

/// Of an address that is carried through sign-in.
const MAX_BYTES: usize = 2_000;
/// How often an escape is looked through.
const MAX_LAYERS: usize = 4;

/// A path of ours, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath(String);

impl OwnPath {
    /// The path, if it is one: it begins with a single slash, no part of it is a way up or
    /// empty, and neither it nor what its escapes stand for holds a backslash in the path or
    /// a character that cannot be seen.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() <= MAX_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_plain || text.contains(['#', '\\', '"', '<', '>']) {
            return None;
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let is_own = layers(path)?.iter().all(|path| is_path(path))
            && layers(query)?.iter().all(|query| !query.contains(char::is_control));
        is_own.then(|| Self(text.to_owned()))
    }

    /// As an address of the site.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text and what it means when its escapes are read, once and again; none where that has
/// no end, or is no text.
fn layers(text: &str) -> Option<Vec<String>> {
    let mut layers = vec![text.to_owned()];
    for _ in 0..MAX_LAYERS {
        let last = layers.last()?;
        let read = unescaped(last)?;
        if read == *last {
            return Some(layers);
        }
        layers.push(read);
    }
    None
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, length) = escape.map_or((*first, 1), |(high, low)| (high * 16 + low, 3));
        bytes.push(byte);
        rest = &rest[length..];
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let is_last = |at: usize| at == rest.split('/').count() - 1;
    let is_part = |(at, part): (usize, &str)| match part {
        "" => is_last(at),
        "." | ".." => false,
        part => !part.contains(|c: char| c == '\\' || c.is_control()),
    };
    rest.split('/').enumerate().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    #[test]
    fn another_site_is_never_next() {
        for bad in [
            "",
            "findings",
            "//evil.example.com",
            "///evil.example.com",
            "/\\evil.example.com",
            "\\\\evil.example.com",
            "\\/evil.example.com",
            "https://evil.example.com/",
            "https:evil.example.com",
            "javascript:alert(1)",
            "/%2Fevil.example.com",
            "/%2fevil.example.com",
            "/%252Fevil.example.com",
            "/%25252Fevil.example.com",
            "/%5Cevil.example.com",
            "/%5cevil.example.com",
            "/%255Cevil.example.com",
            "%2F%2Fevil.example.com",
            "/..//evil.example.com",
            "/.//evil.example.com",
            "/%2e%2e//evil.example.com",
            "/a//b",
            "/a/../../b",
            "/a\r\nlocation: https://evil.example.com",
            "/a%0d%0alocation:%20x",
            "/a?b=%0D%0Ax",
            "/a?b=%250ax",
            "/\tevil",
            "/%09/evil.example.com",
            "/%00",
            "/%ff",
            " /findings",
            "/findings ",
            "/find\u{fc}gen",
            "/findings#x",
            "/\u{ff0f}evil.example.com",
        ] {
            assert_eq!(OwnPath::parse(bad), None, "{bad:?}");
        }
        assert_eq!(OwnPath::parse(&format!("/{}", "a".repeat(MAX_BYTES))), None);
    }

    #[test]
    fn addresses_of_our_pages_are_kept() {
        for good in [
            "/",
            "/findings",
            "/findings?filter=severity%5Bgte%5D4%20and%20url%5Blike%5Dhttps%3A%2F%2Fa%2F&page=2",
            "/applications/a%20b/7c1b0a52-0000-4000-8000-000000000001",
            "/findings?filter=file%5Beq%5DC:%5Csrc",
            "/findings?filter=title%5Blike%5D100%25",
            "/a/",
        ] {
            assert_eq!(OwnPath::parse(good).unwrap().as_str(), good);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_kept_stays_on_the_site(
            text in "(/|\\\\|%2[fF]|%5[cC]|%25|%0[aAdD]|\\.|\\?|&|=|:|@|#|//|https:|evil\\.example\\.com|[a-z ]|\t|\n|\r){0,12}",
        ) {
            let own = Url::parse("https://own.example.com/sign-in").unwrap();
            if let Some(path) = OwnPath::parse(&text) {
                for given in [path.as_str().to_owned(), unescaped(path.as_str()).unwrap()] {
                    let reached = own.join(&given).unwrap();
                    prop_assert_eq!(reached.origin(), own.origin(), "{}", text);
                    prop_assert!(!reached.path().starts_with("//"), "{}", text);
                }
                prop_assert!(!path.as_str().contains(char::is_control));
            }
        }

        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            if let Some(path) = OwnPath::parse(&text) {
                prop_assert!(path.as_str().starts_with('/') && !path.as_str().starts_with("//"));
            }
        }
    }
}
