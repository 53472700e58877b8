//! Lines of a known order that were not to be packed when it came, and now are: their payment is confirmed, or their
//! cancellation is taken back. They are planned as the lines of a new order are, in one transaction.

use std::collections::BTreeMap;

use crate::{
    catalog::CatalogCache,
    commands::{
        apply::Applied,
        transfer::{apply::apply, begin::begin, consequences::derive},
    },
    db::{self, PgConnection, PgPool},
    error::{Error, Result},
    orders::{input::OrderInput, statuses},
    placing::place::{no_scenario, order_state, packages},
    planning::{self, Held, Line},
};

/// How often it is tried again after others were faster.
const MOST_ATTEMPTS: u32 = 6;

/// Plans lines of an order, by id, each with the status that it has now. What another request took up already is left to it.
///
/// # Errors
/// 406 if no scenario fits; 503 when the database is away, or others were faster too often.
pub(crate) async fn take_up(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    (order_id, order): (i64, &OrderInput),
    lines: &BTreeMap<i64, String>,
    user_id: Option<i64>,
) -> Result<()> {
    for attempt in 1..=MOST_ATTEMPTS {
        match try_take_up(pool, catalog_cache, (order_id, order), lines, user_id).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Overloaded)
}

/// One transaction. False if others were faster.
async fn try_take_up(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    (order_id, order): (i64, &OrderInput),
    lines: &BTreeMap<i64, String>,
    user_id: Option<i64>,
) -> Result<bool> {
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    let catalog = catalog_cache.up_to_date(&mut transaction).await?;
    sqlx::query!("select from orders where id = $1 for no key update", order_id).execute(&mut *transaction).await?;
    let (mut ids, mut states) = (Vec::with_capacity(lines.len()), Vec::with_capacity(lines.len()));
    for (id, status) in lines {
        ids.push(*id);
        states.push(order_state(&catalog, status)?);
    }
    let taken = taken(&mut transaction, order_id, &ids, &states).await?;
    if taken.is_empty() {
        return Ok(true);
    }
    statuses::keep_least(&mut transaction, &[order_id]).await?;
    // It holds what it reads: what is counted meanwhile is seen, or wakes the package.
    let supply = planning::supply(&mut transaction, &catalog, order_id, &taken, &Held::default(), true).await?;
    let plan = supply.plan(&taken, &[]).ok_or_else(|| no_scenario(order))?;
    planning::store_trace(&mut transaction, order_id, None, Some(plan.scenario_id), &plan.trace).await?;
    let mut packages = packages(&catalog, order_id, &taken, &plan, user_id)?;
    let transfers = begin(&mut packages, 0, &plan.trace, &catalog.workflow)?;
    let derived = derive(&packages, &transfers, &catalog.workflow)?;
    if apply(&mut transaction, &packages, &transfers, &derived, None).await? == Applied::Conflict {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// The lines that nothing was packed of because of their status: from now on they are packed, and have these states.
async fn taken(connection: &mut PgConnection, order_id: i64, ids: &[i64], states: &[i64]) -> Result<Vec<Line>> {
    let mut rows = sqlx::query!(
        "with gone as (delete from lines_not_packed where order_item_id = any($2) and reason = 'status'
                       returning order_item_id)
         update order_items i set state_id = c.state_id, modified_date = now()
           from gone g join unnest($2::bigint[], $3::bigint[]) as c(id, state_id) on c.id = g.order_item_id
          where i.id = g.order_item_id and i.order_id = $1
         returning i.id, i.position, i.sku, i.quantity",
        order_id,
        ids,
        states
    )
    .fetch_all(connection)
    .await?;
    rows.sort_by_key(|row| row.position);
    Ok(rows.iter().map(|row| Line::of(row.id, &row.sku, row.quantity)).collect())
}
