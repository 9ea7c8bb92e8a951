//! What all lists have in common: which columns, in which order, how many rows, and what is
//! said at their end.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use countersign_files::quoted;
use countersign_findings::filter::nearest;

use crate::failure::Failure;
use crate::output::{
    Cell, Fit, Layout, Stage, Tone, Toned, note, print_cells, print_toned, printable,
};

/// Rows that a terminal gets unless it asks for more.
pub(crate) const SCREENFUL: u64 = 50;
/// Rows by which the columns of a longer list are fitted, which then comes row by row.
const FITTED: usize = 500;

/// A column of a list of `T`.
pub(crate) struct Column<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) fit: Fit,
    pub(crate) cell: fn(&T) -> Cell,
}

/// `COLUMN` or `COLUMN:desc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) column: String,
    pub(crate) is_descending: bool,
}

impl FromStr for Order {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (column, direction) = text.split_once(':').unwrap_or((text, "asc"));
        match direction {
            "asc" => Ok(Self { column: column.to_owned(), is_descending: false }),
            "desc" => Ok(Self { column: column.to_owned(), is_descending: true }),
            _ => Err("expected COLUMN, COLUMN:asc or COLUMN:desc"),
        }
    }
}

/// The column of this name.
pub(crate) fn column<T: 'static>(
    all: &'static [Column<T>],
    name: &str,
) -> Result<&'static Column<T>, Failure> {
    let plain = |name: &str| name.trim().replace(['-', ' '], "_").to_lowercase();
    all.iter().find(|column| column.name == plain(name)).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|column| column.name).collect();
        let nearest = nearest(name, names.iter().copied(), 1).concat();
        Failure::usage(format!(
            "there is no column `{name}`; the nearest is `{nearest}`\nhint: the columns are {}",
            names.join(", ")
        ))
    })
}

/// The columns that were asked for, or those of `usual`; all for `all`.
fn columns<T: 'static>(
    all: &'static [Column<T>],
    asked: &[String],
    usual: &[&str],
) -> Result<Vec<&'static Column<T>>, Failure> {
    match asked {
        [] => usual.iter().map(|name| column(all, name)).collect(),
        [one] if Wanted::of(one) == Some(Wanted::All) => Ok(all.iter().collect()),
        names => names.iter().map(|name| column(all, name)).collect(),
    }
}

#[derive(PartialEq, Eq)]
enum Wanted {
    All,
}

impl Wanted {
    fn of(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// A list on its way out, row by row.
pub(crate) struct List<T: 'static> {
    columns: Vec<&'static Column<T>>,
    lines: Lines,
}

impl<T: 'static> List<T> {
    pub(crate) fn begin(
        all: &'static [Column<T>],
        asked: &[String],
        usual: &[&str],
    ) -> Result<Self, Failure> {
        let columns = columns(all, asked, usual)?;
        let lines = Lines::of(columns.iter().map(|column| (column.name, column.fit)));
        Ok(Self { columns, lines })
    }

    /// Rows that are shown unless so many are asked for: a screenful to people, all to a
    /// program.
    pub(crate) fn limit(&self, asked: Option<u64>) -> u64 {
        match (asked, self.lines.stage) {
            (Some(0), _) | (None, Stage::Pipe) => u64::MAX,
            (Some(limit), _) => limit,
            (None, Stage::Terminal { .. }) => SCREENFUL,
        }
    }

    pub(crate) fn add(&mut self, row: &T) -> Result<(), Failure> {
        self.lines.add(self.columns.iter().map(|column| (column.cell)(row)).collect())
    }

    /// The rest of it. Says how many rows there were.
    pub(crate) fn end(self) -> Result<u64, Failure> {
        self.lines.end()
    }
}

/// A list that is always whole and has always the same columns: as many as a row has cells.
pub(crate) fn print_list<const N: usize>(
    columns: [(&'static str, Fit); N],
    rows: impl IntoIterator<Item = [Cell; N]>,
) -> Result<(), Failure> {
    let mut lines = Lines::of(columns.into_iter());
    rows.into_iter().try_for_each(|row| lines.add(row.into()))?;
    lines.end().map(|_| ())
}

/// The lines of a list: tab-separated in a pipe, fitted to a terminal.
struct Lines {
    names: Vec<&'static str>,
    fits: Vec<Fit>,
    stage: Stage,
    /// Rows that wait for the widths of their columns.
    held: Vec<Vec<Cell>>,
    layout: Option<Layout>,
    rows: u64,
}

impl Lines {
    fn of(columns: impl Iterator<Item = (&'static str, Fit)>) -> Self {
        let (names, fits) = columns.unzip();
        Self { names, fits, stage: Stage::now(), held: Vec::new(), layout: None, rows: 0 }
    }

    fn add(&mut self, cells: Vec<Cell>) -> Result<(), Failure> {
        self.rows += 1;
        if let Stage::Pipe = self.stage {
            if self.rows == 1 {
                self.print_names()?;
            }
            return print_cells(cells.iter().map(|cell| cell.whole.as_str()));
        }
        match &self.layout {
            Some(layout) => print_row(self.stage, layout, &cells),
            None => {
                self.held.push(cells);
                if self.held.len() < FITTED { Ok(()) } else { self.fit() }
            }
        }
    }

    fn end(mut self) -> Result<u64, Failure> {
        match self.stage {
            Stage::Pipe if self.rows == 0 => self.print_names()?,
            Stage::Terminal { .. } if !self.held.is_empty() => self.fit()?,
            _ => {}
        }
        Ok(self.rows)
    }

    fn print_names(&self) -> Result<(), Failure> {
        print_cells(self.names.iter().copied())
    }

    fn fit(&mut self) -> Result<(), Failure> {
        let name = |name: &&'static str| {
            Cell::text(&name.replace('_', " ").to_uppercase()).tone(Tone::Faint)
        };
        let mut rows = vec![self.names.iter().map(name).collect()];
        rows.append(&mut self.held);
        let layout = Layout::new(self.fits.clone(), &rows, self.stage.columns());
        for row in &rows {
            print_row(self.stage, &layout, row)?;
        }
        self.layout = Some(layout);
        Ok(())
    }
}

fn print_row(stage: Stage, layout: &Layout, cells: &[Cell]) -> Result<(), Failure> {
    let mut line = Toned::default();
    for (text, cell) in layout.row(cells) {
        line.push(&stage.toned(&text, cell.tone));
    }
    print_toned(line)
}

/// Sorts what is in memory by a column.
pub(crate) fn sort<T: 'static>(
    rows: &mut [T],
    all: &'static [Column<T>],
    order: Option<&Order>,
) -> Result<(), Failure> {
    let Some(order) = order else { return Ok(()) };
    let column = column(all, &order.column)?;
    let key = |row: &T| (column.cell)(row).key;
    rows.sort_by(|one, other| -> Ordering { key(one).compare(&key(other), order.is_descending) });
    Ok(())
}

/// The command that is running, with some of its options changed: it can be pasted.
pub(crate) struct Again(Vec<String>);

impl Again {
    pub(crate) fn of_this() -> Self {
        let words = std::env::args_os().skip(1);
        Self(words.map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// With this value of an option instead of any that was given.
    pub(crate) fn with(&self, option: &str, value: impl fmt::Display) -> Self {
        let mut words = self.without(option).0;
        words.extend([format!("--{option}"), value.to_string()]);
        Self(words)
    }

    /// Without an option that takes a value.
    pub(crate) fn without(&self, option: &str) -> Self {
        let (long, given) = (format!("--{option}"), format!("--{option}="));
        let short = SHORT.iter().find(|(name, _)| *name == option).map(|(_, short)| *short);
        let mut words = Vec::new();
        let mut all = self.0.iter();
        while let Some(word) = all.next() {
            let in_short = short.and_then(|short| word.strip_prefix(short));
            if *word == long || in_short.is_some_and(str::is_empty) {
                all.next();
            } else if !word.starts_with(&given) && in_short.is_none() {
                words.push(word.clone());
            }
        }
        Self(words)
    }
}

/// Options that have a short name as well.
const SHORT: &[(&str, &str)] = &[("limit", "-n")];

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("countersign")?;
        self.0.iter().try_for_each(|word| write!(f, " {}", quoted(&printable(word))))
    }
}

/// What is said below a list, to standard error.
pub(crate) fn foot(summary: &str, ways: &[(&str, Again)]) {
    note(summary);
    let widest = ways.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    for (what, command) in ways {
        note(&format!("  {what:<widest$}  {command}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(words: &[&str]) -> Again {
        Again(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_command_is_said_again_with_one_option_changed() {
        let this = again(&[
            "findings",
            "--limit",
            "5",
            "-n",
            "3",
            "-n4",
            "--filter",
            "title[like]it's x",
            "--limit=7",
        ]);
        assert_eq!(
            this.with("limit", 0).to_string(),
            r"countersign findings --filter 'title[like]it'\''s x' --limit 0"
        );
        assert_eq!(again(&["changes"]).without("limit").to_string(), "countersign changes");
    }

    #[test]
    fn an_order_is_a_column_and_a_direction() {
        for bad in ["a:up", "a:", ":desc:x"] {
            assert!(bad.parse::<Order>().is_err(), "{bad}");
        }
        let order = |text: &str| text.parse::<Order>().unwrap();
        assert!(!order("severity").is_descending);
        assert!(order("severity:desc").is_descending);
    }

    #[test]
    fn a_column_that_is_none_is_refused_with_those_there_are() {
        static ALL: &[Column<u8>] = &[
            Column { name: "first_found", fit: Fit::Whole, cell: |_| Cell::text("a") },
            Column { name: "place", fit: Fit::Start, cell: |_| Cell::text("b") },
        ];
        let failure = column(ALL, "frist_found").err().unwrap().to_string();
        assert!(failure.contains("nearest is `first_found`") && failure.contains("place"));
        assert!(column(ALL, "First-Found").is_ok());
    }
}
