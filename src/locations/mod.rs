//! Stock locations: stores and warehouses.
//!
//! A location is one record, [`Location`]: what requests and files write, what is answered and told by
//! events, what is kept in versions, and what planning looks at.

mod address;
pub mod hours;
pub mod lists;
mod rows;
pub mod senders;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::{
    address::{Address, Degrees},
    hours::Hours,
    rows::{CurrentLocation, LocationCache, all_as_of, as_of, load},
};
use crate::{
    reading::{Form, Reader, set},
    wire::Timestamp,
};

/// Longest telephone number or mailbox, in characters.
const LONGEST: usize = 255;

/// What kind of place a location is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = StockLocationType)]
#[serde(rename_all = "snake_case")]
pub enum LocationType {
    /// A shop.
    #[default]
    Store,
    /// A warehouse.
    Warehouse,
}

impl LocationType {
    /// Every kind there is, with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("store", Self::Store), ("warehouse", Self::Warehouse)];

    /// The word in files, on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Warehouse => "warehouse",
        }
    }
}

/// A stock location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StockLocation)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the wire")]
pub struct Location {
    /// Its id; 0 before it is stored.
    pub id: i64,
    /// When it is open: `timezone`, `opening_hours`, `holidays`, as far as they are known. It is replaced whole:
    /// `{"timezone": "Europe/Istanbul", "opening_hours": {"monday": ["09:00-18:00"]}, "holidays": ["2026-01-01"]}`.
    pub conf: Hours,
    /// Its name for people.
    pub name: String,
    /// Its mailbox.
    pub email: Option<String>,
    /// Always null: of the original's, without meaning here.
    pub engine: Option<i64>,
    /// Line, postcode, township, city, country; in answers also latitude and longitude.
    pub address: Address,
    /// The ERP's word for it; unique.
    pub erp_code: String,
    /// Lower is asked first.
    pub priority: i32,
    /// Whether planning may choose it.
    pub is_active: bool,
    /// Its fax number.
    pub fax_number: Option<String>,
    /// When it was added.
    pub created_date: Timestamp,
    /// Its telephone number.
    pub daytime_phone: Option<String>,
    /// The number to call in the evening.
    pub evening_phone: Option<String>,
    /// When it was changed last.
    pub modified_date: Timestamp,
    /// The upstream's own key.
    pub omnitron_id: Option<i64>,
    /// `store` or `warehouse`.
    pub stock_location_type: LocationType,
    /// Whether orders are packed here. Clients read this and the following; planning asks its scenarios instead.
    pub is_fulfillment_center: bool,
    /// Whether customers collect their orders here.
    pub is_pickup_location: bool,
    /// Whether orders are delivered from here.
    pub is_delivery_location: bool,
    /// Whether customers bring goods back here.
    pub is_return_available: bool,
    /// Whether it delivers at once.
    pub is_fast_delivery_available: bool,
    /// Id of the cargo company that carries what is packed here; null: the first active one.
    pub cargo_company: Option<i64>,
    /// Most packages that may occupy it; null: no limit. Below `quota` it only stops new packages.
    pub max_quota: Option<i64>,
    /// Packages that occupy it now. Events do not tell it: it would be old when they arrive.
    #[schema(value_type = i64)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    /// `max_quota - quota`; null: no limit. Events do not tell it either.
    #[schema(value_type = Option<i64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_quota: Option<Option<i64>>,
    /// The groups it is in, for scenarios.
    pub tags: Vec<String>,
    /// Most kilograms of one order that it can handle, for scenarios; left out, as in events of before: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64)]
    pub max_weight_kg: Option<f64>,
}

impl Location {
    /// Latitude and longitude in degrees, where both are known.
    #[must_use]
    pub fn coordinates(&self) -> Option<(f64, f64)> {
        self.address.coordinates()
    }

    /// The location without its quota, for users who do not see it.
    #[must_use]
    pub fn without_quota(self) -> Self {
        Self { max_quota: None, quota: None, available_quota: None, ..self }
    }

    /// The city of its address.
    #[must_use]
    pub fn city(&self) -> Option<&str> {
        self.address.name_of("city")
    }

    /// The country of its address: a code or a name.
    #[must_use]
    pub fn country(&self) -> Option<&str> {
        self.address.name_of("country")
    }
}

impl Form for Location {
    const REQUIRED: &'static [&'static str] = &["erp_code", "name", "stock_location_type"];

    /// It is active, and orders are packed there.
    fn blank() -> Self {
        Self { is_active: true, is_fulfillment_center: true, ..Self::default() }
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.erp_code, reader.lines("erp_code"));
        set(&mut self.name, reader.prose("name"));
        set(&mut self.stock_location_type, location_type(reader));
        set(&mut self.priority, reader.count("priority", i32::MIN..=i32::MAX));
        set(&mut self.is_active, reader.flag("is_active"));
        set(&mut self.max_quota, reader.limit("max_quota"));
        set(&mut self.address.latitude, degrees(reader, "latitude", 90.0));
        set(&mut self.address.longitude, degrees(reader, "longitude", 180.0));
        self.address.forget_nowhere();
        if let Some(parts) = address(reader) {
            self.address.set_parts(parts);
        }
        set(&mut self.fax_number, reader.nullable_prose("fax_number", LONGEST));
        set(&mut self.daytime_phone, reader.nullable_prose(reader.key("daytime_phone", "phone"), LONGEST));
        set(&mut self.evening_phone, reader.nullable_prose("evening_phone", LONGEST));
        set(&mut self.email, reader.nullable_prose("email", LONGEST));
        set(&mut self.is_fulfillment_center, reader.flag("is_fulfillment_center"));
        set(&mut self.is_pickup_location, reader.flag("is_pickup_location"));
        set(&mut self.is_delivery_location, reader.flag("is_delivery_location"));
        set(&mut self.is_return_available, reader.flag("is_return_available"));
        set(&mut self.is_fast_delivery_available, reader.flag("is_fast_delivery_available"));
        if reader.is_request() {
            // A file names the company by its slug.
            set(&mut self.cargo_company, reader.nullable_id("cargo_company"));
        }
        set(&mut self.tags, reader.texts_if_given("tags"));
        set(&mut self.conf, hours(reader));
        set(&mut self.max_weight_kg, reader.amount("max_weight_kg"));
    }
}

fn location_type(reader: &mut Reader<'_>) -> Option<LocationType> {
    if !reader.is_request() {
        return reader.choice("type");
    }
    let text = reader.text("stock_location_type")?;
    let found = LocationType::WORDS.iter().find(|(word, _)| *word == text).map(|(_, kind)| *kind);
    if found.is_none() {
        reader.wrong("stock_location_type", "Choose store or warehouse.");
    }
    found
}

fn degrees(reader: &mut Reader<'_>, key: &'static str, most: f64) -> Option<Option<Degrees>> {
    reader.degrees(key, most).map(|degrees| degrees.map(Degrees::new))
}

/// A request may send any parts; a file has those that are printed on labels.
fn address(reader: &mut Reader<'_>) -> Option<Map<String, Value>> {
    if reader.is_request() {
        return reader.json("address");
    }
    reader.object("address", |reader| {
        let texts = ["line", "postcode", "township", "city", "country"]
            .map(|key| reader.prose_within(key, usize::MAX).map(|text| (key.to_owned(), Value::String(text))));
        reader.finish();
        texts.into_iter().flatten().collect()
    })
}

/// In a file the hours are keys of the location itself.
fn hours(reader: &mut Reader<'_>) -> Option<Hours> {
    if !reader.is_request() {
        return Some(reader.as_written(|reader| {
            let hours = Hours::read(reader);
            hours.refuse_unmeant(reader);
            hours
        }));
    }
    reader.writing("conf", |reader| {
        let hours = Hours::read(reader);
        hours.refuse_unmeant(reader);
        reader.finish();
        hours
    })
}
