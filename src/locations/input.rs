//! What can be set of a location over HTTP.

use http::HeaderMap;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    error::Refusal,
    fields::Fields,
    locations::Hours,
    reading::values::integer,
    reading::{self, Reader},
    spelling::unsound,
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
        let mut fields = Fields::of(body)?;
        fields.require(required);
        let given = Self {
            erp_code: fields.text("erp_code", LONGEST),
            name: fields.text("name", LONGEST),
            stock_location_type: kind(&mut fields),
            priority: priority(&mut fields),
            is_active: fields.flag("is_active"),
            max_quota: max_quota(&mut fields),
            latitude: degrees(&mut fields, "latitude", 90.0),
            longitude: degrees(&mut fields, "longitude", 180.0),
            address: object(&mut fields, "address"),
            fax_number: contact(&mut fields, "fax_number"),
            daytime_phone: contact(&mut fields, "daytime_phone"),
            evening_phone: contact(&mut fields, "evening_phone"),
            email: contact(&mut fields, "email"),
            is_fulfillment_center: fields.flag("is_fulfillment_center"),
            is_pickup_location: fields.flag("is_pickup_location"),
            is_delivery_location: fields.flag("is_delivery_location"),
            is_return_available: fields.flag("is_return_available"),
            is_fast_delivery_available: fields.flag("is_fast_delivery_available"),
            cargo_company: cargo_company(&mut fields),
            tags: tags(&mut fields),
            hours: hours(&mut fields),
        };
        fields.finish()?;
        Ok(given)
    }
}

fn kind(fields: &mut Fields) -> Option<String> {
    let kind = fields.text("stock_location_type", LONGEST)?;
    if kind != "store" && kind != "warehouse" {
        fields.refuse("stock_location_type", "Choose store or warehouse.");
    }
    Some(kind)
}

fn priority(fields: &mut Fields) -> Option<i32> {
    let number = integer(fields.value("priority")?).and_then(|number| i32::try_from(number).ok());
    if number.is_none() {
        fields.refuse("priority", "A valid integer is required.");
    }
    number
}

fn max_quota(fields: &mut Fields) -> Option<Option<i64>> {
    let value = fields.value("max_quota")?;
    if value.is_null() {
        return Some(None);
    }
    let message = match integer(value) {
        Some(most) if most >= 0 => return Some(Some(most)),
        Some(_) => "Ensure this value is greater than or equal to 0.",
        None => "A valid integer is required. Send null for no limit.",
    };
    fields.refuse("max_quota", message);
    None
}

fn degrees(fields: &mut Fields, name: &str, most: f64) -> Option<Option<f64>> {
    let number = match fields.value(name)? {
        Value::Null => return Some(None),
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    };
    let number = number.filter(|number: &f64| number.abs() <= most);
    if number.is_none() {
        fields.refuse(name, format!("A number of degrees between -{most} and {most} is required."));
    }
    number.map(Some)
}

/// A number or an address by which it is reached; null where there is none.
fn contact(fields: &mut Fields, name: &str) -> Option<Option<String>> {
    fields.has(name).then(|| fields.nullable_text(name, LONGEST))
}

fn object(fields: &mut Fields, name: &str) -> Option<Value> {
    let value = fields.value(name)?.clone();
    if !value.is_object() {
        fields.refuse(name, format!("Expected a dictionary, but got {}.", wire::python_type(&value)));
        return None;
    }
    if wire::has_null_character(&value) {
        fields.refuse(name, "Null characters are not allowed.");
        return None;
    }
    Some(value)
}

fn cargo_company(fields: &mut Fields) -> Option<Option<i64>> {
    if fields.value("cargo_company")?.is_null() {
        return Some(None);
    }
    fields.id("cargo_company").map(Some)
}

fn tags(fields: &mut Fields) -> Option<Vec<String>> {
    let texts = match fields.value("tags")? {
        Value::Array(tags) => tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let Some(tags) = texts else {
        fields.refuse("tags", "A list of texts is required.");
        return None;
    };
    if let Some((tag, (message, remedy))) = tags.iter().find_map(|tag| Some((tag, unsound(tag)?))) {
        fields.refuse("tags", format!("`{tag}` {message} — {remedy}"));
        return None;
    }
    Some(tags)
}

fn hours(fields: &mut Fields) -> Option<Value> {
    let conf = object(fields, "conf")?;
    match reading::whole(conf.as_object()?, read_hours) {
        Ok(hours) => Some(Value::Object(hours.to_json())),
        Err(defects) => {
            fields.refuse_all("conf", defects.iter().map(ToString::to_string).collect());
            None
        }
    }
}

fn read_hours(reader: &mut Reader<'_>) -> Hours {
    let hours = Hours::read(reader);
    reader.finish();
    hours
}
