//! `/api/v1/oms/transfer_orders/`: lists, one transfer, its items, and the route by which commands come in.

mod command;
mod explain;
mod items;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::{listed, with_schema},
    app::App,
    commands::effects::TransferEffects,
    transfers::view::{ItemView, TransferView},
};

pub use items::FILTERS as ITEM_FILTERS;
pub use list::FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<TransferView, _>(routes!(list::list), &list::LIST))
        .routes(listed::<list::TransferShort, _>(routes!(list::list_short), &list::LIST))
        .routes(listed::<ItemView, _>(routes!(items::list), &items::LIST))
        .routes(routes!(items::detail))
        .routes(routes!(list::detail))
        .routes(with_schema::<TransferEffects, _>(routes!(command::run)))
}
