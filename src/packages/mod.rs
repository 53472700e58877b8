//! Packages as clients see them: lists, one package, its items and commands; and the routes by which commands come in.

mod bulk;
pub(crate) mod command;
mod explain;
mod filters;
mod invoice;
mod item_history;
mod items;
mod list;
pub mod loader;
pub mod view;

pub use filters::FILTERS;
pub use items::FILTERS as ITEM_FILTERS;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

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
