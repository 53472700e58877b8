//! The one write path: writes package changes with all their consequences.
//!
//! New rows (packages, items, rows of stock) are created first. Then one statement writes everything else, for any
//! number of commands. No lock is needed before: a package is written only if it still has the version that was read,
//! limits are guarded updates (a row that would break one is not touched), and a statement that touched fewer rows than
//! it was sent rolls itself back.
//!
//! Lock order: the installation, packages by id, the order's row where packages begin, then stock by (SKU, location),
//! and last locations by id, so that a busy location is locked for the shortest time. Rows are locked in the order of
//! the arrays that name them; [`crate::db`] makes sure that each element is looked up by an index.

mod documents;
pub(super) mod parts;
mod rows;

use std::collections::HashMap;

use self::rows::Rows;
use super::{
    consequences::{Consequences, PackageChange, StockDelta},
    records,
};
use crate::{db::PgConnection, error::Result, packages::facts::Documents, stock};

/// The result of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// Everything is written.
    Done {
        /// The ids of the packages, by index.
        packages: Vec<i64>,
        /// The ids of new items.
        created_items: CreatedItems,
    },
    /// Another transaction changed a package that was read, or took stock or quota of the plan. Roll back and decide
    /// again.
    Conflict,
}

/// Writes package changes with all their consequences.
///
/// `installation_version`: the version that the decision used. None if the caller keeps the installation unchanged
/// ([`crate::db::BEGIN_UNDER_INSTALLATION`]).
///
/// Call it outside a transaction if [`is_one_statement`] says so, else within one.
///
/// # Errors
/// When the database fails or refuses.
pub async fn apply(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    installation_version: Option<i64>,
) -> Result<Applied> {
    let mut ids: Vec<i64> = changes.iter().map(|change| change.id.unwrap_or_default()).collect();
    create_packages(connection, changes, consequences, &mut ids).await?;
    let created_items = create_items(connection, changes, &ids).await?;
    create_stock(connection, consequences).await?;
    let documents: Vec<Documents> = changes.iter().map(documents::after).collect();
    let until_event_id = records::next_event_id(connection, changes).await?;
    let rows = Rows::new(changes, consequences, &ids, &created_items, &documents)?;
    match rows.write(connection, installation_version).await {
        Ok(()) => {
            records::write(connection, changes, consequences, &ids, &documents, until_event_id).await?;
            parts::note(connection, changes, &created_items, until_event_id).await?;
            note_waiting(connection, consequences, &ids).await?;
            Ok(Applied::Done { packages: ids, created_items })
        }
        Err(error) if error.is_write_conflict() => Ok(Applied::Conflict),
        Err(error) => Err(error),
    }
}

/// True if [`apply`] sends a single statement, which is a transaction by itself.
#[must_use]
pub fn is_one_statement(changes: &[PackageChange], consequences: &Consequences) -> bool {
    changes.iter().all(|change| change.id.is_some() && change.items.iter().all(|item| item.id.is_some()))
        && !may_miss_stock(consequences)
        && consequences.waiting.is_empty()
        && records::are_empty(changes, consequences)
}

/// Keeps the queue of those who wait for a place as the packages now are.
async fn note_waiting(connection: &mut PgConnection, consequences: &Consequences, ids: &[i64]) -> Result<()> {
    let packages: Vec<i64> = consequences.waiting.iter().map(|index| ids[*index]).collect();
    if !packages.is_empty() {
        sqlx::query!("select note_waiting($1)", &packages).execute(connection).await?;
    }
    Ok(())
}

fn event_count(consequences: &Consequences, index: usize) -> i64 {
    let count = consequences.events.iter().filter(|(package, _)| *package == index).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// New packages, numbered after their order's latest: `100P1`, and of the second order of that number `100P1-2`. No two orders
/// make the same number, for what follows the last P says both counts.
async fn create_packages(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &mut [i64],
) -> Result<()> {
    let new: Vec<(usize, &PackageChange)> =
        changes.iter().enumerate().filter(|(_, change)| change.id.is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    let orders: Vec<i64> = new.iter().map(|(_, change)| change.order_id).collect();
    let locations: Vec<i64> = new.iter().map(|(_, change)| change.after.stock_location_id).collect();
    let states: Vec<i64> = new.iter().map(|(_, change)| change.after.state_id).collect();
    let events: Vec<i64> = new.iter().map(|(index, _)| event_count(consequences, *index)).collect();
    // Ids are given out in the order of the packages.
    let mut created = sqlx::query_scalar!(
        "with c as (
             select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) with ordinality
                           as c(order_id, stock_location_id, state_id, events, n)
         ), counted as (
             update orders o set package_count = o.package_count + k.count
               from (select order_id, count(*)::integer as count from c group by 1 order by 1) k
              where o.id = k.order_id
             returning o.id, o.number, o.occurrence, o.package_count - k.count as before
         )
         insert into packages (number, order_id, stock_location_id, state_id, event_sequence)
         select o.number || 'P' || (o.before + row_number() over (partition by c.order_id order by c.n))
                         || case when o.occurrence > 1 then '-' || o.occurrence else '' end,
                c.order_id, c.stock_location_id, c.state_id, c.events
           from c join counted o on o.id = c.order_id
          order by c.n
         returning id",
        &orders,
        &locations,
        &states,
        &events
    )
    .fetch_all(&mut *connection)
    .await?;
    created.sort_unstable();
    for ((index, _), id) in new.iter().zip(created) {
        ids[*index] = id;
    }
    let replaced = new.iter().filter_map(|(index, change)| Some((change.replaces?, ids[*index])));
    let (replaced, successors): (Vec<i64>, Vec<i64>) = replaced.unzip();
    if !replaced.is_empty() {
        sqlx::query!(
            "insert into package_replacements (package_id, successor_id)
             select * from unnest($1::bigint[], $2::bigint[])",
            &replaced,
            &successors
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Ids of new items, by (package, item) index.
pub type CreatedItems = HashMap<(usize, usize), i64>;

async fn create_items(connection: &mut PgConnection, changes: &[PackageChange], ids: &[i64]) -> Result<CreatedItems> {
    let new: Vec<_> = changes
        .iter()
        .enumerate()
        .flat_map(|(index, change)| {
            change.items.iter().enumerate().map(move |(item_index, item)| ((index, item_index), item))
        })
        .filter(|(_, item)| item.id.is_none())
        .collect();
    if new.is_empty() {
        return Ok(CreatedItems::new());
    }
    let packages: Vec<i64> = new.iter().map(|(indexes, _)| ids[indexes.0]).collect();
    let lines: Vec<i64> = new.iter().map(|(_, item)| item.order_item_id).collect();
    let states: Vec<i64> = new.iter().map(|(_, item)| item.after.state_id).collect();
    let quantities: Vec<i64> = new.iter().map(|(_, item)| item.quantity).collect();
    // Ids are given out in the order of the items.
    let mut created = sqlx::query_scalar!(
        "insert into package_items (package_id, order_item_id, state_id, quantity)
         select c.package_id, c.order_item_id, c.state_id, c.quantity
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) with ordinality
                as c(package_id, order_item_id, state_id, quantity, n)
          order by c.n
         returning id",
        &packages,
        &lines,
        &states,
        &quantities
    )
    .fetch_all(connection)
    .await?;
    created.sort_unstable();
    Ok(new.iter().map(|(indexes, _)| *indexes).zip(created).collect())
}

/// True if a row of stock may be missing: a SKU that was never counted at a location has none. A SKU that was reserved
/// before has one.
fn may_miss_stock(consequences: &Consequences) -> bool {
    let may_miss = |delta: &StockDelta| delta.reserved > 0 || (delta.reserved == 0 && delta.quantity != 0);
    consequences.stock.values().any(may_miss)
}

async fn create_stock(connection: &mut PgConnection, consequences: &Consequences) -> Result<()> {
    if !may_miss_stock(consequences) {
        return Ok(());
    }
    let skus: Vec<String> = consequences.stock.keys().map(|(sku, _)| sku.clone()).collect();
    let locations: Vec<i64> = consequences.stock.keys().map(|(_, location)| *location).collect();
    stock::create_missing(connection, &skus, &locations).await
}
