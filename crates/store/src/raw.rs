//! Records as the service sent them, compressed one by one. A dictionary of what
//! all of a sort have in common makes small records small: the first one is part of the
//! program; better ones, for each scan type, are trained on the first records of a tenant
//! and kept in the database.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_findings::ScanType;
use zstd::bulk::Compressor;

use crate::error::Error;
use crate::sql::{Connection, Optional, params};
use crate::unpacking::Unpacking;

const LEVEL: i32 = 3;
/// A record is bounded by the client's body limit; this bounds a forged blob.
const MAX_BYTES: usize = 64 << 20;

/// Records that a dictionary is trained on, the part of each that counts, and its size.
const SAMPLES: usize = 1000;
/// One record in so many is taken, so that they come from several applications.
const STRIDE: usize = 4;
const MAX_SAMPLE_BYTES: usize = 4096;
const DICTIONARY_BYTES: usize = 64 * 1024;

static BUILT_IN: &[u8] = include_bytes!("raw-v1.dictionary");

/// What a record is of. The number stands in front of every blob and says which
/// dictionary it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Whatever has no dictionary of its own; packed with the built-in one.
    Other = 1,
    Static,
    Dynamic,
    Manual,
    Sca,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Other, Self::Static, Self::Dynamic, Self::Manual, Self::Sca];

    pub(crate) fn of(scan_type: &ScanType) -> Self {
        match scan_type {
            ScanType::Static => Self::Static,
            ScanType::Dynamic => Self::Dynamic,
            ScanType::Manual => Self::Manual,
            ScanType::Sca => Self::Sca,
            ScanType::Other(_) => Self::Other,
        }
    }
}

/// Packs records, each sort with the best dictionary that there is.
pub(crate) struct Packing([Mutex<Packer>; 5]);

struct Packer {
    dictionary: Sort,
    content: Cow<'static, [u8]>,
    compressor: Option<Compressor<'static>>,
    /// What a better dictionary will be trained on; none when there is no need.
    samples: Option<Samples>,
}

#[derive(Default)]
struct Samples {
    seen: usize,
    taken: Vec<Vec<u8>>,
}

impl Packing {
    pub(crate) fn load(connection: &Connection) -> Result<Self, Error> {
        let mut packers = Vec::with_capacity(Sort::ALL.len());
        for sort in Sort::ALL {
            packers.push(Mutex::new(match content(connection, sort as u8)? {
                Some(content) => Packer::new(sort, content.into(), None),
                None => {
                    let samples = (sort != Sort::Other).then(Samples::default);
                    Packer::new(Sort::Other, BUILT_IN.into(), samples)
                }
            }));
        }
        let packers = packers.try_into();
        packers.map(Self).map_err(|_| Error::corrupt("a sort of records without a packer"))
    }

    fn packer(&self, sort: Sort) -> MutexGuard<'_, Packer> {
        self.0[sort as usize - 1].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pack(&self, sort: Sort, text: &str) -> Result<Vec<u8>, Error> {
        self.packer(sort).pack(text)
    }

    /// Takes a record into account; true when there are enough to train on.
    pub(crate) fn sample(&self, sort: Sort, text: &str) -> bool {
        let mut packer = self.packer(sort);
        let Some(samples) = &mut packer.samples else { return false };
        samples.seen += 1;
        if samples.seen % STRIDE != 0 {
            return false;
        }
        let end = text.len().min(MAX_SAMPLE_BYTES);
        samples.taken.push(text.as_bytes()[..end].to_vec());
        samples.taken.len() >= SAMPLES
    }

    /// Trains on what was collected. The result is in the database before anything is
    /// packed with it.
    pub(crate) fn train(&self, connection: &Connection, sort: Sort) -> Result<(), Error> {
        // Others go on with the old one meanwhile.
        let Some(samples) = self.packer(sort).samples.take() else { return Ok(()) };
        // Records too unlike each other have nothing to put into a dictionary.
        let trained = zstd::dict::from_samples(&samples.taken, DICTIONARY_BYTES)
            .unwrap_or_else(|_| BUILT_IN.to_vec());
        connection.execute(
            "insert into dictionaries (id, content) values (?, ?) on conflict (id) do nothing",
            params![sort as u8, trained],
        )?;
        let kept = content(connection, sort as u8)?.unwrap_or(trained);
        *self.packer(sort) = Packer::new(sort, kept.into(), None);
        Ok(())
    }
}

fn content(connection: &Connection, number: u8) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = connection.prepare("select content from dictionaries where id = ?")?;
    Ok(statement.query_row([number], |row| row.get(0)).optional()?)
}

impl Packer {
    fn new(dictionary: Sort, content: Cow<'static, [u8]>, samples: Option<Samples>) -> Self {
        Self { dictionary, content, compressor: None, samples }
    }

    fn pack(&mut self, text: &str) -> Result<Vec<u8>, Error> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => {
                let made =
                    Compressor::with_dictionary(LEVEL, &self.content).and_then(|mut made| {
                        made.include_checksum(true)?;
                        Ok(made)
                    });
                none.insert(made.map_err(Error::corrupt)?)
            }
        };
        let packed = compressor.compress(text.as_bytes()).map_err(Error::corrupt)?;
        let mut blob = Vec::with_capacity(packed.len() + 1);
        blob.push(self.dictionary as u8);
        blob.extend_from_slice(&packed);
        Ok(blob)
    }
}

/// Unpacks what any packer packed.
pub(crate) struct Unpacker<'a> {
    connection: &'a Connection,
    unpacking: Box<Unpacking>,
    /// Whether the next unpacker of the connection gets the dictionaries.
    is_kept: bool,
}

impl<'a> Unpacker<'a> {
    /// With the dictionaries that the connection has read: a dictionary never changes.
    pub(crate) fn new(connection: &'a Connection) -> Self {
        let unpacking = connection.unpacking().take().unwrap_or_default();
        Self { connection, unpacking, is_kept: true }
    }

    /// With dictionaries as they are in the database now, for checks.
    pub(crate) fn afresh(connection: &'a Connection) -> Self {
        Self { connection, unpacking: Box::default(), is_kept: false }
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
        self.learn(number)?;
        let unpacked = self.unpacking.unpack(number, packed, size);
        let bytes = unpacked.ok_or_else(|| Error::corrupt("a record that cannot be unpacked"))?;
        String::from_utf8(bytes).map_err(Error::corrupt)
    }

    /// Reads the dictionary with this number, unless it is known.
    fn learn(&mut self, number: u8) -> Result<(), Error> {
        if self.unpacking.knows(number) {
            return Ok(());
        }
        let trained = content(self.connection, number)?;
        let content = match (&trained, number) {
            (Some(content), _) => content,
            (None, _) if number == Sort::Other as u8 => BUILT_IN,
            _ => return Err(Error::corrupt("a record packed by another version")),
        };
        match self.unpacking.learn(number, content) {
            true => Ok(()),
            false => Err(Error::corrupt("a dictionary that cannot be used")),
        }
    }
}

impl Drop for Unpacker<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            self.connection.unpacking().set(Some(std::mem::take(&mut self.unpacking)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn database() -> Connection {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute("create table dictionaries (id integer primary key, content blob)", [])
            .unwrap();
        Connection::of_sqlite(connection)
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
        let before = packing.pack(Sort::Sca, &record(1)).unwrap();
        let mut n = 0;
        while !packing.sample(Sort::Sca, &record(n)) {
            n += 1;
        }
        packing.train(&connection, Sort::Sca).unwrap();
        let after = packing.pack(Sort::Sca, &record(1)).unwrap();
        assert!(after.len() < before.len(), "{} of {}", after.len(), before.len());
        assert_eq!(packing.pack(Sort::Static, &record(1)).unwrap(), before);
        assert!(!packing.sample(Sort::Sca, &record(1)));
        let again = Packing::load(&connection).unwrap().pack(Sort::Sca, &record(1)).unwrap();
        assert_eq!(again, after);
        let mut unpacker = Unpacker::new(&connection);
        for blob in [before, after, again] {
            assert_eq!(unpacker.unpack(&blob).unwrap(), record(1));
        }
    }

    #[test]
    fn a_connection_reads_a_dictionary_once_and_a_check_each_time() {
        let connection = database();
        let packing = Packing::load(&connection).unwrap();
        let record = |n: usize| format!(r#"{{"issue_id":{n},"module":"made-up-{}.jar"}}"#, n % 7);
        let mut n = 0;
        while !packing.sample(Sort::Static, &record(n)) {
            n += 1;
        }
        packing.train(&connection, Sort::Static).unwrap();
        let blob = packing.pack(Sort::Static, &record(3)).unwrap();
        let unpacked = |mut unpacker: Unpacker<'_>| unpacker.unpack(&blob).ok();
        assert_eq!(unpacked(Unpacker::new(&connection)), Some(record(3)));
        connection.execute("delete from dictionaries", []).unwrap();
        assert_eq!(unpacked(Unpacker::afresh(&connection)), None);
        let first = Unpacker::new(&connection);
        // One beside it reads its own.
        assert_eq!(unpacked(Unpacker::new(&connection)), None);
        assert_eq!(unpacked(first), Some(record(3)));
        assert_eq!(unpacked(Unpacker::new(&connection)), Some(record(3)));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(text in "\\PC{0,500}") {
            let connection = database();
            let packing = Packing::load(&connection).unwrap();
            let blob = packing.pack(Sort::Other, &text).unwrap();
            prop_assert_eq!(Unpacker::new(&connection).unpack(&blob).unwrap(), text);
        }

        #[test]
        fn a_forged_blob_is_an_error(blob in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Unpacker::new(&database()).unpack(&blob);
        }
    }
}
