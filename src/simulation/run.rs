//! Reads the plans of past orders and plans these orders by other scenarios. It writes nothing: its transaction is read
//! only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Comparison, is_same};
use crate::{
    catalog::Catalog,
    commands,
    db::{PgConnection, PgPool},
    error::{Error, Refusal, Result},
    orders::{
        identity::{Identity, Known},
        input::OrderInput,
    },
    planning::{
        choose::choose_scenario,
        plan::{self, Candidate, Circumstances, Demand, Outcome, Stock, distance_km, fetch::Fetching},
        replay::{Content, PlanReferences, StoredPlan, Task, plans},
    },
    scenarios::{
        self,
        definition::Definition,
        rules::{Product, Scenario, Waiting},
    },
};

/// Orders read at a time.
const BATCH: i64 = 500;

/// The parameters of a simulation.
#[derive(Debug)]
pub struct Simulation<'a> {
    /// The scenarios to plan by; inactive ones are ignored. If none of them is a transfer scenario, the present
    /// transfer scenarios are used.
    pub definitions: &'a [Definition],
    /// Orders placed from this time on,
    pub from: DateTime<Utc>,
    /// and before this time.
    pub until: DateTime<Utc>,
    /// Orders to plan instead of the stored ones.
    pub orders: Option<Vec<OrderInput>>,
}

/// Runs the simulation. `progress` receives the number of finished orders.
///
/// # Errors
/// 400 if a scenario names something that does not exist; when the database fails.
pub async fn compare(pool: &PgPool, simulation: &Simulation<'_>, progress: &mut dyn FnMut(u64)) -> Result<Comparison> {
    let mut transaction = pool.begin_with("begin isolation level repeatable read, read only").await?;
    let catalog = Catalog::load(&mut transaction, commands::kinds()).await?;
    let mut scenarios = Vec::new();
    for (at, definition) in simulation.definitions.iter().filter(|definition| definition.is_active).enumerate() {
        let references = scenarios::resolve(&mut transaction, definition).await?;
        let id = i64::try_from(at).unwrap_or_default();
        scenarios.push(definition.scenario(
            id,
            1,
            references.default_location_id,
            references.initial_state_when_split_id,
        ));
    }
    let (transfer_scenarios, scenarios): (Vec<Scenario>, Vec<Scenario>) =
        scenarios.into_iter().partition(Scenario::is_for_transfers);
    if scenarios.is_empty() {
        return Err(Refusal::field("scenarios", "The file has no active scenario to plan by.").into());
    }
    let transfer_scenarios =
        if transfer_scenarios.is_empty() { catalog.transfer_scenarios.clone() } else { transfer_scenarios };
    let mut run = Run {
        scenarios,
        transfer_scenarios,
        catalog,
        references: PlanReferences::default(),
        comparison: Comparison::default(),
    };
    match &simulation.orders {
        None => run.stored(&mut transaction, simulation, progress).await?,
        Some(orders) => run.given(&mut transaction, simulation, orders, progress).await?,
    }
    transaction.rollback().await?;
    let names = run.catalog.locations.values();
    run.comparison.names =
        names.map(|location| (location.id, (location.erp_code.clone(), location.name.clone()))).collect();
    Ok(run.comparison)
}

struct Run {
    scenarios: Vec<Scenario>,
    transfer_scenarios: Vec<Scenario>,
    catalog: Catalog,
    references: PlanReferences,
    comparison: Comparison,
}

impl Run {
    /// Plans the stored orders, in batches.
    async fn stored(
        &mut self,
        connection: &mut PgConnection,
        simulation: &Simulation<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut last = 0;
        loop {
            let ids = sqlx::query_scalar!(
                "select id from orders where date_placed >= $1 and date_placed < $2 and id > $3 order by id limit $4",
                simulation.from,
                simulation.until,
                last,
                BATCH
            )
            .fetch_all(&mut *connection)
            .await?;
            let Some(newest) = ids.last() else { return Ok(()) };
            last = *newest;
            let mut kept = plans(connection, &ids).await?;
            kept.retain(|plan| plan.package_id.is_none());
            self.references.load_more(connection, &kept).await?;
            for plan in &kept {
                self.compare_kept(plan);
            }
            progress(self.comparison.before.orders);
        }
    }

    /// Compares the first plan of an order with its simulated plan.
    fn compare_kept(&mut self, plan: &StoredPlan) {
        let Content::Record(record) = &plan.content else {
            self.comparison.not_kept += 1;
            return;
        };
        let before = record.decision.outcome();
        let task = self.references.task(plan.order_id, &record.facts);
        self.compare(Some(before), &task);
    }

    /// Adds an order to both sides. If no scenario fitted then, the first side is empty.
    fn compare(&mut self, before: Option<Outcome>, task: &Task) {
        let Task { demands, candidates, .. } = task;
        let after = plan_by(&self.scenarios, &self.transfer_scenarios, task);
        let is_changed = match (&before, &after) {
            (Some(before), Some(after)) => !is_same(before, after),
            (before, after) => before.is_some() || after.is_some(),
        };
        self.comparison.changed += u64::from(is_changed);
        for (tally, outcome) in [(&mut self.comparison.before, before), (&mut self.comparison.after, after)] {
            match outcome {
                Some(outcome) => tally.add(&outcome, candidates),
                None => tally.add_without_scenario(demands),
            }
        }
    }

    /// Plans given orders. The first side is the stored plan, or, for an order that is not stored, the plan by the
    /// present scenarios. Both sides use the last stock and quota that a plan before the order's date saw, or else the
    /// present ones.
    async fn given(
        &mut self,
        connection: &mut PgConnection,
        simulation: &Simulation<'_>,
        orders: &[OrderInput],
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let within = |order: &&OrderInput| (simulation.from..simulation.until).contains(&order.date_placed);
        let mut wanted: Vec<&OrderInput> = orders.iter().filter(within).collect();
        wanted.sort_by_key(|order| order.date_placed);
        let skus: BTreeSet<&str> = wanted.iter().flat_map(|order| &order.lines).map(|line| line.sku.as_str()).collect();
        let mut history = StockHistory::of_now(connection, &skus).await?;
        history.read_seen(connection, simulation.from, simulation.until, &skus).await?;
        let identities: Vec<Identity> = wanted.iter().map(|order| order.identity()).collect();
        let known = Known::load(&mut *connection, &identities, None).await?;
        for (order, identity) in wanted.into_iter().zip(&identities) {
            if let Some(stored) = known.find(identity)? {
                let mut kept = plans(connection, &[stored.id]).await?;
                kept.retain(|plan| plan.package_id.is_none());
                self.references.load_more(connection, &kept).await?;
                for plan in &kept {
                    self.compare_kept(plan);
                }
            } else {
                let task = history.task(&self.catalog, order);
                if task.demands.is_empty() {
                    continue;
                }
                let before = plan_by(&self.catalog.scenarios, &self.catalog.transfer_scenarios, &task);
                self.compare(before, &task);
            }
            progress(self.comparison.before.orders);
        }
        Ok(())
    }
}

/// The plan by the first scenario that fits, if there is one.
fn plan_by(scenarios: &[Scenario], transfer_scenarios: &[Scenario], task: &Task) -> Option<Outcome> {
    let Task { demands, candidates, circumstances } = task;
    let (chosen, _) = choose_scenario(scenarios, &circumstances.order);
    let chosen = chosen?;
    let locations = candidates.iter().map(|candidate| &candidate.location);
    let fetching = Fetching::choose(transfer_scenarios, locations, &circumstances.order);
    if chosen.waiting == Waiting::FirstCome {
        return Some(plan::plan(chosen, fetching.as_ref(), demands, candidates, circumstances));
    }
    // What was left to older orders, this scenario takes.
    let mut all = candidates.clone();
    for candidate in &mut all {
        candidate.rooms_set_aside = 0;
        candidate.stock.values_mut().for_each(|stock| stock.set_aside = 0);
    }
    Some(plan::plan(chosen, fetching.as_ref(), demands, &all, circumstances))
}

/// Values with the time at which a plan saw them.
type Seen<T> = Vec<(DateTime<Utc>, T)>;

/// The stock of SKUs and the quota of locations over time.
#[derive(Default)]
struct StockHistory {
    /// Stock by SKU, as plans saw it, oldest first; then by location.
    stock: HashMap<String, Seen<BTreeMap<i64, Stock>>>,
    /// Open packages and limit by location, oldest first.
    quota: HashMap<i64, Seen<(i64, Option<i64>)>>,
}

impl StockHistory {
    /// The present stock and quota, for SKUs that no plan saw.
    async fn of_now(connection: &mut PgConnection, skus: &BTreeSet<&str>) -> Result<Self> {
        let skus: Vec<String> = skus.iter().map(|sku| (*sku).to_owned()).collect();
        let rows =
            sqlx::query!(
                r#"select stock_location_id, sku, quantity - missing as "quantity!", reserved from stocks where sku = any($1)"#,
                &skus
            )
                .fetch_all(&mut *connection)
                .await?;
        let mut history = Self::default();
        let mut stock: HashMap<String, BTreeMap<i64, Stock>> = HashMap::new();
        for row in rows {
            let seen = Stock { quantity: row.quantity, reserved: row.reserved, ..Stock::default() };
            stock.entry(row.sku).or_default().insert(row.stock_location_id, seen);
        }
        history.stock = stock.into_iter().map(|(sku, rows)| (sku, vec![(DateTime::<Utc>::MIN_UTC, rows)])).collect();
        let rows = sqlx::query!("select id, quota, max_quota from stock_locations").fetch_all(connection).await?;
        let quota = rows.into_iter().map(|row| (row.id, vec![(DateTime::<Utc>::MIN_UTC, (row.quota, row.max_quota))]));
        history.quota = quota.collect();
        Ok(history)
    }

    /// Adds the stock and quota that stored plans saw.
    async fn read_seen(
        &mut self,
        connection: &mut PgConnection,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        skus: &BTreeSet<&str>,
    ) -> Result<()> {
        let skus_list: Vec<String> = skus.iter().map(|sku| (*sku).to_owned()).collect();
        let ids = sqlx::query_scalar!(
            "select o.id from orders o
              where o.date_placed >= $1 and o.date_placed < $2
                and exists (select from order_items oi where oi.order_id = o.id and oi.sku = any($3))
              order by o.date_placed, o.id",
            from,
            until,
            &skus_list
        )
        .fetch_all(&mut *connection)
        .await?;
        for ids in ids.chunks(usize::try_from(BATCH).unwrap_or(500)) {
            let placed = sqlx::query!("select id, date_placed from orders where id = any($1)", ids)
                .fetch_all(&mut *connection)
                .await?;
            let placed: HashMap<i64, DateTime<Utc>> = placed.into_iter().map(|row| (row.id, row.date_placed)).collect();
            for plan in plans(connection, ids).await? {
                let (None, Content::Record(record)) = (plan.package_id, &plan.content) else { continue };
                let Some(time) = placed.get(&plan.order_id) else { continue };
                let facts = &record.facts;
                for row in &facts.locations {
                    let &[id, open, most, ..] = row.as_slice() else { continue };
                    self.quota.entry(id).or_default().push((*time, (open, (most >= 0).then_some(most))));
                }
                for (column, sku) in facts.skus.iter().enumerate().filter(|(_, sku)| skus.contains(sku.as_str())) {
                    let number = |row: &[i64], at: usize| row.get(at).copied().unwrap_or(0);
                    let rows = facts.locations.iter().filter_map(|row| {
                        let seen = Stock {
                            quantity: number(row, 3 + 2 * column),
                            reserved: number(row, 4 + 2 * column),
                            ..Stock::default()
                        };
                        Some((*row.first()?, seen))
                    });
                    self.stock.entry(sku.clone()).or_default().push((*time, rows.collect()));
                }
            }
        }
        for seen in self.stock.values_mut() {
            seen.sort_by_key(|(time, _)| *time);
        }
        for seen in self.quota.values_mut() {
            seen.sort_by_key(|(time, _)| *time);
        }
        Ok(())
    }

    /// The input of the plan of an order that is not stored, at its date.
    fn task(&self, catalog: &Catalog, order: &OrderInput) -> Task {
        let time = order.date_placed;
        let facts = order.facts();
        let to_pack = order.lines.iter().filter(|line| order.is_to_pack(line));
        let demands: Vec<Demand> = (1..)
            .zip(to_pack)
            .map(|(order_item_id, line)| Demand {
                order_item_id,
                sku: line.sku.clone(),
                quantity: line.quantity,
                excluded_location_ids: BTreeSet::new(),
                product: Product::of(&line.product),
                kit: line.kit.and_then(|kit| i64::try_from(kit).ok()),
            })
            .collect();
        let skus: BTreeSet<&str> = demands.iter().map(|demand| demand.sku.as_str()).collect();
        let seen: Vec<(Arc<str>, &BTreeMap<i64, Stock>)> =
            skus.iter().filter_map(|sku| Some((Arc::from(*sku), last(self.stock.get(*sku)?, time)?))).collect();
        let active = catalog.locations.values().filter(|location| location.is_active);
        let candidates = active.map(|location| {
            let quota = self.quota.get(&location.id).and_then(|seen| last(seen, time)).copied();
            let (open_packages, max_quota) = quota.unwrap_or_default();
            let stock = seen.iter().filter_map(|(sku, rows)| Some((Arc::clone(sku), *rows.get(&location.id)?)));
            Candidate {
                location: Arc::clone(location),
                max_quota,
                open_packages,
                rooms_set_aside: 0,
                distance_km: facts.coordinates.zip(location.coordinates()).map(|(from, to)| distance_km(from, to)),
                stock: stock.collect(),
            }
        });
        Task {
            candidates: candidates.collect(),
            demands,
            circumstances: Circumstances { time, order: facts, ..Circumstances::default() },
        }
    }
}

/// The last value at or before a time.
fn last<T>(seen: &Seen<T>, time: DateTime<Utc>) -> Option<&T> {
    let until = seen.partition_point(|(at, _)| *at <= time);
    seen.get(until.checked_sub(1)?).map(|(_, value)| value)
}

/// Reads orders as JSON lines.
///
/// # Errors
/// The number of the first line that is not an order.
pub fn read_orders(text: &str) -> Result<Vec<OrderInput>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let order = crate::wire::parse(line.trim().as_bytes()).and_then(|value| OrderInput::of_json(&value));
            order.map_err(|refusal| Error::Fault(format!("line {}: {refusal}", at + 1)))
        })
        .collect()
}
