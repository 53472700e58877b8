//! The page at `/`, and what every answer tells browsers: to load and run nothing that is not named, to guess no type,
//! to be shown in no other site's frame, and to tell other sites no address of ours.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// The page at `/`. It has one style, and no script.
const WELCOME: &str = include_str!("../welcome.html");

/// For whatever says nothing else: an answer is data.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// For `/docs/`. Its scripts are files; it asks this server alone. Its styles are also set in its elements.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The page at `/`.
pub(super) fn welcome() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, policy_of(WELCOME))], Html(WELCOME)).into_response()
}

/// A policy that allows the one style of a page, by its hash.
fn policy_of(page: &str) -> String {
    let style = page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = STANDARD.encode(Sha256::digest(style.map_or("", |(style, _)| style)));
    format!("{NOTHING}; style-src 'sha256-{hash}'")
}

/// Adds the headers that an answer does not have.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let is_docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let policy = if is_docs { DOCS } else { NOTHING };
    let headers: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_style_and_nothing_that_a_policy_would_stop() {
        assert_eq!(WELCOME.matches("<style>").count(), 1);
        for word in ["<script", "style=", "onclick", "javascript:", "<img", "<link"] {
            assert!(!WELCOME.contains(word), "{word}");
        }
    }
}
