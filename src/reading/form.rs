//! Records that requests write: made from nothing, or changed in what is sent.

use std::{borrow::Cow, marker::PhantomData};

use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{Reader, body_of, schema};
use crate::{error::Refusal, openapi};

/// A record whose fields are read by one function, wherever they are written.
///
/// A change is read over the record as it is, a new one over a blank; so a key that is left out needs no meaning of
/// its own.
pub trait Form: Clone + ToSchema {
    /// The keys that a request for a new one must have.
    const REQUIRED: &'static [&'static str];

    /// A record that says nothing yet.
    fn blank() -> Self;

    /// Sets what is given.
    fn read(&mut self, reader: &mut Reader<'_>);
}

/// Reads a new record from the body of a request.
///
/// # Errors
/// 400 that names every field that is missing or wrong.
pub fn create<F: Form>(bytes: &[u8]) -> Result<F, Refusal> {
    body_of(bytes, is_shown::<F>(), |reader| {
        reader.require(F::REQUIRED);
        let mut form = F::blank();
        form.read(reader);
        form
    })
}

/// Reads what the body of a request changes of a record.
///
/// # Errors
/// 400 that names every field that is wrong.
pub fn change<F: Form>(bytes: &[u8], form: &F) -> Result<F, Refusal> {
    body_of(bytes, is_shown::<F>(), |reader| {
        let mut form = form.clone();
        form.read(reader);
        form
    })
}

/// Reads the body of a request about what is answered as this.
///
/// # Errors
/// As [`body`](super::body).
pub fn body_as_shown<S: ToSchema, T>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Refusal> {
    body_of(bytes, is_shown::<S>(), read)
}

/// True for the keys that something is answered with.
fn is_shown<S: ToSchema>() -> impl Fn(&str) -> bool {
    let schema = serde_json::to_value(S::schema()).unwrap_or_default();
    move |key| schema["properties"].get(key).is_some()
}

/// The documentation of a request for a new record.
#[derive(Debug)]
pub struct New<F>(PhantomData<F>);

/// The documentation of a request that changes a record.
#[derive(Debug)]
pub struct Changed<F>(PhantomData<F>);

impl<F: Form> PartialSchema for New<F> {
    fn schema() -> RefOr<Schema> {
        documented::<F>(F::REQUIRED)
    }
}

impl<F: Form> ToSchema for New<F> {
    fn name() -> Cow<'static, str> {
        format!("New{}", F::name()).into()
    }
}

impl<F: Form> PartialSchema for Changed<F> {
    fn schema() -> RefOr<Schema> {
        documented::<F>(&[])
    }
}

impl<F: Form> ToSchema for Changed<F> {
    fn name() -> Cow<'static, str> {
        format!("{}Change", F::name()).into()
    }
}

fn documented<F: Form>(required: &[&str]) -> RefOr<Schema> {
    let mut keys = schema(|reader| F::blank().read(reader));
    if !required.is_empty() {
        keys["required"] = json!(required);
    }
    with_sentences::<F>(keys)
}

/// The schema of what is read, with the sentences that the record as it is answered has for its keys, and its schemas of
/// objects that are read as they come.
#[must_use]
pub fn with_sentences<T: PartialSchema>(mut keys: Value) -> RefOr<Schema> {
    let answered = json!(T::schema());
    if let Some(properties) = keys["properties"].as_object_mut() {
        for (key, property) in properties {
            let shown = &answered["properties"][key.as_str()];
            if *property == json!({ "type": "object" }) && shown.is_object() {
                *property = shown.clone();
            } else if let Some(sentence @ Value::String(_)) = shown.get("description") {
                property["description"] = sentence.clone();
            }
        }
    }
    openapi::of_value(keys)
}

/// Puts a value in its place, if it was given.
pub fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}
