//! States and transitions in memory: which transition a request names, what a state means for quota and stock, which
//! commands a state allows.
//!
//! Read as a whole at start, and again when the installation changes ([`crate::catalog`]). Never changed in place.

pub(crate) mod load;
mod view;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, value::RawValue};

pub use view::{CommandObject, ExplainedCommand, Explanation, StateObject};

use crate::{
    error::{Error, Refusal, Result},
    kinds::{Kind, names::REPACK},
    role::Role,
};

/// Slug of the state of items that were not found at the location that was to pack them.
pub const NOT_FOUND: &str = "oms-not-found";
/// Slug of the state of items that were taken from the shelf and are not back on it, though their package has ended.
pub const NOT_RESTOCKED: &str = "not-restocked";
/// Slug of the state in which a package waits to be packed.
pub const WAITING: &str = "waiting";
/// Slug of the state of packages without a place.
pub const OUT_OF_STOCK: &str = "out-of-stock";
/// Slug of the state of packages that have no place yet and do not lack stock: a location refused them, or they wait for one
/// to open.
pub const NEEDS_RESCHEDULING: &str = "needs-rescheduling";
/// Slug of the state of a cancelled package.
pub const CANCELLED: &str = "packaging-canceled";
/// Slug of the state of packages with items that come from elsewhere, and of those items.
pub const WAITING_FOR_TRANSFER: &str = "waiting-for-transfer";
/// Slug of the state in which a transfer begins.
pub const TRANSFER_WAITING: &str = "waiting";
/// Slug of the state of a cancelled or failed transfer.
pub const TRANSFER_CANCELLED: &str = "cancelled";
/// Code of the state of a transfer that was cancelled on its way: its goods are on no shelf until somebody books them in.
pub const TRANSFER_CANCELLED_IN_TRANSIT: &str = "cancelled_in_transit";
/// Code of the state of a transfer on its way.
pub const TRANSFER_IN_TRANSIT: &str = "in_transit";

/// The states, by entity and slug, that the code itself gives to transfers and their packages.
pub const NEEDED_BY_TRANSFERS: [(&str, &str); 5] = [
    ("package", WAITING),
    ("package", WAITING_FOR_TRANSFER),
    ("package", OUT_OF_STOCK),
    ("transfer", TRANSFER_WAITING),
    ("transfer", TRANSFER_CANCELLED),
];

/// The stable codes of transfers, as the Akinon OMS names them, and one of ours: `cancelled_in_transit`. They decide what a
/// transfer does to stock, so an installation can have no others.
pub const TRANSFER_WORDS: [&str; 6] =
    ["waiting", "ready_to_shipment", TRANSFER_IN_TRANSIT, "transferred", "cancelled", TRANSFER_CANCELLED_IN_TRANSIT];

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

    /// True if a package in it waits for a place (`waiting_items` has its items).
    #[must_use]
    pub fn waits_for_place(&self) -> bool {
        self.entity == "package" && (self.slug == OUT_OF_STOCK || self.slug == NEEDS_RESCHEDULING)
    }

    /// True if a transfer in it has not arrived.
    #[must_use]
    pub fn is_open_transfer(&self) -> bool {
        self.entity == "transfer"
            && matches!(self.enum_value.as_str(), "waiting" | "ready_to_shipment" | TRANSFER_IN_TRANSIT)
    }

    /// True if a transfer in it was cancelled when its goods had left, and nobody has booked them in yet.
    #[must_use]
    pub fn is_cancelled_on_the_way(&self) -> bool {
        self.entity == "transfer" && self.enum_value == TRANSFER_CANCELLED_IN_TRANSIT
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
pub(crate) fn holding(entity: &str, slug: &str, enum_value: &str) -> Holding {
    if entity == "transfer" {
        return match enum_value {
            "waiting" | "ready_to_shipment" => Holding::Reserved,
            TRANSFER_IN_TRANSIT | "transferred" | TRANSFER_CANCELLED_IN_TRANSIT => Holding::Taken,
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

impl Workflow {
    /// True if anything is installed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        !self.transitions.is_empty()
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

    /// The transitions that plan a waiting package again.
    pub fn repacks(&self) -> impl Iterator<Item = &Transition> {
        let waits = |id| self.state(id).is_ok_and(State::waits_for_place);
        self.transitions("package")
            .filter(|transition| transition.kind.identifier == REPACK)
            .filter(move |transition| waits(transition.source_id))
    }

    /// The states in which packages wait for a place until they are planned again.
    #[must_use]
    pub fn waiting_states(&self) -> Vec<i64> {
        self.repacks().map(|transition| transition.source_id).collect()
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

    /// The state of a package without a place. If it only waits for locations to open, it is one that says so, where the
    /// installation has it.
    ///
    /// # Errors
    /// When the installation has no state for it.
    pub fn state_without_place(&self, waits_for_opening: bool) -> Result<&State> {
        if waits_for_opening && let Ok(state) = self.state_by_slug("package", NEEDS_RESCHEDULING) {
            return Ok(state);
        }
        self.state_by_slug("package", OUT_OF_STOCK)
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
