//! The history of package items: their transfers, refusals, and locations that did not have them.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{db::PgConnection, error::Result, scope::Scope, wire::Timestamp};

/// The history of one item.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ItemHistory {
    /// The transfers that carry or carried it, in order.
    transfer_orders: Vec<ItemTransfer>,
    /// The refusals of the packages that it was in, in order.
    denial_reasons: Vec<Denial>,
    /// The locations that did not find it or refused it, and have not counted it since: plans exclude them for it.
    discrepancies: Vec<Discrepancy>,
}

/// A transfer of the item.
#[derive(Debug, Serialize, ToSchema)]
struct ItemTransfer {
    id: i64,
    number: String,
    /// The state's `enum_value`.
    state: String,
    source: i64,
    source_erp_code: String,
    destination: i64,
    destination_erp_code: String,
    /// The units of the item in it.
    quantity: i64,
}

/// A refusal by a location.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemDenial)]
struct Denial {
    /// Id of the denial reason.
    id: i64,
    title: String,
    stock_location: i64,
    stock_location_erp_code: String,
    created_date: Timestamp,
}

/// A location that did not have the item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemDiscrepancy)]
struct Discrepancy {
    stock_location: i64,
    stock_location_erp_code: String,
    created_date: Timestamp,
}

impl ItemHistory {
    /// Leaves out what locations outside of a scope sent, refused or did not find.
    pub(super) fn restrict(&mut self, scope: &Scope) {
        self.transfer_orders.retain(|it| scope.sees(it.source) || scope.sees(it.destination));
        self.denial_reasons.retain(|it| scope.sees(it.stock_location));
        self.discrepancies.retain(|it| scope.sees(it.stock_location));
    }
}

/// Histories by item.
type Histories = HashMap<i64, ItemHistory>;

/// Reads the histories of items, by their ids. An item without one is left out.
pub(crate) async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<Histories> {
    let mut histories = Histories::new();
    add_transfers(connection, ids, &mut histories).await?;
    add_denials(connection, ids, &mut histories).await?;
    add_discrepancies(connection, ids, &mut histories).await?;
    Ok(histories)
}

async fn add_transfers(connection: &mut PgConnection, ids: &[i64], histories: &mut Histories) -> Result<()> {
    let rows = sqlx::query!(
        r#"select ti.package_item_id, t.id, t.number, st.enum_value, t.source_location_id,
                  s.erp_code as source_erp_code, t.destination_location_id, d.erp_code as destination_erp_code,
                  ti.quantity
             from transfer_items ti
             join transfers t on t.id = ti.transfer_id
             join states st on st.id = t.state_id
             join stock_locations s on s.id = t.source_location_id
             join stock_locations d on d.id = t.destination_location_id
            where ti.package_item_id = any($1)
            order by t.id"#,
        ids
    );
    for row in rows.fetch_all(connection).await? {
        histories.entry(row.package_item_id).or_default().transfer_orders.push(ItemTransfer {
            id: row.id,
            number: row.number,
            state: row.enum_value,
            source: row.source_location_id,
            source_erp_code: row.source_erp_code,
            destination: row.destination_location_id,
            destination_erp_code: row.destination_erp_code,
            quantity: row.quantity,
        });
    }
    Ok(())
}

async fn add_denials(connection: &mut PgConnection, ids: &[i64], histories: &mut Histories) -> Result<()> {
    // Follows the replaced packages, each for as long as it had the item.
    let rows = sqlx::query!(
        r#"with recursive held (item_id, package_id, order_id, until) as (
               select i.id, p.id, p.order_id, 'infinity'::timestamptz
                 from package_items i join packages p on p.id = i.package_id where i.id = any($1)
               union
               select h.item_id, q.id, h.order_id, p.created_date
                 from held h join packages p on p.id = h.package_id join packages q on q.order_id = h.order_id
                 join package_replacements r on r.package_id = q.id and r.successor_id = h.package_id)
           select h.item_id as "item_id!", w.id as "id!", w.title as "title!", g.stock_location_id as "stock_location!",
                  l.erp_code as "erp_code!", g.created_date as "created_date!"
             from held h
             join transition_logs g on g.package_id = h.package_id and g.created_date <= h.until
             join transition_records r on r.transition_log_id = g.id
             join denial_reasons w on w.id = (r.parameters ->> 'denial_reason')::bigint
             join stock_locations l on l.id = g.stock_location_id
            order by g.id"#,
        ids
    );
    for row in rows.fetch_all(connection).await? {
        histories.entry(row.item_id).or_default().denial_reasons.push(Denial {
            id: row.id,
            title: row.title,
            stock_location: row.stock_location,
            stock_location_erp_code: row.erp_code,
            created_date: row.created_date.into(),
        });
    }
    Ok(())
}

async fn add_discrepancies(connection: &mut PgConnection, ids: &[i64], histories: &mut Histories) -> Result<()> {
    let rows = sqlx::query!(
        "select i.id, e.stock_location_id, l.erp_code, e.created_date
           from package_items i
           join item_exclusions e on e.order_item_id = i.order_item_id
           join stock_locations l on l.id = e.stock_location_id
          where i.id = any($1)
          order by e.created_date, e.stock_location_id",
        ids
    );
    for row in rows.fetch_all(connection).await? {
        histories.entry(row.id).or_default().discrepancies.push(Discrepancy {
            stock_location: row.stock_location_id,
            stock_location_erp_code: row.erp_code,
            created_date: row.created_date.into(),
        });
    }
    Ok(())
}
