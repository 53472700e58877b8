//! Locations pushed by the upstream: its retail stores become stock locations.
//!
//! The upstream decides a store's name and place. The fields of this server (priority, limit, tags, opening hours,
//! carrier) are never changed. A store is known by the upstream's key, or else by its ERP code.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    audit::{self, Actor},
    commands::wake_signal::WakeSignal,
    db::{self, PgConnection, PgPool},
    error::{OnConstraint as _, Refusal, Result},
    locations::{Degrees, Location, LocationType},
    openapi::Written,
    reading::{self, Form as _, Reader, no_dictionary, set, values},
    record,
};

/// A store as it is sent: what [`Store::read`] reads; the upstream sends more.
pub(crate) const STORE: Written = Written {
    name: "UpstreamStore",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "A retail store, as the upstream has it.",
        "required": ["pk", "erp_code", "name"], "properties": {
        "pk": {"type": "integer", "description": "The upstream's own key."},
        "erp_code": {"type": "string"}, "name": {"type": "string"},
        "stock_location_type": {"type": "string", "description": "`store` or `warehouse`."},
        "is_active": {"type": "boolean"},
        "latitude": {"type": ["string", "number", "null"], "description": "Degrees."},
        "longitude": {"type": ["string", "number", "null"], "description": "Degrees."},
        "address": {"type": ["string", "null"], "description": "Street and number."},
        "postcode": {"type": ["string", "null"]},
        "township": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": ["string", "integer", "null"]}]},
        "phone_number": {"type": ["string", "null"]}, "email": {"type": ["string", "null"]},
        "modified_date": {"type": "string", "format": "date-time"}}}"##,
};

/// A store of the upstream. Unknown fields leave the location as it is.
#[derive(Debug, Clone, PartialEq)]
struct Store {
    pk: i64,
    erp_code: String,
    name: String,
    is_warehouse: Option<bool>,
    is_active: Option<bool>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    /// `line`, `postcode`, `city`, `country`, as far as known.
    address: BTreeMap<&'static str, String>,
    phone: Option<String>,
    email: Option<String>,
    modified: Option<DateTime<Utc>>,
}

/// A text, or the `name` of an object (`{"pk", "name"}`).
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(_) => return text(&value["name"]),
        Value::String(text) => text.replace('\0', "").trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The name of a place, which may be nested (`township.city.country`), the nearest first.
fn place(payload: &Value, name: &str) -> Option<String> {
    let within = ["city", "township", "district"];
    let named = |value: &Value| match value {
        // A number is a key of the upstream, not a name.
        Value::Number(_) => None,
        value => text(value),
    };
    let inner = |value: &Value| {
        within.iter().find_map(|outer| match &value[outer] {
            nested @ Value::Object(_) => place(nested, name),
            _ => None,
        })
    };
    named(&payload[name]).or_else(|| inner(payload)).or_else(|| match &payload["address"] {
        address @ Value::Object(_) => place(address, name),
        _ => None,
    })
}

impl Store {
    /// Reads the payload of `retail_store.created` or `retail_store.updated`.
    fn of_payload(payload: &Value) -> Result<Self, Refusal> {
        let Value::Object(object) = payload else { return Err(Refusal::non_field(&no_dictionary(payload))) };
        let store = reading::request(object, |reader| Self::read(reader, payload))?;
        store.ok_or_else(|| Refusal::non_field("No store was sent."))
    }

    /// What a store cannot be without is read strictly. Of the rest, a value of an unexpected form is left out.
    fn read(reader: &mut Reader<'_>, payload: &Value) -> Option<Self> {
        let key = if reader.has("id") && !reader.has("pk") { "id" } else { "pk" };
        reader.require(&[key, "erp_code", "name"]);
        let pk = reader.integer(key, i64::MIN..=i64::MAX);
        let (erp_code, name) = (reader.text("erp_code"), reader.text("name"));
        let modified = if payload["modified_date"].is_null() { None } else { reader.date_time("modified_date") };
        let address = &payload["address"];
        let of_address = |name: &str| text(&payload[name]).or_else(|| text(&address[name]));
        let line = if address.is_object() { of_address("line") } else { text(address).or_else(|| of_address("line")) };
        let parts = [
            ("line", line),
            ("postcode", of_address("postcode")),
            ("city", place(payload, "city")),
            ("country", place(payload, "country")),
        ];
        let degrees = |name: &str, most: f64| values::degrees(&of_address(name)?.into(), most);
        let (latitude, longitude) = match (degrees("latitude", 90.0), degrees("longitude", 180.0)) {
            (Some(north), Some(east)) if values::is_nowhere(north, east) => (None, None),
            known => known,
        };
        let kind = text(&payload["stock_location_type"]).or_else(|| text(&payload["store_type"]));
        Some(Self {
            pk: pk?,
            erp_code: erp_code?,
            name: name?,
            is_warehouse: kind.map(|kind| kind.eq_ignore_ascii_case("warehouse")),
            is_active: payload["is_active"].as_bool(),
            latitude,
            longitude,
            address: parts.into_iter().filter_map(|(key, part)| Some((key, part?))).collect(),
            phone: text(&payload["phone_number"]).or_else(|| text(&payload["daytime_phone"])),
            email: text(&payload["email"]),
            modified,
        })
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreTaken {
    /// Id of the stock location.
    stock_location: i64,
    /// False where nothing was new: it was heard before, or something newer was.
    changed: bool,
}

/// Takes a location that somebody pushes; whether it is new.
///
/// # Errors
/// 400 for a payload that is no location, or one whose code another location has; when the database fails.
pub(crate) async fn take(
    pool: &PgPool,
    wake_signal: &WakeSignal,
    payload: &Value,
    actor: &Actor,
) -> Result<(bool, StoreTaken)> {
    let store = Store::of_payload(payload)?;
    // Mostly nothing is new: that is checked without a lock.
    if let Some(known) = find(&mut *pool.acquire().await?, &store).await?
        && known.has_all_of(&store)
    {
        return Ok((false, StoreTaken { stock_location: known.location.id, changed: false }));
    }
    let taken = take_under_lock(pool, &store, actor).await?;
    wake_signal.wake();
    Ok(taken)
}

/// A location that is known, and the upstream's date of the change that was heard last.
struct Known {
    location: Location,
    remote_modified_date: Option<DateTime<Utc>>,
}

impl Known {
    /// True if a store brings nothing new: it is older, or the same.
    fn has_all_of(&self, store: &Store) -> bool {
        if self.remote_modified_date.zip(store.modified).is_some_and(|(heard, sent)| sent < heard) {
            return true;
        }
        store.over(&self.location) == self.location
            && (store.modified.is_none() || store.modified == self.remote_modified_date)
    }
}

impl Store {
    /// A location with what the upstream says of it.
    fn over(&self, location: &Location) -> Location {
        let mut location = Location { erp_code: self.erp_code.clone(), name: self.name.clone(), ..location.clone() };
        location.omnitron_id = Some(self.pk);
        let kind = |is_warehouse| if is_warehouse { LocationType::Warehouse } else { LocationType::Store };
        set(&mut location.stock_location_type, self.is_warehouse.map(kind));
        set(&mut location.is_active, self.is_active);
        set(&mut location.address.latitude, self.latitude.map(|degrees| Some(Degrees::new(degrees))));
        set(&mut location.address.longitude, self.longitude.map(|degrees| Some(Degrees::new(degrees))));
        for (part, text) in &self.address {
            location.address.set_part(part, text);
        }
        set(&mut location.daytime_phone, self.phone.clone().map(Some));
        set(&mut location.email, self.email.clone().map(Some));
        location
    }
}

async fn find(connection: &mut PgConnection, store: &Store) -> Result<Option<Known>> {
    let row = sqlx::query!(
        r#"select location_record(l)::text as "record!", s.modified_date as "modified_date?"
             from stock_locations l left join upstream_stores s on s.stock_location_id = l.id
            where l.omnitron_id = $1 or (l.omnitron_id is null and l.erp_code = $2)
            order by l.omnitron_id is null limit 1"#,
        store.pk,
        store.erp_code
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(Known { location: Location::from_record(&row.record)?, remote_modified_date: row.modified_date }))
        .transpose()
}

async fn take_under_lock(pool: &PgPool, store: &Store, actor: &Actor) -> Result<(bool, StoreTaken)> {
    let mut transaction = audit::begin(pool, actor).await?;
    // Locked first, as when an installation is applied. It also lets one store be written at a time.
    db::announce(&mut transaction).await?;
    let known = find(&mut transaction, store).await?;
    let is_new = known.is_none();
    let taken = match known {
        Some(known) if known.has_all_of(store) => StoreTaken { stock_location: known.location.id, changed: false },
        known => StoreTaken { stock_location: write(&mut transaction, known, store).await?, changed: true },
    };
    transaction.commit().await?;
    Ok((is_new, taken))
}

/// Writes the changes. A new location comes after all others.
async fn write(connection: &mut PgConnection, known: Option<Known>, store: &Store) -> Result<i64> {
    let location = if let Some(known) = known {
        known.location
    } else {
        let last = sqlx::query_scalar!(r#"select coalesce(max(priority), 0) as "last!" from stock_locations"#);
        Location { priority: last.fetch_one(&mut *connection).await? + 10, ..Location::blank() }
    };
    let location = store.over(&location);
    let stored = record::store(connection, &location).await;
    let id = stored.on_constraint("stock_locations_erp_code_key", || {
        Refusal::field("erp_code", format!("Another stock location has the code {} already.", store.erp_code))
    })?;
    if let Some(modified) = store.modified {
        sqlx::query!(
            "insert into upstream_stores (stock_location_id, modified_date) values ($1, $2)
             on conflict (stock_location_id) do update set modified_date = excluded.modified_date",
            id,
            modified
        )
        .execute(connection)
        .await?;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_store_is_read_from_what_is_known_of_it() {
        let store = Store::of_payload(&json!({
            "pk": 7, "erp_code": 369, "name": " Kadıköy ", "is_active": false, "latitude": "40.99", "longitude": 29.03,
            "township": { "pk": 3, "name": "Kadıköy", "city": { "pk": 34, "name": "İstanbul", "country": {
                "pk": 1, "name": "Türkiye" } } }, "address": "Bahariye 7", "phone_number": "1", "segment": 4,
            "modified_date": "2026-01-02T03:04:05Z"
        }))
        .expect("a store");
        assert_eq!((store.pk, store.erp_code.as_str(), store.name.as_str()), (7, "369", "Kadıköy"));
        assert_eq!(json!(store.address), json!({ "line": "Bahariye 7", "city": "İstanbul", "country": "Türkiye" }));
        assert_eq!((store.latitude, store.longitude, store.is_active), (Some(40.99), Some(29.03), Some(false)));
        assert_eq!((store.is_warehouse, store.email), (None, None));
    }

    #[test]
    fn keys_of_the_upstream_are_no_names_and_nonsense_is_left_out() {
        let store = Store::of_payload(&json!({
            "pk": 7, "erp_code": "A", "name": "B", "township": 3, "city": 34, "latitude": "91",
            "address": { "line": "C", "postcode": 34710, "city": { "name": "D" } }
        }));
        let store = store.expect("a store");
        assert_eq!(json!(store.address), json!({ "line": "C", "postcode": "34710", "city": "D" }));
        assert_eq!((store.latitude, store.modified), (None, None));
        let refusal = Store::of_payload(&json!({ "modified_date": "soon" })).expect_err("refused");
        let fields: Vec<&String> = refusal.error.as_object().expect("fields").keys().collect();
        assert_eq!(fields, ["pk", "erp_code", "name", "modified_date"]);
    }
}
