//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`: for whoever looks after the server. No token needed.

use std::sync::Arc;

use axum::{
    Extension, Json,
    http::{StatusCode, header},
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
    error::Result,
    packages, webhooks,
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
/// The database is reachable and its migrations are current.
#[utoipa::path(get, path = "/readyz", tag = "Operations", operation_id = "getReadiness", security(()),
    responses((status = 200, description = "Ready", body = Health), (status = 503, description = "Not ready")))]
async fn readyz(Public { app }: Public) -> Response {
    let (status, why) = match readiness(&app).await {
        Ok(true) => (StatusCode::OK, "ready"),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "migrations are pending; run oms migrate"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached")
        }
    };
    (status, Json(Health { status: why })).into_response()
}

async fn readiness(app: &App) -> Result<bool> {
    let mut connection = app.pool.acquire().await?;
    db::is_current(&mut connection).await
}

/// Metrics
///
/// Prometheus' text format: requests by route and status, command duration and outcome by command, database
/// connections, open packages by state.
#[utoipa::path(get, path = "/metrics", tag = "Operations", operation_id = "getMetrics", security(()),
    responses((status = 200, description = "Metrics", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(Public { app }: Public) -> Result<Response> {
    let mut connection = app.pool.acquire().await?;
    let open = packages::count_open(&mut connection).await?;
    let webhooks = webhooks::count(&mut connection).await?;
    drop(connection);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.encode(&app.pool, &open, &webhooks)).into_response())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", operation_id = "getOpenApiDocument", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Value)))]
async fn openapi(Extension(document): Extension<Arc<Value>>) -> Json<Arc<Value>> {
    Json(document)
}
