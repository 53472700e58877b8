//! What `OpenAPI` documents are made of where a derived schema does not say it: schemas that are written down, errors,
//! lists. The document itself is put together in [`crate::server`], from what the routes declare.

pub mod answers;
pub mod errors;

use serde_json::Value;
use utoipa::openapi::{
    Ref, RefOr, Schema,
    schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type},
};

/// A schema that is written down beside the code that reads or keeps such a value, because no type of ours has its shape.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// What the document calls it.
    pub name: &'static str,
    /// JSON Schema, as text.
    pub schema: &'static str,
}

impl Written {
    /// A reference to it.
    #[must_use]
    pub fn reference(&self) -> RefOr<Schema> {
        Ref::from_schema_name(self.name).into()
    }

    /// A reference to it, or null.
    #[must_use]
    pub fn or_null(&self) -> RefOr<Schema> {
        let null = ObjectBuilder::new().schema_type(Type::Null);
        OneOfBuilder::new().item(null).item(self.reference()).into()
    }

    /// One of them, or a list of them.
    #[must_use]
    pub fn one_or_many(&self) -> RefOr<Schema> {
        OneOfBuilder::new().item(self.reference()).item(ArrayBuilder::new().items(self.reference())).into()
    }

    /// The schema itself. A test holds that each can be read.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(self.schema).unwrap_or_default()
    }
}

/// A reference to a schema of the document, as JSON.
#[must_use]
pub fn reference(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A schema that is made as JSON; one that is none describes nothing.
#[must_use]
pub fn of_value(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).unwrap_or_else(|_| Schema::Object(ObjectBuilder::new().build()).into())
}

/// The schema of the body of a command's refusal, or null.
#[must_use]
pub fn refusal_or_null() -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let bodies = ["RuleError", "ValidationError"].map(Ref::from_schema_name);
    bodies.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).item(null).into()
}

/// The schema of `error` where any error may stand: a rule's, or any other.
#[must_use]
pub fn any_error() -> RefOr<Schema> {
    AnyOfBuilder::new().item(Ref::from_schema_name("RuleRefusal")).item(Ref::from_schema_name("Messages")).into()
}
