//! Transfers as clients see them: lists, one transfer, its commands; and the route by which commands come in.

mod command;
mod explain;
mod items;
mod list;
pub mod view;

pub use items::FILTERS as ITEM_FILTERS;
pub use list::FILTERS;
pub use view::render_as_of;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

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
