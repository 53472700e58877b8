//! Random installations, written as the TOML a merchant would write.

use std::{collections::BTreeSet, fmt::Write as _};

use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};

/// The commands of this version.
pub const COMMANDS: [&str; 26] = [
    "COMPLETE_PACKING",
    "CHANNEL_BASED_COMPLETE_PACKING",
    "SHIP_THE_PACKAGE",
    "SHIP_THE_PACKAGE_ADVANCED",
    "DETECTED_OUT_OF_STOCK_ITEM",
    "REPACK",
    "UPDATE_PACKAGE_SHIPMENT_STATUS",
    "PKG_STATE_TRANSITION",
    "ASSIGN_PACKAGE_ITEMS_MANUALLY",
    "CANCEL_PACKAGE",
    "COMPLETE_PACKING_WITHOUT_SHIPMENT",
    "SHIP_THE_PACKAGE_BASIC",
    "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION",
    "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED",
    "REFUSE_PACKAGE",
    "PACKAGE_PACKED_FOR_REFUND",
    "PKG_DEALLOCATE_RESERVATIONS",
    "BLOCK_THE_PACKAGE",
    "UNBLOCK_THE_PACKAGE",
    "PREPARE_PACKAGE",
    "REPLACE_PRODUCT",
    "UPDATE_INVOICE",
    "UPDATE_SHIPMENT_INFO",
    "UPDATE_SHIPMENT_LABEL",
    "READY_FOR_PICKUP",
    "SELF_SERVICE_PACKAGE_DELIVERY",
];

/// Whether a command answers nothing.
pub fn answers_nothing(command: &str) -> bool {
    matches!(
        command,
        "UPDATE_PACKAGE_SHIPMENT_STATUS" | "UPDATE_SHIPMENT_LABEL" | "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION"
    )
}

/// Whether a command plans: the items it leaves waiting hold reservations then, whatever was before.
pub fn plans(command: &str) -> bool {
    matches!(
        command,
        "DETECTED_OUT_OF_STOCK_ITEM"
            | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED"
            | "REPACK"
            | "ASSIGN_PACKAGE_ITEMS_MANUALLY"
            | "PREPARE_PACKAGE"
            | "REPLACE_PRODUCT"
    )
}

/// Transitions that make a shop worth its day: numbers of source, destination and command.
#[rustfmt::skip]
const USUAL: [(usize, usize, usize); 20] = [
    (0, 4, 0), (4, 5, 3), (0, 0, 4), (1, 0, 5), (0, 0, 8), (0, 0, 9), (4, 5, 6), (0, 5, 7), (3, 0, 7),
    (0, 0, 13), (0, 1, 14), (0, 0, 16), (0, 3, 16), (0, 3, 17), (0, 4, 19), (0, 0, 20), (4, 0, 21), (4, 0, 22),
    (3, 0, 22), (4, 4, 23),
];

pub const WAITING: &str = "waiting";
pub const OUT_OF_STOCK: &str = "out-of-stock";
pub const CANCELLED: &str = "packaging-canceled";
pub const NOT_FOUND: &str = "oms-not-found";

/// States every installation here has: code and planning name them.
const FIRST: [(&str, u32, bool); 4] =
    [(WAITING, 100, false), (OUT_OF_STOCK, 920, false), (CANCELLED, 900, true), (NOT_FOUND, 930, true)];

/// States an installation may have besides.
const OTHERS: [(&str, u32, bool); 14] = [
    ("packed", 500, false),
    ("shipped", 600, false),
    ("delivered", 700, true),
    ("attempted-delivery", 640, false),
    ("preparing", 200, false),
    ("ready-for-packaging", 400, false),
    ("needs-rescheduling", 910, false),
    ("blocked", 150, false),
    ("early", 7, false),
    ("almost-label", 449, false),
    ("label", 450, false),
    ("beyond", 1200, false),
    ("lost", 999, true),
    ("refunded", 1100, true),
];

#[derive(Debug, Clone)]
pub struct State {
    pub slug: &'static str,
    pub number: u32,
    pub is_final: bool,
    pub occupies: Option<bool>,
    pub id: Option<i64>,
}

impl State {
    /// Decisions, section 3: the number below 400, unless the file says otherwise.
    pub fn occupies_quota(&self) -> bool {
        self.occupies.unwrap_or(self.number < 400)
    }

    /// Whether its items stand on the shelf, held.
    pub fn reserves(&self) -> bool {
        self.number < 450
    }

    /// Whether its items have left the shelf.
    pub fn takes(&self) -> bool {
        self.number >= 450 && !(900..1000).contains(&self.number) && self.number != 1100
    }
}

#[derive(Debug, Clone)]
pub struct Transition {
    pub command: &'static str,
    pub source: &'static str,
    pub destination: &'static str,
    pub otherwise: Option<&'static str>,
    pub slug: Option<String>,
    pub id: Option<i64>,
    pub roles: Option<&'static str>,
}

impl Transition {
    pub fn slug(&self) -> String {
        let given = || format!("package__{}__{}__{}", self.command, self.source, self.destination).to_lowercase();
        self.slug.clone().unwrap_or_else(given)
    }
}

#[derive(Debug, Clone)]
pub struct Place {
    pub priority: i32,
    pub max_quota: Option<i64>,
    /// On the equator, so that distances are easy.
    pub longitude: i32,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub by_stock: bool,
    pub by_quota: bool,
    pub order_by: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    /// For the channel `web` alone.
    pub web_only: bool,
    pub default_location: usize,
    pub split_state: &'static str,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub states: Vec<State>,
    pub transitions: Vec<Transition>,
    pub places: Vec<Place>,
    pub scenarios: Vec<Scenario>,
}

/// The ERP code of a location.
pub fn erp(place: usize) -> String {
    format!("L{place}")
}

/// Numbers that become a transition.
#[derive(Debug, Clone)]
pub struct Seed {
    command: usize,
    source: usize,
    destination: usize,
    otherwise: usize,
    is_named: bool,
    id: Option<i64>,
    roles: Option<&'static str>,
}

pub fn seed() -> impl Strategy<Value = Seed> {
    let id = prop_oneof![2 => Just(None), 1 => (1..60_i64).prop_map(Some)];
    let roles = prop_oneof![4 => Just(None), 1 => select(vec!["operator", "store"]).prop_map(Some)];
    (0..COMMANDS.len(), 0..32_usize, 0..32_usize, 0..32_usize, any::<bool>(), id, roles).prop_map(
        |(command, source, destination, otherwise, is_named, id, roles)| Seed {
            command,
            source,
            destination,
            otherwise,
            is_named,
            id,
            roles,
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    let max_quota = prop_oneof![1 => Just(None), 2 => (0..5_i64).prop_map(Some)];
    (1..4_i32, max_quota, 0..5_i32).prop_map(|(priority, max_quota, longitude)| Place {
        priority,
        max_quota,
        longitude,
    })
}

pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let conditions = prop_oneof![3 => Just((true, true)), 2 => Just((true, false)), 1 => Just((false, true)),
                                 1 => Just((false, false))];
    let order_by = subsequence(vec!["priority", "distance", "available_quota"], 0..=3).prop_shuffle();
    let rule =
        (conditions, order_by).prop_map(|((by_stock, by_quota), order_by)| Rule { by_stock, by_quota, order_by });
    vec(rule, 1..=2)
}

pub fn specs() -> impl Strategy<Value = Spec> {
    let states =
        (subsequence((0..OTHERS.len()).collect::<Vec<_>>(), 2..=9), vec(option::weighted(0.25, any::<bool>()), 17));
    let ids = (vec(option::weighted(0.3, 1..60_i64), 17), any::<bool>());
    let commands = vec(proptest::bool::weighted(0.85), COMMANDS.len());
    let scenarios = vec((any::<bool>(), 0..8_usize, 0..32_usize, rules()), 1..=2);
    (states, ids, commands, vec(seed(), 4..24), vec(place(), 1..=4), scenarios).prop_map(
        |((others, occupies), (ids, has_ids), commands, seeds, places, scenarios)| {
            let named = FIRST.into_iter().chain(others.into_iter().map(|at| OTHERS[at]));
            let mut used = BTreeSet::new();
            let states: Vec<State> = named
                .zip(occupies)
                .zip(ids)
                .map(|(((slug, number, is_final), occupies), id)| State {
                    slug,
                    number,
                    is_final,
                    occupies: occupies.filter(|occupies| !(is_final && *occupies)),
                    id: id.filter(|id| has_ids && used.insert(*id)),
                })
                .collect();
            let beginnings: Vec<&'static str> = states
                .iter()
                .filter(|state| !state.is_final && state.slug != OUT_OF_STOCK)
                .map(|state| state.slug)
                .collect();
            let scenarios = scenarios
                .into_iter()
                .enumerate()
                .map(|(at, (web_only, default_location, split, rules))| Scenario {
                    web_only: web_only && at == 0,
                    default_location: default_location % places.len(),
                    split_state: if split < 16 { WAITING } else { beginnings[split % beginnings.len()] },
                    rules,
                })
                .collect();
            let mut spec = Spec { states, transitions: Vec::new(), places, scenarios };
            for (source, destination, command) in USUAL {
                let usual = Seed { command, source, destination, otherwise: 6, is_named: false, id: None, roles: None };
                spec.add(&usual);
            }
            for seed in &seeds {
                spec.add(seed);
            }
            spec.transitions.retain(|transition| {
                COMMANDS.iter().position(|name| *name == transition.command).is_some_and(|at| commands[at])
            });
            spec.mend();
            spec
        },
    )
}

impl Spec {
    pub fn state(&self, slug: &str) -> &State {
        self.states.iter().find(|state| state.slug == slug).expect("a state of the installation")
    }

    /// Adds a transition, unless it cannot be part of an installation.
    pub fn add(&mut self, seed: &Seed) {
        let moving: Vec<&State> = self.states.iter().filter(|state| !state.is_final).collect();
        let reachable: Vec<&State> = self.states.iter().filter(|state| state.slug != NOT_FOUND).collect();
        let command = COMMANDS[seed.command];
        let (destination, otherwise) = match command {
            // Its items go on in other packages, so it ends.
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => (CANCELLED, None),
            "DETECTED_OUT_OF_STOCK_ITEM" => (OUT_OF_STOCK, Some(CANCELLED)),
            "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
                (reachable[seed.destination % reachable.len()].slug, Some(CANCELLED))
            }
            "UPDATE_INVOICE" | "UPDATE_SHIPMENT_INFO" | "REPLACE_PRODUCT" => {
                (moving[seed.source % moving.len()].slug, None)
            }
            "REPACK" => (WAITING, None),
            "UPDATE_PACKAGE_SHIPMENT_STATUS" => {
                let otherwise = reachable[seed.otherwise % reachable.len()].slug;
                (reachable[seed.destination % reachable.len()].slug, Some(otherwise))
            }
            _ => (reachable[seed.destination % reachable.len()].slug, None),
        };
        let mut transition = Transition {
            command,
            source: moving[seed.source % moving.len()].slug,
            destination,
            otherwise,
            slug: None,
            id: seed.id.filter(|id| self.transitions.iter().all(|other| other.id != Some(*id))),
            roles: seed.roles,
        };
        if seed.is_named {
            transition.slug = Some(format!("{}-{}-{}", command.to_lowercase(), transition.source, seed.otherwise));
        }
        let (source, destination) = (transition.source, transition.destination);
        if self.transitions.iter().all(|other| other.slug() != transition.slug()) {
            self.transitions.push(transition);
        }
        match command {
            "PREPARE_PACKAGE" => {
                self.add_plain("DETECTED_OUT_OF_STOCK_ITEM", (source, OUT_OF_STOCK), Some(CANCELLED));
                self.add_plain("REPLACE_PRODUCT", (source, source), None);
                self.add_plain("PKG_STATE_TRANSITION", (source, destination), None);
            }
            "BLOCK_THE_PACKAGE" if !self.state(destination).is_final => {
                self.add_plain("UNBLOCK_THE_PACKAGE", (destination, source), None);
            }
            _ => {}
        }
    }

    /// Adds a transition that another makes sense with.
    fn add_plain(
        &mut self,
        command: &'static str,
        (source, destination): (&'static str, &'static str),
        otherwise: Option<&'static str>,
    ) {
        let plain = Transition { command, source, destination, otherwise, slug: None, id: None, roles: None };
        if self.transitions.iter().all(|other| other.slug() != plain.slug()) {
            self.transitions.push(plain);
        }
    }

    /// Takes out what leans on others that are not there.
    fn prune(&mut self) {
        let all = self.transitions.clone();
        let is_there = |command: &str, source: &str, destination: Option<&str>| {
            all.iter().any(|other| {
                other.command == command
                    && other.source == source
                    && destination.is_none_or(|slug| other.destination == slug)
            })
        };
        self.transitions.retain(|transition| {
            let (source, destination) = (transition.source, transition.destination);
            transition.command != "PREPARE_PACKAGE"
                || is_there("DETECTED_OUT_OF_STOCK_ITEM", source, None)
                    && is_there("REPLACE_PRODUCT", source, Some(source))
                    && is_there("PKG_STATE_TRANSITION", source, Some(destination))
        });
    }

    /// Takes out what leans on what is not there, and gives every state that is not final a way out.
    pub fn mend(&mut self) {
        self.prune();
        let leaves = |transition: &Transition, slug: &str| {
            let outcomes = [Some(transition.destination), transition.otherwise];
            transition.source == slug && outcomes.iter().flatten().any(|outcome| *outcome != slug)
        };
        for state in self.states.iter().filter(|state| !state.is_final) {
            if !self.transitions.iter().any(|transition| leaves(transition, state.slug)) {
                self.transitions.push(Transition {
                    command: "CANCEL_PACKAGE",
                    source: state.slug,
                    destination: CANCELLED,
                    otherwise: None,
                    slug: Some(format!("way-out-of-{}", state.slug)),
                    id: None,
                    roles: None,
                });
            }
        }
    }

    /// The scenario an order of this channel has.
    pub fn scenario(&self, is_web: bool) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| is_web || !scenario.web_only)
    }

    /// As a file.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: String| writeln!(text, "{key}{value}").expect("a string takes it");
        for state in &self.states {
            line("[[states]]", String::new());
            line("entity = ", "\"package\"".to_owned());
            line("slug = ", format!("{:?}", state.slug));
            line("enum_value = ", format!("\"{}\"", state.number));
            line("name = ", format!("{:?}", state.slug));
            line("final = ", state.is_final.to_string());
            state.occupies.iter().for_each(|occupies| line("occupies_quota = ", occupies.to_string()));
            state.id.iter().for_each(|id| line("id = ", id.to_string()));
        }
        let order = "entity = \"order\"\nslug = \"approved\"\nenum_value = \"400\"\nname = \"Approved\"";
        line("[[states]]\n", order.to_owned());
        for transition in &self.transitions {
            line("[[transitions]]", String::new());
            line("entity = ", "\"package\"".to_owned());
            line("command = ", format!("{:?}", transition.command));
            line("source = ", format!("{:?}", transition.source));
            line("destination = ", format!("{:?}", transition.destination));
            line("label = ", "\"Go\"".to_owned());
            transition.otherwise.iter().for_each(|slug| line("otherwise = ", format!("{slug:?}")));
            transition.slug.iter().for_each(|slug| line("slug = ", format!("{slug:?}")));
            transition.id.iter().for_each(|id| line("id = ", id.to_string()));
            transition.roles.iter().for_each(|role| line("roles = ", format!("[{role:?}]")));
        }
        for (at, place) in self.places.iter().enumerate() {
            line("[[stock_locations]]", String::new());
            line("erp_code = ", format!("{:?}", erp(at)));
            line("name = ", format!("\"Place {at}\""));
            line("type = ", "\"store\"".to_owned());
            line("priority = ", place.priority.to_string());
            place.max_quota.iter().for_each(|quota| line("max_quota = ", quota.to_string()));
            line("latitude = ", "0.0".to_owned());
            line("longitude = ", format!("{}.0", place.longitude));
        }
        line("[[denial_reasons]]", "\ntitle = \"Busy\"".to_owned());
        for slug in ["first", "second"] {
            line("[[cargo_companies]]", format!("\nslug = {slug:?}\nname = {slug:?}\nintegration = \"manual\""));
        }
        for (at, scenario) in self.scenarios.iter().enumerate() {
            line("[[scenarios]]", format!("\nname = \"Scenario {at}\"\npriority = {at}"));
            line("channels = ", if scenario.web_only { "[\"web\"]" } else { "[]" }.to_owned());
            line("default_location = ", format!("{:?}", erp(scenario.default_location)));
            line("initial_state_when_split = ", format!("{:?}", scenario.split_state));
            for (at, rule) in scenario.rules.iter().enumerate() {
                let conditions = [(rule.by_stock, "SELECT_BY_STOCK"), (rule.by_quota, "SELECT_BY_QUOTA")];
                let conditions: Vec<_> = conditions.iter().filter(|(asks, _)| *asks).map(|(_, name)| *name).collect();
                line("[[scenarios.rules]]", format!("\nname = \"Rule {at}\"\nconditions = {conditions:?}"));
                line("order_by = ", format!("{:?}", rule.order_by));
            }
        }
        text
    }
}
