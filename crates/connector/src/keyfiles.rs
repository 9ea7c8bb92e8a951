//! Pairs in the forms that other tools keep them in: the credentials file with
//! sections, the YAML of the Veracode CLI, and variables. Reading and writing of
//! text only.

pub mod paste;
pub mod sources;

mod ini;
mod variables;
mod yaml;

use countersign_client::Url;
use countersign_signing::{Pair, Region};
use zeroize::Zeroizing;

use variables::{ALL as VARIABLES, URL as URL_VARIABLE};

/// The profile that tools take when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Sections, each a profile.
    Ini,
    /// `NAME=value`, a line each.
    Variables,
    /// `api:` with its members.
    Yaml,
}

/// A pair as some tool keeps it, not judged yet.
pub struct Written {
    /// API ID.
    pub id: String,
    /// Secret Key.
    pub secret: Zeroizing<String>,
    /// Where it is for, if the form says so.
    pub url: Option<String>,
}

impl Written {
    /// A pair as the tools of its service expect it: with the prefix of the region
    /// that the URL belongs to, and with the URL itself where it is no region's.
    pub fn of(pair: &Pair, url: &str) -> Self {
        let region = region_of(url);
        let prefixed = region.unwrap_or(Region::Commercial);
        Self {
            id: pair.id.regional(prefixed),
            secret: pair.secret.expose_regional(prefixed),
            url: region.is_none().then(|| url.to_owned()),
        }
    }

    /// As variables of an environment, by every name that tools know.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let halves = VARIABLES.iter().map(|(name, is_id)| match is_id {
            true => (*name, self.id.as_str()),
            false => (*name, self.secret.as_str()),
        });
        halves.chain(self.url.as_deref().map(|url| (URL_VARIABLE, url)))
    }
}

/// The region that a Veracode URL is of; none for another server.
pub(crate) fn region_of(url: &str) -> Option<Region> {
    Region::of_rest_host(Url::parse(url).ok()?.host_str()?)
}

impl Form {
    /// What a text is, by its first line that says something.
    pub fn of(text: &str) -> Option<Self> {
        let mut lines = unmarked(text).lines().map(str::trim);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';']))?;
        let is_name = |name: &str| {
            let name = name.strip_prefix("export ").unwrap_or(name);
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if first.starts_with('[') {
            Some(Self::Ini)
        } else if first.split_once('=').is_some_and(|(name, _)| is_name(name.trim())) {
            Some(Self::Variables)
        } else if first == "---" || first.ends_with(':') || first.contains(": ") {
            Some(Self::Yaml)
        } else {
            None
        }
    }

    /// The pair in a text; none when there is none. `profile` counts for sections only.
    pub fn read(self, text: &str, profile: &str) -> Result<Option<Written>, String> {
        let text = unmarked(text);
        match self {
            Self::Ini => Ok(ini::read(text, profile)),
            Self::Variables => Ok(variables::read(text)),
            Self::Yaml => yaml::read(text),
        }
    }

    /// The text with the pair in it and everything else as it was. Refuses a text
    /// that the tools of this form would not read.
    pub fn write(
        self,
        text: &str,
        profile: &str,
        pair: &Written,
    ) -> Result<Zeroizing<String>, String> {
        let text = unmarked(text);
        let written = match self {
            Self::Ini => ini::write(text, profile, pair)?,
            Self::Variables => variables::write(text, pair)?,
            Self::Yaml => yaml::write(text, pair)?,
        };
        match self.holds(&written, profile, pair) {
            true => Ok(written),
            false => Err("it could not be read back".into()),
        }
    }

    /// Whether the tools of this form read this pair from a text.
    pub fn holds(self, text: &str, profile: &str, pair: &Written) -> bool {
        self.read(text, profile).ok().flatten().is_some_and(|read| {
            read.id == pair.id
                && read.secret == pair.secret
                && (read.url == pair.url || self == Self::Ini)
        })
    }

    /// Refuses a name that no section can have.
    pub fn check_profile(self, profile: &str) -> Result<(), String> {
        match self {
            Self::Ini => ini::check_profile(profile),
            Self::Variables | Self::Yaml => Ok(()),
        }
    }
}

/// Editors leave a mark at the beginning that is no part of the text.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// What lines of this text end with.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The blanks that a line begins with.
fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// Ends the last line, so that another can follow.
fn end_line(text: &mut String, end: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(end);
    }
}

#[cfg(test)]
mod tests;
