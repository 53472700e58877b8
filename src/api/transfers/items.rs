//! `GET /transfer_orders/transfer-items/`, `/transfer_orders/transfer-items/{id}/`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

use crate::{
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, filter},
    transfers::view,
};

/// The documented filters of `GET /transfer_orders/transfer-items/`.
pub const FILTERS: &[Filter] = &[
    filter("transfer_order", Kind::Integer, "i.transfer_id = {}", "Id of the transfer."),
    // The product's key at the upstream.
    filter("product", Kind::Integer, "oi.product->'pk' = to_jsonb({}::bigint)", "The upstream's key of the product."),
    filter("product_sku", Kind::Text, "oi.sku = {}", "SKU of the product."),
    filter("quantity", Kind::Integer, "i.quantity = {}", "Exactly this quantity."),
    filter("quantity__gt", Kind::Integer, "i.quantity > {}", "A quantity greater than this one."),
    filter("quantity__gte", Kind::Integer, "i.quantity >= {}", "This quantity or a greater one."),
    filter("quantity__lt", Kind::Integer, "i.quantity < {}", "A quantity smaller than this one."),
    filter("quantity__lte", Kind::Integer, "i.quantity <= {}", "This quantity or a smaller one."),
];

/// The list of what transfers carry.
pub(super) const LIST: List = List {
    from: " from transfer_items i join transfers t on t.id = i.transfer_id join packages p on p.id = t.package_id \
           join package_items pi on pi.id = i.package_item_id join order_items oi on oi.id = pi.order_item_id",
    visible: "array[t.source_location_id, t.destination_location_id] && {}",
    filters: FILTERS,
    sorts: &[
        ("id", "i.id"),
        ("modified_date", "i.modified_date"),
        ("created_date", "i.created_date"),
        ("order_id", "p.order_id"),
    ],
    default_sort: "-id",
    tie_breaker: "i.id desc",
};

/// Items of transfers
///
/// What the transfers the caller sees carry, latest first.
#[utoipa::path(
    get,
    path = "/api/v1/oms/transfer_orders/transfer-items/",
    tag = "Transfers",
    operation_id = "listTransferItems"
)]
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "i.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let items = view::load_items(connection, &ids, &[]).await?;
        listing.add(items).await?;
    }
    listing.respond().await
}

/// One item of a transfer
#[utoipa::path(get, path = "/api/v1/oms/transfer_orders/transfer-items/{id}/", tag = "Transfers",
    operation_id = "getTransferItem",
    params(("id" = i64, Path, description = "The item's id", example = 1)),
    responses((status = 200, description = "The item", body = view::ItemView)))]
pub(super) async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<Response> {
    let mut connection = app.pool.acquire().await?;
    let item = view::load_items(&mut connection, &[id], &[]).await?.pop();
    let item = item.filter(|item| item.is_visible(&caller)).ok_or_else(Refusal::not_found)?;
    Ok(axum::Json(item).into_response())
}
