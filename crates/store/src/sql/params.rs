//! What a statement binds: by position, by name, or as values that were collected.

#[cfg(feature = "postgres")]
use super::{Result, ToSqlOutput, ValueRef};
use super::{ToSql, Value};

/// Parameters of a statement.
pub(crate) trait Params {
    /// As SQLite takes them.
    type Sqlite: rusqlite::Params;

    fn sqlite(self) -> Self::Sqlite;

    /// As values.
    #[cfg(feature = "postgres")]
    fn given(self) -> Result<Given>;
}

/// The values of parameters.
#[cfg(feature = "postgres")]
pub(crate) enum Given {
    InOrder(Vec<Value>),
    Named(Vec<(String, Value)>),
}

#[cfg(feature = "postgres")]
pub(super) fn value(of: &dyn ToSql) -> Result<Value> {
    Ok(match of.to_sql()? {
        ToSqlOutput::Borrowed(ValueRef::Null) => Value::Null,
        ToSqlOutput::Borrowed(ValueRef::Integer(number)) => Value::Integer(number),
        ToSqlOutput::Borrowed(ValueRef::Real(number)) => Value::Real(number),
        ToSqlOutput::Borrowed(ValueRef::Text(text)) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
        ToSqlOutput::Borrowed(ValueRef::Blob(bytes)) => Value::Blob(bytes.to_vec()),
        ToSqlOutput::Owned(value) => value,
        _ => return Err(super::postgres::Failure::program("a value of an unknown kind").into()),
    })
}

type NoParams = [&'static (dyn ToSql + Send + Sync); 0];

impl Params for NoParams {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }

    #[cfg(feature = "postgres")]
    fn given(self) -> Result<Given> {
        Ok(Given::InOrder(Vec::new()))
    }
}

impl<'p> Params for &'p [&'p dyn ToSql] {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }

    #[cfg(feature = "postgres")]
    fn given(self) -> Result<Given> {
        Ok(Given::InOrder(self.iter().map(|of| value(*of)).collect::<Result<_>>()?))
    }
}

/// By name, each with its colon.
impl<'p> Params for &'p [(&'p str, &'p dyn ToSql)] {
    type Sqlite = Self;

    fn sqlite(self) -> Self {
        self
    }

    #[cfg(feature = "postgres")]
    fn given(self) -> Result<Given> {
        let named = self.iter().map(|(name, of)| Ok(((*name).to_owned(), value(*of)?)));
        Ok(Given::Named(named.collect::<Result<_>>()?))
    }
}

impl Params for Vec<Value> {
    type Sqlite = rusqlite::ParamsFromIter<Self>;

    fn sqlite(self) -> Self::Sqlite {
        rusqlite::params_from_iter(self)
    }

    #[cfg(feature = "postgres")]
    fn given(self) -> Result<Given> {
        Ok(Given::InOrder(self))
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

            #[cfg(feature = "postgres")]
            fn given(self) -> Result<Given> {
                Ok(Given::InOrder(self.iter().map(|of| value(of)).collect::<Result<_>>()?))
            }
        }
    )+};
}

arrays! { 1 2 3 }
