//! The model: the answer and the effect of a command, by the rules alone. It uses no SQL, and of the server only the list
//! of commands.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    input::map,
    ops::{Command, Naming, sku},
    planner::{Ask, Line},
    spec::{Spec, Transition, erp},
    vocabulary::NOT_FOUND,
    world::{Package, Step, World},
};
use crate::support::standard::kind;

/// A shop as it should be.
pub struct Model {
    pub spec: Spec,
    pub world: World,
    /// Ids of the transitions, by slug.
    pub ids: BTreeMap<String, i64>,
    /// Every (transition, source, destination) that ever existed.
    pub steps: BTreeSet<(i64, String, String)>,
    /// The id of the reason for refusing.
    pub denial_reason: i64,
    /// The order's channel and address, for the planner.
    pub orders: BTreeMap<String, (bool, Option<i32>)>,
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub package: i64,
    pub body: Value,
}

/// The expected result.
#[derive(Debug)]
pub enum Expected {
    /// A status and a part of the body.
    Refused(u16, String),
    /// Success, with the transition's slug.
    Done(Box<Transition>),
}

use Expected::{Done, Refused};

pub const NOT_ALLOWED: &str = "commands_100_1";

impl Model {
    /// The package that a command's numbers select: from there on the first one with a transition.
    fn package(&self, command: &Command) -> Option<(i64, &Package, &Transition)> {
        let count = self.world.packages.len();
        let from = command.package.checked_rem(count)?;
        let mut able = self.world.packages.iter().cycle().skip(from).take(count);
        able.find_map(|(id, package)| Some((*id, package, self.pick(command, package)?)))
    }

    /// The transition that a command's numbers select.
    fn pick(&self, command: &Command, package: &Package) -> Option<&Transition> {
        let fits = |transition: &&Transition| !command.fits || transition.source == package.state;
        let able: Vec<&Transition> = self.spec.transitions.iter().filter(fits).collect();
        (!able.is_empty()).then(|| able[command.transition % able.len()])
    }

    /// The request and its expected answer.
    pub fn expect(&self, command: &Command) -> Option<(Request, Expected)> {
        let (id, package, transition) = self.package(command)?;
        let (input, wrong) = self.input(command, id, package, transition);
        let mut body = Map::from_iter([("input_parameters".to_owned(), Value::Object(input))]);
        let (transition_id, slug) = (self.ids[&transition.slug()], transition.slug());
        let other = self.spec.transitions.iter().find(|other| other.slug() != slug);
        let mut target = id;
        let known = match command.naming {
            Naming::Id => Ok([("transition", json!(transition_id)), ("slug", Value::Null)]),
            Naming::Slug => Ok([("transition", Value::Null), ("slug", json!(slug))]),
            Naming::Both => Ok([("transition", json!(transition_id)), ("slug", json!(slug))]),
            Naming::Mismatch => {
                let other = other?.slug();
                body.extend(map([("transition", json!(transition_id)), ("slug", json!(other))]));
                Err(Refused(406, "commands_100_5".to_owned()))
            }
            Naming::UnknownId => {
                body.extend(map([("transition", json!(999_999)), ("slug", Value::Null)]));
                Err(Refused(406, NOT_ALLOWED.to_owned()))
            }
            Naming::UnknownSlug => {
                body.extend(map([("transition", Value::Null), ("slug", json!("no-such-transition"))]));
                Err(Refused(406, NOT_ALLOWED.to_owned()))
            }
            Naming::Neither => {
                body.extend(map([("transition", Value::Null), ("slug", json!(""))]));
                Err(Refused(400, "transition or slug required".to_owned()))
            }
            Naming::Stranger => {
                target = 999_999;
                Ok([("transition", json!(transition_id)), ("slug", Value::Null)])
            }
        };
        // The store's user sees one location; what is elsewhere does not exist for it, whatever else is wrong.
        let is_visible = target == id && (command.user != "kadikoy" || package.at == erp(0));
        let expected = match known {
            _ if !is_visible => {
                if let Ok(named) = known {
                    body.extend(map(named));
                }
                Refused(404, "Not found.".to_owned())
            }
            Err(refused) => refused,
            Ok(named) => {
                body.extend(map(named));
                self.judge(command, package, transition, wrong)
            }
        };
        Some((Request { package: target, body: Value::Object(body) }, expected))
    }

    /// The checks from the role on: role, source state, parameters, business rules.
    fn judge(
        &self,
        command: &Command,
        package: &Package,
        transition: &Transition,
        wrong: Option<Expected>,
    ) -> Expected {
        let role = match command.user {
            "ops" => "operator",
            "kadikoy" => "store",
            _ => "admin",
        };
        if role != "admin" && transition.roles.is_some_and(|only| only != role) {
            return Refused(403, "You do not have permission to perform this action.".to_owned());
        }
        if transition.source != package.state {
            return Refused(406, NOT_ALLOWED.to_owned());
        }
        if let Some(wrong) = wrong {
            return wrong;
        }
        let refused = match transition.command {
            name if kind(name).leads_back() => {
                (package.state_before() != transition.destination).then_some("oms_package_2")
            }
            "UPDATE_SHIPMENT_INFO" | "UPDATE_SHIPMENT_LABEL" => package.shipment.is_none().then_some("oms_shipment_1"),
            "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
                self.ask(package, &BTreeSet::new()).is_none().then_some("oms_planning_3")
            }
            "REPLACE_PRODUCT" => self.lacks(package, &Self::replacements(command, package)),
            "PREPARE_PACKAGE" => {
                let is_homeless =
                    !Self::missing(command, package).is_empty() && self.ask(package, &BTreeSet::new()).is_none();
                let lacks = || self.lacks(package, &Self::replacements(command, package));
                if is_homeless { Some("oms_planning_3") } else { lacks() }
            }
            "REPACK" => match self.ask(package, &BTreeSet::new()) {
                None => Some("oms_planning_3"),
                Some(ask) => (!ask.is_hopeful()).then_some("oms_planning_1"),
            },
            "DETECTED_OUT_OF_STOCK_ITEM" => self.ask(package, &BTreeSet::new()).is_none().then_some("oms_planning_3"),
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => {
                let groups = self.groups(command, package);
                let ask = Ask {
                    spec: &self.spec,
                    scenario: &self.spec.scenarios[0],
                    world: &self.world,
                    lines: Vec::new(),
                    own: Some(package),
                    excluded: BTreeSet::new(),
                    longitude: None,
                };
                let mut wanted: BTreeMap<(&str, &str), i64> = BTreeMap::new();
                for (at, items) in &groups {
                    for item in items.iter().map(|id| &package.items[id]) {
                        *wanted.entry((&item.sku, at)).or_default() += item.quantity;
                    }
                }
                let lacks = wanted.iter().any(|((sku, at), quantity)| ask.available(sku, at) < *quantity);
                lacks.then_some("oms_planning_2")
            }
            _ => None,
        };
        refused.map_or_else(|| Done(Box::new(transition.clone())), |code| Refused(406, code.to_owned()))
    }

    /// What planning the package's items again would be asked.
    pub fn ask<'a>(&'a self, package: &'a Package, excluded: &BTreeSet<String>) -> Option<Ask<'a>> {
        let (is_web, longitude) = self.orders[&package.order];
        let lines = package.items.values();
        Some(Ask {
            spec: &self.spec,
            scenario: self.spec.scenario(is_web)?,
            world: &self.world,
            lines: lines.map(|item| Line { id: item.line, sku: item.sku.clone(), quantity: item.quantity }).collect(),
            own: Some(package),
            excluded: self.world.excluded.union(excluded).cloned().collect(),
            longitude,
        })
    }

    /// `package_items` that a command's numbers mean: some of the package's.
    pub fn some_items(command: &Command, package: &Package) -> BTreeSet<i64> {
        let ids: Vec<i64> = package.items.keys().copied().collect();
        if ids.is_empty() {
            return BTreeSet::new();
        }
        command.input.items.iter().map(|at| ids[at % ids.len()]).collect()
    }

    /// `out_of_stock_items` of a preparation: some, but never all.
    pub fn missing(command: &Command, package: &Package) -> BTreeSet<i64> {
        let mut missing = Self::some_items(command, package);
        if missing.len() == package.items.len() {
            missing.pop_last();
        }
        if command.input.flag { missing } else { BTreeSet::new() }
    }

    /// `replacements` that a command's numbers mean: of items that are not missing.
    pub fn replacements(command: &Command, package: &Package) -> BTreeMap<i64, String> {
        let missing = Self::missing(command, package);
        let able = package.items.keys().filter(|id| !missing.contains(id));
        able.zip(&command.input.items).map(|(id, which)| (*id, sku(*which))).collect()
    }

    /// Why the package's location cannot give what takes the place of its products.
    fn lacks(&self, package: &Package, replacements: &BTreeMap<i64, String>) -> Option<&'static str> {
        let mut wanted: BTreeMap<&String, i64> = BTreeMap::new();
        for (id, sku) in replacements.iter().filter(|(id, sku)| package.items[id].sku != **sku) {
            *wanted.entry(sku).or_default() += package.items[id].quantity;
        }
        let lacks = wanted.iter().any(|(sku, quantity)| self.world.available(sku, &package.at) < *quantity);
        lacks.then_some("oms_planning_2")
    }

    /// `assignment_groups` that a command's numbers mean: all items, each at some location.
    pub fn groups(&self, command: &Command, package: &Package) -> Vec<(String, Vec<i64>)> {
        let mut groups: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (at, id) in package.items.keys().enumerate() {
            let place = command.input.items[at % command.input.items.len()] % self.spec.places.len();
            groups.entry(erp(place)).or_default().push(*id);
        }
        groups.into_iter().collect()
    }

    /// Whether an item in a state waits.
    pub fn waits(&self, state: &str) -> bool {
        state != NOT_FOUND && self.spec.state(state).reserves()
    }

    /// Whether an item in a state waits, or has left the shelf.
    pub fn holds(&self, state: &str) -> bool {
        self.waits(state) || self.takes(state)
    }

    /// Whether an item in a state has left the shelf.
    pub fn takes(&self, state: &str) -> bool {
        state != NOT_FOUND && self.spec.state(state).takes()
    }

    /// The log row and the state of a package that is moved, with its items. An item that begins to wait is reserved; one
    /// that went on waiting without a reservation at the same place goes on so.
    pub fn moved(&self, package: &mut Package, transition: &Transition, destination: &str, at: &str) {
        let id = self.ids[&transition.slug()];
        let stays = package.at == at;
        package.log.push(Step(Some(id), Some(package.state.clone()), destination.to_owned(), at.to_owned()));
        destination.clone_into(&mut package.state);
        at.clone_into(&mut package.at);
        for item in package.items.values_mut() {
            let went_on = stays && self.waits(&item.state);
            item.is_reserved = self.waits(destination) && (item.is_reserved || !went_on);
            destination.clone_into(&mut item.state);
        }
    }

    /// The location of those that got most items; of several such, the first by priority.
    pub fn busiest<'p>(&self, places: impl Iterator<Item = &'p String>) -> Option<String> {
        let mut items: BTreeMap<&String, i64> = BTreeMap::new();
        for place in places {
            *items.entry(place).or_default() += 1;
        }
        let rank = |(at, items): &(&String, i64)| {
            let place = (0..self.spec.places.len()).find(|place| erp(*place) == **at).expect("a location");
            (-items, self.spec.places[place].priority, place)
        };
        items.into_iter().min_by_key(rank).map(|(at, _)| at.clone())
    }

    /// The scenario's default location for an order.
    pub fn default_location(&self, order: &str) -> String {
        let scenario = self.spec.scenario(self.orders[order].0).expect("a scenario");
        erp(scenario.default_location)
    }
}
