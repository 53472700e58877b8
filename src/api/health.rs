//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`: for whoever looks after the server. No token needed.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::extract::{Doors, Public},
    app::App,
    db,
    error::{Error, Result},
    metrics::Format,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(openapi))
}

/// `/metrics`, which may have an address of its own.
pub fn metrics_routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: &'static str,
}

/// What a server that is ready says while nothing leaves it.
const READY_AND_HELD: &str = "ready, but nothing is sent: this database is a copy of another's; see oms adopt";

/// Alive
///
/// The process answers. Says nothing of the database: restarting the server would not help that.
#[utoipa::path(get, path = "/healthz", tag = "Operations", operation_id = "getHealth", security(()),
    responses((status = 200, description = "Alive", body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Ready
///
/// The database is reachable, its migrations are current, something is installed, and the server is not about to stop.
/// Answers within five seconds, whatever happens. Of a server whose database is a copy it says that nothing leaves it.
#[utoipa::path(get, path = "/readyz", tag = "Operations", operation_id = "getReadiness", security(()),
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready, and why", body = Health)))]
async fn readyz(Public { app }: Public) -> Response {
    let (status, why) = match tokio::time::timeout(READY_WITHIN, readiness(&app)).await {
        Ok(Readiness::Ready) if !app.gate.is_open() => (StatusCode::OK, READY_AND_HELD),
        Ok(Readiness::Ready) => (StatusCode::OK, "ready"),
        Ok(Readiness::Not(why)) => (StatusCode::SERVICE_UNAVAILABLE, why),
        Err(_) => {
            tracing::warn!(waited = ?READY_WITHIN, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time")
        }
    };
    (status, Json(Health { status: why })).into_response()
}

/// How long the database may take to show that it works.
const READY_WITHIN: Duration = Duration::from_millis(4500);
/// And how long it may be silent before another connection is tried.
const PATIENCE: Duration = Duration::from_millis(1500);

enum Readiness {
    Ready,
    Not(&'static str),
}

async fn readiness(app: &App) -> Readiness {
    if app.stop.is_cancelled() {
        return Readiness::Not("the server is about to stop");
    }
    let mut current = is_current(app).await;
    if current.as_ref().is_err_and(Error::is_lost_connection) {
        // One that was idle is lost. Are there others?
        current = is_current(app).await;
    }
    match current {
        Ok(true) if !app.catalog_cache.current().workflow.is_installed() => {
            Readiness::Not("nothing is installed, so no order can be taken; run: oms install FILE…")
        }
        Ok(true) => Readiness::Ready,
        Ok(false) => Readiness::Not("migrations are pending; run oms migrate"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Readiness::Not(if app.pool.failure().is_some_and(|failure| failure.contains("53300")) {
                "Postgres has no connection left for this server (too many clients)"
            } else {
                "the database cannot be reached"
            })
        }
    }
}

async fn is_current(app: &App) -> Result<bool> {
    if app.pool.failure().is_some() {
        // A server that works on the connections it has, and gets no more, would not for long.
        app.pool.probe().await?;
    }
    let mut connection = app.pool.waiting(PATIENCE).acquire().await?;
    db::is_current(&mut connection).await
}

/// Metrics
///
/// Prometheus' text format 0.0.4, or `OpenMetrics` where `Accept` asks for it: requests and their duration by route,
/// commands by kind and outcome, orders, the process, and of the shop what the database says: open packages and the oldest
/// of them, webhooks, the upstream, the feed. What the database says is up to five seconds old, and missing while it is
/// away (`oms_database_up` is 0 then).
#[utoipa::path(get, path = "/metrics", tag = "Operations", operation_id = "getMetrics", security(()),
    responses((status = 200, description = "Metrics",
        content((String = "text/plain"), (String = "application/openmetrics-text")))))]
async fn metrics(Public { app }: Public, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::of_accept(accept);
    let readings = app.readings.get(&app.pool).await;
    let text = app.metrics.encode(format, &app.pool, app.recent_events.count(), readings);
    ([(header::CONTENT_TYPE, format.media_type())], text).into_response()
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", operation_id = "getOpenApiDocument", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Value)))]
async fn openapi(Extension(document): Extension<Arc<Value>>) -> Json<Arc<Value>> {
    Json(document)
}
