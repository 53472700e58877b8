//! `GET /packages/`, `/packages/short/`, `/packages/{id}/`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{explain, view};
use crate::{
    app::App,
    auth::{Authenticated, Caller},
    error::{Refusal, Result},
    openapi,
    page::{Filter, Kind, List, Page, PageOf, PageQuery, base_url, filter},
    wire::Timestamp,
};

/// The documented filters (reference 6.1), by the names of the original where they are known.
pub const FILTERS: &[Filter] = &[
    filter("state", Kind::Integer, "p.state_id = {}"),
    filter(
        "state__enum_value",
        Kind::Text,
        "p.state_id in (select id from states where entity = 'package' and enum_value = {})",
    ),
    filter(
        "state__enum_value__in",
        Kind::Texts,
        "p.state_id in (select id from states where entity = 'package' and enum_value = any({}))",
    ),
    filter(
        "state__enum_value__not",
        Kind::Text,
        "p.state_id not in (select id from states where entity = 'package' and enum_value = {})",
    ),
    filter("order", Kind::Integer, "p.order_id = {}"),
    filter("stock_location", Kind::Integer, "p.stock_location_id = {}"),
    filter(
        "stock_location__erp_code",
        Kind::Text,
        "p.stock_location_id in (select id from stock_locations where erp_code = {})",
    ),
    filter(
        "stock_location__erp_code__in",
        Kind::Texts,
        "p.stock_location_id in (select id from stock_locations where erp_code = any({}))",
    ),
    filter(
        "stock_location__stock_location_type",
        Kind::Text,
        "p.stock_location_id in (select id from stock_locations where stock_location_type = {})",
    ),
    filter("number", Kind::Text, "p.number = {}"),
    filter("order__number", Kind::Prefix, "o.number like {}"),
    filter("order__omnitron_id", Kind::Integer, "o.omnitron_id = {}"),
    filter("created_date__gte", Kind::Moment, "p.created_date >= {}"),
    filter("created_date__lte", Kind::Moment, "p.created_date <= {}"),
    filter("modified_date__gte", Kind::Moment, "p.modified_date >= {}"),
    filter("modified_date__lte", Kind::Moment, "p.modified_date <= {}"),
    filter(
        "shipment__created_date__gte",
        Kind::Moment,
        "exists (select from shipments s where s.package_id = p.id and s.created_date >= {})",
    ),
    filter(
        "shipment__created_date__lte",
        Kind::Moment,
        "exists (select from shipments s where s.package_id = p.id and s.created_date <= {})",
    ),
    filter(
        "shipment__cargo_company",
        Kind::Integer,
        "exists (select from shipments s where s.package_id = p.id and s.cargo_company_id = {})",
    ),
    filter(
        "product_sku",
        Kind::Text,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.sku = {})",
    ),
    filter(
        "product_barcode",
        Kind::Text,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.product->>'barcode' = {})",
    ),
    filter(
        "packageitem__order_item__omnitron_id",
        Kind::Integer,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = {})",
    ),
    filter(
        "packageitem__order_item__omnitron_id__in",
        Kind::Integers,
        "exists (select from package_items i join order_items oi on oi.id = i.order_item_id where i.package_id = p.id and oi.omnitron_id = any({}))",
    ),
    filter("order__channel", Kind::Integer, "o.channel_id = {}"),
    filter("order__customer__first_name", Kind::Contains, "o.customer_first_name ilike {}"),
    filter("order__customer__last_name", Kind::Contains, "o.customer_last_name ilike {}"),
    filter("order__date_placed__gte", Kind::Moment, "o.date_placed >= {}"),
    filter("order__date_placed__lte", Kind::Moment, "o.date_placed <= {}"),
    filter("order__delivery_type", Kind::Text, "o.delivery_type = {}"),
    filter("order__shipping_option_slug__in", Kind::Texts, "o.shipping_option_slug = any({})"),
    filter("id__gt", Kind::Integer, "p.id > {}"),
    filter("id__gte", Kind::Integer, "p.id >= {}"),
    filter("id__lt", Kind::Integer, "p.id < {}"),
    filter("id__lte", Kind::Integer, "p.id <= {}"),
    filter("pk__in", Kind::Integers, "p.id = any({})"),
    filter("order__date_placed", Kind::NotOffered, ""),
    filter("order__delivery_range__lower", Kind::NotOffered, ""),
    filter("order__delivery_range__upper", Kind::NotOffered, ""),
    filter("order__delivery_range__date", Kind::NotOffered, ""),
    filter("delivery_range", Kind::NotOffered, ""),
    filter("is_click_and_collect", Kind::NotOffered, ""),
    filter("order__shipping_address__country", Kind::NotOffered, ""),
    filter("order__shipping_address__country__name", Kind::NotOffered, ""),
    filter("order__shipping_address__city", Kind::NotOffered, ""),
    filter("order__shipping_address__city__name", Kind::NotOffered, ""),
    filter("order__shipping_address__township", Kind::NotOffered, ""),
    filter("order__shipping_address__township__name", Kind::NotOffered, ""),
    filter("cancellation_failure_status", Kind::NotOffered, ""),
    filter("order__retail_store__erp_code", Kind::NotOffered, ""),
    filter("stock_location_or_retail_store__erp_code", Kind::NotOffered, ""),
];

/// The list of packages.
const LIST: List = List {
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
    #[schema(value_type = String, format = DateTime)]
    created_date: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    modified_date: Timestamp,
}

/// How many packages fit, and the ids of those on the page.
async fn find(app: &App, caller: &Caller, page: &Page) -> Result<(usize, Vec<i64>)> {
    let mut connection = app.pool.acquire().await?;
    LIST.ids(&mut connection, page, caller.visible_location_ids().as_deref(), "p.id").await
}

/// Packages
///
/// The packages the caller may see, latest first. A filter of the original that is not offered here yet is answered
/// 400; a parameter that is no filter is ignored.
#[utoipa::path(get, path = "/api/v1/oms/packages/", tag = "Packages", params(PageQuery, openapi::Sort),
    responses((status = 200, description = "A page of packages", body = PageOf<openapi::Package>)))]
pub(super) async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let page = Page::parse(&uri, &headers)?;
    let (count, ids) = find(&app, &caller, &page).await?;
    let mut connection = app.pool.acquire().await?;
    let mut views = view::load(&mut connection, &app.shelf, &ids).await?;
    let base_url = base_url(&headers);
    for view in &mut views {
        view.absolute(&base_url);
    }
    page.respond(count, views)
}

/// Packages, short
///
/// The same list with related objects reduced to their keys and `packageitem_count` for the items.
#[utoipa::path(get, path = "/api/v1/oms/packages/short/", tag = "Packages", params(PageQuery, openapi::Sort),
    responses((status = 200, description = "A page of packages", body = PageOf<PackageShort>)))]
pub(super) async fn list_short(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let page = Page::parse(&uri, &headers)?;
    let (count, ids) = find(&app, &caller, &page).await?;
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
        &ids
    )
    .fetch_all(&app.pool)
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
    page.respond(count, rows.collect())
}

/// One package
///
/// With the commands that can be run on it now. `?explain=commands` adds, for every transition of the table, whether it
/// is allowed or why not.
#[utoipa::path(get, path = "/api/v1/oms/packages/{id}/", tag = "Packages",
    params(("id" = i64, Path, description = "The package's id"),
           ("explain" = Option<String>, Query, description = "`commands`: add why each transition is allowed or not")),
    responses((status = 200, description = "The package", body = openapi::Package)))]
pub(super) async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
    let page = Page::parse(&uri, &headers)?;
    let loaded = app.loader.load(id, base_url(&headers)).await?.ok_or_else(Refusal::not_found)?;
    if !caller.sees(loaded.stock_location_id) {
        return Err(Refusal::not_found().into());
    }
    match page.get("explain") {
        None => Ok(([(header::CONTENT_TYPE, "application/json")], loaded.body).into_response()),
        Some("commands") => explain::commands(&app, &caller, id, &loaded.body).await,
        Some(other) => Err(Refusal::field("explain", format!("{other} cannot be explained; use commands.")).into()),
    }
}
