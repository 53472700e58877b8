//! The lists of scenarios and of their versions.

use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;

use crate::{
    page::{Kind, List, ListRow, VISIBLE_TO_ALL, filter},
    scenarios::definition::Definition,
    wire::Timestamp,
};

/// The list of scenarios. Whoever may read at all may read them: they say nothing of any location's business.
pub const LIST: List = List {
    from: " from scenarios s",
    columns: "s.id",
    visible: VISIBLE_TO_ALL,
    filters: &[
        filter("name", Kind::Contains, "has_part(s.name, {})", "Part of the name, in any case and with any accents."),
        filter("kind", Kind::Text, "s.kind = {}", "`distribution` or `transfer`."),
        filter("is_active", Kind::Boolean, "s.is_active = {}", "Whether it is active."),
        filter("id__gt", Kind::Integer, "s.id > {}", "Ids greater than this one."),
        filter("id__lt", Kind::Integer, "s.id < {}", "Ids smaller than this one."),
        filter("pk__in", Kind::Integers, "s.id = any({})", "Ids, separated by commas."),
    ],
    sorts: &[
        ("id", "s.id"),
        ("name", "s.name"),
        ("priority", "s.priority"),
        ("created_date", "s.created_date"),
        ("modified_date", "s.modified_date"),
    ],
    default_sort: "priority",
    tie_breaker: "s.id",
};

/// A version of a scenario.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = ScenarioVersion)]
pub struct VersionView {
    /// From 1.
    version: i32,
    /// `created`, `changed` or `deleted`.
    change: String,
    /// The scenario as it was from then on; of a deletion, as it was before.
    #[schema(value_type = Definition)]
    definition: Json<Map<String, Value>>,
    /// Name of the user; null: `oms install`.
    #[sqlx(rename = "username")]
    user: Option<String>,
    created_date: Timestamp,
}

impl ListRow for VersionView {
    /// The versions of one scenario.
    const LIST: List = List {
        from: " from scenario_versions v",
        columns: "v.*, (select username from users u where u.id = v.user_id)",
        visible: "v.scenario_id = any({})",
        filters: &[],
        sorts: &[("version", "v.version")],
        default_sort: "-version",
        tie_breaker: "v.version desc",
    };
}
