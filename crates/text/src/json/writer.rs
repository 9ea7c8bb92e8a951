//! Writes values as `serde_json` does, with escapes for what is odd. Most texts have nothing to
//! escape: they are looked at sixteen bytes at a time, and copied.

use std::fmt::{self, Display, Write as _};

use serde::ser::{self, Error as _, Serialize};
use serde_json::{Error, Result};

use crate::is_odd;

/// What `serde_json` calls a value that is JSON already.
const RAW: &str = "$serde_json::private::RawValue";
/// Bytes that are looked at together.
const STEP: usize = 16;

/// Writes behind what is there.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Whether a text is JSON already.
    is_raw: bool,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, is_raw: false }
    }
}

impl<'w> Writer<'w> {
    #[inline]
    fn open(out: &'w mut Vec<u8>, begin: u8, end: &'static str) -> Compound<'w> {
        out.push(begin);
        Compound { out: Writer::new(out), is_first: true, end }
    }

    /// In an object that has the variant as its one member.
    fn open_variant(
        out: &'w mut Vec<u8>,
        variant: &str,
        begin: u8,
        end: &'static str,
    ) -> Compound<'w> {
        out.push(b'{');
        quoted(out, variant);
        out.push(b':');
        Self::open(out, begin, end)
    }
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    unquoted(out, text);
    out.push(b'"');
}

fn unquoted(out: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_bytes(rest.as_bytes()));
        out.extend_from_slice(plain.as_bytes());
        let mut chars = tail.chars();
        let Some(c) = chars.next() else { return };
        character(out, c);
        rest = chars.as_str();
    }
}

/// Whether all of it are characters that stand for themselves.
fn is_plain(text: &[u8]) -> bool {
    let (steps, rest) = text.as_chunks::<STEP>();
    if let Some(last) = text.last_chunk::<STEP>() {
        return !steps.iter().any(has_special) && (rest.is_empty() || !has_special(last));
    }
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => !has_special(first) && !has_special(last),
        _ => !text.iter().any(|byte| special(*byte) != 0),
    }
}

/// How many bytes at the beginning are characters that stand for themselves.
fn plain_bytes(text: &[u8]) -> usize {
    let (steps, rest) = text.as_chunks::<STEP>();
    let (begin, last) = match steps.iter().position(has_special) {
        Some(at) => (at * STEP, steps[at].as_slice()),
        None => (text.len() - rest.len(), rest),
    };
    begin + last.iter().position(|byte| special(*byte) != 0).unwrap_or(last.len())
}

/// Of numbers instead of truth values the compiler makes a few instructions for all of them.
fn has_special<const BYTES: usize>(step: &[u8; BYTES]) -> bool {
    step.iter().fold(0, |all, byte| all | special(*byte)) != 0
}

/// Not 0 for a byte that does not stand for itself.
fn special(byte: u8) -> u8 {
    let is_beyond = byte.wrapping_sub(b' ') > b'~' - b' ';
    u8::from(is_beyond) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// A character that may need an escape.
fn character(out: &mut Vec<u8>, c: char) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        c if is_odd(c) => return escape(out, c),
        c => return out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The character by the numbers of its UTF-16 units.
fn escape(out: &mut Vec<u8>, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
    }
}

/// JSON that was made elsewhere, with escapes for what is odd. What is beyond ASCII is within a
/// string, wherever in the document it is; controls below it are escaped there already, and line
/// breaks between members stay.
pub(super) fn again(out: &mut Vec<u8>, json: &str) {
    let is_escaped = |c: char| !matches!(c, '\0'..='\u{1f}') && is_odd(c);
    let is_plain = json.bytes().fold(true, |all, byte| all & (byte < 0x7f));
    let mut rest = json;
    while let Some(at) = (!is_plain).then(|| rest.find(is_escaped)).flatten() {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let odd = tail.chars().next().unwrap_or_default();
        escape(out, odd);
        rest = &tail[odd.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Members or elements that are under way.
pub(super) struct Compound<'o> {
    out: Writer<'o>,
    is_first: bool,
    end: &'static str,
}

impl Compound<'_> {
    #[inline]
    fn next(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.out.out.push(b',');
        }
    }

    fn element(&mut self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.next();
        value.serialize(&mut self.out)
    }

    fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.next();
        quoted(self.out.out, name);
        self.out.out.push(b':');
        value.serialize(&mut self.out)
    }

    #[inline]
    fn finish(self) -> Result<()> {
        self.out.out.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

/// Pieces of a text as they come.
struct Pieces<'o>(&'o mut Vec<u8>);

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        unquoted(self.0, piece);
        Ok(())
    }
}

/// Numbers are written by `serde_json`.
macro_rules! numbers {
    ($($name:ident $number:ty),*) => {$(
        #[inline]
        fn $name(self, number: $number) -> Result<()> {
            serde_json::to_writer(&mut *self.out, &number)
        }
    )*};
}

impl<'w> ser::Serializer for &'w mut Writer<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'w>;
    type SerializeTuple = Compound<'w>;
    type SerializeTupleStruct = Compound<'w>;
    type SerializeTupleVariant = Compound<'w>;
    type SerializeMap = Compound<'w>;
    type SerializeStruct = Compound<'w>;
    type SerializeStructVariant = Compound<'w>;

    numbers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64);
    numbers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64);
    numbers!(serialize_i128 i128, serialize_u128 u128, serialize_f32 f32, serialize_f64 f64);

    #[inline]
    fn serialize_bool(self, is: bool) -> Result<()> {
        self.out.extend_from_slice(if is { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, c: char) -> Result<()> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<()> {
        match self.is_raw {
            true => again(self.out, text),
            false => quoted(self.out, text),
        }
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let mut object = Writer::open(self.out, b'{', "}");
        object.member(variant, value)?;
        object.finish()
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w>> {
        Ok(Writer::open(self.out, b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'w>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'w>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        Ok(Writer::open_variant(self.out, variant, b'[', "]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w>> {
        Ok(Writer::open(self.out, b'{', "}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'w>> {
        if name != RAW {
            return self.serialize_map(None);
        }
        let out = Writer { out: self.out, is_raw: true };
        Ok(Compound { out, is_first: true, end: "" })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        Ok(Writer::open_variant(self.out, variant, b'{', "}}"))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<()> {
        self.out.push(b'"');
        write!(Pieces(self.out), "{value}").map_err(Error::custom)?;
        self.out.push(b'"');
        Ok(())
    }
}

/// Lists have their elements one after the other.
macro_rules! lists {
    ($($name:ident $act:ident),*) => {$(
        impl ser::$name for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $act<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )*};
}

lists!(SerializeSeq serialize_element, SerializeTuple serialize_element);
lists!(SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.next();
        let at = self.out.out.len();
        key.serialize(&mut self.out)?;
        match self.out.out.get(at) {
            Some(b'"') => {}
            // A number or a truth value is a name by its text.
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => {
                self.out.out.insert(at, b'"');
                self.out.out.push(b'"');
            }
            _ => return Err(Error::custom("key must be a string")),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.out.out.push(b':');
        value.serialize(&mut self.out)
    }

    #[inline]
    fn end(self) -> Result<()> {
        self.finish()
    }
}

/// Members that have a name each.
macro_rules! members {
    ($($name:ident),*) => {$(
        impl ser::$name for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                match self.out.is_raw {
                    true => value.serialize(&mut self.out),
                    false => self.member(name, value),
                }
            }

            #[inline]
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )*};
}

members!(SerializeStruct, SerializeStructVariant);
