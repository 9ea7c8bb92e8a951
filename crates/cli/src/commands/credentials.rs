//! `credentials list`.

use std::fmt::Write;

use countersign_connector::watch::{Row, State, feeds};
use serde::Serialize;

use super::context::Context;
use super::watch::{refresh, rows};
use crate::args::ListCredentials;
use crate::failure::Failure;
use crate::output::{Shown, distance, printable, show, table, table_text};

/// Fits any terminal.
const WIDTH: u16 = 80;

/// What one would act on, the worst first.
pub(crate) async fn list(context: &Context, args: ListCredentials) -> Result<(), Failure> {
    if args.refresh {
        refresh(context).await?;
    }
    show(&Inventory { rows: rows(context).await?, now_ms: context.now() }, args.json)
}

struct Inventory {
    rows: Vec<Row>,
    now_ms: i64,
}

impl Shown for Inventory {
    fn nothing(&self) -> Option<&'static str> {
        let nothing = "there is no credential yet; `countersign integration add` brings one";
        self.rows.is_empty().then_some(nothing)
    }

    fn text(&self) -> String {
        text(&self.rows, self.now_ms)
    }

    fn json(&self) -> impl Serialize {
        self.rows.iter().map(feeds::row).collect::<Vec<_>>()
    }
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
