//! Reads the input of a plan: for a new order in one query, for items planned again in a few.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Held, Line, Supply,
    plan::{Candidate, Circumstances, Stock, distance_km, fetch::Fetching},
    queue::{self, Turn, Unserved},
};
use crate::{
    catalog::Catalog,
    db::PgConnection,
    error::{Error, Result},
    orders::packing::Family,
    planning::choose::choose_scenario,
    reading::values,
    scenarios::rules::{Condition, OrderFacts, Product, Scenario, Waiting},
    workflow::Holding,
};

/// Reads the input of a plan for lines of a stored order.
///
/// With `lock`, it locks the stock and locations that it reads until the transaction ends. This is for a plan whose
/// stock was taken by others too often.
///
/// # Errors
/// When the database fails.
pub async fn supply(
    connection: &mut PgConnection,
    catalog: &Catalog,
    order_id: i64,
    lines: &[Line],
    held: &Held,
    lock: bool,
) -> Result<Supply> {
    let order = order_facts(connection, &[order_id]).await?.remove(&order_id);
    let order = order.ok_or_else(|| Error::Fault(format!("order {order_id} vanished")))?;
    let mut supply = choose(catalog, order);
    supply.fetching =
        Fetching::choose(&catalog.transfer_scenarios, catalog.locations.values(), &supply.circumstances.order);
    let turn = Turn {
        date_placed: supply.circumstances.order.date_placed,
        order_id,
        package_id: held.package_id.unwrap_or(i64::MAX),
    };
    let others_wait = read_locations(connection, catalog, lines, held, turn, lock, &mut supply).await?;
    read_history(connection, order_id, &mut supply).await?;
    supply.units_read = lines.iter().map(|line| line.quantity).sum();
    supply.is_again = held.package_id.is_some();
    let package_location = catalog.locations.get(&held.stock_location_id);
    supply.circumstances.package_location = package_location.map(|location| location.erp_code.clone());
    if supply.scenario.as_ref().is_some_and(|scenario| scenario.most_packages().is_some()) {
        supply.circumstances.other_packages = count_packages(connection, catalog, order_id, held.package_id).await?;
    }
    if supply.reads_products() {
        let items: Vec<i64> = lines.iter().map(|line| line.order_item_id).collect();
        supply.products = products(connection, &items).await?;
    }
    if supply.scenario.as_ref().is_some_and(|scenario| scenario.splitting.kits_together) {
        supply.kits = kits(connection, order_id).await?;
    }
    if others_wait {
        queue::leave_rooms(connection, catalog, lines, turn, &mut supply).await?;
    }
    Ok(supply)
}

/// A new order to be planned.
pub struct NewOrder<'a> {
    /// The order's id; the greatest number if it is not stored.
    pub id: i64,
    /// The order, as far as rules use it.
    pub facts: OrderFacts,
    /// Its lines.
    pub lines: &'a [Line],
    /// A line's product, as far as rules use it. It is called if rules use products.
    pub product: &'a (dyn Fn(usize) -> Product + Sync),
    /// The kits that lines are parts of.
    pub kits: BTreeMap<i64, i64>,
}

/// The input of a plan for the lines of a new order, which has no history, from a snapshot that has their SKUs. `unserved`: what
/// orders before it found no place for.
///
/// # Errors
/// When the database fails.
pub async fn supply_for_new(
    connection: &mut PgConnection,
    catalog: &Catalog,
    snapshot: &Snapshot,
    order: NewOrder<'_>,
    unserved: &[Unserved],
) -> Result<Supply> {
    let mut supply = choose(catalog, order.facts);
    supply.kits = order.kits;
    if supply.scenario.as_ref().is_some_and(Scenario::fetches) {
        supply.fetching =
            Fetching::choose(&catalog.transfer_scenarios, catalog.locations.values(), &supply.circumstances.order);
    }
    let turn = Turn { order_id: order.id, ..Turn::of_new(supply.circumstances.order.date_placed) };
    let held = Held::default();
    let others_wait = fill(&mut *connection, catalog, snapshot, order.lines, &held, turn, &mut supply).await?;
    queue::leave_to_unserved(catalog, unserved, &mut supply);
    if supply.reads_products() {
        let all = order.lines.iter().enumerate();
        supply.products = all.map(|(at, line)| (line.order_item_id, (order.product)(at))).collect();
    }
    if others_wait {
        queue::leave_rooms(connection, catalog, order.lines, turn, &mut supply).await?;
    }
    Ok(supply)
}

fn choose(catalog: &Catalog, order: OrderFacts) -> Supply {
    let (scenario, considered) = choose_scenario(&catalog.scenarios, &order);
    Supply {
        scenario: scenario.cloned(),
        considered,
        circumstances: Circumstances { order, ..Circumstances::default() },
        installation_version: catalog.version,
        ..Supply::default()
    }
}

/// Where an order goes; orders of before may have the coordinates of nowhere.
fn known_place(latitude: Option<f64>, longitude: Option<f64>) -> Option<(f64, f64)> {
    latitude.zip(longitude).filter(|(north, east)| !values::is_nowhere(*north, *east))
}

/// The facts of orders that scenarios and rules use, by order id.
///
/// # Errors
/// When the database fails.
pub async fn order_facts(connection: &mut PgConnection, order_ids: &[i64]) -> Result<BTreeMap<i64, OrderFacts>> {
    let rows = sqlx::query!(
        r#"select id, date_placed, channel_id, channel_name, shipping_option_slug, payment_type, delivery_type,
                  latitude::float8 as latitude, longitude::float8 as longitude,
                  details->'shipping_address' as "address?", revision
             from orders where id = any($1)"#,
        order_ids
    )
    .fetch_all(connection)
    .await?;
    let facts = rows.into_iter().map(|row| {
        let mut facts = OrderFacts {
            channel: row.channel_id.map(|id| id.to_string()).into_iter().chain(row.channel_name).collect(),
            shipping: row.shipping_option_slug,
            payment: row.payment_type,
            delivery_type: row.delivery_type,
            coordinates: known_place(row.latitude, row.longitude),
            revision: row.revision,
            date_placed: row.date_placed,
            ..OrderFacts::default()
        };
        facts.read_address(row.address.as_ref().unwrap_or(&Value::Null));
        (row.id, facts)
    });
    Ok(facts.collect())
}

/// What changed orders were before: their facts by order and revision. What cannot change is of the order now.
///
/// # Errors
/// When the database fails.
pub(super) async fn earlier_order_facts(
    connection: &mut PgConnection,
    orders: &BTreeMap<i64, OrderFacts>,
) -> Result<BTreeMap<(i64, i32), OrderFacts>> {
    let changed: Vec<i64> = orders.iter().filter(|(_, facts)| facts.revision > 0).map(|(id, _)| *id).collect();
    if changed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"select order_id, revision, latitude::float8 as latitude, longitude::float8 as longitude,
                  details->'shipping_address' as "address?"
             from order_history where order_id = any($1)"#,
        &changed
    )
    .fetch_all(connection)
    .await?;
    let facts = rows.into_iter().map(|row| {
        let mut facts = orders.get(&row.order_id).cloned().unwrap_or_default();
        (facts.coordinates, facts.revision) = (known_place(row.latitude, row.longitude), row.revision);
        facts.read_address(row.address.as_ref().unwrap_or(&Value::Null));
        ((row.order_id, row.revision), facts)
    });
    Ok(facts.collect())
}

/// The products of order items, as far as rules use them.
///
/// # Errors
/// When the database fails.
pub(super) async fn products(connection: &mut PgConnection, items: &[i64]) -> Result<BTreeMap<i64, Product>> {
    let rows =
        sqlx::query!("select id, product from order_items where id = any($1)", items).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.id, Product::of(&row.product))).collect())
}

/// The kits that lines of an order are parts of, by line, as lines.
async fn kits(connection: &mut PgConnection, order_id: i64) -> Result<BTreeMap<i64, i64>> {
    let rows = sqlx::query!(
        "select id, omnitron_id, parent_omnitron_id as parent from order_items where order_id = $1 order by position",
        order_id
    )
    .fetch_all(connection)
    .await?;
    let keys: Vec<(Option<i64>, Option<i64>)> = rows.iter().map(|row| (row.omnitron_id, row.parent)).collect();
    let family = Family::of(&keys);
    let of_line = (0..rows.len()).filter_map(|at| Some((rows[at].id, rows[family.kit_of(at)?].id)));
    Ok(of_line.collect())
}

/// Reads the stock and the quota that a plan of these lines may use, and what is left to older packages of it. True if some wait,
/// and the scenario leaves room to them. With `lock`, nobody else takes any of it until the transaction ends.
pub(super) async fn read_locations(
    connection: &mut PgConnection,
    catalog: &Catalog,
    lines: &[Line],
    held: &Held,
    turn: Turn,
    lock: bool,
    supply: &mut Supply,
) -> Result<bool> {
    let skus = lines.iter().map(|line| line.sku.as_str());
    let locking = if lock { Locking::of(supply.scenario.as_ref()) } else { Locking::None };
    let snapshot = Snapshot::read(&mut *connection, catalog, skus, locking).await?;
    fill(connection, catalog, &snapshot, lines, held, turn, supply).await
}

/// Gives a plan of these lines what a snapshot has for it. True if others wait, and the scenario leaves room to them.
async fn fill(
    connection: &mut PgConnection,
    catalog: &Catalog,
    snapshot: &Snapshot,
    lines: &[Line],
    held: &Held,
    turn: Turn,
    supply: &mut Supply,
) -> Result<bool> {
    let mut candidates = active_locations(catalog, supply.circumstances.order.coordinates);
    let skus: BTreeSet<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
    for (sku, at) in skus.iter().filter_map(|sku| snapshot.stock.get_key_value(*sku)) {
        for (stock_location_id, stock) in at {
            // A location missing in the catalog is newer than the catalog.
            if let Some(candidate) = candidates.get_mut(stock_location_id) {
                candidate.stock.insert(Arc::clone(sku), *stock);
            }
        }
    }
    for (id, candidate) in &mut candidates {
        (candidate.open_packages, candidate.max_quota) = snapshot.rooms.get(id).copied().unwrap_or_default();
    }
    give_back(&mut candidates, held);
    supply.circumstances.time = snapshot.time;
    supply.candidates = candidates.into_values().collect();
    if supply.scenario.as_ref().is_none_or(|scenario| scenario.waiting != Waiting::FirstCome) {
        return Ok(false);
    }
    let own = (turn.date_placed, turn.order_id, turn.package_id);
    let is_awaited = |sku: &&str| snapshot.awaited.get(*sku).is_some_and(|first| *first < own);
    let awaited: Vec<&str> = skus.iter().copied().filter(is_awaited).collect();
    queue::leave_stock(connection, catalog, &awaited, turn, supply).await?;
    Ok(snapshot.first_waiting.is_some_and(|first| first < own))
}

/// Date, order and package of something that waits.
type WaitingTurn = (DateTime<Utc>, i64, i64);

/// Which rows a snapshot locks until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// None: a write finds out that others were faster.
    None,
    /// The stock, and the locations that have any.
    WithStock,
    /// The stock, and every location.
    Everywhere,
}

impl Locking {
    /// What a plan by a scenario may take. A rule without `SELECT_BY_STOCK` may choose a location without stock.
    #[must_use]
    pub fn of<'s>(scenarios: impl IntoIterator<Item = &'s Scenario>) -> Self {
        let by_stock = |scenario: &Scenario| scenario.rules.iter().all(|rule| rule.asks_for(&Condition::SelectByStock));
        if scenarios.into_iter().all(by_stock) { Self::WithStock } else { Self::Everywhere }
    }
}

/// The stock of some SKUs and the room of every active location at one moment, for plans one after the other: each takes what it
/// uses, so that the next one sees what is left.
#[derive(Debug, Default)]
pub struct Snapshot {
    time: DateTime<Utc>,
    /// By SKU and location.
    stock: BTreeMap<Arc<str>, BTreeMap<i64, Stock>>,
    /// Packages that occupy a location, and the most that may.
    rooms: HashMap<i64, (i64, Option<i64>)>,
    /// Of SKUs that packages wait for, the first one that does.
    awaited: BTreeMap<Arc<str>, WaitingTurn>,
    /// The first package that waits for anything.
    first_waiting: Option<WaitingTurn>,
}

impl Snapshot {
    /// Reads it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn read<'s>(
        connection: &mut PgConnection,
        catalog: &Catalog,
        skus: impl Iterator<Item = &'s str>,
        locking: Locking,
    ) -> Result<Self> {
        let names: BTreeSet<&str> = skus.collect();
        let skus: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if locking != Locking::None {
            lock_supply(&mut *connection, locking == Locking::Everywhere, &skus).await?;
        }
        let active = catalog.locations.values().filter(|location| location.is_active);
        let ids: Vec<i64> = active.map(|location| location.id).collect();
        let names: Vec<Arc<str>> = skus.iter().map(|sku| Arc::from(sku.as_str())).collect();
        // One statement, so one snapshot. Rows of a location's quota have no SKU; those of packages that wait have no location,
        // and of the first one of all no SKU. `offset 0` keeps Postgres from joining in the other order: each SKU is looked up
        // by the index.
        let rows = sqlx::query!(
            r#"select now() as "time!", null::bigint as "sku_number?", id as "stock_location_id?", quota as "first!",
                      max_quota as "second?", null::timestamptz as "date_placed?", null::bigint as "order_id?",
                      null::bigint as "package_id?"
                 from stock_locations where id = any($2)
               union all
               select now(), w.number, s.stock_location_id, s.quantity - s.missing, s.reserved, null, null, null
                 from unnest($1::text[]) with ordinality as w(sku, number)
                cross join lateral (select stock_location_id, quantity, reserved, missing from stocks
                                     where sku = w.sku offset 0) s
               union all
               select now(), w.number, null, 0, null, i.date_placed, i.order_id, i.package_id
                 from unnest($1::text[]) with ordinality as w(sku, number)
                cross join lateral (select date_placed, order_id, package_id from waiting_items where sku = w.sku
                                     order by date_placed, order_id, package_id limit 1) i
               union all
               select now(), null, null, 0, null, f.date_placed, f.order_id, f.package_id
                 from (select date_placed, order_id, package_id from waiting_items
                        order by date_placed, order_id, package_id limit 1) f"#,
            &skus,
            &ids
        )
        .fetch_all(connection)
        .await?;
        let time = rows.first().map_or(DateTime::<Utc>::UNIX_EPOCH, |row| row.time);
        let mut snapshot = Self { time, ..Self::default() };
        for row in rows {
            let number = row.sku_number.and_then(|number| usize::try_from(number - 1).ok());
            let name = number.and_then(|number| names.get(number));
            match (name, row.stock_location_id) {
                (Some(name), Some(at)) => {
                    let stock = Stock { quantity: row.first, reserved: row.second.unwrap_or(0), ..Stock::default() };
                    snapshot.stock.entry(Arc::clone(name)).or_default().insert(at, stock);
                }
                (None, Some(at)) => {
                    snapshot.rooms.insert(at, (row.first, row.second));
                }
                (name, None) => {
                    let turn = row.date_placed.zip(row.order_id).zip(row.package_id);
                    let turn = turn.map(|((date_placed, order_id), package_id)| (date_placed, order_id, package_id));
                    match name {
                        Some(name) => snapshot.awaited.extend(turn.map(|turn| (Arc::clone(name), turn))),
                        None => snapshot.first_waiting = turn,
                    }
                }
            }
        }
        Ok(snapshot)
    }

    /// Takes units of a SKU at a location: they are not available any more.
    pub fn take(&mut self, sku: &str, stock_location_id: i64, units: i64) {
        let of_sku = match self.stock.get_mut(sku) {
            Some(of_sku) => of_sku,
            None => self.stock.entry(Arc::from(sku)).or_default(),
        };
        of_sku.entry(stock_location_id).or_default().reserved += units;
    }

    /// Takes room of a location for packages.
    pub fn occupy(&mut self, stock_location_id: i64, packages: i64) {
        self.rooms.entry(stock_location_id).or_default().0 += packages;
    }
}

/// Makes what a package holds available to its own plan.
fn give_back(candidates: &mut BTreeMap<i64, Candidate>, held: &Held) {
    if let Some(own) = candidates.get_mut(&held.stock_location_id) {
        own.open_packages -= i64::from(held.occupies_quota);
        for (sku, quantity) in &held.reserved {
            own.stock.entry(Arc::from(sku.as_str())).or_default().reserved -= quantity;
        }
    }
    for (stock_location_id, sku, quantity) in &held.elsewhere {
        if let Some(source) = candidates.get_mut(stock_location_id) {
            source.stock.entry(Arc::from(sku.as_str())).or_default().reserved -= quantity;
        }
    }
}

/// The active locations, by id, with their distance to the delivery address.
fn active_locations(catalog: &Catalog, address: Option<(f64, f64)>) -> BTreeMap<i64, Candidate> {
    let active = catalog.locations.values().filter(|location| location.is_active);
    let candidates = active.map(|location| {
        let distance_km = address.zip(location.coordinates()).map(|(from, to)| distance_km(from, to));
        (location.id, Candidate { location: Arc::clone(location), distance_km, ..Candidate::default() })
    });
    candidates.collect()
}

/// Locks the rows that a plan may take, stock first.
async fn lock_supply(connection: &mut PgConnection, everywhere: bool, skus: &[String]) -> Result<()> {
    sqlx::query!(
        r#"select from stocks where sku = any($1) order by sku collate "C", stock_location_id for no key update"#,
        skus
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "select from stock_locations
          where $1 or id in (select stock_location_id from stocks where sku = any($2))
          order by id for no key update",
        everywhere,
        skus
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The locations that refused something of the order, or could not find it.
async fn read_history(connection: &mut PgConnection, order_id: i64, supply: &mut Supply) -> Result<()> {
    let rows = sqlx::query!(
        r#"select e.order_item_id as "order_item_id?", e.stock_location_id as "stock_location_id!"
             from order_items oi join item_exclusions e on e.order_item_id = oi.id
            where oi.order_id = $1
           union all
           select null, l.stock_location_id
             from packages p join transition_logs l on l.package_id = p.id
             join transitions t on t.id = l.transition_id and t.command = 'REFUSE_PACKAGE'
            where p.order_id = $1"#,
        order_id
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        supply.circumstances.refused_by.insert(row.stock_location_id);
        if let Some(item) = row.order_item_id {
            supply.excluded.entry(item).or_default().insert(row.stock_location_id);
        }
    }
    Ok(())
}

/// The number of other packages of the order that hold items.
async fn count_packages(
    connection: &mut PgConnection,
    catalog: &Catalog,
    order_id: i64,
    package_id: Option<i64>,
) -> Result<usize> {
    let rows = sqlx::query_scalar!(
        "select state_id from packages where order_id = $1 and id is distinct from $2",
        order_id,
        package_id
    )
    .fetch_all(connection)
    .await?;
    let mut count = 0;
    for state_id in rows {
        count += usize::from(catalog.workflow.state(state_id)?.holding != Holding::Nothing);
    }
    Ok(count)
}
