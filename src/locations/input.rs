//! What can be set of a location over HTTP.

use http::HeaderMap;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    error::Refusal,
    locations::Hours,
    reading::{self, Reader},
    wire,
};

/// Longest text, in characters.
const LONGEST: usize = 255;

/// What can be set of a location. `quota` is the system's own.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what `Given::read` reads")]
pub(crate) struct LocationInput {
    /// The ERP's word for it; required to create, unique.
    #[schema(max_length = 255)]
    erp_code: Option<String>,
    /// Required to create.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// `store` or `warehouse`; required to create.
    stock_location_type: Option<String>,
    /// Lower is asked first; 0 without one.
    priority: Option<i32>,
    /// True without one.
    is_active: Option<bool>,
    /// Null: no limit. May be set below `quota`: that only stops new packages.
    #[schema(minimum = 0)]
    max_quota: Option<i64>,
    /// Degrees; a number or a string of one.
    latitude: Option<String>,
    /// Degrees; a number or a string of one.
    longitude: Option<String>,
    /// Line, postcode, township, city, country.
    #[schema(value_type = Option<Object>)]
    address: Option<Value>,
    #[schema(max_length = 255)]
    fax_number: Option<String>,
    #[schema(max_length = 255)]
    daytime_phone: Option<String>,
    #[schema(max_length = 255)]
    evening_phone: Option<String>,
    #[schema(max_length = 255)]
    email: Option<String>,
    /// Whether orders are packed here; true without one.
    is_fulfillment_center: Option<bool>,
    /// Whether customers collect their orders here; false without one, as the following.
    is_pickup_location: Option<bool>,
    is_delivery_location: Option<bool>,
    is_return_available: Option<bool>,
    is_fast_delivery_available: Option<bool>,
    /// Id of a cargo company; null: the first active one.
    cargo_company: Option<i64>,
    /// The groups it is in, for scenarios.
    tags: Option<Vec<String>>,
    /// When it is open, replaced whole: `{"timezone": "Europe/Istanbul", "opening_hours": {"monday": ["09:00-18:00"]},
    /// "holidays": ["2026-01-01"]}`, each optional.
    #[schema(value_type = Option<Object>)]
    conf: Option<Value>,
}

/// The same after checks. What may be null is an option within one: the outer says whether it was sent.
#[derive(Debug)]
pub(crate) struct Given {
    pub erp_code: Option<String>,
    pub name: Option<String>,
    pub stock_location_type: Option<String>,
    pub priority: Option<i32>,
    pub is_active: Option<bool>,
    pub max_quota: Option<Option<i64>>,
    pub latitude: Option<Option<f64>>,
    pub longitude: Option<Option<f64>>,
    pub address: Option<Value>,
    pub fax_number: Option<Option<String>>,
    pub daytime_phone: Option<Option<String>>,
    pub evening_phone: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub is_fulfillment_center: Option<bool>,
    pub is_pickup_location: Option<bool>,
    pub is_delivery_location: Option<bool>,
    pub is_return_available: Option<bool>,
    pub is_fast_delivery_available: Option<bool>,
    pub cargo_company: Option<Option<i64>>,
    pub tags: Option<Vec<String>>,
    /// `conf`, as it is stored.
    pub hours: Option<Value>,
}

impl Given {
    /// Reads a body; `required` are the keys it must have.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8], required: &[&str]) -> Result<Self, Refusal> {
        wire::check_media_type(headers)?;
        reading::body(body, |reader| {
            reader.require(required);
            Self {
                erp_code: reader.text("erp_code"),
                name: reader.text("name"),
                stock_location_type: kind(reader),
                priority: reader.count("priority", i32::MIN..=i32::MAX),
                is_active: reader.flag("is_active"),
                max_quota: reader.limit("max_quota"),
                latitude: reader.degrees("latitude", 90.0),
                longitude: reader.degrees("longitude", 180.0),
                address: reader.json("address").map(Value::Object),
                fax_number: reader.nullable_text("fax_number", LONGEST),
                daytime_phone: reader.nullable_text("daytime_phone", LONGEST),
                evening_phone: reader.nullable_text("evening_phone", LONGEST),
                email: reader.nullable_text("email", LONGEST),
                is_fulfillment_center: reader.flag("is_fulfillment_center"),
                is_pickup_location: reader.flag("is_pickup_location"),
                is_delivery_location: reader.flag("is_delivery_location"),
                is_return_available: reader.flag("is_return_available"),
                is_fast_delivery_available: reader.flag("is_fast_delivery_available"),
                cargo_company: reader.nullable_id("cargo_company"),
                tags: reader.texts_if_given("tags"),
                hours: reader.writing("conf", read_hours).map(|hours| Value::Object(hours.to_json())),
            }
        })
    }
}

fn kind(reader: &mut Reader<'_>) -> Option<String> {
    let kind = reader.text("stock_location_type")?;
    if kind != "store" && kind != "warehouse" {
        reader.wrong("stock_location_type", "Choose store or warehouse.");
    }
    Some(kind)
}

fn read_hours(reader: &mut Reader<'_>) -> Hours {
    let hours = Hours::read(reader);
    reader.finish();
    hours
}
