//! The list of what came free, in the database: written where it is freed (for locations and scenarios by triggers, see
//! `migrations/0007…`), read by every server, taken by one.

use sqlx::{PgConnection, PgPool};

use super::Freed;
use crate::error::Result;

/// Rows taken at once.
const MOST_ROWS: i64 = 100;

/// Tells, once the caller's transaction commits, that there is more of some SKUs.
///
/// # Errors
/// When the database fails.
pub async fn for_skus(connection: &mut PgConnection, skus: &[String]) -> Result<()> {
    if !skus.is_empty() {
        sqlx::query!("insert into replanning_wakes (skus) values ($1)", skus).execute(connection).await?;
    }
    Ok(())
}

/// Tells, once the caller's transaction commits, that anything may have changed.
///
/// # Errors
/// When the database fails.
pub async fn for_anything(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("insert into replanning_wakes default values").execute(connection).await?;
    Ok(())
}

/// Rows this server is at.
#[derive(Debug, Default)]
pub(super) struct Lease {
    ids: Vec<i64>,
    /// What they tell.
    pub freed: Freed,
}

/// Takes the oldest rows that nobody is at.
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
    /// Whether there was nothing to take.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Everything they told was looked at.
    pub(super) async fn done(self, pool: &PgPool) -> Result<()> {
        if !self.ids.is_empty() {
            sqlx::query!("delete from replanning_wakes where id = any($1)", &self.ids).execute(pool).await?;
        }
        Ok(())
    }

    /// It could not be looked at: whoever comes next may take them at once.
    pub(super) async fn give_back(self, pool: &PgPool) -> Result<()> {
        if !self.ids.is_empty() {
            sqlx::query!("update replanning_wakes set leased_until = null where id = any($1)", &self.ids)
                .execute(pool)
                .await?;
        }
        Ok(())
    }
}

/// Forgets what nobody took for a day, because no server plans again by itself.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(pool: &PgPool) -> Result<()> {
    sqlx::query!("delete from replanning_wakes where created_date < now() - interval '1 day'").execute(pool).await?;
    Ok(())
}

/// Whether it is time for a sweep and this server is the one to do it.
pub(super) async fn is_our_sweep(pool: &PgPool, every: std::time::Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update replanning_sweep set swept_date = now() where swept_date <= now() - make_interval(secs => $1)",
        every.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}
