//! The logs of packages and transfers: every move, with who, when, by which transition, and what the command recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;

use crate::{
    page::{Filter, Kind, List, ListRow, filter},
    wire::Timestamp,
};

/// The filters of both logs.
const FILTERS: &[Filter] = &[
    filter("transition", Kind::Integer, "g.transition_id = {}", "Id of the transition."),
    filter("command", Kind::Text, "n.command = {}", "The command, as `COMPLETE_PACKING`."),
    filter("user", Kind::Text, "u.username = {}", "Name of the user."),
    filter("request_id", Kind::Text, "g.request_id = {}", "Id of the request that caused it."),
    filter("created_date__gte", Kind::DateTime, "g.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "g.created_date <= {}", "Created at this moment or earlier."),
];

/// What can be sorted by.
const SORTS: &[(&str, &str)] = &[("id", "g.id"), ("created_date", "g.created_date")];

/// What both have.
macro_rules! move_columns {
    () => {
        "g.id, g.created_date, u.username, g.request_id, \
         case when n.id is not null then json_build_object('id', n.id, 'slug', n.slug, 'label', n.label, \
                                                           'command', n.command) end as transition, \
         case when s.id is not null then json_build_object('id', s.id, 'name', s.name, \
                                                           'enum_value', s.enum_value) end as source_state, \
         json_build_object('id', d.id, 'name', d.name, 'enum_value', d.enum_value) as destination_state"
    };
}

/// A transition as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MoveTransition {
    id: i64,
    slug: String,
    label: String,
    /// The command that carries it out.
    command: String,
}

/// A state as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MoveState {
    id: i64,
    name: String,
    /// The stable code.
    enum_value: String,
}

/// A location as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MoveLocation {
    id: i64,
    erp_code: String,
    name: String,
}

/// Why a location refused a package.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MoveReason {
    id: i64,
    title: String,
}

/// A product that was replaced by another; its keys in the order in which Postgres keeps them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Replacement {
    /// SKU of the product since.
    to: String,
    /// SKU of the product before.
    from: String,
    /// Id of the package item.
    package_item: i64,
}

/// A move of a transfer.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = TransferMove)]
pub struct Move {
    id: i64,
    created_date: Timestamp,
    /// Who; null for what the server did without anybody.
    #[sqlx(rename = "username")]
    user: Option<String>,
    /// Id of the request that caused it, as its answer has it in `X-Request-Id`; null for what the server did by itself.
    request_id: Option<String>,
    /// By which transition; null for the creation.
    #[schema(value_type = Option<MoveTransition>)]
    transition: Option<Json<MoveTransition>>,
    /// Null for the creation.
    #[schema(value_type = Option<MoveState>)]
    source_state: Option<Json<MoveState>>,
    #[schema(value_type = MoveState)]
    destination_state: Json<MoveState>,
}

impl ListRow for Move {
    /// The log of one transfer.
    const LIST: List = List {
        from: " from transfer_logs g left join transitions n on n.id = g.transition_id \
               left join states s on s.id = g.source_state_id join states d on d.id = g.destination_state_id \
               left join users u on u.id = g.user_id",
        columns: move_columns!(),
        visible: "g.transfer_id = any({})",
        filters: FILTERS,
        sorts: SORTS,
        default_sort: "-id",
        tie_breaker: "g.id desc",
    };
}

/// A move of a package, with what its command recorded.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct PackageMove {
    #[serde(flatten)]
    #[sqlx(flatten)]
    plain: Move,
    /// Where the package was after it.
    #[schema(value_type = MoveLocation)]
    stock_location: Json<MoveLocation>,
    cancellation_reason: Option<String>,
    #[schema(value_type = Option<MoveReason>)]
    denial_reason: Option<Json<MoveReason>>,
    /// Common parameters that differ from their documented defaults, and those of its own that the command keeps.
    #[schema(value_type = BTreeMap<String, Value>)]
    parameters: Json<BTreeMap<String, Value>>,
    /// Products that were replaced.
    #[schema(value_type = Vec<Replacement>)]
    replacements: Json<Vec<Replacement>>,
    /// `released`: the package gave its reservations up; `renewed`: it holds them again.
    reservations: Option<String>,
}

impl ListRow for PackageMove {
    /// The log of one package.
    const LIST: List = List {
        from: " from transition_logs g left join transitions n on n.id = g.transition_id \
               left join states s on s.id = g.source_state_id join states d on d.id = g.destination_state_id \
               left join users u on u.id = g.user_id join stock_locations l on l.id = g.stock_location_id \
               left join transition_records r on r.transition_log_id = g.id \
               left join denial_reasons w on w.id = (r.parameters ->> 'denial_reason')::bigint",
        // `invoice_call` is not among them: it holds secrets. Two recorded parameters have keys of their own.
        columns: concat!(
            move_columns!(),
            ", json_build_object('id', l.id, 'erp_code', l.erp_code, 'name', l.name) as stock_location, \
             r.parameters ->> 'cancellation_reason' as cancellation_reason, \
             case when w.id is not null then json_build_object('id', w.id, 'title', w.title) end as denial_reason, \
             coalesce(r.parameters - array['cancellation_reason', 'denial_reason'], '{}') as parameters, \
             coalesce(r.replacements, '[]') as replacements, r.reservations"
        ),
        visible: "g.package_id = any({}) and coalesce(g.stock_location_id = any({locations}), true)",
        ..Move::LIST
    };
}
