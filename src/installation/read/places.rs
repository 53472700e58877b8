//! Where orders are packed and by which rules they get there: `[[stock_locations]]`,
//! `[[cargo_companies]]`, `[[denial_reasons]]` and `[[scenarios]]`.

use super::words::Integration;
use crate::locations::Location;
use crate::reading::{COUNTS, Form as _, Place, Reader};
use crate::scenarios::definition::Definition;

/// A `[[stock_locations]]` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct StockLocation {
    /// What it says.
    pub location: Location,
    /// The slug of its carrier; the installation's first where it is left out.
    pub cargo_company: Option<String>,
    /// Where the entry stands.
    pub at: Place,
}

impl StockLocation {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["erp_code", "name", "type", "priority", "latitude", "longitude"]);
        let mut location = Location::blank();
        location.read(reader);
        Self { location, cargo_company: reader.slug("cargo_company"), at: reader.finish() }
    }
}

/// A `[[cargo_companies]]` entry: a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoCompany {
    /// Its fixed id: what commands send as `cargo_company`.
    pub id: Option<i64>,
    /// Its name for programs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// How shipments reach it.
    pub integration: Integration,
    /// Where the entry stands.
    pub at: Place,
}

impl CargoCompany {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["slug", "name", "integration"]);
        Self {
            id: reader.id("id"),
            slug: reader.slug("slug").unwrap_or_default(),
            name: reader.text("name").unwrap_or_default(),
            integration: reader.choice("integration").unwrap_or(Integration::Manual),
            at: reader.finish(),
        }
    }
}

/// A `[[denial_reasons]]` entry: why a store refuses a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialReason {
    /// Its fixed id: what commands send as `denial_reason`.
    pub id: Option<i64>,
    /// What the store reads and picks.
    pub title: String,
    /// Another system's own key.
    pub remote_id: Option<String>,
    /// For clients to sort by.
    pub priority: Option<i32>,
    /// Where the entry stands.
    pub at: Place,
}

impl DenialReason {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["title"]);
        Self {
            id: reader.id("id"),
            title: reader.text("title").unwrap_or_default(),
            remote_id: reader.text("remote_id"),
            priority: reader.count("priority", COUNTS),
            at: reader.finish(),
        }
    }
}

/// A `[[scenarios]]` entry: how an order is turned into packages. Requests write it in the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it says.
    pub definition: Definition,
    /// Where the entry stands.
    pub at: Place,
}

impl Scenario {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { definition: reader.as_written(Definition::read), at: reader.place() }
    }
}
