//! Locations as they were, for events.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::LocationRow;
use crate::error::Result;

/// Locations as they were in versions of the installation, by (id, version).
///
/// # Errors
/// When the database fails.
pub async fn as_of(
    connection: &mut PgConnection,
    ids: &[i64],
    versions: &[i64],
) -> Result<HashMap<(i64, i64), LocationRow>> {
    let rows = sqlx::query!(
        r#"with wanted as (
               select distinct * from unnest($1::bigint[], $2::bigint[]) as w(id, version)
           )
           select w.id as "location_id!", w.version as "version!",
                  (select h.location::text from stock_location_history h
                    where h.stock_location_id = w.id and h.installation_version <= w.version
                    order by h.installation_version desc limit 1) as location
             from wanted w"#,
        ids,
        versions
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut keys = Vec::with_capacity(rows.len());
    let mut texts = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(text) = row.location {
            keys.push((row.location_id, row.version));
            texts.push(text);
        }
    }
    Ok(keys.into_iter().zip(as_recorded(connection, &texts).await?).collect())
}

/// Locations from rows that were kept as JSON; of columns that did not exist then, nothing is known.
///
/// # Errors
/// When the database fails.
pub async fn as_recorded(connection: &mut PgConnection, rows: &[String]) -> Result<Vec<LocationRow>> {
    let rows = sqlx::query_as!(
        LocationRow,
        r#"select l.id as "id!", l.erp_code as "erp_code!", l.name as "name!",
                  l.stock_location_type as "stock_location_type!", l.priority as "priority!",
                  l.is_active as "is_active!", l.max_quota, l.quota as "quota!", l.latitude::text as latitude,
                  l.longitude::text as longitude, l.address as "address!", l.fax_number, l.phone, l.evening_phone,
                  l.email, coalesce(l.is_fulfillment_center, true) as "is_fulfillment_center!",
                  coalesce(l.is_pickup_location, false) as "is_pickup_location!",
                  coalesce(l.is_delivery_location, false) as "is_delivery_location!",
                  coalesce(l.is_return_available, false) as "is_return_available!",
                  coalesce(l.is_fast_delivery_available, false) as "is_fast_delivery_available!", l.cargo_company_id,
                  l.tags as "tags!", l.hours as "hours!", l.created_date as "created_date!",
                  l.modified_date as "modified_date!", l.omnitron_id
             from unnest($1::text[]) with ordinality as kept(row, n)
            cross join lateral jsonb_populate_record(null::stock_locations, kept.row::jsonb) l
            order by kept.n"#,
        rows
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
