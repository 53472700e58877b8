//! `/stocklocations/list-simple/`: locations without nested objects, for reports.

use axum::{extract::State, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::LIST;
use crate::{
    api::extract::Authenticated,
    app::App,
    error::Result,
    locations::{Location, load},
    page::Page,
    wire::Timestamp,
};

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
    stock_location_type: &'static str,
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
    fn of(location: &Location) -> Self {
        let address = &location.address;
        let part = |key: &str| address.text_of(key);
        Self {
            id: location.id,
            created_date: location.created_date,
            modified_date: location.modified_date,
            omnitron_id: location.omnitron_id,
            name: location.name.clone(),
            stock_location_type: location.stock_location_type.as_str(),
            fax_number: location.fax_number.clone(),
            erp_code: location.erp_code.clone(),
            is_fulfillment_center: location.is_fulfillment_center,
            is_pickup_location: location.is_pickup_location,
            is_delivery_location: location.is_delivery_location,
            is_fast_delivery_available: location.is_fast_delivery_available,
            is_return_available: location.is_return_available,
            is_active: location.is_active,
            priority: location.priority,
            daytime_phone: location.daytime_phone.clone(),
            evening_phone: location.evening_phone.clone(),
            email: location.email.clone(),
            cargo_company: location.cargo_company,
            max_quota: location.max_quota,
            quota: location.quota.unwrap_or_default(),
            available_quota: location.available_quota.flatten(),
            address_line: part("line"),
            postcode: part("postcode"),
            city: part("city"),
            country: part("country"),
            latitude: address.latitude.map(|degrees| degrees.to_string()),
            longitude: address.longitude.map(|degrees| degrees.to_string()),
        }
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
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "l.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let locations = load(connection, &ids).await?;
        listing.add(ids.iter().filter_map(|id| locations.get(id)).map(LocationSimple::of).collect()).await?;
    }
    listing.respond().await
}
