//! Reasons to pick from: why a store refuses a package, why a customer cancels.

mod cancellation;
mod denial;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub use cancellation::FILTERS as CANCELLATION_FILTERS;
pub use denial::FILTERS as DENIAL_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(denial::list, denial::create))
        .routes(routes!(denial::detail))
        .routes(routes!(denial::list_older))
        .routes(routes!(denial::list_simple))
        .routes(routes!(cancellation::list))
        .routes(routes!(cancellation::detail))
}
