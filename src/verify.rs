//! `oms verify`: checks the invariants and says where one fails.

mod events;
mod logs;
mod stock;
mod transfers;

use futures_util::future::BoxFuture;

use crate::{
    catalog::Catalog,
    commands,
    db::{PgPool, Transaction},
    error::Result,
    workflow::Holding,
};

/// Checks every invariant on one snapshot of the database. Each fault is a line; an empty list means that all hold.
/// The future is boxed: a crate that awaits it does not compile all these checks once more.
///
/// # Errors
/// When the database fails.
#[must_use]
pub fn verify(pool: &PgPool) -> BoxFuture<'_, Result<Vec<String>>> {
    Box::pin(faults(pool))
}

async fn faults(pool: &PgPool) -> Result<Vec<String>> {
    let mut transaction = pool.begin_with("begin isolation level repeatable read, read only").await?;
    let mut faults = unfinished(&mut transaction).await?;
    if faults.is_empty() {
        faults = quota_faults(&mut transaction).await?;
        faults.extend(ledger_faults(&mut transaction).await?);
    }
    faults.extend(logs::faults(&mut transaction).await?);
    faults.extend(reservation_faults(&mut transaction).await?);
    faults.extend(stock::faults(&mut transaction).await?);
    faults.extend(item_faults(&mut transaction).await?);
    faults.extend(dangling_faults(&mut transaction).await?);
    faults.extend(transfers::faults(&mut transaction).await?);
    faults.extend(events::faults(&mut transaction).await?);
    transaction.rollback().await?;
    Ok(faults)
}

/// An installation that changed which states occupy quota, and has not written all of the ledger.
async fn unfinished(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let versions = sqlx::query_scalar!("select installation_version from quota_recounts order by 1");
    let versions = versions.fetch_all(&mut **snapshot).await?;
    let fault = |version: i64| {
        format!(
            "quota ledger: it is not complete since version {version} of the installation; oms install completes it"
        )
    };
    Ok(versions.into_iter().map(fault).collect())
}

type Snapshot<'t> = Transaction<'t>;

/// The quota of a location equals the packages that occupy it, and the sum of its ledger.
async fn quota_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select l.erp_code, l.quota, coalesce(p.occupied, 0) as "occupied!", coalesce(q.total, 0) as "total!"
             from stock_locations l
             left join (select stock_location_id, count(*) as occupied
                          from packages join states s on s.id = state_id and s.occupies_quota group by 1) p
                    on p.stock_location_id = l.id
             left join (select stock_location_id, sum(delta)::bigint as total from quota_ledger group by 1) q
                    on q.stock_location_id = l.id
            where l.quota <> coalesce(p.occupied, 0) or l.quota <> coalesce(q.total, 0)
            order by l.id"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            format!(
                "location {}: quota is {}, its packages occupy {}, its ledger sums to {}",
                row.erp_code, row.quota, row.occupied, row.total
            )
        })
        .collect())
}

/// The ledger of a package says where it occupies quota now.
async fn ledger_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select p.number, l.erp_code, coalesce(q.total, 0) as "total!"
             from (select package_id, stock_location_id, sum(delta)::bigint as total from quota_ledger group by 1, 2) q
             full join (select p.id, p.stock_location_id, p.number from packages p
                          join states s on s.id = p.state_id and s.occupies_quota) o
                    on o.id = q.package_id and o.stock_location_id = q.stock_location_id
             join packages p on p.id = coalesce(q.package_id, o.id)
             join stock_locations l on l.id = coalesce(q.stock_location_id, o.stock_location_id)
            where coalesce(q.total, 0) <> case when o.id is null then 0 else 1 end
            order by p.id"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| format!("package {}: its ledger at {} sums to {}", row.number, row.erp_code, row.total))
        .collect())
}

/// Exactly the waiting items have a reservation, of their quantity, at their package's location, or at the source of
/// the transfer that brings them. Exception: packages that gave up their reservations and since then only waited, at
/// the same place, without being planned again. And `reserved` of a stock equals the sum of its reservations.
async fn reservation_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let catalog = Catalog::load(snapshot, commands::kinds()).await?;
    let waiting: Vec<i64> =
        catalog.workflow.states().filter(|state| state.holding == Holding::Reserved).map(|state| state.id).collect();
    let items = sqlx::query!(
        r#"with released as (
               select l.package_id, l.stock_location_id, max(l.id) as log_id
                 from transition_records d join transition_logs l on l.id = d.transition_log_id
                where d.reservations = 'released'
                group by 1, 2
           ), without as (
               select d.package_id from released d
                where not exists (select from transition_logs l
                                    left join transition_records n on n.transition_log_id = l.id
                                   where l.package_id = d.package_id and l.id > d.log_id
                                     and (n.reservations = 'renewed' or l.destination_state_id <> all($1)
                                          or l.stock_location_id <> d.stock_location_id))
           )
           select coalesce(i.id, r.package_item_id) as "id!", i.id is not null and r.package_item_id is null as "lacks!"
             from (select i.id, i.quantity, oi.sku, p.stock_location_id
                     from package_items i
                     join packages p on p.id = i.package_id
                     join order_items oi on oi.id = i.order_item_id
                    where i.state_id = any($1) and p.id not in (select package_id from without)
                   union all
                   select i.id, ti.quantity, oi.sku, t.source_location_id
                     from transfer_items ti
                     join transfers t on t.id = ti.transfer_id
                     join package_items i on i.id = ti.package_item_id
                     join order_items oi on oi.id = i.order_item_id
                    where t.state_id = any($1)) i
             full join reservations r on r.package_item_id = i.id
            where i.id is null or r.package_item_id is null or r.quantity <> i.quantity or r.sku <> i.sku
               or r.stock_location_id <> i.stock_location_id
            order by 1"#,
        &waiting
    )
    .fetch_all(&mut **snapshot)
    .await?;
    let mut faults: Vec<String> = items
        .into_iter()
        .map(|row| {
            let fault = if row.lacks { "waits without a reservation" } else { "has a reservation that is not its own" };
            format!("package item {}: {fault}", row.id)
        })
        .collect();
    let stocks = sqlx::query!(
        r#"select coalesce(s.sku, r.sku) as "sku!", l.erp_code, coalesce(s.reserved, 0) as "reserved!",
                  coalesce(r.total, 0) as "total!"
             from stocks s
             full join (select sku, stock_location_id, sum(quantity)::bigint as total from reservations group by 1, 2) r
                    on r.sku = s.sku and r.stock_location_id = s.stock_location_id
             join stock_locations l on l.id = coalesce(s.stock_location_id, r.stock_location_id)
            where coalesce(s.reserved, 0) <> coalesce(r.total, 0)
            order by 1, 2"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    faults.extend(stocks.into_iter().map(|row| {
        format!(
            "stock of {} at {}: reserved is {}, its reservations sum to {}",
            row.sku, row.erp_code, row.reserved, row.total
        )
    }));
    Ok(faults)
}

/// A line of an order is in at most one open package.
async fn item_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select i.order_item_id, count(*) as "count!"
             from package_items i
             join packages p on p.id = i.package_id
             join states s on s.id = p.state_id
            where s.slug <> 'packaging-canceled'
            group by 1 having count(*) > 1
            order by 1"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| format!("order item {}: it is in {} packages at once", row.order_item_id, row.count))
        .collect())
}

/// References to packages and states lead to existing ones.
async fn dangling_faults(snapshot: &mut Snapshot<'_>) -> Result<Vec<String>> {
    let faults = sqlx::query_scalar!(
        r#"select 'package ' || number || ': there is no state ' || state_id as "fault!"
             from packages p where not exists (select from states where id = p.state_id)
           union all
           select 'package item ' || id || ': there is no state ' || state_id
             from package_items i where not exists (select from states where id = i.state_id)
           union all
           select 'shipment ' || id || ': there is no package ' || package_id
             from shipments s where not exists (select from packages where id = s.package_id)
           union all
           select 'log row ' || id || ': there is no package ' || package_id
             from transition_logs l where not exists (select from packages where id = l.package_id)
           union all
           select 'record of log row ' || transition_log_id || ': there is no denial reason '
                  || (parameters ->> 'denial_reason')
             from transition_records r
            where parameters ? 'denial_reason'
              and not exists (select from denial_reasons where id = (r.parameters ->> 'denial_reason')::bigint)
            order by 1"#
    )
    .fetch_all(&mut **snapshot)
    .await?;
    Ok(faults)
}
