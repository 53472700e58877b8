//! An installation as a list of entries, each with its keys as a file has them: two installations are compared by it, and
//! files are written from it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::read::{Entry, Installation, State, TimeZone, Transition};
use crate::{
    cargo::{CargoCompany, CargoCompanyCondition},
    invoicing,
    locations::{Location, senders::SenderAddress},
    reading::Form,
    reasons::{CancellationReason, DenialReason},
    scenarios::definition::Definition,
    stock::service::{self, Password},
};

/// A part of an installation: the key of its entries in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `[[states]]`
    States,
    /// `[[transitions]]`
    Transitions,
    /// `[[cargo_companies]]`
    CargoCompanies,
    /// `[[stock_locations]]`
    StockLocations,
    /// `[[scenarios]]`
    Scenarios,
    /// `[[denial_reasons]]`
    DenialReasons,
    /// `[[cancellation_reasons]]`
    CancellationReasons,
    /// `[[cargo_company_conditions]]`
    CargoCompanyConditions,
    /// `[[sender_addresses]]`
    SenderAddresses,
    /// `[inventory]`
    Inventory,
    /// `[[invoice_services]]`
    InvoiceServices,
    /// `time_zone`
    TimeZone,
}

impl Section {
    /// Every section, in the order in which files have them.
    pub const ALL: [Self; 12] = [
        Self::States,
        Self::Transitions,
        Self::CargoCompanies,
        Self::StockLocations,
        Self::Scenarios,
        Self::DenialReasons,
        Self::CancellationReasons,
        Self::CargoCompanyConditions,
        Self::SenderAddresses,
        Self::Inventory,
        Self::InvoiceServices,
        Self::TimeZone,
    ];

    /// The key in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::States => "states",
            Self::Transitions => "transitions",
            Self::CargoCompanies => "cargo_companies",
            Self::StockLocations => "stock_locations",
            Self::Scenarios => "scenarios",
            Self::DenialReasons => "denial_reasons",
            Self::CancellationReasons => "cancellation_reasons",
            Self::CargoCompanyConditions => "cargo_company_conditions",
            Self::SenderAddresses => "sender_addresses",
            Self::Inventory => "inventory",
            Self::InvoiceServices => "invoice_services",
            Self::TimeZone => "time_zone",
        }
    }

    /// Several entries, in sentences.
    #[must_use]
    pub fn title(self) -> String {
        self.as_str().replace('_', " ")
    }
}

/// An entry of an installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where it stands.
    pub section: Section,
    /// What it is called in its section.
    pub name: String,
    /// Its id, where it is known.
    pub id: Option<i64>,
    /// Its keys as a file has them, without the id, and without those that say what holds anyway.
    pub keys: Map<String, Value>,
}

/// Every entry, section by section.
#[must_use]
pub fn items(installation: &Installation) -> Vec<Item> {
    let Installation {
        states,
        transitions,
        stock_locations,
        cargo_companies,
        denial_reasons,
        cargo_company_conditions,
        sender_addresses,
        cancellation_reasons,
        scenarios,
        inventory,
        invoice_services,
        time_zone,
        ..
    } = installation;
    let mut items = Vec::new();
    items.extend(states.iter().map(|state| item(Section::States, state.title(), state.id, state_keys(state))));
    items.extend(
        transitions.iter().map(|transition| {
            item(Section::Transitions, transition.slug(), transition.id, transition_keys(transition))
        }),
    );
    items.extend(of_entries(Section::CargoCompanies, cargo_companies, company_keys));
    items.extend(stock_locations.iter().map(|entry| {
        let company = installation.cargo_company_of(entry).map(|company| company.slug.as_str());
        let keys = location_keys(&entry.record, entry.reference("cargo_company").or(company));
        item(Section::StockLocations, entry.record.erp_code.clone(), Some(entry.record.id), keys)
    }));
    items.extend(scenarios.iter().map(|scenario| {
        let keys = scenario_keys(&scenario.definition);
        item(Section::Scenarios, scenario.definition.name.clone(), None, keys)
    }));
    items.extend(of_entries(Section::DenialReasons, denial_reasons, denial_keys));
    items.extend(of_entries(Section::CancellationReasons, cancellation_reasons, cancellation_keys));
    items.extend(of_entries(Section::CargoCompanyConditions, cargo_company_conditions, condition_keys));
    items.extend(of_entries(Section::SenderAddresses, sender_addresses, sender_keys));
    items.extend(inventory.iter().map(|inventory| {
        item(Section::Inventory, Section::Inventory.as_str().to_owned(), None, inventory_keys(&inventory.settings))
    }));
    items.extend(invoice_services.iter().map(|entry| {
        item(Section::InvoiceServices, entry.slug.clone(), None, invoice_keys(&entry.slug, &entry.service))
    }));
    items.extend(time_zone.iter().map(|TimeZone { zone, .. }| {
        let name = Section::TimeZone.as_str();
        item(Section::TimeZone, name.to_owned(), None, said(json!({ name: zone.name() })))
    }));
    items
}

fn item(section: Section, name: String, id: Option<i64>, keys: Map<String, Value>) -> Item {
    Item { section, name, id: id.filter(|id| *id > 0), keys }
}

fn of_entries<R: crate::record::Record>(
    section: Section,
    entries: &[Entry<R>],
    read: impl Fn(&Entry<R>) -> (String, Map<String, Value>),
) -> Vec<Item> {
    let item = |entry: &Entry<R>| {
        let (name, keys) = read(entry);
        item(section, name, Some(entry.record.id()), keys)
    };
    entries.iter().map(item).collect()
}

/// An object without what is null, false or empty.
fn said(object: Value) -> Map<String, Value> {
    let Value::Object(mut object) = object else { return Map::new() };
    object.retain(|_, value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    });
    object
}

/// The same list with each text once, as a file has it: requests once stored them more often.
fn each_once(texts: &[String]) -> Vec<&str> {
    let mut known = HashSet::new();
    texts.iter().map(String::as_str).filter(|text| known.insert(*text)).collect()
}

fn state_keys(state: &State) -> Map<String, Value> {
    let mut keys = said(json!({
        "entity": state.entity, "slug": state.slug, "enum_value": state.enum_value, "name": state.name,
        "translations": state.translations, "final": state.is_final, "unused": state.unused,
    }));
    if state.occupies_quota() != state.occupies_by_rule() {
        keys.insert("occupies_quota".to_owned(), json!(state.occupies_quota()));
    }
    keys
}

fn transition_keys(transition: &Transition) -> Map<String, Value> {
    let mut keys = said(json!({
        "entity": transition.entity, "command": transition.command, "source": transition.source,
        "destination": transition.destination, "otherwise": transition.otherwise, "label": transition.label,
        "slug": transition.slug.as_ref().filter(|slug| **slug != transition.usual_slug()),
        "translations": transition.translations, "parameters": transition.parameters,
    }));
    if transition.ui_visibility != super::read::Interface::ALL {
        keys.insert("ui_visibility".to_owned(), json!(transition.ui_visibility));
    }
    if let Some(roles) = &transition.roles {
        keys.insert("roles".to_owned(), json!(roles));
    }
    keys
}

fn company_keys(entry: &Entry<CargoCompany>) -> (String, Map<String, Value>) {
    let CargoCompany { slug, name, integration, .. } = &entry.record;
    (slug.clone(), said(json!({ "slug": slug, "name": name, "integration": integration })))
}

/// The parts of an address that a file has.
pub(super) const ADDRESS_PARTS: [&str; 5] = ["line", "postcode", "township", "city", "country"];

fn location_keys(location: &Location, company: Option<&str>) -> Map<String, Value> {
    let whole = |location: &Location| {
        let address = ADDRESS_PARTS.map(|part| (part.to_owned(), json!(location.address.said_of(part))));
        let degrees = |degrees: Option<crate::locations::Degrees>| degrees.map(crate::locations::Degrees::get);
        let mut keys = json!({
            "erp_code": location.erp_code, "name": location.name, "type": location.stock_location_type,
            "priority": location.priority, "is_active": location.is_active, "max_quota": location.max_quota,
            "latitude": degrees(location.address.latitude), "longitude": degrees(location.address.longitude),
            "address": said(Value::Object(address.into_iter().collect())), "fax_number": location.fax_number,
            "phone": location.daytime_phone, "evening_phone": location.evening_phone, "email": location.email,
            "is_fulfillment_center": location.is_fulfillment_center,
            "is_pickup_location": location.is_pickup_location,
            "is_delivery_location": location.is_delivery_location,
            "is_return_available": location.is_return_available,
            "is_fast_delivery_available": location.is_fast_delivery_available,
            "tags": each_once(&location.tags), "max_weight_kg": location.max_weight_kg,
        });
        if let Value::Object(keys) = &mut keys {
            keys.extend(location.conf.to_json());
        }
        keys
    };
    let blank = whole(&Location::blank());
    let Value::Object(mut keys) = whole(location) else { return Map::new() };
    let always = ["erp_code", "name", "type", "priority"];
    let is_nothing = |value: &Value| value.is_null() || value == "";
    keys.retain(|key, value| always.contains(&key.as_str()) || blank.get(key) != Some(value) && !is_nothing(value));
    keys.extend(company.map(|slug| ("cargo_company".to_owned(), json!(slug))));
    keys
}

fn scenario_keys(definition: &Definition) -> Map<String, Value> {
    without_nulls(Value::Object(definition.to_json())).as_object().cloned().unwrap_or_default()
}

/// Files have no word for nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let said = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn denial_keys(entry: &Entry<DenialReason>) -> (String, Map<String, Value>) {
    let DenialReason { title, remote_id, priority, .. } = &entry.record;
    (title.clone(), said(json!({ "title": title, "remote_id": remote_id, "priority": priority })))
}

fn cancellation_keys(entry: &Entry<CancellationReason>) -> (String, Map<String, Value>) {
    let CancellationReason { subject, cancellation_type, extra_information_needed, omnitron_id, order, .. } =
        &entry.record;
    let kind = json!(cancellation_type);
    let name = format!("{subject} ({})", kind.as_str().unwrap_or_default());
    let keys = json!({
        "subject": subject, "type": kind, "order": Some(order).filter(|order| **order != 0),
        "extra_information_needed": extra_information_needed, "omnitron_id": omnitron_id,
    });
    (name, said(keys))
}

fn condition_keys(entry: &Entry<CargoCompanyCondition>) -> (String, Map<String, Value>) {
    let company = entry.reference("cargo_company").unwrap_or_default();
    let mut keys = said(json!({ "cargo_company": company }));
    let rules = without_nulls(Value::Object(entry.record.rules_configuration.0.clone()));
    keys.insert("rules_configuration".to_owned(), rules);
    (company.to_owned(), keys)
}

fn sender_keys(entry: &Entry<SenderAddress>) -> (String, Map<String, Value>) {
    let location = entry.reference("stock_location").unwrap_or_default();
    let company = entry.reference("cargo_company").unwrap_or_default();
    let keys = json!({ "stock_location": location, "cargo_company": company, "origin_id": entry.record.origin_id });
    (format!("{location} with {company}"), said(keys))
}

/// A password or token, under the key that says which of the two it is.
fn secret(keys: &mut Map<String, Value>, key: &str, secret: &Password) {
    match secret {
        Password::Plain(secret) => keys.insert(key.to_owned(), json!(secret.reveal())),
        Password::Variable(name) => keys.insert(format!("{key}_env"), json!(name)),
    };
}

fn inventory_keys(settings: &service::Settings) -> Map<String, Value> {
    let auth = match &settings.auth {
        service::Auth::Anonymous => said(json!({ "type": "anonymous" })),
        service::Auth::BasicAuth { username, password } => {
            let mut auth = said(json!({ "type": "basic_auth", "username": username }));
            secret(&mut auth, "password", password);
            auth
        }
        service::Auth::Token { url, username, password, token_key, header_format } => {
            let mut auth = said(json!({ "type": "token", "url": url, "username": username }));
            secret(&mut auth, "password", password);
            auth.extend(said(json!({ "token_key": token_key, "header_format": header_format })));
            auth
        }
    };
    said(json!({
        "auth": auth, "service": settings.service, "stock_locations": settings.stock_locations,
        "timeout_seconds": settings.timeout_seconds, "concurrency": settings.concurrency,
        "max_age_seconds": settings.max_age_seconds, "when_down": settings.when_down,
    }))
}

fn invoice_keys(slug: &str, service: &invoicing::Service) -> Map<String, Value> {
    let auth = match &service.auth {
        invoicing::Auth::Anonymous => said(json!({ "type": "anonymous" })),
        invoicing::Auth::BasicAuth { username, password } => {
            let mut auth = said(json!({ "type": "basic_auth", "username": username }));
            secret(&mut auth, "password", password);
            auth
        }
        invoicing::Auth::Token { token, token_prefix } => {
            let mut auth = said(json!({ "type": "token", "token_prefix": token_prefix }));
            secret(&mut auth, "token", token);
            auth
        }
    };
    said(json!({ "slug": slug, "url": service.url, "auth": auth, "timeout_seconds": service.timeout_seconds }))
}
