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
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| change.id.is_none()) {
        ids[index] = sqlx::query_scalar!(
            "with numbered as (
                 update orders set package_count = package_count + 1 where id = $1 returning number, occurrence, package_count
             )
             insert into packages (number, order_id, stock_location_id, state_id, event_sequence)
             select number || 'P' || package_count || case when occurrence > 1 then '-' || occurrence else '' end,
                    $1, $2, $3, $4
               from numbered
             returning id",
            change.order_id,
            change.after.stock_location_id,
            change.after.state_id,
            event_count(consequences, index)
        )
        .fetch_one(&mut *connection)
        .await?;
        if let Some(package_id) = change.replaces {
            sqlx::query!(
                "insert into package_replacements (package_id, successor_id) values ($1, $2)",
                package_id,
                ids[index]
            )
            .execute(&mut *connection)
            .await?;
        }
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
