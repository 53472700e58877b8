//! The schema of a page.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

use super::PageOf;

/// What [`ToSchema::schemas`] collects.
type Schemas = Vec<(String, RefOr<Schema>)>;

impl<T: ToSchema> PartialSchema for PageOf<T> {
    fn schema() -> RefOr<Schema> {
        let address = |description: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                .description(Some(description))
        };
        let count = ObjectBuilder::new().schema_type(Type::Integer).description(Some("Rows in all."));
        let rows =
            ArrayBuilder::new().items(Ref::from_schema_name(T::name())).description(Some("The rows of this page."));
        ObjectBuilder::new()
            .description(Some("A page of a list."))
            .property("count", count)
            .required("count")
            .property("next", address("Address of the next page; null on the last one."))
            .required("next")
            .property("previous", address("Address of the page before; null on the first one."))
            .required("previous")
            .property("results", rows)
            .required("results")
            .into()
    }
}

impl<T: ToSchema> ToSchema for PageOf<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        schemas.push((T::name().into(), T::schema()));
        T::schemas(schemas);
    }
}
