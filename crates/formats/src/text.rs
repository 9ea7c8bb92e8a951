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
}
