//! What Jira and Redmine have in common: the address of a server, titles, priorities.

use std::collections::BTreeMap;

use countersign_text::{line, say_missing};
use url::Url;

/// The address of a server from the settings.
pub(super) fn base(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|error| format!("`url` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("`url` does not begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`url` has a secret in it\nhint: keep the secret in the vault".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("`url` is more than an address and a path".to_owned());
    }
    Ok(url)
}

/// A URL without what may be secret, and without a slash at its end.
pub(super) fn bare(mut url: Url) -> String {
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// A path below the address of a server, which may have a path itself.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

/// One line of at most so many characters, which are counted as Java does.
pub(super) fn title(text: &str, most: usize) -> String {
    let text = line(text).to_string();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let width = |text: &str| text.encode_utf16().count();
    if width(&text) <= most {
        return if text.is_empty() { "(no title)".to_owned() } else { text };
    }
    let mut kept = String::new();
    let mut missing = text.chars().count();
    for c in text.chars() {
        // Of the note about what is missing, at most.
        if width(&kept) + c.len_utf16() + 30 > most {
            break;
        }
        kept.push(c);
        missing -= 1;
    }
    // A `String` takes every character.
    let _ = say_missing(&mut kept, missing);
    kept
}

/// Keys of a table by severity.
pub(super) fn severities(table: &BTreeMap<String, String>) -> Result<(), String> {
    match table.keys().find(|key| !matches!(key.as_str(), "0" | "1" | "2" | "3" | "4" | "5")) {
        None => Ok(()),
        Some(key) => Err(format!("`priorities.{}` is not a severity: they are 0 to 5", line(key))),
    }
}

/// The name of a priority.
pub(super) fn priority(
    table: &BTreeMap<String, String>,
    names: &[&str; 6],
    severity: u8,
) -> String {
    let severity = severity.min(5);
    let name = table.get(&severity.to_string()).map(String::as_str);
    name.unwrap_or(names[usize::from(severity)]).to_owned()
}
