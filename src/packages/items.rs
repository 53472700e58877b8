//! Package items by themselves, with the package, the order and the line each is of.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types;
use utoipa::ToSchema;

use super::item_history::{self, ItemHistory};
use crate::{
    catalog::{Catalog, CatalogCache},
    db::PgConnection,
    error::Result,
    orders::details,
    page::{Kind, List, filter},
    scope::Scope,
    wire::Timestamp,
    workflow::StateObject,
};

/// The list of items. A caller with locations of their own sees those of the packages there.
pub const LIST: List = List {
    from: " from package_items i join packages p on p.id = i.package_id join orders o on o.id = p.order_id \
           join order_items oi on oi.id = i.order_item_id",
    columns: "i.id",
    visible: "p.stock_location_id = any({})",
    filters: &[
        filter("package", Kind::Integer, "i.package_id = {}", "Id of the package."),
        filter("package__in", Kind::Integers, "i.package_id = any({})", "Ids of packages, separated by commas."),
        filter("package__number", Kind::Text, "p.number = {}", "Number of the package."),
        filter("package__state", Kind::Integer, "p.state_id = {}", "Id of the package's state."),
        filter("order", Kind::Integer, "p.order_id = {}", "Id of the order."),
        filter("order__number", Kind::Prefix, "o.number like {}", "The beginning of the order's number."),
        filter("state", Kind::Integer, "i.state_id = {}", "Id of the state."),
        filter(
            "state__enum_value",
            Kind::Text,
            "i.state_id in (select id from states where entity = 'package' and enum_value = {})",
            "The stable code of the state, as `100`.",
        ),
        filter(
            "state__enum_value__in",
            Kind::Texts,
            "i.state_id in (select id from states where entity = 'package' and enum_value = any({}))",
            "Stable codes of states, separated by commas.",
        ),
        filter("stock_location", Kind::Integer, "p.stock_location_id = {}", "Id of the stock location."),
        filter(
            "stock_location__erp_code",
            Kind::Text,
            "p.stock_location_id in (select id from stock_locations where erp_code = {})",
            "ERP code of the stock location.",
        ),
        filter("order_item", Kind::Integer, "i.order_item_id = {}", "Id of the order item."),
        filter(
            "order_item__omnitron_id",
            Kind::Integer,
            "oi.omnitron_id = {}",
            "The upstream's key of the order item.",
        ),
        filter(
            "order_item__omnitron_id__in",
            Kind::Integers,
            "oi.omnitron_id = any({})",
            "The upstream's keys of order items, separated by commas.",
        ),
        filter("product_sku", Kind::Text, "oi.sku = {}", "SKU of the product."),
        filter(
            "product_barcode",
            Kind::Text,
            "oi.product ? 'barcode' and oi.product->>'barcode' = {}",
            "Barcode of the product.",
        ),
        filter("quantity", Kind::Integer, "i.quantity = {}", "Exactly this quantity."),
        filter("quantity__gt", Kind::Integer, "i.quantity > {}", "A quantity greater than this one."),
        filter("quantity__gte", Kind::Integer, "i.quantity >= {}", "This quantity or a greater one."),
        filter("quantity__lt", Kind::Integer, "i.quantity < {}", "A quantity smaller than this one."),
        filter("quantity__lte", Kind::Integer, "i.quantity <= {}", "This quantity or a smaller one."),
        filter("created_date__gte", Kind::DateTime, "i.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lte", Kind::DateTime, "i.created_date <= {}", "Created at this moment or earlier."),
        filter("modified_date__gte", Kind::DateTime, "i.modified_date >= {}", "Changed last at this moment or later."),
        filter(
            "modified_date__lte",
            Kind::DateTime,
            "i.modified_date <= {}",
            "Changed last at this moment or earlier.",
        ),
        filter("id__gt", Kind::Integer, "i.id > {}", "Ids greater than this one."),
        filter("id__gte", Kind::Integer, "i.id >= {}", "This id and greater ones."),
        filter("id__lt", Kind::Integer, "i.id < {}", "Ids smaller than this one."),
        filter("id__lte", Kind::Integer, "i.id <= {}", "This id and smaller ones."),
        filter("pk__in", Kind::Integers, "i.id = any({})", "Ids, separated by commas."),
    ],
    sorts: &[
        ("id", "i.id"),
        ("created_date", "i.created_date"),
        ("modified_date", "i.modified_date"),
        ("package", "i.package_id"),
        ("quantity", "i.quantity"),
    ],
    default_sort: "-id",
    tie_breaker: "i.id desc",
};

/// An item of a package.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageItemDetail)]
pub struct PackageItem {
    id: i64,
    package: ItemPackage,
    order_item: ItemOrderItem,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    quantity: i64,
    unit_weight: Option<String>,
    created_date: Timestamp,
    modified_date: Timestamp,
    #[serde(flatten)]
    history: ItemHistory,
}

/// The package an item is in.
#[derive(Debug, Serialize, ToSchema)]
struct ItemPackage {
    id: i64,
    number: String,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    order: ItemOrder,
    stock_location: ItemLocation,
    created_date: Timestamp,
    modified_date: Timestamp,
}

/// The order it belongs to.
#[derive(Debug, Serialize, ToSchema)]
struct ItemOrder {
    id: i64,
    number: String,
    omnitron_id: Option<i64>,
}

/// The location it is at.
#[derive(Debug, Serialize, ToSchema)]
struct ItemLocation {
    id: i64,
    erp_code: String,
    name: String,
}

/// The line of the order it is of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemOrderLine)]
struct ItemOrderItem {
    id: i64,
    #[schema(schema_with = details::product)]
    product: types::Json<Box<RawValue>>,
    omnitron_id: Option<i64>,
    sku: String,
    quantity: i64,
    price: Option<String>,
    price_currency: Option<String>,
    tax_rate: Option<String>,
    discount_amount: Option<String>,
    /// The upstream's key of the line that this one is a part of.
    parent: Option<i64>,
    /// Whatever the channel adds to the line, as it came.
    #[schema(schema_with = details::extra_field)]
    extra_field: Option<types::Json<Box<RawValue>>>,
}

/// Reads items, in the order of `ids`, with the history that a scope sees. Where they are in a state that was installed a moment ago, the catalog is
/// refreshed.
///
/// # Errors
/// When the database fails.
pub async fn load(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    ids: &[i64],
    scope: &Scope,
) -> Result<Vec<PackageItem>> {
    let mut items = catalog_cache
        .load_with(connection, ids, |connection, catalog, ids| Box::pin(load_with(connection, catalog, ids)))
        .await?;
    for item in &mut items {
        item.history.restrict(scope);
    }
    Ok(items)
}

async fn load_with(connection: &mut PgConnection, catalog: &Catalog, ids: &[i64]) -> Result<Vec<PackageItem>> {
    let rows = sqlx::query!(
        r#"select i.id, i.state_id, i.quantity, i.created_date, i.modified_date, i.order_item_id,
                  i.package_id, p.number, p.state_id as package_state_id, p.created_date as package_created_date,
                  p.modified_date as package_modified_date, p.order_id, o.number as order_number,
                  o.omnitron_id as order_omnitron_id, p.stock_location_id, l.erp_code, l.name as location_name,
                  oi.omnitron_id, oi.sku, oi.quantity as ordered, oi.price::text as price, oi.price_currency,
                  oi.tax_rate::text as tax_rate, oi.discount_amount::text as discount_amount,
                  oi.parent_omnitron_id as parent, oi.extra_field as "extra_field: types::Json<Box<RawValue>>",
                  oi.product as "product: types::Json<Box<RawValue>>"
             from unnest($1::bigint[]) with ordinality as wanted(id, n)
             join package_items i on i.id = wanted.id
             join packages p on p.id = i.package_id
             join orders o on o.id = p.order_id
             join stock_locations l on l.id = p.stock_location_id
             join order_items oi on oi.id = i.order_item_id
            order by wanted.n"#,
        ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut histories = item_history::load(connection, ids).await?;
    rows.into_iter()
        .map(|row| {
            Ok(PackageItem {
                id: row.id,
                package: ItemPackage {
                    id: row.package_id,
                    number: row.number,
                    state: catalog.workflow.state(row.package_state_id)?.json.clone(),
                    order: ItemOrder { id: row.order_id, number: row.order_number, omnitron_id: row.order_omnitron_id },
                    stock_location: ItemLocation {
                        id: row.stock_location_id,
                        erp_code: row.erp_code,
                        name: row.location_name,
                    },
                    created_date: row.package_created_date.into(),
                    modified_date: row.package_modified_date.into(),
                },
                order_item: ItemOrderItem {
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
                state: catalog.workflow.state(row.state_id)?.json.clone(),
                quantity: row.quantity,
                unit_weight: None,
                created_date: row.created_date.into(),
                modified_date: row.modified_date.into(),
                history: histories.remove(&row.id).unwrap_or_default(),
            })
        })
        .collect()
}
