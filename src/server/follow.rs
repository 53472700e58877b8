//! Follows each request: its id and its trace, its line in the log, its metrics.
//!
//! The line has the path without its query: there are signatures of links, and what clients put there by mistake.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri},
    middleware::Next,
    response::Response,
};

use crate::{
    app::App,
    cause::{self, Cause, REQUEST_ID, TraceParent},
};

/// Longest part of a path in the log, in bytes.
const LONGEST_PATH: usize = 256;
/// The route of what no route is for.
const UNMATCHED: &str = "unmatched";
/// Routes that machines ask all the time: their lines are written only when they fail.
const ASKED_ALL_THE_TIME: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Which requests have a line in the log, at `info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogRequests {
    /// All, but for health checks and scrapes that succeed.
    #[default]
    All,
    /// Those that are refused or fail.
    Errors,
    /// None; faults are logged all the same.
    None,
}

/// The routes by name: what metrics are labelled with, so that nobody else adds a label.
#[derive(Debug)]
pub(super) struct Routes(HashMap<&'static str, &'static str>);

impl Routes {
    pub(super) fn new(patterns: impl Iterator<Item = &'static str>) -> Self {
        Self(patterns.map(|pattern| (pattern, pattern)).collect())
    }

    fn of(&self, request: &Request) -> &'static str {
        let Some(matched) = request.extensions().get::<MatchedPath>() else { return UNMATCHED };
        let known = self.0.get(matched.as_str()).copied();
        known.unwrap_or(if matched.as_str().starts_with("/docs") { "/docs/" } else { UNMATCHED })
    }
}

/// What following needs.
pub(super) struct Following {
    pub app: App,
    pub log: LogRequests,
    pub routes: &'static Routes,
}

/// Serves a request, with its [`Cause`] at hand for all who work for it.
pub(super) async fn follow(State(following): State<Arc<Following>>, request: Request, next: Next) -> Response {
    let cause = Arc::new(Cause::of(request.headers()));
    let writes = !request.method().is_safe();
    let mut line = Line {
        route: following.routes.of(&request),
        method: request.method().clone(),
        uri: request.uri().clone(),
        cause: Arc::clone(&cause),
        started: Instant::now(),
        status: None,
        following,
    };
    let mut response = cause::within(Some(cause), next.run(request)).await;
    if writes && response.status().is_success() {
        line.following.app.event_notifier.notify();
    }
    if let Ok(id) = HeaderValue::from_str(line.cause.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    line.status = Some(response.status());
    response
}

/// The line of a request, written when it is over, also when its client goes away before the answer.
struct Line {
    following: Arc<Following>,
    method: Method,
    uri: Uri,
    route: &'static str,
    cause: Arc<Cause>,
    started: Instant,
    status: Option<StatusCode>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        if let Some(status) = self.status {
            self.following.app.metrics.requests.answered(&self.method, self.route, status, duration);
        }
        if self.is_wanted() {
            self.write(duration);
        }
    }
}

impl Line {
    fn is_wanted(&self) -> bool {
        let failed = self.status.is_none_or(|status| status.is_client_error() || status.is_server_error());
        match self.following.log {
            LogRequests::All => failed || !ASKED_ALL_THE_TIME.contains(&self.route),
            LogRequests::Errors => failed,
            LogRequests::None => false,
        }
    }

    fn write(&self, duration: Duration) {
        let path = self.uri.path();
        let path = &path[..path.floor_char_boundary(LONGEST_PATH)];
        let trace = self.cause.trace();
        tracing::info!(
            request_id = self.cause.request_id(),
            user = self.cause.user(),
            method = self.method.as_str(),
            route = self.route,
            path,
            status = self.status.map(|status| status.as_u16()),
            code = self.cause.refusal(),
            // To a thousandth of a millisecond.
            duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3,
            group = self.cause.group(),
            trace_id = trace.map(TraceParent::trace_id),
            span_id = trace.map(TraceParent::span_id),
            client_gone = self.status.is_none().then_some(true),
            "request"
        );
    }
}
