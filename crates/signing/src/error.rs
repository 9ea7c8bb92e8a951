//! One error for the crate. Predicates answer what callers branch on; nothing
//! in here ever holds key material or a computed signature.

use std::fmt;

/// What was wrong with a pair, a header or a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub(crate) Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    IdForm,
    SecretForm,
    IdLength { digits: usize },
    SecretLength { digits: usize },
    PrefixLength,
    UnknownRegion,
    IdInPlaceOfSecret,
    SecretInPlaceOfId,
    RegionsDiffer,
    ClientForm,
    UrlForm,
    NonceForm,
    Scheme,
    HeaderTooLong,
    HeaderItem { name: &'static str },
    HeaderUnknownItem,
    HeaderDuplicate { name: &'static str },
    HeaderMissing { name: &'static str },
    Stale { by_ms: u64 },
    Future { by_ms: u64 },
    Mismatch,
}

impl Error {
    /// The timestamp lies further in the past than the window allows.
    pub fn is_stale(&self) -> bool {
        matches!(self.0, Kind::Stale { .. })
    }

    /// The timestamp lies further in the future than the window allows.
    pub fn is_future(&self) -> bool {
        matches!(self.0, Kind::Future { .. })
    }

    /// The header was well formed, but the signature is not the right one.
    pub fn is_mismatch(&self) -> bool {
        matches!(self.0, Kind::Mismatch)
    }

    /// The `Authorization` header could not be read.
    pub fn is_malformed_header(&self) -> bool {
        matches!(
            self.0,
            Kind::Scheme
                | Kind::HeaderTooLong
                | Kind::HeaderItem { .. }
                | Kind::HeaderUnknownItem
                | Kind::HeaderDuplicate { .. }
                | Kind::HeaderMissing { .. }
        )
    }

    /// The API ID and the Secret Key name two different regions.
    pub fn is_region_conflict(&self) -> bool {
        matches!(self.0, Kind::RegionsDiffer)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::IdForm => write!(f, "API ID is not hexadecimal"),
            Kind::SecretForm => write!(f, "Secret Key is not hexadecimal"),
            Kind::IdLength { digits } => {
                write!(f, "API ID has {digits} hex digits, expected 32 to 128")
            }
            Kind::SecretLength { digits } => {
                write!(
                    f,
                    "Secret Key has {digits} hex digits, expected 128 to 1024, an even number"
                )
            }
            Kind::PrefixLength => {
                write!(f, "regional prefix before `-` is not eight characters long")
            }
            Kind::UnknownRegion => {
                write!(f, "regional prefix has an unknown region letter, expected `e`, `f` or `g`")
            }
            Kind::IdInPlaceOfSecret => {
                write!(f, "the value given as Secret Key carries the prefix of an API ID")
            }
            Kind::SecretInPlaceOfId => {
                write!(f, "the value given as API ID carries the prefix of a Secret Key")
            }
            Kind::RegionsDiffer => {
                write!(f, "API ID and Secret Key carry the prefixes of two different regions")
            }
            Kind::ClientForm => write!(
                f,
                "Client ID and Client Secret of an OAuth client are 1 to 1024 visible ASCII characters, the id without a colon"
            ),
            Kind::UrlForm => write!(f, "URL has no scheme and host"),
            Kind::NonceForm => write!(f, "nonce is empty or longer than 64 bytes"),
            Kind::Scheme => write!(f, "authorization scheme is not `{}`", crate::SCHEME),
            Kind::HeaderTooLong => {
                write!(f, "authorization header is longer than {} bytes", crate::MAX_HEADER_BYTES)
            }
            Kind::HeaderItem { name } => write!(f, "authorization item `{name}` is malformed"),
            Kind::HeaderUnknownItem => write!(f, "authorization header holds an unknown item"),
            Kind::HeaderDuplicate { name } => {
                write!(f, "authorization item `{name}` occurs twice")
            }
            Kind::HeaderMissing { name } => write!(f, "authorization item `{name}` is missing"),
            Kind::Stale { by_ms } => {
                write!(f, "timestamp is {by_ms} ms older than the time window allows")
            }
            Kind::Future { by_ms } => {
                write!(f, "timestamp is {by_ms} ms further ahead than the time window allows")
            }
            Kind::Mismatch => write!(f, "signature does not match the request"),
        }
    }
}

impl std::error::Error for Error {}
