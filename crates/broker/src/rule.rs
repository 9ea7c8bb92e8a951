//! What a caller may ask for: a method and a pattern of paths. Nothing is allowed
//! that no rule names.

use std::fmt;
use std::str::FromStr;

use hyper::Method;

use super::target;
use crate::error::Error;

/// Rules that one caller may have.
pub const MAX_RULES: usize = 64;

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// `GET /appsec/v1/applications/*`: a method, and a path in which `*` stands for one
/// segment and a `**` at the end for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    method: Method,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    One,
    Rest,
}

impl Rule {
    /// Whether every part is spelt out.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether it allows what makes, shows or revokes credentials.
    pub fn is_guarded(&self) -> bool {
        let path: String = self.parts.iter().map(|part| format!("/{part}")).collect();
        self.is_literal() && is_guarded(&self.method, &path)
    }

    /// A rule for `GET` is one for `HEAD` too, which asks for less of the same.
    fn names(&self, method: &Method, path: &str) -> bool {
        let is_method =
            self.method == *method || (self.method == Method::GET && *method == Method::HEAD);
        is_method && self.names_path(path)
    }

    /// Byte for byte: escapes are compared as they are written.
    fn names_path(&self, path: &str) -> bool {
        let Some(mut left) = path.strip_prefix('/').map(Some) else { return false };
        for part in &self.parts {
            let Some(rest) = left else { return false };
            if *part == Part::Rest {
                return !rest.is_empty();
            }
            let (segment, after) = rest
                .split_once('/')
                .map_or((rest, None), |(segment, after)| (segment, Some(after)));
            let is_named = match part {
                Part::Literal(literal) => segment == literal,
                Part::One | Part::Rest => !segment.is_empty(),
            };
            if !is_named {
                return false;
            }
            left = after;
        }
        left.is_none()
    }
}

/// How rules judge a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    NotNamed,
    /// Only a rule that spells it out would do.
    Guarded,
}

pub(crate) fn judge(rules: &[Rule], method: &Method, path: &str) -> Verdict {
    let is_guarded = is_guarded(method, path);
    let mut verdict = Verdict::NotNamed;
    for rule in rules.iter().filter(|rule| rule.names(method, path)) {
        if !is_guarded || rule.is_literal() {
            return Verdict::Allowed;
        }
        verdict = Verdict::Guarded;
    }
    verdict
}

/// What makes, shows or revokes a credential, under whatever version it is served.
/// Making a user is among it: a member of its query or body has it make a pair as
/// well. No letter of a path that was let through is escaped, so the names are as they
/// read; only their case is in question.
fn is_guarded(method: &Method, path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let is_credential = path.split('/').any(|segment| {
        segment.starts_with("api_credentials")
            || segment.starts_with("oauth_clients")
            || segment == "oauth2"
    });
    let makes_user = *method == Method::POST && path.trim_end_matches('/').ends_with("/users");
    is_credential || makes_user
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            Error::input(format!(
                "`{text}` is not a rule: {what}\nhint: for example `GET /appsec/v1/applications/*` or `GET /appsec/**`"
            ))
        };
        let (method, path) =
            text.trim().split_once(' ').ok_or_else(|| wrong("it is not a method and a path"))?;
        let method = METHODS
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(method))
            .ok_or_else(|| wrong("the method is not known"))?;
        let path = path.trim();
        target::check_path(path).map_err(|what| wrong(&what))?;
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let mut parts = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            parts.push(match *segment {
                "*" => Part::One,
                "**" if at + 1 == segments.len() => Part::Rest,
                "**" => return Err(wrong("`**` is only at the end")),
                part if part.contains('*') => {
                    return Err(wrong("`*` is for a whole segment"));
                }
                part => Part::Literal(part.to_owned()),
            });
        }
        Ok(Self { method, parts })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Literal(literal) => literal,
            Self::One => "*",
            Self::Rest => "**",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        self.parts.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| text.parse().expect("a rule")).collect()
    }

    #[test]
    fn what_is_no_rule() {
        for text in [
            "",
            "GET",
            "/appsec/**",
            "GET appsec",
            "FETCH /x",
            "TRACE /x",
            "CONNECT /x",
            "* /x",
            "GET /a/../b",
            "GET /a//b",
            "GET //a",
            "GET /a/%2e%2e",
            "GET /**/b",
            "GET /a/b*",
            "GET /a/***",
            "GET /a?b=c",
            "GET /a b",
            "GET /ä",
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert!(error.is_input() && error.to_string().contains("hint"), "{error}");
        }
    }

    #[test]
    fn what_no_rule_names_is_not_allowed() {
        let some = rules(&["GET /a/*/c", "POST /p/**", "PUT /exact/", "delete /x%20y"]);
        for (method, path, verdict) in [
            ("GET", "/a/b/c", Verdict::Allowed),
            ("HEAD", "/a/b/c", Verdict::Allowed),
            ("POST", "/p/q", Verdict::Allowed),
            ("POST", "/p/q/r/", Verdict::Allowed),
            ("PUT", "/exact/", Verdict::Allowed),
            ("DELETE", "/x%20y", Verdict::Allowed),
            ("GET", "/a//c", Verdict::NotNamed),
            ("GET", "/a/b/c/", Verdict::NotNamed),
            ("GET", "/a/b", Verdict::NotNamed),
            ("GET", "/a/b/c/d", Verdict::NotNamed),
            ("GET", "/A/b/c", Verdict::NotNamed),
            ("POST", "/a/b/c", Verdict::NotNamed),
            ("POST", "/p", Verdict::NotNamed),
            ("POST", "/p/", Verdict::NotNamed),
            ("POST", "/pp/q", Verdict::NotNamed),
            ("PUT", "/exact", Verdict::NotNamed),
            ("OPTIONS", "/a/b/c", Verdict::NotNamed),
        ] {
            let method = method.parse().expect("a method");
            assert_eq!(judge(&some, &method, path), verdict, "{method} {path}");
        }
        assert_eq!(judge(&[], &Method::GET, "/"), Verdict::NotNamed);
    }

    #[test]
    fn credentials_need_a_rule_that_spells_them_out() {
        let wide: Vec<_> =
            METHODS.iter().map(|method| format!("{method} /**").parse().expect("a rule")).collect();
        let api = "/api/authn/v2";
        for (method, path) in [
            ("POST", "/api_credentials"),
            ("GET", "/api_credentials"),
            ("DELETE", "/API_Credentials/abc"),
            ("POST", "/api_credentials/user_id/abc"),
            ("POST", "/users/api_credentials"),
            ("POST", "/oauth_clients"),
            ("POST", "/oauth_clients/x/clone"),
            ("POST", "/oauth2/token"),
            ("POST", "/users"),
            ("POST", "/Users/"),
        ] {
            let method: Method = method.parse().expect("a method");
            let path = format!("{api}{path}");
            assert_eq!(judge(&wide, &method, &path), Verdict::Guarded, "{method} {path}");
            let mut exact = wide.clone();
            exact.push(format!("{method} {path}").parse().expect("a rule"));
            assert_eq!(judge(&exact, &method, &path), Verdict::Allowed, "{method} {path}");
            assert!(exact.last().is_some_and(Rule::is_guarded));
        }
        for (method, path) in [("GET", "/users"), ("POST", "/users/search"), ("GET", "/teams")] {
            let method: Method = method.parse().expect("a method");
            assert_eq!(judge(&wide, &method, &format!("{api}{path}")), Verdict::Allowed);
        }
    }

    #[test]
    fn a_rule_prints_as_it_is_read() {
        for text in ["GET /", "GET /a/*/c", "POST /p/**", "PUT /exact/"] {
            assert_eq!(text.parse::<Rule>().expect("a rule").to_string(), text);
        }
    }
}
