//! Stock locations: stores and warehouses, their capacity, and the ledger that proves it.

mod history;
pub mod hours;
pub(crate) mod input;
mod location;
mod services;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::{error::Result, wire::Timestamp};

pub use history::{as_of, as_recorded};
pub use hours::Hours;
pub use location::{Location, LocationType, is_same_place};
pub use services::Services;

/// A row of `stock_locations`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub struct LocationRow {
    id: i64,
    erp_code: String,
    name: String,
    stock_location_type: String,
    priority: i32,
    is_active: bool,
    max_quota: Option<i64>,
    quota: i64,
    latitude: Option<String>,
    longitude: Option<String>,
    address: Value,
    fax_number: Option<String>,
    phone: Option<String>,
    evening_phone: Option<String>,
    email: Option<String>,
    is_fulfillment_center: bool,
    is_pickup_location: bool,
    is_delivery_location: bool,
    is_return_available: bool,
    is_fast_delivery_available: bool,
    cargo_company_id: Option<i64>,
    tags: Vec<String>,
    hours: Value,
    created_date: DateTime<Utc>,
    modified_date: DateTime<Utc>,
    omnitron_id: Option<i64>,
}

/// A stock location on the wire, keys as in the documented package.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockLocation)]
pub struct LocationView {
    /// Its id.
    pub id: i64,
    /// When it is open: `timezone`, `opening_hours`, `holidays`, as far as they are known.
    #[schema(value_type = Object)]
    conf: Value,
    name: String,
    email: Option<String>,
    engine: Option<i64>,
    /// Line, postcode, city, country, latitude, longitude.
    #[schema(value_type = Object)]
    address: Value,
    /// The ERP's word for it.
    pub erp_code: String,
    /// Lower is asked first.
    priority: i32,
    is_active: bool,
    fax_number: Option<String>,
    created_date: Timestamp,
    daytime_phone: Option<String>,
    evening_phone: Option<String>,
    modified_date: Timestamp,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    /// `store` or `warehouse`.
    stock_location_type: String,
    #[serde(flatten)]
    services: Services,
    cargo_company: Option<i64>,
    /// Most packages that may occupy it; null: no limit.
    max_quota: Option<i64>,
    /// Packages that occupy it now. Events do not tell it: it would be old when they arrive.
    #[schema(value_type = i64)]
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<i64>,
    /// `max_quota - quota`; null: no limit. Events do not tell it either.
    #[schema(value_type = Option<i64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    available_quota: Option<Option<i64>>,
    /// The groups it is in, for scenarios.
    tags: Vec<String>,
}

impl LocationRow {
    /// The wire form in an event: without what changes with every packing.
    #[must_use]
    pub fn event_view(&self) -> LocationView {
        LocationView { quota: None, available_quota: None, ..self.view() }
    }

    /// The wire form.
    #[must_use]
    pub fn view(&self) -> LocationView {
        let mut address = self.address.clone();
        if let Value::Object(parts) = &mut address {
            parts.insert("latitude".to_owned(), Value::from(self.latitude.clone()));
            parts.insert("longitude".to_owned(), Value::from(self.longitude.clone()));
        }
        LocationView {
            id: self.id,
            conf: self.hours.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            engine: None,
            address,
            erp_code: self.erp_code.clone(),
            priority: self.priority,
            is_active: self.is_active,
            fax_number: self.fax_number.clone(),
            created_date: self.created_date.into(),
            daytime_phone: self.phone.clone(),
            evening_phone: self.evening_phone.clone(),
            modified_date: self.modified_date.into(),
            omnitron_id: self.omnitron_id,
            stock_location_type: self.stock_location_type.clone(),
            services: Services {
                is_fulfillment_center: self.is_fulfillment_center,
                is_pickup_location: self.is_pickup_location,
                is_delivery_location: self.is_delivery_location,
                is_return_available: self.is_return_available,
                is_fast_delivery_available: self.is_fast_delivery_available,
            },
            cargo_company: self.cargo_company_id,
            max_quota: self.max_quota,
            quota: Some(self.quota),
            available_quota: Some(self.max_quota.map(|most| most - self.quota)),
            tags: self.tags.clone(),
        }
    }
}

/// Reads locations by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, LocationRow>> {
    let rows = sqlx::query_as!(
        LocationRow,
        r#"select id, erp_code, name, stock_location_type, priority, is_active, max_quota, quota,
                  latitude::text as latitude, longitude::text as longitude, address, fax_number, phone, evening_phone,
                  email, is_fulfillment_center, is_pickup_location, is_delivery_location, is_return_available,
                  is_fast_delivery_available, cargo_company_id, tags, hours, created_date, modified_date, omnitron_id
             from stock_locations where id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
