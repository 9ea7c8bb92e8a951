//! The file of a sealed vault.

use std::cell::OnceCell;
use std::sync::Arc;

use countersign_vault::{KeySource, SealedFile, Vault};

thread_local! {
    static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

/// It opens or is refused; nothing in it opens that this key did not seal.
pub(crate) fn run(data: &[u8]) {
    FOLDER.with(|held| {
        let folder = held.get_or_init(|| tempfile::tempdir().expect("a folder")).path();
        let (path, key) = (folder.join("vault.json"), folder.join("vault.key"));
        write(&path, data);
        write(&key, "01".repeat(32).as_bytes());
        let random = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let Ok(vault) = SealedFile::open(&path, KeySource::KeyFile(key), random) else { return };
        for entry in vault.entries().into_iter().flatten() {
            assert!(vault.get_version(&entry.name, entry.version).is_err(), "{}", entry.name);
        }
        let _ = (vault.versions("a"), vault.get("a"));
    });
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).expect("a file");
    std::io::Write::write_all(&mut file, bytes).expect("a file takes it");
}
