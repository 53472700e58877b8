//! First come, first served: a plan leaves to older orders what they wait for.
//!
//! Who is older says the order's `date_placed`, then its id. Nothing is written for it: each plan reads, with the stock, what
//! waits for the same SKUs before its own turn (`waiting_items`), and sets that much aside at locations that the older package
//! may use. So units that return are set aside from the moment at which anybody can see them, whoever brings them and
//! whichever server plans. Room at a location with a limit is left to those that could be packed there now.
//!
//! What an older package may not use holds nobody up: a location that is excluded for its item, or that no rule of its scenario
//! allows. A line that is not divided and has too little keeps the units of one location, the one that has the most, until
//! they are enough.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{
    Held, Line, Supply,
    choose::choose_scenario,
    plan::{Candidate, distance_km},
    read::{order_facts, products, read_locations},
};
use crate::{
    catalog::Catalog,
    db::PgConnection,
    error::Result,
    scenarios::{
        conditions::Seen,
        rules::{Condition, OrderFacts, Product, Scenario, Waiting},
    },
};

/// Waiting items of a SKU that are read at once. The next ones are read only if units are left.
const PAGE: i64 = 100;
/// Waiting items that are looked at for the room of a plan's locations.
const MOST_FOR_ROOM: i64 = 1_000;
/// How often a plan that has lost room is made again.
const MOST_TURNS: usize = 8;

/// The turn of what is planned: all that waits before it is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When the order was placed.
    pub date_placed: DateTime<Utc>,
    /// The order.
    pub order_id: i64,
    /// The package; of a new order the greatest number, so that its own packages come after what waits of it.
    pub package_id: i64,
}

impl Turn {
    /// The turn of an order that is not stored yet: after all others of its date.
    #[must_use]
    pub const fn of_new(date_placed: DateTime<Utc>) -> Self {
        Self { date_placed, order_id: i64::MAX, package_id: i64::MAX }
    }

    /// The turn right after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { package_id: self.package_id.saturating_add(1), ..self }
    }
}

/// An item that waits for a place.
struct WaitingItem {
    sku: String,
    package_id: i64,
    order_id: i64,
    order_item_id: i64,
    units: i64,
    /// Where the package is while it waits.
    stock_location_id: i64,
    /// Locations that could not find it.
    excluded: BTreeSet<i64>,
    /// Locations that refused a package of its order.
    refused: BTreeSet<i64>,
}

/// What plans of waiting items look at besides.
struct Claimants<'c> {
    catalog: &'c Catalog,
    time: DateTime<Utc>,
    orders: BTreeMap<i64, (OrderFacts, Option<&'c Scenario>)>,
    products: BTreeMap<i64, Product>,
}

impl<'c> Claimants<'c> {
    async fn read(
        connection: &mut PgConnection,
        catalog: &'c Catalog,
        time: DateTime<Utc>,
        items: &[WaitingItem],
    ) -> Result<Self> {
        let ids: BTreeSet<i64> = items.iter().map(|item| item.order_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let facts = order_facts(&mut *connection, &ids).await?.into_iter();
        let orders = facts.map(|(id, facts)| {
            let scenario = choose_scenario(&catalog.scenarios, &facts).0;
            (id, (facts, scenario))
        });
        let orders: BTreeMap<i64, (OrderFacts, Option<&Scenario>)> = orders.collect();
        let reads_products = orders.values().filter_map(|(_, scenario)| *scenario).any(Scenario::reads_products);
        let lines: Vec<i64> = items.iter().filter(|_| reads_products).map(|item| item.order_item_id).collect();
        let products = if lines.is_empty() { BTreeMap::new() } else { products(connection, &lines).await? };
        Ok(Self { catalog, time, orders, products })
    }

    /// The order of an item and the scenario that plans it; none: no scenario is for it, or the order is gone.
    fn of(&self, item: &WaitingItem) -> Option<(&OrderFacts, &'c Scenario)> {
        let (order, scenario) = self.orders.get(&item.order_id)?;
        Some((order, (*scenario)?))
    }

    /// True if a plan of the item could use what the location has.
    fn may_use(&self, item: &WaitingItem, candidate: &Candidate) -> bool {
        let Some((order, scenario)) = self.of(item).filter(|_| !item.excluded.contains(&candidate.location.id)) else {
            return false;
        };
        let location = self.catalog.locations.get(&item.stock_location_id);
        let unknown = Product::default();
        let wish = Wish {
            order,
            scenario,
            product: self.products.get(&item.order_item_id).unwrap_or(&unknown),
            units: item.units,
            package_location: location.map(|location| location.erp_code.as_str()),
            has_refused: item.refused.contains(&candidate.location.id),
        };
        wish.may_use(candidate, self.time)
    }
}

/// What somebody waits for, as rules look at it.
struct Wish<'a> {
    order: &'a OrderFacts,
    scenario: &'a Scenario,
    product: &'a Product,
    units: i64,
    package_location: Option<&'a str>,
    has_refused: bool,
}

impl Wish<'_> {
    /// True if a rule of the scenario allows the location, whatever stock it has.
    fn may_use(&self, candidate: &Candidate, time: DateTime<Utc>) -> bool {
        // What is fetched may come from anywhere.
        if self.scenario.fetches() {
            return true;
        }
        let location = &*candidate.location;
        let ends = self.order.coordinates.zip(location.coordinates());
        #[expect(clippy::cast_possible_truncation, reason = "metres on the Earth")]
        let metres = ends.map(|(from, to)| (distance_km(from, to) * 1000.0).round() as i64);
        let items = [(self.product, self.units)];
        let seen = Seen { location, items: &items, order: self.order, time, metres, has_refused: self.has_refused };
        let holds = |condition: &Condition| match condition {
            Condition::SelectByQuota => candidate.max_quota.is_none_or(|most| most > candidate.open_packages),
            Condition::SelectByProductLocations => {
                self.product.allowed_locations.as_ref().is_none_or(|allowed| allowed.contains(&location.erp_code))
            }
            other => other.kind().holds.is_none_or(|holds| holds(other, &seen)),
        };
        let mut rules = self.scenario.rules.iter();
        rules.any(|rule| {
            rule.order.unmet(self.order, self.package_location).is_none() && rule.conditions.iter().all(holds)
        })
    }
}

/// Units of an order that is not stored, and that found no place.
#[derive(Debug)]
pub struct Unserved {
    /// The order.
    pub order: OrderFacts,
    /// The product, as far as rules use it.
    pub product: Product,
    /// The SKU.
    pub sku: String,
    /// The units.
    pub units: i64,
}

/// Leaves to orders that are not stored what they wait for, as far as they were not placed later. They are in the order in
/// which they came.
pub fn leave_to_unserved(catalog: &Catalog, unserved: &[Unserved], supply: &mut Supply) {
    let (own, time) = (supply.circumstances.order.date_placed, supply.circumstances.time);
    if supply.scenario.as_ref().is_none_or(|scenario| scenario.waiting == Waiting::WhoeverFits) {
        return;
    }
    for Unserved { order, product, sku, units } in unserved.iter().filter(|one| one.order.date_placed <= own) {
        let Some(scenario) = choose_scenario(&catalog.scenarios, order).0 else { continue };
        let wish = Wish { order, scenario, product, units: *units, package_location: None, has_refused: false };
        set_aside(&mut supply.candidates, sku, *units, divides(scenario), |candidate| wish.may_use(candidate, time));
    }
}

/// Sets aside what a waiting item wants, at locations that it may use: at one that has all of it, if there is one, else, if
/// its units may be divided, wherever they are, else all that the fullest has.
fn set_aside(candidates: &mut [Candidate], sku: &str, units: i64, divides: bool, may_use: impl Fn(&Candidate) -> bool) {
    let available = |candidate: &Candidate| candidate.stock.get(sku).map_or(0, |stock| stock.available());
    let mut usable: Vec<usize> =
        (0..candidates.len()).filter(|at| available(&candidates[*at]) > 0 && may_use(&candidates[*at])).collect();
    usable.sort_by_key(|at| (std::cmp::Reverse(available(&candidates[*at])), candidates[*at].location.id));
    if !divides {
        usable.truncate(1);
    }
    let mut wanted = units;
    for at in usable {
        let stock = candidates[at].stock.get_mut(sku);
        let Some(stock) = stock.filter(|_| wanted > 0) else { return };
        let here = stock.available().min(wanted);
        stock.set_aside += here;
        wanted -= here;
    }
}

/// True if units of one line may go to several locations.
const fn divides(scenario: &Scenario) -> bool {
    scenario.splitting.allowed && scenario.splitting.lines
}

/// Leaves to older packages the units that they wait for. `skus`: those for which something waits.
///
/// # Errors
/// When the database fails.
pub(super) async fn leave_stock(
    connection: &mut PgConnection,
    catalog: &Catalog,
    skus: &[&str],
    turn: Turn,
    supply: &mut Supply,
) -> Result<()> {
    let is_left = |supply: &Supply, sku: &str| {
        let stock = supply.candidates.iter().filter_map(|candidate| candidate.stock.get(sku));
        stock.into_iter().any(|stock| stock.available() > 0)
    };
    let time = supply.circumstances.time;
    let states = catalog.workflow.waiting_states();
    for sku in skus {
        let mut after = None;
        while is_left(supply, sku) {
            let page = page(&mut *connection, sku, after, turn, &states).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            let is_last = i64::try_from(page.len()).unwrap_or(i64::MAX) < PAGE;
            let items: Vec<WaitingItem> = page.into_iter().map(|(_, item)| item).collect();
            let claimants = Claimants::read(&mut *connection, catalog, time, &items).await?;
            for item in &items {
                let Some((_, scenario)) = claimants.of(item) else { continue };
                let may_use = |candidate: &Candidate| claimants.may_use(item, candidate);
                set_aside(&mut supply.candidates, &item.sku, item.units, divides(scenario), may_use);
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}

/// Those of these SKUs of which nothing is left for a turn: all that is available, others wait for.
///
/// # Errors
/// When the database fails.
pub async fn left_to_others(
    connection: &mut PgConnection,
    catalog: &Catalog,
    skus: Vec<String>,
    turn: Turn,
) -> Result<Vec<String>> {
    let lines: Vec<Line> = skus.iter().map(|sku| Line::of(0, sku, 1)).collect();
    let mut supply = Supply { scenario: Some(Scenario::default()), ..Supply::default() };
    read_locations(connection, catalog, &lines, &Held::default(), turn, false, &mut supply).await?;
    let is_gone = |sku: &String| {
        let stock = supply.candidates.iter().filter_map(|candidate| candidate.stock.get(sku.as_str()));
        stock.into_iter().all(|stock| stock.available() <= 0)
    };
    Ok(skus.into_iter().filter(is_gone).collect())
}

/// Date, order, package, item.
type Place = (DateTime<Utc>, i64, i64, i64);

/// The next items that wait for a SKU before a turn.
async fn page(
    connection: &mut PgConnection,
    sku: &str,
    after: Option<Place>,
    turn: Turn,
    states: &[i64],
) -> Result<Vec<(Place, WaitingItem)>> {
    let rows = sqlx::query!(
        r#"select w.sku, w.package_item_id, w.package_id, w.order_id, w.order_item_id, w.date_placed, w.quantity,
                  p.stock_location_id,
                  array(select stock_location_id from item_exclusions e
                         where e.order_item_id = w.order_item_id) as "excluded!",
                  array(select l.stock_location_id
                          from packages o join transition_logs l on l.package_id = o.id
                          join transitions t on t.id = l.transition_id and t.command = 'REFUSE_PACKAGE'
                         where o.order_id = w.order_id) as "refused!"
             from (select * from waiting_items
                    where sku = $1 and (date_placed, order_id, package_id, package_item_id)
                          > (coalesce($2::timestamptz, '-infinity'), $3, $4, $5)
                      and (date_placed, order_id, package_id) < ($6, $7, $8)
                    order by date_placed, order_id, package_id, package_item_id limit $9) w
             join packages p on p.id = w.package_id and p.state_id = any($10)
            order by w.date_placed, w.order_id, w.package_id, w.package_item_id"#,
        sku,
        after.map(|(date_placed, ..)| date_placed),
        after.map_or(0, |(_, order, ..)| order),
        after.map_or(0, |(_, _, package, _)| package),
        after.map_or(0, |(.., item)| item),
        turn.date_placed,
        turn.order_id,
        turn.package_id,
        PAGE,
        states
    )
    .fetch_all(connection)
    .await?;
    let items = rows.into_iter().map(|row| {
        let item = WaitingItem {
            sku: row.sku,
            package_id: row.package_id,
            order_id: row.order_id,
            order_item_id: row.order_item_id,
            units: row.quantity,
            stock_location_id: row.stock_location_id,
            excluded: row.excluded.into_iter().collect(),
            refused: row.refused.into_iter().collect(),
        };
        ((row.date_placed, row.order_id, row.package_id, row.package_item_id), item)
    });
    Ok(items.collect())
}

/// Leaves to older packages the room that they could use now, at the locations that the plan would choose: it is made again
/// without it, until nobody older wants its room.
///
/// # Errors
/// When the database fails.
pub(super) async fn leave_rooms(
    connection: &mut PgConnection,
    catalog: &Catalog,
    lines: &[Line],
    turn: Turn,
    supply: &mut Supply,
) -> Result<()> {
    let mut looked_at = BTreeSet::new();
    for _ in 0..MOST_TURNS {
        let Some(plan) = supply.plan(lines, &[]) else { return Ok(()) };
        let bound = plan.parcels.iter().filter(|parcel| parcel.bound_by_quota).map(|parcel| parcel.stock_location_id);
        let bound: BTreeSet<i64> = bound.collect();
        let limited = supply.candidates.iter().filter(|candidate| candidate.max_quota.is_some());
        let limited = limited.map(|candidate| candidate.location.id).filter(|id| bound.contains(id));
        let chosen: Vec<i64> = limited.filter(|id| looked_at.insert(*id)).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        let wanted = wanted_rooms(&mut *connection, catalog, &chosen, turn, supply).await?;
        if wanted.is_empty() {
            return Ok(());
        }
        for candidate in &mut supply.candidates {
            candidate.rooms_set_aside =
                wanted.get(&candidate.location.id).copied().unwrap_or(candidate.rooms_set_aside);
        }
    }
    Ok(())
}

/// How many older packages could be packed at each of these locations now. Locations where none could are left out.
async fn wanted_rooms(
    connection: &mut PgConnection,
    catalog: &Catalog,
    locations: &[i64],
    turn: Turn,
    supply: &Supply,
) -> Result<HashMap<i64, i64>> {
    let rows = sqlx::query!(
        r#"select w.sku, w.package_id, w.order_id, w.order_item_id, w.quantity, p.stock_location_id,
                  s.stock_location_id as candidate_id, s.quantity - s.reserved - s.missing as "available!",
                  (select count(*) from waiting_items o where o.package_id = w.package_id) as "items!",
                  array(select stock_location_id from item_exclusions e
                         where e.order_item_id = w.order_item_id) as "excluded!",
                  array(select l.stock_location_id
                          from packages o join transition_logs l on l.package_id = o.id
                          join transitions t on t.id = l.transition_id and t.command = 'REFUSE_PACKAGE'
                         where o.order_id = w.order_id) as "refused!"
             from waiting_items w
             join packages p on p.id = w.package_id and p.state_id = any($5)
             join stocks s on s.sku = w.sku and s.stock_location_id = any($1)
            where (w.date_placed, w.order_id, w.package_id) < ($2, $3, $4) and s.quantity > s.reserved + s.missing
            order by w.date_placed, w.order_id, w.package_id, w.package_item_id limit $6"#,
        locations,
        turn.date_placed,
        turn.order_id,
        turn.package_id,
        &catalog.workflow.waiting_states(),
        MOST_FOR_ROOM
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut items = Vec::with_capacity(rows.len());
    let mut there = Vec::with_capacity(rows.len());
    for row in rows {
        there.push((row.candidate_id, row.available, row.items));
        items.push(WaitingItem {
            sku: row.sku,
            package_id: row.package_id,
            order_id: row.order_id,
            order_item_id: row.order_item_id,
            units: row.quantity,
            stock_location_id: row.stock_location_id,
            excluded: row.excluded.into_iter().collect(),
            refused: row.refused.into_iter().collect(),
        });
    }
    let claimants = Claimants::read(connection, catalog, supply.circumstances.time, &items).await?;
    let mut left: HashMap<(i64, &str), i64> = HashMap::new();
    // Of each package at each location: how many of its items it could get there.
    let mut served: HashMap<(i64, i64), i64> = HashMap::new();
    let mut wanted: HashMap<i64, i64> = HashMap::new();
    for (item, (location, available, of_package)) in items.iter().zip(there) {
        let Some(candidate) = supply.candidates.iter().find(|candidate| candidate.location.id == location) else {
            continue;
        };
        let Some((_, scenario)) = claimants.of(item).filter(|_| claimants.may_use(item, candidate)) else { continue };
        let left = left.entry((location, item.sku.as_str())).or_insert(available);
        let least = if divides(scenario) { 1 } else { item.units };
        if *left < least {
            continue;
        }
        *left -= item.units.min(*left);
        let served = served.entry((location, item.package_id)).or_default();
        *served += 1;
        let enough = if scenario.splitting.allowed { 1 } else { of_package };
        if *served == enough {
            *wanted.entry(location).or_default() += 1;
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{locations::Location, planning::plan::Stock};

    fn at(stock: &[i64]) -> Vec<Candidate> {
        let with = |(id, quantity): (i64, &i64)| Candidate {
            location: Arc::new(Location { id, ..Location::default() }),
            stock: [(Arc::from("shirt"), Stock { quantity: *quantity, ..Stock::default() })].into(),
            ..Candidate::default()
        };
        (1..).zip(stock).map(with).collect()
    }

    fn left(candidates: &[Candidate]) -> Vec<i64> {
        candidates.iter().map(|candidate| candidate.stock["shirt"].available()).collect()
    }

    #[test]
    fn an_older_order_keeps_what_one_location_has_of_a_line_that_is_not_divided() {
        let mut candidates = at(&[2, 3, 1]);
        set_aside(&mut candidates, "shirt", 5, false, |_| true);
        assert_eq!(left(&candidates), [2, 0, 1]);
        // The next one, of one unit, has the next location.
        set_aside(&mut candidates, "shirt", 1, false, |_| true);
        assert_eq!(left(&candidates), [1, 0, 1]);
    }

    #[test]
    fn an_older_order_keeps_units_wherever_they_are_where_lines_are_divided() {
        let mut candidates = at(&[2, 3, 1]);
        set_aside(&mut candidates, "shirt", 4, true, |_| true);
        assert_eq!(left(&candidates), [1, 0, 1]);
        set_aside(&mut candidates, "shirt", 9, true, |candidate| candidate.location.id != 3);
        assert_eq!(left(&candidates), [0, 0, 1]);
        set_aside(&mut candidates, "hat", 9, true, |_| true);
        assert_eq!(left(&candidates), [0, 0, 1]);
    }
}
