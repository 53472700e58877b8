//! The model: what a command must answer and do, by the contract alone. It knows no SQL and no code of the server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    ops::{Command, Naming, sku},
    planner::{Ask, Line, Placement},
    spec::{NOT_FOUND, OUT_OF_STOCK, Spec, Transition, erp},
    world::{Package, Step, World},
};

/// A shop as it should be.
pub struct Model {
    pub spec: Spec,
    pub world: World,
    /// Ids of the transitions, by slug.
    pub ids: BTreeMap<String, i64>,
    /// Every (transition, source, destination) there ever was.
    pub steps: BTreeSet<(i64, String, String)>,
    /// The id of the reason for refusing.
    pub denial_reason: i64,
    /// What the planner asks of an order: its channel and address.
    pub orders: BTreeMap<String, (bool, Option<i32>)>,
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub package: i64,
    pub body: Value,
}

/// What it must lead to.
#[derive(Debug)]
pub enum Expected {
    /// A status and a part of the body.
    Refused(u16, String),
    /// Success; the transition's slug.
    Done(Box<Transition>),
}

use Expected::{Done, Refused};

const NOT_ALLOWED: &str = "commands_100_1";

impl Model {
    /// The package that a command's numbers mean: from there on the first with which it can be tried.
    fn package(&self, command: &Command) -> Option<(i64, &Package, &Transition)> {
        let count = self.world.packages.len();
        let from = command.package.checked_rem(count)?;
        let mut able = self.world.packages.iter().cycle().skip(from).take(count);
        able.find_map(|(id, package)| Some((*id, package, self.pick(command, package)?)))
    }

    /// The transition that a command's numbers mean.
    fn pick(&self, command: &Command, package: &Package) -> Option<&Transition> {
        let fits = |transition: &&Transition| !command.fits || transition.source == package.state;
        let able: Vec<&Transition> = self.spec.transitions.iter().filter(fits).collect();
        (!able.is_empty()).then(|| able[command.transition % able.len()])
    }

    /// The request and what it must be answered.
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

    /// From the role on: role, source state, parameters, business rules.
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
            "UNBLOCK_THE_PACKAGE" => (package.state_before() != transition.destination).then_some("oms_package_2"),
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

    /// `input_parameters`, and what is wrong with them.
    fn input(
        &self,
        command: &Command,
        id: i64,
        package: &Package,
        transition: &Transition,
    ) -> (Map<String, Value>, Option<Expected>) {
        let flaw = command.input.flaw;
        let wrong = |field: &str| Some(Refused(400, format!("{{\"error\":{{\"{field}\":[")));
        if flaw == Some(0) {
            return (map([("package", json!(id + 1))]), wrong("package"));
        }
        if flaw == Some(1) {
            return (map([("sync_remote_order_status", json!("perhaps"))]), wrong("sync_remote_order_status"));
        }
        match transition.command {
            "SHIP_THE_PACKAGE_ADVANCED" => match flaw {
                Some(2) => (map([("cargo_company", json!("first"))]), wrong("tracking_number")),
                Some(3) => (map([("tracking_number", json!("T"))]), wrong("cargo_company")),
                Some(4) => {
                    let input = map([("tracking_number", json!("T")), ("cargo_company", json!("nobody"))]);
                    (input, Some(Refused(406, "oms_cargo_1".to_owned())))
                }
                _ => (
                    map([("tracking_number", json!(tracking(command))), ("cargo_company", json!(carrier(command)))]),
                    None,
                ),
            },
            "DETECTED_OUT_OF_STOCK_ITEM" | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => match flaw {
                Some(2) => (map([("package_items", json!([]))]), wrong("package_items")),
                Some(3) => (map([("package_items", json!([999_999]))]), wrong("package_items")),
                Some(4) => (Map::new(), wrong("package_items")),
                _ => (map([("package_items", json!(Self::some_items(command, package)))]), None),
            },
            "UPDATE_PACKAGE_SHIPMENT_STATUS" => match flaw {
                Some(2) => (map([("package", json!(id))]), wrong("delivered_status")),
                Some(3) => (map([("delivered_status", json!(true))]), wrong("package")),
                _ => (map([("package", json!(id)), ("delivered_status", json!(command.input.flag))]), None),
            },
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => {
                let mut groups: Vec<Value> = self
                    .groups(command, package)
                    .into_iter()
                    .map(|(at, items)| json!({ "stock_location": at, "package_items": items }))
                    .collect();
                let wrong = match flaw {
                    Some(2) => {
                        groups.push(groups[0].clone());
                        wrong("assignment_groups")
                    }
                    Some(3) => {
                        groups.remove(0);
                        wrong("assignment_groups")
                    }
                    Some(4) => {
                        groups[0]["stock_location"] = json!("nowhere");
                        wrong("assignment_groups")
                    }
                    _ => None,
                };
                (map([("assignment_groups", json!(groups))]), wrong)
            }
            "REFUSE_PACKAGE" => match flaw {
                Some(2) => (Map::new(), wrong("denial_reason")),
                Some(3) => (map([("denial_reason", json!(999_999))]), wrong("denial_reason")),
                _ => (map([("denial_reason", json!(self.denial_reason))]), None),
            },
            "PREPARE_PACKAGE" => Self::preparation(command, package, flaw, wrong),
            "REPLACE_PRODUCT" => match flaw {
                Some(2) => (map([("replacements", json!([]))]), wrong("replacements")),
                Some(3) => {
                    (map([("replacements", json!([{ "package_item": 999_999, "sku": "X" }]))]), wrong("replacements"))
                }
                _ => (map([("replacements", replacements_json(command, package))]), None),
            },
            "UPDATE_INVOICE" if flaw == Some(2) => (Map::new(), wrong("invoice_number")),
            "UPDATE_INVOICE" => (map([("invoice_number", json!(tracking(command)))]), None),
            "UPDATE_SHIPMENT_INFO" => match flaw {
                Some(2) => (Map::new(), wrong("tracking_number")),
                Some(3) => (map([("query_number", json!(" "))]), wrong("query_number")),
                _ => {
                    let (number, carrier) = (json!(tracking(command)), json!(carrier(command)));
                    (map([("tracking_number", number), ("cargo_company", carrier)]), None)
                }
            },
            "UPDATE_SHIPMENT_LABEL" if flaw == Some(2) => (Map::new(), wrong("package_items")),
            "UPDATE_SHIPMENT_LABEL" => (map([("package_items", json!([]))]), None),
            "CANCEL_PACKAGE" if flaw == Some(2) => {
                (map([("cancellation_reason", json!([]))]), wrong("cancellation_reason"))
            }
            "SHIP_THE_PACKAGE" => (map([("package_items", json!("whatever"))]), None),
            _ => (Map::new(), None),
        }
    }

    /// `input_parameters` of a preparation.
    fn preparation(
        command: &Command,
        package: &Package,
        flaw: Option<usize>,
        wrong: impl Fn(&str) -> Option<Expected>,
    ) -> (Map<String, Value>, Option<Expected>) {
        let mut input = map([
            ("select_items_by_omnitron_id", json!(false)),
            ("out_of_stock_items", json!(Self::missing(command, package))),
            ("replacements", replacements_json(command, package)),
        ]);
        match flaw {
            Some(2) => {
                input.remove("select_items_by_omnitron_id");
                (input, wrong("select_items_by_omnitron_id"))
            }
            Some(3) => {
                let all: Vec<&i64> = package.items.keys().collect();
                input.insert("out_of_stock_items".to_owned(), json!(all));
                (input, wrong("out_of_stock_items"))
            }
            Some(4) => {
                input.insert("barcodes".to_owned(), json!([{ "package_item": 999_999, "barcode": "8" }]));
                (input, wrong("barcodes"))
            }
            _ => (input, None),
        }
    }

    /// Whether an item in a state waits.
    pub fn waits(&self, state: &str) -> bool {
        state != NOT_FOUND && self.spec.state(state).reserves()
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

    /// Which location each line has in the packages that are new since `before`; those in `own` have none.
    pub fn placement(lines: &[Line], new: &BTreeMap<i64, Package>) -> Placement {
        let at = |line: &Line| {
            let holds = |package: &&Package| package.items.values().any(|item| item.line == line.id);
            let package = new.values().find(holds).filter(|package| package.state != OUT_OF_STOCK);
            package.map(|package| package.at.clone())
        };
        lines.iter().map(|line| (line.id, at(line))).collect()
    }

    /// New packages as they must be for a placement: (state, location, lines), unplaced ones aside.
    pub fn parcels(placement: &Placement) -> BTreeMap<String, BTreeSet<i64>> {
        let mut parcels: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for (line, at) in placement {
            if let Some(at) = at {
                parcels.entry(at.clone()).or_default().insert(*line);
            }
        }
        parcels
    }

    /// The scenario's default location for an order.
    pub fn default_location(&self, order: &str) -> String {
        let scenario = self.spec.scenario(self.orders[order].0).expect("a scenario");
        erp(scenario.default_location)
    }
}

fn replacements_json(command: &Command, package: &Package) -> Value {
    let replacements = Model::replacements(command, package).into_iter();
    replacements.map(|(id, sku)| json!({ "package_item": id, "sku": sku })).collect()
}

pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub fn tracking(command: &Command) -> String {
    format!("TN-{}-{}", command.package, command.transition)
}

pub fn carrier(command: &Command) -> &'static str {
    if command.input.flag { "first" } else { "second" }
}
