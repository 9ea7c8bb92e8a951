//! Records as the service sent them, compressed one by one. A dictionary of what
//! all of them have in common makes small records small: the first one is part of the
//! program, a better one is trained on the first records of a tenant and kept in the
//! database.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use zstd::bulk::{Compressor, Decompressor};

use crate::error::Error;

/// Stands in front of every blob and says which dictionary it needs.
const BUILT_IN: u8 = 1;
const TRAINED: u8 = 2;
const LEVEL: i32 = 3;
/// A record is bounded by the client's body limit; this bounds a forged blob.
const MAX_BYTES: usize = 64 << 20;

/// Records that a dictionary is trained on, the part of each that counts, and its size.
const SAMPLES: usize = 2000;
/// One record in so many is taken, so that they come from several applications and of
/// each scan type.
const STRIDE: usize = 4;
const MAX_SAMPLE_BYTES: usize = 4096;
const DICTIONARY_BYTES: usize = 64 * 1024;

static CONTENT: &[u8] = include_bytes!("raw-v1.dictionary");

/// The dictionary that new records are packed with, and the samples for a better one.
pub(crate) struct Packing(Mutex<Progress>);

enum Progress {
    Collecting { seen: usize, samples: Vec<Vec<u8>> },
    Trained(Arc<[u8]>),
}

impl Packing {
    pub(crate) fn load(connection: &Connection) -> Result<Self, Error> {
        Ok(Self(Mutex::new(match content(connection, TRAINED)? {
            Some(content) => Progress::Trained(content.into()),
            None => Progress::Collecting { seen: 0, samples: Vec::new() },
        })))
    }

    pub(crate) fn packer(&self) -> Result<Packer, Error> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Progress::Trained(content) => Packer::new(TRAINED, content),
            Progress::Collecting { .. } => Packer::new(BUILT_IN, CONTENT),
        }
    }

    /// Takes a record into account; true when there are enough to train on.
    pub(crate) fn sample(&self, text: &str) -> bool {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Progress::Trained(_) => false,
            Progress::Collecting { seen, samples } => {
                *seen += 1;
                if *seen % STRIDE != 0 {
                    return false;
                }
                let end = text.len().min(MAX_SAMPLE_BYTES);
                samples.push(text.as_bytes()[..end].to_vec());
                samples.len() >= SAMPLES
            }
        }
    }

    /// Trains on what was collected. The result is in the database before anything is
    /// packed with it.
    pub(crate) fn train(&self, connection: &Connection) -> Result<(), Error> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Progress::Collecting { samples, .. } = &*progress else { return Ok(()) };
        // Records too unlike each other have nothing to put into a dictionary.
        let trained = zstd::dict::from_samples(samples, DICTIONARY_BYTES)
            .unwrap_or_else(|_| CONTENT.to_vec());
        connection.execute(
            "insert into dictionaries (id, content) values (?, ?) on conflict (id) do nothing",
            rusqlite::params![TRAINED, trained],
        )?;
        let kept = content(connection, TRAINED)?.unwrap_or(trained);
        *progress = Progress::Trained(kept.into());
        Ok(())
    }
}

fn content(connection: &Connection, number: u8) -> Result<Option<Vec<u8>>, Error> {
    let mut statement =
        connection.prepare_cached("select content from dictionaries where id = ?")?;
    Ok(statement.query_row([number], |row| row.get(0)).optional()?)
}

pub(crate) struct Packer {
    number: u8,
    compressor: Compressor<'static>,
}

impl Packer {
    fn new(number: u8, content: &[u8]) -> Result<Self, Error> {
        let compressor = Compressor::with_dictionary(LEVEL, content).map_err(Error::corrupt)?;
        Ok(Self { number, compressor })
    }

    pub(crate) fn pack(&mut self, text: &str) -> Result<Vec<u8>, Error> {
        let packed = self.compressor.compress(text.as_bytes()).map_err(Error::corrupt)?;
        let mut blob = Vec::with_capacity(packed.len() + 1);
        blob.push(self.number);
        blob.extend_from_slice(&packed);
        Ok(blob)
    }
}

/// Unpacks what any packer packed.
pub(crate) struct Unpacker<'a> {
    connection: &'a Connection,
    known: Vec<(u8, Decompressor<'static>)>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, known: Vec::new() }
    }

    pub(crate) fn unpack(&mut self, blob: &[u8]) -> Result<String, Error> {
        let Some((&number, packed)) = blob.split_first() else {
            return Err(Error::corrupt("an empty record"));
        };
        let size = zstd::zstd_safe::get_frame_content_size(packed)
            .ok()
            .flatten()
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| *size <= MAX_BYTES)
            .ok_or_else(|| Error::corrupt("a record without a believable size"))?;
        let bytes = self.decompressor(number)?.decompress(packed, size).map_err(Error::corrupt)?;
        String::from_utf8(bytes).map_err(Error::corrupt)
    }

    fn decompressor(&mut self, number: u8) -> Result<&mut Decompressor<'static>, Error> {
        let at = match self.known.iter().position(|(known, _)| *known == number) {
            Some(at) => at,
            None => {
                let trained = match number {
                    BUILT_IN => None,
                    _ => content(self.connection, number)?,
                };
                let content = match (&trained, number) {
                    (Some(content), _) => content,
                    (None, BUILT_IN) => CONTENT,
                    _ => return Err(Error::corrupt("a record packed by another version")),
                };
                let made = Decompressor::with_dictionary(content).map_err(Error::corrupt)?;
                self.known.push((number, made));
                self.known.len() - 1
            }
        };
        Ok(&mut self.known[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute("create table dictionaries (id integer primary key, content blob)", [])
            .unwrap();
        connection
    }

    #[test]
    fn a_trained_dictionary_makes_records_smaller_and_reads_the_old_ones() {
        let record = |n: usize| {
            format!(
                r#"{{"issue_id":{n},"finding_details":{{"file_path":"com/example/made/up/Place{}.java"}}}}"#,
                n % 7
            )
        };
        let connection = database();
        let packing = Packing::load(&connection).unwrap();
        let before = packing.packer().unwrap().pack(&record(1)).unwrap();
        let mut n = 0;
        while !packing.sample(&record(n)) {
            n += 1;
        }
        packing.train(&connection).unwrap();
        let after = packing.packer().unwrap().pack(&record(1)).unwrap();
        assert!(after.len() < before.len(), "{} of {}", after.len(), before.len());
        let again = Packing::load(&connection).unwrap().packer().unwrap().pack(&record(1)).unwrap();
        let mut unpacker = Unpacker::new(&connection);
        for blob in [before, after, again] {
            assert_eq!(unpacker.unpack(&blob).unwrap(), record(1));
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(text in "\\PC{0,500}") {
            let connection = database();
            let packing = Packing::load(&connection).unwrap();
            let blob = packing.packer().unwrap().pack(&text).unwrap();
            prop_assert_eq!(Unpacker::new(&connection).unpack(&blob).unwrap(), text);
        }

        #[test]
        fn a_forged_blob_is_an_error(blob in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Unpacker::new(&database()).unpack(&blob);
        }
    }
}
