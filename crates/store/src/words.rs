//! Closed sets of words: what the database says as text is an enum in the program.

/// An enum whose values are words. One that is not of the set is damage.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$of])* $value,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The machine word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        }

        impl crate::sql::ToSql for $name {
            fn to_sql(&self) -> std::result::Result<crate::sql::ToSqlOutput<'_>, crate::sql::ToSqlError> {
                Ok(self.as_str().into())
            }
        }

        impl crate::sql::FromSql for $name {
            fn column_result(
                value: crate::sql::ValueRef<'_>,
            ) -> crate::sql::FromSqlResult<Self> {
                let text = value.as_str()?;
                let found = Self::ALL.iter().copied().find(|one| one.as_str() == text);
                found.ok_or_else(|| {
                    let what = format!("`{text}` is none of the words of {}", stringify!($name));
                    crate::sql::FromSqlError::Other(what.into())
                })
            }
        }
    };
}

pub(crate) use words;

words! {
    /// Who has to act when something failed.
    Fault {
        /// A value that the user gave cannot be right.
        Config = "config",
        /// The service does not accept the pair.
        NotAuthenticated = "not_authenticated",
        /// The account lacks a role.
        RoleMissing = "role_missing",
        /// The network or the service kept failing.
        Upstream = "upstream",
        /// The service answered, but not completely.
        Incomplete = "incomplete",
        /// The local store or vault failed.
        Storage = "storage",
        /// Nobody foresaw it.
        Unexpected = "unexpected",
    }
}
