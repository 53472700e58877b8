//! Stock: the units of a SKU at a location, and how many of them are reserved for packages.

pub mod import;
pub mod list;
pub mod service;

use std::collections::BTreeMap;

use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    reading::Reader,
};

/// Longest SKU, in characters: longer ones have no place in an index.
pub const LONGEST_SKU: usize = 255;
/// Most units that can be counted.
pub const MOST_UNITS: i64 = 1_000_000_000_000;

/// A count: the units on the shelf now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The location.
    pub stock_location_id: i64,
    /// The SKU.
    pub sku: String,
    /// The units, reserved ones included.
    pub quantity: i64,
}

impl Count {
    /// Reads a count as it is sent: `stock_location` (or `erp_code`), `sku`, `quantity`. `find` has the id of a location by
    /// its ERP code.
    pub fn read(reader: &mut Reader<'_>, find: impl Fn(&str) -> Option<i64>) -> Self {
        let key = if reader.has("stock_location") { "stock_location" } else { "erp_code" };
        reader.require(&[key, "sku", "quantity"]);
        let erp_code = reader.text_within(key, usize::MAX);
        let stock_location_id = erp_code.and_then(|erp_code| {
            let id = find(&erp_code);
            if id.is_none() {
                reader.wrong(key, format!("There is no stock location {erp_code}."));
            }
            id
        });
        Self {
            stock_location_id: stock_location_id.unwrap_or_default(),
            sku: reader.text_within("sku", LONGEST_SKU).unwrap_or_default(),
            quantity: reader.integer("quantity", 0..=MOST_UNITS).unwrap_or_default(),
        }
    }
}

/// How often counts are tried again after a deadlock with a plan.
const MOST_ATTEMPTS: u32 = 6;

/// Sets counts in a transaction of their own. A plan may create rows of never counted SKUs at the same time and in
/// another order; then the counts are tried again.
///
/// # Errors
/// When the database fails.
pub async fn count(pool: &PgPool, counts: &[Count]) -> Result<()> {
    let mut attempt = 1;
    loop {
        match try_count(pool, counts).await {
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => attempt += 1,
            counted => return counted,
        }
    }
}

async fn try_count(pool: &PgPool, counts: &[Count]) -> Result<()> {
    let mut transaction = pool.begin().await?;
    set(&mut transaction, counts).await?;
    transaction.commit().await?;
    Ok(())
}

/// Creates missing rows of stock, for SKUs at locations in byte order, the order in which all statements lock them. If
/// a row is missing, this statement locks all of them (a conflict locks, though nothing is updated), because a new row
/// must not be locked before earlier ones.
///
/// # Errors
/// When the database fails.
pub(crate) async fn create_missing(connection: &mut PgConnection, skus: &[String], locations: &[i64]) -> Result<()> {
    sqlx::query!(
        r#"insert into stocks (sku, stock_location_id, quantity)
           select c.sku, c.stock_location_id, 0
             from unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
            where exists (select from unnest($1::text[], $2::bigint[]) as m(sku, stock_location_id)
                           where not exists (select from stocks s where s.sku = m.sku
                                                and s.stock_location_id = m.stock_location_id))
            order by c.sku collate "C", c.stock_location_id
           on conflict (sku, stock_location_id) do update set quantity = excluded.quantity where false"#,
        skus,
        locations
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets counts. A counted SKU includes an excluded location again for items of it. Packages that wait for a SKU with
/// more units are planned again.
///
/// # Errors
/// When the database fails.
async fn set(connection: &mut PgConnection, counts: &[Count]) -> Result<()> {
    // The last count of a SKU at a location wins. Sorted, because stock rows are locked in that order.
    let counts: BTreeMap<(&str, i64), i64> =
        counts.iter().map(|count| ((count.sku.as_str(), count.stock_location_id), count.quantity)).collect();
    let skus: Vec<String> = counts.keys().map(|(sku, _)| (*sku).to_owned()).collect();
    let locations: Vec<i64> = counts.keys().map(|(_, location)| *location).collect();
    let quantities: Vec<i64> = counts.values().copied().collect();
    create_missing(connection, &skus, &locations).await?;
    // The condition `(select count(*) from before) >= 0` is always true: it makes Postgres lock and read the old rows
    // first.
    let mut more: Vec<String> = sqlx::query_scalar!(
        r#"with before as materialized (
               select s.sku, s.stock_location_id, s.quantity
                 from unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
                 join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id
                order by s.sku collate "C", s.stock_location_id
                  for no key update of s
           ), counted as (
               insert into stocks (sku, stock_location_id, quantity)
               select c.sku, c.stock_location_id, c.quantity
                 from unnest($1::text[], $2::bigint[], $3::bigint[]) as c(sku, stock_location_id, quantity)
                where (select count(*) from before) >= 0
                order by c.sku, c.stock_location_id
               on conflict (sku, stock_location_id) do update set quantity = excluded.quantity, modified_date = now()
               returning sku, stock_location_id, quantity
           )
           select distinct c.sku as "sku!"
             from counted c left join before b on b.sku = c.sku and b.stock_location_id = c.stock_location_id
            where c.quantity > coalesce(b.quantity, 0)"#,
        &skus,
        &locations,
        &quantities
    )
    .fetch_all(&mut *connection)
    .await?;
    let asked_again = sqlx::query_scalar!(
        "delete from item_exclusions e
          using order_items oi, unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
          where oi.id = e.order_item_id and oi.sku = c.sku and e.stock_location_id = c.stock_location_id
         returning oi.sku",
        &skus,
        &locations
    )
    .fetch_all(&mut *connection)
    .await?;
    more.extend(asked_again);
    wake_for(connection, &more).await
}

/// Says, when the caller's transaction commits, that more units of these SKUs are available.
async fn wake_for(connection: &mut PgConnection, skus: &[String]) -> Result<()> {
    if !skus.is_empty() {
        sqlx::query!("insert into replanning_wakes (skus) values ($1)", skus).execute(connection).await?;
    }
    Ok(())
}
