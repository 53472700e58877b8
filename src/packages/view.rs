//! The package JSON: keys in the order of the Akinon OMS; read for many packages at once.

mod as_of;
mod load;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

pub use as_of::render_as_of;
pub use load::load;

use crate::{
    links::{Addresses, Document},
    locations::Location,
    orders::details,
    scope::Scope,
    wire::Timestamp,
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
    /// `<order>P<n>`; of the second order of that number `<order>P<n>-2`.
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
    #[schema(value_type = Location)]
    stock_location: Box<RawValue>,
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
    /// Of the label and of the invoice kept here, for their addresses.
    #[serde(skip)]
    documents: (Option<Uuid>, Option<Uuid>),
    /// Grows with each change. Of an event it is that of now.
    #[serde(skip)]
    pub version: i64,
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
    /// The upstream's key of the line that this one is a part of.
    pub parent: Option<i64>,
    /// Whatever the channel adds to the line, as it came.
    #[schema(schema_with = details::extra_field)]
    pub extra_field: Option<Json<Box<RawValue>>>,
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
    /// The store where the customer collects it.
    #[schema(schema_with = details::retail_store)]
    retail_store: Option<Json<Box<RawValue>>>,
}

impl PackageView {
    /// Leaves out transfers between locations that a scope does not see, of before the package came here.
    pub fn restrict(&mut self, scope: &Scope) {
        if let Some(transfers) = &mut self.transfer_orders {
            transfers.retain(|transfer| scope.sees(transfer.source) || scope.sees(transfer.destination));
        }
    }

    /// Shows the addresses of label and invoice to a reader, for whom they are signed now. The document of a merchant's own
    /// service keeps its own.
    pub fn show_documents(&mut self, addresses: &Addresses) {
        let (label, invoice) = self.documents;
        self.shipping_label = label.map(|key| addresses.of(Document::Label, key));
        if let Some(key) = invoice {
            self.invoice_document = Some(addresses.of(Document::Invoice, key));
        }
    }
}
