//! What must hold of transfers and the packages that wait for them.

use super::Snapshot;
use crate::{error::Result, workflow::WAITING_FOR_TRANSFER};

/// Every fault of them, a line each.
pub(super) async fn faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let mut faults = log_faults(snapshot).await?;
    faults.extend(waiting_faults(snapshot).await?);
    faults.extend(item_faults(snapshot).await?);
    Ok(faults)
}

/// Every transfer's log is a path of the table that begins with its creation and ends at its state.
async fn log_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"with path as (
               select l.id, l.transfer_id, l.transition_id, l.source_state_id, l.destination_state_id,
                      lag(l.destination_state_id) over w as reached,
                      row_number() over w as n,
                      lead(l.id) over w is null as is_last
                 from transfer_logs l window w as (partition by l.transfer_id order by l.id)
           )
           select t.number, case
                      when path.id is null then 'it has no log'
                      when path.n = 1 and path.transition_id is not null then 'its log does not begin with its creation'
                      when path.n > 1 and path.source_state_id is distinct from path.reached
                          then 'log row ' || path.id || ' does not start where the one before ended'
                      when path.transition_id is not null and m.transition_id is null
                          then 'log row ' || path.id || ' is no move of the table'
                      else 'its state is not where its log ends'
                  end as "fault!"
             from transfers t
             left join path on path.transfer_id = t.id
             left join transition_moves m
                    on m.transition_id = path.transition_id and m.source_state_id = path.source_state_id
                   and m.destination_state_id = path.destination_state_id
            where path.id is null
               or (path.n = 1 and path.transition_id is not null)
               or (path.n > 1 and path.source_state_id is distinct from path.reached)
               or (path.transition_id is not null and m.transition_id is null)
               or (path.is_last and path.destination_state_id <> t.state_id)
            order by t.id"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows.into_iter().map(|row| format!("transfer {}: {}", row.number, row.fault)).collect())
}

/// A package waits for transfers exactly as long as one of its transfers is open, and those go to where it is.
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

/// An item of a package waits for a transfer exactly as long as one open transfer carries all of it.
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
