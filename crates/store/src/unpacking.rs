//! What it takes to unpack records, made ready once: a dictionary of 64 KiB takes as long to
//! prepare as a dozen records to unpack. A connection keeps it from one question to the next.

use std::cell::Cell;

use zstd::zstd_safe::{DCtx, DDict};

/// That of a connection; none while somebody uses it.
pub(crate) type Idle = Cell<Option<Box<Unpacking>>>;

/// Dictionaries, and the memory of the decoder.
#[derive(Default)]
pub(crate) struct Unpacking {
    context: DCtx<'static>,
    dictionaries: Vec<(u8, DDict<'static>)>,
}

impl Unpacking {
    /// Whether the dictionary with this number is here.
    pub(crate) fn knows(&self, number: u8) -> bool {
        self.dictionaries.iter().any(|(known, _)| *known == number)
    }

    /// Makes a dictionary ready; false where it cannot be used.
    pub(crate) fn learn(&mut self, number: u8, content: &[u8]) -> bool {
        let dictionary = DDict::try_create(content);
        let is_made = dictionary.is_some();
        self.dictionaries.extend(dictionary.map(|dictionary| (number, dictionary)));
        is_made
    }

    /// Unpacks a frame of this size; none where it is not one, or of another dictionary.
    pub(crate) fn unpack(&mut self, number: u8, packed: &[u8], size: usize) -> Option<Vec<u8>> {
        let (_, dictionary) = self.dictionaries.iter().find(|(known, _)| *known == number)?;
        let mut unpacked = Vec::with_capacity(size);
        self.context.decompress_using_ddict(&mut unpacked, packed, dictionary).ok()?;
        Some(unpacked)
    }
}
