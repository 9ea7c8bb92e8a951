use std::sync::Arc;

use countersign_connector::consumers::{Answering, Consumer, Names, Receipt, Release};
use countersign_vault::{Error, KvPath, KvSecret};
use tokio::task::{block_in_place, spawn_blocking};

use crate::config::KvTable;
use crate::failure::Failure;
use crate::system;

/// How often somebody else may be faster.
const ROUNDS: u32 = 5;

/// A path of a KV store, in which id and secret are two keys, and others stay. It
/// acknowledges by being read again.
pub(super) struct Kv {
    pub(super) name: String,
    pub(super) credential: String,
    pub(super) names: Names,
    pub(super) path: Arc<KvPath>,
}

/// Nothing is asked of a network yet.
pub(super) fn open(table: &KvTable) -> Result<Arc<KvPath>, Failure> {
    let config = table.config("consumers.kv")?;
    Ok(Arc::new(block_in_place(|| KvPath::open(config, system::clock()))?))
}

impl Kv {
    async fn at_path<T: Send + 'static>(
        &self,
        release: &Release,
        act: impl FnOnce(&KvPath, &(String, String), &Release) -> T + Send + 'static,
    ) -> Option<T> {
        let (path, release) = (Arc::clone(&self.path), release.clone());
        let keys = self.names.of(&release);
        spawn_blocking(move || act(&path, &keys, &release)).await.ok()
    }
}

impl Consumer for Kv {
    fn name(&self) -> &str {
        &self.name
    }

    fn credential(&self) -> &str {
        &self.credential
    }

    fn kind(&self) -> &'static str {
        "kv"
    }

    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        Box::pin(async {
            let given = self.at_path(release, |path, keys, release| {
                give(path, keys, release).map_err(|error| error.to_string())?
            });
            given.await.unwrap_or_else(|| Err("writing it was stopped".into()))
        })
    }

    fn holds<'s>(&'s self, release: &'s Release) -> Answering<'s, Option<bool>> {
        Box::pin(async {
            let read = self.at_path(release, |path, keys, release| {
                // A store that does not answer has lost nothing.
                path.read().ok().map(|secret| has(&secret, keys, release))
            });
            read.await.flatten()
        })
    }
}

fn give(
    path: &KvPath,
    keys: &(String, String),
    release: &Release,
) -> Result<Result<Receipt, String>, Error> {
    if keys.0 == keys.1 {
        return Ok(Err("id and secret would have the same key".into()));
    }
    for _ in 0..ROUNDS {
        let mut secret = path.read()?;
        // Written by a try whose answer was lost: not once more.
        if has(&secret, keys, release) {
            return Ok(Ok(Receipt::Acknowledged));
        }
        secret.set(&keys.0, &release.id());
        secret.set(&keys.1, &release.secret());
        if path.write(&secret)? {
            return Ok(match has(&path.read()?, keys, release) {
                true => Ok(Receipt::Acknowledged),
                false => Err("it was written, and cannot be read back".into()),
            });
        }
    }
    Ok(Err(format!("others write {} all the time", path.place())))
}

fn has(secret: &KvSecret, keys: &(String, String), release: &Release) -> bool {
    secret.text(&keys.0).is_some_and(|id| *id == release.id())
        && secret.text(&keys.1).is_some_and(|text| *text == *release.secret())
}
