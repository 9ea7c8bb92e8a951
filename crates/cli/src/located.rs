//! Proposals of commands are about the data directory that is in use. Crates below know
//! neither the command line nor that directory: where a text is told, it is put in.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use countersign_files::quoted;

/// How each proposal within a sentence begins.
const BEGINNING: &str = "`countersign ";

/// The data directory that was named on the command line: a proposal without it would be
/// about another one.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Once, before anything is proposed.
pub(crate) fn on(home: PathBuf) {
    let _ = NAMED.set(home);
}

/// A text whose proposals are about the data directory that is in use. Crates below know
/// neither the command line nor that directory.
pub(crate) fn located(text: &str) -> Cow<'_, str> {
    match NAMED.get() {
        Some(home) => insert(text, home),
        None => text.into(),
    }
}

fn insert<'t>(text: &'t str, home: &Path) -> Cow<'t, str> {
    if !text.contains(BEGINNING) {
        return text.into();
    }
    let with = format!("{BEGINNING}--home {} ", quoted(&home.display().to_string()));
    let mut parts = text.split(BEGINNING);
    let mut located = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_located = part.starts_with("--home ");
        located.push_str(if is_located { BEGINNING } else { &with });
        located.push_str(part);
    }
    located.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_about_the_data_directory_in_use() {
        let home = Path::new("/srv/a b");
        for (text, located) in [
            ("no command", "no command"),
            ("`countersign sync`", "`countersign --home '/srv/a b' sync`"),
            ("`countersign --home /x sync`", "`countersign --home /x sync`"),
            (
                "run `countersign a`, or `countersign --home /x b`",
                "run `countersign --home '/srv/a b' a`, or `countersign --home /x b`",
            ),
        ] {
            assert_eq!(insert(text, home), located);
        }
    }
}
