//! `/api/v1/oms/events/`: what happened, to be followed from a cursor; as pages, waiting for more, or as a stream.

mod shape;
mod stream;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{json, value::RawValue};
use utoipa::openapi::path::Parameter;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    shape::{Event, Events},
    stream::Rights,
};
use crate::{
    api::{
        declare::{query, streamed, with_parameters},
        extract::{Doors, Limited},
    },
    app::App,
    auth::Caller,
    error::{Error, Refusal, Result},
    events::{self, Change, Cursor, ENTITIES, Hearing, Held, TYPES, Wanted},
    openapi::errors::TooManyRequests,
    page::Page,
    payloads,
};

/// Changes on a page unless `limit` says otherwise, and in each batch of a stream.
const DEFAULT_LIMIT: i64 = 100;
/// Most changes on a page.
const LARGEST_LIMIT: i64 = 1000;
/// Longest `wait`, in seconds: shorter than proxies commonly wait for an answer.
const LONGEST_WAIT: u64 = 20;

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
    fn of_request(page: &Page, uri: &Uri, caller: &Caller) -> Result<Self, Refusal> {
        page.no_list()?;
        if page.get("page").is_some() {
            let remedy = "These pages have no numbers: go on from `next`, or give its `cursor` as `after`.";
            return Err(Refusal::field("page", remedy));
        }
        page.check_filters(&["after", "types", "entity", "object_id", "stock_location", "wait"])?;
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
        let ids = page.get("stock_location").map(|text| {
            list(text).iter().map(|id| number("stock_location", id)).collect::<Result<Vec<i64>, Refusal>>()
        });
        // Only the own of them: an event of a transfer is at two locations.
        let stock_location_ids =
            ids.transpose()?.map(|ids| ids.into_iter().filter(|id| caller.scope.sees(*id)).collect());
        let hearing = Hearing::of(caller.user_id, caller.role, &caller.scope);
        let limit = page.get("limit").map_or(Ok(DEFAULT_LIMIT), |text| number("limit", text))?;
        let wait = page.get("wait").map_or(Ok(0), |text| number("wait", text))?;
        let wait = u64::try_from(wait).unwrap_or(0).min(LONGEST_WAIT);
        Ok(Self {
            after: page.get("after").map(str::to_owned),
            wanted: Wanted { types: types.clone(), stock_location_ids, object, hearing },
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

    /// The next events, as those who follow read them: from memory, or where that does not reach, from the database.
    async fn read_on(&self, app: &App, cursor: Cursor) -> Result<Read> {
        let batch = match app.recent_events.after(cursor) {
            Held::Batch(batch) => batch,
            Held::Nothing => return Ok(Read::nothing(cursor)),
            Held::Unknown => return self.read_stored(app, cursor).await,
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (changes, next) = batch.wanted(cursor, &self.wanted, limit);
        let addresses = app.addresses(&self.base_url);
        let render = async |missing: &[Change]| {
            payloads::render(&mut *app.pool.acquire().await?, &app.catalog_cache, &addresses, missing).await
        };
        let payloads = batch.payloads(&addresses.kept_as(), &changes, render).await?;
        Ok(Read { events: self.events(changes, &payloads)?, next, is_all: false })
    }

    /// The next events in the database.
    async fn read_stored(&self, app: &App, cursor: Cursor) -> Result<Read> {
        let mut connection = app.pool.acquire().await?;
        let (changes, next) = events::after(&mut connection, cursor, &self.wanted, self.limit).await?;
        let payloads =
            payloads::render(&mut connection, &app.catalog_cache, &app.addresses(&self.base_url), &changes).await?;
        drop(connection);
        let payloads = payloads.into_iter().map(|(id, payload)| (id, payload.into())).collect();
        Ok(Read { events: self.events(&changes, &payloads)?, next, is_all: changes.is_empty() })
    }

    /// The events that are asked for of some changes.
    fn events<'c>(
        &self,
        changes: impl IntoIterator<Item = &'c Change>,
        payloads: &HashMap<i64, Arc<RawValue>>,
    ) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for change in changes {
            let Some(payload) = payloads.get(&change.id) else {
                return Err(Error::Fault(format!("{} {} of an event is gone", change.entity, change.object_id)));
            };
            let wanted = |event_type: &String| self.types.is_empty() || self.types.contains(event_type);
            let types = change.types.iter().enumerate().filter(|(_, event_type)| wanted(event_type));
            events.extend(types.map(|(n, event_type)| Event::of(change, n, event_type, payload)));
        }
        Ok(events)
    }
}

/// What was read after a cursor.
struct Read {
    events: Vec<Event>,
    /// The cursor after them.
    next: Cursor,
    /// True if there is no more now.
    is_all: bool,
}

impl Read {
    const fn nothing(cursor: Cursor) -> Self {
        Self { events: Vec::new(), next: cursor, is_all: true }
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
/// held back until there is something, or the time is over. `next` is null where there is nothing more, so that who reads
/// page after page comes to an end; with `wait` it never is. With `Accept: text/event-stream` the events come as a stream
/// (`id`, now and then, is the cursor behind them; a reader that comes again sends it as `Last-Event-ID`).
/// A cursor of events that are no longer kept is answered 410.
#[utoipa::path(get, path = "/api/v1/oms/events/", tag = "Events", operation_id = "followEvents",
    responses((status = 200, description = "The events after the cursor; or, for who accepts it, a stream of them",
               body = Events),
              (status = 410, description = "Events after the cursor are no longer kept"),
              (status = 429, response = TooManyRequests)))]
async fn follow(door: Limited, page: Page, headers: HeaderMap, uri: Uri) -> Result<Response> {
    let (user_id, caller, app) = (door.user_id, door.caller(), door.app);
    let query = Query::of_request(&page, &uri, &caller)?;
    let mut rights = Rights { changes: app.catalog_cache.subscribe(), headers, caller };
    let wants_stream = rights.headers.get(header::ACCEPT).is_some_and(|accept| {
        accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
    });
    if wants_stream {
        let following = app.recent_events.follow(user_id)?;
        let last = rights.headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        let cursor = query.cursor(&app, last.or(query.after.as_deref())).await?;
        return Ok(stream::stream(app, query, cursor, rights, following));
    }
    let mut cursor = query.cursor(&app, query.after.as_deref()).await?;
    let _following = if query.wait.is_zero() { None } else { Some(app.recent_events.follow(user_id)?) };
    let mut listener = app.event_notifier.subscribe();
    let deadline = tokio::time::Instant::now() + query.wait;
    // First what the database has now: who has just written finds it. Then as all who follow.
    let mut read = query.read_stored(&app, cursor).await?;
    loop {
        let are_same = rights.hold(&app).await?;
        if !are_same {
            read = Read::nothing(cursor);
        }
        cursor = read.next;
        let is_over = !are_same || tokio::time::Instant::now() >= deadline || app.stop.is_cancelled();
        if !read.events.is_empty() || is_over {
            let is_end = are_same && read.is_all && query.wait.is_zero();
            let next = (!is_end).then(|| query.next(cursor));
            let answer = Events { cursor: cursor.to_string(), next, results: read.events };
            return Ok(axum::Json(answer).into_response());
        }
        if read.is_all {
            tokio::select! {
                () = listener.wait() => {}
                () = app.stop.cancelled() => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = rights.end(&app) => {}
            }
        }
        read = query.read_on(&app, cursor).await?;
    }
}
