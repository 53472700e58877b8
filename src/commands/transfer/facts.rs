//! The facts of a transfer for decisions, and the queries that load them.

use crate::{
    db::PgConnection,
    error::Result,
    packages::facts::PackageFacts,
    workflow::{WAITING_FOR_TRANSFER, Workflow},
};

/// A locked transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferFacts {
    /// Its id.
    pub id: i64,
    /// Its number, `<package>T<n>`.
    pub number: String,
    /// The package it is for.
    pub package_id: i64,
    /// The sender.
    pub source_location_id: i64,
    /// The receiver: the location that packs the package.
    pub destination_location_id: i64,
    /// Its state.
    pub state_id: i64,
    /// The sequence number of its latest event.
    pub event_sequence: i64,
    /// Its items, by id.
    pub items: Vec<TransferItemFacts>,
}

/// An item of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferItemFacts {
    /// Its id (what clients send in `transfer_items`).
    pub id: i64,
    /// The package's item.
    pub package_item_id: i64,
    /// The order's line.
    pub order_item_id: i64,
    /// The SKU that it carries, also if the product of the package's item is replaced meanwhile.
    pub sku: String,
    /// The number of units.
    pub quantity: i64,
}

/// A locked transfer with all facts for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedTransfer {
    /// The package it is for.
    pub package: PackageFacts,
    /// All transfers of that package, this one included.
    pub transfers: Vec<TransferFacts>,
    /// Its index among them.
    pub own: usize,
}

impl LockedTransfer {
    /// The transfer itself.
    #[must_use]
    pub fn transfer(&self) -> &TransferFacts {
        &self.transfers[self.own]
    }
}

/// The package a transfer is for; a transfer never changes it.
///
/// # Errors
/// When the database fails.
pub async fn package_id(connection: &mut PgConnection, transfer_id: i64) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar!("select package_id from transfers where id = $1", transfer_id)
        .fetch_optional(connection)
        .await?)
}

/// (location, SKU, units) that the transfers of a package hold at their sources. There is no query if it waits for
/// none.
///
/// # Errors
/// When a state is not in the workflow; when the database fails.
pub async fn held_at_sources(
    connection: &mut PgConnection,
    package: &PackageFacts,
    workflow: &Workflow,
) -> Result<Vec<(i64, String, i64)>> {
    if workflow.state(package.state_id)?.slug != WAITING_FOR_TRANSFER {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        "select r.stock_location_id, r.sku, r.quantity
           from reservations r join package_items i on i.id = r.package_item_id
          where i.package_id = $1 and r.stock_location_id <> $2",
        package.id,
        package.stock_location_id
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.stock_location_id, row.sku, row.quantity)).collect())
}

/// Locks and reads all transfers of some packages, in the order of their ids. The packages are locked before, so these
/// rows no longer change, and what is read is as new as the lock.
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &mut PgConnection, package_ids: &[i64]) -> Result<Vec<TransferFacts>> {
    let rows = sqlx::query!(
        "select id, number, package_id, source_location_id, destination_location_id, state_id, event_sequence
           from transfers where package_id = any($1) order by id for update",
        package_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut transfers: Vec<TransferFacts> = rows
        .into_iter()
        .map(|row| TransferFacts {
            id: row.id,
            number: row.number,
            package_id: row.package_id,
            source_location_id: row.source_location_id,
            destination_location_id: row.destination_location_id,
            state_id: row.state_id,
            event_sequence: row.event_sequence,
            items: Vec::new(),
        })
        .collect();
    let ids: Vec<i64> = transfers.iter().map(|transfer| transfer.id).collect();
    let rows = sqlx::query!(
        "select t.id, t.transfer_id, t.package_item_id, t.quantity, i.order_item_id, t.sku
           from transfer_items t
           join package_items i on i.id = t.package_item_id
          where t.transfer_id = any($1)
          order by t.id",
        &ids
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Ok(at) = transfers.binary_search_by_key(&row.transfer_id, |transfer| transfer.id) else { continue };
        transfers[at].items.push(TransferItemFacts {
            id: row.id,
            package_item_id: row.package_item_id,
            order_item_id: row.order_item_id,
            sku: row.sku,
            quantity: row.quantity,
        });
    }
    Ok(transfers)
}
