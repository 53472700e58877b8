//! The model's world after a success. A choice of the planner is checked and taken over; all its consequences are
//! predicted.

use std::collections::BTreeSet;

use super::{
    growth::Want,
    input::{carrier, tracking},
    model::Model,
    ops::Command,
    spec::Transition,
    vocabulary::{NOT_FOUND, NOT_RESTOCKED, OUT_OF_STOCK, WAITING, plans},
    world::{Item, Package, World},
};
use crate::support::standard::kind;

/// The location that packs the items of the command's package now.
pub type Place = String;

impl Model {
    /// Predicts the effect of a command on a package. `observed` gives what cannot be predicted: new ids, the planner's
    /// choice.
    pub fn command(&self, id: i64, transition: &Transition, command: &Command, observed: &World) -> (World, Place) {
        let mut world = self.world.clone();
        let before = &self.world.packages[&id];
        let mut package = before.clone();
        let place = match transition.command {
            "DETECTED_OUT_OF_STOCK_ITEM" => {
                let missing = Self::some_items(command, before);
                self.detected(&mut world, &mut package, transition, &missing, observed)
            }
            "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
                let missing = Self::some_items(command, before);
                self.some_detected(&mut world, &mut package, transition, &missing, observed)
            }
            "PREPARE_PACKAGE" => {
                let missing = Self::missing(command, before);
                if missing.is_empty() {
                    self.moved(&mut package, transition, transition.destination, &before.at);
                } else {
                    self.some_detected(&mut world, &mut package, transition, &missing, observed);
                }
                before.at.clone()
            }
            "REPACK" => self.repack(&mut world, &mut package, transition, observed),
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => {
                self.moved(&mut package, transition, transition.destination, &before.at);
                let groups = self.groups(command, before);
                let line = |item: &i64| before.items[item].line;
                let wants = groups.iter().map(|(at, items)| Want {
                    at: at.clone(),
                    state: WAITING.to_owned(),
                    lines: items.iter().map(line).collect(),
                });
                package.replaced_by.extend(self.grow(&mut world, before, wants.collect(), false, observed));
                let places: Vec<&String> =
                    groups.iter().flat_map(|(at, items)| items.iter().map(move |_| at)).collect();
                self.busiest(places.into_iter()).unwrap_or_else(|| before.at.clone())
            }
            "UPDATE_PACKAGE_SHIPMENT_STATUS" if !command.input.flag => {
                let otherwise = transition.otherwise.expect("it has a second outcome");
                self.moved(&mut package, transition, otherwise, &before.at);
                before.at.clone()
            }
            name => {
                self.moved(&mut package, transition, transition.destination, &before.at);
                if name == "SHIP_THE_PACKAGE_ADVANCED" {
                    package.shipment = Some((carrier(command).to_owned(), tracking(command)));
                }
                if name == "UPDATE_SHIPMENT_INFO" {
                    package.shipment = Some((carrier(command).to_owned(), tracking(command)));
                }
                if name == "UPDATE_INVOICE" {
                    package.invoice = Some(tracking(command));
                }
                if name == "REFUSE_PACKAGE" {
                    let key = |item: &Item| format!("{}@{}", item.line, before.at);
                    world.excluded.extend(before.items.values().map(key));
                }
                if name == "PKG_DEALLOCATE_RESERVATIONS" {
                    package.items.values_mut().for_each(|item| item.is_reserved = false);
                }
                if name == "COMPLETE_PACKING" && before.shipment.is_none() {
                    package.shipment.clone_from(&observed.packages[&id].shipment);
                    assert!(package.shipment.is_some(), "packing makes a shipment");
                }
                before.at.clone()
            }
        };
        if kind(transition.command).needs_states.contains(&NOT_RESTOCKED) && !command.input.flag {
            for (id, item) in &mut package.items {
                if self.takes(&before.items[id].state) {
                    NOT_RESTOCKED.clone_into(&mut item.state);
                }
            }
        }
        // What is not back on the shelf stays so while its package holds nothing.
        if !self.holds(&package.state) {
            for (id, item) in &mut package.items {
                if before.items[id].state == NOT_RESTOCKED && item.state != NOT_FOUND {
                    NOT_RESTOCKED.clone_into(&mut item.state);
                }
            }
        }
        if plans(transition.command) {
            package.items.values_mut().for_each(|item| item.is_reserved = self.waits(&item.state));
        }
        world.packages.insert(id, package);
        if matches!(transition.command, "PREPARE_PACKAGE" | "REPLACE_PRODUCT") {
            for (item, sku) in Self::replacements(command, before) {
                let line = before.items[&item].line;
                let items = world.packages.values_mut().flat_map(|package| package.items.values_mut());
                items.filter(|item| item.line == line).for_each(|item| item.sku.clone_from(&sku));
            }
        }
        self.end_transfers(&mut world, id);
        self.begin_transfers(&mut world, observed);
        world.settle(&self.world, &self.spec);
        (world, place)
    }

    fn detected(
        &self,
        world: &mut World,
        package: &mut Package,
        transition: &Transition,
        missing: &BTreeSet<i64>,
        observed: &World,
    ) -> Place {
        let before = package.clone();
        let key = |id: &i64| format!("{}@{}", before.items[id].line, before.at);
        let excluded: BTreeSet<String> = missing.iter().map(key).collect();
        let ask = self.ask(&before, &excluded).expect("a scenario");
        let placement = Self::placement(&ask.lines, &self.newcomers(observed));
        ask.check(&placement, &self.fetched(observed));
        world.excluded.extend(excluded);
        let parcels = Self::parcels(&placement);
        let wants =
            parcels.iter().map(|(at, lines)| Want { at: at.clone(), state: WAITING.to_owned(), lines: lines.clone() });
        let all_placed = placement.values().all(Option::is_some);
        if all_placed {
            let otherwise = transition.otherwise.expect("it has a second outcome");
            self.moved(package, transition, otherwise, &before.at);
        } else {
            self.moved(package, transition, transition.destination, &self.default_location(&before.order));
            package.items.retain(|_, item| placement[&item.line].is_none());
        }
        for (_, item) in package.items.iter_mut().filter(|(id, _)| missing.contains(id)) {
            NOT_FOUND.clone_into(&mut item.state);
        }
        package.replaced_by.extend(self.grow(world, &before, wants.collect(), !all_placed, observed));
        self.busiest(placement.values().flatten()).unwrap_or_else(|| package.at.clone())
    }

    /// Some items leave. If all do, the package ends and keeps them.
    fn some_detected(
        &self,
        world: &mut World,
        package: &mut Package,
        transition: &Transition,
        missing: &BTreeSet<i64>,
        observed: &World,
    ) -> Place {
        let before = package.clone();
        let excluded: BTreeSet<String> =
            missing.iter().map(|id| format!("{}@{}", before.items[id].line, before.at)).collect();
        let mut ask = self.ask(&before, &excluded).expect("a scenario");
        ask.lines.retain(|line| missing.iter().any(|id| before.items[id].line == line.id));
        let placement = Self::placement(&ask.lines, &self.newcomers(observed));
        ask.check(&placement, &self.fetched(observed));
        world.excluded.extend(excluded);
        let mut wants: Vec<Want> = Self::parcels(&placement)
            .into_iter()
            .map(|(at, lines)| Want { at, state: WAITING.to_owned(), lines })
            .collect();
        wants.extend(self.leftover(&placement, &before.order));
        let all = missing.len() == before.items.len();
        let outcome = transition.otherwise.filter(|_| all).unwrap_or(transition.destination);
        self.moved(package, transition, outcome, &before.at);
        if all {
            package.items.values_mut().for_each(|item| NOT_FOUND.clone_into(&mut item.state));
        } else {
            package.items.retain(|id, _| !missing.contains(id));
        }
        package.replaced_by.extend(self.grow(world, &before, wants, !all, observed));
        self.busiest(placement.values().flatten()).unwrap_or_else(|| before.at.clone())
    }

    fn repack(&self, world: &mut World, package: &mut Package, transition: &Transition, observed: &World) -> Place {
        let before = package.clone();
        let ask = self.ask(&before, &BTreeSet::new()).expect("a scenario");
        let mut placement = Self::placement(&ask.lines, &self.newcomers(observed));
        let own = observed.packages.iter().find(|(_, package)| package.number == before.number).expect("itself").1;
        for item in own.items.values() {
            placement.insert(item.line, Some(own.at.clone()));
        }
        ask.check(&placement, &self.fetched(observed));
        let kept = self.busiest(placement.values().flatten()).expect("something was placed");
        self.moved(package, transition, transition.destination, &kept);
        package.items.retain(|_, item| placement[&item.line].as_ref() == Some(&kept));
        let mut parcels = Self::parcels(&placement);
        parcels.remove(&kept);
        let mut wants: Vec<Want> = parcels
            .into_iter()
            .map(|(at, lines)| Want { at, state: transition.destination.to_owned(), lines })
            .collect();
        wants.extend(self.leftover(&placement, &before.order));
        package.replaced_by.extend(self.grow(world, &before, wants, true, observed));
        kept
    }

    /// The package for items without a place.
    pub fn leftover(&self, placement: &super::planner::Placement, order: &str) -> Option<Want> {
        let lines: BTreeSet<i64> = placement.iter().filter(|(_, at)| at.is_none()).map(|(line, _)| *line).collect();
        let at = (!lines.is_empty()).then(|| self.default_location(order))?;
        Some(Want { at, state: OUT_OF_STOCK.to_owned(), lines })
    }
}
