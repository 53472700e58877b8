//! The payload of events: the resource as it was.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx::PgConnection;

use super::Change;
use crate::{
    catalog::{Catalog, Shelf},
    error::{Error, Result},
    locations, packages, transfers,
    wire::raw,
};

/// Makes the payload of each change, by its id: the package, transfer or location in its documented shape, as it was
/// when the change was written. Addresses in it begin with `base_url`.
///
/// # Errors
/// When the database fails.
pub async fn render(
    connection: &mut PgConnection,
    shelf: &Shelf,
    base_url: &str,
    changes: &[Change],
) -> Result<HashMap<i64, Box<RawValue>>> {
    match render_with(&mut *connection, &shelf.current(), base_url, changes).await {
        Err(Error::StaleCatalog(_)) => {
            let fresh = shelf.refresh(&mut *connection).await?;
            render_with(connection, &fresh, base_url, changes).await
        }
        rendered => rendered,
    }
}

async fn render_with(
    connection: &mut PgConnection,
    catalog: &Catalog,
    base_url: &str,
    changes: &[Change],
) -> Result<HashMap<i64, Box<RawValue>>> {
    let of = |entity: &str| -> Vec<&Change> { changes.iter().filter(|change| change.entity == entity).collect() };
    let mut payloads = HashMap::with_capacity(changes.len());
    let of_packages = of("package");
    if !of_packages.is_empty() {
        for (id, mut view) in packages::view::tell(&mut *connection, catalog, &of_packages).await? {
            view.absolute(base_url);
            payloads.insert(id, raw(&view));
        }
    }
    let of_transfers = of("transfer");
    if !of_transfers.is_empty() {
        let views = transfers::tell(&mut *connection, catalog, &of_transfers).await?;
        payloads.extend(views.into_iter().map(|(id, view)| (id, raw(&view))));
    }
    let of_locations = of("stock_location");
    if !of_locations.is_empty() {
        let rows: Vec<String> = of_locations.iter().map(|change| change.facts.clone()).collect();
        let places = locations::as_recorded(connection, &rows).await?;
        payloads.extend(of_locations.iter().zip(places).map(|(change, place)| (change.id, raw(&place.told()))));
    }
    Ok(payloads)
}
