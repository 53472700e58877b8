//! What is said of a request on its way: `X-Forwarded-For`, `-Host`, `-Proto` and their kind.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderName,
    middleware::Next,
    response::Response,
};

use crate::app::App;

/// Takes away what only a trusted proxy may say of a request, unless one brought it: behind this no route meets a claim
/// of a client's own.
pub(super) async fn believe_proxies(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_proxy = connected.is_some_and(|ConnectInfo(address)| {
        let address = address.ip().to_canonical();
        app.trusted_proxies.iter().any(|range| range.contains(address))
    });
    if !is_proxy {
        let claims: Vec<HeaderName> = request.headers().keys().filter(|name| is_claim(name)).cloned().collect();
        for name in claims {
            request.headers_mut().remove(name);
        }
    }
    next.run(request).await
}

/// The standard header, and those that were there before it.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_claim_is_one() {
        for (name, expected) in [
            ("X-Forwarded-For", true),
            ("x-forwarded-HOST", true),
            ("X-Forwarded-Proto", true),
            ("X-Forwarded-Port", true),
            ("Forwarded", true),
            ("X-Real-IP", true),
            ("Host", false),
            ("X-Request-Id", false),
        ] {
            assert_eq!(is_claim(&name.parse().expect("a name")), expected, "{name}");
        }
    }
}
