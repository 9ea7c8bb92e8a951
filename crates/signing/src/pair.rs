//! API ID and Secret Key: parsed once, printed never.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, Kind};
use crate::region::{Region, split_prefix};

/// An API ID, with or without a regional prefix. Not a secret.
///
/// Two ids are the same when their hex digits are, whatever case or prefix
/// they were written with.
#[derive(Clone)]
pub struct ApiId {
    proper: Box<str>,
    prefix: Option<Region>,
}

impl ApiId {
    /// Reads an id: 1 to 128 hex digits, optionally after a prefix such as
    /// `vera01ei-`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = split_prefix(text)?;
        if parts.prefix.is_some_and(|(_, kind)| kind == b's') {
            return Err(Error(Kind::SecretInPlaceOfId));
        }
        if parts.proper.is_empty() || !parts.proper.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error(Kind::IdForm));
        }
        if parts.proper.len() > 128 {
            return Err(Error(Kind::IdLength { digits: parts.proper.len() }));
        }
        Ok(Self { proper: parts.proper.into(), prefix: parts.prefix.map(|(region, _)| region) })
    }

    /// The id without prefix, in the case it was written with: what goes into
    /// the header.
    pub fn as_str(&self) -> &str {
        &self.proper
    }

    /// The id without prefix in lower case: what is signed and looked up.
    pub fn lowercase(&self) -> String {
        self.proper.to_ascii_lowercase()
    }

    /// The region that the prefix names, commercial without one.
    pub fn region(&self) -> Region {
        self.prefix.unwrap_or(Region::Commercial)
    }

    /// Whether the id was written with a regional prefix.
    pub fn is_prefixed(&self) -> bool {
        self.prefix.is_some()
    }

    /// The id as the region's own tools print it: `vera01ei-…` for the
    /// European region, unprefixed for the commercial one.
    pub fn regional(&self, region: Region) -> String {
        region.prefixed('i', &self.proper)
    }
}

impl PartialEq for ApiId {
    fn eq(&self, other: &Self) -> bool {
        self.proper.eq_ignore_ascii_case(&other.proper)
    }
}

impl Eq for ApiId {}

impl std::hash::Hash for ApiId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.lowercase().hash(state);
    }
}

impl fmt::Debug for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiId({})", self.proper)
    }
}

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.proper)
    }
}

/// A Secret Key: wiped on drop, compared in constant time, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ApiSecret {
    bytes: Vec<u8>,
    #[zeroize(skip)]
    prefix: Option<Region>,
}

impl ApiSecret {
    /// Reads a secret: an even number of hex digits, 2 to 1024, optionally
    /// after a prefix such as `vera01es-`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = split_prefix(text)?;
        if parts.prefix.is_some_and(|(_, kind)| kind == b'i') {
            return Err(Error(Kind::IdInPlaceOfSecret));
        }
        let digits = parts.proper.len();
        if digits == 0 || digits > 1024 || !digits.is_multiple_of(2) {
            return Err(Error(Kind::SecretLength { digits }));
        }
        let bytes = HEXLOWER_PERMISSIVE
            .decode(parts.proper.as_bytes())
            .map_err(|_| Error(Kind::SecretForm))?;
        Ok(Self { bytes, prefix: parts.prefix.map(|(region, _)| region) })
    }

    /// Takes key bytes as they are: for a server that makes or unseals them.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, prefix: None }
    }

    /// The key bytes. The one door to them; grep for it.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The key as lower-case hex without prefix, wiped on drop.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&self.bytes))
    }

    /// The same as the region's own tools print it: `vera01es-…` for the European
    /// region, unprefixed for the commercial one.
    pub fn expose_regional(&self, region: Region) -> Zeroizing<String> {
        Zeroizing::new(region.prefixed('s', &self.expose_hex()))
    }
}

impl PartialEq for ApiSecret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for ApiSecret {}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiSecret(redacted)")
    }
}

/// An API ID with its Secret Key, as the service issues them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The API ID, also called Client ID.
    pub id: ApiId,
    /// The Secret Key, also called Client Secret.
    pub secret: ApiSecret,
}

impl Pair {
    /// Reads a pair as a person pastes it and refuses what the service never
    /// issues: an id under 32 or a secret under 128 hex digits, or two prefixes
    /// of different regions. White space is not trimmed here, so that the
    /// caller can say that it was.
    pub fn parse(id: &str, secret: &str) -> Result<Self, Error> {
        let id = ApiId::parse(id)?;
        let secret = ApiSecret::parse(secret)?;
        if id.proper.len() < 32 {
            return Err(Error(Kind::IdLength { digits: id.proper.len() }));
        }
        if secret.bytes.len() < 64 {
            return Err(Error(Kind::SecretLength { digits: secret.bytes.len() * 2 }));
        }
        if let (Some(a), Some(b)) = (id.prefix, secret.prefix)
            && a != b
        {
            return Err(Error(Kind::RegionsDiffer));
        }
        Ok(Self { id, secret })
    }

    /// The region that the pair belongs to: the prefix of either half decides.
    pub fn region(&self) -> Region {
        self.id.prefix.or(self.secret.prefix).unwrap_or(Region::Commercial)
    }
}

/// The Client ID and Client Secret of an OAuth client. Neither has a documented
/// form: both are kept as they were shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// The Client ID.
    pub id: String,
    /// The Client Secret, the bytes of its text.
    pub secret: ApiSecret,
}

impl OAuthClient {
    /// Refuses what cannot travel in HTTP Basic: an empty half, a colon in the id,
    /// anything but visible ASCII, more than 1024 characters.
    pub fn parse(id: &str, secret: &str) -> Result<Self, Error> {
        let is_plain = |text: &str| {
            (1..=1024).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if !is_plain(id) || id.contains(':') || !is_plain(secret) {
            return Err(Error(Kind::ClientForm));
        }
        Ok(Self { id: id.to_owned(), secret: ApiSecret::from_bytes(secret.as_bytes().to_vec()) })
    }
}
