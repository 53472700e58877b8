//! Invariants of stock: a quantity is what its ledger recorded and what packages and transfers moved.

use super::Snapshot;
use crate::error::Result;

/// Every fault, a line each. Each quantity is made again: by its ledger, from the opening on, and by what the logs moved
/// since. Of a log only its end is left in that sum, which is where its package or transfer stands ([`super::logs`] proves
/// it); so items and transfers are summed, and no log is read.
pub(super) async fn faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"with ledger as (
               select sku, stock_location_id, sum(quantity_after - quantity_before)::bigint as recorded,
                      coalesce(sum(moved_before), 0)::bigint as moved_before
                 from stock_ledger group by 1, 2
           ), summed as (
               select coalesce(l.sku, m.sku) as sku, coalesce(l.stock_location_id, m.stock_location_id) as stock_location_id,
                      coalesce(l.recorded, 0) as recorded, coalesce(m.moved, 0) - coalesce(l.moved_before, 0) as moved
                 from ledger l
                 full join goods_moved m on m.sku = l.sku and m.stock_location_id = l.stock_location_id
           )
           select coalesce(s.sku, t.sku) as "sku!", o.erp_code, s.quantity as "quantity?", s.recorded as "recorded?",
                  s.moved as "moved?", coalesce(t.recorded, 0) as "sum_recorded!", coalesce(t.moved, 0) as "sum_moved!"
             from stocks s
             full join summed t on t.sku = s.sku and t.stock_location_id = s.stock_location_id
             join stock_locations o on o.id = coalesce(s.stock_location_id, t.stock_location_id)
            where coalesce(s.quantity, 0) <> coalesce(t.recorded, 0) + coalesce(t.moved, 0)
               or coalesce(s.recorded, 0) <> coalesce(t.recorded, 0) or coalesce(s.moved, 0) <> coalesce(t.moved, 0)
            order by 1, 2"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let made = row.sum_recorded + row.sum_moved;
            let of = format!("stock of {} at {}", row.sku, row.erp_code);
            match row.quantity {
                None => format!("{of}: it is gone, and its ledger and logs make {made}"),
                Some(quantity) if quantity != made => {
                    format!("{of}: quantity is {quantity}, its ledger and logs make {made}")
                }
                Some(_) => format!(
                    "{of}: it says that {} are recorded and {} moved, its ledger sums to {}, its logs to {}",
                    row.recorded.unwrap_or_default(),
                    row.moved.unwrap_or_default(),
                    row.sum_recorded,
                    row.sum_moved
                ),
            }
        })
        .collect())
}
