//! `/api/v1/oms/events/`: what happened, to be followed from a cursor; as pages, waiting for more, or as a stream.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, StatusCode, Uri, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, Ref, RefOr, Schema, SchemaFormat,
        path::Parameter,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        declare::{query, streamed, with_parameters},
        extract::{Doors, Limited},
    },
    app::App,
    auth::Caller,
    error::{Error, Refusal, Result},
    events::{self, Change, Cursor, TYPES, Wanted},
    locations::Location,
    packages::view::PackageView,
    page::Page,
    payloads,
    scope::Scope,
    transfers::view::TransferView,
    webhooks::pause::PauseEvent,
    wire::Timestamp,
};

/// Changes on a page unless `limit` says otherwise, and in each batch of a stream.
const DEFAULT_LIMIT: i64 = 100;
/// Most changes on a page.
const LARGEST_LIMIT: i64 = 1000;
/// Longest `wait`, in seconds: shorter than proxies commonly wait for an answer.
const LONGEST_WAIT: u64 = 20;
/// How often a waiting request looks whether its user may still see, besides at each change that this server hears of.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Events that a stream holds for a slow reader.
const HELD: usize = 256;

/// The routes of this area.
#[must_use]
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(streamed(with_parameters(routes!(follow), parameters())))
}

/// What [`Query::of_request`] reads, for the documentation.
fn parameters() -> [Parameter; 7] {
    let text = || json!({ "type": "string" });
    [
        query(
            "after",
            "The `cursor` of the page before. Without it, from the oldest event that is kept; `now`: from now on.",
            &text(),
        ),
        query("types", "Only these types of events, separated by commas.", &text()),
        query("stock_location", "Only what happened at these locations: ids, separated by commas.", &text()),
        query("entity", "Only of one object, with `object_id`.", &json!({ "type": "string", "enum": ENTITIES })),
        query(
            "object_id",
            "Only of one object, with `entity`: its id.",
            &json!({ "type": "integer", "format": "int64" }),
        ),
        query(
            "limit",
            "Changes on a page, at most 1000, 100 without it; a change is what one command did to one object: one or more \
             events.",
            &json!({ "type": "integer", "minimum": 1 }),
        ),
        query(
            "wait",
            "Seconds to wait for an event when there is none yet, at most 20; none without it.",
            &json!({ "type": "integer", "minimum": 0 }),
        ),
    ]
}

/// Some events, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
struct Events {
    /// Where to go on: give it as `after`.
    cursor: String,
    /// The same as an address.
    next: String,
    /// In order.
    results: Vec<Event>,
}

/// An event.
#[derive(Debug, Serialize)]
struct Event {
    /// Its name, the same however often it is read.
    id: String,
    #[serde(rename = "event")]
    kind: Kind,
    /// One of [`ENTITIES`].
    entity: String,
    object_id: i64,
    /// Its number among the events of its object: 1, 2, 3 … without a gap.
    sequence: i64,
    created_date: Timestamp,
    /// The object as it was then.
    payload: Arc<RawValue>,
}

/// What events tell of.
const ENTITIES: [&str; 4] = ["package", "transfer", "stock_location", "webhook"];

/// The schema of events that tell of one kind of object.
fn event_of<T: ToSchema>(entity: &str) -> RefOr<Schema> {
    let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    let whole = |description: &str| {
        let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
        ObjectBuilder::new().schema_type(Type::Integer).format(Some(format)).description(Some(description))
    };
    let fields: [(&str, RefOr<Schema>); 7] = [
        ("id", text("Its name, the same however often it is read.").into()),
        ("event", Ref::from_schema_name(Kind::name()).into()),
        ("entity", text("What it tells of.").enum_values(Some([entity])).into()),
        ("object_id", whole("Which one.").into()),
        ("sequence", whole("Its number among the events of its object: 1, 2, 3 … without a gap.").into()),
        ("created_date", Ref::from_schema_name(Timestamp::name()).into()),
        ("payload", Ref::from_schema_name(T::name()).into()),
    ];
    let object = ObjectBuilder::new().description(Some("An event; the payload is the object as it was then."));
    fields.into_iter().fold(object, |object, (name, schema)| object.property(name, schema).required(name)).into()
}

impl utoipa::PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let names = ["PackageEvent", "TransferEvent", "StockLocationEvent", "WebhookEvent"];
        let all = names.into_iter().map(Ref::from_schema_name).fold(OneOfBuilder::new(), OneOfBuilder::item);
        all.description(Some("An event. `entity` says what its payload is.")).into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Schemas) {
        schemas.push(("PackageEvent".to_owned(), event_of::<PackageView>("package")));
        schemas.push(("TransferEvent".to_owned(), event_of::<TransferView>("transfer")));
        schemas.push(("StockLocationEvent".to_owned(), event_of::<Location>("stock_location")));
        schemas.push(("WebhookEvent".to_owned(), event_of::<PauseEvent<'static>>("webhook")));
        push::<PackageView>(schemas);
        push::<TransferView>(schemas);
        push::<Location>(schemas);
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

/// What is asked for.
struct Query {
    after: Option<String>,
    wanted: Wanted,
    types: Vec<String>,
    limit: i64,
    wait: Duration,
    base_url: String,
    path: String,
    parameters: Vec<(String, String)>,
}

impl Query {
    fn of_request(page: &Page, uri: &Uri, scope: &Scope) -> Result<Self, Refusal> {
        page.no_list()?;
        let types: Vec<String> = page.get("types").map(list).unwrap_or_default();
        if let Some(unknown) = types.iter().find(|name| !TYPES.contains(&name.as_str())) {
            let known = TYPES.join(", ");
            return Err(Refusal::field("types", format!("\"{unknown}\" is no type of event; there are: {known}.")));
        }
        let entity = page.get("entity");
        let object = match (entity, page.get("object_id")) {
            (None, None) => None,
            (Some(entity), Some(id)) if ENTITIES.contains(&entity) => {
                Some((entity.to_owned(), number("object_id", id)?))
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::field("entity", "Use package, transfer, stock_location or webhook."));
            }
            _ => return Err(Refusal::field("entity", "Give entity and object_id together, or neither.")),
        };
        let mut stock_location_ids = scope.location_ids().map(<[i64]>::to_vec);
        if let Some(text) = page.get("stock_location") {
            let ids: Vec<i64> =
                list(text).iter().map(|id| number("stock_location", id)).collect::<Result<_, Refusal>>()?;
            stock_location_ids = Some(ids.into_iter().filter(|id| scope.sees(*id)).collect());
        }
        let limit = page.get("limit").map_or(Ok(DEFAULT_LIMIT), |text| number("limit", text))?;
        let wait = page.get("wait").map_or(Ok(0), |text| number("wait", text))?;
        let wait = u64::try_from(wait).unwrap_or(0).min(LONGEST_WAIT);
        Ok(Self {
            after: page.get("after").map(str::to_owned),
            wanted: Wanted { types: types.clone(), stock_location_ids, object },
            types,
            limit: limit.clamp(1, LARGEST_LIMIT),
            wait: Duration::from_secs(wait),
            base_url: page.base_url().to_owned(),
            path: uri.path().to_owned(),
            parameters: form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        })
    }

    /// Where to begin.
    async fn cursor(&self, app: &App, after: Option<&str>) -> Result<Cursor> {
        let mut connection = app.pool.acquire().await?;
        match after {
            None => Ok(Cursor::START),
            Some("now") => Cursor::now(&mut connection).await,
            Some(text) => {
                let cursor = text.parse().map_err(|()| {
                    Refusal::field("after", "Give the cursor of an earlier answer, `now`, or leave it out.")
                })?;
                if events::is_too_old(&mut connection, cursor).await? {
                    return Err(Refusal::detail(
                        StatusCode::GONE,
                        "Events after this cursor are no longer kept. Read what you follow anew, and go on from \
                         `after=now`, or from the oldest event that is kept by leaving `after` out.",
                    )
                    .into());
                }
                Ok(cursor)
            }
        }
    }

    /// The address of what comes after a cursor, keys in order as in every list.
    fn next(&self, cursor: Cursor) -> String {
        let mut parameters: Vec<(&str, String)> = self
            .parameters
            .iter()
            .filter(|(key, _)| key != "after")
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        parameters.push(("after", cursor.to_string()));
        parameters.sort();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{}{}?{query}", self.base_url, self.path)
    }

    /// The next events.
    async fn read_on(&self, app: &App, cursor: Cursor) -> Result<(Vec<Event>, Cursor)> {
        let mut connection = app.pool.acquire().await?;
        let (changes, next) = events::after(&mut connection, cursor, &self.wanted, self.limit).await?;
        let payloads = payloads::render(&mut connection, &app.catalog_cache, &self.base_url, &changes).await?;
        drop(connection);
        let mut events = Vec::with_capacity(changes.len());
        for change in &changes {
            let Some(payload) = payloads.get(&change.id) else {
                return Err(Error::Fault(format!("{} {} of an event is gone", change.entity, change.object_id)));
            };
            let payload: Arc<RawValue> = payload.clone().into();
            let wanted = |event_type: &String| self.types.is_empty() || self.types.contains(event_type);
            let types = change.types.iter().enumerate().filter(|(_, event_type)| wanted(event_type));
            events.extend(types.map(|(n, event_type)| event(change, n, event_type, &payload)));
        }
        Ok((events, next))
    }
}

fn event(change: &Change, n: usize, event_type: &str, payload: &Arc<RawValue>) -> Event {
    Event {
        id: change.event_id(n),
        kind: Kind { event_type: event_type.to_owned(), uuid: change.uuid(n, "feed").simple().to_string() },
        entity: change.entity.clone(),
        object_id: change.object_id,
        sequence: change.sequence + i64::try_from(n).unwrap_or_default(),
        created_date: change.created_date.into(),
        payload: Arc::clone(payload),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn number(field: &str, text: &str) -> Result<i64, Refusal> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| Refusal::field(field, "Enter a whole number."))
}

/// Follow what happens
///
/// Events in an order that never changes. Go on from the `cursor` of each answer, and nothing is missed, however late a
/// transaction commits: what is told is final. An object's events are numbered without a gap (`sequence`), so who follows
/// everything can prove to have it. The payload is the object as it was when it happened. With `wait`, an empty answer is
/// held back until there is something, or the time is over. With `Accept: text/event-stream` the events come as a stream
/// (`id`, now and then, is the cursor behind them; a reader that comes again sends it as `Last-Event-ID`).
/// A cursor of events that are no longer kept is answered 410.
#[utoipa::path(get, path = "/api/v1/oms/events/", tag = "Events", operation_id = "followEvents",
    responses((status = 200, description = "The events after the cursor; or, for who accepts it, a stream of them",
               body = Events),
              (status = 410, description = "Events after the cursor are no longer kept")))]
async fn follow(door: Limited, page: Page, headers: HeaderMap, uri: Uri) -> Result<Response> {
    let query = Query::of_request(&page, &uri, &door.scope)?;
    let caller = door.caller();
    let app = door.app;
    let wants_stream = headers.get(header::ACCEPT).is_some_and(|accept| {
        accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
    });
    if wants_stream {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        let cursor = query.cursor(&app, last.or(query.after.as_deref())).await?;
        let rights = Rights { changes: app.catalog_cache.subscribe(), headers, caller };
        return Ok(stream(app, query, cursor, rights));
    }
    let mut rights = Rights { changes: app.catalog_cache.subscribe(), headers, caller };
    let mut cursor = query.cursor(&app, query.after.as_deref()).await?;
    let mut listener = app.event_notifier.subscribe();
    let deadline = tokio::time::Instant::now() + query.wait;
    loop {
        let are_other = !rights.hold(&app).await?;
        let (results, next) = if are_other { (Vec::new(), cursor) } else { query.read_on(&app, cursor).await? };
        cursor = next;
        let is_over = are_other || tokio::time::Instant::now() >= deadline || app.stop.is_cancelled();
        if !results.is_empty() || is_over {
            let answer = Events { cursor: cursor.to_string(), next: query.next(cursor), results };
            return Ok(axum::Json(answer).into_response());
        }
        tokio::select! {
            () = listener.wait() => {}
            () = app.stop.cancelled() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = rights.end(&app) => {}
        }
    }
}

/// The rights with which a waiting request came in. When they change, it ends: its user comes again with the cursor, and
/// is asked for the token.
struct Rights {
    headers: HeaderMap,
    caller: Arc<Caller>,
    /// New versions of the installation: every change of rights makes one.
    changes: watch::Receiver<i64>,
}

impl Rights {
    /// True if they are as they were.
    ///
    /// # Errors
    /// 401 if the token is no longer good.
    async fn hold(&self, app: &App) -> Result<bool> {
        Ok(app.caller(&self.headers).await? == self.caller)
    }

    /// Returns when they have changed.
    async fn end(&mut self, app: &App) {
        while !matches!(self.hold(app).await, Ok(false) | Err(Error::Refused(_))) {
            tokio::time::timeout(LOOK_AGAIN, self.changes.changed()).await.ok();
        }
    }
}

/// Sends events as they happen, until the reader or the server goes. A reader that does not read holds back nobody: what
/// waits for it is bounded.
fn stream(app: App, query: Query, cursor: Cursor, mut rights: Rights) -> Response {
    let (sender, events) = mpsc::channel::<sse::Event>(HELD);
    let gone = app.stop.clone();
    let revoked = CancellationToken::new();
    let end = revoked.clone();
    tokio::spawn(async move {
        tokio::select! {
            sent = send(&app, &query, cursor, &sender, &gone) => if let Err(error) = sent {
                tracing::warn!(%error, "a stream of events ends");
            },
            () = rights.end(&app) => end.cancel(),
        }
    });
    let stream = futures_util::stream::unfold((events, revoked), |(mut events, revoked)| async {
        // Also what was read before, and waits for a slow reader, is not told any more.
        let event = tokio::select! {
            biased;
            () = revoked.cancelled() => None,
            event = events.recv() => event,
        };
        Some((Ok::<_, Infallible>(event?), (events, revoked)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

async fn send(
    app: &App,
    query: &Query,
    mut cursor: Cursor,
    sender: &mpsc::Sender<sse::Event>,
    stop: &CancellationToken,
) -> Result<()> {
    let mut listener = app.event_notifier.subscribe();
    loop {
        let (events, next) = query.read_on(app, cursor).await?;
        let is_caught_up = events.is_empty();
        cursor = next;
        for (n, event) in events.iter().enumerate() {
            let data = serde_json::to_string(event).map_err(|error| Error::Fault(format!("an event: {error}")))?;
            let mut line = sse::Event::default().event(&event.kind.event_type).data(data);
            if n + 1 == events.len() {
                // Only the last that was read together: who comes again from there has read all before it.
                line = line.id(cursor.to_string());
            }
            if sender.send(line).await.is_err() {
                return Ok(());
            }
        }
        if is_caught_up {
            tokio::select! {
                () = listener.wait() => {}
                () = stop.cancelled() => return Ok(()),
                () = sender.closed() => return Ok(()),
            }
        }
    }
}
