//! Companies, locations, reasons, sender addresses and conditions: an entry is the record of its id, or else the one that
//! is the same thing. What came from a file and is there no more goes, or is kept, passive, where clients send its id;
//! what was made over HTTP stays.

use std::collections::HashMap;

use super::{Installation, refuse, shared};
use crate::{
    db::PgConnection,
    error::{Error, Result},
    installation::read::Entry,
    locations::{self, Location},
    record::{self, Record, value, violated},
};

/// Ids by the name that files have for an object.
type Ids = HashMap<String, i64>;

/// Applies the cargo companies; their ids by slug.
pub(super) async fn cargo_companies(connection: &mut PgConnection, installation: &Installation) -> Result<Ids> {
    let entries = &installation.cargo_companies;
    let ids = store_all(&mut *connection, entries, |entry| Ok(entry.record.clone())).await?;
    sqlx::query!("update cargo_companies set is_active = false where not (id = any($1)) and is_active", &ids)
        .execute(connection)
        .await?;
    Ok(entries.iter().map(|entry| entry.record.slug.clone()).zip(ids).collect())
}

/// Locations of the files are added and changed; others stay, for they may come from the upstream or by REST. All ids by
/// ERP code.
pub(super) async fn locations(
    connection: &mut PgConnection,
    installation: &Installation,
    companies: &Ids,
) -> Result<Ids> {
    let known = sqlx::query!("select id, erp_code from stock_locations").fetch_all(&mut *connection).await?;
    let mut ids: Ids = known.into_iter().map(|row| (row.erp_code, row.id)).collect();
    for entry in &installation.stock_locations {
        let company = installation.cargo_company_of(entry).and_then(|company| companies.get(&company.slug));
        let erp_code = entry.record.erp_code.clone();
        let known = match ids.get(&erp_code) {
            Some(id) => locations::load(connection, &[*id]).await?.remove(id),
            None => None,
        };
        // The upstream's key is not the file's to say.
        let (id, omnitron_id) = known.map_or((0, None), |known| (known.id, known.omnitron_id));
        let location = Location { id, omnitron_id, cargo_company: company.copied(), ..entry.record.clone() };
        ids.insert(erp_code, record::store(connection, &location).await?);
    }
    Ok(ids)
}

/// Applies all others. `companies` and `locations` are ids by slug and by ERP code.
pub(super) async fn others(
    connection: &mut PgConnection,
    installation: &Installation,
    companies: &Ids,
    locations: &Ids,
) -> Result<()> {
    let Installation { denial_reasons, cargo_company_conditions, sender_addresses, cancellation_reasons, .. } =
        installation;

    let ids = store_all(&mut *connection, denial_reasons, |entry| Ok(entry.record.clone())).await?;
    sqlx::query!(
        "update denial_reasons set is_active = false where not (id = any($1)) and is_active and installed",
        &ids
    )
    .execute(&mut *connection)
    .await?;

    let ids = store_all(&mut *connection, cargo_company_conditions, |entry| {
        let mut condition = entry.record.clone();
        condition.cargo_company = referred(entry, "cargo_company", companies)?;
        Ok(condition)
    });
    let ids = ids.await?;
    sqlx::query!("delete from cargo_company_conditions where not (id = any($1))", &ids)
        .execute(&mut *connection)
        .await?;

    let ids = store_all(&mut *connection, sender_addresses, |entry| {
        let mut address = entry.record.clone();
        address.cargo_company = referred(entry, "cargo_company", companies)?;
        address.stock_location = referred(entry, "stock_location", locations)?;
        Ok(address)
    });
    let ids = ids.await?;
    sqlx::query!("delete from sender_addresses where not (id = any($1)) and installed", &ids)
        .execute(&mut *connection)
        .await?;

    let ids = store_all(&mut *connection, cancellation_reasons, |entry| Ok(entry.record.clone())).await?;
    sqlx::query!(
        "update cancellation_reasons set is_active = false where not (id = any($1)) and is_active and installed",
        &ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores the records of a table, as `complete` makes them of their entries. Their ids, in the order of the entries.
async fn store_all<R: Record>(
    connection: &mut PgConnection,
    entries: &[Entry<R>],
    complete: impl Fn(&Entry<R>) -> Result<R>,
) -> Result<Vec<i64>> {
    reserve_ids(connection, R::TABLE, entries.iter().map(|entry| entry.record.id()).max()).await?;
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut record = complete(entry)?;
        if record.id() == 0 {
            record.set_id(record::stored_id(connection, &record).await?.unwrap_or_default());
        }
        let id = record::store(connection, &record).await.map_err(|error| taken(entry, error))?;
        if kept.contains(&id) {
            return Err(shared(R::TABLE, id, entry.at.line));
        }
        kept.push(id);
    }
    Ok(kept)
}

/// Ids that the files fix, now or before, are not given to other entries.
async fn reserve_ids(connection: &mut PgConnection, table: &'static str, largest: Option<i64>) -> Result<()> {
    let Some(largest) = largest.filter(|id| *id > 0) else { return Ok(()) };
    sqlx::query!(
        "select setval(pg_get_serial_sequence($1, 'id'),
                       greatest($2::bigint + 1, nextval(pg_get_serial_sequence($1, 'id'))), false) as next",
        table,
        largest
    )
    .fetch_one(connection)
    .await?;
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
