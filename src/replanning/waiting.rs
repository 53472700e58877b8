//! Packages that wait for a place, and the question whether a freed thing could place them.
//!
//! The query uses the planner's limits (stock, room, excluded locations) for each item by itself, without a scenario's
//! finer rules. It may say yes where the planner says no, which costs an attempt. It never says no where the planner
//! says yes.

use chrono::{DateTime, Utc};

use crate::{
    catalog::Catalog,
    commands::wake_signal::Freed,
    db::{PgPool, Transaction},
    error::Result,
    planning::queue::{self, Turn},
    scenarios::rules::{self, Condition, Rule},
};

/// Makes Postgres look each package up by an index, for few or many packages.
const BEGIN_LOOKUPS: &str = "begin read only; set local enable_hashjoin = off; set local enable_mergejoin = off; \
                             set local enable_seqscan = off";

/// A package that waits for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its id.
    pub package: i64,
    /// Id of its order.
    pub order: i64,
    /// When the order was placed.
    pub date_placed: DateTime<Utc>,
    /// Id of its state.
    pub state: i64,
}

impl Waiting {
    /// Its turn.
    pub(super) const fn turn(&self) -> Turn {
        Turn { date_placed: self.date_placed, order_id: self.order, package_id: self.package }
    }
}

/// The next packages in one of the states, in turn: the order that was placed first comes first. A package split off an order
/// keeps the order's turn.
pub(super) async fn after(
    pool: &PgPool,
    state_ids: &[i64],
    previous: Option<Waiting>,
    limit: i64,
) -> Result<Vec<Waiting>> {
    let mut transaction = pool.begin_with(BEGIN_LOOKUPS).await?;
    let packages = sqlx::query_as!(
        Waiting,
        r#"select w.package_id as package, w.order_id as "order", w.date_placed, p.state_id as state
             from (select distinct date_placed, order_id, package_id from waiting_items
                    where (date_placed, order_id, package_id) > (coalesce($2::timestamptz, '-infinity'), $3, $4)) w
             join packages p on p.id = w.package_id
            where p.state_id = any($1)
            order by w.date_placed, w.order_id, w.package_id limit $5"#,
        state_ids,
        previous.map(|previous| previous.date_placed),
        previous.map_or(0, |previous| previous.order),
        previous.map_or(0, |previous| previous.package),
        limit
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    Ok(packages)
}

/// The limits that the active scenarios put on every location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the query")]
pub(super) struct Limits {
    by_stock: bool,
    by_quota: bool,
    /// True if a rule may fetch missing items from other locations.
    fetches: bool,
    /// True if a scenario divides lines: then one unit is worth an attempt.
    divides: bool,
    /// True if every scenario leaves stock to older orders.
    pub is_in_turn: bool,
}

impl Limits {
    pub(super) fn of(catalog: &Catalog) -> Self {
        let all_ask = |condition: &Condition| {
            let mut rules = catalog.scenarios.iter().flat_map(|scenario| &scenario.rules);
            rules.all(|rule: &Rule| rule.asks_for(condition))
        };
        let mut rules = catalog.scenarios.iter().flat_map(|scenario| &scenario.rules);
        Self {
            by_stock: all_ask(&Condition::SelectByStock),
            by_quota: all_ask(&Condition::SelectByQuota),
            fetches: rules.any(|rule| rule.transferable),
            divides: catalog.scenarios.iter().any(|scenario| scenario.splitting.lines),
            is_in_turn: catalog.scenarios.iter().all(|scenario| scenario.waiting == rules::Waiting::FirstCome),
        }
    }
}

/// The packages, in their order, that could have some of the freed things. `left_to_others`: SKUs of which all is for packages
/// before these.
pub(super) async fn could_be_placed(
    pool: &PgPool,
    packages: &[Waiting],
    freed: &Freed,
    left_to_others: &[String],
    limits: Limits,
) -> Result<Vec<Waiting>> {
    let ids: Vec<i64> = packages.iter().map(|package| package.package).collect();
    let mut transaction = pool.begin_with(BEGIN_LOOKUPS).await?;
    let found = look(&mut transaction, &ids, freed, left_to_others, limits).await?;
    transaction.rollback().await?;
    Ok(packages.iter().filter(|package| found.contains(&package.package)).copied().collect())
}

async fn look(
    transaction: &mut Transaction<'_>,
    ids: &[i64],
    freed: &Freed,
    left_to_others: &[String],
    limits: Limits,
) -> Result<Vec<i64>> {
    let skus: Vec<String> = freed.skus.iter().cloned().collect();
    let locations: Vec<i64> = freed.location_ids.iter().copied().collect();
    // Items to be fetched must be in stock somewhere, at one or several locations. Without SELECT_BY_STOCK a location
    // needs no row of stock to be chosen: then every item that wants a freed thing is worth an attempt.
    Ok(sqlx::query_scalar!(
        r#"select w.id as "id!"
             from unnest($1::bigint[]) as w(id)
            where exists (
                select from package_items i join order_items oi on oi.id = i.order_item_id
                 where i.package_id = w.id and oi.sku <> all($9)
                   and ($2 or oi.sku = any($3) or cardinality($4::bigint[]) > 0)
                   and case when $6 then exists (
                           select from stocks s join stock_locations l on l.id = s.stock_location_id
                            where s.sku = oi.sku and s.quantity - s.reserved - s.missing >= case when $8 then 1 else i.quantity end
                              and l.is_active
                              and ($2 or s.sku = any($3) or l.id = any($4))
                              and (not $5 or l.max_quota is null or l.quota < l.max_quota)
                              and not exists (select from item_exclusions e
                                               where e.order_item_id = oi.id and e.stock_location_id = l.id))
                           or $7 and case when $8 then 1 else i.quantity end <= (
                               select sum(greatest(s.quantity - s.reserved - s.missing, 0))
                                 from stocks s join stock_locations l on l.id = s.stock_location_id
                                where s.sku = oi.sku and l.is_active)
                       else true end)"#,
        ids,
        freed.anything,
        &skus,
        &locations,
        limits.by_quota,
        limits.by_stock,
        limits.fetches,
        limits.divides,
        left_to_others
    )
    .fetch_all(&mut **transaction)
    .await?)
}

/// The SKUs of a package that nothing is left of for those that come after it: what there is, others and it wait for. So a
/// package that waits until its line is complete is one attempt, and not one for each package behind it.
pub(super) async fn left_to(pool: &PgPool, catalog: &Catalog, package: Waiting) -> Result<Vec<String>> {
    let mut connection = pool.acquire().await?;
    let skus = sqlx::query_scalar!("select distinct sku from waiting_items where package_id = $1", package.package)
        .fetch_all(&mut *connection)
        .await?;
    queue::left_to_others(&mut connection, catalog, skus, package.turn().next()).await
}

/// Forgets SKUs that are no longer available anywhere. Most freed units are few, and the first packages take them.
pub(super) async fn forget_what_is_gone(pool: &PgPool, freed: &mut Freed, limits: Limits) -> Result<()> {
    if !limits.by_stock || freed.skus.is_empty() {
        return Ok(());
    }
    let skus: Vec<String> = freed.skus.iter().cloned().collect();
    let there = sqlx::query_scalar!(
        r#"select w.sku as "sku!" from unnest($1::text[]) as w(sku)
            where exists (select from stocks s join stock_locations l on l.id = s.stock_location_id
                           where s.sku = w.sku and s.quantity > s.reserved + s.missing and l.is_active)"#,
        &skus
    )
    .fetch_all(pool)
    .await?;
    freed.skus = there.into_iter().collect();
    Ok(())
}
