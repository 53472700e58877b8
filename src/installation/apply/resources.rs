//! Companies, locations, scenarios, reasons, sender addresses and conditions: what differs is written. What came from a
//! file and is there no more goes, or is kept, passive, where clients send its id; what was made over HTTP stays.

use std::collections::HashMap;

use super::{StateIds, refuse, reserve_ids, shared};
use crate::{
    db::PgConnection,
    error::{Error, Result},
    installation::{
        installed::Installed,
        items::{ADDRESS_PARTS, Section},
        plan::Plan,
        read::{Entry, Installation},
    },
    locations::Location,
    record::{self, Record, value, violated},
    scenarios::{self, References},
};

/// Ids by the name that files have for an object.
type Ids = HashMap<String, i64>;

/// Writes the cargo companies; the ids of all by slug.
pub(super) async fn cargo_companies(connection: &mut PgConnection, wanted: &Installation, plan: &Plan) -> Result<Ids> {
    store(&mut *connection, &wanted.cargo_companies, plan, Section::CargoCompanies, |entry| Ok(entry.record.clone()))
        .await?;
    let gone = plan.gone(Section::CargoCompanies);
    if !gone.is_empty() {
        sqlx::query!("update cargo_companies set is_active = false where id = any($1)", &gone)
            .execute(&mut *connection)
            .await?;
    }
    let rows = sqlx::query!("select id, slug from cargo_companies").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.slug, row.id)).collect())
}

/// Writes the locations, with one statement for all; the ids of all by ERP code. One that is gone is passive.
pub(super) async fn locations(
    connection: &mut PgConnection,
    wanted: &Installation,
    plan: &Plan,
    installed: &Installed,
    companies: &Ids,
) -> Result<Ids> {
    let known: HashMap<&str, &Location> =
        installed.installation.stock_locations.iter().map(|entry| (&*entry.record.erp_code, &entry.record)).collect();
    let mut written: Vec<Location> = plan
        .written(Section::StockLocations)
        .map(|(at, _)| {
            let entry = &wanted.stock_locations[at];
            let company = wanted.cargo_company_of(entry).and_then(|company| companies.get(&company.slug));
            over(&entry.record, known.get(&*entry.record.erp_code).copied(), company.copied())
        })
        .collect();
    for erp_code in plan.names_gone(Section::StockLocations) {
        let gone = known.get(erp_code).map(|location| Location { is_active: false, ..Location::clone(location) });
        written.extend(gone);
    }
    record::store_all(&mut *connection, &written).await?;
    let rows = sqlx::query!("select id, erp_code from stock_locations").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.erp_code, row.id)).collect())
}

/// A location of a file over what is known of it: what a file cannot say is kept.
fn over(wanted: &Location, known: Option<&Location>, company: Option<i64>) -> Location {
    let mut location = Location { cargo_company: company, ..wanted.clone() };
    let Some(known) = known else { return location };
    location.id = known.id;
    // The upstream's key is not the file's to say.
    location.omnitron_id = known.omnitron_id;
    location.address.keep_parts_of(&known.address, &ADDRESS_PARTS);
    location
}

/// Writes the scenarios. One that is gone is passive.
pub(super) async fn scenarios(
    connection: &mut PgConnection,
    wanted: &Installation,
    plan: &Plan,
    states: &StateIds,
    locations: &Ids,
) -> Result<()> {
    if plan.of(Section::Scenarios).next().is_none() {
        return Ok(());
    }
    let mut resolved = Vec::with_capacity(wanted.scenarios.len());
    for scenario in &wanted.scenarios {
        let definition = &scenario.definition;
        let state = states[&("package".to_owned(), definition.initial_state_when_split.clone())];
        let location = locations.get(&definition.default_location).copied().ok_or_else(|| {
            let line = scenario.at.line;
            refuse("scenarios", format!("line {line}: there is no location {}", definition.default_location))
        })?;
        let references = References { default_location_id: location, initial_state_when_split_id: state };
        resolved.push((definition, references));
    }
    scenarios::install(connection, &resolved).await
}

/// Writes all others. `companies` and `locations` are ids by slug and by ERP code.
pub(super) async fn others(
    connection: &mut PgConnection,
    wanted: &Installation,
    plan: &Plan,
    companies: &Ids,
    locations: &Ids,
) -> Result<()> {
    let gone = plan.gone(Section::CargoCompanyConditions);
    sqlx::query!("delete from cargo_company_conditions where id = any($1)", &gone).execute(&mut *connection).await?;
    let gone = plan.gone(Section::SenderAddresses);
    sqlx::query!("delete from sender_addresses where id = any($1)", &gone).execute(&mut *connection).await?;
    let gone = plan.gone(Section::DenialReasons);
    sqlx::query!("update denial_reasons set is_active = false where id = any($1)", &gone)
        .execute(&mut *connection)
        .await?;
    let gone = plan.gone(Section::CancellationReasons);
    sqlx::query!("update cancellation_reasons set is_active = false where id = any($1)", &gone)
        .execute(&mut *connection)
        .await?;

    let Installation { denial_reasons, cargo_company_conditions, sender_addresses, cancellation_reasons, .. } = wanted;
    store(&mut *connection, denial_reasons, plan, Section::DenialReasons, |entry| Ok(entry.record.clone())).await?;
    store(&mut *connection, cargo_company_conditions, plan, Section::CargoCompanyConditions, |entry| {
        let mut condition = entry.record.clone();
        condition.cargo_company = referred(entry, "cargo_company", companies)?;
        Ok(condition)
    })
    .await?;
    store(&mut *connection, sender_addresses, plan, Section::SenderAddresses, |entry| {
        let mut address = entry.record.clone();
        address.cargo_company = referred(entry, "cargo_company", companies)?;
        address.stock_location = referred(entry, "stock_location", locations)?;
        Ok(address)
    })
    .await?;
    store(connection, cancellation_reasons, plan, Section::CancellationReasons, |entry| Ok(entry.record.clone())).await
}

/// Stores the records that differ, as `complete` makes them of their entries.
async fn store<R: Record>(
    connection: &mut PgConnection,
    entries: &[Entry<R>],
    plan: &Plan,
    section: Section,
    complete: impl Fn(&Entry<R>) -> Result<R>,
) -> Result<()> {
    let written: Vec<(usize, Option<i64>)> = plan.written(section).collect();
    if written.is_empty() {
        return Ok(());
    }
    reserve_ids(connection, section, entries.iter().map(|entry| entry.record.id()).max()).await?;
    let mut kept = Vec::with_capacity(written.len());
    for (at, id) in written {
        let entry = &entries[at];
        let mut record = complete(entry)?;
        if record.id() == 0 {
            let stored = match id {
                Some(id) => Some(id),
                None => record::stored_id(connection, &record).await?,
            };
            record.set_id(stored.unwrap_or_default());
        }
        let id = record::store(connection, &record).await.map_err(|error| taken(entry, error))?;
        if kept.contains(&id) {
            return Err(shared(R::TABLE, id, entry.at.line));
        }
        kept.push(id);
    }
    Ok(())
}

/// What makes the record unique is another one's.
fn taken<R: Record>(entry: &Entry<R>, error: sqlx::Error) -> Error {
    let Some((field, _)) = violated::<R>(&error) else { return error.into() };
    let names: Vec<&str> = entry.references.values().map(String::as_str).collect();
    let what = if names.is_empty() { value(&entry.record, field) } else { names.join(" with ") };
    super::taken(R::TABLE, &what, entry.at.line).into()
}

fn referred<R: Record>(entry: &Entry<R>, key: &str, ids: &Ids) -> Result<i64> {
    let name = entry.reference(key).unwrap_or_default();
    let missing = || refuse(R::TABLE, format!("line {}: there is no {key} {name}", entry.at.line));
    ids.get(name).copied().ok_or_else(missing)
}
