//! Values on their way to PostgreSQL and back.
//!
//! The server says which type a parameter has; a value becomes that type. What comes back is
//! one of the five kinds of values that SQLite has, so that what reads a row, and what seals it,
//! does not know which engine it is of.

use std::borrow::Cow;
use std::error::Error;

use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::{Value, ValueRef};

/// A text as PostgreSQL can hold it: a NUL is what its texts cannot have, and becomes U+FFFD.
/// Texts that are compared to the last character are kept as bytes: see `texts` in
/// `postgres.sql`.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

/// A value for a parameter.
#[derive(Debug)]
pub(super) struct Bound(pub(super) Value);

type Failed = Box<dyn Error + Sync + Send>;

impl ToSql for Bound {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match &self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => integer(*number, ty, out),
            Value::Real(number) if *ty == Type::FLOAT8 => number.to_sql(ty, out),
            Value::Text(text) if *ty == Type::BYTEA => text.as_bytes().to_sql(ty, out),
            Value::Text(text) if <&str as ToSql>::accepts(ty) => {
                storable(text).as_ref().to_sql(ty, out)
            }
            Value::Blob(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            other => Err(unfit(&format!("{:?}", other.data_type()), ty)),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn integer(number: i64, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
    match *ty {
        Type::INT8 => number.to_sql(ty, out),
        Type::INT4 => i32::try_from(number)?.to_sql(ty, out),
        Type::BOOL => (number != 0).to_sql(ty, out),
        #[expect(clippy::cast_precision_loss, reason = "as SQLite compares the two")]
        Type::FLOAT8 => (number as f64).to_sql(ty, out),
        _ => Err(unfit("Integer", ty)),
    }
}

fn unfit(kind: &str, ty: &Type) -> Failed {
    format!("a value of the kind {kind} for a parameter of the type {ty}").into()
}

/// A value as it was found.
pub(super) struct Found<'a>(pub(super) ValueRef<'a>);

impl<'a> FromSql<'a> for Found<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Self(match *ty {
            Type::INT8 => ValueRef::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => ValueRef::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => ValueRef::Integer(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => ValueRef::Integer(bool::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => ValueRef::Real(f64::from_sql(ty, raw)?),
            Type::NUMERIC => ValueRef::Integer(sum(raw)?),
            Type::BYTEA => ValueRef::Blob(raw),
            _ => ValueRef::Text(raw),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(ty: &Type) -> bool {
        let known = [
            Type::INT8,
            Type::INT4,
            Type::INT2,
            Type::BOOL,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::BYTEA,
        ];
        known.contains(ty) || <&str as FromSql>::accepts(ty)
    }
}

/// The sum of whole numbers, which the server answers as a decimal number: how many digits of
/// four there are, the weight of the first, the sign, how many are behind the point; the digits.
fn sum(raw: &[u8]) -> Result<i64, Failed> {
    let words: Vec<i16> =
        raw.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
    let [_, weight, sign, _, digits @ ..] = words.as_slice() else {
        return Err("a number without its beginning".into());
    };
    let mut number: i128 = 0;
    for at in 0..=i32::from(*weight).max(-1) {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(at));
        number = number * 10_000 + i128::from(digit.copied().unwrap_or(0));
    }
    let number = if *sign == 0 { number } else { -number };
    Ok(i64::try_from(number)?)
}
