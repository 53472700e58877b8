//! Items that leave a package for another, as a whole or in part, and those that new packages take over as new ones. Most
//! commands have none, and then there is no query.

use super::{
    super::consequences::{ItemChange, PackageChange},
    CreatedItems,
};
use crate::{
    db::PgConnection,
    error::{Error, Result},
};

/// True if some units of an item leave it: then earlier events tell of it with them.
pub(in crate::commands) fn are_cut(changes: &[PackageChange]) -> bool {
    changes.iter().flat_map(|change| &change.items).any(|item| item.cut_from.is_some())
}

/// Writes it. `until_event_id`: earlier events have smaller ids.
pub(super) async fn note(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    created_items: &CreatedItems,
    until_event_id: Option<i64>,
) -> Result<()> {
    cut(connection, changes).await?;
    note_departures(connection, changes).await?;
    note_parts(connection, changes, created_items, until_event_id).await
}

/// The units that items have now, and those that new items took over.
async fn cut(connection: &mut PgConnection, changes: &[PackageChange]) -> Result<()> {
    let items = changes.iter().flat_map(|change| &change.items);
    let is_changed = |item: &&ItemChange| item.cut_from.is_some() || item.passed_on > 0;
    let changed: Vec<(i64, &ItemChange)> = items.filter(is_changed).filter_map(|item| Some((item.id?, item))).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changed.iter().map(|(id, _)| *id).collect();
    let quantities: Vec<i64> = changed.iter().map(|(_, item)| item.quantity).collect();
    let passed_on: Vec<i64> = changed.iter().map(|(_, item)| item.passed_on).collect();
    sqlx::query!(
        "update package_items i set quantity = c.quantity, passed_on = c.passed_on
           from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as c(id, quantity, passed_on)
          where i.id = c.id",
        &ids,
        &quantities,
        &passed_on
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes which items left a package for another: until the row of its log that was just written, its moves were theirs.
async fn note_departures(connection: &mut PgConnection, changes: &[PackageChange]) -> Result<()> {
    let items = changes.iter().flat_map(|change| &change.items);
    let (left, packages): (Vec<i64>, Vec<i64>) = items.filter_map(|item| item.id.zip(item.leaves)).unzip();
    if left.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into package_item_departures (package_item_id, package_id, transition_log_id)
         select c.package_item_id, c.package_id,
                (select max(l.id) from transition_logs l where l.package_id = c.package_id)
           from unnest($1::bigint[], $2::bigint[]) as c(package_item_id, package_id)",
        &left,
        &packages
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes which items were parts of others until now. What those had gone through was theirs.
async fn note_parts(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    created_items: &CreatedItems,
    until_event_id: Option<i64>,
) -> Result<()> {
    let (mut parts, mut wholes, mut packages) = (Vec::new(), Vec::new(), Vec::new());
    for (index, change) in changes.iter().enumerate() {
        for (at, item) in change.items.iter().enumerate() {
            let (Some(whole), Some(part)) = (item.part_of, created_items.get(&(index, at))) else { continue };
            parts.push(*part);
            wholes.push(whole);
            // A part that stays shares its package's log.
            packages.push(item.leaves.or(change.id));
        }
    }
    if parts.is_empty() {
        return Ok(());
    }
    let until_event_id =
        until_event_id.ok_or_else(|| Error::Fault("a part left no item that has fewer units now".to_owned()))?;
    sqlx::query!(
        "with parted as (
             select c.*, i.quantity, i.package_id as begun_in,
                    (select max(l.id) from transition_logs l where l.package_id = c.package_id) as log_id
               from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as c(part, whole, package_id)
               join package_items i on i.id = c.part
         ), departed as (
             insert into package_item_departures (package_item_id, package_id, transition_log_id)
             select part, package_id, log_id from parted where package_id <> begun_in
             union all
             select p.part, d.package_id, d.transition_log_id
               from parted p
               join package_item_departures d on d.package_item_id = p.whole and d.transition_log_id <> p.log_id
         )
         insert into package_item_parts (package_item_id, part_of, quantity, until_event_id, transition_log_id)
         select part, whole, quantity, $4, log_id from parted",
        &parts,
        &wholes,
        &packages as &[Option<i64>],
        until_event_id
    )
    .execute(connection)
    .await?;
    Ok(())
}
