//! Invariants of transfers and of the packages that wait for them.

use super::Snapshot;
use crate::{error::Result, workflow::WAITING_FOR_TRANSFER};

/// Every fault, a line each.
pub(super) async fn faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let mut faults = waiting_faults(snapshot).await?;
    faults.extend(item_faults(snapshot).await?);
    Ok(faults)
}

/// A package waits for transfers exactly while one of its transfers is open, and those go to its location.
async fn waiting_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select p.number, s.slug = $1 as "waits!", count(o.id) as "open!",
                  count(o.id) filter (where o.destination_location_id <> p.stock_location_id) as "astray!"
             from packages p
             join states s on s.id = p.state_id
             left join (select t.* from transfers t join states ts on ts.id = t.state_id
                         where ts.enum_value in ('waiting', 'ready_to_shipment', 'in_transit')) o on o.package_id = p.id
            where s.slug = $1 or o.id is not null
            group by p.id, p.number, s.slug
           having (s.slug = $1) <> (count(o.id) > 0)
               or count(o.id) filter (where o.destination_location_id <> p.stock_location_id) > 0
            order by p.id"#,
        WAITING_FOR_TRANSFER
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| match (row.waits, row.astray) {
            (_, 1..) => format!("package {}: {} of its open transfers go elsewhere", row.number, row.astray),
            (true, _) => format!("package {}: it waits for transfers, and none is open", row.number),
            (false, _) => {
                format!("package {}: it has {} open transfers and does not wait for them", row.number, row.open)
            }
        })
        .collect())
}

/// An item of a package waits for a transfer exactly while one open transfer carries all of it.
async fn item_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select i.id, s.slug = $1 as "waits!", count(o.id) as "open!"
             from package_items i
             join states s on s.id = i.state_id
             left join (select ti.package_item_id as id, ti.quantity, t.package_id
                          from transfer_items ti
                          join transfers t on t.id = ti.transfer_id
                          join states ts on ts.id = t.state_id
                         where ts.enum_value in ('waiting', 'ready_to_shipment', 'in_transit')) o on o.id = i.id
            where s.slug = $1 or o.id is not null
            group by i.id, s.slug
           having count(o.id) <> case when s.slug = $1 then 1 else 0 end
               or bool_or(o.quantity <> i.quantity or o.package_id <> i.package_id)
            order by i.id"#,
        WAITING_FOR_TRANSFER
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| match (row.waits, row.open) {
            (true, 0) => format!("package item {}: it waits for a transfer, and none brings it", row.id),
            (true, 1) => {
                format!("package item {}: its transfer brings another quantity, or to another package", row.id)
            }
            (true, open) => format!("package item {}: {open} open transfers bring it at once", row.id),
            (false, open) => format!("package item {}: {open} open transfers bring it, and it waits for none", row.id),
        })
        .collect())
}
