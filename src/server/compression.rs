//! Answers in gzip or brotli, for who accepts them: a page of packages is a tenth as long.

use axum::{extract::Request, http::header};
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::compression::{
    CompressionLayer,
    predicate::{And, Predicate as _, SizeAbove},
};

use super::when::When;

/// Shorter answers fit into one packet as they are.
const SMALLEST: u64 = 1024;

/// Which answers are compressed, by their heads.
type ByHead = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// The layer.
pub(super) fn layer() -> When<CompressionLayer<And<SizeAbove, ByHead>>> {
    let by_head: ByHead = |_, _, headers, _| is_text(headers);
    let layer = CompressionLayer::new().compress_when(SizeAbove::new(SMALLEST).and(by_head));
    When::new(|request: &Request| request.headers().contains_key(header::ACCEPT_ENCODING), layer)
}

/// True for what compression makes shorter. Spreadsheets and pictures are compressed already; an event of a stream would
/// wait in the compressor for the next one.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    match essence {
        "text/event-stream" => false,
        "application/json" | "application/javascript" | "application/openmetrics-text" | "image/svg+xml" => true,
        _ => essence.starts_with("text/"),
    }
}
