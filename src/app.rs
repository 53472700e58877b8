//! The application: what requests share, the router of routers, the layers around it, and serving it until told to stop.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde_json::json;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    auth::Sessions,
    auth_routes, cargo,
    catalog::{self, CatalogCache},
    commands::{
        self,
        dispatch::{self, Dispatcher},
        idempotency,
        transfer::dispatch::TransferDispatcher,
    },
    db,
    error::{Bare, Error, Fault, Refusal, Result, panic_text},
    events::{self, EventNotifier},
    health, history,
    inventory::Inventory,
    locations,
    metrics::Metrics,
    openapi, orders, packages,
    packages::loader::{self, Loader},
    plans, reasons,
    replanning::{WakeSignal, wakes},
    scenarios, stock, transfers,
    upstream::{self, Upstream},
    webhooks::{self, DeliveryService},
};

/// Connections that read one order at a time.
const READS: u32 = 4;
/// Largest body, in bytes. Lists of orders and of stock are the largest things sent.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What handlers share. A clone is one count: axum makes several for every request.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The parts of an [`App`].
#[derive(Clone)]
pub struct Shared {
    /// Connections to Postgres.
    pub pool: PgPool,
    /// More of them, for groups of commands and the readers of packages ([`db::for_groups`]).
    pub lookups: PgPool,
    /// The same ([`db::for_lookups`]), for whoever reads one thing: commands never wait for these, nor these for commands.
    pub reads: PgPool,
    /// The installation in memory.
    pub catalog_cache: Arc<CatalogCache>,
    /// Recent tokens.
    pub sessions: Arc<Sessions>,
    /// Runs commands.
    pub dispatcher: Dispatcher,
    /// Runs commands on transfers.
    pub transfers: TransferDispatcher,
    /// Reads single packages.
    pub loader: Loader,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Rung when something was written that events tell.
    pub event_notifier: Arc<EventNotifier>,
    /// The server is told to stop: who waits for something to happen ends.
    pub stop: CancellationToken,
    /// Rung when a command frees what others wait for.
    pub wake_signal: Arc<WakeSignal>,
    /// Asks the stock service.
    pub inventory: Inventory,
    /// Where orders come from, if there is such a place: see [`upstream::attach`].
    pub upstream: Arc<Upstream>,
    /// Delivers events to who subscribed.
    pub webhooks: DeliveryService,
}

impl App {
    /// Reads the installation and starts what works in the background, until `stop`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn start(pool: PgPool, stop: &CancellationToken) -> Result<Self> {
        let catalog_cache = Arc::new(CatalogCache::new(commands::kinds()));
        catalog_cache.refresh(&mut *pool.acquire().await?).await?;
        let sessions = Arc::new(Sessions::default());
        let metrics = Arc::new(Metrics::default());
        let wake_signal = Arc::new(WakeSignal::default());
        events::keeping::prepare(&pool).await?;
        let event_notifier = Arc::new(EventNotifier::default());
        tokio::spawn(Arc::clone(&event_notifier).watch(pool.clone(), stop.clone()));
        let inventory = Inventory::new(pool.clone(), Arc::clone(&metrics), Arc::clone(&wake_signal));
        tokio::spawn(catalog::follow(pool.clone(), Arc::clone(&catalog_cache), Arc::clone(&sessions), stop.clone()));
        tokio::spawn(forget_old_keys(pool.clone(), stop.clone()));
        let lookups = db::for_groups(&pool, dispatch::CONNECTIONS + loader::READERS);
        let reads = db::for_lookups(&pool, READS);
        let dispatcher = Dispatcher::start(
            pool.clone(),
            lookups.clone(),
            Arc::clone(&catalog_cache),
            Arc::clone(&metrics),
            Arc::clone(&wake_signal),
            inventory.clone(),
        );
        Ok(Self(Arc::new(Shared {
            webhooks: DeliveryService::new(webhooks::Settings::default(), dispatcher.traffic())?,
            dispatcher,
            transfers: TransferDispatcher::start(
                pool.clone(),
                Arc::clone(&catalog_cache),
                Arc::clone(&metrics),
                Arc::clone(&wake_signal),
                inventory.clone(),
            ),
            loader: Loader::start(&lookups, &catalog_cache),
            lookups,
            reads,
            pool,
            catalog_cache,
            sessions,
            metrics,
            event_notifier,
            stop: stop.clone(),
            wake_signal,
            inventory,
            upstream: Arc::default(),
        })))
    }

    /// The same with these settings of webhooks.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with_webhooks(mut self, settings: webhooks::Settings) -> Result<Self> {
        let webhooks = DeliveryService::new(settings, self.dispatcher.traffic())?;
        Arc::make_mut(&mut self.0).webhooks = webhooks;
        Ok(self)
    }

    /// Names the upstream, before anybody is served.
    pub(crate) fn set_upstream(&mut self, upstream: Upstream) {
        Arc::make_mut(&mut self.0).upstream = Arc::new(upstream);
    }
}

/// Keys and notes past their lifetime are deleted hourly.
async fn forget_old_keys(pool: PgPool, stop: CancellationToken) {
    let mut hours = tokio::time::interval(Duration::from_hours(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hours.tick() => {}
        }
        if let Err(error) = idempotency::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old idempotency keys");
        }
        if let Err(error) = wakes::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old notes of what came free");
        }
        if let Err(error) = webhooks::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old deliveries");
        }
    }
}

/// The routes with their documentation.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(packages::routes())
        .merge(transfers::routes())
        .merge(history::routes())
        .merge(orders::routes())
        .merge(plans::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(locations::routes())
        .merge(scenarios::routes())
        .merge(stock::routes())
        .merge(cargo::routes())
        .merge(reasons::routes())
        .merge(upstream::routes())
        .merge(auth_routes::routes())
        .merge(health::routes())
}

/// The whole router.
pub fn router(app: &App, request_timeout: Duration) -> Router {
    let (routes, document) = api().split_for_parts();
    let patterns: Arc<[String]> = document.paths.paths.keys().cloned().collect();
    let document = Arc::new(openapi::complete(document));
    let swagger = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    Router::new()
        .merge(routes)
        .merge(swagger)
        .route("/", get(|| async { Html(include_str!("welcome.html")) }))
        .fallback(move |method: Method, uri: Uri| std::future::ready(fallback(&method, &uri, &patterns)))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request_timeout))
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .layer(middleware::from_fn(envelope))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(axum::Extension(document))
        .with_state(app.clone())
}

/// A path that only lacks its slash is sent to the path with it; method and body are kept (308). Anything else is 404.
fn fallback(method: &Method, uri: &Uri, patterns: &[String]) -> Response {
    let path = uri.path();
    if !path.ends_with('/') && patterns.iter().any(|pattern| fits(pattern, path)) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(location) = HeaderValue::from_str(&format!("{path}/{query}")) {
            return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response();
        }
    }
    tracing::debug!(%method, path, "no such path");
    Refusal::not_found().into_response()
}

/// Whether a path is a route's pattern (`/a/{id}/`) without its last slash.
fn fits(pattern: &str, path: &str) -> bool {
    let Some(pattern) = pattern.strip_suffix('/') else { return false };
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is tower-http's")]
fn on_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Error::Fault(format!("panic: {}", panic_text(&*panic))).into_response()
}

/// Counts the request and says in the log what it was.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let writes = !method.is_safe();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    if writes && response.status().is_success() {
        app.event_notifier.notify();
    }
    app.metrics.request(method.as_str(), &route, response.status());
    tracing::debug!(%method, route, status = response.status().as_u16(), "request");
    response
}

/// The boundary: every error leaves in the one envelope (under `/whisperer/` without it, as the original's engine for
/// webhooks has its errors), and a fault is logged here, once, with the request's id.
async fn envelope(request: Request, next: Next) -> Response {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let is_bare = path.starts_with("/whisperer/");
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_server_error() {
        let fault = response.extensions_mut().remove::<Fault>();
        let error = fault.map_or_else(|| "gave up waiting".to_owned(), |Fault(error)| error.to_string());
        tracing::error!(request_id = id, %method, path, status = status.as_u16(), error, "request failed");
        let detail = if status == StatusCode::SERVICE_UNAVAILABLE {
            "The server cannot answer now. Try again shortly."
        } else {
            "A server error occurred."
        };
        let error = json!({ "detail": detail, "request_id": id });
        let body = if is_bare { error } else { json!({ "error": error, "status_code": status.as_u16() }) };
        return with_body(response, &body);
    }
    if is_bare && let Some(Bare(error)) = response.extensions_mut().remove::<Bare>() {
        return with_body(response, &error);
    }
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !status.is_client_error() || is_json {
        return response;
    }
    let refusal = match status {
        StatusCode::NOT_FOUND => Refusal::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Refusal::detail(status, format!("Method \"{method}\" not allowed.")),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::detail(status, format!("The body is larger than {LARGEST_BODY} bytes."))
        }
        _ => Refusal::detail(status, status.canonical_reason().unwrap_or("The request cannot be served.")),
    };
    let body = if is_bare { refusal.error } else { refusal.body() };
    with_body(response, &body)
}

/// The same response with a JSON body.
fn with_body(response: Response, body: &serde_json::Value) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if parts.status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }
    Response::from_parts(parts, Body::from(body.to_string()))
}

/// Longest that requests under way may take once the server was told to stop.
const LONGEST_GOODBYE: Duration = Duration::from_secs(30);

/// Serves until `stop`, then finishes what is under way.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: App, request_timeout: Duration, stop: CancellationToken) -> Result<()> {
    let router = router(&app, request_timeout);
    let listener = listener.tap_io(|stream| {
        // Answers are small and written at once; waiting to fill a packet would only delay them.
        stream.set_nodelay(true).ok();
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(LONGEST_GOODBYE).await;
    };
    tokio::select! {
        served = server => served.map_err(|error| Error::Fault(format!("serving: {error}")))?,
        () = too_late => tracing::warn!("some requests did not end; stopping anyway"),
    }
    let Shared { pool, lookups, reads, dispatcher, transfers, webhooks, .. } = Arc::unwrap_or_clone(app.0);
    // Connections that did not end still hold the dispatcher; they are not waited for twice.
    if tokio::time::timeout(LONGEST_GOODBYE, async {
        webhooks.finish().await;
        dispatcher.finish().await;
        transfers.finish().await;
        lookups.close().await;
        reads.close().await;
        pool.close().await;
    })
    .await
    .is_err()
    {
        tracing::warn!("some commands did not end; stopping anyway");
    }
    Ok(())
}

/// Whether the database is there and migrated, for `/readyz`.
pub(crate) async fn readiness(app: &App) -> Result<bool> {
    let mut connection = app.pool.acquire().await?;
    db::is_current(&mut connection).await
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_server_error_in_the_envelope_and_shows_nothing() {
        async fn falls_over() -> Response {
            panic!("select secret from somewhere");
        }
        let router = Router::new()
            .route("/api/v1/oms/boom/", get(falls_over))
            .layer(CatchPanicLayer::custom(on_panic))
            .layer(middleware::from_fn(envelope));
        let request =
            Request::get("/api/v1/oms/boom/").header("x-request-id", "r1").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let text = r#"{"error":{"detail":"A server error occurred.","request_id":"r1"},"status_code":500}"#;
        assert_eq!(body, text);
    }

    #[test]
    fn a_path_fits_its_pattern_without_the_slash() {
        assert!(fits("/api/v1/oms/packages/{id}/command/", "/api/v1/oms/packages/12/command"));
        assert!(!fits("/api/v1/oms/packages/{id}/command/", "/api/v1/oms/packages/12/commands"));
        assert!(!fits("/api/v1/oms/packages/{id}/", "/api/v1/oms/packages/12/command"));
        assert!(!fits("/healthz", "/healthz"));
    }
}
