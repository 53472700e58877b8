//! The table of things that came free: written where they are freed (for locations and scenarios by triggers, see
//! `migrations/0007…`), read by every server, each row taken by one.

use crate::{
    commands::wake_signal::Freed,
    db::{PgConnection, PgPool},
    error::Result,
};

/// Rows taken at once.
const MOST_ROWS: i64 = 100;

/// Says, when the caller's transaction commits, that anything may have come free.
///
/// # Errors
/// When the database fails.
pub async fn for_anything(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("insert into replanning_wakes default values").execute(connection).await?;
    Ok(())
}

/// Rows that this server has taken.
#[derive(Debug, Default)]
pub(super) struct Lease {
    ids: Vec<i64>,
    /// The things they say.
    pub freed: Freed,
}

/// Takes the oldest rows that no other server holds.
pub(super) async fn lease(pool: &PgPool) -> Result<Lease> {
    let rows = sqlx::query!(
        "update replanning_wakes set leased_until = now() + interval '5 minutes'
          where id in (select id from replanning_wakes where leased_until is null or leased_until < now()
                        order by id limit $1 for update skip locked)
         returning id, skus, stock_location_id",
        MOST_ROWS
    )
    .fetch_all(pool)
    .await?;
    let mut lease = Lease::default();
    for row in rows {
        lease.ids.push(row.id);
        lease.freed.add(Freed {
            anything: row.skus.is_none() && row.stock_location_id.is_none(),
            skus: row.skus.unwrap_or_default().into_iter().collect(),
            location_ids: row.stock_location_id.into_iter().collect(),
        });
    }
    Ok(lease)
}

impl Lease {
    /// True if there was no row.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Deletes the rows: everything in them was looked at.
    pub(super) async fn done(self, pool: &PgPool) -> Result<()> {
        if !self.ids.is_empty() {
            sqlx::query!("delete from replanning_wakes where id = any($1)", &self.ids).execute(pool).await?;
        }
        Ok(())
    }

    /// Gives the rows back, so that another server can take them at once.
    pub(super) async fn give_back(self, pool: &PgPool) -> Result<()> {
        if !self.ids.is_empty() {
            sqlx::query!("update replanning_wakes set leased_until = null where id = any($1)", &self.ids)
                .execute(pool)
                .await?;
        }
        Ok(())
    }
}

/// Deletes rows that no server took for a day, because none plans by itself.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(pool: &PgPool) -> Result<()> {
    sqlx::query!("delete from replanning_wakes where created_date < now() - interval '1 day'").execute(pool).await?;
    Ok(())
}

/// True if it is time for a sweep and this server is the one to do it.
pub(super) async fn is_our_sweep(pool: &PgPool, every: std::time::Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update replanning_sweep set swept_date = now() where swept_date <= now() - make_interval(secs => $1)",
        every.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}
