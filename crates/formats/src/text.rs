//! Texts of scanners, made fit for documents: what a reader would refuse or mistake
//! goes out, and nothing else.

/// The text with line ends of one kind, and a replacement mark for every control
/// character: databases behind readers refuse some of them, and none is meant.
pub(crate) fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => '\n',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

/// The same; none when nothing is left that a person could see.
pub(crate) fn some_plain(text: Option<&str>) -> Option<String> {
    text.map(plain).filter(|text| !text.trim().is_empty())
}

/// One line of at most so many characters.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let words = plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
    clip(&words, max_chars)
}

/// At most so many characters, the last of them a mark that something is missing.
pub(crate) fn clip(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Whether a person cannot see this character, or it moves others about: controls, what
/// Unicode calls formatting, and what it says is no character.
pub(crate) fn is_invisible(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_go_and_lines_stay() {
        assert_eq!(plain("a\0b\r\nc\rd\te\u{7f}"), "a\u{fffd}b\nc\nd\te\u{fffd}");
        assert_eq!(some_plain(Some(" \n")), None);
        assert_eq!(line(" a\r\n b\tc ", 9), "a b c");
    }

    #[test]
    fn clipping_counts_characters() {
        assert_eq!(clip("日本語", 3), "日本語");
        assert_eq!(clip("日本語!", 3), "日本…");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn what_hides_is_known() {
        for c in "\0\u{1b}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}\u{ad}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "a\n\té日🎈".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
