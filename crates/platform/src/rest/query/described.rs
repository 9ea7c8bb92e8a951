//! Parameters as the OpenAPI document has them.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    ArrayBuilder, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{self, RefOr, Required};

use super::{Kind, Parameter};

impl Parameter {
    pub(crate) fn described(&self) -> openapi::path::Parameter {
        let is_list = matches!(self.kind, Kind::Each(_));
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(self.about))
            .schema(Some(self.kind.schema()))
            .explode(is_list.then_some(false))
            .build()
    }
}

impl Kind {
    fn schema(self) -> Schema {
        let object = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::new(kind));
        match self {
            Self::Text => object(Type::String).build().into(),
            Self::Guid => object(Type::String).format(Some(custom("uuid"))).build().into(),
            Self::Day => object(Type::String).format(Some(custom("date"))).build().into(),
            Self::Truth => object(Type::Boolean).build().into(),
            Self::Score => {
                object(Type::Number).minimum(Some(0.0)).maximum(Some(10.0)).build().into()
            }
            Self::Integer(from, to) => object(Type::Integer)
                .minimum(Some(from))
                .maximum((to < i64::MAX).then_some(to))
                .build()
                .into(),
            Self::OneOf(values) => {
                object(Type::String).enum_values(Some(values.iter().copied())).build().into()
            }
            Self::Each(one) => ArrayBuilder::new().items(RefOr::T(one.schema())).build().into(),
        }
    }
}

fn custom(format: &str) -> SchemaFormat {
    SchemaFormat::Custom(format.to_owned())
}
