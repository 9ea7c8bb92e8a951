//! Records as the service sent them, compressed one by one. A dictionary of
//! what all of them have in common makes small records small.

use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use crate::error::Error;

/// Stands in front of every blob, so that a later dictionary can live beside.
const DICTIONARY_1: u8 = 1;
const LEVEL: i32 = 1;
/// A record is bounded by the client's body limit; this bounds a forged blob.
const MAX_BYTES: usize = 64 << 20;

static CONTENT: &[u8] = include_bytes!("raw-v1.dictionary");
static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(CONTENT, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(CONTENT));

pub(crate) struct Packer(Compressor<'static>);

impl Packer {
    pub(crate) fn new() -> Result<Self, Error> {
        Compressor::with_prepared_dictionary(&ENCODER).map(Self).map_err(Error::corrupt)
    }

    pub(crate) fn pack(&mut self, text: &str) -> Result<Vec<u8>, Error> {
        let packed = self.0.compress(text.as_bytes()).map_err(Error::corrupt)?;
        let mut blob = Vec::with_capacity(packed.len() + 1);
        blob.push(DICTIONARY_1);
        blob.extend_from_slice(&packed);
        Ok(blob)
    }
}

pub(crate) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    pub(crate) fn new() -> Result<Self, Error> {
        Decompressor::with_prepared_dictionary(&DECODER).map(Self).map_err(Error::corrupt)
    }

    pub(crate) fn unpack(&mut self, blob: &[u8]) -> Result<String, Error> {
        let Some((&DICTIONARY_1, packed)) = blob.split_first() else {
            return Err(Error::corrupt("a record packed by another version"));
        };
        let size = zstd::zstd_safe::get_frame_content_size(packed)
            .ok()
            .flatten()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| *size <= MAX_BYTES)
            .ok_or_else(|| Error::corrupt("a record without a believable size"))?;
        let bytes = self.0.decompress(packed, size).map_err(Error::corrupt)?;
        String::from_utf8(bytes).map_err(Error::corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(text in "\\PC{0,500}") {
            let blob = Packer::new().unwrap().pack(&text).unwrap();
            prop_assert_eq!(Unpacker::new().unwrap().unpack(&blob).unwrap(), text);
        }

        #[test]
        fn a_forged_blob_is_an_error(blob in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Unpacker::new().unwrap().unpack(&blob);
        }
    }
}
