//! Answers that are not JSON.

use axum::response::{IntoResponse, Response};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, Schema, SchemaFormat,
        schema::{ObjectBuilder, Type},
    },
};

/// A file, whatever is in it.
pub(super) struct File(pub Vec<u8>);

impl IntoResponse for File {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl PartialSchema for File {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("A file."))
            .into()
    }
}

impl ToSchema for File {}
