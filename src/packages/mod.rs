//! Packages: facts, views, filters.

pub mod facts;
pub mod invoice;
pub(crate) mod item_history;
pub mod items;
pub mod list;
pub mod loader;
pub mod snapshot;
pub mod view;

use crate::{db::PgConnection, error::Result};

/// Counts the packages of each state that is not a last one, for the metrics.
///
/// # Errors
/// When the database fails.
pub async fn count_open(connection: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"select s.slug, count(p.id) as "count!"
             from states s left join packages p on p.state_id = s.id
            where s.entity = 'package' and not s.final
            group by s.id, s.slug"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.slug, row.count)).collect())
}
