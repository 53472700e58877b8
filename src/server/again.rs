//! A reading whose connection to Postgres is lost is done once more, on another: it has changed nothing, and who asked
//! need not know of a failover, or of a private Postgres that is just coming back. (Commands see to it themselves.)

use axum::{body::Body, extract::Request, middleware::Next, response::Response};

use crate::{api::respond::Fault, error::Error};

/// Answers a request, a safe one at the second attempt if need be.
pub(super) async fn read_again(request: Request, next: Next) -> Response {
    if !request.method().is_safe() {
        return next.run(request).await;
    }
    // What is read has no body.
    let (parts, body) = request.into_parts();
    let response = next.clone().run(Request::from_parts(parts.clone(), body)).await;
    let is_lost = response.extensions().get::<Fault>().is_some_and(|Fault(error)| Error::is_lost_connection(error));
    if is_lost { next.run(Request::from_parts(parts, Body::empty())).await } else { response }
}
