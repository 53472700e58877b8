//! The HTTP API: one file or folder a resource. A handler reads the request, calls the floors below and shows what they
//! answer; it decides nothing. No module below this one knows axum.

pub mod audit;
pub mod auth;
pub mod body;
pub mod cargo;
mod conditions;
mod declare;
pub mod events;
pub mod extract;
mod file;
mod form;
pub mod health;
pub mod locations;
pub mod orders;
pub mod packages;
pub mod plans;
pub mod reasons;
mod resource;
pub mod respond;
pub mod scenarios;
pub mod stock;
pub mod tokens;
pub mod transfers;
pub mod upstream;
pub mod users;
pub mod webhooks;

use utoipa_axum::router::OpenApiRouter;

use self::extract::Doors;

/// Every route with its documentation, but for [`health::metrics_routes`].
#[must_use]
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .merge(packages::routes())
        .merge(transfers::routes())
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
        .merge(auth::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .merge(audit::routes())
        .merge(health::routes())
}
