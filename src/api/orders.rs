//! `/api/v1/oms/orders/`.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::postgres::PgRow;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{LIST_BYTES, OBJECT_BYTES, RequestBody},
    api::{
        declare::with_body,
        extract::{Doors, Id, Limited, Managers, Unlimited},
        resource::{Read, Resource, Viewer, list},
    },
    app::App,
    auth::Caller,
    commands::wake_signal::Freed,
    db::PgConnection,
    error::{Error, IS_PACKED, Refusal, Result},
    openapi::any_error,
    orders::{
        identity::runs,
        input::{ORDER, OrderInput, example},
        list::LIST,
        recipient::{RECIPIENT_CHANGE, RecipientChange},
        view::{self, OrderView},
    },
    page::{List, base_url, ids},
    placing::{
        dry_run::{self, DryRun, Taken},
        place::Placed,
        queue::MOST_AT_ONCE,
        recipient::{self, Changed},
    },
    scope::Scope,
    upstream::intake,
    wire::{self, pieces::Unread},
};

/// Most orders in one request; more belong into `oms orders import`.
const MOST_ORDERS: usize = 1000;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = Read { path: "/api/v1/oms/orders/", tag: "Orders", operation: "listOrders", text: "Orders" };
    OpenApiRouter::new()
        .routes(list::<OrderView>(&read))
        .routes(with_body(routes!(create), &ORDER.one_or_many(), &example()))
        .routes(routes!(detail))
        .routes(with_body(
            routes!(change),
            &RECIPIENT_CHANGE.reference(),
            &json!({ "shipping_address": { "line": "4 Coney Street", "phone_number": "+441904000000" } }),
        ))
}

impl Resource for OrderView {
    const LIST: List = LIST;

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        view::load(connection, &app.catalog_cache, &ids(rows)?, &viewer.scope, &viewer.addresses).await
    }
}

/// One order
#[utoipa::path(get, path = "/api/v1/oms/orders/{id}/", tag = "Orders", operation_id = "getOrder",
    params(("id" = i64, Path, description = "The order's id.", example = 1)),
    responses((status = 200, description = "The order with its packages", body = OrderView)))]
async fn detail(Limited { app, scope, .. }: Limited, Id(id): Id, headers: HeaderMap) -> Result<Response> {
    let mut connection = app.pool.acquire().await?;
    let visible = LIST.find(&mut connection, id, &(&scope).into()).await?;
    visible.ok_or_else(Refusal::not_found)?;
    drop(connection);
    let order = read_one(&app, &scope, id, &base_url(&headers)).await?;
    Ok(axum::Json(order).into_response())
}

async fn read_one(app: &App, scope: &Scope, id: i64, base_url: &str) -> Result<OrderView> {
    // However young the tables are: their plans are not made anew for each order, and one made while they were empty would
    // read them whole.
    let mut connection = app.reads.acquire().await?;
    let mut views = view::load(&mut connection, &app.catalog_cache, &[id], scope, &app.addresses(base_url)).await?;
    Ok(views.pop().ok_or_else(Refusal::not_found)?)
}

/// Take an order, or a list of orders
///
/// An order is planned at once: the answer has its packages. It is known by its `number` and `channel`, and by its `pk`
/// where both have one. Sent again it is compared with the one that is here: what differs is told in `differs`, with `taken`
/// false, and kept as a problem (`upstream/problems/`). While nothing of it is packed, a cancellation of it or of a line, and
/// who it is for and where it goes, are carried out.
/// 201 for a new order, 200 for a known one; for a list 200 with one result an order, in order, each
/// `{"status_code", "order"}` or `{"status_code", "error"}`.
///
/// With `?dry_run=true` nothing is written: the answer says how the order would be planned, and in `plan` why, as a
/// planning record tells it. Its items are numbered from 1. The orders of a list are planned one after the other.
#[utoipa::path(post, path = "/api/v1/oms/orders/", tag = "Orders", operation_id = "createOrder", request_body = Value,
    params(("dry_run" = Option<bool>, Query, description = "Say what would be, and write nothing.")),
    responses((status = 201, description = "The new order with its packages", body = OrderView),
        (status = 200, description = "The known order; the results of a list; or what a dry run tells", body = Answer),
        (status = 406, description = "No scenario fits")))]
async fn create(
    door: Unlimited<Managers>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody<LIST_BYTES>,
) -> Result<Response> {
    let caller = door.caller();
    let Unlimited { app, scope, .. } = door;
    wire::check_media_type(&headers)?;
    let is_dry_run = wire::dry_run(&uri)?;
    let sent = body.entries().await?;
    if is_dry_run {
        return rehearse(&app, &sent).await;
    }
    let list = match sent {
        wire::Body::List(list) => list,
        wire::Body::One(value) => {
            let (status, order) = take(&app, (&scope, &caller), &value, &headers).await?;
            return Ok((status, axum::Json(Answer::Order(Box::new(order)))).into_response());
        }
    };
    if list.len() > MOST_ORDERS {
        return Err(Refusal::non_field(&format!("At most {MOST_ORDERS} orders a request.")).into());
    }
    let catalog = app.catalog_cache.current();
    if catalog.inventory.is_some() {
        // One request for all of them, rather than one each.
        let read = list.iter().filter_map(|order| OrderInput::of_json(order.as_ref().ok()?).ok());
        let skus = read.flat_map(|order| order.skus());
        app.inventory.before_list(&catalog, skus.collect()).await?;
    }
    let mut results = Vec::with_capacity(list.len());
    for run in runs(&list) {
        // They are placed together, and answered one by one.
        let whose = (&scope, &caller);
        let taken: Vec<BoxFuture<'_, _>> =
            run.iter().map(|value| take_listed(&app, whose, value, &headers).boxed()).collect();
        let mut taken = stream::iter(taken).buffered(MOST_AT_ONCE);
        while let Some(one) = taken.next().await {
            results.push(match one {
                Ok((status, order)) => ListedOrder::Taken { status_code: status.as_u16(), order: Box::new(order) },
                Err(Error::Refused(refusal)) => ListedOrder::from(refusal),
                Err(error) if results.is_empty() => return Err(error),
                Err(error) => {
                    // What came before it stands and must be told.
                    tracing::error!(%error, "an order of a list failed");
                    let error_text = json!({ "detail": "The order could not be taken. Send it again." });
                    ListedOrder::Refused { error: error_text, status_code: error.status().as_u16() }
                }
            });
        }
    }
    Ok(axum::Json(Answer::List(results)).into_response())
}

/// Plans an order or a list of them without taking any.
async fn rehearse(app: &App, sent: &wire::Body) -> Result<Response> {
    let (list, is_list): (Vec<Result<&Value, &Unread>>, bool) = match sent {
        wire::Body::List(list) => (list.iter().map(Result::as_ref).collect(), true),
        wire::Body::One(one) => (vec![Ok(one)], false),
    };
    if list.len() > MOST_ORDERS {
        return Err(Refusal::non_field(&format!("At most {MOST_ORDERS} orders a request.")).into());
    }
    let mut transaction = app.pool.begin().await?;
    let catalog = app.catalog_cache.up_to_date(&mut transaction).await?;
    let read =
        |one: Result<&Value, &Unread>| one.map_err(|unread| Refusal::parse(&unread.why)).and_then(OrderInput::of_json);
    let orders: Vec<Result<OrderInput, Refusal>> = list.into_iter().map(read).collect();
    let readable = orders.iter().filter_map(|order| order.as_ref().ok());
    let mut taken = Taken::nothing(&mut transaction, &catalog, readable).await?;
    let mut results = Vec::with_capacity(orders.len());
    for order in orders {
        let planned = match order {
            Ok(order) => dry_run::rehearse(&mut transaction, &catalog, &order, &mut taken).await,
            Err(refusal) => Err(refusal.into()),
        };
        results.push(match planned {
            Err(Error::Refused(refusal)) if is_list => ListedOrder::from(refusal),
            planned => ListedOrder::Planned(Box::new(planned?)),
        });
    }
    transaction.rollback().await?;
    let answer = match (is_list, results.pop()) {
        (false, Some(ListedOrder::Planned(planned))) => Answer::Planned(planned),
        (_, last) => Answer::List(results.into_iter().chain(last).collect()),
    };
    Ok(axum::Json(answer).into_response())
}

/// What became of what was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = OrdersResult)]
#[serde(untagged)]
enum Answer {
    /// Of one order.
    Order(Box<OrderView>),
    /// Of one order, in a dry run.
    Planned(Box<DryRun>),
    /// Of a list: one result an order, in order.
    List(Vec<ListedOrder>),
}

/// What became of an order of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedOrderResult)]
#[serde(untagged)]
enum ListedOrder {
    /// It is here: 201 for a new one, 200 for a known one.
    #[schema(title = "ListedOrderTaken")]
    Taken {
        /// The status it would answer alone.
        status_code: u16,
        order: Box<OrderView>,
    },
    /// It would be planned like this.
    Planned(Box<DryRun>),
    /// It is wrong, or no scenario fits.
    #[schema(title = "ListedOrderRefused")]
    Refused {
        /// What is wrong, as in every error.
        #[schema(schema_with = any_error)]
        error: Value,
        /// The status it would answer alone.
        status_code: u16,
    },
}

impl From<Refusal> for ListedOrder {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { status_code: refusal.status.as_u16(), error: refusal.error }
    }
}

async fn take_listed(
    app: &App,
    whose: (&Scope, &Arc<Caller>),
    value: &Result<Value, Unread>,
    headers: &HeaderMap,
) -> Result<(StatusCode, OrderView)> {
    let value = value.as_ref().map_err(|unread| Refusal::parse(&unread.why))?;
    take(app, whose, value, headers).await
}

async fn take(
    app: &App,
    (scope, caller): (&Scope, &Arc<Caller>),
    value: &Value,
    headers: &HeaderMap,
) -> Result<(StatusCode, OrderView)> {
    let taken = take_unseen(app, caller, value).await;
    app.metrics.order("api", taken.as_ref().map_or_else(Error::outcome, intake::Taken::outcome));
    let (status, order_id, differs) = match taken? {
        intake::Taken::Known { order_id, differs } => (StatusCode::OK, order_id, differs),
        intake::Taken::New(order_id) => (StatusCode::CREATED, order_id, Vec::new()),
        intake::Taken::Overtaken => return Err(Error::Fault("an order that was posted was overtaken".to_owned())),
        intake::Taken::Left { status } => return Err(Error::Fault(format!("an order of status {status} was left"))),
    };
    let mut order = read_one(app, scope, order_id, &base_url(headers)).await?;
    order.differs(differs);
    Ok((status, order))
}

async fn take_unseen(app: &App, caller: &Arc<Caller>, value: &Value) -> Result<intake::Taken> {
    let order = OrderInput::of_json(value)?;
    app.inventory.before_order(&app.catalog_cache.current(), &order).await?;
    let order = Arc::new(order);
    let Placed { order_id, is_new, waits } = app.intake.placer.place(&order, Some(caller.user_id)).await?;
    if waits {
        // What it lacks may have been counted while it was planned.
        app.wake_signal.send(Freed { skus: order.skus(), ..Freed::default() });
    }
    if is_new {
        Ok(intake::Taken::New(order_id))
    } else {
        app.intake.settle(order_id, &order, value, Some(caller)).await
    }
}

/// Change who an order is for and where it goes
///
/// Names, telephone, e-mail and address, in `customer`, `shipping_address` and `billing_address`; of each part only the keys
/// that are sent. An address that is changed without coordinates has none any more. It is possible while nothing of the order
/// is packed: each package that is not cancelled tells it (`package.order.updated`), and the audit has who changed what.
#[utoipa::path(patch, path = "/api/v1/oms/orders/{id}/", tag = "Orders", operation_id = "updateOrder",
    request_body = Value,
    params(("id" = i64, Path, description = "The order's id.", example = 4)),
    responses((status = 200, description = "The order with its packages", body = OrderView),
        (status = 406, description = "Something of it is packed")))]
async fn change(
    door: Unlimited<Managers>,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<axum::Json<OrderView>> {
    wire::check_media_type(&headers)?;
    let app = &door.app;
    let visible = LIST.find(&mut *app.pool.acquire().await?, id, &(&door.scope).into()).await?;
    visible.ok_or_else(Refusal::not_found)?;
    let sent = RecipientChange::of_json(&body.json().await?)?;
    let changed =
        recipient::change(&app.pool, &app.catalog_cache, id, &door.actor(), None, |details| sent.apply(details))
            .await?;
    if let Changed::TooLate(reason) = changed {
        return Err(Refusal::rule(IS_PACKED, reason).into());
    }
    Ok(axum::Json(read_one(app, &door.scope, id, &base_url(&headers)).await?))
}
