//! The history of a SKU's stock: the rows of the ledger, and what packages and transfers moved, in one order.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;

use crate::{
    page::{Kind, List, ListRow, filter},
    wire::Timestamp,
};

/// The transition by which a package or a transfer moved.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StockTransition {
    id: i64,
    slug: String,
    label: String,
    /// The command that carries it out.
    command: String,
}

/// What changed the stock of a SKU at a location, or was looked for there and not found.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct StockChange {
    created_date: Timestamp,
    sku: String,
    /// Id of the location.
    #[sqlx(rename = "stock_location_id")]
    stock_location: i64,
    /// The ERP's word for the location.
    erp_code: String,
    /// `opening`: what there was when the ledger began; `count`; `adjustment`; `package` and `transfer`: units that were
    /// packed, sent or received, or came back; `not_found`: units that the location looked for in vain; `surplus`: units
    /// that were packed or sent although nobody had counted them.
    kind: String,
    /// Units that came (or went, where it is negative).
    delta: i64,
    /// Units on the shelf after it; null where two changes at once leave their order unknown.
    #[sqlx(rename = "quantity_after")]
    quantity: Option<i64>,
    /// Of `not_found`: how many units.
    missing: Option<i64>,
    /// Of an adjustment: why.
    reason: Option<String>,
    /// Where it came in: `request`, `import` (of a file), `command_line`, `stock_service`, `command` (of a package or a
    /// transfer), `upgrade` (when the ledger began).
    door: String,
    /// `user`: by a request; `command_line`: by `oms`; `server`: by itself.
    actor_kind: String,
    /// Who: the name of the user, of the account at the command line, or of the server's work.
    actor: String,
    /// Id of the user, where it was one.
    user_id: Option<i64>,
    /// Id of the request that caused it, as its answer has it in `X-Request-Id`.
    request_id: Option<String>,
    /// Id of the package.
    #[sqlx(rename = "package_id")]
    package: Option<i64>,
    package_number: Option<String>,
    /// Id of the transfer.
    #[sqlx(rename = "transfer_id")]
    transfer: Option<i64>,
    transfer_number: Option<String>,
    /// By which transition a package or a transfer moved.
    #[schema(value_type = Option<StockTransition>)]
    transition: Option<Json<StockTransition>>,
}

impl ListRow for StockChange {
    const LIST: List = List {
        from: " from stock_history({sku}) h join stock_locations l on l.id = h.stock_location_id \
               left join users u on u.id = h.user_id left join packages p on p.id = h.package_id \
               left join transfers t on t.id = h.transfer_id left join transitions n on n.id = h.transition_id",
        columns: "h.created_date, h.sku, h.stock_location_id, l.erp_code, h.kind, h.delta, h.quantity_after, h.missing, \
                  h.reason, h.door, case when h.actor is null and h.user_id is null then 'server' else h.actor_kind end \
                  as actor_kind, coalesce(h.actor, u.username, 'commands') as actor, h.user_id, h.request_id, \
                  h.package_id, p.number as package_number, h.transfer_id, t.number as transfer_number, \
                  case when n.id is not null then json_build_object('id', n.id, 'slug', n.slug, 'label', n.label, \
                                                                    'command', n.command) end as transition, h.turn",
        visible: "h.stock_location_id = any({})",
        filters: &[
            filter("sku", Kind::Text, "h.sku = {}", "SKU of the product."),
            filter("stock_location", Kind::Integer, "h.stock_location_id = {}", "Id of the stock location."),
            filter("stock_location__erp_code", Kind::Text, "l.erp_code = {}", "ERP code of the stock location."),
            filter(
                "kind",
                Kind::Texts,
                "h.kind = any({})",
                "`opening`, `count`, `adjustment`, `package`, `transfer`, `not_found`, `surplus`, separated by commas.",
            ),
            filter(
                "user",
                Kind::Text,
                "coalesce(h.actor, u.username, 'commands') = {}",
                "Who: the name, as in `actor`.",
            ),
            filter("request_id", Kind::Text, "h.request_id = {}", "Id of the request that caused it."),
            filter("created_date__gte", Kind::DateTime, "h.created_date >= {}", "At this moment or later."),
            filter("created_date__lte", Kind::DateTime, "h.created_date <= {}", "At this moment or earlier."),
        ],
        // One after the other, also those of one moment.
        sorts: &[("created_date", "h.turn")],
        default_sort: "-created_date",
        tie_breaker: "h.turn desc",
    };
}
