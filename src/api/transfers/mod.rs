//! `/api/v1/oms/transfer_orders/`: lists, one transfer, its items, and the route by which commands come in.

mod command;
mod explain;
mod items;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

pub use items::FILTERS as ITEM_FILTERS;
pub use list::FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(list::list_short))
        .routes(routes!(items::list))
        .routes(routes!(items::detail))
        .routes(routes!(list::detail))
        .routes(routes!(command::run))
}
