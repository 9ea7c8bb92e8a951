//! The credentials file: sections as profiles, as Python's `configparser` reads
//! them, because that is what reads the file. Section names keep their case, key
//! names do not matter in theirs, indented lines go on with a value.

use zeroize::Zeroizing;

use super::{DEFAULT_PROFILE, Written, end_line, indent_of, line_end};

const ID: &str = "veracode_api_key_id";
const SECRET: &str = "veracode_api_key_secret";

/// Its values count in every section.
const FOR_ALL: &str = "DEFAULT";
/// What the default profile was called once.
const FORMER: &str = "greenlight";

enum Kind<'t> {
    /// Nothing, or a comment.
    Blank,
    Section(&'t str),
    Entry {
        key: &'t str,
        value: &'t str,
    },
    /// Goes on with the value above.
    More(&'t str),
    /// Nothing that `configparser` would take.
    Foreign,
}

struct Line<'t> {
    /// With its end.
    raw: &'t str,
    kind: Kind<'t>,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut is_in_section, mut is_in_entry, mut level) = (false, false, 0);
    let mut all = Vec::new();
    for raw in text.split_inclusive('\n') {
        let line = raw.trim();
        let indent = indent_of(raw).chars().count();
        let kind = if line.is_empty() || line.starts_with(['#', ';']) {
            Kind::Blank
        } else if is_in_entry && indent > level {
            Kind::More(line)
        } else {
            level = indent;
            let section = line.strip_prefix('[').and_then(|rest| Some(&rest[..rest.rfind(']')?]));
            if let Some(section) = section.filter(|section| !section.is_empty()) {
                (is_in_section, is_in_entry) = (true, false);
                Kind::Section(section)
            } else if let Some(at) = line.find(['=', ':']).filter(|at| is_in_section && *at > 0) {
                is_in_entry = true;
                Kind::Entry { key: line[..at].trim_end(), value: line[at + 1..].trim_start() }
            } else {
                Kind::Foreign
            }
        };
        all.push(Line { raw, kind });
    }
    all
}

pub(super) fn read(text: &str, profile: &str) -> Option<Written> {
    let lines = lines(text);
    let has = |name: &str| {
        lines.iter().any(|line| matches!(line.kind, Kind::Section(section) if section == name))
    };
    let profile = if profile == DEFAULT_PROFILE && !has(profile) { FORMER } else { profile };
    if !has(profile) {
        return None;
    }
    let value = |key| value_of(&lines, profile, key).or_else(|| value_of(&lines, FOR_ALL, key));
    Some(Written { id: value(ID)?.to_string(), secret: value(SECRET)?, url: None })
}

fn value_of(lines: &[Line<'_>], profile: &str, wanted: &str) -> Option<Zeroizing<String>> {
    let mut found: Option<Zeroizing<String>> = None;
    let (mut is_inside, mut is_wanted) = (false, false);
    for line in lines {
        match line.kind {
            Kind::Section(section) => (is_inside, is_wanted) = (section == profile, false),
            Kind::Entry { key, value } => {
                is_wanted = is_inside && key.eq_ignore_ascii_case(wanted);
                if is_wanted {
                    found = Some(Zeroizing::new(value.to_owned()));
                }
            }
            Kind::More(more) if is_wanted => {
                let found = found.get_or_insert_default();
                found.push('\n');
                found.push_str(more);
            }
            _ => {}
        }
    }
    found
}

pub(super) fn write(
    text: &str,
    profile: &str,
    pair: &Written,
) -> Result<Zeroizing<String>, String> {
    check_profile(profile)?;
    let lines = lines(text);
    check(text, &lines)?;
    let end = line_end(text);
    let at = lines
        .iter()
        .position(|line| matches!(line.kind, Kind::Section(section) if section == profile));
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 512));
    let entry = |key: &str, value: &str| Zeroizing::new(format!("{key} = {value}{end}"));
    let Some(at) = at else {
        out.push_str(text);
        end_line(&mut out, end);
        if !out.is_empty() {
            out.push_str(end);
        }
        out.push_str(&format!("[{profile}]{end}"));
        out.push_str(&entry(ID, &pair.id));
        out.push_str(&entry(SECRET, &pair.secret));
        return Ok(out);
    };
    lines[..at].iter().for_each(|line| out.push_str(line.raw));
    out.push_str(lines[at].raw);
    end_line(&mut out, end);

    let rest = &lines[at + 1..];
    let length = rest.iter().take_while(|line| !matches!(line.kind, Kind::Section(_))).count();
    let wanted = [(ID, pair.id.as_str()), (SECRET, pair.secret.as_str())];
    let is_there = |key: &str| {
        rest[..length].iter().any(
            |line| matches!(line.kind, Kind::Entry { key: other, .. } if other.eq_ignore_ascii_case(key)),
        )
    };
    // As far in as the next line, which would otherwise go on with ours.
    let next = rest.iter().find(|line| !matches!(line.kind, Kind::Blank));
    let indent = next.map(|line| indent_of(line.raw)).unwrap_or_default();
    for (key, value) in wanted.iter().filter(|(key, _)| !is_there(key)) {
        out.push_str(indent);
        out.push_str(&entry(key, value));
    }
    let mut is_replaced = false;
    for line in &rest[..length] {
        match line.kind {
            Kind::Entry { key, .. } => {
                let new = wanted.iter().find(|(wanted, _)| key.eq_ignore_ascii_case(wanted));
                is_replaced = new.is_some();
                match new {
                    Some((_, value)) => {
                        out.push_str(indent_of(line.raw));
                        out.push_str(&entry(key, value));
                    }
                    None => out.push_str(line.raw),
                }
            }
            Kind::More(_) if is_replaced => {}
            _ => out.push_str(line.raw),
        }
    }
    rest[length..].iter().for_each(|line| out.push_str(line.raw));
    Ok(out)
}

pub(super) fn check_profile(profile: &str) -> Result<(), String> {
    let is_plain = |c: char| !c.is_control() && !"[]".contains(c);
    if profile.is_empty() || profile.trim() != profile || !profile.chars().all(is_plain) {
        return Err(format!("`{}` cannot name a section", profile.escape_debug()));
    }
    if profile == FOR_ALL {
        return Err(format!("what stands in `[{FOR_ALL}]` counts in every section"));
    }
    Ok(())
}

/// What the tools would refuse is not made worse.
fn check(text: &str, lines: &[Line<'_>]) -> Result<(), String> {
    let mut sections = std::collections::BTreeSet::new();
    let mut keys = std::collections::BTreeSet::new();
    if text.replace("\r\n", "\n").contains('\r') {
        return Err("a line ends in the middle: there is a lone carriage return".into());
    }
    for (number, line) in (1..).zip(lines) {
        let fault = match line.kind {
            Kind::Foreign => "is no section, no entry and no comment",
            Kind::Section(section) => {
                keys.clear();
                if sections.insert(section) || section == FOR_ALL {
                    continue;
                }
                "begins a section that was there before"
            }
            Kind::Entry { key, .. } if !keys.insert(key.to_lowercase()) => {
                "has a key that was there before"
            }
            _ => continue,
        };
        return Err(format!("line {number} {fault}, so the tools that read this file would not"));
    }
    Ok(())
}
