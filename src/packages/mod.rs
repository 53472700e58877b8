//! Packages: facts, views, filters.

pub mod facts;
pub mod invoice;
pub(crate) mod item_history;
pub mod items;
pub mod list;
pub mod loader;
pub mod snapshot;
pub mod view;

use crate::{db::PgConnection, error::Result, metrics::readings::OpenPackages};

/// Most packages of a state at a location that are counted for the metrics; one more says that there are more.
const MOST_COUNTED: i64 = 10_001;

/// Counts the packages of each state that is not a last one, by location, for the metrics. A state without packages has
/// one entry without a location.
///
/// # Errors
/// When the database fails.
pub async fn count_open(connection: &mut PgConnection) -> Result<Vec<OpenPackages>> {
    // By the index of location and state, and of each pair no more than that: however many packages there are.
    let rows = sqlx::query!(
        r#"select s.slug, a.erp_code as "erp_code?", coalesce(a.count, 0) as "count!",
                  coalesce(extract(epoch from now() - a.since), 0)::float8 as "oldest!"
             from states s
             left join lateral (
                   select l.erp_code, c.count, c.since
                     from stock_locations l
                    cross join lateral (select count(*), min(modified_date) as since
                                          from (select p.modified_date from packages p
                                                 where p.stock_location_id = l.id and p.state_id = s.id
                                                 limit $1) as looked_at) as c
                    where c.count > 0) as a on true
            where s.entity = 'package' and not s.final"#,
        MOST_COUNTED
    )
    .fetch_all(connection)
    .await?;
    let open = rows.into_iter().map(|row| OpenPackages {
        state: row.slug,
        stock_location: row.erp_code,
        count: row.count,
        oldest_seconds: row.oldest,
    });
    Ok(open.collect())
}

/// Counts the packages in states that are not final and out of which no transition of the installation leads, for the metrics;
/// at each location up to as many as [`count_open`] looks at.
///
/// # Errors
/// When the database fails.
pub async fn count_stuck(connection: &mut PgConnection) -> Result<i64> {
    let stuck = sqlx::query_scalar!(
        r#"select coalesce(sum(c.count), 0)::bigint as "stuck!"
             from states s
            cross join stock_locations l
            cross join lateral (select count(*)
                                  from (select from packages p
                                         where p.stock_location_id = l.id and p.state_id = s.id limit $1) as looked_at) as c
            where s.entity = 'package' and not s.final
              and not exists (select from transitions t where t.source_state_id = s.id and t.retired_date is null)"#,
        MOST_COUNTED
    );
    Ok(stuck.fetch_one(connection).await?)
}
