//! `/api/v1/oms/packages/`: lists, one package, its items, and the routes by which commands come in.

mod bulk;
pub(super) mod command;
mod explain;
mod invoice;
mod items;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::{listed, with_schema},
    app::App,
    commands::effects::PackageEffects,
    packages::view::PackageView,
};

pub use crate::packages::FILTERS;
pub use items::FILTERS as ITEM_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<PackageView, _>(routes!(list::list), &list::LIST))
        .routes(listed::<list::PackageShort, _>(routes!(list::list_short), &list::LIST))
        .routes(routes!(list::detail))
        .routes(listed::<items::PackageItem, _>(routes!(items::list), &items::LIST))
        .routes(routes!(items::detail))
        .routes(with_schema::<PackageEffects, _>(routes!(command::run)))
        .routes(routes!(bulk::run))
        .routes(routes!(invoice::document))
}
