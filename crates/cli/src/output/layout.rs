//! How a list is laid out: a line a row, fitted to a terminal by cutting within cells.
//! Nothing here prints.

use std::cmp::Ordering;

use super::printable;

/// Blanks between two columns.
const GAP: usize = 2;
/// How far columns are cut, one step after the other, until a line fits: names first, for the
/// end of a path says most. What is not to be cut gives last.
const STEPS: [(&[Fit], usize); 6] = [
    (&[Fit::End], 14),
    (&[Fit::Start], 24),
    (&[Fit::End], 8),
    (&[Fit::Start], 8),
    (&[Fit::End, Fit::Start], 4),
    (&[Fit::End, Fit::Start, Fit::Whole, Fit::Number], 1),
];
const ELLIPSIS: char = '…';

/// What a cell is about, for those who see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Strong,
    Worst,
    Bad,
    Warning,
    Good,
    Faint,
}

/// Where a cell may be cut on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Nowhere.
    Whole,
    /// Nowhere, and numbers end under one another.
    Number,
    /// Its end, as with names.
    End,
    /// Its beginning, as with paths, whose end says most.
    Start,
}

/// By what cells are sorted. What is absent comes last in either direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Number(i64),
    Text(String),
    Absent,
}

impl Key {
    pub(crate) fn compare(&self, other: &Self, is_descending: bool) -> Ordering {
        match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => self.cmp(other),
            _ if is_descending => other.cmp(self),
            _ => self.cmp(other),
        }
    }
}

/// One value of a list: whole for a pipe, and as a terminal shows it.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) whole: String,
    pub(crate) shown: String,
    pub(crate) tone: Tone,
    pub(crate) key: Key,
}

impl Cell {
    /// A text from anywhere; empty is absent.
    pub(crate) fn text(text: &str) -> Self {
        let key = if text.is_empty() { Key::Absent } else { Key::Text(text.to_lowercase()) };
        Self { whole: whole(text), shown: printable(text), tone: Tone::Plain, key }
    }

    pub(crate) fn some(text: Option<&str>) -> Self {
        Self::text(text.unwrap_or_default())
    }

    pub(crate) fn number(number: i64) -> Self {
        Self { key: Key::Number(number), ..Self::text(&number.to_string()) }
    }

    pub(crate) fn count(count: u64) -> Self {
        let number = i64::try_from(count).unwrap_or(i64::MAX);
        Self { shown: super::grouped(count), ..Self::number(number) }
    }

    pub(crate) fn truth(is: Option<bool>) -> Self {
        Self::some(is.map(|is| if is { "true" } else { "false" }))
    }

    /// A moment: local on a terminal, RFC 3339 in a pipe.
    pub(crate) fn moment(ms: Option<i64>) -> Self {
        let Some(ms) = ms else { return Self::text("") };
        let whole = countersign_findings::rfc3339(ms);
        Self { key: Key::Number(ms), shown: super::local(ms), ..Self::text(&whole) }
    }

    /// A terminal shows this instead.
    pub(crate) fn shown_as(self, shown: &str) -> Self {
        Self { shown: printable(shown), ..self }
    }

    pub(crate) fn sorted_by(self, number: i64) -> Self {
        Self { key: Key::Number(number), ..self }
    }

    pub(crate) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// A value of a line of data: not cut, and neither a tab nor a break in it.
fn whole(text: &str) -> String {
    countersign_text::line(text).at_most(usize::MAX).to_string()
}

/// A line of data.
pub(crate) fn tabbed<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let mut line = cells.into_iter().collect::<Vec<_>>().join("\t");
    line.push('\n');
    line
}

/// How wide the columns of a list are on a terminal.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    fits: Vec<Fit>,
    widths: Vec<usize>,
    room: usize,
}

impl Layout {
    /// For these rows, the header among them.
    pub(crate) fn new(fits: Vec<Fit>, rows: &[Vec<Cell>], room: usize) -> Self {
        let widest = |at: usize| rows.iter().map(|row| width(&row[at].shown)).max();
        let mut widths: Vec<_> = (0..fits.len()).map(|at| widest(at).unwrap_or(0)).collect();
        let gaps = GAP * fits.len().saturating_sub(1);
        for (which, kept) in STEPS {
            while widths.iter().sum::<usize>() + gaps > room {
                let may_give =
                    |(at, wide): &(usize, &mut usize)| **wide > kept && which.contains(&fits[*at]);
                let widest = widths.iter_mut().enumerate().filter(may_give);
                let Some((_, widest)) = widest.max_by_key(|(_, wide)| **wide) else { break };
                *widest -= 1;
            }
        }
        Self { fits, widths, room }
    }

    /// The cells of a row, cut and padded, without blanks at the end.
    pub(crate) fn row<'c>(&self, cells: &'c [Cell]) -> Vec<(String, &'c Cell)> {
        let last = cells.len().saturating_sub(1);
        let mut left = self.room;
        let mut row = Vec::new();
        for (at, cell) in cells.iter().enumerate() {
            let (fit, wide) = (self.fits[at], self.widths[at].min(left));
            let text = match fit {
                Fit::Start => cut_start(&cell.shown, wide),
                _ => cut_end(&cell.shown, wide),
            };
            let pad = " ".repeat(wide - width(&text));
            left -= wide;
            let gap = if at == last { 0 } else { GAP.min(left) };
            left -= gap;
            let gap = " ".repeat(gap);
            row.push(match fit {
                Fit::Number => (format!("{pad}{text}{gap}"), cell),
                _ if at == last => (text, cell),
                _ => (format!("{text}{pad}{gap}"), cell),
            });
        }
        row
    }
}

fn cut_end(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept: String = fitting(text.chars(), room).collect();
    kept.truncate(kept.trim_end().len());
    kept.extend((room > 0).then_some(ELLIPSIS));
    kept
}

fn cut_start(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = fitting(text.chars().rev(), room).collect();
    kept.extend((room > 0).then_some(ELLIPSIS));
    kept.into_iter().rev().collect()
}

/// What fits beside an ellipsis.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> impl Iterator<Item = char> {
    let mut left = room.saturating_sub(1);
    chars.take_while(move |c| {
        let wide = columns(*c);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    })
}

/// Columns that a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// East Asian letters and pictures take two columns, marks that join the letter before none.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f
        | 0x0483..=0x0489
        | 0x0591..=0x05bd
        | 0x0610..=0x061a
        | 0x064b..=0x065f
        | 0x0e31
        | 0x0e34..=0x0e3a
        | 0x0e47..=0x0e4e
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0x33ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xa000..=0xa4cf
        | 0xa960..=0xa97f
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A text on lines of at most `room` columns, broken between words, each line after
/// `indent` blanks. A word that is longer stays whole; breaks of the text stay.
pub(crate) fn wrapped(text: &str, indent: usize, room: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut lines = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let wide = width(word);
            if column > 0 && column + 1 + wide > room {
                lines.push('\n');
                column = 0;
            }
            let before = if column == 0 { blanks.as_str() } else { " " };
            lines.push_str(before);
            lines.push_str(word);
            column += before.len() + wide;
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fits: &[Fit], rows: &[&[&str]], room: usize) -> Vec<String> {
        let cells: Vec<Vec<Cell>> =
            rows.iter().map(|row| row.iter().map(|text| Cell::text(text)).collect()).collect();
        let layout = Layout::new(fits.to_vec(), &cells, room);
        cells
            .iter()
            .map(|row| layout.row(row).into_iter().map(|(text, _)| text).collect())
            .collect()
    }

    #[test]
    fn what_fits_is_whole() {
        let rows: &[&[&str]] = &[&["a", "12", "name"], &["bbb", "3", "x"]];
        let fits = [Fit::Whole, Fit::Number, Fit::End];
        assert_eq!(shown(&fits, rows, 80), ["a    12  name", "bbb   3  x"]);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let path = "src/main/java/com/example/deep/down/in/the/tree/Billing.java:42";
        let rows: &[&[&str]] = &[
            &["Very High", "0123456789", "A rather long name of an application", path],
            &["Low", "abcdef0123", "日本語のアプリケーションの名前です", "x"],
        ];
        let fits = [Fit::Whole, Fit::Whole, Fit::End, Fit::Start];
        for room in [1, 2, 7, 20, 40, 60, 80, 120, 300] {
            for line in shown(&fits, rows, room) {
                assert!(width(&line) <= room, "{room}: {line}");
            }
        }
        let lines = shown(&fits, rows, 80);
        assert!(lines[0].starts_with("Very High  0123456789  A rather"), "{}", lines[0]);
        assert!(lines[0].contains('…') && lines[0].ends_with("/Billing.java:42"), "{}", lines[0]);
    }

    #[test]
    fn lines_break_between_words() {
        let long = "https://www.example.com/a/very/long/address/that/has/no/blank/in/it";
        let text = wrapped(&format!("one two three {long} four\n\nfive"), 2, 20);
        assert_eq!(text, format!("  one two three\n  {long}\n  four\n\n  five\n"));
    }

    #[test]
    fn data_is_whole_and_one_line() {
        let cell = Cell::text(&format!("a\tb\n{}", "x".repeat(100_000)));
        assert!(cell.whole.starts_with("a b x") && cell.whole.len() == 100_004);
        assert_eq!(tabbed(["a", "", "b"]), "a\t\tb\n");
    }

    #[test]
    fn what_is_absent_comes_last() {
        let (one, two) = (Key::Number(1), Key::Number(2));
        assert_eq!(one.compare(&two, false), Ordering::Less);
        assert_eq!(one.compare(&two, true), Ordering::Greater);
        for is_descending in [true, false] {
            assert_eq!(one.compare(&Key::Absent, is_descending), Ordering::Less);
        }
    }
}
