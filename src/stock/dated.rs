//! Counts that say when they were taken. What happened to the stock afterwards is applied to them, so that an ERP that repeats
//! what it counted in the morning does not sell twice what was packed since.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::{db::PgConnection, error::Result};

/// A SKU at a location.
type Place<'a> = (&'a str, i64);

/// What happened to a stock after its count was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Since {
    /// Units that packages, transfers and adjustments brought, less those that they took.
    pub moved: i64,
    /// True if somebody looked for units and did not find them.
    pub not_found: bool,
}

/// What happened after each of these moments. The stocks are locked.
///
/// # Errors
/// When the database fails.
pub(super) async fn since<'a>(
    connection: &mut PgConnection,
    taken: &BTreeMap<Place<'a>, DateTime<Utc>>,
) -> Result<BTreeMap<Place<'a>, Since>> {
    let Some(first) = taken.values().min() else { return Ok(BTreeMap::new()) };
    let skus: Vec<String> = taken.keys().map(|(sku, _)| (*sku).to_owned()).collect();
    let locations: Vec<i64> = taken.keys().map(|(_, location)| *location).collect();
    let moments: Vec<DateTime<Utc>> = taken.values().copied().collect();
    let rows = sqlx::query!(
        r#"with counts as materialized (
               select c.sku, c.stock_location_id, c.counted_at
                 from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as c(sku, stock_location_id, counted_at)
           ), moves as (
               select c.sku, c.stock_location_id, m.delta, false as not_found
                 from goods_moved_since($4, $1) m
                 join counts c on c.sku = m.sku and c.stock_location_id = m.stock_location_id
                where m.created_date > c.counted_at
               union all
               select c.sku, c.stock_location_id,
                      case when l.kind = 'adjustment' then l.quantity_after - l.quantity_before else 0 end,
                      l.kind = 'not_found'
                 from counts c
                 join stock_ledger l on l.sku = c.sku and l.stock_location_id = c.stock_location_id
                where l.created_date > c.counted_at and l.kind in ('adjustment', 'not_found')
           )
           select sku as "sku!", stock_location_id as "stock_location_id!", sum(delta)::bigint as "moved!",
                  bool_or(not_found) as "not_found!"
             from moves group by 1, 2"#,
        &skus,
        &locations,
        &moments,
        first
    )
    .fetch_all(connection)
    .await?;
    let found: HashMap<(String, i64), Since> = rows
        .into_iter()
        .map(|row| ((row.sku, row.stock_location_id), Since { moved: row.moved, not_found: row.not_found }))
        .collect();
    let of = |place: &Place<'a>| Some((*place, *found.get(&(place.0.to_owned(), place.1))?));
    Ok(taken.keys().filter_map(of).collect())
}

/// Keeps when the newest counts were taken, of those that changed nothing.
///
/// # Errors
/// When the database fails.
pub(super) async fn note(connection: &mut PgConnection, unchanged: &[(Place<'_>, DateTime<Utc>)]) -> Result<()> {
    if unchanged.is_empty() {
        return Ok(());
    }
    let skus: Vec<String> = unchanged.iter().map(|((sku, _), _)| (*sku).to_owned()).collect();
    let locations: Vec<i64> = unchanged.iter().map(|((_, location), _)| *location).collect();
    let moments: Vec<DateTime<Utc>> = unchanged.iter().map(|(_, counted_at)| *counted_at).collect();
    sqlx::query!(
        "update stocks s set counted_at = least(c.counted_at, now())
           from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as c(sku, stock_location_id, counted_at)
          where s.sku = c.sku and s.stock_location_id = c.stock_location_id",
        &skus,
        &locations,
        &moments
    )
    .execute(connection)
    .await?;
    Ok(())
}
