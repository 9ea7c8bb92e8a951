//! Findings as they were answered, for who asks for the same ones again: consumers look at the
//! same pages, minutes apart, and most of a page is what it was. Each goes by the version of its
//! finding, which the store tells without reading it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_findings::Application;
use countersign_store::FindingVersion;

/// Bytes that are kept at most, twice: what was not asked for while so much came is let go.
const HALF_BYTES: usize = 10 << 20;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 128;
/// Applications that are kept at most.
const APPLICATIONS: usize = 64;

/// What is kept.
#[derive(Default)]
pub(crate) struct Rendered {
    findings: Mutex<Halves>,
    applications: Mutex<HashMap<(String, i64), Arc<Application>>>,
}

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
    /// The texts of these findings, each that is as it was.
    pub(super) fn get(
        &self,
        versions: &[FindingVersion],
        integration: &str,
        with_raw: bool,
    ) -> Vec<Option<Arc<[u8]>>> {
        let mut halves = locked(&self.findings);
        versions.iter().map(|version| halves.get(version, integration, with_raw)).collect()
    }

    /// Keeps texts for the next time.
    pub(super) fn put(
        &self,
        texts: Vec<(FindingVersion, Arc<[u8]>)>,
        integration: &Arc<str>,
        with_raw: bool,
    ) {
        let mut halves = locked(&self.findings);
        for (version, text) in texts.into_iter().filter(|(version, _)| version.is_known()) {
            let integration = Arc::clone(integration);
            halves.put((version.row(), with_raw), Object { version, integration, text });
        }
    }

    /// The application with this guid, as it was when its digest was the same; else what `read`
    /// answers.
    pub(super) fn application<E>(
        &self,
        guid: &str,
        version: &FindingVersion,
        read: impl FnOnce() -> Result<Application, E>,
    ) -> Result<Arc<Application>, E> {
        let Some(digest) = version.application() else { return read().map(Arc::new) };
        let key = (guid.to_owned(), digest);
        if let Some(known) = locked(&self.applications).get(&key) {
            return Ok(Arc::clone(known));
        }
        let application = Arc::new(read()?);
        let mut applications = locked(&self.applications);
        if applications.len() >= APPLICATIONS {
            applications.clear();
        }
        applications.insert(key, Arc::clone(&application));
        Ok(application)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Halves {
    fn get(
        &mut self,
        version: &FindingVersion,
        integration: &str,
        with_raw: bool,
    ) -> Option<Arc<[u8]>> {
        let key = (version.row(), with_raw);
        let is_it =
            |object: &&Object| object.version == *version && *object.integration == *integration;
        if let Some(object) = self.newer.get(&key).filter(is_it) {
            return Some(Arc::clone(&object.text));
        }
        let object = self.older.remove(&key).filter(|object| is_it(&object))?;
        let text = Arc::clone(&object.text);
        self.put(key, object);
        Some(text)
    }

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
