//! What words from elsewhere may hide.

/// Whether a person cannot see this character, or it moves others about: controls but
/// line feed and tab, what Unicode calls formatting, variation selectors, and what it says
/// is no character.
pub fn is_invisible(c: char) -> bool {
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
    fn what_hides_is_known() {
        for c in "\0\u{1b}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}\u{ad}\u{fe0f}".chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "a\n\té日🎈".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
