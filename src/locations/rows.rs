//! Locations in the database: one record, whole; beside it the columns that queries join, count, sort and filter by.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, json, value::RawValue};

use super::{Location, senders::NO_OBJECT};
use crate::{
    db::PgConnection,
    error::{Error, Result},
    reading::Form as _,
    record::Record,
    wire::raw,
};

/// What has a column of its own, is the system's own, or is on the wire alone.
const NOT_ATTRIBUTES: [&str; 15] = [
    "id",
    "erp_code",
    "name",
    "stock_location_type",
    "priority",
    "is_active",
    "max_quota",
    "address",
    "cargo_company",
    "omnitron_id",
    "engine",
    "quota",
    "available_quota",
    "created_date",
    "modified_date",
];

static BLANK: LazyLock<Map<String, Value>> = LazyLock::new(|| Location::blank().as_object());

impl Location {
    /// A location from the record that was kept of it. What is not in it, because it was unknown then, is as in a blank.
    ///
    /// # Errors
    /// When this version does not understand it.
    pub fn from_record(record: &str) -> Result<Self> {
        let read = || -> serde_json::Result<Self> {
            let mut whole = BLANK.clone();
            whole.extend(serde_json::from_str::<Map<String, Value>>(record)?);
            if let Some(id) = whole.swap_remove("cargo_company_id") {
                whole.insert("cargo_company".to_owned(), id);
            }
            serde_json::from_value(Value::Object(whole))
        };
        let mut location = read()
            .map_err(|error| Error::Fault(format!("a location's record that this version cannot read: {error}")))?;
        if let Some(quota) = location.quota {
            location.set_quota(quota);
        }
        Ok(location)
    }

    fn set_quota(&mut self, quota: i64) {
        self.quota = Some(quota);
        self.available_quota = Some(self.max_quota.map(|most| most - quota));
    }

    fn as_object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        }
    }

    /// What has no column of its own; what says nothing is left out.
    fn attributes(&self) -> Map<String, Value> {
        let mut attributes = self.as_object();
        attributes.retain(|key, value| !value.is_null() && !NOT_ATTRIBUTES.contains(&key.as_str()));
        attributes
    }
}

/// Reads locations by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Location>> {
    let records = sqlx::query_scalar!(
        r#"select location_record(l)::text as "record!" from stock_locations l where id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    records.iter().map(|record| Location::from_record(record).map(|location| (location.id, location))).collect()
}

/// A location as it is now, and as it is shown.
#[derive(Debug, Clone)]
pub struct CurrentLocation {
    sequence: i64,
    /// The location with its room.
    pub location: Arc<Location>,
    /// Its JSON.
    pub json: Arc<RawValue>,
}

impl CurrentLocation {
    fn new(sequence: i64, location: Location) -> Self {
        let json = raw(&location).into();
        Self { sequence, location: Arc::new(location), json }
    }

    /// The same with another room.
    fn with_quota(&self, quota: i64) -> Self {
        let mut location = Location::clone(&self.location);
        location.set_quota(quota);
        Self::new(self.sequence, location)
    }
}

/// Locations as they were read last: making a record of a row, and JSON of a record, is most of the work of reading a
/// package. A location counts its changes, so one that was changed is known, and is read again; what is free of its room is
/// read each time.
#[derive(Debug, Default)]
pub struct LocationCache(Mutex<HashMap<i64, CurrentLocation>>);

impl LocationCache {
    /// As [`load`].
    ///
    /// # Errors
    /// As [`load`].
    pub async fn load(&self, connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, CurrentLocation>> {
        let rows = sqlx::query!("select id, quota, event_sequence from stock_locations where id = any($1)", ids)
            .fetch_all(&mut *connection)
            .await?;
        let mut locations = HashMap::with_capacity(rows.len());
        let mut changed = Vec::new();
        {
            let mut known = self.known();
            for row in rows {
                match known.get_mut(&row.id) {
                    Some(known) if known.sequence == row.event_sequence => {
                        if known.location.quota != Some(row.quota) {
                            *known = known.with_quota(row.quota);
                        }
                        locations.insert(row.id, known.clone());
                    }
                    _ => changed.push(row.id),
                }
            }
        }
        if !changed.is_empty() {
            let rows = sqlx::query!(
                r#"select id, event_sequence, location_record(l)::text as "record!"
                     from stock_locations l where id = any($1)"#,
                &changed
            )
            .fetch_all(connection)
            .await?;
            for row in rows {
                let current = CurrentLocation::new(row.event_sequence, Location::from_record(&row.record)?);
                self.known().insert(row.id, current.clone());
                locations.insert(row.id, current);
            }
        }
        Ok(locations)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<i64, CurrentLocation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every location as it was in a version of the installation, by id.
///
/// # Errors
/// When the database fails, or holds a record that this version does not understand.
pub async fn all_as_of(connection: &mut PgConnection, version: i64) -> Result<BTreeMap<i64, Location>> {
    let records = sqlx::query_scalar!(
        r#"select distinct on (stock_location_id) location::text as "record!"
             from stock_location_versions where installation_version <= $1
            order by stock_location_id, installation_version desc"#,
        version
    )
    .fetch_all(connection)
    .await?;
    records.iter().map(|record| Location::from_record(record).map(|location| (location.id, location))).collect()
}

/// Reads locations as they were in versions of the installation, by (id, version).
///
/// # Errors
/// As [`all_as_of`].
pub async fn as_of(
    connection: &mut PgConnection,
    ids: &[i64],
    versions: &[i64],
) -> Result<HashMap<(i64, i64), Location>> {
    let rows = sqlx::query!(
        r#"with wanted as (
               select distinct * from unnest($1::bigint[], $2::bigint[]) as w(id, version)
           )
           select w.id as "location_id!", w.version as "version!",
                  (select v.location::text from stock_location_versions v
                    where v.stock_location_id = w.id and v.installation_version <= w.version
                    order by v.installation_version desc limit 1) as record
             from wanted w"#,
        ids,
        versions
    )
    .fetch_all(connection)
    .await?;
    let told = rows.iter().filter_map(|row| Some(((row.location_id, row.version), row.record.as_deref()?)));
    told.map(|(key, record)| Location::from_record(record).map(|location| (key, location))).collect()
}

/// Versions and events of a location follow its rows by themselves (migration 0014).
impl Record for Location {
    const TABLE: &'static str = "stock_locations";
    const PLURAL: &'static str = "locations";
    const REQUIRED_IN_FILES: &'static [&'static str] = &["erp_code", "name", "type", "priority"];
    const HAS_FIXED_IDS: bool = false;
    const REFERENCES: &'static [&'static str] = &["cargo_company"];
    const UNIQUE: &'static [&'static str] = &["erp_code"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("stock_locations_erp_code_key", "erp_code", "There is a stock location {} already."),
        ("stock_locations_cargo_company_id_fkey", "cargo_company", NO_OBJECT),
    ];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "erp_code": self.erp_code,
            "name": self.name,
            "stock_location_type": self.stock_location_type.as_str(),
            "priority": self.priority,
            "is_active": self.is_active,
            "max_quota": self.max_quota,
            "address": self.address,
            "cargo_company_id": self.cargo_company,
            "omnitron_id": self.omnitron_id,
            "attributes": self.attributes(),
        })
    }
}
