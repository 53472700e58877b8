//! Stock: the units of a SKU at a location, and how many of them are reserved for packages.

pub mod adjust;
mod dated;
pub mod feed;
pub mod history;
pub mod import;
pub mod ledger;
pub mod list;
pub mod service;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

pub use self::ledger::{Door, Origin};
use self::{
    dated::Since,
    ledger::{Change, Stored, Why},
};
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    reading::Reader,
};

/// Longest SKU, in characters: longer ones have no place in an index.
pub const LONGEST_SKU: usize = 255;
/// Most units that can be counted.
pub const MOST_UNITS: i64 = 1_000_000_000_000;

/// Why a count that is older than what was not found is an adjustment in the ledger: it does not say that this is there.
const COUNTED_BEFORE: &str = "counted before something was not found";

/// A count: the units on the shelf now, or when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The location.
    pub stock_location_id: i64,
    /// The SKU.
    pub sku: String,
    /// The units, reserved ones included.
    pub quantity: i64,
    /// When it was taken; none, or a moment ahead of the database's clock: now.
    pub counted_at: Option<DateTime<Utc>>,
}

impl Count {
    /// Reads a count as it is sent: `stock_location` (or `erp_code`), `sku`, `quantity`, `counted_at`. `find` has the id of a location by
    /// its ERP code.
    pub fn read(reader: &mut Reader<'_>, find: impl Fn(&str) -> Option<i64>) -> Self {
        let place = Place::read(reader, &["sku", "quantity"], find);
        Self {
            counted_at: reader.date_time("counted_at"),
            stock_location_id: place.id,
            sku: reader.text_within("sku", LONGEST_SKU).unwrap_or_default(),
            quantity: reader.units("quantity", MOST_UNITS).unwrap_or_default(),
        }
    }
}

impl Count {
    /// The units on the shelf now, with what happened since it was taken.
    fn after(&self, since: Option<&Since>) -> i64 {
        (self.quantity + since.map_or(0, |since| since.moved)).clamp(0, MOST_UNITS)
    }
}

/// The location of a count or an adjustment, as it is sent: `stock_location`, or `erp_code`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: i64,
    /// Its ERP code.
    pub erp_code: String,
}

impl Place {
    /// Reads it. `besides`: the other keys that are required. `find` has the id of a location by its ERP code.
    fn read(reader: &mut Reader<'_>, besides: &[&str], find: impl Fn(&str) -> Option<i64>) -> Self {
        let key = if reader.has("stock_location") { "stock_location" } else { "erp_code" };
        reader.require(&[&[key], besides].concat());
        let Some(erp_code) = reader.text_within(key, usize::MAX) else { return Self::default() };
        let id = find(&erp_code);
        if id.is_none() {
            reader.wrong(key, format!("There is no stock location {erp_code}."));
        }
        Self { id: id.unwrap_or_default(), erp_code }
    }
}

/// How often counts and adjustments are tried again after a deadlock with a plan.
pub(crate) const MOST_ATTEMPTS: u32 = 6;

/// Sets counts in a transaction of their own: how many of them changed a stock. A plan may create rows of never counted SKUs
/// at the same time and in another order; then the counts are tried again.
///
/// # Errors
/// When the database fails.
pub async fn count(pool: &PgPool, counts: &[Count], origin: &Origin) -> Result<u64> {
    let mut attempt = 1;
    loop {
        match try_count(pool, counts, origin).await {
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => attempt += 1,
            counted => return counted,
        }
    }
}

/// Sets counts as [`count`] does, but one that the database cannot keep costs itself alone: `refused` gets its place among
/// them, and why.
///
/// # Errors
/// When the database fails.
pub async fn count_each(
    pool: &PgPool,
    counts: &[Count],
    origin: &Origin,
    refused: &mut impl FnMut(usize, &str),
) -> Result<u64> {
    let mut changed = 0;
    // Each from one place to another; the next is the last one.
    let mut parts = vec![(0, counts.len())];
    while let Some((from, to)) = parts.pop() {
        match count(pool, &counts[from..to], origin).await {
            Ok(more) => changed += more,
            Err(error) => match error.of_unkept_data() {
                Some(why) if to - from == 1 => refused(from, &format!("the database cannot keep it: {why}")),
                Some(_) => {
                    let middle = usize::midpoint(from, to);
                    parts.extend([(middle, to), (from, middle)]);
                }
                None => return Err(error),
            },
        }
    }
    Ok(changed)
}

/// Which of some counts, that cannot be set together, the database cannot keep: the first one. Nothing is written.
///
/// # Errors
/// When the database fails.
pub async fn first_unkept(pool: &PgPool, counts: &[Count], origin: &Origin) -> Result<usize> {
    // So many are kept, and so many are not.
    let (mut kept, mut unkept) = (0, counts.len());
    while unkept - kept > 1 {
        let middle = usize::midpoint(kept, unkept);
        let news: Vec<News<'_>> =
            last_of_each(&counts[..middle]).into_iter().map(|count| News { count, is_new: false }).collect();
        let mut trial = pool.begin().await?;
        let tried = set(&mut trial, &news, origin).await;
        trial.rollback().await?;
        match tried {
            Ok(_) => kept = middle,
            Err(error) if error.of_unkept_data().is_some() => unkept = middle,
            Err(error) => return Err(error),
        }
    }
    Ok(kept)
}

async fn try_count(pool: &PgPool, counts: &[Count], origin: &Origin) -> Result<u64> {
    let news = news(pool, last_of_each(counts)).await?;
    if news.is_empty() {
        return Ok(0);
    }
    let mut transaction = pool.begin().await?;
    let changed = set(&mut transaction, &news, origin).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// A count that may be news.
struct News<'c> {
    count: &'c Count,
    /// True if the SKU was never counted at the location.
    is_new: bool,
}

/// Of each SKU at a location the last count, or the one that was taken last: in the order in which stock rows are locked.
fn last_of_each(counts: &[Count]) -> Vec<&Count> {
    let mut last: BTreeMap<(&str, i64), &Count> = BTreeMap::new();
    for count in counts {
        let kept = last.entry((count.sku.as_str(), count.stock_location_id)).or_insert(count);
        if count.counted_at.is_none() || kept.counted_at.is_some_and(|kept| Some(kept) <= count.counted_at) {
            *kept = count;
        }
    }
    last.into_values().collect()
}

/// The counts that are to be written: an ERP sends all of its stock every night, and little of it is news. It looks without
/// locks, because a lock is a write too; what it looks at is of one moment.
async fn news<'c>(pool: &PgPool, counts: Vec<&'c Count>) -> Result<Vec<News<'c>>> {
    let mut snapshot = pool.begin_with("begin isolation level repeatable read read only").await?;
    let stocks = ledger::look(&mut snapshot, &counts).await?;
    // Of a count of the moment that is known, what happened since is known too.
    let is_repeated = |count: &Count, stored: &Option<Stored>| {
        count.counted_at.is_some() && stored.is_some_and(|stored| stored.counted_at == count.counted_at)
    };
    let repeated = counts.iter().zip(&stocks).filter(|(count, stored)| is_repeated(count, stored));
    let moments = repeated.filter_map(|(count, _)| Some((place(count), count.counted_at?))).collect();
    let since = dated::since(&mut snapshot, &moments).await?;
    snapshot.rollback().await?;
    let is_news = |count: &Count, stored: &Option<Stored>| {
        let Some(held) = stored else { return true };
        if held.has_overtaken(count.counted_at) {
            return false;
        }
        let after = count.after(since.get(&place(count)));
        after != held.quantity || count.counted_at.is_some() && !is_repeated(count, stored)
    };
    let news = counts.into_iter().zip(stocks).filter(|(count, stored)| is_news(count, stored));
    Ok(news.map(|(count, stored)| News { count, is_new: stored.is_none() }).collect())
}

fn place(count: &Count) -> (&str, i64) {
    (&count.sku, count.stock_location_id)
}

/// The units that are reserved and were counted not to be there, of all stocks.
///
/// # Errors
/// When the database fails.
pub async fn short_units(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"select coalesce(sum(greatest(s.reserved - (s.quantity - s.missing), 0)), 0)::bigint as "units!"
             from short_stocks h join stocks s on s.sku = h.sku and s.stock_location_id = h.stock_location_id"#
    )
    .fetch_one(connection)
    .await?)
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

/// Sets counts. A SKU that is counted anew, as another number, includes an excluded location again for items of it.
/// Packages that wait for a SKU with more units are planned again. To a count that says when it was taken, what happened
/// since is applied; one that was taken before the newest is no news. It returns how many stocks changed.
///
/// # Errors
/// When the database fails.
async fn set(connection: &mut PgConnection, counts: &[News<'_>], origin: &Origin) -> Result<u64> {
    let skus: Vec<String> = counts.iter().map(|news| news.count.sku.clone()).collect();
    let locations: Vec<i64> = counts.iter().map(|news| news.count.stock_location_id).collect();
    let before = ledger::lock(connection, &skus, &locations).await?;
    let locked = counts.iter().zip(before).filter(|(news, stored)| !stored.has_overtaken(news.count.counted_at));
    let locked: Vec<_> = locked.collect();
    let dated = locked.iter().filter_map(|(news, _)| Some((place(news.count), news.count.counted_at?))).collect();
    let since = dated::since(connection, &dated).await?;
    let (mut anew, mut late, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    let mut known_now = 0;
    for (News { count, is_new }, stored) in locked {
        let (sku, stock_location_id) = place(count);
        let since = since.get(&(sku, stock_location_id));
        let not_found = since.is_some_and(|since| since.not_found);
        let after = count.after(since);
        if *is_new && after == stored.quantity {
            known_now += 1;
        }
        let change = Change {
            sku,
            stock_location_id,
            before: stored.quantity,
            after,
            reason: None,
            counted_at: count.counted_at,
        };
        // An unchanged number is no news, whoever sends it: what was not found there was not found by a shelf that said the
        // same. And what was not found after the count was taken stays missing, whatever it says.
        match count.counted_at {
            Some(counted_at) if after == stored.quantity => unchanged.push(((sku, stock_location_id), counted_at)),
            None if after == stored.quantity => {}
            _ if not_found => late.push(Change { reason: Some(COUNTED_BEFORE), ..change }),
            _ => anew.push(change),
        }
    }
    dated::note(connection, &unchanged).await?;
    for (why, changes) in [(Why::Count, &anew), (Why::Adjustment, &late)] {
        if !changes.is_empty() {
            ledger::record(connection, why, changes, origin).await?;
        }
    }
    let changes = [anew, late].concat();
    tell(connection, &changes).await?;
    Ok(known_now + changes.len() as u64)
}

/// What follows from changed stock, whatever changed it: a location that could not find these goods is asked for them again,
/// and packages that wait for a SKU with more units are planned again.
async fn tell(connection: &mut PgConnection, changes: &[Change<'_>]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let skus: Vec<String> = changes.iter().map(|change| change.sku.to_owned()).collect();
    let locations: Vec<i64> = changes.iter().map(|change| change.stock_location_id).collect();
    let more = changes.iter().filter(|change| change.after > change.before).map(|change| change.sku.to_owned());
    let mut more: BTreeSet<String> = more.collect();
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
    wake_for(connection, &more.into_iter().collect::<Vec<_>>()).await
}

/// Says, when the caller's transaction commits, that more units of these SKUs are available.
async fn wake_for(connection: &mut PgConnection, skus: &[String]) -> Result<()> {
    if !skus.is_empty() {
        sqlx::query!("insert into replanning_wakes (skus) values ($1)", skus).execute(connection).await?;
    }
    Ok(())
}
