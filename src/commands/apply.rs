//! The one write path: package changes and what follows from them, as multi-row statements.
//!
//! Lock order: packages by id (locked before, by [`super::facts::lock`]), the order's row where packages begin, then
//! stock by (SKU, location), then locations by id, last, so that a busy location is locked for the shortest time.
//! Limits are guarded updates: a row that would break one is not touched, and the count tells.

use sqlx::PgConnection;

use super::{
    ShipmentChange,
    consequences::{Consequences, PackageChange},
};
use crate::error::Result;

/// How a write ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// Everything is written; the ids of the packages, by index.
    Done(Vec<i64>),
    /// Somebody else took the stock or quota that was planned with. Roll back and plan again.
    Outrun,
}

/// Writes package changes with all that follows.
///
/// # Errors
/// When the database fails or refuses.
pub async fn apply(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
) -> Result<Applied> {
    let mut ids: Vec<i64> = changes.iter().map(|change| change.id.unwrap_or_default()).collect();
    create_packages(connection, changes, consequences, &mut ids).await?;
    update_packages(connection, changes, consequences).await?;
    let created_items = create_items(connection, changes, &ids).await?;
    update_items(connection, changes, &ids).await?;
    write_reservations(connection, changes, consequences, &created_items).await?;
    write_shipments(connection, changes, &ids).await?;
    write_log(connection, changes, consequences, &ids).await?;
    write_events(connection, changes, consequences, &ids).await?;
    if !write_stock(connection, consequences).await? || !write_quota(connection, changes, consequences).await? {
        return Ok(Applied::Outrun);
    }
    Ok(Applied::Done(ids))
}

fn event_count(consequences: &Consequences, index: usize) -> i64 {
    let count = consequences.events.iter().filter(|(package, _)| *package == index).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// New packages, numbered on from their order's latest.
async fn create_packages(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &mut [i64],
) -> Result<()> {
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| change.id.is_none()) {
        ids[index] = sqlx::query_scalar!(
            "with numbered as (
                 update orders set package_count = package_count + 1 where id = $1 returning number, package_count
             )
             insert into packages (number, order_id, stock_location_id, state_id, event_sequence)
             select number || 'P' || package_count, $1, $2, $3, $4 from numbered
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

async fn update_packages(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
) -> Result<()> {
    let known = || changes.iter().enumerate().filter_map(|(index, change)| Some((index, change.id?, change)));
    let ids: Vec<i64> = known().map(|(_, id, _)| id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let states: Vec<i64> = known().map(|(_, _, change)| change.after.state_id).collect();
    let locations: Vec<i64> = known().map(|(_, _, change)| change.after.stock_location_id).collect();
    let events: Vec<i64> = known().map(|(index, _, _)| event_count(consequences, index)).collect();
    sqlx::query!(
        "update packages p
            set state_id = c.state_id, stock_location_id = c.stock_location_id,
                event_sequence = p.event_sequence + c.events, modified_date = now()
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
                as c(id, state_id, stock_location_id, events)
          where p.id = c.id",
        &ids,
        &states,
        &locations,
        &events
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ids of new items, by (package, item) index.
type CreatedItems = std::collections::HashMap<(usize, usize), i64>;

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
    let rows = sqlx::query!(
        "insert into package_items (package_id, order_item_id, state_id, quantity)
         select c.package_id, c.order_item_id, c.state_id, c.quantity
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) with ordinality
                as c(package_id, order_item_id, state_id, quantity, n)
          order by c.n
         returning id, package_id, order_item_id",
        &packages,
        &lines,
        &states,
        &quantities
    )
    .fetch_all(connection)
    .await?;
    let by_line: std::collections::HashMap<(i64, i64), i64> =
        rows.into_iter().map(|row| ((row.package_id, row.order_item_id), row.id)).collect();
    Ok(new
        .iter()
        .filter_map(|(indexes, item)| Some((*indexes, *by_line.get(&(ids[indexes.0], item.order_item_id))?)))
        .collect())
}

async fn update_items(connection: &mut PgConnection, changes: &[PackageChange], ids: &[i64]) -> Result<()> {
    let changed: Vec<(i64, i64, i64)> = changes
        .iter()
        .zip(ids)
        .flat_map(|(change, package_id)| change.items.iter().map(move |item| (change, *package_id, item)))
        .filter(|(change, _, item)| change.id.is_none() || item.before != Some(item.after))
        .filter_map(|(_, package_id, item)| Some((item.id?, package_id, item.after.state_id)))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let item_ids: Vec<i64> = changed.iter().map(|(id, _, _)| *id).collect();
    let packages: Vec<i64> = changed.iter().map(|(_, package_id, _)| *package_id).collect();
    let states: Vec<i64> = changed.iter().map(|(_, _, state_id)| *state_id).collect();
    sqlx::query!(
        "update package_items i
            set package_id = c.package_id, state_id = c.state_id, modified_date = now()
           from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as c(id, package_id, state_id)
          where i.id = c.id",
        &item_ids,
        &packages,
        &states
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_reservations(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    created_items: &CreatedItems,
) -> Result<()> {
    if !consequences.release.is_empty() {
        sqlx::query!("delete from reservations where package_item_id = any($1)", &consequences.release)
            .execute(&mut *connection)
            .await?;
    }
    let held: Vec<_> = consequences
        .reserve
        .iter()
        .filter_map(|indexes| {
            let item = &changes[indexes.0].items[indexes.1];
            Some((item.id.or_else(|| created_items.get(indexes).copied())?, item))
        })
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    let items: Vec<i64> = held.iter().map(|(id, _)| *id).collect();
    let locations: Vec<i64> = held.iter().map(|(_, item)| item.after.stock_location_id).collect();
    let skus: Vec<String> = held.iter().map(|(_, item)| item.sku.clone()).collect();
    let quantities: Vec<i64> = held.iter().map(|(_, item)| item.quantity).collect();
    sqlx::query!(
        "insert into reservations (package_item_id, stock_location_id, sku, quantity)
         select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])",
        &items,
        &locations,
        &skus,
        &quantities
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_shipments(connection: &mut PgConnection, changes: &[PackageChange], ids: &[i64]) -> Result<()> {
    let shipped = |known: bool| -> Vec<(i64, &ShipmentChange)> {
        let of_kind = changes.iter().zip(ids).filter(|(change, _)| change.has_shipment == known);
        of_kind.filter_map(|(change, id)| Some((*id, change.shipment.as_ref()?))).collect()
    };
    let (new, known) = (shipped(false), shipped(true));
    if !new.is_empty() {
        let (packages, companies, numbers, labelled) = shipment_arrays(&new);
        sqlx::query!(
            "insert into shipments (package_id, cargo_company_id, tracking_number, label_key)
             select c.package_id, c.cargo_company_id, c.tracking_number, case when c.labelled then gen_random_uuid() end
               from unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[])
                    as c(package_id, cargo_company_id, tracking_number, labelled)",
            &packages,
            &companies,
            &numbers,
            &labelled
        )
        .execute(&mut *connection)
        .await?;
    }
    if !known.is_empty() {
        let (packages, companies, numbers, labelled) = shipment_arrays(&known);
        sqlx::query!(
            "update shipments s
                set cargo_company_id = c.cargo_company_id, tracking_number = c.tracking_number,
                    label_key = case when c.labelled then coalesce(s.label_key, gen_random_uuid()) end,
                    modified_date = now()
               from unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[])
                    as c(package_id, cargo_company_id, tracking_number, labelled)
              where s.package_id = c.package_id",
            &packages,
            &companies,
            &numbers,
            &labelled
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Package, cargo company, tracking number, whether there is a label.
fn shipment_arrays(shipments: &[(i64, &ShipmentChange)]) -> (Vec<i64>, Vec<i64>, Vec<String>, Vec<bool>) {
    (
        shipments.iter().map(|(id, _)| *id).collect(),
        shipments.iter().map(|(_, shipment)| shipment.cargo_company_id).collect(),
        shipments.iter().map(|(_, shipment)| shipment.tracking_number.clone()).collect(),
        shipments.iter().map(|(_, shipment)| shipment.labelled).collect(),
    )
}

/// The log row of every package, and the ledger rows it causes.
async fn write_log(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &[i64],
) -> Result<()> {
    let transitions: Vec<Option<i64>> = changes.iter().map(|change| change.transition_id).collect();
    let sources: Vec<Option<i64>> = changes.iter().map(|change| change.before.map(|before| before.state_id)).collect();
    let destinations: Vec<i64> = changes.iter().map(|change| change.after.state_id).collect();
    let locations: Vec<i64> = changes.iter().map(|change| change.after.stock_location_id).collect();
    let users: Vec<Option<i64>> = changes.iter().map(|change| change.user_id).collect();
    let ledger_packages: Vec<i64> = consequences.quota.iter().map(|delta| ids[delta.package]).collect();
    let ledger_locations: Vec<i64> = consequences.quota.iter().map(|delta| delta.stock_location_id).collect();
    let ledger_deltas: Vec<i16> = consequences.quota.iter().map(|delta| delta.delta).collect();
    sqlx::query!(
        "with logged as (
             insert into transition_logs
                    (package_id, transition_id, source_state_id, destination_state_id, stock_location_id, user_id)
             select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
             returning id, package_id
         )
         insert into quota_ledger (transition_log_id, package_id, stock_location_id, delta)
         select logged.id, c.package_id, c.stock_location_id, c.delta
           from unnest($7::bigint[], $8::bigint[], $9::smallint[]) as c(package_id, stock_location_id, delta)
           join logged using (package_id)",
        ids,
        &transitions as &[Option<i64>],
        &sources as &[Option<i64>],
        &destinations,
        &locations,
        &users as &[Option<i64>],
        &ledger_packages,
        &ledger_locations,
        &ledger_deltas
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_events(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
    ids: &[i64],
) -> Result<()> {
    if consequences.events.is_empty() {
        return Ok(());
    }
    let mut next: Vec<i64> = changes.iter().map(|change| change.event_sequence).collect();
    let sequences: Vec<i64> = consequences
        .events
        .iter()
        .map(|(package, _)| {
            next[*package] += 1;
            next[*package]
        })
        .collect();
    let objects: Vec<i64> = consequences.events.iter().map(|(package, _)| ids[*package]).collect();
    let types: Vec<String> = consequences.events.iter().map(|(_, event)| (*event).to_owned()).collect();
    sqlx::query!(
        "insert into events (entity, event_type, object_id, sequence)
         select 'package', * from unnest($1::text[], $2::bigint[], $3::bigint[])",
        &types,
        &objects,
        &sequences
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether every stock row could be written without breaking its bound.
async fn write_stock(connection: &mut PgConnection, consequences: &Consequences) -> Result<bool> {
    let stock = &consequences.stock;
    if stock.is_empty() {
        return Ok(true);
    }
    let skus: Vec<String> = stock.keys().map(|(sku, _)| sku.clone()).collect();
    let locations: Vec<i64> = stock.keys().map(|(_, location)| *location).collect();
    let quantities: Vec<i64> = stock.values().map(|delta| delta.quantity).collect();
    let reserved: Vec<i64> = stock.values().map(|delta| delta.reserved).collect();
    let bound: Vec<bool> = stock.values().map(|delta| delta.bound).collect();
    let unbound: Vec<i64> = stock.values().map(|delta| delta.unbound).collect();
    if stock.values().any(|delta| delta.reserved > 0 || (delta.reserved == 0 && delta.quantity != 0)) {
        // A SKU that was never counted at a location has no row yet. What was reserved before has one. Where a row is
        // missing, all are locked by this statement (a conflict locks, though nothing is updated): a new row must not
        // be locked before others that come before it.
        sqlx::query!(
            "insert into stocks (sku, stock_location_id, quantity)
             select c.sku, c.stock_location_id, 0
               from unnest($1::text[], $2::bigint[]) as c(sku, stock_location_id)
              where exists (select from unnest($1::text[], $2::bigint[]) as m(sku, stock_location_id)
                             where not exists (select from stocks s where s.sku = m.sku
                                                  and s.stock_location_id = m.stock_location_id))
              order by c.sku, c.stock_location_id
             on conflict (sku, stock_location_id) do update set quantity = excluded.quantity where false",
            &skus,
            &locations
        )
        .execute(&mut *connection)
        .await?;
    }
    let done = sqlx::query!(
        "with w as (
             select c.* from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::bigint[])
                             as c(sku, stock_location_id, quantity, reserved, bound, unbound)
               join stocks s on s.sku = c.sku and s.stock_location_id = c.stock_location_id
              order by s.sku, s.stock_location_id for no key update of s
         )
         update stocks s
            set quantity = greatest(s.quantity + w.quantity, 0), reserved = s.reserved + w.reserved,
                modified_date = now()
           from w
          where s.sku = w.sku and s.stock_location_id = w.stock_location_id
            and (not w.bound or w.reserved - w.unbound <= w.quantity
                 or s.quantity + w.quantity >= s.reserved + w.reserved - w.unbound)",
        &skus,
        &locations,
        &quantities,
        &reserved,
        &bound,
        &unbound
    )
    .execute(connection)
    .await?;
    Ok(usize::try_from(done.rows_affected()) == Ok(stock.len()))
}

/// Whether every location's quota could be written without breaking its bound. One row a location, whatever the number
/// of packages.
async fn write_quota(
    connection: &mut PgConnection,
    changes: &[PackageChange],
    consequences: &Consequences,
) -> Result<bool> {
    // Location: the sum, whether part of it is bound, and the part that is not.
    let mut deltas: std::collections::BTreeMap<i64, (i64, bool, i64)> = std::collections::BTreeMap::new();
    for change in &consequences.quota {
        let delta = deltas.entry(change.stock_location_id).or_default();
        delta.0 += i64::from(change.delta);
        if changes[change.package].bound_by_quota {
            delta.1 |= change.delta > 0;
        } else {
            delta.2 += i64::from(change.delta.max(0));
        }
    }
    deltas.retain(|_, (delta, ..)| *delta != 0);
    if deltas.is_empty() {
        return Ok(true);
    }
    let locations: Vec<i64> = deltas.keys().copied().collect();
    let sums: Vec<i64> = deltas.values().map(|(delta, ..)| *delta).collect();
    let bound: Vec<bool> = deltas.values().map(|(_, bound, _)| *bound).collect();
    let unbound: Vec<i64> = deltas.values().map(|(.., unbound)| *unbound).collect();
    let done = sqlx::query!(
        "with w as (
             select c.* from unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[])
                             as c(id, delta, bound, unbound)
               join stock_locations l on l.id = c.id
              order by l.id for no key update of l
         )
         update stock_locations l
            set quota = l.quota + w.delta
           from w
          where l.id = w.id
            and (not w.bound or w.delta - w.unbound <= 0 or l.max_quota is null
                 or l.quota + w.delta - w.unbound <= l.max_quota)",
        &locations,
        &sums,
        &bound,
        &unbound
    )
    .execute(connection)
    .await?;
    Ok(usize::try_from(done.rows_affected()) == Ok(deltas.len()))
}
