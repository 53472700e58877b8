//! The ledger of stock: every change of a quantity that no log tells, with who, when, why and where it came in.
//!
//! This is the one door to such a change. The database refuses any other: a quantity is the sum of what its ledger records
//! and of what packages and transfers move (migration 30), and `oms verify` proves both.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Count;
use crate::{audit::Actor, cause, db::PgConnection, error::Result};

/// Why a quantity changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody counted.
    Count,
    /// Units were added or taken.
    Adjustment,
}

impl Why {
    const fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Adjustment => "adjustment",
        }
    }
}

/// Where a change comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A request.
    Request,
    /// A file of counts.
    Import,
    /// The command line.
    CommandLine,
    /// An answer of the stock service.
    StockService,
}

impl Door {
    const fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Import => "import",
            Self::CommandLine => "command_line",
            Self::StockService => "stock_service",
        }
    }
}

/// Who changes stock, and where it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// Where.
    pub door: Door,
}

/// The quantity of a SKU at a location before and after a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub sku: &'a str,
    pub stock_location_id: i64,
    pub before: i64,
    pub after: i64,
    pub reason: Option<&'a str>,
    /// Of a count: when it was taken, if it says so.
    pub counted_at: Option<DateTime<Utc>>,
}

/// A stock as it is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub quantity: i64,
    /// When its newest count was taken, if it was counted.
    pub counted_at: Option<DateTime<Utc>>,
}

impl Stored {
    /// True if a newer count is here.
    pub(super) fn has_overtaken(self, counted_at: Option<DateTime<Utc>>) -> bool {
        counted_at.zip(self.counted_at).is_some_and(|(sent, stored)| sent < stored)
    }
}

/// The stocks of some counts as they are, without a lock; none where the SKU was never counted.
///
/// # Errors
/// When the database fails.
pub(super) async fn look(connection: &mut PgConnection, counts: &[&Count]) -> Result<Vec<Option<Stored>>> {
    let skus: Vec<String> = counts.iter().map(|count| count.sku.clone()).collect();
    let locations: Vec<i64> = counts.iter().map(|count| count.stock_location_id).collect();
    let rows = sqlx::query!(
        r#"select c.place as "place!", s.quantity, s.counted_at
             from unnest($1::text[], $2::bigint[]) with ordinality as c(sku, stock_location_id, place)
             join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id"#,
        &skus,
        &locations
    )
    .fetch_all(connection)
    .await?;
    let mut stocks = vec![None; counts.len()];
    for row in rows {
        let at = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
        if let Some(stock) = stocks.get_mut(at) {
            *stock = Some(Stored { quantity: row.quantity, counted_at: row.counted_at });
        }
    }
    Ok(stocks)
}

/// Locks rows of stock, and makes those that are missing. They are in the order of the rows; this is the byte order
/// of SKUs, then locations, in which all statements lock them.
///
/// # Errors
/// When the database fails.
pub(super) async fn lock(connection: &mut PgConnection, skus: &[String], locations: &[i64]) -> Result<Vec<Stored>> {
    super::create_missing(&mut *connection, skus, locations).await?;
    let stocks = sqlx::query_as!(
        Stored,
        r#"select s.quantity, s.counted_at
             from unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
             join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id
            order by s.sku collate "C", s.stock_location_id
              for no key update of s"#,
        skus,
        locations
    );
    Ok(stocks.fetch_all(connection).await?)
}

/// Changes quantities, and records it; each is another than before. The rows are locked, and `before` is what was read
/// since. A count says anew what is there; units that are taken away are those that were not found, if some were not.
///
/// # Errors
/// When the database fails.
pub(super) async fn record(
    connection: &mut PgConnection,
    why: Why,
    changes: &[Change<'_>],
    origin: &Origin,
) -> Result<()> {
    let skus: Vec<String> = changes.iter().map(|change| change.sku.to_owned()).collect();
    let locations: Vec<i64> = changes.iter().map(|change| change.stock_location_id).collect();
    let before: Vec<i64> = changes.iter().map(|change| change.before).collect();
    let after: Vec<i64> = changes.iter().map(|change| change.after).collect();
    let reasons: Vec<Option<String>> = changes.iter().map(|change| change.reason.map(str::to_owned)).collect();
    let moments: Vec<Option<DateTime<Utc>>> = changes.iter().map(|change| change.counted_at).collect();
    let is_count = why == Why::Count;
    let cause = cause::current();
    sqlx::query!(
        "with changed as (
             update stocks s
                set quantity = c.after, recorded = s.recorded + c.after - c.before,
                    missing = case when $12 then 0 else greatest(s.missing + least(c.after - c.before, 0), 0) end,
                    counted_at = case when $12 then least(c.counted_at, now()) else s.counted_at end,
                    modified_date = now()
               from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $13::timestamptz[])
                    as c(sku, stock_location_id, before, after, counted_at)
              where s.sku = c.sku and s.stock_location_id = c.stock_location_id
         )
         insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, reason, door, actor_kind,
                                   actor, user_id, request_id)
         select c.sku, c.stock_location_id, $6, c.before, c.after, c.reason, $7, $8, $9, $10, $11
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
                as c(sku, stock_location_id, before, after, reason)",
        &skus,
        &locations,
        &before,
        &after,
        &reasons as &[Option<String>],
        why.word(),
        origin.door.word(),
        origin.actor.kind(),
        origin.actor.name(),
        origin.actor.user_id(),
        cause.as_ref().map(|cause| cause.request_id()),
        is_count,
        &moments as &[Option<DateTime<Utc>>]
    )
    .execute(&mut *connection)
    .await?;
    note_short(connection, &skus, &locations).await
}

/// Keeps which stocks are below what is reserved of them; those that are so no longer go.
async fn note_short(connection: &mut PgConnection, skus: &[String], locations: &[i64]) -> Result<()> {
    sqlx::query!(
        "with gone as (
             delete from short_stocks h using stocks s
              where s.sku = h.sku and s.stock_location_id = h.stock_location_id and s.quantity - s.missing >= s.reserved
         )
         insert into short_stocks (sku, stock_location_id)
         select s.sku, s.stock_location_id
           from unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
           join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id
          where s.quantity - s.missing < s.reserved
         on conflict do nothing",
        skus,
        locations
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a location looked for and did not find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// The SKU.
    pub sku: String,
    /// The location.
    pub stock_location_id: i64,
    /// The units.
    pub units: i64,
    /// The package whose item it is.
    pub package_id: i64,
    /// The transfer that was to bring it, if it was one.
    pub transfer_id: Option<i64>,
    /// The user who says so.
    pub user_id: i64,
    /// The id of the request.
    pub request_id: Option<String>,
}

/// Why fewer units are missing than were not found.
const TOLD_BEFORE: &str = "a count had told that they are not there";

/// Records what was not found. The quantity stays, until it is counted anew, and these units are promised to nobody: call it
/// when the stock is written, so that its row is locked. Units that the quantity does not have are not missing: a count below
/// what was reserved has told of them already.
///
/// # Errors
/// When the database fails.
pub async fn record_not_found(connection: &mut PgConnection, not_found: &[NotFound]) -> Result<()> {
    if not_found.is_empty() {
        return Ok(());
    }
    let skus: Vec<String> = not_found.iter().map(|it| it.sku.clone()).collect();
    let locations: Vec<i64> = not_found.iter().map(|it| it.stock_location_id).collect();
    let units = missing_of(&mut *connection, not_found).await?;
    let reasons: Vec<Option<&str>> =
        not_found.iter().zip(&units).map(|(it, units)| (it.units > *units).then_some(TOLD_BEFORE)).collect();
    let reasons: Vec<Option<String>> = reasons.into_iter().map(|reason| reason.map(str::to_owned)).collect();
    let packages: Vec<i64> = not_found.iter().map(|it| it.package_id).collect();
    let transfers: Vec<Option<i64>> = not_found.iter().map(|it| it.transfer_id).collect();
    let users: Vec<i64> = not_found.iter().map(|it| it.user_id).collect();
    let requests: Vec<Option<String>> = not_found.iter().map(|it| it.request_id.clone()).collect();
    sqlx::query!(
        "with missed as (
             update stocks s set missing = s.missing + c.units
               from (select sku, stock_location_id, sum(units)::bigint as units
                       from unnest($1::text[], $2::bigint[], $3::bigint[]) as c(sku, stock_location_id, units)
                      group by 1, 2) c
              where s.sku = c.sku and s.stock_location_id = c.stock_location_id
         )
         insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, missing, door, actor_kind,
                                   actor, user_id, request_id, package_id, transfer_id, reason)
         select c.sku, c.stock_location_id, 'not_found', coalesce(s.quantity, 0), coalesce(s.quantity, 0), c.units,
                'command', 'user', u.username, u.id, c.request_id, c.package_id, c.transfer_id, c.reason
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
                       $8::text[])
                as c(sku, stock_location_id, units, package_id, transfer_id, user_id, request_id, reason)
           join users u on u.id = c.user_id
           left join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id",
        &skus,
        &locations,
        &units,
        &packages,
        &transfers as &[Option<i64>],
        &users,
        &requests as &[Option<String>],
        &reasons as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// How many of these units the quantities still have, beside what is reserved: so many are missing.
async fn missing_of(connection: &mut PgConnection, not_found: &[NotFound]) -> Result<Vec<i64>> {
    let skus: Vec<String> = not_found.iter().map(|it| it.sku.clone()).collect();
    let locations: Vec<i64> = not_found.iter().map(|it| it.stock_location_id).collect();
    let rows = sqlx::query!(
        r#"select s.sku, s.stock_location_id, s.quantity - s.missing - s.reserved as "free!"
             from stocks s
            where (s.sku, s.stock_location_id) in (select * from unnest($1::text[], $2::bigint[]))
            order by s.sku collate "C", s.stock_location_id
              for no key update"#,
        &skus,
        &locations
    )
    .fetch_all(connection)
    .await?;
    let mut free: HashMap<(String, i64), i64> =
        rows.into_iter().map(|row| ((row.sku, row.stock_location_id), row.free.max(0))).collect();
    let missing = not_found.iter().map(|it| {
        let Some(free) = free.get_mut(&(it.sku.clone(), it.stock_location_id)) else { return 0 };
        let units = it.units.min(*free);
        *free -= units;
        units
    });
    Ok(missing.collect())
}
