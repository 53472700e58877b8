//! Transfers in the model: they begin with a plan and end with a package; the expected answer and effect of each of
//! their commands.

mod input;
mod play;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    growth::Want,
    input::map,
    model::{Model, NOT_ALLOWED},
    ops::{Naming, TransferOp},
    planner::Fetched,
    spec::erp,
    vocabulary::{Leg, OUT_OF_STOCK, WAITING, WAITING_FOR_TRANSFER, legs},
    world::{Carried, Package, Step, Transfer, World},
};

/// A command on a transfer, ready to be sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub transfer: i64,
    pub leg: Leg,
    pub body: Value,
    /// The package items that are reported missing, if any.
    missing: BTreeSet<i64>,
}

/// A refusal's status and a part of its body.
type Refused = (u16, String);

impl Model {
    /// The transfers that are new.
    fn new_transfers<'w>(&self, observed: &'w World) -> impl Iterator<Item = (i64, &'w Transfer)> {
        let new = observed.transfers.iter().filter(|(id, _)| !self.world.transfers.contains_key(id));
        new.map(|(id, transfer)| (*id, transfer))
    }

    /// The sources of the new transfers.
    pub fn fetched(&self, observed: &World) -> Fetched {
        let lines = |(_, transfer): (i64, &Transfer)| -> Vec<(i64, String)> {
            let package = &observed.packages[&transfer.package];
            transfer.items.keys().map(|item| (package.items[item].line, transfer.source.clone())).collect()
        };
        self.new_transfers(observed).flat_map(lines).collect()
    }

    /// Items of new transfers wait for them, reserved at their sources; the other items of their packages wait to be
    /// packed.
    pub fn begin_transfers(&self, world: &mut World, observed: &World) {
        for (id, seen) in self.new_transfers(observed) {
            let earlier = world.transfers.values().filter(|transfer| transfer.package == seen.package).count();
            let package = world.packages.get_mut(&seen.package).expect("its package");
            assert_eq!((&seen.destination, seen.source == package.at), (&package.at, false), "{}", seen.number);
            WAITING_FOR_TRANSFER.clone_into(&mut package.state);
            WAITING_FOR_TRANSFER.clone_into(&mut package.log.last_mut().expect("a log").2);
            for (item_id, item) in &mut package.items {
                if let Some(Carried(_, quantity)) = seen.items.get(item_id) {
                    assert_eq!(item.quantity, *quantity, "item {item_id} is fetched whole");
                    assert_ne!(item.state, WAITING_FOR_TRANSFER, "item {item_id} is fetched once");
                    WAITING_FOR_TRANSFER.clone_into(&mut item.state);
                    item.is_reserved = true;
                } else if item.state != WAITING_FOR_TRANSFER && self.holds(&item.state) {
                    WAITING.clone_into(&mut item.state);
                    item.is_reserved = true;
                }
            }
            assert!(seen.items.keys().all(|item| package.items.contains_key(item)), "{} is the package's", seen.number);
            let transfer = Transfer {
                number: format!("{}T{}", package.number, earlier + 1),
                package: seen.package,
                source: seen.source.clone(),
                destination: package.at.clone(),
                state: "waiting".to_owned(),
                items: seen.items.clone(),
                log: vec![(None, None, "waiting".to_owned())],
                events: vec!["transfer.status.created".to_owned()],
                shipment: None,
            };
            world.transfers.insert(id, transfer);
        }
    }

    /// A package that ends while it waits for transfers ends them, by its own transition.
    pub fn end_transfers(&self, world: &mut World, package_id: i64) {
        let (before, after) = (&self.world.packages[&package_id], &world.packages[&package_id]);
        if before.state != WAITING_FOR_TRANSFER || after.state == WAITING_FOR_TRANSFER {
            return;
        }
        let transition = after.log.last().and_then(|step| step.0).expect("its command's");
        let open = world.transfers.values_mut().filter(|transfer| transfer.package == package_id && transfer.is_open());
        for transfer in open {
            let end = if transfer.state == "in_transit" { "cancelled_in_transit" } else { "cancelled" };
            transfer.go(transition, end);
        }
    }

    /// The request that an op's numbers mean, and its refusal; none: it is done.
    pub fn expect_transfer_op(&self, op: &TransferOp) -> Option<(Sent, Option<Refused>)> {
        let count = self.world.transfers.len();
        let from = op.transfer.checked_rem(count)?;
        let leg = |transfer: &Transfer| {
            let able: Vec<Leg> = legs().iter().copied().filter(|leg| !op.fits || leg.1 == transfer.state).collect();
            (!able.is_empty()).then(|| able[op.leg % able.len()])
        };
        let mut able = self.world.transfers.iter().cycle().skip(from).take(count);
        let (id, transfer, leg) = able.find_map(|(id, transfer)| Some((*id, transfer, leg(transfer)?)))?;
        let mut missing = BTreeSet::new();
        let (input, wrong) = input::parameters(op, id, transfer, leg, &mut missing);
        let (id_of_leg, slug) = (json!(self.ids[&leg.slug()]), json!(leg.slug()));
        let named = match op.naming {
            Naming::Slug => vec![("slug", slug)],
            Naming::Both => vec![("transition", id_of_leg), ("slug", slug)],
            _ => vec![("transition", id_of_leg)],
        };
        let mut body = map([("input_parameters", Value::Object(input))]);
        body.extend(named.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let sees = |at: &String| op.user != "kadikoy" || *at == erp(0);
        let runs_it = if leg.0 == "TRANSFER_DELIVERED" { &transfer.destination } else { &transfer.source };
        let refused = if !sees(&transfer.source) && !sees(&transfer.destination) {
            Some((404, "Not found.".to_owned()))
        } else if !sees(runs_it) {
            Some((403, "You do not have permission to perform this action.".to_owned()))
        } else if leg.1 != transfer.state {
            Some((406, NOT_ALLOWED.to_owned()))
        } else {
            wrong
        };
        Some((Sent { transfer: id, leg, body: Value::Object(body), missing }, refused))
    }

    /// Predicts the effect of a command on a transfer. `observed` gives the new sources of missing items.
    pub fn run_transfer_op(&self, sent: &Sent, op: &TransferOp, observed: &World) -> World {
        let mut world = self.world.clone();
        let transition = self.ids[&sent.leg.slug()];
        let transfer = world.transfers.get_mut(&sent.transfer).expect("a transfer");
        transfer.go(transition, sent.leg.2);
        if sent.leg.0 == "TRANSFER_ORDER_ADVANCED" {
            transfer.shipment = Some((input::company(op).to_owned(), input::number(op)));
        }
        let (id, carried) = (transfer.package, transfer.items.clone());
        if sent.leg.2 == "in_transit" {
            let items = world.packages.get_mut(&id).expect("its package").items.iter_mut();
            items.filter(|(item, _)| carried.contains_key(item)).for_each(|(_, item)| item.is_reserved = false);
        }
        // The package of one that was cancelled on its way has ended.
        if sent.leg.1 == "in_transit" {
            go_on(&mut world, id, transition, &carried.keys().copied().collect());
        }
        if sent.leg.0 == "TRANSFER_ITEM_NOT_FOUND" {
            self.lost(&mut world, sent, transition, observed);
        }
        world.settle(&self.world, &self.spec);
        world
    }

    /// A transfer's items are missing at its source: each is at hand now, comes from elsewhere, or has no place.
    fn lost(&self, world: &mut World, sent: &Sent, transition: i64, observed: &World) {
        let transfer = &self.world.transfers[&sent.transfer];
        let before = &self.world.packages[&transfer.package];
        let excluded = sent.missing.iter().map(|item| format!("{}@{}", before.items[item].line, transfer.source));
        world.excluded.extend(excluded);
        let now = &observed.packages[&transfer.package];
        let has_place = |item: &i64| now.items.get(item).is_some_and(|item| item.state != OUT_OF_STOCK);
        let (placed, homeless): (BTreeSet<i64>, BTreeSet<i64>) =
            transfer.items.keys().partition(|item| has_place(item));
        self.check_refetch(world, transfer, before, &homeless, &self.fetched(observed));
        let default = erp(self.spec.transfer_default);
        if homeless.len() == before.items.len() {
            let package = world.packages.get_mut(&transfer.package).expect("its package");
            step(package, transition, OUT_OF_STOCK, Some(&default));
            for item in package.items.values_mut() {
                OUT_OF_STOCK.clone_into(&mut item.state);
                item.is_reserved = false;
            }
            return;
        }
        go_on(world, transfer.package, transition, &placed);
        let lines: BTreeSet<i64> = homeless.iter().map(|item| before.items[item].line).collect();
        let wants = (!lines.is_empty()).then(|| Want { at: default, state: OUT_OF_STOCK.to_owned(), lines });
        let successors = self.grow(world, before, wants.into_iter().collect(), true, observed);
        let package = world.packages.get_mut(&transfer.package).expect("its package");
        package.items.retain(|item, _| !homeless.contains(item));
        package.replaced_by.extend(successors);
        self.begin_transfers(world, observed);
    }

    /// No unit is promised twice, none comes from an excluded location, and no item is left that a location has.
    fn check_refetch(
        &self,
        world: &World,
        transfer: &Transfer,
        package: &Package,
        homeless: &BTreeSet<i64>,
        fetched: &Fetched,
    ) {
        let mut left: BTreeMap<(&str, String), i64> = BTreeMap::new();
        for item in transfer.items.keys().map(|item| &package.items[item]) {
            for at in (0..self.spec.places.len()).map(erp) {
                let available = self.world.available(&item.sku, &at);
                left.entry((&item.sku, at)).or_insert(available);
            }
            // What it held itself is free again.
            *left.get_mut(&(item.sku.as_str(), transfer.source.clone())).expect("a location") += item.quantity;
        }
        let is_excluded = |line: i64, at: &str| world.excluded.contains(&format!("{line}@{at}"));
        for item in transfer.items.keys().filter(|item| !homeless.contains(item)).map(|item| &package.items[item]) {
            let from = fetched.get(&item.line).unwrap_or(&package.at);
            assert!(!is_excluded(item.line, from), "line {} is left out at {from}", item.line);
            *left.get_mut(&(item.sku.as_str(), from.clone())).expect("a location") -= item.quantity;
        }
        for ((sku, at), units) in &left {
            let is_used = fetched.values().any(|source| source == at) || *at == package.at;
            assert!(!is_used || *units >= 0 || self.world.available(sku, at) < 0, "{sku} is promised twice at {at}");
        }
        for item in homeless.iter().map(|item| &package.items[item]) {
            for ((sku, at), units) in &left {
                let has_it = *sku == item.sku && *units >= item.quantity && !is_excluded(item.line, at);
                assert!(!has_it, "line {} has no place, but {at} has it", item.line);
            }
        }
    }
}

impl Transfer {
    /// Moves it, with its log row and its events.
    fn go(&mut self, transition: i64, state: &str) {
        self.log.push((Some(transition), Some(self.state.clone()), state.to_owned()));
        self.events.push("transfer.status.transitioned".to_owned());
        match (self.state.as_str(), state) {
            // What was cancelled on its way is back: that it is cancelled has been told.
            ("cancelled_in_transit", "cancelled") => {}
            (_, "cancelled_in_transit") => self.events.push("transfer.status.cancelled".to_owned()),
            _ => self.events.push(format!("transfer.status.{state}")),
        }
        state.clone_into(&mut self.state);
    }
}

/// Items of a package are at hand now; with no transfer left open it waits to be packed.
fn go_on(world: &mut World, package_id: i64, transition: i64, at_hand: &BTreeSet<i64>) {
    let waits = world.transfers.values().any(|transfer| transfer.package == package_id && transfer.is_open());
    let state = if waits { WAITING_FOR_TRANSFER } else { WAITING };
    let package = world.packages.get_mut(&package_id).expect("its package");
    for (_, item) in package.items.iter_mut().filter(|(id, _)| at_hand.contains(id)) {
        WAITING.clone_into(&mut item.state);
        item.is_reserved = true;
    }
    step(package, transition, state, None);
}

/// Moves a package alone, without its items.
fn step(package: &mut Package, transition: i64, state: &str, at: Option<&String>) {
    let at = at.unwrap_or(&package.at).clone();
    package.log.push(Step(Some(transition), Some(package.state.clone()), state.to_owned(), at.clone()));
    state.clone_into(&mut package.state);
    package.at = at;
}
