//! Text that somebody wrote elsewhere, in whatever encoding: read as UTF-8, or as UTF-16
//! where its first bytes say so; else the encoding is named as far as it shows.

use std::fmt;

/// Why bytes are no text. Holds none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotText {
    /// The other byte of each two is zero.
    Utf16 {
        /// The zero comes second.
        is_little: bool,
    },
    /// UTF-16 by its mark, and broken off or with halves of characters.
    BrokenUtf16,
    /// By its mark.
    Utf32,
    /// One byte a character.
    OneByte {
        /// Where the first one is that is no UTF-8.
        line: usize,
    },
    /// Bytes that no text holds.
    Binary,
}

impl NotText {
    /// The encoding as `iconv` calls it, if the file is text at all.
    pub fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Utf16 { is_little: true } => Some("UTF-16LE"),
            Self::Utf16 { is_little: false } => Some("UTF-16BE"),
            Self::Utf32 => Some("UTF-32"),
            Self::OneByte { .. } => Some("WINDOWS-1252"),
            Self::BrokenUtf16 | Self::Binary => None,
        }
    }
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 { .. } => f.write_str("looks like UTF-16 without a byte-order mark"),
            Self::BrokenUtf16 => f.write_str("is UTF-16 by its first bytes, and broken"),
            Self::Utf32 => f.write_str("is UTF-32 by its first bytes"),
            Self::OneByte { line } => {
                write!(f, "is not UTF-8 text: line {line} looks like Windows-1252 or Latin-1")
            }
            Self::Binary => f.write_str("is not text: it holds bytes that no text holds"),
        }
    }
}

/// The text of these bytes, without a byte-order mark. The only copy is the one returned.
pub fn decode(bytes: &[u8]) -> Result<String, NotText> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(NotText::Utf32),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        bytes => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, NotText> {
    let is_zero = |at: usize| bytes.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (first, second) = (is_zero(0), is_zero(1));
    if first + second > 0 {
        // Most letters are of the first 256, and the other byte of none of them is zero.
        let most = bytes.len() / 4;
        return Err(match (first, second) {
            (0, second) if second > most => NotText::Utf16 { is_little: true },
            (first, 0) if first > most => NotText::Utf16 { is_little: false },
            _ => NotText::Binary,
        });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(NotText::OneByte { line })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NotText::BrokenUtf16);
    }
    // Room for three bytes a unit, so that no shorter copy is left behind.
    let mut text = String::with_capacity(units.len() * 3);
    for read in char::decode_utf16(units.iter().map(|two| unit(*two))) {
        text.push(read.map_err(|_| NotText::BrokenUtf16)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn utf16be(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    const TEXT: &str = "[default]\r\nkey = é日🎈\n";

    #[test]
    fn text_in_every_encoding_that_is_read() {
        let marked = |mark: &[u8], rest: &[u8]| [mark, rest].concat();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            marked(b"\xef\xbb\xbf", TEXT.as_bytes()),
            marked(b"\xff\xfe", &utf16le(TEXT)),
            marked(b"\xfe\xff", &utf16be(TEXT)),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(TEXT), "{bytes:x?}");
        }
        for empty in [&b""[..], b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"] {
            assert_eq!(decode(empty).as_deref(), Ok(""));
        }
        assert_eq!(decode("a\u{feff}b".as_bytes()).as_deref(), Ok("a\u{feff}b"));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let line = "key_id = 0123456789abcdef\n";
        for (bytes, found, encoding) in [
            (utf16le(line), NotText::Utf16 { is_little: true }, Some("UTF-16LE")),
            (utf16be(line), NotText::Utf16 { is_little: false }, Some("UTF-16BE")),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), NotText::Utf32, Some("UTF-32")),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), NotText::Utf32, Some("UTF-32")),
            (b"\xff\xfea\0b".to_vec(), NotText::BrokenUtf16, None),
            (b"\xff\xfe\0\xd8".to_vec(), NotText::BrokenUtf16, None),
            (b"a\nb\ncaf\xe9\n".to_vec(), NotText::OneByte { line: 3 }, Some("WINDOWS-1252")),
            (b"\x7fELF\0\0\x01\0\0\x02".to_vec(), NotText::Binary, None),
        ] {
            let why = decode(&bytes).unwrap_err();
            assert_eq!((why, why.encoding()), (found, encoding), "{bytes:x?}");
        }
    }
}
