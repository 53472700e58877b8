//! The transfer JSON: keys in the order of the Akinon OMS, ours behind them; read for many transfers at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::{
    catalog::{Catalog, CatalogCache},
    db::PgConnection,
    error::{Error, Result},
    events::Change,
    locations::{self, Location},
    orders::{details, history::OrderHistory},
    packages::view::CargoCompanyView,
    scope::Scope,
    transfers::snapshot::TransferSnapshot,
    wire::{Timestamp, raw},
    workflow::{CommandObject, Explanation, StateObject},
};

/// Goods on their way from a location that has them to the one that packs them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferView {
    id: i64,
    /// `<package>T<n>`.
    #[schema(example = "536365P1T1")]
    number: String,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    order: OrderView,
    package: PackageView,
    source: Location,
    destination: Location,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// Always empty.
    extra_information: HashMap<String, String>,
    /// The commands its state allows now.
    #[schema(value_type = Vec<CommandObject>)]
    commands: Box<RawValue>,
    shipment: Option<ShipmentView>,
    transferitem_set: Vec<ItemView>,
    /// Only with `?explain=commands`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Explanation, required = false)]
    pub explanation: Option<Explanation>,
    /// The number of its latest event: grows with each change. Of an event it is that of now.
    #[serde(skip)]
    pub version: i64,
}

impl TransferView {
    /// Leaves out how busy an end is that a scope does not see. Its address stays: the goods go there or come from there.
    #[must_use]
    pub(crate) fn restricted_to(mut self, scope: &Scope) -> Self {
        for end in [&mut self.source, &mut self.destination] {
            if !scope.sees(end.id) {
                *end = std::mem::take(end).without_quota();
            }
        }
        self
    }

    /// True if the caller sees it: it is from or to a location of the caller.
    pub(crate) fn is_visible(&self, scope: &Scope) -> bool {
        scope.sees(self.source.id) || scope.sees(self.destination.id)
    }
}

/// The order that a transfer's goods are of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferredOrder)]
struct OrderView {
    id: i64,
    number: String,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    date_placed: Timestamp,
    #[schema(schema_with = details::channel)]
    channel: Option<Json<Box<RawValue>>>,
    #[schema(schema_with = details::customer)]
    customer: Option<Json<Box<RawValue>>>,
}

/// The package that waits for a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferredPackage)]
struct PackageView {
    id: i64,
    number: String,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    /// Id of the location that packs it.
    stock_location: i64,
}

/// The carrier, as the sender named it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferShipment)]
struct ShipmentView {
    cargo_company: CargoCompanyView,
    tracking_number: String,
}

/// An item of the transfer: units of one package item.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TransferItem)]
pub(crate) struct ItemView {
    id: i64,
    /// Id of the transfer.
    transfer_order: i64,
    package_item: i64,
    order_item: i64,
    #[schema(schema_with = details::product)]
    product: Json<Box<RawValue>>,
    sku: String,
    quantity: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
}

#[derive(Clone)]
struct TransferRow {
    id: i64,
    number: String,
    version: i64,
    state_id: i64,
    source_location_id: i64,
    destination_location_id: i64,
    cargo_company_id: Option<i64>,
    tracking_number: Option<String>,
    created_date: DateTime<Utc>,
    modified_date: DateTime<Utc>,
    package_id: i64,
    package_number: String,
    package_state_id: i64,
    package_location_id: i64,
    order_id: i64,
    order_number: String,
    omnitron_id: Option<i64>,
    date_placed: DateTime<Utc>,
    channel: Option<Json<Box<RawValue>>>,
    customer: Option<Json<Box<RawValue>>>,
}

/// Reads transfers, in the order of `ids`; ids that do not exist are left out.
pub(crate) async fn load(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    ids: &[i64],
) -> Result<Vec<TransferView>> {
    catalog_cache
        .load_with(connection, ids, |connection, catalog, ids| Box::pin(load_with(connection, catalog, ids)))
        .await
}

async fn load_with(connection: &mut PgConnection, catalog: &Catalog, ids: &[i64]) -> Result<Vec<TransferView>> {
    let rows = load_rows(&mut *connection, ids).await?;
    let ends: Vec<i64> = rows.iter().flat_map(|row| [row.source_location_id, row.destination_location_id]).collect();
    let places = catalog.location_cache.load(&mut *connection, &ends).await?;
    let place = |id: i64| {
        let place = places.get(&id).ok_or_else(|| Error::Fault(format!("location {id} vanished")))?;
        Ok(Location::clone(&place.location))
    };
    let mut items = items_by_transfer(connection, ids).await?;
    let mut views = HashMap::with_capacity(rows.len());
    for row in rows {
        let carried = items.remove(&row.id).unwrap_or_default();
        views.insert(row.id, view(row, carried, place, catalog)?);
    }
    Ok(ids.iter().filter_map(|id| views.remove(id)).collect())
}

async fn items_by_transfer(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Vec<ItemView>>> {
    let mut items: HashMap<i64, Vec<ItemView>> = HashMap::new();
    for item in load_items(connection, &[], ids).await? {
        items.entry(item.transfer_order).or_default().push(item);
    }
    Ok(items)
}

async fn load_rows(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<TransferRow>> {
    let rows = sqlx::query_as!(
        TransferRow,
        r#"select t.id, t.number, t.event_sequence as version, t.state_id, t.source_location_id, t.destination_location_id,
                  t.cargo_company_id, t.tracking_number, t.created_date, t.modified_date, p.id as package_id,
                  p.number as package_number, p.state_id as package_state_id,
                  p.stock_location_id as package_location_id, o.id as order_id, o.number as order_number,
                  o.omnitron_id, o.date_placed,
                  o.details->'channel' as "channel: Json<Box<RawValue>>",
                  o.details->'customer' as "customer: Json<Box<RawValue>>"
             from transfers t join packages p on p.id = t.package_id join orders o on o.id = p.order_id
            where t.id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Renders transfers as they were when each of some changes was written, by the change's id.
///
/// # Errors
/// When the database fails.
pub async fn render_as_of(
    connection: &mut PgConnection,
    catalog: &Catalog,
    changes: &[&Change],
) -> Result<HashMap<i64, TransferView>> {
    let ids: Vec<i64> = changes.iter().map(|change| change.object_id).collect();
    let rows: HashMap<i64, TransferRow> =
        load_rows(&mut *connection, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let items = items_by_transfer(&mut *connection, &ids).await?;
    let ends = changes.iter().filter_map(|change| Some((rows.get(&change.object_id)?, change.installation_version)));
    let ends =
        ends.flat_map(|(row, version)| [(row.source_location_id, version), (row.destination_location_id, version)]);
    let (ends, versions): (Vec<i64>, Vec<i64>) = ends.unzip();
    let places = locations::as_of(&mut *connection, &ends, &versions).await?;
    let order_ids: Vec<i64> = rows.values().map(|row| row.order_id).collect();
    let orders = OrderHistory::load(connection, &order_ids).await?;
    let mut views = HashMap::with_capacity(changes.len());
    for change in changes {
        let Some(row) = rows.get(&change.object_id) else { continue };
        let place = |id: i64| {
            let place = places.get(&(id, change.installation_version));
            Ok(place.ok_or_else(|| Error::Fault(format!("location {id} has no history")))?.clone())
        };
        let mut row = match TransferSnapshot::from_json(&change.facts)? {
            Some(snapshot) => TransferRow {
                state_id: snapshot.state,
                cargo_company_id: snapshot.cargo_company,
                tracking_number: snapshot.tracking_number,
                package_state_id: snapshot.package_state,
                package_location_id: snapshot.package_stock_location,
                modified_date: change.created_date,
                ..row.clone()
            },
            None => row.clone(),
        };
        if let Some(earlier) = orders.at(row.order_id, change.id) {
            row.customer.clone_from(&earlier.customer);
        }
        let carried = items.get(&row.id).cloned().unwrap_or_default();
        views.insert(change.id, view(row, carried, place, catalog)?);
    }
    Ok(views)
}

fn view(
    row: TransferRow,
    items: Vec<ItemView>,
    place: impl Fn(i64) -> Result<Location>,
    catalog: &Catalog,
) -> Result<TransferView> {
    let commands = catalog.workflow.commands_json(row.state_id, None).map_or_else(|| raw(&[(); 0]), ToOwned::to_owned);
    Ok(TransferView {
        id: row.id,
        number: row.number,
        state: catalog.workflow.state(row.state_id)?.json.clone(),
        order: OrderView {
            id: row.order_id,
            number: row.order_number,
            omnitron_id: row.omnitron_id,
            date_placed: row.date_placed.into(),
            channel: row.channel,
            customer: row.customer,
        },
        package: PackageView {
            id: row.package_id,
            number: row.package_number,
            state: catalog.workflow.state(row.package_state_id)?.json.clone(),
            stock_location: row.package_location_id,
        },
        source: place(row.source_location_id)?,
        destination: place(row.destination_location_id)?,
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
        extra_information: HashMap::new(),
        commands,
        shipment: shipment(row.cargo_company_id, row.tracking_number, catalog)?,
        transferitem_set: items,
        explanation: None,
        version: row.version,
    })
}

fn shipment(company: Option<i64>, number: Option<String>, catalog: &Catalog) -> Result<Option<ShipmentView>> {
    let (Some(company_id), Some(tracking_number)) = (company, number) else { return Ok(None) };
    let company = catalog.cargo_companies.iter().find(|company| company.id == company_id);
    let company = company.ok_or_else(|| Error::StaleCatalog(format!("cargo company {company_id}")))?;
    let cargo_company = CargoCompanyView { id: company.id, name: company.name.clone(), slug: company.slug.clone() };
    Ok(Some(ShipmentView { cargo_company, tracking_number }))
}

/// Reads items by their ids, in that order, or by the ids of their transfers, in their own order.
pub(crate) async fn load_items(
    connection: &mut PgConnection,
    ids: &[i64],
    transfer_ids: &[i64],
) -> Result<Vec<ItemView>> {
    let items = sqlx::query_as!(
        ItemView,
        r#"select i.id, i.transfer_id as transfer_order, i.package_item_id as package_item,
                  pi.order_item_id as order_item, oi.product as "product: Json<Box<RawValue>>", oi.sku, i.quantity,
                  i.created_date, i.modified_date
             from transfer_items i
             join package_items pi on pi.id = i.package_item_id
             join order_items oi on oi.id = pi.order_item_id
            where i.id = any($1) or i.transfer_id = any($2)
            order by array_position($1, i.id), i.id"#,
        ids,
        transfer_ids
    );
    Ok(items.fetch_all(connection).await?)
}
