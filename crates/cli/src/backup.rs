//! The file of a backup: a store, which any tool for SQLite reads, what goes with it, and a
//! digest over all of it at the end. A file with a bit that turned is none.
//!
//! ```text
//! store | files | manifest (JSON) | its length, 8 bytes | SHA-256 of all before | magic
//! ```

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use countersign_files::{self as files, Draft, Readers, Secrecy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::system::Random;

const MAGIC: &[u8; 16] = b"countersign-bkp1";
const DIGEST: usize = 32;
const LENGTH: usize = 8;
/// What follows on the manifest.
const FOOTER: usize = LENGTH + DIGEST + MAGIC.len();
const MAX_MANIFEST: u64 = 1 << 20;
/// No file beside the store is larger.
const MAX_FILE: u64 = 16 << 20;
const PIECE: usize = 1 << 16;

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Version of the program that wrote it.
    pub(crate) version: String,
    /// When, RFC 3339.
    pub(crate) made_at: String,
    /// Bytes of the store.
    store: u64,
    files: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
}

impl Manifest {
    /// Names of what is in it beside the store.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|part| part.name.as_str())
    }
}

/// A file that goes with the store.
pub(crate) struct Attached {
    pub(crate) name: String,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// Completes a draft that holds a store.
pub(crate) fn complete(
    draft: &Draft,
    version: &str,
    made_at: String,
    attached: &[Attached],
) -> Result<(), Failure> {
    let failed = |error| Failure::storage(format!("failed to write the backup: {}", told(&error)));
    let mut out = draft.writer()?;
    let store = out.seek(SeekFrom::End(0)).map_err(failed)?;
    for one in attached {
        out.write_all(&one.bytes).map_err(failed)?;
    }
    let part = |one: &Attached| Part { name: one.name.clone(), bytes: one.bytes.len() as u64 };
    let files = attached.iter().map(part).collect();
    let manifest = Manifest { version: version.to_owned(), made_at, store, files };
    let manifest = serde_json::to_vec(&manifest).map_err(Failure::unexpected)?;
    out.write_all(&manifest).map_err(failed)?;
    out.write_all(&(manifest.len() as u64).to_le_bytes()).map_err(failed)?;
    let mut digest = Sha256::new();
    let mut whole = draft.reader()?;
    let mut piece = vec![0; PIECE];
    loop {
        match whole.read(&mut piece).map_err(failed)? {
            0 => break,
            count => digest.update(&piece[..count]),
        }
    }
    out.write_all(&digest.finalize()).map_err(failed)?;
    out.write_all(MAGIC).map_err(failed)
}

fn told(error: &std::io::Error) -> String {
    match files::Cause::of(error) {
        Some(cause) => cause.as_str().to_owned(),
        None => error.to_string(),
    }
}

/// Puts the store of a backup into a draft for `place`, and gives what goes with it if it is
/// wanted. Nothing of it is to be believed before this returns.
pub(crate) fn unpack(
    backup: &Path,
    place: &Path,
    with_files: bool,
    random: &Random,
) -> Result<(Draft, Manifest, Vec<Attached>), Failure> {
    let secrecy = if with_files { Secrecy::Secret } else { Secrecy::Open };
    let shown = backup.display();
    let failed = |error| Failure::storage(format!("failed to read `{shown}`: {}", told(&error)));
    let is_none = |why: &str| {
        Failure::storage(format!(
            "`{shown}` is not a whole backup: {why}\nhint: use another backup; nothing was restored"
        ))
    };
    let mut file = files::open(backup, secrecy).map_err(Failure::named)?;
    let length = file.metadata().map_err(failed)?.len();
    let Some((manifest, content)) = manifest_of(&mut file, length).map_err(failed)? else {
        return Err(is_none("its end is missing or damaged"));
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let draft = Draft::create(place, Readers::Owner, &**random)?;
    let mut out = draft.writer()?;
    let written = |error| {
        let place = place.display();
        Failure::storage(format!("failed to write `{place}`: {}", told(&error)))
    };
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut left = manifest.store;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        file.read_exact(&mut piece[..count]).map_err(failed)?;
        digest.update(&piece[..count]);
        out.write_all(&piece[..count]).map_err(written)?;
        left -= count as u64;
    }
    let mut attached = Vec::new();
    for part in &manifest.files {
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(part.bytes).unwrap_or_default()]);
        file.read_exact(&mut bytes).map_err(failed)?;
        digest.update(&*bytes);
        if with_files {
            attached.push(Attached { name: part.name.clone(), bytes });
        }
    }
    digest.update(&content);
    let mut expected = [0; DIGEST];
    file.seek(SeekFrom::End(-((DIGEST + MAGIC.len()) as i64))).map_err(failed)?;
    file.read_exact(&mut expected).map_err(failed)?;
    if digest.finalize().as_slice() != expected {
        return Err(is_none("it is not as it was written"));
    }
    Ok((draft, manifest, attached))
}

/// What the end says, with the bytes that say it; none when the end is none.
fn manifest_of(file: &mut File, length: u64) -> std::io::Result<Option<(Manifest, Vec<u8>)>> {
    let Some(before) = length.checked_sub(FOOTER as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER];
    file.seek(SeekFrom::Start(before))?;
    file.read_exact(&mut footer)?;
    if !footer.ends_with(MAGIC) {
        return Ok(None);
    }
    let mut size = [0; LENGTH];
    size.copy_from_slice(&footer[..LENGTH]);
    let size = u64::from_le_bytes(size);
    let Some(start) = before.checked_sub(size).filter(|_| size <= MAX_MANIFEST) else {
        return Ok(None);
    };
    let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut content)?;
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&content) else { return Ok(None) };
    let mut parts = manifest.files.iter().map(|part| part.bytes);
    let is_small = parts.clone().all(|bytes| bytes <= MAX_FILE);
    let sum = parts.try_fold(manifest.store, |sum: u64, bytes| sum.checked_add(bytes));
    if !is_small || sum != Some(start) {
        return Ok(None);
    }
    content.extend_from_slice(&footer[..LENGTH]);
    Ok(Some((manifest, content)))
}
