//! Where orders are packed and by which rules they get there: `[[stock_locations]]`,
//! `[[cargo_companies]]`, `[[denial_reasons]]` and `[[scenarios]]`.

use serde::Serialize;

use super::fields::Fields;
use super::problem::Place;
use super::words::{Integration, LocationType};
use crate::locations::{Hours, Services, hours};
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
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let required = ["erp_code", "name", "type", "priority", "latitude", "longitude"];
        fields.require(&required);
        Self {
            erp_code: fields.text("erp_code").unwrap_or_default(),
            name: fields.text("name").unwrap_or_default(),
            location_type: fields.choice("type").unwrap_or(LocationType::Store),
            priority: fields.count("priority").unwrap_or_default(),
            max_quota: fields.count("max_quota").map(i64::from),
            latitude: fields.degrees("latitude", 90.0).unwrap_or_default(),
            longitude: fields.degrees("longitude", 180.0).unwrap_or_default(),
            cargo_company: fields.slug("cargo_company"),
            address: fields.table("address", Address::read).unwrap_or_default(),
            fax_number: fields.text("fax_number"),
            phone: fields.text("phone"),
            evening_phone: fields.text("evening_phone"),
            email: fields.text("email"),
            services: read_services(fields),
            is_active: fields.flag("is_active").unwrap_or(true),
            tags: fields.texts("tags"),
            hours: fields.keys_with(&hours::KEYS, Hours::read),
            at: fields.finish(),
        }
    }
}

/// A key that is left out says what it says of a location by default.
fn read_services(fields: &mut Fields<'_, '_>) -> Services {
    let plain = Services::default();
    Services {
        is_fulfillment_center: fields.flag("is_fulfillment_center").unwrap_or(plain.is_fulfillment_center),
        is_pickup_location: fields.flag("is_pickup_location").unwrap_or(plain.is_pickup_location),
        is_delivery_location: fields.flag("is_delivery_location").unwrap_or(plain.is_delivery_location),
        is_return_available: fields.flag("is_return_available").unwrap_or(plain.is_return_available),
        is_fast_delivery_available: fields
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
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let address = Self {
            line: fields.text("line"),
            postcode: fields.text("postcode"),
            township: fields.text("township"),
            city: fields.text("city"),
            country: fields.text("country"),
        };
        fields.finish();
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
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require(&["slug", "name", "integration"]);
        Self {
            id: fields.id("id"),
            slug: fields.slug("slug").unwrap_or_default(),
            name: fields.text("name").unwrap_or_default(),
            integration: fields.choice("integration").unwrap_or(Integration::Manual),
            at: fields.finish(),
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
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        fields.require(&["title"]);
        Self {
            id: fields.id("id"),
            title: fields.text("title").unwrap_or_default(),
            remote_id: fields.text("remote_id"),
            priority: fields.count("priority"),
            at: fields.finish(),
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
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let (definition, at) = fields.all_with(Definition::read);
        Self { definition, at }
    }
}
