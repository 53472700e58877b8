//! `/stocklocations/list-simple/`: locations without nested objects, for reports.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use super::LIST;
use crate::{api::extract::Authenticated, app::App, error::Result, page::Page, wire::Timestamp};

const COLUMNS: &str = "l.id, l.created_date, l.modified_date, l.omnitron_id, l.name, l.stock_location_type, \
                       l.fax_number, \
                       l.erp_code, l.is_fulfillment_center, l.is_pickup_location, l.is_delivery_location, \
                       l.is_fast_delivery_available, l.is_return_available, l.is_active, l.priority, l.phone, \
                       l.evening_phone, l.email, l.cargo_company_id, l.max_quota, l.quota, \
                       l.latitude::text as latitude, l.longitude::text as longitude, l.address->>'line' as line, \
                       l.address->>'postcode' as postcode, \
                       coalesce(l.address #>> '{city,name}', l.address->>'city') as city, \
                       coalesce(l.address #>> '{country,name}', l.address->>'country') as country";

/// A stock location, flat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockLocationSummary)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the wire")]
pub(super) struct LocationSimple {
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    name: String,
    /// `store` or `warehouse`.
    stock_location_type: String,
    fax_number: Option<String>,
    erp_code: String,
    is_fulfillment_center: bool,
    is_pickup_location: bool,
    is_delivery_location: bool,
    is_fast_delivery_available: bool,
    is_return_available: bool,
    is_active: bool,
    /// Lower is asked first.
    priority: i32,
    daytime_phone: Option<String>,
    evening_phone: Option<String>,
    email: Option<String>,
    /// Id of the cargo company.
    cargo_company: Option<i64>,
    /// Most packages that may occupy it; null: no limit.
    max_quota: Option<i64>,
    /// Packages that occupy it now.
    quota: i64,
    /// `max_quota - quota`; null: no limit.
    available_quota: Option<i64>,
    address_line: Option<String>,
    postcode: Option<String>,
    city: Option<String>,
    country: Option<String>,
    latitude: Option<String>,
    longitude: Option<String>,
}

impl LocationSimple {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (max_quota, quota): (Option<i64>, i64) = (row.try_get("max_quota")?, row.try_get("quota")?);
        Ok(Self {
            id: row.try_get("id")?,
            created_date: Timestamp(row.try_get("created_date")?),
            modified_date: Timestamp(row.try_get("modified_date")?),
            omnitron_id: row.try_get("omnitron_id")?,
            name: row.try_get("name")?,
            stock_location_type: row.try_get("stock_location_type")?,
            fax_number: row.try_get("fax_number")?,
            erp_code: row.try_get("erp_code")?,
            is_fulfillment_center: row.try_get("is_fulfillment_center")?,
            is_pickup_location: row.try_get("is_pickup_location")?,
            is_delivery_location: row.try_get("is_delivery_location")?,
            is_fast_delivery_available: row.try_get("is_fast_delivery_available")?,
            is_return_available: row.try_get("is_return_available")?,
            is_active: row.try_get("is_active")?,
            priority: row.try_get("priority")?,
            daytime_phone: row.try_get("phone")?,
            evening_phone: row.try_get("evening_phone")?,
            email: row.try_get("email")?,
            cargo_company: row.try_get("cargo_company_id")?,
            max_quota,
            quota,
            available_quota: max_quota.map(|most| most - quota),
            address_line: row.try_get("line")?,
            postcode: row.try_get("postcode")?,
            city: row.try_get("city")?,
            country: row.try_get("country")?,
            latitude: row.try_get("latitude")?,
            longitude: row.try_get("longitude")?,
        })
    }
}

/// Stock locations, for reports
///
/// One flat row a location.
#[utoipa::path(
    get,
    path = "/api/v1/oms/stocklocations/list-simple/",
    tag = "Stock locations",
    operation_id = "listStockLocationSummaries"
)]
pub(super) async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let page = Page::parse(&uri, &headers)?;
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), COLUMNS).await?;
    listing.add_all(LocationSimple::from_row).await?;
    listing.respond().await
}
