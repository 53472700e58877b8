//! Reasons, sender addresses and conditions: an entry is known by its id, or else by what it is for. What came from a
//! file and is there no more goes; what was made over HTTP stays.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;

use super::{Installation, refuse, shared};
use crate::error::{OnConstraint, Refusal, Result};

/// Ids of cargo companies by slug.
type CompanyIds = HashMap<String, i64>;

/// Applies them all. `companies` and `locations` are ids by slug and by ERP code.
pub(super) async fn apply(
    connection: &mut PgConnection,
    installation: &Installation,
    companies: &CompanyIds,
    locations: &HashMap<String, i64>,
) -> Result<()> {
    reserve_fixed_ids(connection, installation).await?;
    denial_reasons(connection, installation).await?;
    conditions(connection, installation, companies).await?;
    sender_addresses(connection, installation, companies, locations).await?;
    cancellation_reasons(connection, installation).await
}

/// Ids that the files fix, now or before, are not given to other entries.
async fn reserve_fixed_ids(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    let reasons = installation.denial_reasons.iter().filter_map(|entry| entry.id).max();
    let conditions = installation.cargo_company_conditions.iter().filter_map(|entry| entry.id).max();
    let addresses = installation.sender_addresses.iter().filter_map(|entry| entry.id).max();
    let cancellations = installation.cancellation_reasons.iter().filter_map(|entry| entry.id).max();
    for (table, largest) in [
        ("denial_reasons", reasons),
        ("cargo_company_conditions", conditions),
        ("sender_addresses", addresses),
        ("cancellation_reasons", cancellations),
    ] {
        super::reserve_ids(connection, table, largest).await?;
    }
    Ok(())
}

/// Notes an entry's id; one that another entry has already is refused.
fn keep(kept: &mut Vec<i64>, section: &str, id: i64, line: usize) -> Result<()> {
    if kept.contains(&id) {
        return Err(shared(section, id, line));
    }
    kept.push(id);
    Ok(())
}

/// Ids are what clients send: a reason that is gone from the files is kept, passive.
async fn denial_reasons(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    let mut kept = Vec::with_capacity(installation.denial_reasons.len());
    for reason in &installation.denial_reasons {
        let line = reason.at.line;
        let id = sqlx::query_scalar!(
            "insert into denial_reasons (id, title, remote_id, priority, installed)
             values (coalesce($1, (select id from denial_reasons where title = $2),
                              nextval(pg_get_serial_sequence('denial_reasons', 'id'))), $2, $3, $4, true)
             on conflict (id) do update
                set title = excluded.title, remote_id = excluded.remote_id, priority = excluded.priority,
                    installed = true, is_active = true,
                    modified_date = case when (denial_reasons.title, denial_reasons.remote_id,
                                               denial_reasons.priority, denial_reasons.is_active)
                                    is distinct from (excluded.title, excluded.remote_id, excluded.priority, true)
                                    then now() else denial_reasons.modified_date end
             returning id",
            reason.id,
            reason.title,
            reason.remote_id,
            reason.priority
        )
        .fetch_one(&mut *connection)
        .await
        .on_constraint("denial_reasons_title_key", || super::taken("denial_reasons", &reason.title, line))?;
        keep(&mut kept, "denial_reasons", id, line)?;
    }
    sqlx::query!(
        "update denial_reasons set is_active = false, modified_date = now()
          where not (id = any($1)) and is_active and installed",
        &kept
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn conditions(connection: &mut PgConnection, installation: &Installation, companies: &CompanyIds) -> Result<()> {
    let mut kept = Vec::with_capacity(installation.cargo_company_conditions.len());
    for condition in &installation.cargo_company_conditions {
        let line = condition.at.line;
        let company = company(companies, "cargo_company_conditions", &condition.cargo_company, line)?;
        let id = sqlx::query_scalar!(
            "insert into cargo_company_conditions (id, cargo_company_id, rules_configuration)
             values (coalesce($1, (select id from cargo_company_conditions where cargo_company_id = $2),
                              nextval(pg_get_serial_sequence('cargo_company_conditions', 'id'))), $2, $3)
             on conflict (id) do update
                set cargo_company_id = excluded.cargo_company_id, rules_configuration = excluded.rules_configuration,
                    modified_date = case when (cargo_company_conditions.cargo_company_id,
                                               cargo_company_conditions.rules_configuration)
                                    is distinct from (excluded.cargo_company_id, excluded.rules_configuration)
                                    then now() else cargo_company_conditions.modified_date end
             returning id",
            condition.id,
            company,
            Value::Object(condition.rules_configuration.clone())
        )
        .fetch_one(&mut *connection)
        .await
        .on_constraint("cargo_company_conditions_cargo_company_id_key", || {
            super::taken("cargo_company_conditions", &condition.cargo_company, line)
        })?;
        keep(&mut kept, "cargo_company_conditions", id, line)?;
    }
    sqlx::query!("delete from cargo_company_conditions where not (id = any($1))", &kept).execute(connection).await?;
    Ok(())
}

async fn sender_addresses(
    connection: &mut PgConnection,
    installation: &Installation,
    companies: &CompanyIds,
    locations: &HashMap<String, i64>,
) -> Result<()> {
    let mut kept = Vec::with_capacity(installation.sender_addresses.len());
    for address in &installation.sender_addresses {
        let line = address.at.line;
        let company = company(companies, "sender_addresses", &address.cargo_company, line)?;
        let location = locations.get(&address.stock_location).copied().ok_or_else(|| {
            refuse("sender_addresses", format!("line {line}: there is no location {}", address.stock_location))
        })?;
        let id = sqlx::query_scalar!(
            "insert into sender_addresses (id, stock_location_id, cargo_company_id, origin_id, installed)
             values (coalesce($1, (select id from sender_addresses where stock_location_id = $2 and cargo_company_id = $3),
                              nextval(pg_get_serial_sequence('sender_addresses', 'id'))), $2, $3, $4, true)
             on conflict (id) do update
                set stock_location_id = excluded.stock_location_id, cargo_company_id = excluded.cargo_company_id,
                    origin_id = excluded.origin_id, installed = true,
                    modified_date = case when (sender_addresses.stock_location_id, sender_addresses.cargo_company_id,
                                               sender_addresses.origin_id)
                                    is distinct from (excluded.stock_location_id, excluded.cargo_company_id,
                                                      excluded.origin_id)
                                    then now() else sender_addresses.modified_date end
             returning id",
            address.id,
            location,
            company,
            address.origin_id
        )
        .fetch_one(&mut *connection)
        .await
        .on_constraint("sender_addresses_location_company_key", || {
            let name = format!("{} with {}", address.stock_location, address.cargo_company);
            super::taken("sender_addresses", &name, line)
        })?;
        keep(&mut kept, "sender_addresses", id, line)?;
    }
    sqlx::query!("delete from sender_addresses where not (id = any($1)) and installed", &kept)
        .execute(connection)
        .await?;
    Ok(())
}

/// As denial reasons: what is gone from the files is kept, passive.
async fn cancellation_reasons(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    let mut kept = Vec::with_capacity(installation.cancellation_reasons.len());
    for reason in &installation.cancellation_reasons {
        let line = reason.at.line;
        let taken = |what: String| move || -> Refusal { super::taken("cancellation_reasons", &what, line) };
        let id = sqlx::query_scalar!(
            "insert into cancellation_reasons (id, subject, cancellation_type, position, extra_information_needed,
                                               omnitron_id, installed)
             values (coalesce($1, (select id from cancellation_reasons where subject = $2 and cancellation_type = $3),
                              nextval(pg_get_serial_sequence('cancellation_reasons', 'id'))), $2, $3, $4, $5, $6, true)
             on conflict (id) do update
                set subject = excluded.subject, cancellation_type = excluded.cancellation_type,
                    position = excluded.position, extra_information_needed = excluded.extra_information_needed,
                    omnitron_id = excluded.omnitron_id, installed = true, is_active = true,
                    modified_date = case when (cancellation_reasons.subject, cancellation_reasons.cancellation_type,
                                               cancellation_reasons.position,
                                               cancellation_reasons.extra_information_needed,
                                               cancellation_reasons.omnitron_id, cancellation_reasons.is_active)
                                    is distinct from (excluded.subject, excluded.cancellation_type, excluded.position,
                                                      excluded.extra_information_needed, excluded.omnitron_id, true)
                                    then now() else cancellation_reasons.modified_date end
             returning id",
            reason.id,
            reason.subject,
            reason.cancellation_type.as_str(),
            reason.position,
            reason.extra_information_needed,
            reason.omnitron_id
        )
        .fetch_one(&mut *connection)
        .await
        .on_constraint("cancellation_reasons_subject_key", taken(reason.subject.clone()))
        .or_else(|error| {
            let what = format!("omnitron_id {}", reason.omnitron_id.unwrap_or_default());
            super::on_taken(error, "cancellation_reasons_omnitron_id_key", "cancellation_reasons", &what, line)
        })?;
        keep(&mut kept, "cancellation_reasons", id, line)?;
    }
    sqlx::query!(
        "update cancellation_reasons set is_active = false, modified_date = now()
          where not (id = any($1)) and is_active and installed",
        &kept
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn company(companies: &CompanyIds, section: &str, slug: &str, line: usize) -> Result<i64> {
    let id = companies.get(slug).copied();
    id.ok_or_else(|| refuse(section, format!("line {line}: there is no cargo company {slug}")))
}
