//! The YAML of the Veracode CLI:
//!
//! ```yaml
//! api:
//!   key-id: …
//!   key-secret: …
//!   override-api-base-url: …
//! ```
//!
//! A strict reader of that shape, which keeps everything else as it is: comments
//! too, which no YAML library gives back. What it does not understand it refuses.

use zeroize::Zeroizing;

use super::{Written, end_line, indent_of, line_end};

const API: &str = "api";
const ID: &str = "key-id";
const SECRET: &str = "key-secret";
const URL: &str = "override-api-base-url";

/// A member of `api`.
struct Member<'t> {
    /// Index of its line.
    at: usize,
    key: &'t str,
    /// None when it is not a scalar of one line.
    value: Option<Zeroizing<String>>,
    /// The comment behind the value.
    comment: &'t str,
}

struct Document<'t> {
    /// With their ends.
    lines: Vec<&'t str>,
    /// Index of the line `api:`.
    api: Option<usize>,
    members: Vec<Member<'t>>,
    /// How far the members are indented.
    indent: &'t str,
}

pub(super) fn read(text: &str) -> Result<Option<Written>, String> {
    let document = parse(text)?;
    let mut values = [None, None, None];
    for (key, value) in [ID, SECRET, URL].into_iter().zip(&mut values) {
        if let Some(member) = document.members.iter().find(|member| member.key == key) {
            let scalar = member.value.clone().ok_or_else(|| {
                format!("line {}: `{key}` is not a plain or quoted text", member.at + 1)
            })?;
            *value = Some(scalar).filter(|text| !matches!(text.as_str(), "" | "~" | "null"));
        }
    }
    let [id, secret, url] = values;
    Ok(id.zip(secret).map(|(id, secret)| Written {
        id: id.to_string(),
        secret,
        url: url.map(|url| url.to_string()),
    }))
}

pub(super) fn write(text: &str, pair: &Written) -> Result<Zeroizing<String>, String> {
    let document = parse(text)?;
    let end = line_end(text);
    let wanted = [
        (ID, Some(pair.id.as_str())),
        (SECRET, Some(pair.secret.as_str())),
        (URL, pair.url.as_deref()),
    ];
    // In quotes: a text of digits alone would be read as a number.
    let push = |out: &mut String, key: &str, value: &str, comment: &str| {
        for part in [document.indent, key, ": \"", value, "\"", comment, end] {
            out.push_str(part);
        }
    };
    let push_missing = |out: &mut String| {
        for (key, value) in wanted {
            let is_there = document.members.iter().any(|member| member.key == key);
            if let Some(value) = value.filter(|_| !is_there) {
                push(out, key, value, "");
            }
        }
    };
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 512));
    for (at, line) in document.lines.iter().enumerate() {
        let member = document.members.iter().find(|member| member.at == at);
        let new = member.and_then(|member| {
            wanted.iter().find(|(key, _)| *key == member.key).map(|(_, value)| (member, value))
        });
        match new {
            Some((member, _)) if member.value.is_none() => {
                return Err(format!(
                    "line {}: `{}` is not a plain or quoted text",
                    at + 1,
                    member.key
                ));
            }
            Some((member, Some(value))) => push(&mut out, member.key, value, member.comment),
            Some((_, None)) => {}
            None => out.push_str(line),
        }
        if document.api == Some(at) {
            end_line(&mut out, end);
            push_missing(&mut out);
        }
    }
    if document.api.is_none() {
        end_line(&mut out, end);
        out.push_str(&format!("{API}:{end}"));
        push_missing(&mut out);
    }
    Ok(out)
}

fn parse(text: &str) -> Result<Document<'_>, String> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let mut document = Document { lines, api: None, members: Vec::new(), indent: "  " };
    let (mut is_in_api, mut depth) = (false, None);
    let (mut is_marked, mut has_begun) = (false, false);
    for (at, raw) in document.lines.iter().enumerate() {
        let fault = |what: &str| Err(format!("line {}: {what}", at + 1));
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let indent = indent_of(raw);
        if indent.is_empty() {
            is_in_api = false;
            if line == "---" && !is_marked && !has_begun {
                is_marked = true;
                continue;
            }
            has_begun = true;
            let Some((key, value)) = entry(line) else {
                return fault("expected `key:` at the beginning of the line");
            };
            if key == API {
                if document.api.replace(at).is_some() {
                    return fault("`api` was there before");
                }
                if !value.is_empty() && !value.starts_with('#') {
                    return fault("the members of `api` belong on lines of their own");
                }
                is_in_api = true;
            }
            continue;
        }
        if !has_begun {
            return fault("expected `key:` at the beginning of the line");
        }
        if !is_in_api {
            continue;
        }
        if indent.contains('\t') {
            return fault("YAML is not indented with tabs");
        }
        match *depth.get_or_insert(indent.len()) {
            depth if indent.len() > depth => {
                // Belongs to the member above, which is then not of one line.
                if let Some(member) = document.members.last_mut() {
                    member.value = None;
                }
                continue;
            }
            depth if indent.len() < depth => return fault("is indented unlike its neighbours"),
            _ => document.indent = indent,
        }
        let Some((key, value)) = entry(line) else { return fault("expected `key: value`") };
        if document.members.iter().any(|member| member.key == key) {
            return fault(&format!("`{key}` was there before"));
        }
        let (value, comment) = match scalar(value) {
            Some((value, comment)) => (Some(value), comment),
            None => (None, ""),
        };
        document.members.push(Member { at, key, value, comment });
    }
    Ok(document)
}

/// Key and the rest of the line.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = match line.split_once(": ") {
        Some((key, rest)) => (key, rest.trim()),
        None => (line.strip_suffix(':')?, ""),
    };
    let key = key.trim_end();
    let bare =
        ['"', '\''].into_iter().find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote));
    let key = bare.unwrap_or(key);
    let is_plain = |c: char| c.is_alphanumeric() || "-_./<".contains(c);
    let is_key = !key.is_empty() && key != "-" && key.chars().all(is_plain);
    is_key.then_some((key, rest))
}

/// A scalar of one line, and the comment behind it with the blanks before it.
fn scalar(text: &str) -> Option<(Zeroizing<String>, &str)> {
    let (value, rest) = match text.chars().next() {
        None | Some('#') => (String::new(), text),
        Some('\'') => single_quoted(&text[1..])?,
        Some('"') => double_quoted(&text[1..])?,
        // Something else than a plain scalar.
        Some('{' | '[' | '}' | ']' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | ',') => {
            return None;
        }
        Some('-' | '?') if text.as_bytes().get(1).is_none_or(|next| *next == b' ') => return None,
        Some(_) => {
            let length = text.find(" #").unwrap_or(text.len());
            let plain = text[..length].trim_end();
            if plain.contains(": ") || plain.ends_with(':') {
                return None;
            }
            (plain.to_owned(), &text[plain.len()..])
        }
    };
    let comment = rest.trim_start();
    (comment.is_empty() || comment.starts_with('#')).then_some((Zeroizing::new(value), rest))
}

fn single_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, after)),
        }
    }
}

/// Without the escapes that no pair and no URL needs.
fn double_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                escaped @ ('"' | '\\' | '/') => value.push(escaped),
                _ => return None,
            },
            _ => value.push(c),
        }
    }
    None
}
