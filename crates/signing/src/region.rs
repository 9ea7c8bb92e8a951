//! The three regions, their credential prefixes and their REST hosts.

use crate::error::{Error, Kind};

/// Where an account lives. A prefixed pair names its region; an unprefixed one
/// is commercial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// `api.veracode.com`, prefix letter `g`, normally unprefixed.
    Commercial,
    /// `api.veracode.eu`, prefix letter `e`.
    European,
    /// `api.veracode.us`, prefix letter `f`.
    UsFederal,
}

impl Region {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Commercial, Self::European, Self::UsFederal];

    /// Host name of the REST APIs.
    pub fn rest_host(self) -> &'static str {
        match self {
            Self::Commercial => "api.veracode.com",
            Self::European => "api.veracode.eu",
            Self::UsFederal => "api.veracode.us",
        }
    }

    /// The region that owns this REST host, if it is one of Veracode's.
    pub fn of_rest_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|region| region.rest_host().eq_ignore_ascii_case(host))
    }

    /// The seventh character of a prefixed credential.
    pub fn letter(self) -> char {
        match self {
            Self::Commercial => 'g',
            Self::European => 'e',
            Self::UsFederal => 'f',
        }
    }

    /// A credential as this region's own tools write it: `kind` is `i` for an API ID and
    /// `s` for a Secret Key. The commercial region's have no prefix.
    pub(crate) fn prefixed(self, kind: char, proper: &str) -> String {
        match self {
            Self::Commercial => proper.to_owned(),
            _ => format!("vera01{}{kind}-{proper}", self.letter()),
        }
    }

    fn of_letter(letter: u8) -> Option<Self> {
        match letter.to_ascii_lowercase() {
            b'g' => Some(Self::Commercial),
            b'e' => Some(Self::European),
            b'f' => Some(Self::UsFederal),
            _ => None,
        }
    }
}

/// A credential taken apart: its region and kind letter when it carries a
/// prefix, and the credential proper.
pub(crate) struct Prefixed<'a> {
    pub(crate) prefix: Option<(Region, u8)>,
    pub(crate) proper: &'a str,
}

/// The rules of the official library: exactly eight characters before the
/// first `-`, the seventh names the region, everything after the last `-` is
/// the credential proper.
pub(crate) fn split_prefix(credential: &str) -> Result<Prefixed<'_>, Error> {
    let Some(first) = credential.find('-') else {
        return Ok(Prefixed { prefix: None, proper: credential });
    };
    let prefix = &credential.as_bytes()[..first];
    if prefix.len() != 8 {
        return Err(Error(Kind::PrefixLength));
    }
    let region = Region::of_letter(prefix[6]).ok_or(Error(Kind::UnknownRegion))?;
    let proper = credential.rsplit('-').next().unwrap_or_default();
    Ok(Prefixed { prefix: Some((region, prefix[7].to_ascii_lowercase())), proper })
}
