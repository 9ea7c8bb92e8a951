//! What of the findings readers look at.

use countersign_findings::{Population, Sight};

/// What readers look at: everything, or a part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// All integrations.
    #[default]
    Everything,
    /// One integration, by name.
    Integration(String),
    /// One application.
    Application {
        /// Name of its integration.
        integration: String,
        /// Its guid.
        guid: String,
    },
}

impl Scope {
    /// Which findings count where it is looked at. One application is shown whether the
    /// account still sees it or not.
    pub fn population(&self) -> Population {
        match self {
            Self::Everything | Self::Integration(_) => Population::OPEN,
            Self::Application { .. } => Population::OPEN.in_sight(Sight::All),
        }
    }
}

/// A scope as two values of a query, null where it does not restrict.
pub(crate) struct Scoped<'a> {
    pub(crate) integration: Option<&'a str>,
    pub(crate) guid: Option<&'a str>,
}

impl<'a> Scoped<'a> {
    pub(crate) fn of(scope: &'a Scope) -> Self {
        let (integration, guid) = match scope {
            Scope::Everything => (None, None),
            Scope::Integration(name) => (Some(name.as_str()), None),
            Scope::Application { integration, guid } => {
                (Some(integration.as_str()), Some(guid.as_str()))
            }
        };
        Self { integration, guid }
    }
}

/// The first and the last id that begin with these digits.
pub(crate) fn id_range(prefix: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.len() > 20 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let end = |digit: char| {
        let digits: String = prefix.chars().chain(std::iter::repeat(digit)).take(20).collect();
        data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()
    };
    Some((end('0')?, end('f')?))
}
