//! Pages of other sites that may read answers, by `OMS_CORS_ORIGINS` (CORS). A browser lets no others do so. It sends no
//! credentials by itself, for there are no cookies: a page needs a token.

use std::{str::FromStr, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use super::when::When;
use crate::cause::REQUEST_ID;

/// How long a browser may remember what it may send.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Whose pages may read answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Nobody's.
    #[default]
    None,
    /// Everybody's.
    Any,
    /// Those of these sites: `https://panel.example.com`.
    Listed(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "none" => Ok(Self::None),
            "any" | "*" => Ok(Self::Any),
            list => list.split(',').map(|one| origin(one.trim())).collect::<Result<_, _>>().map(Self::Listed),
        }
    }
}

/// An origin, as browsers write it.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = |what: &str| {
        format!("`{text}` {what}; write scheme and host, like https://panel.example.com, separated by commas, or `any`")
    };
    let url: Url = text.parse().map_err(|_| wrong("is no address of a site"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is no address of a site"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("has more than a scheme, a host and a port"));
    }
    HeaderValue::from_str(&url.origin().ascii_serialization()).map_err(|_| wrong("is no address of a site"))
}

/// The layer; none where no page of another site may read.
pub(super) fn layer(origins: &Origins) -> When<CorsLayer> {
    let allowed = match origins {
        Origins::None => None,
        Origins::Any => Some(AllowOrigin::any()),
        Origins::Listed(list) => Some(AllowOrigin::list(list.clone())),
    };
    let layer = allowed.map(|allowed| {
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED)
            .max_age(REMEMBERED)
    });
    When::new(is_of_a_page, layer)
}

/// What pages may read of an answer's head.
const EXPOSED: [HeaderName; 5] =
    [header::CONTENT_DISPOSITION, header::ETAG, header::LOCATION, header::RETRY_AFTER, REQUEST_ID];

/// True for the request of a page, and for the question before it, whether it may be sent. An `OPTIONS` that asks
/// nothing of the kind is for the route.
fn is_of_a_page(request: &Request) -> bool {
    let headers = request.headers();
    let is_options = request.method() == Method::OPTIONS;
    headers.contains_key(header::ORIGIN) && (!is_options || headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let listed =
            |list: &[&str]| Ok(Origins::Listed(list.iter().map(|one| one.parse().expect("a header")).collect()));
        for (text, expected) in [
            ("", Ok(Origins::None)),
            ("none", Ok(Origins::None)),
            (" any ", Ok(Origins::Any)),
            ("https://Panel.Example.com:443/", listed(&["https://panel.example.com"])),
            ("http://localhost:5173, https://a.example", listed(&["http://localhost:5173", "https://a.example"])),
        ] {
            assert_eq!(text.parse::<Origins>(), expected, "{text}");
        }
        for text in [
            "panel.example.com",
            "ftp://panel.example.com",
            "https://panel.example.com/app",
            "https://ada@panel.example.com",
            "https://a.example,",
            "https://a.example,any",
            "https://*.example.com/x",
        ] {
            let said = text.parse::<Origins>().expect_err(text);
            assert!(said.contains("like https://panel.example.com"), "{text}: {said}");
        }
    }
}
