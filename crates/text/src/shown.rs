use std::fmt::{self, Display, Formatter, Write};

use crate::odd::{Piece, is_odd, pieces};

/// Of a name, or of what another program said.
const LINE: usize = 1_000;
/// Of a description.
const PROSE: usize = 20_000;
/// Of one line in a document of ours.
const DOCUMENT_LINE: usize = 20_000;

/// Text within a line of ours: breaks and tabs become blanks.
pub fn line(text: &str) -> Line<'_> {
    Line { text, most: LINE }
}

/// Several lines of text: breaks stay, tabs are blanks.
pub fn prose(text: &str) -> Prose<'_> {
    Prose(text)
}

/// A file of text: breaks and tabs stay, and nothing is cut.
pub fn file(text: &str) -> File<'_> {
    File(text)
}

/// A text of ours that others' may have got into: breaks and tabs stay, and each line
/// is cut by itself.
pub fn document(text: &str) -> Document<'_> {
    Document(text)
}

/// Made by [`line()`].
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    text: &'a str,
    most: usize,
}

/// Made by [`prose`].
#[derive(Debug, Clone, Copy)]
pub struct Prose<'a>(&'a str);

/// Made by [`file()`].
#[derive(Debug, Clone, Copy)]
pub struct File<'a>(&'a str);

/// Made by [`document`].
#[derive(Debug, Clone, Copy)]
pub struct Document<'a>(&'a str);

impl Line<'_> {
    /// So many characters at most, and what says that some are missing.
    pub fn at_most(self, chars: usize) -> Self {
        Self { most: chars, ..self }
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (kept, missing) = cut(self.text, self.most);
        for piece in pieces(kept) {
            match piece {
                Piece::Plain(text) => f.write_str(text)?,
                Piece::Odd('\n' | '\r' | '\t') => f.write_char(' ')?,
                Piece::Odd(c) => mark(f, c)?,
            }
        }
        say_missing(f, missing)
    }
}

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (kept, missing) = cut(self.0, PROSE);
        write_lines(f, kept, "    ")?;
        say_missing(f, missing)
    }
}

impl Display for File<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_lines(f, self.0, "\t")
    }
}

impl Display for Document<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for line in self.0.split_inclusive('\n') {
            let (kept, missing) = cut(line, DOCUMENT_LINE);
            write_lines(f, kept, "\t")?;
            if missing > 0 {
                let is_ended = line.ends_with('\n');
                say_missing(f, missing - usize::from(is_ended))?;
                f.write_str(if is_ended { "\n" } else { "" })?;
            }
        }
        Ok(())
    }
}

/// A break may be of two characters.
fn write_lines(f: &mut Formatter<'_>, text: &str, tab: &str) -> fmt::Result {
    let mut pieces = pieces(text).peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Plain(text) => f.write_str(text)?,
            Piece::Odd('\r') if matches!(pieces.peek(), Some(Piece::Odd('\n'))) => {}
            Piece::Odd('\n') => f.write_char('\n')?,
            Piece::Odd('\t') => f.write_str(tab)?,
            Piece::Odd(c) => mark(f, c)?,
        }
    }
    Ok(())
}

pub(crate) fn mark(f: &mut impl Write, c: char) -> fmt::Result {
    write!(f, "<U+{:04X}>", u32::from(c))
}

/// The beginning, and how many characters follow it; `most` is as they are shown. What is only a little too long
/// stays whole: the note would be longer.
pub fn cut(text: &str, most: usize) -> (&str, usize) {
    if text.len() * MARK <= most {
        return (text, 0);
    }
    let (mut end, mut width) = (None, 0);
    for (at, c) in text.char_indices() {
        if width >= most {
            end.get_or_insert(at);
        }
        width += if is_odd(c) { MARK } else { 1 };
        if let Some(end) = end.filter(|_| width > most + SLACK) {
            return (&text[..end], text[end..].chars().count());
        }
    }
    (text, 0)
}

/// Of the mark of a character, about.
const MARK: usize = 8;
/// Of the note about what is missing, about.
const SLACK: usize = 30;

/// Says after a text that was [`cut`] how many characters are missing.
pub fn say_missing(f: &mut (impl Write + ?Sized), missing: usize) -> fmt::Result {
    match missing {
        0 => Ok(()),
        missing => write!(f, "… ({missing} more characters)"),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_plain(text: &str) -> bool {
        !text.contains(is_odd)
    }

    const ODD: &str = "a\u{1b}[2J\u{7}\u{9b}1m\u{202e}b\u{200b}\r\nc\td";

    #[test]
    fn every_place_has_its_way() {
        let marked = "a<U+001B>[2J<U+0007><U+009B>1m<U+202E>b<U+200B>";
        assert_eq!(line(ODD).to_string(), format!("{marked}  c d"));
        assert_eq!(prose(ODD).to_string(), format!("{marked}\nc    d"));
        assert_eq!(document(ODD).to_string(), format!("{marked}\nc\td"));
        assert_eq!(file(ODD).to_string(), format!("{marked}\nc\td"));
        assert_eq!(prose("a\rb").to_string(), "a<U+000D>b");
        assert_eq!(line("日本語 é 🎈").to_string(), "日本語 é 🎈");
    }

    #[test]
    fn what_is_cut_says_so() {
        let long = "é".repeat(1_000_000);
        let shown = line(&long).to_string();
        assert_eq!(shown, format!("{}… (999000 more characters)", "é".repeat(1_000)));
        let letters = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
        assert_eq!(line(letters).at_most(2).to_string(), "ab… (50 more characters)");
        assert_eq!(line("abcdef").at_most(2).to_string(), "abcdef", "a note would be longer");
        let turned = "\u{202e}".repeat(1_000_000);
        assert!(line(&turned).to_string().len() < 1_100, "as long as it is shown");
        assert!(prose(&long).to_string().ends_with("… (980000 more characters)"));
        assert_eq!(file(&long).to_string(), long);
        let two = format!("{long}\nshort\n");
        let shown = document(&two).to_string();
        assert!(shown.ends_with("… (980000 more characters)\nshort\n"), "{}", shown.len());
    }

    proptest! {
        #[test]
        fn nothing_odd_is_shown(text in any::<String>()) {
            prop_assert!(is_plain(&line(&text).to_string()));
            let kept = |text: String| text.replace(['\n', '\t'], "");
            prop_assert!(is_plain(&kept(prose(&text).to_string())));
            prop_assert!(is_plain(&kept(document(&text).to_string())));
        }

        #[test]
        fn plain_text_stays_as_it_is(text in "\\PC{0,200}") {
            prop_assume!(is_plain(&text));
            prop_assert_eq!(line(&text).to_string(), text.as_str());
            prop_assert_eq!(document(&text).to_string(), text.as_str());
        }
    }
}
