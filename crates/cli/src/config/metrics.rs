//! `[metrics]`: who may read the metrics of `serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign_files::{self as files, Secrecy};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Of a file with a token.
const MAX_TOKEN_BYTES: u64 = 4096;
/// Fewer can be guessed.
const MIN_TOKEN_CHARS: usize = 16;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// File whose first line is the bearer token for `/metrics`.
    pub(crate) token_file: Option<PathBuf>,
    /// A listener for metrics and health alone.
    pub(crate) listen: Option<SocketAddr>,
}

impl MetricsConfig {
    pub(crate) fn token(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        self.token_file.as_deref().map(token_in).transpose()
    }
}

/// The first line of a file, which is long enough for a token.
pub(crate) fn token_in(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = files::read_text(path, Secrecy::Secret, MAX_TOKEN_BYTES).map_err(Failure::usage)?;
    let token = text.lines().next().unwrap_or_default().trim();
    let is_token =
        token.len() >= MIN_TOKEN_CHARS && token.bytes().all(|byte| byte.is_ascii_graphic());
    match is_token {
        true => Ok(Zeroizing::new(token.to_owned())),
        false => Err(Failure::usage(format!(
            "the first line of `{}` is not a token for metrics: it needs {MIN_TOKEN_CHARS} or more \
             printable ASCII characters without spaces\nhint: openssl rand -hex 32 > {}",
            path.display(),
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_guessed_or_sent_otherwise_is_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, is_token) in [
            ("", false),
            ("\nthe-second-line-is-long-enough\n", false),
            ("short\n", false),
            ("sixteen and more\n", false),
            ("sechzehn-zeichen-\u{fc}\n", false),
            ("sixteen-and-more\nrest\n", true),
        ] {
            countersign_files::create(&path, text.as_bytes(), &*crate::system::random()).unwrap();
            let read = token_in(&path);
            assert_eq!(read.is_ok(), is_token, "{text}");
            if let Err(failure) = read {
                assert!(!format!("{failure:?}").contains("short"), "it is not repeated");
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}
