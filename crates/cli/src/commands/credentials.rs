//! `credentials list`.

use std::fmt::Write;

use countersign_connector::watch::{Row, State, feeds};

use super::context::Context;
use super::watch::{refresh, rows};
use crate::args::ListCredentials;
use crate::failure::Failure;
use crate::lists::{Column, List, sort};
use crate::output::{Cell, Fit, Stage, Tone, distance, note, print_json, printable, wrapped};

/// The widest text that is read with ease.
const WIDEST: usize = 100;

/// A credential, and now.
struct Held {
    row: Row,
    now_ms: i64,
}

const COLUMNS: &[Column<Held>] = &[
    Column { name: "state", fit: Fit::Whole, cell: state_cell },
    Column { name: "name", fit: Fit::End, cell: |held| Cell::text(&held.row.name) },
    Column { name: "host", fit: Fit::End, cell: |held| Cell::text(&held.row.host) },
    Column { name: "account", fit: Fit::End, cell: |held| Cell::some(held.row.account.as_deref()) },
    Column { name: "expires", fit: Fit::Whole, cell: |held| Cell::moment(held.row.expires_ms) },
    Column { name: "left", fit: Fit::Whole, cell: |held| distance_cell(held.row.expires_ms, held) },
    Column { name: "used", fit: Fit::Whole, cell: |held| Cell::moment(held.row.used_ms) },
    Column {
        name: "used_by",
        fit: Fit::Whole,
        cell: |held| Cell::some(held.row.used_by.as_deref()),
    },
    Column { name: "checked", fit: Fit::Whole, cell: |held| Cell::moment(held.row.checked_ms) },
    Column { name: "api_id", fit: Fit::Whole, cell: |held| Cell::text(&held.row.api_id) },
    Column {
        name: "integrations",
        fit: Fit::End,
        cell: |held| Cell::text(&held.row.integrations.join(", ")),
    },
    Column { name: "roles", fit: Fit::End, cell: |held| Cell::text(&held.row.roles.join(", ")) },
    Column { name: "problem", fit: Fit::End, cell: |held| Cell::some(held.row.problem.as_deref()) },
    Column {
        name: "to_do",
        fit: Fit::End,
        cell: |held| Cell::text(&held.row.actions().join("; ")),
    },
];

const USUAL: &[&str] = &["state", "name", "host", "account", "expires", "left"];

fn state_cell(held: &Held) -> Cell {
    let state = held.row.state;
    let worst = State::ALL.iter().position(|one| *one == state).unwrap_or_default();
    let cell = Cell::text(spoken(state)).sorted_by(i64::try_from(worst).unwrap_or_default());
    cell.tone(match state {
        State::Lapsed | State::Refused => Tone::Worst,
        State::RoleMissing => Tone::Bad,
        State::Expiring | State::Unreachable => Tone::Warning,
        State::Unchecked => Tone::Faint,
        State::Fine => Tone::Good,
    })
}

/// How long there is left: days in a pipe, words on a terminal.
fn distance_cell(ms: Option<i64>, held: &Held) -> Cell {
    match (ms, held.row.days_left) {
        (Some(ms), Some(days)) => Cell::number(days).shown_as(&short(ms, held.now_ms)),
        _ => Cell::text(""),
    }
}

/// What one would act on, the worst first.
pub(crate) async fn list(context: &Context, args: ListCredentials) -> Result<(), Failure> {
    let states: Vec<_> = args.state.iter().map(|word| state(word)).collect::<Result<_, _>>()?;
    if let Some(name) = &args.integration {
        context.integration(Some(name)).await?;
    }
    if args.refresh {
        refresh(context).await?;
    }
    let now_ms = context.now();
    let is_wanted = |row: &Row| {
        let is_signed = |name: &String| row.integrations.contains(name);
        (states.is_empty() || states.contains(&row.state))
            && args.integration.as_ref().is_none_or(is_signed)
    };
    let rows = rows(context).await?.into_iter().filter(is_wanted);
    let mut held: Vec<_> = rows.map(|row| Held { row, now_ms }).collect();
    sort(&mut held, COLUMNS, args.sort.as_ref())?;
    if args.json {
        return print_json(&held.iter().map(|held| feeds::row(&held.row)).collect::<Vec<_>>());
    }
    let mut list = List::begin(COLUMNS, &args.columns, USUAL)?;
    held.iter().try_for_each(|held| list.add(held))?;
    if list.end()? == 0 {
        note(match states.is_empty() && args.integration.is_none() {
            true => "there is no credential yet; `countersign integration add` brings one",
            false => "no credential matches; `countersign credentials list` lists all",
        });
    }
    let advice = advice(&held);
    if args.columns.is_empty() && !advice.is_empty() {
        note(advice.trim_end());
    }
    Ok(())
}

fn state(word: &str) -> Result<State, Failure> {
    let plain = |text: &str| text.trim().replace(['_', ' ', '-'], "").to_lowercase();
    let wanted = plain(word);
    let is_it =
        |state: &&State| plain(spoken(**state)) == wanted || plain(state.as_str()) == wanted;
    State::ALL.iter().find(is_it).copied().ok_or_else(|| {
        let words = State::ALL.map(|state| spoken(state).to_lowercase());
        Failure::usage(format!("`{word}` is not a state\nhint: {}", words.join(", ")))
    })
}

/// What there is to do about each.
fn advice(held: &[Held]) -> String {
    let room = Stage::now().columns().min(WIDEST);
    let mut text = String::new();
    for Held { row, now_ms } in held {
        let actions = row.actions();
        let problem = row.problem.as_deref().and_then(|problem| problem.lines().next());
        if actions.is_empty() && problem.is_none() {
            continue;
        }
        let _ = writeln!(text, "\n{}", printable(&row.name));
        let mut say = |line: String| text.push_str(&wrapped(&printable(&line), 2, room));
        problem.into_iter().for_each(|why| say(format!("! {why}")));
        actions.iter().for_each(|action| say(format!("- {action}")));
        if let Some(ms) = row.may_be_disabled_ms.filter(|_| row.state == State::Expiring) {
            let when = distance(ms, *now_ms);
            say(format!("- its account may be disabled then ({when}), if nobody signs in to it"));
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
