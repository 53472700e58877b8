//! `GET /transfer_orders/`, `/transfer_orders/short/`, `/transfer_orders/transfer-items/`, `/transfer_orders/{id}/`.

use axum::{http::HeaderMap, response::Response};
use sqlx::postgres::PgRow;

use crate::{
    api::{
        conditions,
        extract::{Id, Limited},
        resource::{Resource, Viewer},
    },
    app::App,
    commands::{explain::explain, transfer::subject::Transfers},
    db::PgConnection,
    error::{Refusal, Result},
    page::{List, Page, ids},
    transfers::{
        list::{self, TransferSummary},
        view::{self, ItemView, TransferView},
    },
};

impl Resource for TransferView {
    const LIST: List = list::LIST;

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        let transfers = view::load(connection, &app.catalog_cache, &ids(rows)?).await?;
        Ok(transfers.into_iter().map(|transfer| transfer.restricted_to(&viewer.scope)).collect())
    }
}

impl Resource for TransferSummary {
    const LIST: List = list::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        list::load_summaries(connection, &ids(rows)?).await
    }
}

impl Resource for ItemView {
    const LIST: List = list::ITEMS;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        view::load_items(connection, &ids(rows)?, &[]).await
    }
}

/// One transfer
///
/// With the commands that can be run on it now. `?explain=commands` adds, for every transition of transfers, whether it
/// is allowed or why not. `ETag` names its version for `If-Match` of a command; a reader who sends it as `If-None-Match` gets
/// 304 as long as nothing has changed.
#[utoipa::path(get, path = "/api/v1/oms/transfer_orders/{id}/", tag = "Transfers", operation_id = "getTransfer",
    params(("id" = i64, Path, description = "The transfer's id.", example = 1), ("explain" = Option<String>, Query, description = "`commands`: add why each transition is allowed or not."), ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the reader has.")),
    responses((status = 200, description = "The transfer", body = TransferView, headers(("ETag" = String, description = "Its version, and a digest of what is shown."))), (status = 304, description = "It is as the reader has it", headers(("ETag" = String)))))]
pub(super) async fn detail(door: Limited, Id(id): Id, page: Page, headers: HeaderMap) -> Result<Response> {
    page.no_list()?;
    let mut connection = door.app.pool.acquire().await?;
    let found = view::load(&mut connection, &door.app.catalog_cache, &[id]).await?.pop();
    drop(connection);
    let mut transfer = found.filter(|transfer| transfer.is_visible(&door.scope)).ok_or_else(Refusal::not_found)?;
    transfer = transfer.restricted_to(&door.scope);
    match page.get("explain") {
        None => {}
        Some("commands") => {
            transfer.explanation =
                Some(explain::<Transfers>(&door.app.pool, &door.app.catalog_cache, &door.caller(), id).await?);
        }
        Some(other) => {
            return Err(Refusal::field("explain", format!("{other} cannot be explained; use commands.")).into());
        }
    }
    conditions::answer_json(&headers, transfer.version, &transfer)
}
