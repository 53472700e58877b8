//! Packages as they are now, read for many at once.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::{CargoCompanyView, ItemView, OrderItemView, OrderView, PackageView, ShipmentView, TransferView};
use crate::{
    catalog::{Catalog, CatalogCache},
    db::PgConnection,
    error::{Error, Result},
    packages::facts,
    wire::raw,
};

/// A package and its order.
#[derive(Clone)]
pub(super) struct PackageRow {
    pub(super) id: i64,
    pub(super) number: String,
    pub(super) version: i64,
    pub(super) state_id: i64,
    pub(super) order_id: i64,
    pub(super) stock_location_id: i64,
    pub(super) remote_id: Option<String>,
    pub(super) invoice_number: Option<String>,
    pub(super) created_date: DateTime<Utc>,
    pub(super) modified_date: DateTime<Utc>,
    pub(super) order_number: String,
    pub(super) omnitron_id: Option<i64>,
    pub(super) date_placed: DateTime<Utc>,
    pub(super) notes: Option<String>,
    pub(super) channel_name: Option<String>,
    pub(super) payment_type: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) delivery_type: Option<String>,
    pub(super) shipping_option_slug: Option<String>,
    pub(super) has_gift_box: bool,
    pub(super) gift_box_note: Option<String>,
    pub(super) shipping_amount: Option<String>,
    pub(super) extra_field: Option<Json<Box<RawValue>>>,
    pub(super) city: Option<Json<Box<RawValue>>>,
    pub(super) channel: Option<Json<Box<RawValue>>>,
    pub(super) customer: Option<Json<Box<RawValue>>>,
    pub(super) shipping_address: Option<Json<Box<RawValue>>>,
    pub(super) delivery_range: Option<Json<Box<RawValue>>>,
    pub(super) retail_store: Option<Json<Box<RawValue>>>,
    pub(super) shipment_id: Option<i64>,
    pub(super) cargo_company_id: Option<i64>,
    pub(super) tracking_number: Option<String>,
    pub(super) query_number: Option<String>,
    pub(super) label_key: Option<Uuid>,
    pub(super) invoice_date: Option<NaiveDate>,
    pub(super) document_key: Option<Uuid>,
    pub(super) invoice_url: Option<String>,
    pub(super) shipment_created_date: Option<DateTime<Utc>>,
    pub(super) shipment_modified_date: Option<DateTime<Utc>>,
    pub(super) replaced_by: Vec<i64>,
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
    let locations = catalog.location_cache.load(connection, &location_ids).await?;
    let mut views = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(location) = locations.get(&row.stock_location_id) else { continue };
        let items = items.remove(&row.id).unwrap_or_default();
        let commands = commands(catalog, row.state_id, states_before.get(&row.id).copied());
        let mut view = view(row, items, (*location.json).to_owned(), commands, catalog)?;
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

pub(super) fn commands(catalog: &Catalog, state_id: i64, state_before: Option<i64>) -> Box<RawValue> {
    let commands = catalog.workflow.commands_json(state_id, state_before);
    commands.map_or_else(|| raw(&[(); 0]), ToOwned::to_owned)
}

pub(super) async fn load_rows(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<PackageRow>> {
    let rows = sqlx::query_as!(
        PackageRow,
        r#"select p.id, p.number, p.version, p.state_id, p.order_id, p.stock_location_id, p.remote_id, p.invoice_number,
                  p.created_date, p.modified_date,
                  o.number as order_number, o.omnitron_id, o.date_placed, o.notes, o.channel_name, o.payment_type,
                  o.currency, o.amount::text as amount, o.delivery_type, o.shipping_option_slug,
                  coalesce(o.details->'has_gift_box' = 'true', false) as "has_gift_box!",
                  o.details->>'gift_box_note' as gift_box_note, o.details->>'shipping_amount' as shipping_amount,
                  o.details->'extra_field' as "extra_field: Json<Box<RawValue>>",
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

pub(super) fn view(
    row: PackageRow,
    items: Vec<ItemView>,
    stock_location: Box<RawValue>,
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
        shipping_label: None,
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
            has_gift_box: row.has_gift_box,
            gift_box_note: row.gift_box_note,
            shipping_amount: row.shipping_amount,
            extra_field: row.extra_field,
            customer: row.customer,
            shipping_address: row.shipping_address,
            retail_store: row.retail_store,
        },
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
        replaced_by: row.replaced_by,
        invoice_date: row.invoice_date,
        invoice_document: row.invoice_url,
        documents: (row.label_key, row.document_key),
        transfer_orders: None,
        explanation: None,
        version: row.version,
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
pub(super) struct ItemRow {
    pub(super) id: i64,
    pub(super) package_id: i64,
    pub(super) state_id: i64,
    pub(super) quantity: i64,
    pub(super) created_date: DateTime<Utc>,
    pub(super) modified_date: DateTime<Utc>,
    pub(super) order_item_id: i64,
    pub(super) omnitron_id: Option<i64>,
    pub(super) sku: String,
    pub(super) ordered: i64,
    pub(super) price: Option<String>,
    pub(super) price_currency: Option<String>,
    pub(super) tax_rate: Option<String>,
    pub(super) discount_amount: Option<String>,
    pub(super) parent: Option<i64>,
    pub(super) extra_field: Option<Json<Box<RawValue>>>,
    pub(super) product: Json<Box<RawValue>>,
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
                  oi.parent_omnitron_id as parent, oi.extra_field as "extra_field: Json<Box<RawValue>>",
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

pub(super) fn item_view(row: ItemRow, catalog: &Catalog) -> Result<ItemView> {
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
            parent: row.parent,
            extra_field: row.extra_field,
        },
        quantity: row.quantity,
        unit_weight: None,
        created_date: row.created_date.into(),
        modified_date: row.modified_date.into(),
    })
}
