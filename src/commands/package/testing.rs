//! A scene for the commands' tests: the standard installation, three locations (A, B, C; C is the default), and package
//! 7 at A with item 1 (one RED) and item 2 (two BLUE). No database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::DateTime;
use chrono_tz::Tz;
use serde_json::Value;

use super::super::kinds;
use crate::{
    cargo::CargoCompany,
    catalog::{Catalog, Content},
    commands::{
        background::Background,
        changes::{Changes, Part},
        command::Context,
        input::Input,
        package::subject::Packages,
        subject::Subject as _,
    },
    error::Refusal,
    installation::read::Installation,
    invoicing::Invoicing,
    locations::{Location, LocationCache},
    packages::facts::{Documents, ItemFacts, PackageFacts},
    planning::{
        Supply,
        plan::{Candidate, Stock},
    },
    scenarios::rules::{Condition, OrderBy, Rule, Scenario},
    scope::Scope,
    workflow::{
        Transition, Workflow,
        load::{StateRow, TransitionRow},
    },
};

/// See the module.
pub(crate) struct Scene {
    pub(crate) catalog: Catalog,
    pub(crate) package: PackageFacts,
    pub(crate) supply: Supply,
    pub(crate) background: Background,
    pub(crate) scope: Scope,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let locations = [(1, "A"), (2, "B"), (3, "C")].map(|(id, code)| {
            let location = Location {
                id,
                erp_code: code.to_owned(),
                name: format!("Store {code}"),
                priority: i32::try_from(id).expect("small"),
                is_active: true,
                ..Location::default()
            };
            (id, Arc::new(location))
        });
        let workflow = standard_workflow();
        let waiting = workflow.state_by_slug("package", "waiting").expect("waiting").id;
        let manual = CargoCompany::for_tests(1, "manual");
        let items = [(1, 101, "RED", 1), (2, 102, "BLUE", 2)].map(|(id, order_item_id, sku, quantity)| ItemFacts {
            id,
            order_item_id,
            sku: sku.to_owned(),
            quantity,
            state_id: waiting,
            is_reserved: true,
            modified_date: DateTime::UNIX_EPOCH,
        });
        let content = Content {
            words_version: 1,
            workflow,
            cargo_companies: vec![manual],
            locations: BTreeMap::from(locations),
            location_cache: LocationCache::default(),
            limited_locations: BTreeSet::new(),
            inventory: None,
            invoicing: Invoicing::default(),
            time_zone: Tz::UTC,
            scenarios: vec![scenario(waiting)],
            transfer_scenarios: Vec::new(),
        };
        Self {
            catalog: Catalog { version: 1, content_version: 1, content: Arc::new(content) },
            package: PackageFacts {
                id: 7,
                number: "1P1".to_owned(),
                order_id: 1,
                stock_location_id: 1,
                state_id: waiting,
                event_sequence: 1,
                version: 1,
                cargo_company_id: None,
                shipment: None,
                documents: Documents::default(),
                items: items.to_vec(),
            },
            supply: Supply { scenario: Some(scenario(waiting)), ..Supply::default() },
            background: Background::default(),
            scope: Scope::unlimited(),
        }
    }

    /// What is installed, to be changed.
    pub(crate) fn content(&mut self) -> &mut Content {
        Arc::get_mut(&mut self.catalog.content).expect("nobody else has it")
    }

    /// The items are in the package's state, in which they have no reservations.
    pub(crate) fn with_items_in(mut self, state: &str) -> Self {
        let state_id = self.state(state);
        for item in &mut self.package.items {
            (item.state_id, item.is_reserved) = (state_id, false);
        }
        self
    }

    pub(crate) fn with_stock(mut self, stock_location_id: i64, stock: &[(&str, i64)]) -> Self {
        let location = &self.catalog.locations[&stock_location_id];
        let stock = stock
            .iter()
            .map(|(sku, units)| (Arc::from(*sku), Stock { quantity: *units, reserved: 0, ..Stock::default() }));
        self.supply.candidates.push(Candidate {
            location: Arc::clone(location),
            stock: stock.collect(),
            ..Candidate::default()
        });
        self
    }

    pub(crate) fn state(&self, slug: &str) -> i64 {
        self.catalog.workflow.state_by_slug("package", slug).expect("a state of the standard installation").id
    }

    pub(crate) fn transition(&self, command: &str, state: &str) -> &Transition {
        let source = self.state(state);
        let mut all = self.catalog.workflow.transitions("package");
        all.find(|transition| transition.kind.identifier == command && transition.source_id == source)
            .expect("a transition of the standard installation")
    }

    /// The command's decision for the package in a state.
    pub(crate) fn decide(&self, command: &str, state: &str, input: &Value) -> Result<Changes, Refusal> {
        let package = PackageFacts { state_id: self.state(state), ..self.package.clone() };
        Packages::decide(&Context {
            catalog: &self.catalog,
            transition: self.transition(command, state),
            facts: &package,
            input: Input(input.as_object().expect("an object")),
            supply: Some(&self.supply),
            background: &self.background,
            scope: &self.scope,
        })
    }
}

/// Units of an item.
pub(crate) fn part(package_item_id: i64, quantity: i64) -> Part {
    Part { package_item_id, quantity }
}

fn scenario(waiting: i64) -> Scenario {
    Scenario {
        id: 1,
        name: "Standard".to_owned(),
        priority: 1,
        default_location_id: 3,
        initial_state_when_split_id: waiting,
        rules: vec![Rule {
            name: "Anywhere".to_owned(),
            conditions: vec![Condition::SelectByStock, Condition::SelectByQuota],
            order_by: vec![OrderBy::Priority],
            ..Rule::default()
        }],
        ..Scenario::default()
    }
}

/// The workflow of `installations/standard.toml`, with ids in the file's order.
pub(crate) fn standard_workflow() -> Workflow {
    let text = include_str!("../../../installations/standard.toml");
    let installation = Installation::parse(text).expect("the standard installation reads");
    let ids: HashMap<(String, String), i64> = installation
        .states
        .iter()
        .zip(1..)
        .map(|(state, id)| ((state.entity.as_str().to_owned(), state.slug.clone()), id))
        .collect();
    let id_of = |entity: &str, slug: &str| ids[&(entity.to_owned(), slug.to_owned())];
    let states = installation.states.iter().map(|state| StateRow {
        id: id_of(state.entity.as_str(), &state.slug),
        entity: state.entity.as_str().to_owned(),
        slug: state.slug.clone(),
        enum_value: state.enum_value.clone(),
        name: state.name.clone(),
        translations: None,
        occupies_quota: state.occupies_quota(),
        created_date: DateTime::UNIX_EPOCH,
        modified_date: DateTime::UNIX_EPOCH,
    });
    let transitions = installation.transitions.iter().zip(1..).map(|(transition, id)| TransitionRow {
        id,
        entity: transition.entity.as_str().to_owned(),
        command: transition.command.clone(),
        slug: transition.slug(),
        label: transition.label.clone(),
        translations: None,
        ui_visibility: Vec::new(),
        roles: None,
        source_state_id: id_of(transition.entity.as_str(), &transition.source),
        destination_state_id: id_of(transition.entity.as_str(), &transition.destination),
        otherwise_state_id: transition.otherwise.as_ref().map(|slug| id_of(transition.entity.as_str(), slug)),
        parameters: Value::Null,
        created_date: DateTime::UNIX_EPOCH,
        modified_date: DateTime::UNIX_EPOCH,
    });
    Workflow::build(states.collect(), transitions.collect(), kinds()).expect("known commands")
}
