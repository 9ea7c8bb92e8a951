//! What a statement binds: by position, by name, or as values that were collected.

use super::{ToSql, Value};

/// Parameters of a statement.
pub(crate) trait Params {
    /// As SQLite takes them.
    type Sqlite: rusqlite::Params;

    fn sqlite(self) -> Self::Sqlite;
}

type NoParams = [&'static (dyn ToSql + Send + Sync); 0];

impl Params for NoParams {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }
}

impl<'p> Params for &'p [&'p dyn ToSql] {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }
}

/// By name, each with its colon.
impl<'p> Params for &'p [(&'p str, &'p dyn ToSql)] {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }
}

impl Params for Vec<Value> {
    type Sqlite = rusqlite::ParamsFromIter<Self>;

    fn sqlite(self) -> Self::Sqlite {
        rusqlite::params_from_iter(self)
    }
}

/// Not generic over the length: no parameters are an array too, of no type.
macro_rules! arrays {
    ($($length:literal)+) => {$(
        impl<T: ToSql> Params for [T; $length] {
            type Sqlite = Self;

            fn sqlite(self) -> Self {
                self
            }
        }
    )+};
}

arrays! { 1 2 3 }
