//! Printing: the only way to standard output and standard error. Data to standard
//! output, everything else to standard error; whatever came from elsewhere does nothing
//! to a terminal. Tables fit the terminal, bars read without colour.

mod layout;
mod zone;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Stderr, Stdout, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

pub(crate) use countersign_connector::times::distance;
use countersign_findings::rfc3339;
pub(crate) use countersign_text::grouped;
use countersign_text::{document, json, line};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use crate::failure::Failure;
use crate::located::located;
use crate::logs::{note_line, timed_note};
use layout::tabbed;
pub(crate) use layout::{Cell, Fit, Layout, Tone, wrapped};
pub(crate) use zone::local;

/// Columns of a terminal that does not say how many it has, and of text in a pipe.
const COLUMNS: usize = 100;

/// Where standard output goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    /// People look at it.
    Terminal { columns: usize, is_coloured: bool },
    /// Programs read it.
    Pipe,
}

impl Stage {
    pub(crate) fn now() -> Self {
        if !io::stdout().is_terminal() {
            return Self::Pipe;
        }
        let columns = terminal_columns().filter(|columns| *columns > 0).unwrap_or(COLUMNS);
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::Terminal { columns, is_coloured: !is_plain }
    }

    pub(crate) fn columns(self) -> usize {
        match self {
            Self::Terminal { columns, .. } => columns,
            Self::Pipe => COLUMNS,
        }
    }

    /// A text in its colour, where there are colours. Only what has no escapes of its own
    /// comes here: `text` is shown as on a line.
    pub(crate) fn toned(self, text: &str, tone: Tone) -> Toned {
        let is_coloured = matches!(self, Self::Terminal { is_coloured: true, .. });
        let text = line(text).at_most(usize::MAX).to_string();
        match (is_coloured, tone.code()) {
            (true, Some(code)) => Toned(format!("\u{1b}[{code}m{text}\u{1b}[0m")),
            _ => Toned(text),
        }
    }
}

#[cfg(unix)]
fn terminal_columns() -> Option<usize> {
    // `terminal_size` knows no columns of a terminal that has no rows, as under `script`.
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col.into())
}

#[cfg(not(unix))]
fn terminal_columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| columns.0.into())
}

impl Tone {
    /// Of Select Graphic Rendition.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Worst => Some("1;31"),
            Self::Bad => Some("31"),
            Self::Warning => Some("33"),
            Self::Good => Some("32"),
            Self::Faint => Some("2"),
        }
    }
}

/// A text that is safe on a terminal, with escapes of ours alone; [`Stage::toned`] makes it.
#[derive(Debug, Default)]
pub(crate) struct Toned(String);

impl Toned {
    pub(crate) fn push(&mut self, more: &Self) {
        self.0.push_str(&more.0);
    }
}

/// A line that is made already.
pub(crate) fn print_toned(mut text: Toned) -> Result<(), Failure> {
    text.0.push('\n');
    print_as_it_is(text.0.as_bytes())
}

/// A line of cells for programs, which are whole and have neither tabs nor breaks.
pub(crate) fn print_cells<'c>(cells: impl IntoIterator<Item = &'c str>) -> Result<(), Failure> {
    print_as_it_is(tabbed(cells).as_bytes())
}

/// Standard output for a protocol that escapes by itself what comes from elsewhere. Nothing
/// else may be printed there.
pub(crate) fn protocol_output() -> tokio::io::Stdout {
    tokio::io::stdout()
}

/// A moment in a line of ours: local time with its zone for people, RFC 3339 in UTC for
/// programs. Everything that shows a moment goes through here or through [`Cell::moment`].
pub(crate) fn when(ms: i64) -> String {
    if io::stdout().is_terminal() { local(ms) } else { rfc3339(ms) }
}

/// How long ago something was, a moment in a pipe.
pub(crate) fn ago(ms: Option<i64>, now_ms: i64) -> Cell {
    match ms {
        Some(at_ms) => Cell::moment(ms).shown_as(&distance(at_ms, now_ms)),
        None => Cell::text("").shown_as("never"),
    }
}

/// Writes lines to standard output; a reader that went away is success.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_as_it_is(document(text).to_string().as_bytes())
}

/// One JSON object on one line, with escapes for what a terminal would act on.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = json::to_string(value).map_err(Failure::unexpected)?;
    text.push('\n');
    print_as_it_is(text.as_bytes())
}

/// What was asked for byte for byte, to a file or a program; a terminal gets it as
/// text.
pub(crate) fn print_data(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = data();
    tolerate_closed_pipe(out.write_all(bytes).and_then(|()| out.flush()))
}

/// The same, written piece by piece.
pub(crate) fn data() -> Box<dyn Write + Send> {
    let out = io::stdout();
    match out.is_terminal() {
        true => Box::new(Lines::new(out)),
        false => Box::new(out),
    }
}

fn print_as_it_is(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    tolerate_closed_pipe(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Ends the program quietly when nobody reads any more.
pub(crate) fn tolerate_closed_pipe(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

static IS_QUIET: AtomicBool = AtomicBool::new(false);
static SPEAKS_JSON: AtomicBool = AtomicBool::new(false);
static NOTES_JSON: AtomicBool = AtomicBool::new(false);
/// Whether notes have a time.
static NOTES_TIMED: AtomicBool = AtomicBool::new(false);

/// From now on there are no notes.
pub(crate) fn be_quiet() {
    IS_QUIET.store(true, Relaxed);
}

/// A bar that nobody sees where there are no notes.
pub(crate) fn shown(bar: ProgressBar) -> ProgressBar {
    if IS_QUIET.load(Relaxed) {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// From now on a note is one JSON object, as log lines are.
pub(crate) fn note_in_json() {
    NOTES_JSON.store(true, Relaxed);
}

/// From now on a note has a time, as log lines have, unless somebody sits before it.
pub(crate) fn note_in_log() {
    NOTES_TIMED.store(!io::stderr().is_terminal(), Relaxed);
}

/// From now on a failure is one JSON object.
pub(crate) fn speak_json() {
    SPEAKS_JSON.store(true, Relaxed);
}

/// A line for people, to standard error.
pub(crate) fn note(text: &str) {
    let line = match (NOTES_JSON.load(Relaxed), NOTES_TIMED.load(Relaxed)) {
        _ if IS_QUIET.load(Relaxed) => return,
        (true, _) => note_line(&located(text)),
        (false, true) => timed_note(&located(text)),
        (false, false) => return tell(text),
    };
    let _ = writeln!(io::stderr(), "{line}");
}

/// A question, to standard error.
pub(crate) fn ask(text: &str) {
    tell(text);
}

fn tell(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{}", document(&located(text)));
}

/// Tells a failure on standard error and gives the code to end with.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    let said = match SPEAKS_JSON.load(Relaxed) {
        true => failure.said_as_json(),
        false => failure.said(),
    };
    said.as_deref().into_iter().for_each(tell);
    ExitCode::from(failure.code())
}

/// What a command answers: one value, two printers.
pub(crate) trait Shown {
    /// What is said instead of an empty table.
    fn nothing(&self) -> Option<&'static str> {
        None
    }

    /// For people.
    fn text(&self) -> String;

    /// For programs.
    fn json(&self) -> impl Serialize;
}

/// By whichever printer was asked for.
pub(crate) fn show(value: &impl Shown, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&value.json());
    }
    match value.nothing() {
        Some(nothing) => {
            note(nothing);
            Ok(())
        }
        None => print(&value.text()),
    }
}

/// Where log lines go: each event is one line, whatever is in it.
pub(crate) fn log() -> Events<Stderr> {
    Events(io::stderr())
}

/// Where log lines go that are one JSON object each, with all that is foreign escaped.
pub(crate) fn log_in_json() -> Stderr {
    io::stderr()
}

/// Each write is one event.
pub(crate) struct Events<W>(W);

/// Of an event.
const EVENT: usize = 8_000;

impl<W: Write> Write for Events<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(self.0, "{}", line(text).at_most(EVENT))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Bytes that are shown as text, line by line.
struct Lines<W: Write> {
    out: W,
    held: Vec<u8>,
}

/// What a line is cut at, whatever a terminal shows of it.
const HELD: usize = 1 << 20;

impl Lines<Stdout> {
    fn new(out: Stdout) -> Self {
        Self { out, held: Vec::new() }
    }
}

impl<W: Write> Lines<W> {
    fn show(&mut self, end: usize) -> io::Result<()> {
        let rest = self.held.split_off(end);
        let text = String::from_utf8_lossy(&self.held);
        write!(self.out, "{}", document(&text))?;
        self.held = rest;
        Ok(())
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        // What was held before has no end of a line.
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => self.show(before + at + 1)?,
            None if self.held.len() >= HELD => self.show(self.held.len())?,
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.show(self.held.len())?;
        self.out.flush()
    }
}

/// Labelled bars, the longest 30 cells wide, each with its figure.
pub(crate) fn bars(rows: &[(String, u64)]) -> String {
    let widest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    rows.iter().fold(String::new(), |mut text, (label, count)| {
        let cells = (count * 30).div_ceil(most);
        let bar: String = (0..cells).map(|_| '■').collect();
        let _ = writeln!(text, "  {label:<widest$}  {bar:<30}  {:>9}", grouped(*count));
        text
    })
}

/// Text from elsewhere on lines of its own.
pub(crate) fn prose(text: &str) -> String {
    countersign_text::prose(text).to_string()
}

/// Text from elsewhere within a line of ours: it cannot end the line, move the cursor or
/// turn other words around, and it has an end.
pub(crate) fn printable(text: &str) -> String {
    line(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_scaled_to_the_longest() {
        let text = bars(&[("High".into(), 3000), ("Low".into(), 1), ("None".into(), 0)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].matches('■').count(), 30);
        assert_eq!(lines[1].matches('■').count(), 1, "a little is not nothing");
        assert_eq!(lines[2].matches('■').count(), 0);
        assert!(lines[0].ends_with("3,000"));
    }

    #[test]
    fn words_from_elsewhere_move_nothing_and_hide_nothing() {
        assert_eq!(printable("a\u{1b}[2J\tb\nc"), "a<U+001B>[2J b c");
        assert_eq!(printable("gpj.\u{202e}exe\u{200b}"), "gpj.<U+202E>exe<U+200B>");
        assert_eq!(printable("日本語 é 🎈"), "日本語 é 🎈");
    }

    #[test]
    fn an_event_is_one_line() {
        let mut out = Vec::new();
        let event = format!("one\nERROR forged \u{1b}[2J\u{202e}{}\n", "x".repeat(1_000_000));
        Events(&mut out).write_all(event.as_bytes()).unwrap();
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.starts_with("one ERROR forged <U+001B>[2J<U+202E>x"), "{shown}");
        assert_eq!(shown.matches('\n').count(), 1);
        assert!(shown.ends_with("more characters)\n") && shown.len() < 10_000);
    }

    #[test]
    fn data_on_a_terminal_is_text() {
        let mut lines = Lines { out: Vec::new(), held: Vec::new() };
        for byte in "é\u{1b}[2J\n\u{202e}".bytes().chain([0xff]) {
            lines.write_all(&[byte]).unwrap();
        }
        lines.flush().unwrap();
        assert_eq!(String::from_utf8(lines.out).unwrap(), "é<U+001B>[2J\n<U+202E>\u{fffd}");
    }
}
