//! Findings as they were answered, for who asks for the same ones again: consumers look at the
//! same pages, minutes apart, and most of a page is what it was. Each goes by the version of its
//! finding, which the store tells without reading it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_store::FindingVersion;

/// Bytes that are kept at most, twice: what was not asked for while so much came is let go.
const HALF_BYTES: usize = 10 << 20;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 128;

/// What is kept.
#[derive(Default)]
pub(crate) struct Rendered(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    newer: HashMap<Key, Object>,
    older: HashMap<Key, Object>,
    newer_bytes: usize,
}

/// The row of a finding, and whether its record is with it.
type Key = (i64, bool);

#[derive(Clone)]
struct Object {
    version: FindingVersion,
    /// The name of its integration, which is in the text and not in the version.
    integration: Arc<str>,
    text: Arc<[u8]>,
}

impl Rendered {
    /// The text of a finding that is as it was.
    pub(super) fn get(
        &self,
        version: &FindingVersion,
        integration: &str,
        with_raw: bool,
    ) -> Option<Arc<[u8]>> {
        let key = (version.row(), with_raw);
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |object: &&Object| object.version == *version && *object.integration == *integration;
        if let Some(object) = halves.newer.get(&key).filter(is_it) {
            return Some(Arc::clone(&object.text));
        }
        let object = halves.older.remove(&key).filter(|object| is_it(&object))?;
        let text = Arc::clone(&object.text);
        halves.put(key, object);
        Some(text)
    }

    /// Keeps a text for the next time.
    pub(super) fn put(
        &self,
        version: FindingVersion,
        integration: &str,
        with_raw: bool,
        text: &[u8],
    ) {
        if !version.is_known() {
            return;
        }
        let object = Object { version, integration: integration.into(), text: text.into() };
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.put((version.row(), with_raw), object);
    }
}

impl Halves {
    fn put(&mut self, key: Key, object: Object) {
        let bytes = object.text.len() + ENTRY_BYTES;
        if self.newer_bytes + bytes > HALF_BYTES {
            self.older = std::mem::take(&mut self.newer);
            self.newer_bytes = 0;
        }
        self.newer_bytes += bytes;
        if let Some(before) = self.newer.insert(key, object) {
            self.newer_bytes -= before.text.len() + ENTRY_BYTES;
        }
    }
}
