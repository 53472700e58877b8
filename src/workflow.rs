//! States and transitions in memory: which transition a request names, what a state means for quota and stock, which
//! commands a state allows.
//!
//! Read as a whole at start, and again when the installation changes ([`crate::catalog`]). Never changed in place.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::{
    error::{Error, Refusal, Result},
    kinds::{self, Kind},
    openapi,
    role::Role,
    wire::{Timestamp, raw},
};

/// Slug of the state of items that were not found at the location that was to pack them.
pub const NOT_FOUND: &str = "oms-not-found";
/// Slug of the state in which a package waits to be packed.
pub const WAITING: &str = "waiting";
/// Slug of the state of packages without a place.
pub const OUT_OF_STOCK: &str = "out-of-stock";
/// Slug of the state of a cancelled package.
pub const CANCELLED: &str = "packaging-canceled";
/// Slug of the state of packages with items that come from elsewhere, and of those items.
pub const WAITING_FOR_TRANSFER: &str = "waiting-for-transfer";
/// Slug of the state in which a transfer begins.
pub const TRANSFER_WAITING: &str = "waiting";
/// Slug of the state of a cancelled or failed transfer.
pub const TRANSFER_CANCELLED: &str = "cancelled";

/// The states, by entity and slug, that the code itself gives to transfers and their packages.
pub const NEEDED_BY_TRANSFERS: [(&str, &str); 5] = [
    ("package", WAITING),
    ("package", WAITING_FOR_TRANSFER),
    ("package", OUT_OF_STOCK),
    ("transfer", TRANSFER_WAITING),
    ("transfer", TRANSFER_CANCELLED),
];

/// The stable codes of transfers, as the Akinon OMS names them. They decide what a transfer does to stock, so an
/// installation can have no others.
pub const TRANSFER_WORDS: [&str; 5] = ["waiting", "ready_to_shipment", "in_transit", "transferred", "cancelled"];

/// The effect of an item's state on the stock of its location, or of a transfer's state on the stock of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Its units are on the shelf and reserved: `reserved` counts them.
    Reserved,
    /// Its units have left the shelf: `quantity` no longer counts them.
    Taken,
    /// No effect: cancelled, without a place, not found, or reserved elsewhere by a transfer.
    Nothing,
}

/// A state of the installation.
#[derive(Debug, Clone)]
pub struct State {
    /// The id, which differs between installations.
    pub id: i64,
    /// `package`, `transfer` or `order`.
    pub entity: String,
    /// The name in the API, unique for the entity.
    pub slug: String,
    /// The stable code, a string: `"100"`.
    pub enum_value: String,
    /// Name in the installation's first language.
    pub name: String,
    /// True if a package in it counts against its location's quota.
    pub occupies_quota: bool,
    /// The effect of its items on stock.
    pub holding: Holding,
    /// The state object of the API, as JSON.
    pub json: Box<RawValue>,
}

impl State {
    /// The code as a number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.enum_value.parse().ok()
    }

    /// True if a transfer in it has not arrived.
    #[must_use]
    pub fn is_open_transfer(&self) -> bool {
        self.entity == "transfer" && matches!(self.enum_value.as_str(), "waiting" | "ready_to_shipment" | "in_transit")
    }

    /// True if a transfer in it has arrived: its units are on the shelf of its destination.
    #[must_use]
    pub fn is_arrived_transfer(&self) -> bool {
        self.entity == "transfer" && self.enum_value == "transferred"
    }
}

/// The code of packages that are refunded instead of sent.
const PACKED_FOR_REFUND: i64 = 1100;

/// The rule of [`Holding`], from the stable codes. Below 450 (the box is open) goods are reserved, from 450 on taken.
/// Packages that are cancelled, put back or without a place (900 to 999), or refunded instead of sent, hold nothing. An
/// item that comes by a transfer holds nothing either: its transfer does, at the source, until it is dispatched and the
/// units have left.
fn holding(entity: &str, slug: &str, enum_value: &str) -> Holding {
    if entity == "transfer" {
        return match enum_value {
            "waiting" | "ready_to_shipment" => Holding::Reserved,
            "in_transit" | "transferred" => Holding::Taken,
            _ => Holding::Nothing,
        };
    }
    match enum_value.parse::<i64>() {
        _ if entity != "package" || slug == NOT_FOUND || slug == WAITING_FOR_TRANSFER => Holding::Nothing,
        Ok(number) if number < 450 => Holding::Reserved,
        Ok(900..1000 | PACKED_FOR_REFUND) | Err(_) => Holding::Nothing,
        Ok(_) => Holding::Taken,
    }
}

/// True if a package in a state holds goods that are still on a shelf: here, or at the source of a transfer.
#[must_use]
pub fn holds_goods(slug: &str, enum_value: &str) -> bool {
    slug == WAITING_FOR_TRANSFER || holding("package", slug, enum_value) == Holding::Reserved
}

/// A row of the table: from this state, by this command, to that state.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The id for integrators, which differs between installations.
    pub id: i64,
    /// `package`, `transfer` or `order`.
    pub entity: String,
    /// The kind of its command.
    pub kind: &'static Kind,
    /// The name in the API, unique in the installation.
    pub slug: String,
    /// The roles that may run it besides admins; none: every role.
    pub roles: Option<Vec<Role>>,
    /// The state it starts from.
    pub source_id: i64,
    /// The state it leads to.
    pub destination_id: i64,
    /// The state of the other outcome, if the command has one.
    pub otherwise_id: Option<i64>,
    /// Its defaults for the common parameters.
    pub parameters: Map<String, Value>,
}

impl Transition {
    /// True if a role may run it.
    #[must_use]
    pub fn permits(&self, role: Role) -> bool {
        role == Role::Admin || self.roles.as_ref().is_none_or(|roles| roles.contains(&role))
    }
}

/// The whole table.
#[derive(Debug, Default)]
pub struct Workflow {
    states: HashMap<i64, State>,
    transitions: BTreeMap<i64, Transition>,
    by_slug: HashMap<String, i64>,
    /// The `commands` list of each state, as JSON. A state from which transitions lead back has one list for each state
    /// before it.
    commands_json: HashMap<(i64, Option<i64>), Box<RawValue>>,
    state_by_slug: HashMap<(String, String), i64>,
}

/// A command that the object's state allows now: a transition of the installation. These keys, in this order.
#[derive(Serialize, ToSchema)]
#[schema(as = AllowedCommand)]
pub struct CommandObject<'a> {
    /// What a request sends as `transition`.
    id: i64,
    /// The text of a button.
    label: &'a str,
    /// The user interfaces that show it.
    #[schema(example = json!(["oms_web", "instore", "third_party"]))]
    ui_visibility: &'a [String],
    /// What a request sends as `slug`.
    #[schema(example = "package__complete_packing__waiting__packed")]
    slug: &'a str,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// By language: the `label` in it.
    #[schema(value_type = Option<HashMap<String, HashMap<String, String>>>)]
    translations: &'a Option<Value>,
    /// The command that carries it out.
    #[schema(example = "COMPLETE_PACKING")]
    command: &'a str,
    /// Id of the state it starts from.
    source_state: i64,
    /// Id of the state it leads to.
    destination_state: i64,
}

/// A state of a package, an item, a transfer or an order.
#[derive(Serialize, ToSchema)]
#[schema(as = State)]
pub struct StateObject<'a> {
    /// Differs from installation to installation; `enum_value` does not.
    id: i64,
    #[schema(example = "Waiting")]
    name: &'a str,
    /// Always empty.
    config: HashMap<String, String>,
    /// `PackageStatus`, `TransferStatus` or `OrderStatus`.
    enum_class: &'static str,
    /// The stable code.
    #[schema(example = "100")]
    enum_value: &'a str,
    /// 26 for a package, 27 for a transfer, 2 for an order.
    content_type: u8,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// By language: the `name` in it.
    #[schema(value_type = Option<HashMap<String, HashMap<String, String>>>)]
    translations: &'a Option<Value>,
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
fn enum_class(entity: &str) -> (&'static str, u8) {
    match entity {
        "package" => ("PackageStatus", 26),
        "transfer" => ("TransferStatus", 27),
        _ => ("OrderStatus", 2),
    }
}

/// From the stored `{"tr-tr": "Paketle"}` to the `{"en-us": {"label": "Pack"}, "tr-tr": {"label": "Paketle"}}` of the
/// API; null if nothing is stored. The installation's own text is the en-us one.
fn translations(stored: Option<Value>, key: &str, own: &str) -> Option<Value> {
    let Some(Value::Object(languages)) = stored else { return None };
    if languages.is_empty() {
        return None;
    }
    let mut sent = Map::new();
    sent.insert("en-us".to_owned(), serde_json::json!({ key: own }));
    sent.extend(languages.into_iter().map(|(language, text)| (language, serde_json::json!({ key: text }))));
    Some(Value::Object(sent))
}

/// A row of `states`.
pub(crate) struct StateRow {
    pub id: i64,
    pub entity: String,
    pub slug: String,
    pub enum_value: String,
    pub name: String,
    pub translations: Option<Value>,
    pub occupies_quota: bool,
    pub created_date: DateTime<Utc>,
    pub modified_date: DateTime<Utc>,
}

/// A row of `transitions`.
pub(crate) struct TransitionRow {
    pub id: i64,
    pub entity: String,
    pub command: String,
    pub slug: String,
    pub label: String,
    pub translations: Option<Value>,
    pub ui_visibility: Vec<String>,
    pub roles: Option<Vec<String>>,
    pub source_state_id: i64,
    pub destination_state_id: i64,
    pub otherwise_state_id: Option<i64>,
    pub parameters: Value,
    pub created_date: DateTime<Utc>,
    pub modified_date: DateTime<Utc>,
}

impl From<StateRow> for State {
    fn from(row: StateRow) -> Self {
        let (enum_class, content_type) = enum_class(&row.entity);
        let json = raw(&StateObject {
            id: row.id,
            name: &row.name,
            config: HashMap::new(),
            enum_class,
            enum_value: &row.enum_value,
            content_type,
            created_date: row.created_date.into(),
            modified_date: row.modified_date.into(),
            translations: &translations(row.translations, "name", &row.name),
        });
        let holding = holding(&row.entity, &row.slug, &row.enum_value);
        Self {
            id: row.id,
            entity: row.entity,
            slug: row.slug,
            enum_value: row.enum_value,
            name: row.name,
            occupies_quota: row.occupies_quota,
            holding,
            json,
        }
    }
}

impl Workflow {
    /// Reads the table.
    ///
    /// # Errors
    /// When the database fails, or has a command that this binary does not know.
    pub async fn load(connection: &mut PgConnection, kinds: &[&'static Kind]) -> Result<Self> {
        let states = sqlx::query_as!(
            StateRow,
            "select id, entity, slug, enum_value, name, translations, occupies_quota, created_date, modified_date
               from states"
        )
        .fetch_all(&mut *connection)
        .await?;
        let transitions = sqlx::query_as!(
            TransitionRow,
            "select id, entity, command, slug, label, translations, ui_visibility, roles, source_state_id,
                    destination_state_id, otherwise_state_id, parameters, created_date, modified_date
               from transitions
              where retired_date is null
              order by id"
        )
        .fetch_all(&mut *connection)
        .await?;
        Self::build(states, transitions, kinds)
    }

    /// Reads the table as it was stored for a version of the installation.
    ///
    /// # Errors
    /// When the database fails, or the stored table has a command that this binary does not know.
    pub async fn load_kept(connection: &mut PgConnection, kept_version: i64, kinds: &[&'static Kind]) -> Result<Self> {
        let states = sqlx::query_as!(
            StateRow,
            r#"select s.id as "id!", s.entity as "entity!", s.slug as "slug!", s.enum_value as "enum_value!",
                      s.name as "name!", s.translations, s.occupies_quota as "occupies_quota!",
                      s.created_date as "created_date!", s.modified_date as "modified_date!"
                 from installation_words w, jsonb_populate_recordset(null::states, w.states) s
                where w.installation_version = $1"#,
            kept_version
        )
        .fetch_all(&mut *connection)
        .await?;
        let transitions = sqlx::query_as!(
            TransitionRow,
            r#"select t.id as "id!", t.entity as "entity!", t.command as "command!", t.slug as "slug!",
                      t.label as "label!", t.translations, t.ui_visibility as "ui_visibility!", t.roles,
                      t.source_state_id as "source_state_id!", t.destination_state_id as "destination_state_id!",
                      t.otherwise_state_id, t.parameters as "parameters!", t.created_date as "created_date!",
                      t.modified_date as "modified_date!"
                 from installation_words w, jsonb_populate_recordset(null::transitions, w.transitions) t
                where w.installation_version = $1
                order by t.id"#,
            kept_version
        )
        .fetch_all(&mut *connection)
        .await?;
        Self::build(states, transitions, kinds)
    }

    /// Builds the table from its rows.
    pub(crate) fn build(
        states: Vec<StateRow>,
        transitions: Vec<TransitionRow>,
        kinds: &[&'static Kind],
    ) -> Result<Self> {
        let mut workflow = Self::default();
        for state in states.into_iter().map(State::from) {
            workflow.state_by_slug.insert((state.entity.clone(), state.slug.clone()), state.id);
            workflow.states.insert(state.id, state);
        }
        let mut objects: HashMap<i64, Vec<(i64, Box<RawValue>)>> = HashMap::new();
        for row in transitions {
            let kind = kinds::find(kinds, &row.command).ok_or_else(|| {
                Error::Fault(format!(
                    "transition {} uses the command {}, which this version does not have; \
                     run the version that installed it, or install a file without it",
                    row.id, row.command
                ))
            })?;
            let object = raw(&CommandObject {
                id: row.id,
                label: &row.label,
                ui_visibility: &row.ui_visibility,
                slug: &row.slug,
                created_date: row.created_date.into(),
                modified_date: row.modified_date.into(),
                translations: &translations(row.translations, "label", &row.label),
                command: kind.identifier,
                source_state: row.source_state_id,
                destination_state: row.destination_state_id,
            });
            objects.entry(row.source_state_id).or_default().push((row.id, object));
            workflow.by_slug.insert(row.slug.clone(), row.id);
            workflow.transitions.insert(
                row.id,
                Transition {
                    id: row.id,
                    entity: row.entity,
                    kind,
                    slug: row.slug,
                    roles: row.roles.map(|roles| roles.iter().filter_map(|role| role.parse().ok()).collect()),
                    source_id: row.source_state_id,
                    destination_id: row.destination_state_id,
                    otherwise_id: row.otherwise_state_id,
                    parameters: match row.parameters {
                        Value::Object(parameters) => parameters,
                        _ => Map::new(),
                    },
                },
            );
        }
        workflow.list_commands(&objects);
        Ok(workflow)
    }

    fn list_commands(&mut self, objects: &HashMap<i64, Vec<(i64, Box<RawValue>)>>) {
        for (state, list) in objects {
            let back = |id: &i64| self.transitions.get(id).filter(|transition| transition.kind.leads_back());
            let mut befores = vec![None];
            befores
                .extend(list.iter().filter_map(|(id, _)| back(id)).map(|transition| Some(transition.destination_id)));
            for before in befores {
                let can = |id: &i64| back(id).is_none_or(|transition| Some(transition.destination_id) == before);
                let able: Vec<&RawValue> = list.iter().filter(|(id, _)| can(id)).map(|(_, object)| &**object).collect();
                self.commands_json.insert((*state, before), raw(&able));
            }
        }
    }

    /// The transition a request names, by id, slug or both.
    ///
    /// # Errors
    /// 400 when it names none; 406 when id and slug disagree, or there is no such transition for the entity.
    pub fn named(&self, entity: &str, id: Option<i64>, slug: Option<&str>) -> Result<&Transition, Refusal> {
        let slug = slug.filter(|slug| !slug.is_empty());
        let named = match (id, slug) {
            (None, None) => return Err(Refusal::transition_or_slug_required()),
            (Some(id), slug) => {
                let transition = self.transitions.get(&id);
                if transition.is_some_and(|transition| slug.is_some_and(|slug| slug != transition.slug)) {
                    return Err(Refusal::slug_mismatch());
                }
                transition
            }
            (None, Some(slug)) => self.by_slug.get(slug).and_then(|id| self.transitions.get(id)),
        };
        named.filter(|transition| transition.entity == entity).ok_or_else(Refusal::not_allowed)
    }

    /// Every transition of an entity, by id.
    pub fn transitions<'a>(&'a self, entity: &'a str) -> impl Iterator<Item = &'a Transition> {
        self.transitions.values().filter(move |transition| transition.entity == entity)
    }

    /// The `commands` list of an object in a state, as JSON. `state_before` selects the transitions that lead back and
    /// can succeed; it matters only if [there are any](Self::leads_back_from).
    #[must_use]
    pub fn commands_json(&self, state_id: i64, state_before: Option<i64>) -> Option<&RawValue> {
        let list =
            self.commands_json.get(&(state_id, state_before)).or_else(|| self.commands_json.get(&(state_id, None)));
        list.map(AsRef::as_ref)
    }

    /// True if a transition leads from a state back to the one before it.
    #[must_use]
    pub fn leads_back_from(&self, state_id: i64) -> bool {
        self.transitions.values().any(|transition| transition.source_id == state_id && transition.kind.leads_back())
    }

    /// A state by id.
    ///
    /// # Errors
    /// [`Error::StaleCatalog`]: a state in use is never removed, so only an old catalog can miss one.
    pub fn state(&self, id: i64) -> Result<&State> {
        self.states.get(&id).ok_or_else(|| Error::StaleCatalog(format!("state {id}")))
    }

    /// A state by entity and slug.
    ///
    /// # Errors
    /// A fault that says what to install: the check of an installation requires the states that the code needs.
    pub fn state_by_slug(&self, entity: &str, slug: &str) -> Result<&State> {
        let id = self.state_by_slug.get(&(entity.to_owned(), slug.to_owned())).ok_or_else(|| {
            Error::Fault(format!("there is no {entity} state `{slug}`; apply an installation that has it: oms install"))
        })?;
        self.state(*id)
    }

    /// Every state, in no order.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.states.values()
    }

    /// True if no installation has been applied yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}
