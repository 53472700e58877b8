//! `/api/v1/oms/transfer_orders/`: lists, one transfer, its items, its log, and the route by which commands come in.

mod command;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    declare::with_schema,
    resource::{self, Read, detail, list_below},
};
use crate::{
    api::extract::Doors,
    commands::effects::TransferEffects,
    history::Move,
    transfers::{
        list::TransferSummary,
        view::{ItemView, TransferView},
    },
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Transfers", operation, text };
    OpenApiRouter::new()
        .routes(resource::list::<TransferView>(&read(
            "/api/v1/oms/transfer_orders/",
            "listTransfers",
            "Transfers\n\nGoods on their way from a location that has them to the one that packs them: those from or to \
             the locations the caller sees, latest first.",
        )))
        .routes(resource::list::<TransferSummary>(&read(
            "/api/v1/oms/transfer_orders/short/",
            "listTransferSummaries",
            "Transfers, short\n\nThe same list with related objects reduced to their keys and `transferitem_count` for \
             the items.",
        )))
        .routes(resource::list::<ItemView>(&read(
            "/api/v1/oms/transfer_orders/transfer-items/",
            "listTransferItems",
            "Items of transfers\n\nWhat the transfers the caller sees carry, latest first.",
        )))
        .routes(detail::<ItemView>(
            &read("/api/v1/oms/transfer_orders/transfer-items/{id}/", "getTransferItem", "One item of a transfer"),
            "the item",
        ))
        .routes(routes!(list::detail))
        .routes(list_below::<TransferView, Move>(
            &read(
                "/api/v1/oms/transfer_orders/{id}/transition-logs/",
                "listTransferMoves",
                "A transfer's transition log\n\nEvery move of the transfer, latest first. The transition is the \
                 transfer's own, or that of the package whose end ended it.",
            ),
            "the transfer",
        ))
        .routes(with_schema::<TransferEffects, _>(routes!(command::run_command)))
}
