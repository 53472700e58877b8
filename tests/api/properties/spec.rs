//! Installations in the model, and how transitions are added.

use super::{
    shapes::Seed,
    vocabulary::{CANCELLED, NOT_FOUND, NOT_RESTOCKED, OUT_OF_STOCK, WAITING, WAITING_FOR_TRANSFER},
};
use crate::support::standard::kind;

#[derive(Debug, Clone)]
pub struct State {
    pub slug: &'static str,
    pub number: u32,
    pub is_final: bool,
    pub occupies: Option<bool>,
    pub id: Option<i64>,
}

impl State {
    /// True for numbers below 400, unless the installation file says otherwise.
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
    /// Its name, as somebody types or pastes it.
    pub name: String,
    pub priority: i32,
    pub max_quota: Option<i64>,
    /// On the equator, so that distances are easy.
    pub longitude: i32,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub by_stock: bool,
    pub by_quota: bool,
    pub transferable: bool,
    pub order_by: Vec<&'static str>,
}

impl Rule {
    /// True if its items need stock, at the location or at a source.
    pub fn needs_stock(&self) -> bool {
        self.by_stock || self.transferable
    }
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
    /// The location of items that no transfer can bring.
    pub transfer_default: usize,
}

impl Place {
    /// Its name as it is kept.
    pub fn name(&self) -> &str {
        self.name.trim()
    }
}

/// The ERP code of a location.
pub fn erp(place: usize) -> String {
    format!("L{place}")
}

impl Spec {
    pub fn state(&self, slug: &str) -> &State {
        self.states.iter().find(|state| state.slug == slug).expect("a state of the installation")
    }

    pub fn place(&self, erp_code: &str) -> &Place {
        let at = (0..self.places.len()).find(|at| erp(*at) == erp_code).expect("a location of the installation");
        &self.places[at]
    }

    /// Adds a transition, unless it cannot be part of an installation.
    pub fn add(&mut self, seed: &Seed) {
        // A package waits for transfers because of a plan alone, and goes on because of them, or ends.
        let able: Vec<&State> = self.states.iter().filter(|state| state.slug != WAITING_FOR_TRANSFER).collect();
        let moving: Vec<&State> = able.iter().copied().filter(|state| !state.is_final).collect();
        let reachable: Vec<&State> =
            able.into_iter().filter(|state| ![NOT_FOUND, NOT_RESTOCKED].contains(&state.slug)).collect();
        let command = seed.command;
        let (destination, otherwise) = match command {
            // Its items go on in other packages, so it ends.
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => (CANCELLED, None),
            "DETECTED_OUT_OF_STOCK_ITEM" => (OUT_OF_STOCK, Some(CANCELLED)),
            "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
                (reachable[seed.destination % reachable.len()].slug, Some(CANCELLED))
            }
            "REPACK" => (WAITING, None),
            // What it held goes back on the shelf, or is gone.
            name if kind(name).needs_states.contains(&NOT_RESTOCKED) => {
                let holds_nothing = |state: &&&State| {
                    !(state.reserves() || state.takes() || [OUT_OF_STOCK, "needs-rescheduling"].contains(&state.slug))
                };
                let ends: Vec<&&State> = reachable.iter().filter(holds_nothing).collect();
                (ends[seed.destination % ends.len()].slug, None)
            }
            name if kind(name).stays => (moving[seed.source % moving.len()].slug, None),
            name if kind(name).has_otherwise => {
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

    /// Adds a transition that another one needs.
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

    /// Removes entries that depend on missing ones.
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

    /// Removes entries that depend on missing ones, and gives every state that is not final a way out.
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

    /// The scenario for an order of this channel.
    pub fn scenario(&self, is_web: bool) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| is_web || !scenario.web_only)
    }
}
