//! The payloads of events: the resource as it was.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use crate::{
    catalog::{Catalog, CatalogCache},
    db::PgConnection,
    error::{Error, Result},
    events::Change,
    links::Addresses,
    locations::Location,
    packages,
    stock::list::StockLevel,
    transfers,
    wire::raw,
};

/// Renders the payload of each change, by its id: the package, transfer, location, stock or subscription in its documented
/// shape, as it was when the change was written. `addresses`: those in it.
///
/// # Errors
/// When the database fails.
pub async fn render(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    addresses: &Addresses,
    changes: &[Change],
) -> Result<HashMap<i64, Box<RawValue>>> {
    let mut by_version: BTreeMap<i64, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        by_version.entry(change.installation_version).or_default().push(change);
    }
    let mut payloads = HashMap::with_capacity(changes.len());
    for (version, changes) in by_version {
        let words = catalog_cache.words_of(&mut *connection, version).await?;
        payloads.extend(render_with(&mut *connection, &words, addresses, &changes).await?);
    }
    Ok(payloads)
}

async fn render_with(
    connection: &mut PgConnection,
    words: &Catalog,
    addresses: &Addresses,
    changes: &[&Change],
) -> Result<HashMap<i64, Box<RawValue>>> {
    let of =
        |entity: &str| -> Vec<&Change> { changes.iter().copied().filter(|change| change.entity == entity).collect() };
    let mut payloads = HashMap::with_capacity(changes.len());
    let of_packages = of("package");
    if !of_packages.is_empty() {
        for (id, mut view) in packages::view::render_as_of(&mut *connection, words, &of_packages).await? {
            view.show_documents(addresses);
            payloads.insert(id, raw(&view));
        }
    }
    let of_transfers = of("transfer");
    if !of_transfers.is_empty() {
        let views = transfers::render_as_of(&mut *connection, words, &of_transfers).await?;
        payloads.extend(views.into_iter().map(|(id, view)| (id, raw(&view))));
    }
    let of_locations = of("stock_location");
    for change in of_locations {
        payloads.insert(change.id, raw(&Location::from_record(&change.facts)?));
    }
    for change in of("stock") {
        payloads.insert(change.id, raw(&StockLevel::from_record(&change.facts)?));
    }
    for change in of("webhook") {
        let facts = RawValue::from_string(change.facts.clone());
        payloads.insert(change.id, facts.map_err(|error| Error::Fault(format!("a webhook's event: {error}")))?);
    }
    Ok(payloads)
}
