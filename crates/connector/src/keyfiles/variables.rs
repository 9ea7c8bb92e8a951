//! Variables of the environment, and files of them: `NAME=value`, a line each,
//! perhaps after `export`. Tools know the two halves by two pairs of names.

use zeroize::Zeroizing;

use super::{Written, end_line, indent_of, line_end};

/// The two names of the API ID and of the Secret Key, in the order they are looked
/// for.
pub(super) const PAIRS: [(&str, &str); 2] =
    [("VERACODE_API_KEY_ID", "VERACODE_API_KEY_SECRET"), ("VERACODE_API_ID", "VERACODE_API_KEY")];

/// Another server than the region's own.
pub(super) const URL: &str = "VERACODE_OVERRIDE_API_BASE_URL";

/// Every name, and whether it is for the API ID.
pub(super) const ALL: [(&str, bool); 4] =
    [(PAIRS[0].0, true), (PAIRS[0].1, false), (PAIRS[1].0, true), (PAIRS[1].1, false)];

/// A pair by what `variable` knows: both halves of it, or it is none.
pub(super) fn find(variable: impl Fn(&str) -> Option<Zeroizing<String>>) -> Option<Written> {
    let (id, secret) = PAIRS.iter().find_map(|(id, secret)| variable(id).zip(variable(secret)))?;
    let url = variable(URL).map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
    Some(Written { id: id.to_string(), secret, url })
}

/// The name that is set and the one that is missing, where only half of a pair is known.
pub(super) fn half(
    variable: impl Fn(&str) -> Option<Zeroizing<String>>,
) -> Option<(&'static str, &'static str)> {
    PAIRS.iter().find_map(|(id, secret)| {
        match (variable(id).is_some(), variable(secret).is_some()) {
            (true, false) => Some((*id, *secret)),
            (false, true) => Some((*secret, *id)),
            _ => None,
        }
    })
}

pub(super) fn read(text: &str) -> Option<Written> {
    find(|wanted| {
        let mut values = text.lines().filter_map(parse);
        values.find(|(name, _)| *name == wanted).map(|(_, value)| Zeroizing::new(value.to_owned()))
    })
}

/// Name and value of a line; none for comments and everything else.
fn parse(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let inside = value.strip_prefix(quote)?;
        Some(&inside[..inside.find(quote)?])
    });
    let bare = value.split(" #").next().unwrap_or_default().trim_end();
    Some((name.trim(), quoted.unwrap_or(bare)))
}

pub(super) fn write(text: &str, pair: &Written) -> Result<Zeroizing<String>, String> {
    let end = line_end(text);
    let value_of = |name: &str| pair.variables().find(|(known, _)| *known == name).map(|one| one.1);
    let mut wanted: Vec<&str> = ALL.iter().map(|(name, _)| *name).chain([URL]).collect();
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 1024));
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if is_open(line) {
            return Err(format!("line {number} opens a quotation that it does not close"));
        }
        let name = parse(line).map(|(name, _)| name).unwrap_or_default();
        if !ALL.iter().any(|(known, _)| *known == name) && name != URL {
            out.push_str(line);
            continue;
        }
        let Some(at) = wanted.iter().position(|wanted| *wanted == name) else {
            return Err(format!("line {number} sets `{name}`, which was set before"));
        };
        wanted.remove(at);
        if let Some(value) = value_of(name) {
            out.push_str(indent_of(line));
            if line.trim_start().starts_with("export ") {
                out.push_str("export ");
            }
            push(&mut out, name, value, end);
        }
    }
    end_line(&mut out, end);
    for name in wanted {
        if let Some(value) = value_of(name) {
            push(&mut out, name, value, end);
        }
    }
    Ok(out)
}

/// Hex, a prefix and a URL need no quotes, and some readers would keep them.
fn push(out: &mut String, name: &str, value: &str, end: &str) {
    for part in [name, "=", value, end] {
        out.push_str(part);
    }
}

fn is_open(line: &str) -> bool {
    let Some((_, value)) = line.split_once('=').filter(|_| !line.trim_start().starts_with('#'))
    else {
        return false;
    };
    let value = value.trim();
    ['"', '\'']
        .into_iter()
        .any(|quote| value.strip_prefix(quote).is_some_and(|inside| !inside.contains(quote)))
}
