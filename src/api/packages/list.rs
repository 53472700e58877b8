//! `GET /packages/`, `/packages/short/`, `/packages/{id}/`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{FILTERS, explain};
use crate::{
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    packages::view,
    page::{List, Page},
    wire::Timestamp,
};

/// The list of packages.
pub(super) const LIST: List = List {
    from: " from packages p join orders o on o.id = p.order_id",
    visible: "p.stock_location_id = any({})",
    filters: FILTERS,
    sorts: &[
        ("id", "p.id"),
        ("created_date", "p.created_date"),
        ("modified_date", "p.modified_date"),
        ("order_id", "p.order_id"),
    ],
    default_sort: "-id",
    tie_breaker: "p.id desc",
};

/// A package in the short list: related objects by their keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageSummary)]
pub(super) struct PackageShort {
    id: i64,
    number: String,
    /// The state's `enum_value`.
    state: String,
    stock_location: i64,
    stock_location_erp_code: String,
    order: i64,
    order_number: String,
    shipment: Option<i64>,
    packageitem_count: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// Packages
///
/// The packages the caller may see, latest first. A filter of the original that is not offered here yet is answered
/// 400; a parameter that is no filter is ignored.
#[utoipa::path(get, path = "/api/v1/oms/packages/", tag = "Packages", operation_id = "listPackages")]
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let base_url = page.base_url().to_owned();
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "p.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let mut views = view::load(connection, &app.catalog_cache, &ids).await?;
        for view in &mut views {
            view.absolute(&base_url);
        }
        listing.add(views).await?;
    }
    listing.respond().await
}

/// Packages, short
///
/// The same list with related objects reduced to their keys and `packageitem_count` for the items.
#[utoipa::path(get, path = "/api/v1/oms/packages/short/", tag = "Packages", operation_id = "listPackageSummaries")]
pub(super) async fn list_short(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    page: Page,
) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "p.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let rows = load_short(connection, &ids).await?;
        listing.add(rows).await?;
    }
    listing.respond().await
}

async fn load_short(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<PackageShort>> {
    let rows = sqlx::query!(
        r#"select p.id, p.number, st.enum_value, p.stock_location_id, l.erp_code, p.order_id, o.number as order_number,
                  s.id as "shipment?", p.created_date, p.modified_date,
                  (select count(*) from package_items i where i.package_id = p.id) as "items!"
             from unnest($1::bigint[]) with ordinality as wanted(id, n)
             join packages p on p.id = wanted.id
             join states st on st.id = p.state_id
             join stock_locations l on l.id = p.stock_location_id
             join orders o on o.id = p.order_id
             left join shipments s on s.package_id = p.id
            order by wanted.n"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| PackageShort {
        id: row.id,
        number: row.number,
        state: row.enum_value,
        stock_location: row.stock_location_id,
        stock_location_erp_code: row.erp_code,
        order: row.order_id,
        order_number: row.order_number,
        shipment: row.shipment,
        packageitem_count: row.items,
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
    });
    Ok(rows.collect())
}

/// One package
///
/// With the commands that can be run on it now. `?explain=commands` adds, for every transition of the table, whether it
/// is allowed or why not.
#[utoipa::path(get, path = "/api/v1/oms/packages/{id}/", tag = "Packages", operation_id = "getPackage",
    params(("id" = i64, Path, description = "The package's id", example = 1), ("explain" = Option<String>, Query, description = "`commands`: add why each transition is allowed or not")),
    responses((status = 200, description = "The package", body = view::PackageView)))]
pub(super) async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    page: Page,
) -> Result<Response> {
    page.no_list()?;
    let loaded = app.loader.load(id, page.base_url().to_owned()).await?.ok_or_else(Refusal::not_found)?;
    if !caller.sees(loaded.stock_location_id) {
        return Err(Refusal::not_found().into());
    }
    match page.get("explain") {
        None => Ok(([(header::CONTENT_TYPE, "application/json")], loaded.body).into_response()),
        Some("commands") => explain::commands(&app, &caller, id, &loaded.body).await,
        Some(other) => Err(Refusal::field("explain", format!("{other} cannot be explained; use commands.")).into()),
    }
}
