//! Tells of stock that changed: the changes of a shelf within a second are one event, `stock.changed`.
//!
//! While an active webhook asks for it, a trigger notes each shelf that changes, in the transaction that changes it. One
//! server at a time makes events of what is noted. What is noted is deleted in the transaction that writes its event, so a
//! crash loses none. An event has what the shelf has now; a shelf that has again what was told last makes none.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    events::EventNotifier,
};

/// The type of these events.
pub const STOCK_CHANGED: &str = "stock.changed";
/// How often changes are looked for, and the least time between two events of a shelf.
const EVERY: Duration = Duration::from_secs(1);
/// Noted changes that are told in one transaction.
const BATCH: i64 = 10_000;
/// Stock cannot change while noting begins: commands wait for at most this long, else it is tried again later.
const LONGEST_LOCK: &str = "set local lock_timeout = '300ms'";

/// Makes events of what changed until it is stopped.
pub async fn tell_until_stopped(pool: PgPool, event_notifier: Arc<EventNotifier>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pace.tick() => {}
        }
        while !stop.is_cancelled() {
            match tell(&pool).await {
                Ok(Told { noted, events }) => {
                    if events > 0 {
                        event_notifier.notify();
                    }
                    if noted < BATCH.unsigned_abs() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot tell what changed in stock; trying again shortly");
                    break;
                }
            }
        }
    }
}

/// What came of one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    /// Noted changes that are dealt with.
    noted: u64,
    /// Events that were written.
    events: u64,
}

async fn tell(pool: &PgPool) -> Result<Told> {
    let seen = sqlx::query!(
        r#"select f.is_on, f.is_compared, exists (select from stock_changes) as "is_noted!",
                  exists (select from webhooks where event_type = $1 and is_active) as "is_wanted!"
             from stock_feed f"#,
        STOCK_CHANGED
    )
    .fetch_one(pool)
    .await?;
    match (seen.is_on, seen.is_wanted) {
        (false, true) => begin(pool).await.map(|()| Told::default()),
        (true, false) => end(pool).await.map(|()| Told::default()),
        (true, true) if !seen.is_compared => compare(pool).await.map(|()| Told::default()),
        (true, true) if seen.is_noted => tell_noted(pool).await,
        _ => Ok(Told::default()),
    }
}

/// Begins to note. No transaction that changes stock is under way then: each one before is over, each one after sees it.
async fn begin(pool: &PgPool) -> Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query(LONGEST_LOCK).execute(&mut *transaction).await?;
    if !takes_turn(&mut transaction).await? {
        return Ok(());
    }
    sqlx::query!("lock table stocks in share mode").execute(&mut *transaction).await?;
    sqlx::query!("update stock_feed set is_on = true, is_compared = false").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Notes what changed while nobody asked, of the shelves that were told of before.
async fn compare(pool: &PgPool) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if !takes_turn(&mut transaction).await? {
        return Ok(());
    }
    sqlx::query!(
        "insert into stock_changes (sku, stock_location_id)
         select t.sku, t.stock_location_id
           from stock_told t
           join stocks s using (sku, stock_location_id)
          where (s.quantity, s.reserved, s.missing) is distinct from (t.quantity, t.reserved, t.missing)"
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("update stock_feed set is_compared = true").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Notes no more. What a transaction notes that is still under way is told when it is wanted again.
async fn end(pool: &PgPool) -> Result<()> {
    let mut transaction = pool.begin().await?;
    if !takes_turn(&mut transaction).await? {
        return Ok(());
    }
    sqlx::query!("update stock_feed set is_on = false").execute(&mut *transaction).await?;
    sqlx::query!("delete from stock_changes").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// True if no other server tells just now. None does until the end of the transaction.
async fn takes_turn(connection: &mut PgConnection) -> Result<bool> {
    let turn = sqlx::query_scalar!("select is_on from stock_feed for update skip locked");
    Ok(turn.fetch_optional(connection).await?.is_some())
}

async fn tell_noted(pool: &PgPool) -> Result<Told> {
    let mut transaction = pool.begin().await?;
    if !takes_turn(&mut transaction).await? {
        return Ok(Told::default());
    }
    let told = sqlx::query!(
        r#"with noted as (
               delete from stock_changes
                where id in (select c.id
                               from stock_changes c
                               left join stock_told t using (sku, stock_location_id)
                              where t.told_date is null or t.told_date <= now() - make_interval(secs => $2)
                              order by c.id limit $3)
               returning sku, stock_location_id
           ), told as (
               insert into stock_told as t (sku, stock_location_id, quantity, reserved, missing)
               select s.sku, s.stock_location_id, s.quantity, s.reserved, s.missing
                 from (select distinct sku, stock_location_id from noted) n
                 join stocks s using (sku, stock_location_id)
                order by s.sku, s.stock_location_id
               on conflict on constraint stock_told_shelf_key do update
                  set quantity = excluded.quantity, reserved = excluded.reserved, missing = excluded.missing,
                      event_sequence = t.event_sequence + 1, told_date = now()
                where (t.quantity, t.reserved, t.missing)
                      is distinct from (excluded.quantity, excluded.reserved, excluded.missing)
               returning t.*
           ), written as (
               insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
               select 'stock', t.id, t.event_sequence, array[$1::text], array[t.stock_location_id], i.version,
                      json_build_object('stock_location', t.stock_location_id, 'erp_code', l.erp_code, 'sku', t.sku,
                                        'quantity', t.quantity, 'reserved', t.reserved, 'missing', t.missing,
                                        'available', t.quantity - t.reserved - t.missing,
                                        'modified_date', s.modified_date)
                 from told t
                 join stocks s using (sku, stock_location_id)
                 join stock_locations l on l.id = t.stock_location_id
                cross join installation i
               returning 1
           )
           select (select count(*) from noted) as "noted!", (select count(*) from written) as "events!""#,
        STOCK_CHANGED,
        EVERY.as_secs_f64(),
        BATCH
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Told { noted: told.noted.unsigned_abs(), events: told.events.unsigned_abs() })
}
