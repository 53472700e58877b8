//! Reading the installation file: TOML in, entities out, and every defect with its line.
//!
//! Only the shape is judged here: keys, types, ranges, words out of a fixed list. Whether the
//! entries fit together (references, dead ends, leaks of quota) is [`super::check`]'s business.
//!
//! The file is read through the TOML crate's spanned tree instead of `#[derive(Deserialize)]`,
//! because a derive stops at the first defect; somebody who edits a workflow wants all of them.

mod entry;
mod inventory;
mod invoicing;
mod source;
mod words;
mod workflow;
mod zone;

use std::fmt;

use serde::{Deserialize, Serialize};
use toml::de::DeTable;

pub use entry::{Entry, Scenario};
pub use inventory::Inventory;
pub use invoicing::InvoiceService;
use source::{Document, Source, json_object};
pub use words::{Entity, Interface, Role};
pub use workflow::{CommonParameters, Moved, State, Transition, Translations};
pub use zone::TimeZone;

pub use crate::reading::{Place, Problem};
use crate::{
    cargo::{CargoCompany, CargoCompanyCondition},
    locations::{Location, senders::SenderAddress},
    reading::{self, Reader, Voice},
    reasons::{CancellationReason, DenialReason},
};

/// The standard installation.
const STANDARD: &str = include_str!("../../installations/standard.toml");

/// A whole installation: the entries of its files, in the order in which they stand there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installation {
    /// Its files, in the order in which they were read.
    pub files: Vec<SourceFile>,
    /// The states of packages, transfers and orders.
    pub states: Vec<State>,
    /// The moves between states, each by one command.
    pub transitions: Vec<Transition>,
    /// The stores and warehouses.
    pub stock_locations: Vec<Entry<Location>>,
    /// The carriers.
    pub cargo_companies: Vec<Entry<CargoCompany>>,
    /// The reasons a store may give for refusing a package.
    pub denial_reasons: Vec<Entry<DenialReason>>,
    /// By which rules carriers are chosen, for clients.
    pub cargo_company_conditions: Vec<Entry<CargoCompanyCondition>>,
    /// Under which numbers carriers know locations.
    pub sender_addresses: Vec<Entry<SenderAddress>>,
    /// The reasons a customer may give for cancelling.
    pub cancellation_reasons: Vec<Entry<CancellationReason>>,
    /// How orders are distributed, tried by priority.
    pub scenarios: Vec<Scenario>,
    /// The service that knows the stock: one or none.
    pub inventory: Vec<Inventory>,
    /// The services that make invoices.
    pub invoice_services: Vec<InvoiceService>,
    /// The time zone of days: one or none.
    pub time_zone: Vec<TimeZone>,
    /// Where packages go that stand in a state that is gone.
    pub moved: Vec<Moved>,
}

/// A file as it was read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// All of it. It may hold passwords.
    pub text: String,
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SourceFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Installation {
    /// Reads one text that is the whole installation.
    ///
    /// # Errors
    /// Every defect of shape that was found, in the order of its lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_files(&[("", text)])
    }

    /// Reads several files, given as (name, text), into one installation: the entries of the
    /// second follow those of the first. The names are only used in problems.
    ///
    /// # Errors
    /// Every defect of shape that was found, file by file, in the order of the lines.
    pub fn parse_files(files: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        let mut installation = Self::default();
        let mut problems = Vec::new();
        for (name, text) in files {
            installation.files.push(SourceFile { name: (*name).to_owned(), text: (*text).to_owned() });
            let mut of_this_file = Vec::new();
            installation.append(&Source::new(name, text), text, &mut of_this_file);
            of_this_file.sort_by_key(|problem| problem.line);
            problems.append(&mut of_this_file);
        }
        installation.complete();
        if problems.is_empty() { Ok(installation) } else { Err(problems) }
    }

    /// Adds the standard states of orders where there are none. They are the upstream's, so a workflow of packages needs
    /// not repeat them; without them no order could be taken.
    fn complete(&mut self) {
        let has_states_of = |entity: Entity| self.states.iter().any(|state| state.entity == entity);
        if has_states_of(Entity::Package) && !has_states_of(Entity::Order) {
            let mut standard = Self::default();
            // A test reads all of it without a problem.
            standard.append(&Source::new("standard.toml", STANDARD), STANDARD, &mut Vec::new());
            self.states.extend(standard.states.into_iter().filter(|state| state.entity == Entity::Order));
        }
    }

    fn append(&mut self, source: &Source, text: &str, problems: &mut Vec<Problem>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What was recovered is not read on: it would be judged for what the parser lost.
            problems.extend(errors.iter().map(|error| source.syntax_problem(error)));
            return;
        }
        let table = document.get_ref();
        let document = Document { source, table };
        let read = reading::with(Voice::File(&document), &json_object(table), |root| self.append_from(root));
        problems.extend(read.err().into_iter().flatten().map(|defect| document.problem(defect)));
    }

    fn append_from(&mut self, root: &mut Reader<'_>) {
        self.states.extend(root.tables("states", State::read));
        self.transitions.extend(root.tables("transitions", Transition::read));
        self.stock_locations.extend(root.tables("stock_locations", Entry::read));
        self.cargo_companies.extend(root.tables("cargo_companies", Entry::read));
        self.denial_reasons.extend(root.tables("denial_reasons", Entry::read));
        let conditions = root.tables("cargo_company_conditions", Entry::read);
        self.cargo_company_conditions.extend(conditions);
        self.sender_addresses.extend(root.tables("sender_addresses", Entry::read));
        self.cancellation_reasons.extend(root.tables("cancellation_reasons", Entry::read));
        self.scenarios.extend(root.tables("scenarios", Scenario::read));
        self.inventory.extend(root.object("inventory", Inventory::read));
        self.invoice_services.extend(root.tables("invoice_services", InvoiceService::read));
        self.moved.extend(root.tables("moved", Moved::read));
        self.time_zone.extend(TimeZone::read(root));
        root.finish();
    }

    /// The state of an entity with this slug.
    #[must_use]
    pub fn state(&self, entity: Entity, slug: &str) -> Option<&State> {
        self.states.iter().find(|state| state.entity == entity && state.slug == slug)
    }

    /// The carrier of a location: the one it names, else the first of the installation.
    #[must_use]
    pub fn cargo_company_of(&self, location: &Entry<Location>) -> Option<&CargoCompany> {
        let mut companies = self.cargo_companies.iter().map(|entry| &entry.record);
        match location.reference("cargo_company") {
            Some(slug) => companies.find(|company| company.slug == slug),
            None => companies.next(),
        }
    }
}

#[cfg(test)]
mod tests;
