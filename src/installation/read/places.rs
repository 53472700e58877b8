//! Where orders are packed and by which rules they get there: `[[stock_locations]]`,
//! `[[cargo_companies]]`, `[[denial_reasons]]` and `[[scenarios]]`.

use serde::Serialize;

use super::words::{Integration, LocationType};
use crate::locations::{Hours, Services};
use crate::reading::{COUNTS, Place, Reader};
use crate::scenarios::definition::Definition;

/// A `[[stock_locations]]` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct StockLocation {
    /// Its number in the merchant's own books.
    pub erp_code: String,
    /// Its name for people.
    pub name: String,
    /// Store or warehouse (`type` in the file).
    pub location_type: LocationType,
    /// Lower is asked first.
    pub priority: i32,
    /// How many packages it takes at a time; no limit where it is left out.
    pub max_quota: Option<i64>,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The slug of its carrier; the installation's first where it is left out.
    pub cargo_company: Option<String>,
    /// The sender on a label.
    pub address: Address,
    /// Its fax number.
    pub fax_number: Option<String>,
    /// Its telephone number.
    pub phone: Option<String>,
    /// The number to call in the evening.
    pub evening_phone: Option<String>,
    /// Its mailbox.
    pub email: Option<String>,
    /// What it is for, a key each in the file.
    pub services: Services,
    /// Whether planning may choose it.
    pub is_active: bool,
    /// The groups it is in, for the scenarios.
    pub tags: Vec<String>,
    /// When it is open: `timezone`, `opening_hours` and `holidays` in the file.
    pub hours: Hours,
    /// Where the entry stands.
    pub at: Place,
}

impl StockLocation {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let required = ["erp_code", "name", "type", "priority", "latitude", "longitude"];
        reader.require(&required);
        Self {
            erp_code: reader.text("erp_code").unwrap_or_default(),
            name: reader.text("name").unwrap_or_default(),
            location_type: reader.choice("type").unwrap_or(LocationType::Store),
            priority: reader.count("priority", COUNTS).unwrap_or_default(),
            max_quota: reader.count("max_quota", COUNTS).map(i64::from),
            latitude: reader.degrees("latitude", 90.0).flatten().unwrap_or_default(),
            longitude: reader.degrees("longitude", 180.0).flatten().unwrap_or_default(),
            cargo_company: reader.slug("cargo_company"),
            address: reader.object("address", Address::read).unwrap_or_default(),
            fax_number: reader.text("fax_number"),
            phone: reader.text("phone"),
            evening_phone: reader.text("evening_phone"),
            email: reader.text("email"),
            services: read_services(reader),
            is_active: reader.flag("is_active").unwrap_or(true),
            tags: reader.texts("tags"),
            hours: reader.as_written(Hours::read),
            at: reader.finish(),
        }
    }
}

/// A key that is left out says what it says of a location by default.
fn read_services(reader: &mut Reader<'_>) -> Services {
    let plain = Services::default();
    Services {
        is_fulfillment_center: reader.flag("is_fulfillment_center").unwrap_or(plain.is_fulfillment_center),
        is_pickup_location: reader.flag("is_pickup_location").unwrap_or(plain.is_pickup_location),
        is_delivery_location: reader.flag("is_delivery_location").unwrap_or(plain.is_delivery_location),
        is_return_available: reader.flag("is_return_available").unwrap_or(plain.is_return_available),
        is_fast_delivery_available: reader
            .flag("is_fast_delivery_available")
            .unwrap_or(plain.is_fast_delivery_available),
    }
}

/// The address of a location. Every part may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Street and number.
    pub line: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// Township, district: the part of the city.
    pub township: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Country.
    pub country: Option<String>,
}

impl Address {
    fn read(reader: &mut Reader<'_>) -> Self {
        let address = Self {
            line: reader.text("line"),
            postcode: reader.text("postcode"),
            township: reader.text("township"),
            city: reader.text("city"),
            country: reader.text("country"),
        };
        reader.finish();
        address
    }
}

/// A `[[cargo_companies]]` entry: a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoCompany {
    /// Its fixed id: what commands send as `cargo_company`.
    pub id: Option<i64>,
    /// Its name for programs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// How shipments reach it.
    pub integration: Integration,
    /// Where the entry stands.
    pub at: Place,
}

impl CargoCompany {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["slug", "name", "integration"]);
        Self {
            id: reader.id("id"),
            slug: reader.slug("slug").unwrap_or_default(),
            name: reader.text("name").unwrap_or_default(),
            integration: reader.choice("integration").unwrap_or(Integration::Manual),
            at: reader.finish(),
        }
    }
}

/// A `[[denial_reasons]]` entry: why a store refuses a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialReason {
    /// Its fixed id: what commands send as `denial_reason`.
    pub id: Option<i64>,
    /// What the store reads and picks.
    pub title: String,
    /// Another system's own key.
    pub remote_id: Option<String>,
    /// For clients to sort by.
    pub priority: Option<i32>,
    /// Where the entry stands.
    pub at: Place,
}

impl DenialReason {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["title"]);
        Self {
            id: reader.id("id"),
            title: reader.text("title").unwrap_or_default(),
            remote_id: reader.text("remote_id"),
            priority: reader.count("priority", COUNTS),
            at: reader.finish(),
        }
    }
}

/// A `[[scenarios]]` entry: how an order is turned into packages. Requests write it in the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it says.
    pub definition: Definition,
    /// Where the entry stands.
    pub at: Place,
}

impl Scenario {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { definition: reader.as_written(Definition::read), at: reader.place() }
    }
}
