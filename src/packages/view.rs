//! The package JSON: keys in the order of the Akinon OMS; read for many packages at once.

mod as_of;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

pub use as_of::render_as_of;

use super::facts;
use crate::{
    catalog::{Catalog, CatalogCache},
    error::{Error, Result},
    locations::Location,
    orders::details,
    scope::Scope,
    wire::{Timestamp, raw},
    workflow::{CommandObject, Explanation, StateObject},
};

/// What a location packs of an order and sends as one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Package)]
pub struct PackageView {
    /// Its id, as in URLs.
    pub id: i64,
    /// Where it goes, as the order's address says.
    #[schema(schema_with = details::city)]
    city: Option<Json<Box<RawValue>>>,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    /// `<order>P<n>`.
    #[schema(example = "536365P1")]
    pub number: String,
    /// The commands its state allows now.
    #[schema(value_type = Vec<CommandObject>)]
    commands: Box<RawValue>,
    order_id: i64,
    /// Null until it is packed with a carrier.
    shipment: Option<ShipmentView>,
    /// Another system's own key.
    remote_id: Option<String>,
    /// When the order was placed.
    date_placed: Timestamp,
    order_notes: Option<String>,
    channel_name: Option<String>,
    order_number: String,
    payment_type: Option<String>,
    /// When the shipment was made.
    shipment_date: Option<Timestamp>,
    #[schema(schema_with = details::delivery_range)]
    delivery_range: Option<Json<Box<RawValue>>>,
    invoice_number: Option<String>,
    /// The label's address, if there is a label.
    pub shipping_label: Option<String>,
    stock_location: Location,
    packageitem_set: Vec<ItemView>,
    order: OrderView,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// Ids of the packages that have its items since they were planned again.
    replaced_by: Vec<i64>,
    invoice_date: Option<NaiveDate>,
    /// The address of the invoice's document, if there is one, here or at the service that made it.
    pub invoice_document: Option<String>,
    /// The transfers that bring its items. Not in events: a transfer has events of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<TransferView>, required = false)]
    pub(super) transfer_orders: Option<Vec<TransferView>>,
    /// Only with `?explain=commands`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Explanation, required = false)]
    pub explanation: Option<Explanation>,
    /// For the commands it allows.
    #[serde(skip)]
    pub state_id: i64,
    /// Decides who may see it.
    #[serde(skip)]
    pub stock_location_id: i64,
}

/// A transfer that carries or carried some of its items.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PackageTransfer)]
pub(super) struct TransferView {
    id: i64,
    /// `<package>T<n>`.
    number: String,
    /// The state's `enum_value`.
    state: String,
    /// Id of the location that sends.
    source: i64,
    source_erp_code: String,
    /// Id of the location that packs.
    destination: i64,
    destination_erp_code: String,
}

/// Who carries a package, and under which number.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shipment)]
struct ShipmentView {
    id: i64,
    cargo_company: CargoCompanyView,
    tracking_number: String,
    /// What the carrier is asked by.
    query_number: Option<String>,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// The carrier of a shipment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShipmentCarrier)]
pub(crate) struct CargoCompanyView {
    pub id: i64,
    pub name: String,
    pub slug: String,
}

/// Units of an order item that a package has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageItem)]
struct ItemView {
    /// What commands send in `package_items`.
    id: i64,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    order_item: OrderItemView,
    quantity: i64,
    /// Always null.
    unit_weight: Option<String>,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// The line of the order that an item is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackagedOrderItem)]
pub(crate) struct OrderItemView {
    pub id: i64,
    #[schema(schema_with = details::product)]
    pub product: Json<Box<RawValue>>,
    /// The upstream's own key.
    pub omnitron_id: Option<i64>,
    pub sku: String,
    /// Units ordered.
    pub quantity: i64,
    /// Decimal, of one unit.
    #[schema(example = "2.55")]
    pub price: Option<String>,
    #[schema(example = "gbp")]
    pub price_currency: Option<String>,
    /// Percent.
    pub tax_rate: Option<String>,
    pub discount_amount: Option<String>,
}

/// The order that a package is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackagedOrder)]
struct OrderView {
    id: i64,
    number: String,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    date_placed: Timestamp,
    #[schema(schema_with = details::channel)]
    channel: Option<Json<Box<RawValue>>>,
    currency: Option<String>,
    /// Decimal.
    amount: Option<String>,
    delivery_type: Option<String>,
    shipping_option_slug: Option<String>,
    #[schema(schema_with = details::customer)]
    customer: Option<Json<Box<RawValue>>>,
    #[schema(schema_with = details::address)]
    shipping_address: Option<Json<Box<RawValue>>>,
    /// The store where the customer collects it.
    #[schema(schema_with = details::retail_store)]
    retail_store: Option<Json<Box<RawValue>>>,
}

#[derive(Clone)]
struct PackageRow {
    id: i64,
    number: String,
    state_id: i64,
    order_id: i64,
    stock_location_id: i64,
    remote_id: Option<String>,
    invoice_number: Option<String>,
    created_date: DateTime<Utc>,
    modified_date: DateTime<Utc>,
    order_number: String,
    omnitron_id: Option<i64>,
    date_placed: DateTime<Utc>,
    notes: Option<String>,
    channel_name: Option<String>,
    payment_type: Option<String>,
    currency: Option<String>,
    amount: Option<String>,
    delivery_type: Option<String>,
    shipping_option_slug: Option<String>,
    city: Option<Json<Box<RawValue>>>,
    channel: Option<Json<Box<RawValue>>>,
    customer: Option<Json<Box<RawValue>>>,
    shipping_address: Option<Json<Box<RawValue>>>,
    delivery_range: Option<Json<Box<RawValue>>>,
    retail_store: Option<Json<Box<RawValue>>>,
    shipment_id: Option<i64>,
    cargo_company_id: Option<i64>,
    tracking_number: Option<String>,
    query_number: Option<String>,
    label_key: Option<Uuid>,
    invoice_date: Option<NaiveDate>,
    document_key: Option<Uuid>,
    invoice_url: Option<String>,
    shipment_created_date: Option<DateTime<Utc>>,
    shipment_modified_date: Option<DateTime<Utc>>,
    replaced_by: Vec<i64>,
}

/// Reads packages, in the order of `ids`; ids that do not exist are left out. The catalog is refreshed if a package
/// refers to something newer.
///
/// # Errors
/// When the database fails.
pub async fn load(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    ids: &[i64],
) -> Result<Vec<PackageView>> {
    catalog_cache
        .load_with(connection, ids, |connection, catalog, ids| Box::pin(load_with(connection, catalog, ids)))
        .await
}

async fn load_with(connection: &mut PgConnection, catalog: &Catalog, ids: &[i64]) -> Result<Vec<PackageView>> {
    let rows = load_rows(&mut *connection, ids).await?;
    let mut items = load_items(connection, catalog, ids).await?;
    let leads_back = |row: &&PackageRow| catalog.workflow.leads_back_from(row.state_id);
    let leading_back: Vec<i64> = rows.iter().filter(leads_back).map(|row| row.id).collect();
    let states_before = facts::states_before(&mut *connection, &leading_back).await?;
    let location_ids: Vec<i64> = rows.iter().map(|row| row.stock_location_id).collect();
    let mut transfers = load_transfers(&mut *connection, ids).await?;
    let locations = crate::locations::load(connection, &location_ids).await?;
    let mut views = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(location) = locations.get(&row.stock_location_id) else { continue };
        let items = items.remove(&row.id).unwrap_or_default();
        let commands = commands(catalog, row.state_id, states_before.get(&row.id).copied());
        let mut view = view(row, items, location.clone(), commands, catalog)?;
        view.transfer_orders = Some(transfers.remove(&view.id).unwrap_or_default());
        views.insert(view.id, view);
    }
    Ok(ids.iter().filter_map(|id| views.remove(id)).collect())
}

/// The transfers of packages. Most packages have none: then one index lookup is enough.
async fn load_transfers(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Vec<TransferView>>> {
    let rows = sqlx::query!(
        "select t.package_id, t.id, t.number, s.enum_value, t.source_location_id, a.erp_code as source_erp_code,
                t.destination_location_id, b.erp_code as destination_erp_code
           from transfers t
           join states s on s.id = t.state_id
           join stock_locations a on a.id = t.source_location_id
           join stock_locations b on b.id = t.destination_location_id
          where t.package_id = any($1)
          order by t.id",
        ids
    )
    .fetch_all(connection)
    .await?;
    let mut transfers: HashMap<i64, Vec<TransferView>> = HashMap::new();
    for row in rows {
        transfers.entry(row.package_id).or_default().push(TransferView {
            id: row.id,
            number: row.number,
            state: row.enum_value,
            source: row.source_location_id,
            source_erp_code: row.source_erp_code,
            destination: row.destination_location_id,
            destination_erp_code: row.destination_erp_code,
        });
    }
    Ok(transfers)
}

fn commands(catalog: &Catalog, state_id: i64, state_before: Option<i64>) -> Box<RawValue> {
    let commands = catalog.workflow.commands_json(state_id, state_before);
    commands.map_or_else(|| raw(&[(); 0]), ToOwned::to_owned)
}

async fn load_rows(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<PackageRow>> {
    let rows = sqlx::query_as!(
        PackageRow,
        r#"select p.id, p.number, p.state_id, p.order_id, p.stock_location_id, p.remote_id, p.invoice_number,
                  p.created_date, p.modified_date,
                  o.number as order_number, o.omnitron_id, o.date_placed, o.notes, o.channel_name, o.payment_type,
                  o.currency, o.amount::text as amount, o.delivery_type, o.shipping_option_slug,
                  o.details->'shipping_address'->'city' as "city: Json<Box<RawValue>>",
                  o.details->'channel' as "channel: Json<Box<RawValue>>",
                  o.details->'customer' as "customer: Json<Box<RawValue>>",
                  o.details->'shipping_address' as "shipping_address: Json<Box<RawValue>>",
                  o.details->'delivery_range' as "delivery_range: Json<Box<RawValue>>",
                  o.details->'retail_store' as "retail_store: Json<Box<RawValue>>",
                  s.id as "shipment_id?", s.cargo_company_id as "cargo_company_id?",
                  s.tracking_number as "tracking_number?", s.query_number as "query_number?",
                  s.label_key as "label_key?", i.invoice_date as "invoice_date?", i.document_key as "document_key?", i.remote_url as "invoice_url?",
                  s.created_date as "shipment_created_date?", s.modified_date as "shipment_modified_date?",
                  array(select r.successor_id from package_replacements r where r.package_id = p.id
                        order by 1) as "replaced_by!"
             from packages p
             join orders o on o.id = p.order_id
             left join lateral (select * from shipments where package_id = p.id limit 1) s on true
             left join lateral (select invoice_date, document_key, remote_url from package_invoices
                                 where package_id = p.id limit 1) i on true
            where p.id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

fn view(
    row: PackageRow,
    items: Vec<ItemView>,
    stock_location: Location,
    commands: Box<RawValue>,
    catalog: &Catalog,
) -> Result<PackageView> {
    let shipment = shipment(&row, catalog)?;
    Ok(PackageView {
        id: row.id,
        city: row.city,
        state: catalog.workflow.state(row.state_id)?.json.clone(),
        number: row.number,
        commands,
        order_id: row.order_id,
        shipment_date: shipment.as_ref().map(|shipment| shipment.created_date),
        shipment,
        remote_id: row.remote_id,
        date_placed: row.date_placed.into(),
        order_notes: row.notes,
        channel_name: row.channel_name,
        order_number: row.order_number.clone(),
        payment_type: row.payment_type,
        delivery_range: row.delivery_range,
        invoice_number: row.invoice_number,
        shipping_label: row.label_key.map(|key| format!("/api/v1/oms/shipping-labels/{key}/")),
        stock_location,
        packageitem_set: items,
        order: OrderView {
            id: row.order_id,
            number: row.order_number,
            omnitron_id: row.omnitron_id,
            date_placed: row.date_placed.into(),
            channel: row.channel,
            currency: row.currency,
            amount: row.amount,
            delivery_type: row.delivery_type,
            shipping_option_slug: row.shipping_option_slug,
            customer: row.customer,
            shipping_address: row.shipping_address,
            retail_store: row.retail_store,
        },
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
        replaced_by: row.replaced_by,
        invoice_date: row.invoice_date,
        invoice_document: row.document_key.map(|key| format!("/api/v1/oms/invoices/{key}/")).or(row.invoice_url),
        transfer_orders: None,
        explanation: None,
        state_id: row.state_id,
        stock_location_id: row.stock_location_id,
    })
}

fn shipment(row: &PackageRow, catalog: &Catalog) -> Result<Option<ShipmentView>> {
    let (Some(id), Some(company_id), Some(tracking_number), Some(created_date), Some(modified_date)) = (
        row.shipment_id,
        row.cargo_company_id,
        row.tracking_number.clone(),
        row.shipment_created_date,
        row.shipment_modified_date,
    ) else {
        return Ok(None);
    };
    let company = catalog.cargo_companies.iter().find(|company| company.id == company_id);
    let company = company.ok_or_else(|| Error::StaleCatalog(format!("cargo company {company_id}")))?;
    Ok(Some(ShipmentView {
        id,
        cargo_company: CargoCompanyView { id: company.id, name: company.name.clone(), slug: company.slug.clone() },
        tracking_number,
        query_number: row.query_number.clone(),
        created_date: created_date.into(),
        modified_date: modified_date.into(),
    }))
}

/// An item and its order line.
#[derive(Clone)]
struct ItemRow {
    id: i64,
    package_id: i64,
    state_id: i64,
    quantity: i64,
    created_date: DateTime<Utc>,
    modified_date: DateTime<Utc>,
    order_item_id: i64,
    omnitron_id: Option<i64>,
    sku: String,
    ordered: i64,
    price: Option<String>,
    price_currency: Option<String>,
    tax_rate: Option<String>,
    discount_amount: Option<String>,
    product: Json<Box<RawValue>>,
}

async fn load_items(
    connection: &mut PgConnection,
    catalog: &Catalog,
    package_ids: &[i64],
) -> Result<HashMap<i64, Vec<ItemView>>> {
    let rows = sqlx::query_as!(
        ItemRow,
        r#"select i.id, i.package_id, i.state_id, i.quantity, i.created_date, i.modified_date, i.order_item_id,
                  oi.omnitron_id, oi.sku, oi.quantity as ordered, oi.price::text as price, oi.price_currency,
                  oi.tax_rate::text as tax_rate, oi.discount_amount::text as discount_amount,
                  oi.product as "product: Json<Box<RawValue>>"
             from package_items i
             join order_items oi on oi.id = i.order_item_id
            where i.package_id = any($1)
            order by i.id"#,
        package_ids
    )
    .fetch_all(connection)
    .await?;
    let mut items: HashMap<i64, Vec<ItemView>> = HashMap::new();
    for row in rows {
        items.entry(row.package_id).or_default().push(item_view(row, catalog)?);
    }
    Ok(items)
}

fn item_view(row: ItemRow, catalog: &Catalog) -> Result<ItemView> {
    Ok(ItemView {
        id: row.id,
        state: catalog.workflow.state(row.state_id)?.json.clone(),
        order_item: OrderItemView {
            id: row.order_item_id,
            product: row.product,
            omnitron_id: row.omnitron_id,
            sku: row.sku,
            quantity: row.ordered,
            price: row.price,
            price_currency: row.price_currency,
            tax_rate: row.tax_rate,
            discount_amount: row.discount_amount,
        },
        quantity: row.quantity,
        unit_weight: None,
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
    })
}

impl PackageView {
    /// Leaves out transfers between locations that a scope does not see, of before the package came here.
    pub fn restrict(&mut self, scope: &Scope) {
        if let Some(transfers) = &mut self.transfer_orders {
            transfers.retain(|transfer| scope.sees(transfer.source) || scope.sees(transfer.destination));
        }
    }

    /// Makes the addresses of label and invoice absolute, with the host of the request.
    pub fn absolute(&mut self, base_url: &str) {
        for path in [&mut self.shipping_label, &mut self.invoice_document].into_iter().flatten() {
            // The document of a merchant's own service has its own address.
            if path.starts_with('/') {
                path.insert_str(0, base_url);
            }
        }
    }
}
