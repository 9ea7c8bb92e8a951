//! What a vault keeps: pairs and OAuth clients.

use countersign_signing::{ApiId, ApiSecret, OAuthClient, Pair};

/// The two kinds of credentials that the service issues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An API ID and a Secret Key, which sign.
    #[default]
    Hmac,
    /// A Client ID and a Client Secret, which are exchanged for a token.
    OAuth,
}

impl Kind {
    /// `hmac` or `oauth`, as files and tables say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::OAuth => "oauth",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hmac, Self::OAuth].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A credential with its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A pair.
    Pair(Pair),
    /// An OAuth client.
    OAuthClient(OAuthClient),
}

impl Secret {
    /// Which of the two.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Pair(_) => Kind::Hmac,
            Self::OAuthClient(_) => Kind::OAuth,
        }
    }

    /// The API ID or the Client ID.
    pub fn id(&self) -> &str {
        match self {
            Self::Pair(pair) => pair.id.as_str(),
            Self::OAuthClient(client) => &client.id,
        }
    }

    /// The Secret Key or the Client Secret.
    pub fn secret(&self) -> &ApiSecret {
        match self {
            Self::Pair(pair) => &pair.secret,
            Self::OAuthClient(client) => &client.secret,
        }
    }

    /// The pair, if it is one.
    pub fn as_pair(&self) -> Option<&Pair> {
        match self {
            Self::Pair(pair) => Some(pair),
            Self::OAuthClient(_) => None,
        }
    }

    /// Puts together what a vault kept apart; none when the id cannot be one.
    pub(crate) fn assemble(kind: Kind, id: &str, secret: Vec<u8>) -> Option<Self> {
        let secret = ApiSecret::from_bytes(secret);
        Some(match kind {
            Kind::Hmac => Self::Pair(Pair { id: ApiId::parse(id).ok()?, secret }),
            Kind::OAuth => Self::OAuthClient(OAuthClient { id: id.to_owned(), secret }),
        })
    }
}

impl From<Pair> for Secret {
    fn from(pair: Pair) -> Self {
        Self::Pair(pair)
    }
}

impl From<OAuthClient> for Secret {
    fn from(client: OAuthClient) -> Self {
        Self::OAuthClient(client)
    }
}
