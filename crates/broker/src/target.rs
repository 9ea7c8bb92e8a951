//! The target of a request, judged as it will be signed and sent.
//!
//! Whoever reads a path behind us may resolve, decode or fold what is written in it,
//! so what has two readings is refused. What is let through is what is sent.

use hyper::Uri;

use super::refusal::Refusal;

const MAX_BYTES: usize = 8 * 1024;

/// Path and query that are safe to judge and to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    path_bytes: usize,
}

impl Target {
    pub(crate) fn parse(uri: &Uri) -> Result<Self, Refusal> {
        let Some(target) = uri.path_and_query() else {
            return Err(Refusal::bad_target("it is not a path"));
        };
        let (path, query) = (target.path(), target.query());
        if target.as_str().len() > MAX_BYTES {
            return Err(Refusal::target_too_long(MAX_BYTES));
        }
        check_path(path).map_err(Refusal::bad_target)?;
        let text = match query {
            Some(query) => {
                check_query(query).map_err(Refusal::bad_target)?;
                // As the client writes them: the service refuses a `+`, and an
                // apostrophe is escaped on the way.
                format!("{path}?{}", query.replace('+', "%20").replace('\'', "%27"))
            }
            None => path.to_owned(),
        };
        Ok(Self { text, path_bytes: path.len() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn path(&self) -> &str {
        &self.text[..self.path_bytes]
    }
}

/// Whether a path has one reading; fails with what is wrong.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    if path.contains("//") {
        return Err("it has an empty segment".into());
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("it has a segment `.` or `..`".into());
    }
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || byte == b'/' || b"-._~!$&'()*+,=:@".contains(&byte)
    };
    // A server may cut a `;` and what follows off a segment, and decode twice.
    let is_risky = |decoded: u8| {
        decoded.is_ascii_control()
            || decoded.is_ascii_alphanumeric()
            || b"-._~/\\;%".contains(&decoded)
    };
    each(path, is_plain, is_risky)
}

/// A query is data: it may hold any escape but that of a zero byte.
fn check_query(query: &str) -> Result<(), String> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?[]".contains(&byte);
    each(query, is_plain, |decoded| decoded == 0)
}

fn each(
    text: &str,
    is_plain: impl Fn(u8) -> bool,
    is_risky: impl Fn(u8) -> bool,
) -> Result<(), String> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err("a `%` is not followed by two hex digits".into());
            };
            let decoded = (high * 16 + low) as u8;
            if is_risky(decoded) {
                return Err(format!("the escape `%{decoded:02X}` is not taken in it"));
            }
        } else if !is_plain(byte) {
            let byte = byte.escape_ascii();
            return Err(format!("it has the character `{byte}`, unescaped"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_two_readings_are_refused() {
        for path in [
            "",
            "x",
            "*",
            "//",
            "//evil/x",
            "/a//b",
            "/a/.",
            "/a/..",
            "/../a",
            "/a/./b",
            "/a/%2e",
            "/a/%2E%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0a",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a;b",
            "/a%3bb",
            "/a%252e",
            "/%61",
            "/%7E",
            "/a b",
            "/a\tb",
            "/\u{e4}",
            "/a#b",
            "/a\"",
            "/a<",
            "/a|b",
            "/a^b",
            "/a`b",
            "/a{b}",
            "/a[b]",
            "/..;/a",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
        for path in
            ["/", "/a/", "/a/b.c", "/a/..b", "/a/...", "/x%20y", "/%C3%A4", "/a:b@c!$&'()*+,="]
        {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_query_is_written_as_it_is_sent() {
        let parse = |text: &str| Target::parse(&text.parse().expect("a target"));
        let target = parse("/a?b=c+d'e&f=%2e%2F..&g[h]=1").expect("a target");
        assert_eq!(target.as_str(), "/a?b=c%20d%27e&f=%2e%2F..&g[h]=1");
        assert_eq!(target.path(), "/a");
        assert_eq!(parse("/a?").expect("a target").as_str(), "/a?");
        for text in ["/a?%00", "/a?b=%", "/a?b=\\", "/a?b={}", "/a?\u{e4}", "*"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("/{}", "a".repeat(MAX_BYTES))).is_err());
    }
}
