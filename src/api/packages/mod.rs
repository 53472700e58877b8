//! `/api/v1/oms/packages/`: lists, one package, its items, and the routes by which commands come in.

mod bulk;
pub(super) mod command;
mod explain;
mod invoice;
mod items;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub use crate::packages::FILTERS;
pub use items::FILTERS as ITEM_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(list::list_short))
        .routes(routes!(list::detail))
        .routes(routes!(items::list))
        .routes(routes!(items::detail))
        .routes(routes!(command::run))
        .routes(routes!(bulk::run))
        .routes(routes!(invoice::document))
}
