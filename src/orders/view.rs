//! The order JSON.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::{compare::Differing, details};
use crate::{
    catalog::{Catalog, CatalogCache},
    db::PgConnection,
    error::Result,
    links::Addresses,
    packages::view::{self, PackageView},
    scope::Scope,
    wire::Timestamp,
    workflow::{CommandObject, StateObject},
};

/// An order with its lines and packages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    pub id: i64,
    /// By which an order is known.
    #[schema(example = "536365")]
    pub number: String,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    /// Always empty: no command runs on an order in this version.
    #[schema(value_type = Vec<CommandObject>)]
    commands: [(); 0],
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    date_placed: Timestamp,
    #[schema(example = "gbp")]
    currency: Option<String>,
    /// Decimal.
    #[schema(example = "15.30")]
    amount: Option<String>,
    language_code: Option<String>,
    #[schema(schema_with = details::channel)]
    channel: Option<Json<Box<RawValue>>>,
    channel_name: Option<String>,
    payment_type: Option<String>,
    shipping_option_slug: Option<String>,
    delivery_type: Option<String>,
    /// Id of the cargo company it asks for.
    cargo_company: Option<i64>,
    notes: Option<String>,
    /// Whether it is to be packed as a gift.
    has_gift_box: bool,
    /// What the gift says.
    gift_box_note: Option<String>,
    /// What the customer pays for the way; decimal.
    shipping_amount: Option<String>,
    /// Whatever the channel added, as it came.
    #[schema(schema_with = details::extra_field)]
    extra_field: Option<Json<Box<RawValue>>>,
    #[schema(schema_with = details::customer)]
    customer: Option<Json<Box<RawValue>>>,
    #[schema(schema_with = details::address)]
    shipping_address: Option<Json<Box<RawValue>>>,
    #[schema(schema_with = details::address)]
    billing_address: Option<Json<Box<RawValue>>>,
    orderitem_set: Vec<LineView>,
    packages: Vec<PackageView>,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// False where an order that was sent again says otherwise than this one; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    taken: Option<bool>,
    /// What it says otherwise, and whether that was changed; only then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    differs: Vec<Differing>,
}

impl OrderView {
    /// Tells of what an order that was sent again says otherwise.
    pub(crate) fn differs(&mut self, differs: Vec<Differing>) {
        self.taken = (!differs.is_empty()).then_some(false);
        self.differs = differs;
    }
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderItem)]
struct LineView {
    id: i64,
    #[schema(value_type = StateObject)]
    state: Box<RawValue>,
    #[schema(schema_with = details::product)]
    product: Json<Box<RawValue>>,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    /// Units ordered.
    quantity: i64,
    price: Option<String>,
    price_currency: Option<String>,
    tax_rate: Option<String>,
    discount_amount: Option<String>,
    /// The upstream's key of the line that this one is a part of.
    parent: Option<i64>,
    /// Why it is in no package: `kit` (its parts are), `without_goods`, or `status` (that it came with, as long as it is not
    /// approved). Null: it is packed.
    not_packed: Option<String>,
    /// Whatever the channel adds to the line, as it came.
    #[schema(schema_with = details::extra_field)]
    extra_field: Option<Json<Box<RawValue>>>,
}

/// Reads orders, in the order of `ids`, with the packages at locations of the scope.
pub(crate) async fn load(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    ids: &[i64],
    scope: &Scope,
    addresses: &Addresses,
) -> Result<Vec<OrderView>> {
    let mut packages = load_packages(&mut *connection, catalog_cache, ids, scope, addresses).await?;
    let mut orders = catalog_cache
        .load_with(connection, ids, |connection, catalog, ids| Box::pin(load_with(connection, catalog, ids)))
        .await?;
    for order in &mut orders {
        order.packages = packages.remove(&order.id).unwrap_or_default();
    }
    Ok(orders)
}

async fn load_with(connection: &mut PgConnection, catalog: &Catalog, ids: &[i64]) -> Result<Vec<OrderView>> {
    let rows = sqlx::query!(
        r#"select id, number, state_id, omnitron_id, date_placed, currency, amount::text as amount, language_code,
                  channel_name, payment_type, shipping_option_slug, delivery_type, cargo_company_id, notes,
                  details->'channel' as "channel: Json<Box<RawValue>>",
                  details->'customer' as "customer: Json<Box<RawValue>>",
                  details->'shipping_address' as "shipping_address: Json<Box<RawValue>>",
                  details->'billing_address' as "billing_address: Json<Box<RawValue>>",
                  coalesce(details->'has_gift_box' = 'true', false) as "has_gift_box!",
                  details->>'gift_box_note' as gift_box_note, details->>'shipping_amount' as shipping_amount,
                  details->'extra_field' as "extra_field: Json<Box<RawValue>>",
                  created_date, modified_date
             from orders where id = any($1)"#,
        ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut lines = load_lines(connection, catalog, ids).await?;
    let mut views = HashMap::with_capacity(rows.len());
    for row in rows {
        views.insert(
            row.id,
            OrderView {
                id: row.id,
                number: row.number,
                state: catalog.workflow.state(row.state_id)?.json.clone(),
                commands: [],
                omnitron_id: row.omnitron_id,
                date_placed: row.date_placed.into(),
                currency: row.currency,
                amount: row.amount,
                language_code: row.language_code,
                channel: row.channel,
                channel_name: row.channel_name,
                payment_type: row.payment_type,
                shipping_option_slug: row.shipping_option_slug,
                delivery_type: row.delivery_type,
                cargo_company: row.cargo_company_id,
                notes: row.notes,
                has_gift_box: row.has_gift_box,
                gift_box_note: row.gift_box_note,
                shipping_amount: row.shipping_amount,
                extra_field: row.extra_field,
                customer: row.customer,
                shipping_address: row.shipping_address,
                billing_address: row.billing_address,
                orderitem_set: lines.remove(&row.id).unwrap_or_default(),
                packages: Vec::new(),
                created_date: row.created_date.into(),
                modified_date: row.modified_date.into(),
                taken: None,
                differs: Vec::new(),
            },
        );
    }
    Ok(ids.iter().filter_map(|id| views.remove(id)).collect())
}

async fn load_lines(
    connection: &mut PgConnection,
    catalog: &Catalog,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<LineView>>> {
    let rows = sqlx::query!(
        r#"select id, order_id, state_id, omnitron_id, quantity, price::text as price, price_currency,
                  tax_rate::text as tax_rate, discount_amount::text as discount_amount,
                  parent_omnitron_id as parent,
                  (select reason from lines_not_packed n where n.order_item_id = order_items.id) as not_packed,
                  extra_field as "extra_field: Json<Box<RawValue>>",
                  product as "product: Json<Box<RawValue>>", created_date, modified_date
             from order_items where order_id = any($1) order by order_id, position"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let mut lines: HashMap<i64, Vec<LineView>> = HashMap::new();
    for row in rows {
        lines.entry(row.order_id).or_default().push(LineView {
            id: row.id,
            state: catalog.workflow.state(row.state_id)?.json.clone(),
            product: row.product,
            created_date: row.created_date.into(),
            modified_date: row.modified_date.into(),
            omnitron_id: row.omnitron_id,
            quantity: row.quantity,
            price: row.price,
            price_currency: row.price_currency,
            tax_rate: row.tax_rate,
            discount_amount: row.discount_amount,
            parent: row.parent,
            not_packed: row.not_packed,
            extra_field: row.extra_field,
        });
    }
    Ok(lines)
}

async fn load_packages(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    ids: &[i64],
    scope: &Scope,
    addresses: &Addresses,
) -> Result<HashMap<i64, Vec<PackageView>>> {
    let rows = sqlx::query!(
        "select id, order_id from packages
          where order_id = any($1) and ($2::bigint[] is null or stock_location_id = any($2)) order by id",
        ids,
        scope.location_ids()
    )
    .fetch_all(&mut *connection)
    .await?;
    let package_ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let orders: HashMap<i64, i64> = rows.into_iter().map(|row| (row.id, row.order_id)).collect();
    let mut packages: HashMap<i64, Vec<PackageView>> = HashMap::new();
    for mut package in view::load(connection, catalog_cache, &package_ids).await? {
        package.show_documents(addresses);
        package.restrict(scope);
        packages.entry(orders[&package.id]).or_default().push(package);
    }
    Ok(packages)
}
