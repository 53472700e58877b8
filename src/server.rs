//! The server: the router with the layers around it, the envelope of errors, and serving until told to stop.

mod again;
mod compression;
mod connections;
mod cors;
mod document;
mod follow;
mod forwarded;
mod options;
mod pages;
mod when;

pub use connections::Limits;
pub use cors::Origins;
pub use follow::LogRequests;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use self::{
    follow::{Following, Routes},
    options::Options,
};
use crate::{
    api::{
        self,
        extract::Doors,
        respond::{Bare, Fault},
    },
    app::App,
    cause,
    error::{Error, Refusal},
    tasks::panic_text,
};

/// Largest body, in bytes, of a handler that does not say what it needs (see [`api::body`]).
const LARGEST_UNDECLARED_BODY: usize = 1024;

/// What the routes are made into. It takes long and is the same for all servers, so it is made once a process.
struct Assembled {
    routes: Router<Doors>,
    document: Arc<Value>,
    /// The paths of the routes.
    patterns: Arc<[String]>,
}

/// With `/metrics` among the routes.
static ASSEMBLED: LazyLock<Assembled> =
    LazyLock::new(|| Assembled::of(api::routes().merge(api::health::metrics_routes())));
/// Without it: it has an address of its own.
static ASSEMBLED_WITHOUT_METRICS: LazyLock<Assembled> = LazyLock::new(|| Assembled::of(api::routes()));

impl Assembled {
    fn of(routes: OpenApiRouter<Doors>) -> Self {
        let (routes, document) = routes.split_for_parts();
        let patterns = document.paths.paths.keys().cloned().collect();
        Self { routes, document: Arc::new(document::complete(&document)), patterns }
    }
}

/// The whole document.
#[must_use]
pub fn document() -> Arc<Value> {
    Arc::clone(&ASSEMBLED.document)
}

/// The whole router.
pub fn router(app: &App, settings: &Settings) -> Router {
    let assembled = if settings.metrics_apart { &ASSEMBLED_WITHOUT_METRICS } else { &ASSEMBLED };
    let Assembled { routes, document, patterns } = &**assembled;
    let swagger = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    // From the outermost to the innermost. One stack: each `.layer` of a router costs every request an allocation.
    let layers = ServiceBuilder::new()
        .layer(compression::layer())
        .layer(middleware::from_fn_with_state(app.clone(), forwarded::believe_proxies))
        .layer(middleware::from_fn(pages::guard))
        .layer(axum::Extension(Arc::clone(document)))
        .layer(middleware::from_fn_with_state(following(app, settings), follow::follow))
        .layer(cors::layer(&settings.origins))
        .layer(middleware::from_fn(envelope))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, settings.request_timeout))
        .layer(middleware::from_fn(again::read_again))
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(DefaultBodyLimit::max(LARGEST_UNDECLARED_BODY));
    let doors = Doors::new(app.clone());
    let behind: Router = routes.clone().with_state(doors.clone());
    Router::new()
        .merge(routes.clone())
        .merge(OPTIONS.answering(&behind))
        .merge(swagger)
        .route("/", get(|| async { pages::welcome() }))
        .fallback(move |method: Method, uri: Uri| std::future::ready(fallback(&method, &uri, patterns)))
        .layer(layers)
        .with_state(doors)
}

/// Redirects a path that lacks only its last slash (308, with method and body). Anything else is 404.
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

/// True if a path is a route's pattern (`/a/{id}/`) without its last slash.
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

/// What is told of each route.
static OPTIONS: LazyLock<Options> = LazyLock::new(|| Options::of(&ASSEMBLED.document));

/// The names of all routes.
static ROUTES: LazyLock<Routes> =
    LazyLock::new(|| Routes::new(ASSEMBLED.patterns.iter().map(String::as_str).chain(["/"])));

fn following(app: &App, settings: &Settings) -> Arc<Following> {
    Arc::new(Following { app: app.clone(), log: settings.log_requests, routes: &ROUTES })
}

/// The boundary: every error leaves in the one envelope (under `/whisperer/` without it, as in dj-whisperer). A fault
/// is logged here, once, with the request's id.
async fn envelope(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let is_bare = path.starts_with("/whisperer/");
    let mut response = next.run(request).await;
    let status = response.status();
    if path == "/readyz" && status == StatusCode::SERVICE_UNAVAILABLE && is_json(&response) {
        // It says itself why, and has logged it.
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    if status.is_server_error() {
        let cause = cause::current();
        let id = cause.as_ref().map(|cause| cause.request_id()).unwrap_or_default();
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
    if !status.is_client_error() || is_json(&response) {
        return response;
    }
    let refusal = match status {
        StatusCode::NOT_FOUND => Refusal::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Refusal::detail(status, format!("Method \"{method}\" not allowed.")),
        _ => Refusal::detail(status, status.canonical_reason().unwrap_or("The request cannot be served.")),
    };
    let body = if is_bare { refusal.error } else { refusal.body() };
    with_body(response, &body)
}

fn is_json(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// The same response with a JSON body.
fn with_body(response: Response, body: &Value) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if parts.status == StatusCode::SERVICE_UNAVAILABLE {
        parts.headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
    }
    Response::from_parts(parts, Body::from(body.to_string()))
}

/// Longest time for requests under way once the server stops.
const LONGEST_GOODBYE: Duration = Duration::from_secs(30);

/// How long requests may take, and how many connections there may be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// After this a request is given up with 503.
    pub request_timeout: Duration,
    /// The limits of connections.
    pub limits: Limits,
    /// Which requests have a line in the log.
    pub log_requests: LogRequests,
    /// `/metrics` is not served here: it has an address of its own ([`serve_metrics`]).
    pub metrics_apart: bool,
    /// For how long requests are still taken once the server is told to stop, while `/readyz` says that it is about to: a
    /// balancer looks there, and sends the next requests to others.
    pub drain: Duration,
    /// Whose pages may read answers.
    pub origins: Origins,
}

/// Serves until `stop` and the drain after it, then finishes the requests under way. Boxed, as [`App::start`].
#[must_use]
pub fn serve(listener: TcpListener, app: App, settings: Settings, stop: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(serve_until_stopped(listener, app, settings, stop))
}

async fn serve_until_stopped(listener: TcpListener, app: App, settings: Settings, stop: CancellationToken) {
    let router = router(&app, &settings);
    let closing = CancellationToken::new();
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(settings.drain).await;
        closing.cancel();
        tokio::time::sleep(LONGEST_GOODBYE).await;
    };
    tokio::select! {
        () = connections::serve(Arc::new(listener), router, settings.limits, &closing) => {}
        () = too_late => tracing::warn!("some requests did not end; stopping anyway"),
    }
    // Connections that did not end still hold the dispatcher. They are not waited for again.
    if tokio::time::timeout(LONGEST_GOODBYE, app.finish()).await.is_err() {
        tracing::warn!("some commands did not end; stopping anyway");
    }
}

/// Serves `/metrics` and nothing else at an address of its own, until `stop`.
pub async fn serve_metrics(listener: Arc<TcpListener>, app: App, settings: Settings, stop: CancellationToken) {
    let (routes, _) = api::health::metrics_routes().split_for_parts();
    let router = routes
        .fallback(|| std::future::ready(Refusal::not_found().into_response()))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, settings.request_timeout))
        .layer(middleware::from_fn(envelope))
        .layer(middleware::from_fn_with_state(following(&app, &settings), follow::follow))
        .layer(middleware::from_fn(pages::guard))
        .with_state(Doors::new(app));
    connections::serve(listener, router, settings.limits, &stop).await;
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
        let request = Request::get("/api/v1/oms/boom/").body(Body::empty()).expect("a request");
        let cause = cause::Cause::stored(Some("r1".to_owned()), None);
        let response = cause::within(cause, router.oneshot(request)).await.expect("an answer");
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
