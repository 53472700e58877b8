//! States that begin or cease to occupy quota.
//!
//! While commands are kept out, each location's quota is set by counting its packages in these states: a look-up by an
//! index. The ledger, a row a package, is completed afterwards. What a package's ledger lacks does not change meanwhile,
//! for each command writes the package and its ledger by the same rule. So it is counted on a snapshot, without a lock,
//! and may be counted again.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;

use crate::{
    db::{self, PgConnection, PgPool},
    error::Result,
};

/// Rows of the ledger that are written in a transaction: a few milliseconds.
const STEP: usize = 2_000;
/// Key of the advisory lock of whoever completes the ledger.
const SETTLING: i64 = 0x6f6d_7304;

/// Whether a package in a state occupies quota, by the state's id, retired states too.
pub(super) type Occupying = HashMap<i64, bool>;

/// Reads it.
pub(super) async fn occupying(connection: &mut PgConnection) -> Result<Occupying> {
    let rows = sqlx::query!("select id, occupies_quota from states").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.occupies_quota)).collect())
}

/// Sets each location's quota where states of before begin or cease to occupy it, and notes that the ledger is to be
/// completed.
pub(super) async fn switch(connection: &mut PgConnection, before: &Occupying, version: i64) -> Result<()> {
    let (mut begins, mut ceases) = (Vec::new(), Vec::new());
    for (id, occupies) in occupying(connection).await? {
        match (before.get(&id), occupies) {
            (Some(false), true) => begins.push(id),
            (Some(true), false) => ceases.push(id),
            _ => {}
        }
    }
    if begins.is_empty() && ceases.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update stock_locations l set quota = l.quota + c.delta
           from (select l.id,
                        (select count(*) from unnest($1::bigint[]) as s(id)
                           join packages p on p.stock_location_id = l.id and p.state_id = s.id)
                        - (select count(*) from unnest($2::bigint[]) as s(id)
                             join packages p on p.stock_location_id = l.id and p.state_id = s.id) as delta
                   from stock_locations l) c
          where c.id = l.id and c.delta <> 0",
        &begins,
        &ceases
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("insert into quota_recounts (installation_version) values ($1)", version).execute(connection).await?;
    Ok(())
}

/// Completes the ledger, if a change of the installation has left that to do. Several processes may call it at the same
/// time, while commands run.
///
/// # Errors
/// When the database fails. The next call continues.
pub async fn settle(pool: &PgPool) -> Result<()> {
    if latest_recount(&mut *pool.acquire().await?).await?.is_none() {
        return Ok(());
    }
    let mut writer = db::for_long_work(pool).await?;
    sqlx::query!("select pg_advisory_lock($1) as lock", SETTLING).fetch_one(&mut writer).await?;
    let settled = settle_alone(pool, &mut writer).await;
    // The lock goes with the connection.
    writer.close().await;
    settled
}

async fn latest_recount(connection: &mut PgConnection) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar!("select max(installation_version) from quota_recounts").fetch_one(connection).await?)
}

async fn settle_alone(pool: &PgPool, writer: &mut PgConnection) -> Result<()> {
    let Some(version) = latest_recount(&mut *writer).await? else { return Ok(()) };
    let mut reader = db::for_long_work(pool).await?;
    {
        let lacking = sqlx::query!(
            r#"select coalesce(o.id, q.package_id) as "package_id!",
                      coalesce(o.stock_location_id, q.stock_location_id) as "stock_location_id!",
                      (case when o.id is null then 0 else 1 end - coalesce(q.total, 0))::smallint as "delta!"
                 from (select package_id, stock_location_id, sum(delta) as total
                         from quota_ledger group by 1, 2 having sum(delta) <> 0) q
                 full join (select p.id, p.stock_location_id
                              from packages p join states s on s.id = p.state_id and s.occupies_quota) o
                        on o.id = q.package_id and o.stock_location_id = q.stock_location_id
                where coalesce(q.total, 0) <> case when o.id is null then 0 else 1 end"#
        );
        let mut chunks = lacking.fetch(&mut reader).try_chunks(STEP);
        while let Some(rows) = chunks.try_next().await.map_err(|error| error.1)? {
            let packages: Vec<i64> = rows.iter().map(|row| row.package_id).collect();
            let locations: Vec<i64> = rows.iter().map(|row| row.stock_location_id).collect();
            let deltas: Vec<i16> = rows.iter().map(|row| row.delta).collect();
            sqlx::query!(
                "insert into quota_ledger (installation_version, package_id, stock_location_id, delta)
                 select $1, * from unnest($2::bigint[], $3::bigint[], $4::smallint[])",
                version,
                &packages,
                &locations,
                &deltas
            )
            .execute(&mut *writer)
            .await?;
        }
    }
    reader.close().await;
    sqlx::query!("delete from quota_recounts where installation_version <= $1", version).execute(writer).await?;
    Ok(())
}
