//! What a decision may look at, and the queries that load it.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::consequences::Placement;
use crate::error::Result;

/// A locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its id.
    pub id: i64,
    /// Its number, `<order>P<n>`.
    pub number: String,
    /// Its order.
    pub order_id: i64,
    /// Where it is to be packed.
    pub stock_location_id: i64,
    /// Its state.
    pub state_id: i64,
    /// The sequence number of its latest event.
    pub event_sequence: i64,
    /// Who is to carry it, if the order has a wish.
    pub cargo_company_id: Option<i64>,
    /// Its shipment, once it was packed.
    pub shipment: Option<ShipmentFacts>,
    /// Its items, by id.
    pub items: Vec<ItemFacts>,
}

/// An item of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFacts {
    /// Its id (what clients send in `package_items`).
    pub id: i64,
    /// The order's line.
    pub order_item_id: i64,
    /// What it is.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
    /// Its own state.
    pub state_id: i64,
}

/// The shipment of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentFacts {
    /// Who carries it.
    pub cargo_company_id: i64,
    /// The carrier's number for it.
    pub tracking_number: String,
    /// Whether it has a label.
    pub labelled: bool,
}

impl PackageFacts {
    /// Where the package is.
    #[must_use]
    pub fn placement(&self) -> Placement {
        Placement { state_id: self.state_id, stock_location_id: self.stock_location_id }
    }

    /// Where one of its items is: here, in its own state.
    #[must_use]
    pub fn item_placement(&self, item: &ItemFacts) -> Placement {
        Placement { state_id: item.state_id, stock_location_id: self.stock_location_id }
    }
}

/// What [`lock`] found: the installation's version and the packages.
#[derive(Debug, Default)]
pub struct Locked {
    /// None when no package was found.
    pub version: Option<i64>,
    /// By id.
    pub packages: HashMap<i64, PackageFacts>,
}

/// Locks packages in the order of their ids and reads them. Ids that do not exist are missing from the result.
///
/// Two statements on purpose: what belongs to a package is read by a snapshot taken after its lock was granted, so that
/// it is as new as the lock. (Within one statement, a row that had to be waited for is read anew, its joins are not.)
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &mut PgConnection, package_ids: &[i64]) -> Result<Locked> {
    let rows = sqlx::query!(
        r#"select p.id, p.number, p.order_id, p.stock_location_id, p.state_id, p.event_sequence,
                  (select o.cargo_company_id from orders o where o.id = p.order_id) as cargo_company_id,
                  (select version from installation where only_row) as "version!"
             from packages p
            where p.id = any($1)
            order by p.id
              for update of p"#,
        package_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let version = rows.first().map(|row| row.version);
    let found = rows.into_iter().map(|row| {
        let facts = PackageFacts {
            id: row.id,
            number: row.number,
            order_id: row.order_id,
            stock_location_id: row.stock_location_id,
            state_id: row.state_id,
            event_sequence: row.event_sequence,
            cargo_company_id: row.cargo_company_id,
            shipment: None,
            items: Vec::new(),
        };
        (row.id, facts)
    });
    let mut locked = Locked { version, packages: found.collect() };
    if !locked.packages.is_empty() {
        read_belongings(connection, package_ids, &mut locked.packages).await?;
    }
    Ok(locked)
}

async fn read_belongings(
    connection: &mut PgConnection,
    package_ids: &[i64],
    packages: &mut HashMap<i64, PackageFacts>,
) -> Result<()> {
    // Subqueries rather than joins: each is an index lookup a row, whatever the planner thinks of a table's size.
    let rows = sqlx::query!(
        r#"select w.id as "package_id!", s.cargo_company_id as "shipped_by?", s.tracking_number as "tracking_number?",
                  (s.label_key is not null) as "labelled!",
                  i.id as "item_id?", i.order_item_id as "order_item_id?", i.state_id as "item_state_id?",
                  i.quantity as "quantity?",
                  (select oi.sku from order_items oi where oi.id = i.order_item_id) as "sku?"
             from unnest($1::bigint[]) as w(id)
             left join lateral (select * from shipments where package_id = w.id limit 1) s on true
             left join package_items i on i.package_id = w.id
            order by i.id"#,
        package_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let Some(package) = packages.get_mut(&row.package_id) else { continue };
        if let (Some(cargo_company_id), Some(tracking_number)) = (row.shipped_by, row.tracking_number) {
            package.shipment = Some(ShipmentFacts { cargo_company_id, tracking_number, labelled: row.labelled });
        }
        if let (Some(id), Some(order_item_id), Some(state_id), Some(quantity), Some(sku)) =
            (row.item_id, row.order_item_id, row.item_state_id, row.quantity, row.sku)
        {
            package.items.push(ItemFacts { id, order_item_id, sku, quantity, state_id });
        }
    }
    Ok(())
}
