//! As much of CBOR as authenticators write: definite lengths, no floats.

/// Of maps and lists within each other; CTAP2 allows four.
const DEEPEST: u8 = 8;

/// Reads from the front.
pub(crate) struct Reader<'a>(&'a [u8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Unsigned(u64),
    Negative(u64),
    Bytes(u64),
    Text(u64),
    List(u64),
    Map(u64),
    /// False, true, null, undefined.
    Simple,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn head(&mut self) -> Option<Head> {
        let first = *self.take(1)?.first()?;
        let more = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            size @ 24..=27 => {
                let bytes = self.take(1 << (size - 24))?;
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            _ => return None,
        };
        Some(match first >> 5 {
            0 => Head::Unsigned(more),
            1 => Head::Negative(more),
            2 => Head::Bytes(more),
            3 => Head::Text(more),
            4 => Head::List(more),
            5 => Head::Map(more),
            7 if (20..=23).contains(&(first & 0x1f)) => Head::Simple,
            _ => return None,
        })
    }

    pub(crate) fn map(&mut self) -> Option<u64> {
        match self.head()? {
            // A pair has two bytes at least.
            Head::Map(pairs) if pairs <= self.0.len() as u64 / 2 => Some(pairs),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        match self.head()? {
            Head::Text(length) => str::from_utf8(self.take(length)?).ok(),
            _ => None,
        }
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        match self.head()? {
            Head::Bytes(length) => self.take(length),
            _ => None,
        }
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        match self.head()? {
            Head::Unsigned(number) => i64::try_from(number).ok(),
            Head::Negative(number) => Some(-1 - i64::try_from(number).ok()?),
            _ => None,
        }
    }

    /// Whatever comes next.
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.skip_within(DEEPEST)
    }

    fn skip_within(&mut self, deepest: u8) -> Option<()> {
        match self.head()? {
            Head::Unsigned(_) | Head::Negative(_) | Head::Simple => {}
            Head::Bytes(length) => drop(self.take(length)?),
            Head::Text(length) => drop(str::from_utf8(self.take(length)?).ok()?),
            Head::List(count) => self.skip_all(count, deepest)?,
            Head::Map(pairs) => self.skip_all(pairs.checked_mul(2)?, deepest)?,
        }
        Some(())
    }

    fn skip_all(&mut self, count: u64, deepest: u8) -> Option<()> {
        let deepest = deepest.checked_sub(1)?;
        (0..count).try_for_each(|_| self.skip_within(deepest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_rfc_8949_shows_is_read() {
        let integer = |bytes: &[u8]| Reader::new(bytes).integer();
        assert_eq!(integer(&[0x17]), Some(23));
        assert_eq!(integer(&[0x18, 0x64]), Some(100));
        assert_eq!(integer(&[0x39, 0x03, 0xe7]), Some(-1000));
        assert_eq!(integer(&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0]), Some(1_000_000_000_000));
        assert_eq!(integer(&[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(Reader::new(&[0x44, 1, 2, 3, 4, 5]).bytes(), Some(&[1, 2, 3, 4][..]));
        assert_eq!(Reader::new(&[0x64, b'I', b'E', b'T', b'F']).text(), Some("IETF"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bytes in [
            &[][..],
            &[0x5f, 0x41, 1, 0xff], // of no length
            &[0x58],                // cut
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xf9, 0x3c, 0x00], // a float
            &[0xc0, 0x00],       // a tag
            &[0x61, 0xff],       // no UTF-8
            &[0x81; 64],         // too deep
        ] {
            assert!(Reader::new(bytes).skip().is_none(), "{bytes:?}");
        }
        let mut nested = Reader::new(&[0xa1, 0x01, 0x82, 0x20, 0xf6, 0x07]);
        assert!(nested.skip().is_some() && nested.rest() == [0x07]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while reader.skip().is_some() {}
        }
    }
}
