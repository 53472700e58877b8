//! The shapes of events, and their schemas.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, Ref, RefOr, Schema, SchemaFormat,
        schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type},
    },
};

use crate::{
    events::Change, locations::Location, packages::view::PackageView, stock::list::StockLevel,
    transfers::view::TransferView, webhooks::pause::PauseEvent, wire::Timestamp,
};

/// Some events, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
pub(super) struct Events {
    /// Where to go on: give it as `after`.
    pub cursor: String,
    /// The same as an address; null where there is nothing more now, unless `wait` was given.
    pub next: Option<String>,
    /// In order.
    pub results: Vec<Event>,
}

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    /// Its name, the same however often it is read.
    id: String,
    #[serde(rename = "event")]
    kind: Kind,
    /// One of [`crate::events::ENTITIES`].
    entity: String,
    object_id: i64,
    /// Its number among the events of its object: 1, 2, 3 … without a gap.
    sequence: i64,
    created_date: Timestamp,
    /// Id of the request that caused it; none for what the server did by itself.
    request_id: Option<String>,
    /// The object as it was then.
    payload: Arc<RawValue>,
}

/// The schema of events that tell of one kind of object.
fn event_of<T: ToSchema>(entity: &str) -> RefOr<Schema> {
    let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    let whole = |description: &str| {
        let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
        ObjectBuilder::new().schema_type(Type::Integer).format(Some(format)).description(Some(description))
    };
    let request_id = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("Id of the request that caused it; null for what the server did by itself."));
    let fields: [(&str, RefOr<Schema>); 8] = [
        ("id", text("Its name, the same however often it is read.").into()),
        ("event", Ref::from_schema_name(Kind::name()).into()),
        ("entity", text("What it tells of.").enum_values(Some([entity])).into()),
        ("object_id", whole("Which one.").into()),
        ("sequence", whole("Its number among the events of its object: 1, 2, 3 … without a gap.").into()),
        ("created_date", Ref::from_schema_name(Timestamp::name()).into()),
        ("request_id", request_id.into()),
        ("payload", Ref::from_schema_name(T::name()).into()),
    ];
    let object = ObjectBuilder::new().description(Some("An event; the payload is the object as it was then."));
    fields.into_iter().fold(object, |object, (name, schema)| object.property(name, schema).required(name)).into()
}

impl utoipa::PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let names = ["PackageEvent", "TransferEvent", "StockLocationEvent", "StockEvent", "WebhookEvent"];
        let all = names.into_iter().map(Ref::from_schema_name).fold(OneOfBuilder::new(), OneOfBuilder::item);
        all.description(Some("An event. `entity` says what its payload is.")).into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Schemas) {
        schemas.push(("PackageEvent".to_owned(), event_of::<PackageView>("package")));
        schemas.push(("TransferEvent".to_owned(), event_of::<TransferView>("transfer")));
        schemas.push(("StockLocationEvent".to_owned(), event_of::<Location>("stock_location")));
        schemas.push(("StockEvent".to_owned(), event_of::<StockLevel>("stock")));
        schemas.push(("WebhookEvent".to_owned(), event_of::<PauseEvent<'static>>("webhook")));
        push::<PackageView>(schemas);
        push::<TransferView>(schemas);
        push::<Location>(schemas);
        push::<StockLevel>(schemas);
        push::<PauseEvent<'static>>(schemas);
        push::<Kind>(schemas);
        push::<Timestamp>(schemas);
    }
}

/// What [`ToSchema::schemas`] collects.
type Schemas = Vec<(String, RefOr<Schema>)>;

/// A schema and those it refers to.
fn push<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into(), T::schema()));
    T::schemas(schemas);
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventKind)]
struct Kind {
    #[serde(rename = "type")]
    event_type: String,
    /// 32 hexadecimal digits.
    uuid: String,
}

impl Event {
    /// The nth event of a change.
    pub(super) fn of(change: &Change, n: usize, event_type: &str, payload: &Arc<RawValue>) -> Self {
        Self {
            id: change.event_id(n),
            kind: Kind { event_type: event_type.to_owned(), uuid: change.uuid(n, "feed").simple().to_string() },
            entity: change.entity.clone(),
            object_id: change.object_id,
            sequence: change.sequence + i64::try_from(n).unwrap_or_default(),
            created_date: change.created_date.into(),
            request_id: change.request_id.clone(),
            payload: Arc::clone(payload),
        }
    }

    /// What happened: one of [`crate::events::TYPES`].
    pub(super) fn event_type(&self) -> &str {
        &self.kind.event_type
    }
}
