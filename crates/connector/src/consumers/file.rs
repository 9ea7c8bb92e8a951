//! A file that holds a release in some form. It acknowledges by being read again.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_files::{self as files, Folders};
use zeroize::Zeroizing;

use super::{Answering, Consumer, Receipt, Release};
use crate::Random;

/// How a file is written.
pub trait Form: Send + Sync {
    /// A machine word.
    fn kind(&self) -> &'static str;

    /// The whole text with the release in it. `before` is empty when there is no file;
    /// a form that shares its file with others keeps what is theirs.
    fn write(&self, before: &str, release: &Release) -> Result<Zeroizing<String>, String>;

    /// Whether a text has the release in it.
    fn holds(&self, text: &str, release: &Release) -> bool;
}

/// A file in some form.
pub struct File {
    name: String,
    credential: String,
    path: PathBuf,
    form: Arc<dyn Form>,
    random: Random,
}

impl File {
    /// The file need not be there; its folder must.
    pub fn new(
        name: &str,
        credential: &str,
        path: PathBuf,
        form: Arc<dyn Form>,
        random: Random,
    ) -> Self {
        Self { name: name.to_owned(), credential: credential.to_owned(), path, form, random }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        release: &Release,
        act: impl FnOnce(&PathBuf, &dyn Form, &Release) -> T + Send + 'static,
    ) -> Option<T> {
        let (path, form, release) = (self.path.clone(), Arc::clone(&self.form), release.clone());
        tokio::task::spawn_blocking(move || act(&path, &*form, &release)).await.ok()
    }
}

impl Consumer for File {
    fn name(&self) -> &str {
        &self.name
    }

    fn credential(&self) -> &str {
        &self.credential
    }

    fn kind(&self) -> &'static str {
        self.form.kind()
    }

    fn deliver<'s>(&'s self, release: &'s Release) -> Answering<'s, Result<Receipt, String>> {
        Box::pin(async {
            let random = Random::clone(&self.random);
            let written = self.on_disk(release, move |path, form, release| {
                let edit = |before: &str| form.write(before, release);
                let written = files::edit(path, Folders::OwnersAlone, &*random, edit);
                match written.and_then(|()| files::read_back(path)) {
                    Ok(Some(text)) if form.holds(&text, release) => Ok(Receipt::Acknowledged),
                    Ok(_) => Err("it was written, and cannot be read back".to_owned()),
                    Err(why) => Err(why.to_string()),
                }
            });
            written.await.unwrap_or_else(|| Err("writing it was stopped".into()))
        })
    }

    fn holds<'s>(&'s self, release: &'s Release) -> Answering<'s, Option<bool>> {
        Box::pin(async {
            let read = self.on_disk(release, |path, form, release| {
                let text = files::read_back(path).ok().flatten();
                text.is_some_and(|text| form.holds(&text, release))
            });
            Some(read.await.unwrap_or(false))
        })
    }
}
