//! `credentials list`, and where a pair is imported from.

use std::fmt::Write;
use std::path::PathBuf;

use countersign_connector::watch::{Row, State};
use zeroize::Zeroizing;

use super::context::Context;
use super::watch::{refresh, rows};
use crate::args::ListCredentials;
use crate::failure::Failure;
use crate::feeds::snapshot;
use crate::output::{distance, note, print, print_json, printable, table, table_text};

/// Fits any terminal.
const WIDTH: u16 = 80;

/// What one would act on, the worst first.
pub(crate) async fn list(context: &Context, args: ListCredentials) -> Result<(), Failure> {
    if args.refresh {
        refresh(context).await?;
    }
    let rows = rows(context).await?;
    if args.json {
        return print_json(&rows.iter().map(snapshot::row).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        note("there is no credential yet; `countersign integration add` brings one");
        return Ok(());
    }
    print(&text(&rows, context.now()))
}

fn text(rows: &[Row], now_ms: i64) -> String {
    let mut table = table(&["state", "name", "host", "account", "expires", "used"]);
    table.set_width(WIDTH);
    for row in rows {
        let used = match (row.used_ms, &row.used_by) {
            (Some(ms), Some(by)) => format!("{by}, {}", short(ms, now_ms)),
            _ => "never".into(),
        };
        table.add_row([
            spoken(row.state).to_owned(),
            printable(&row.name),
            row.host.clone(),
            printable(row.account.as_deref().unwrap_or("unknown")),
            row.expires_ms.map_or("unknown".into(), |ms| short(ms, now_ms)),
            used,
        ]);
    }
    let mut text = table_text(&table);
    for row in rows {
        let actions = row.actions();
        let problem = row.problem.as_deref().and_then(|problem| problem.lines().next());
        if actions.is_empty() && problem.is_none() {
            continue;
        }
        let _ = writeln!(text, "\n{}", printable(&row.name));
        for line in problem.into_iter().map(|why| format!("! {why}")) {
            wrap(&mut text, &printable(&line));
        }
        for action in actions {
            wrap(&mut text, &printable(&format!("- {action}")));
        }
        if let Some(ms) = row.may_be_disabled_ms.filter(|_| row.state == State::Expiring) {
            let when = distance(ms, now_ms);
            wrap(
                &mut text,
                &format!("- its account may be disabled then ({when}), if nobody signs in to it"),
            );
        }
    }
    text
}

/// A distance for a narrow column: `in 8 d`, `3 h ago`.
fn short(ms: i64, now_ms: i64) -> String {
    let words = distance(ms, now_ms);
    [(" days", " d"), (" hours", " h"), (" minutes", " min"), (" seconds", " s")]
        .into_iter()
        .fold(words, |words, (long, unit)| words.replace(long, unit))
}

/// Loud where somebody has to act now, without colour.
fn spoken(state: State) -> &'static str {
    match state {
        State::Lapsed => "EXPIRED",
        State::Refused => "REFUSED",
        State::RoleMissing => "ROLE MISSING",
        State::Expiring => "EXPIRING",
        State::Unreachable => "unreachable",
        State::Unchecked => "unchecked",
        State::Fine => "fine",
    }
}

/// Words on lines of at most [`WIDTH`], each under the first.
fn wrap(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        let width = word.chars().count();
        if column == 0 {
            text.push_str("  ");
            column = 2;
        } else if column + 1 + width > usize::from(WIDTH) {
            text.push_str("\n    ");
            column = 4;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// A pair from the environment, else from the credentials file.
pub(crate) fn import() -> Result<(String, Zeroizing<String>), Failure> {
    for (id, secret) in [
        ("VERACODE_API_KEY_ID", "VERACODE_API_KEY_SECRET"),
        ("VERACODE_API_ID", "VERACODE_API_KEY"),
    ] {
        if let (Ok(id), Ok(secret)) = (std::env::var(id), std::env::var(secret)) {
            return Ok((id, Zeroizing::new(secret)));
        }
    }
    let profile = std::env::var("VERACODE_API_PROFILE").unwrap_or_else(|_| "default".into());
    let path = credentials_file()?;
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|error| {
        Failure::usage(format!(
            "there is no pair in the environment, and `{}` cannot be read: {error}",
            path.display()
        ))
    })?);
    read_profile(&text, &profile).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` has no section `[{profile}]` with veracode_api_key_id and veracode_api_key_secret",
            path.display()
        ))
    })
}

fn credentials_file() -> Result<PathBuf, Failure> {
    let home = etcetera::home_dir().map_err(Failure::usage)?;
    Ok(home.join(".veracode").join("credentials"))
}

/// Section names keep their case, key names do not matter in theirs.
fn read_profile(text: &str, profile: &str) -> Option<(String, Zeroizing<String>)> {
    let (mut id, mut secret, mut is_inside) = (None, None, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = section == profile;
        } else if is_inside && let Some((name, value)) = line.split_once('=') {
            match name.trim().to_ascii_lowercase().as_str() {
                "veracode_api_key_id" => id = Some(value.trim().to_owned()),
                "veracode_api_key_secret" => secret = Some(Zeroizing::new(value.trim().to_owned())),
                _ => {}
            }
        }
    }
    id.zip(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles() {
        let text = "[Default]\nveracode_api_key_id=no\n[default]\n Veracode_API_key_ID = a1\nveracode_api_key_secret=b2\n[other]\nveracode_api_key_id = c3\n";
        let (id, secret) = read_profile(text, "default").unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("a1", "b2"));
        assert!(read_profile(text, "other").is_none(), "half a pair is none");
        assert!(read_profile(text, "absent").is_none());
    }
}
