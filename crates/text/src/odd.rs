/// Whether a character has no shape of its own, or changes where and how others are
/// shown: controls (C0, DEL and C1), what Unicode calls formatting (the marks that turn
/// text around, zero widths, tags), separators of lines and paragraphs, variation
/// selectors, fillers, and what is no character. Line feeds and tabs are odd too: where
/// they are wanted, the printer of that place keeps them.
pub fn is_odd(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text in pieces: what is shown as it is, and each odd character by itself.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = match is_odd(first) {
            true => first.len_utf8(),
            false => rest.find(is_odd).unwrap_or(rest.len()),
        };
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(if is_odd(first) { Piece::Odd(first) } else { Piece::Plain(piece) })
    })
}

pub(crate) enum Piece<'a> {
    Plain(&'a str),
    Odd(char),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_known() {
        for c in "\0\n\t\u{1b}\u{7f}\u{9b}\u{200b}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}\u{ad}\u{fe0f}\u{fdd0}\u{1ffff}".chars() {
            assert!(is_odd(c), "{c:?}");
        }
        for c in "a é日🎈\u{a0}".chars() {
            assert!(!is_odd(c), "{c:?}");
        }
    }
}
