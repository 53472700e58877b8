//! States and transitions as the API shows them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{openapi, wire::Timestamp};

/// A command that the object's state allows now: a transition of the installation. These keys, in this order.
#[derive(Serialize, ToSchema)]
#[schema(as = AllowedCommand)]
pub struct CommandObject<'a> {
    /// What a request sends as `transition`.
    pub(super) id: i64,
    /// The text of a button.
    pub(super) label: &'a str,
    /// The user interfaces that show it.
    #[schema(example = json!(["oms_web", "instore", "third_party"]))]
    pub(super) ui_visibility: &'a [String],
    /// What a request sends as `slug`.
    #[schema(example = "package__complete_packing__waiting__packed")]
    pub(super) slug: &'a str,
    pub(super) created_date: Timestamp,
    pub(super) modified_date: Timestamp,
    /// By language: the `label` in it.
    #[schema(value_type = Option<HashMap<String, HashMap<String, String>>>)]
    pub(super) translations: &'a Option<Value>,
    /// The command that carries it out.
    #[schema(example = "COMPLETE_PACKING")]
    pub(super) command: &'a str,
    /// Id of the state it starts from.
    pub(super) source_state: i64,
    /// Id of the state it leads to.
    pub(super) destination_state: i64,
}

/// A state of a package, an item, a transfer or an order.
#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub struct StateObject<'a> {
    /// Differs from installation to installation; `enum_value` does not.
    pub(super) id: i64,
    #[schema(example = "Waiting")]
    pub(super) name: &'a str,
    /// Always empty.
    pub(super) config: HashMap<String, String>,
    /// `PackageStatus`, `TransferStatus` or `OrderStatus`.
    pub(super) enum_class: &'static str,
    /// The stable code.
    #[schema(example = "100")]
    pub(super) enum_value: &'a str,
    /// 26 for a package, 27 for a transfer, 2 for an order.
    pub(super) content_type: u8,
    pub(super) created_date: Timestamp,
    pub(super) modified_date: Timestamp,
    /// By language: the `name` in it.
    #[schema(value_type = Option<HashMap<String, HashMap<String, String>>>)]
    pub(super) translations: &'a Option<Value>,
}

/// Why each transition of the table can be run on an object now, or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// One for every transition.
    pub commands: Vec<ExplainedCommand>,
}

/// A transition, and the refusal that it would meet.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainedCommand {
    /// The transition's id.
    pub transition: i64,
    /// Its slug.
    pub slug: String,
    /// The command that carries it out.
    pub command: &'static str,
    /// True if it can be run now. Parameters that it needs are not judged.
    pub allowed: bool,
    /// The body of the refusal; null where it is allowed.
    #[schema(schema_with = openapi::refusal_or_null)]
    pub refusal: Option<Value>,
}

/// `enum_class` and `content_type` of an entity's states, as the Akinon OMS answers them.
pub(super) fn enum_class(entity: &str) -> (&'static str, u8) {
    match entity {
        "package" => ("PackageStatus", 26),
        "transfer" => ("TransferStatus", 27),
        _ => ("OrderStatus", 2),
    }
}

/// From the stored `{"tr-tr": "Paketle"}` to the `{"en-us": {"label": "Pack"}, "tr-tr": {"label": "Paketle"}}` of the
/// API; null if nothing is stored. The installation's own text is the en-us one.
pub(super) fn translations(stored: Option<Value>, key: &str, own: &str) -> Option<Value> {
    let Some(Value::Object(languages)) = stored else { return None };
    if languages.is_empty() {
        return None;
    }
    let mut sent = Map::new();
    sent.insert("en-us".to_owned(), serde_json::json!({ key: own }));
    sent.extend(languages.into_iter().map(|(language, text)| (language, serde_json::json!({ key: text }))));
    Some(Value::Object(sent))
}
