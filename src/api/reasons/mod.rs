//! Reasons to pick from: why a store refuses a package, why a customer cancels.

mod cancellation;
mod denial;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{api::declare::listed, app::App};

pub use cancellation::FILTERS as CANCELLATION_FILTERS;
pub use denial::FILTERS as DENIAL_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<denial::DenialReason, _>(routes!(denial::list, denial::create), &denial::LIST))
        .routes(routes!(denial::detail))
        .routes(listed::<denial::DenialReason, _>(routes!(denial::list_older), &denial::LIST))
        .routes(listed::<denial::DenialReasonSimple, _>(routes!(denial::list_simple), &denial::LIST))
        .routes(listed::<cancellation::CancellationReason, _>(routes!(cancellation::list), &cancellation::LIST))
        .routes(routes!(cancellation::detail))
}
