//! The list of stock.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    error::{Error, Result},
    page::{Kind, List, ListRow, filter},
    wire::Timestamp,
};

/// The stock of a SKU at a location.
#[derive(Debug, Serialize, Deserialize, ToSchema, FromRow)]
pub struct StockLevel {
    /// Id of the location.
    #[sqlx(rename = "stock_location_id")]
    stock_location: i64,
    /// The ERP's word for the location.
    erp_code: String,
    sku: String,
    /// Units on the shelf.
    quantity: i64,
    /// Units of them held for packages.
    reserved: i64,
    /// Units that the location looked for and did not find, since the last count that was another.
    missing: i64,
    /// `quantity - reserved - missing`: what can still be promised.
    available: i64,
    modified_date: Timestamp,
}

impl StockLevel {
    /// As an event has it ([`super::feed`]).
    ///
    /// # Errors
    /// When it is no such record.
    pub fn from_record(facts: &str) -> Result<Self> {
        serde_json::from_str(facts).map_err(|error| Error::Fault(format!("an event of stock: {error}")))
    }
}

impl ListRow for StockLevel {
    const LIST: List = List {
        from: " from stocks s join stock_locations l on l.id = s.stock_location_id",
        columns: "s.*, l.erp_code, s.quantity - s.reserved - s.missing as available",
        visible: "s.stock_location_id = any({})",
        filters: &[
            filter("sku", Kind::Text, "s.sku = {}", "SKU of the product."),
            filter("sku__in", Kind::Texts, "s.sku = any({})", "SKUs, separated by commas."),
            filter("stock_location", Kind::Integer, "s.stock_location_id = {}", "Id of the stock location."),
            filter(
                "is_short",
                Kind::Boolean,
                "(s.quantity - s.missing < s.reserved and exists (select from short_stocks h where h.sku = s.sku
                   and h.stock_location_id = s.stock_location_id)) = {}",
                "True: counted below what is reserved: packages wait for units that are not there.",
            ),
            filter(
                "modified_date__gte",
                Kind::DateTime,
                "s.modified_date >= {}",
                "What changed at this moment or after it: a count, a reservation, a packing.",
            ),
            filter(
                "modified_date__lt",
                Kind::DateTime,
                "s.modified_date < {}",
                "What has not changed since this moment.",
            ),
            filter(
                "cursor",
                Kind::Cursor,
                "(s.sku, s.stock_location_id) > ({text}, {integer})",
                "For the whole list or all that changed: `*` for the first page, then as `next` has it. In the order of SKU and \
                 location, so that a row that comes or goes between two pages moves no other; instead of `page` and `sort`.",
            ),
            filter("stock_location__erp_code", Kind::Text, "l.erp_code = {}", "ERP code of the stock location."),
        ],
        sorts: &[("sku", "s.sku"), ("quantity", "s.quantity"), ("modified_date", "s.modified_date")],
        default_sort: "sku",
        tie_breaker: "s.sku, s.stock_location_id",
    };
}
