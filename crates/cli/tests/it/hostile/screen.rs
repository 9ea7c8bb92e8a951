//! What was printed, looked at as a terminal would.

use std::cell::RefCell;
use std::io::Read;
use std::process::Command;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines for people, none of them endless, none begun by somebody else.
    Text,
    /// Data with escapes, as long as the values are.
    Data,
    /// Lines of values as long as they are, with tabs between.
    Table,
    /// HTML.
    Page,
    /// Lines that end as mails and calendars have them.
    Calendar,
}

/// Where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Pipe,
    Terminal,
}

/// What begins a line only if a text brought the break with it.
pub(crate) const FORGED: &str = "FORGED";
/// In characters; what was cut says so behind them.
const LONGEST_LINE: usize = 25_000;

/// What was printed that is not harmless, all of it told at the end.
#[derive(Default)]
pub(crate) struct Harms(RefCell<Vec<String>>);

impl Harms {
    pub(crate) fn look(&self, what: &str, bytes: &[u8], kind: Kind) {
        self.look_at(Place::Pipe, what, bytes, kind);
    }

    pub(crate) fn look_at(&self, place: Place, what: &str, bytes: &[u8], kind: Kind) {
        if let Some(harm) = harm(place, bytes, kind) {
            self.0.borrow_mut().push(format!("{what} ({place:?}): {harm}"));
        }
    }

    #[track_caller]
    pub(crate) fn assert_none(&self) {
        let harms = self.0.borrow();
        assert!(harms.is_empty(), "{}", harms.join("\n"));
    }
}

/// The first thing in it that does something, hides or has no end.
fn harm(place: Place, bytes: &[u8], kind: Kind) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    let text = match (place, kind) {
        (Place::Terminal, _) => without_progress(text),
        (_, Kind::Calendar | Kind::Data) => text.replace("\r\n", "\n"),
        _ => text.to_owned(),
    };
    let are_tabs_kept = place == Place::Terminal || matches!(kind, Kind::Page | Kind::Table);
    text.split('\n').find_map(|line| {
        let odd = line.chars().find(|c| is_odd(*c) && !(are_tabs_kept && *c == '\t'));
        let are_lines_ours = matches!(kind, Kind::Text | Kind::Calendar);
        let is_forged = line.starts_with(FORGED) && (are_lines_ours || kind == Kind::Table);
        let is_long = are_lines_ours || (kind == Kind::Table && place == Place::Terminal);
        let is_endless = is_long && line.chars().count() > LONGEST_LINE;
        let is_harm = odd.is_some() || is_forged || is_endless;
        is_harm.then(|| format!("{odd:?} in {} bytes {:?}", line.len(), cut(line)))
    })
}

fn cut(line: &str) -> String {
    line.chars().take(300).collect()
}

/// By hand, so that a gap in the program's list is seen.
pub(crate) fn is_odd(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Without the few sequences by which bars draw themselves and words get their colour.
fn without_progress(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    for own in ["[2K", "[K", "[1A", "[2A", "[1B", "[?25l", "[?25h"] {
        text = text.replace(&format!("\u{1b}{own}"), "");
    }
    for colour in ["0", "1", "1;31", "31", "32", "33", "2"] {
        text = text.replace(&format!("\u{1b}[{colour}m"), "");
    }
    // A bar begins its line anew.
    text.replace('\r', "\n")
}

/// Everything that the command shows on a terminal of its own.
pub(crate) fn on_a_terminal(command: &mut Command) -> Vec<u8> {
    on_a_terminal_of(command, 0)
}

/// The same on one of so many columns; of none that it says with 0.
pub(crate) fn on_a_terminal_of(command: &mut Command, columns: u16) -> Vec<u8> {
    let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&terminal).and_then(|()| rustix::pty::unlockpt(&terminal)).unwrap();
    let size = rustix::termios::Winsize { ws_row: 0, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let open = || std::fs::File::options().write(true).open(name.to_str().unwrap()).unwrap();
    command.env("TERM", "xterm-256color").stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    // Ours must be gone for the end to be seen.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut shown = Vec::new();
    // Reading a terminal that nobody has open any more fails.
    let _ = std::fs::File::from(terminal).read_to_end(&mut shown);
    child.wait().unwrap();
    shown
}

/// The suite sees what it looks for.
#[test]
fn harms_are_seen() {
    let long = "x".repeat(1_000_000);
    for (text, place, kind, is_harm) in [
        ("a\u{1b}b", Place::Terminal, Kind::Text, true),
        ("a\u{202e}b", Place::Pipe, Kind::Data, true),
        ("a\tb", Place::Pipe, Kind::Text, true),
        ("a\rb", Place::Pipe, Kind::Calendar, true),
        ("x\nFORGED", Place::Pipe, Kind::Text, true),
        (&long, Place::Terminal, Kind::Text, true),
        (&long, Place::Pipe, Kind::Data, false),
        (&long, Place::Pipe, Kind::Table, false),
        (&long, Place::Terminal, Kind::Table, true),
        ("a\tb", Place::Pipe, Kind::Table, false),
        ("x\nFORGED", Place::Pipe, Kind::Table, true),
        ("a\u{1b}[31mb\u{1b}[0m", Place::Pipe, Kind::Table, true),
        ("a\u{1b}[31mb\u{1b}[0m", Place::Terminal, Kind::Table, false),
        ("well\u{1b}[2K\r\n<U+202E>\t", Place::Terminal, Kind::Text, false),
    ] {
        assert_eq!(harm(place, text.as_bytes(), kind).is_some(), is_harm, "{text:?}");
    }
    assert!(harm(Place::Pipe, b"\xff", Kind::Text).is_some());
}
