//! Commands that we propose: built word by word, quoted for a shell, and meant to be
//! pasted. Tests parse each of them with the parser of the arguments.

use std::fmt;
use std::path::Path;

use countersign_files::quoted;

/// What the program is called in a proposal.
const PROGRAM: &str = "countersign";

/// A command of ours with real names in it. Shown in backquotes, as part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine(Vec<String>);

impl CommandLine {
    /// On the data directory that is in use.
    pub(crate) fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// On this data directory, whichever is in use.
    pub(crate) fn at(home: &Path, words: &[&str]) -> Self {
        Self::of(&["--home"]).and(home.display()).then(words)
    }

    /// With one more word.
    pub(crate) fn and(mut self, word: impl fmt::Display) -> Self {
        self.0.push(word.to_string());
        self
    }

    /// With more words.
    pub(crate) fn then(mut self, words: &[&str]) -> Self {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The whole of it as what another command of ours runs.
    pub(crate) fn within(&self, words: &[&str]) -> Self {
        let own = self.0.iter().map(String::as_str);
        Self::of(words).then(&[PROGRAM]).then(&own.collect::<Vec<_>>())
    }

    /// Without backquotes: for a line of its own.
    pub(crate) fn bare(&self) -> String {
        self.check();
        let words = self.0.iter().map(|word| quoted(word));
        std::iter::once(PROGRAM.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// What is proposed and would be refused is found by whatever test gets to see it.
    fn check(&self) {
        debug_assert!(
            crate::args::parse(
                std::iter::once(PROGRAM.into()).chain(self.0.iter().map(Into::into))
            )
            .is_ok(),
            "{:?} is not a command",
            self.0
        );
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.bare())
    }
}

#[cfg(test)]
#[path = "../tests/it/collected.rs"]
pub(crate) mod collected;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_quoted_for_a_shell() {
        let home = Path::new("/srv/it's mine");
        let line = CommandLine::at(home, &["sync"]).and("web shop");
        assert_eq!(line.bare(), r"countersign --home '/srv/it'\''s mine' sync 'web shop'");
        assert_eq!(CommandLine::of(&["sync"]).to_string(), "`countersign sync`");
    }

    #[test]
    #[should_panic(expected = "is not a command")]
    fn what_would_be_refused_is_not_proposed() {
        CommandLine::of(&["synchronise"]).bare();
    }

    /// Words that only name a command, such as a heading does.
    fn is_mention(words: &[String]) -> bool {
        let mut command = Some(crate::args::command());
        for word in words {
            command = command.and_then(|command| command.find_subcommand(word).cloned());
        }
        command.is_some()
    }

    /// What a shell would be given is what the parser takes, help included.
    fn refused(proposal: &collected::Proposal) -> Option<String> {
        let parsed = crate::args::parse(proposal.words.iter().map(Into::into));
        let error = parsed.err().filter(clap::Error::use_stderr)?;
        Some(format!("{}: {:?}: {error}", proposal.place, proposal.words.join(" ")))
    }

    #[test]
    fn every_proposal_is_a_command() {
        let (messages, documents) = (collected::messages(), collected::documents());
        assert!(messages.len() > 40, "the messages have moved: {}", messages.len());
        assert!(documents.len() > 100, "the documents have moved: {}", documents.len());
        let is_whole = |one: &&collected::Proposal| !is_mention(&one.words[1..]);
        let documents = documents.iter().filter(is_whole);
        let refused: Vec<_> = messages.iter().chain(documents).filter_map(refused).collect();
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }

    /// A placeholder cannot be pasted.
    #[test]
    fn messages_have_real_names() {
        let is_placeholder = |word: &String| {
            let word = word.trim_start_matches('<').trim_end_matches('>');
            word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c == '…')
        };
        let messages = collected::messages();
        let wrong: Vec<_> =
            messages.iter().filter(|one| one.words.iter().any(is_placeholder)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_wrong_proposal_is_seen() {
        let words = collected::words("countersign synchronise prod # all of it");
        let proposal = collected::Proposal { place: "here".into(), words };
        assert!(refused(&proposal).unwrap().contains("here: \"countersign synchronise prod\""));
    }
}
