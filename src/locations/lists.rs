//! The lists of locations, and what each location has a list of.

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::Location;
use crate::{
    page::{Kind, List, ListRow, filter},
    wire::Timestamp,
};

/// The list of locations.
pub const LIST: List = List {
    from: " from stock_locations l",
    columns: "l.id",
    visible: "l.id = any({})",
    filters: &[
        filter("erp_code", Kind::Text, "l.erp_code = {}", "Its ERP code."),
        filter("omnitron_id", Kind::Integer, "l.omnitron_id = {}", "The upstream's own key."),
        filter("erp_code__in", Kind::Texts, "l.erp_code = any({})", "ERP codes, separated by commas."),
        filter("name", Kind::Contains, "has_part(l.name, {})", "Part of the name, in any case and with any accents."),
        filter("stock_location_type", Kind::Text, "l.stock_location_type = {}", "`store` or `warehouse`."),
        filter("id__gt", Kind::Integer, "l.id > {}", "Ids greater than this one."),
        filter("id__lt", Kind::Integer, "l.id < {}", "Ids smaller than this one."),
        filter("pk__in", Kind::Integers, "l.id = any({})", "Ids, separated by commas."),
    ],
    sorts: &[
        ("id", "l.id"),
        ("priority", "l.priority"),
        ("erp_code", "l.erp_code"),
        ("created_date", "l.created_date"),
        ("modified_date", "l.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "l.id desc",
};

/// A stock location, flat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockLocationSummary)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the wire")]
pub struct LocationSummary {
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

impl LocationSummary {
    /// The summary of a location.
    #[must_use]
    pub fn of(location: &Location) -> Self {
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

/// A change of a location's quota.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = QuotaLedgerEntry)]
pub struct LedgerEntry {
    id: i64,
    /// The package whose change it is.
    #[sqlx(rename = "package_id")]
    package: i64,
    #[sqlx(rename = "number")]
    package_number: String,
    /// The log row that caused it; null where a change of the installation did.
    #[sqlx(rename = "transition_log_id")]
    transition_log: Option<i64>,
    installation_version: Option<i64>,
    /// +1 or -1.
    delta: i16,
    created_date: Timestamp,
}

impl ListRow for LedgerEntry {
    const LIST: List = List {
        from: " from quota_ledger q join packages p on p.id = q.package_id",
        columns: "q.*, p.number",
        visible: "q.stock_location_id = any({})",
        filters: &[],
        sorts: &[("id", "q.id")],
        default_sort: "-id",
        tie_breaker: "q.id desc",
    };
}
