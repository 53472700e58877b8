//! New packages: of an order, and of items that leave a package.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    model::Model,
    planner::{Ask, Line, Placement},
    vocabulary::{OUT_OF_STOCK, WAITING},
    world::{Item, Package, Step, World},
};

/// An expected new package.
pub struct Want {
    pub at: String,
    pub state: String,
    pub lines: BTreeSet<i64>,
}

impl Model {
    /// Predicts the packages of a new order.
    pub fn order(&mut self, number: &str, is_web: bool, longitude: Option<i32>, lines: Vec<Line>, observed: &World) {
        self.orders.insert(number.to_owned(), (is_web, longitude));
        let ask = Ask {
            spec: &self.spec,
            scenario: self.spec.scenario(is_web).expect("a scenario"),
            world: &self.world,
            lines,
            own: None,
            excluded: BTreeSet::new(),
            longitude,
        };
        let placement = Self::placement(&ask.lines, &self.newcomers(observed));
        ask.check(&placement, &self.fetched(observed));
        let parcels = Self::parcels(&placement);
        let leftover = self.leftover(&placement, number);
        let is_split = parcels.len() + usize::from(leftover.is_some()) > 1;
        let state = if is_split { ask.scenario.split_state } else { WAITING };
        let mut wants: Vec<Want> =
            parcels.into_iter().map(|(at, lines)| Want { at, state: state.to_owned(), lines }).collect();
        wants.extend(leftover);
        // As a package of which all items leave.
        let items = ask.lines.iter().map(|line| {
            let item = Item {
                line: line.id,
                sku: line.sku.clone(),
                quantity: line.quantity,
                state: String::new(),
                is_reserved: false,
            };
            (line.id, item)
        });
        let origin = Package {
            number: String::new(),
            order: number.to_owned(),
            at: String::new(),
            state: String::new(),
            items: items.collect(),
            log: Vec::new(),
            replaced_by: BTreeSet::new(),
            shipment: None,
            invoice: None,
        };
        let mut world = self.world.clone();
        world.orders.insert(number.to_owned(), 0);
        self.grow(&mut world, &origin, wants, false, observed);
        self.begin_transfers(&mut world, observed);
        world.settle(&self.world, &self.spec);
        self.world = world;
    }

    /// The location of each line in the packages that are new since `before`; lines in `own` have none.
    pub fn placement(lines: &[Line], new: &BTreeMap<i64, Package>) -> Placement {
        let at = |line: &Line| {
            let holds = |package: &&Package| package.items.values().any(|item| item.line == line.id);
            let package = new.values().find(holds).filter(|package| package.state != OUT_OF_STOCK);
            package.map(|package| package.at.clone())
        };
        lines.iter().map(|line| (line.id, at(line))).collect()
    }

    /// The expected new packages of a placement: (state, location, lines), without unplaced ones.
    pub fn parcels(placement: &Placement) -> BTreeMap<String, BTreeSet<i64>> {
        let mut parcels: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for (line, at) in placement {
            if let Some(at) = at {
                parcels.entry(at.clone()).or_default().insert(*line);
            }
        }
        parcels
    }

    /// The packages that are new.
    pub fn newcomers(&self, observed: &World) -> BTreeMap<i64, Package> {
        let is_new = |(id, _): &(&i64, &Package)| !self.world.packages.contains_key(id);
        observed.packages.iter().filter(is_new).map(|(id, package)| (*id, package.clone())).collect()
    }

    /// Adds the expected packages to the world under their real ids; `moved` items keep theirs.
    pub fn grow(
        &self,
        world: &mut World,
        origin: &Package,
        mut wants: Vec<Want>,
        moved: bool,
        observed: &World,
    ) -> BTreeSet<i64> {
        let old: BTreeSet<i64> =
            self.world.packages.values().flat_map(|package| package.items.keys().copied()).collect();
        let new = self.newcomers(observed);
        for (id, seen) in &new {
            let lines: BTreeSet<i64> = seen.items.values().map(|item| item.line).collect();
            let at = wants.iter().position(|want| want.lines == lines);
            let want = wants.remove(at.unwrap_or_else(|| panic!("package {} is not wanted: {seen:?}", seen.number)));
            let count = world.orders.get_mut(&origin.order).expect("its order");
            *count += 1;
            let item = |(id, seen): (&i64, &Item)| {
                let (own, item) = origin.items.iter().find(|(_, item)| item.line == seen.line).expect("its item");
                assert!(if moved { own == id } else { !old.contains(id) }, "item {id} is moved or else new");
                (*id, Item { state: want.state.clone(), is_reserved: self.waits(&want.state), ..item.clone() })
            };
            let package = Package {
                number: format!("{}P{count}", origin.order),
                order: origin.order.clone(),
                at: want.at.clone(),
                state: want.state.clone(),
                items: seen.items.iter().map(item).collect(),
                log: vec![Step(None, None, want.state.clone(), want.at.clone())],
                replaced_by: BTreeSet::new(),
                shipment: None,
                invoice: None,
            };
            world.packages.insert(*id, package);
        }
        assert!(wants.is_empty(), "{} packages are missing", wants.len());
        new.keys().copied().collect()
    }
}
