//! The `[[states]]` and `[[transitions]]` of an installation: which moves there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::words::{Entity, Interface, Role};
use crate::kinds::StateKey;
use crate::reading::{Place, Reader};
use crate::spelling::is_language_code;

/// A text in further languages, by language code (`tr-tr`).
pub type Translations = BTreeMap<String, String>;

/// Numbers below this leave a package in its location's quota.
const FIRST_STATE_OUT_OF_QUOTA: u32 = 400;

fn translations(reader: &mut Reader<'_>) -> Translations {
    reader.texts_by_name("translations", "write `{ \"tr-tr\" = \"…\" }`", |language| {
        (!is_language_code(language)).then_some(("is no language code", "write it like `tr-tr`, in lower case"))
    })
}

/// A `[[states]]` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What the state belongs to.
    pub entity: Entity,
    /// The id clients know it by, where it is fixed.
    pub id: Option<i64>,
    /// Its name for programs, one of its kind in the entity.
    pub slug: String,
    /// Its stable code: digits, or a word for transfers.
    pub enum_value: String,
    /// Its name for people.
    pub name: String,
    /// The name in further languages.
    pub translations: Translations,
    /// Whether packages in it count against quota, where the file says so;
    /// [`State::occupies_quota`] knows the rest.
    pub occupies_quota: Option<bool>,
    /// Whether nothing leaves it any more (`final` in the file).
    pub is_final: bool,
    /// Whether it is meant that nothing leads to it: it is kept for later, or for packages of before.
    pub unused: bool,
    /// Where the entry stands.
    pub at: Place,
}

impl State {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["entity", "slug", "enum_value", "name"]);
        Self {
            entity: reader.choice("entity").unwrap_or(Entity::Package),
            id: reader.id("id"),
            slug: reader.slug("slug").unwrap_or_default(),
            enum_value: reader.slug("enum_value").unwrap_or_default(),
            name: reader.text("name").unwrap_or_default(),
            translations: translations(reader),
            occupies_quota: reader.flag("occupies_quota"),
            is_final: reader.flag("final").unwrap_or(false),
            unused: reader.flag("unused").unwrap_or(false),
            at: reader.finish(),
        }
    }

    /// Whether a package in this state counts against its location's quota: as the file says,
    /// otherwise [by the rule](Self::occupies_by_rule).
    #[must_use]
    pub fn occupies_quota(&self) -> bool {
        self.entity == Entity::Package && self.occupies_quota.unwrap_or_else(|| self.occupies_by_rule())
    }

    /// Whether it counts where the file is silent: every package state with a number below 400, and cancellation waiting.
    #[must_use]
    pub fn occupies_by_rule(&self) -> bool {
        let number = self.enum_value.parse::<u32>();
        let is_below = number.is_ok_and(|number| number < FIRST_STATE_OUT_OF_QUOTA);
        self.entity == Entity::Package && (self.slug == "cancellation-waiting" || is_below)
    }

    /// What it is called in messages: its slug, and whose it is unless it is a package's.
    #[must_use]
    pub fn title(&self) -> String {
        if self.entity == Entity::Package { self.slug.clone() } else { format!("{} {}", self.entity, self.slug) }
    }
}

/// A `[[transitions]]` entry: from one state to another, by a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// What is moved.
    pub entity: Entity,
    /// The id clients know it by, where it is fixed.
    pub id: Option<i64>,
    /// The command's identifier (`COMPLETE_PACKING`).
    pub command: String,
    /// The slug of the state it starts from.
    pub source: String,
    /// The slug of the state it leads to.
    pub destination: String,
    /// The slug of the second outcome, for commands that have one.
    pub otherwise: Option<String>,
    /// The slug, where the file gives one; [`Transition::slug`] knows the rest.
    pub slug: Option<String>,
    /// What the button says.
    pub label: String,
    /// The label in further languages.
    pub translations: Translations,
    /// The interfaces that are to show it.
    pub ui_visibility: Vec<Interface>,
    /// Who may run it; every role where the file is silent.
    pub roles: Option<Vec<Role>>,
    /// Defaults for the common parameters.
    pub parameters: CommonParameters,
    /// Where the entry stands.
    pub at: Place,
}

impl Transition {
    /// The state under a key, with the key in the file.
    #[must_use]
    pub fn state_under(&self, key: StateKey) -> (&'static str, Option<&str>) {
        match key {
            StateKey::Source => ("source", Some(&self.source)),
            StateKey::Destination => ("destination", Some(&self.destination)),
            StateKey::Otherwise => ("otherwise", self.otherwise.as_deref()),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["entity", "command", "source", "destination", "label"]);
        Self {
            entity: reader.choice("entity").unwrap_or(Entity::Package),
            id: reader.id("id"),
            command: reader.slug("command").unwrap_or_default(),
            source: reader.slug("source").unwrap_or_default(),
            destination: reader.slug("destination").unwrap_or_default(),
            otherwise: reader.slug("otherwise"),
            slug: reader.slug("slug"),
            label: reader.text("label").unwrap_or_default(),
            translations: translations(reader),
            ui_visibility: reader.choices("ui_visibility").unwrap_or_else(|| Interface::ALL.to_vec()),
            roles: reader.choices("roles"),
            parameters: reader.object("parameters", CommonParameters::read).unwrap_or_default(),
            at: reader.finish(),
        }
    }

    /// The slug by which clients name the transition: the file's, otherwise [the usual one](Self::usual_slug).
    #[must_use]
    pub fn slug(&self) -> String {
        self.slug.clone().unwrap_or_else(|| self.usual_slug())
    }

    /// `<entity>__<command>__<source slug>__<destination slug>` in lower case.
    #[must_use]
    pub fn usual_slug(&self) -> String {
        let parts = [self.entity.as_str(), &self.command, &self.source, &self.destination];
        parts.join("__").to_lowercase()
    }

    /// Whether the object is always left in the state it was in.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.outcomes().all(|slug| slug == self.source)
    }

    /// The slugs of the states it may lead to: the destination, then `otherwise`.
    pub fn outcomes(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.destination.as_str()).chain(self.otherwise.as_deref())
    }
}

/// A `[[moved]]` entry: packages that stand in a state that the installation no longer has go to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The slug of the package state that is gone.
    pub from: String,
    /// The slug of the package state they go to.
    pub to: String,
    /// Where the entry stands.
    pub at: Place,
}

impl Moved {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["from", "to"]);
        Self {
            from: reader.slug("from").unwrap_or_default(),
            to: reader.slug("to").unwrap_or_default(),
            at: reader.finish(),
        }
    }
}

/// Defaults of a transition for the parameters that many commands share. A request overrules them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommonParameters {
    /// Whether the upstream is told of the new status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_remote_order_status: Option<bool>,
    /// Whether the upstream is asked to fulfil the bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_bill_fulfillment_call: Option<bool>,
    /// The invoice service to call, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_invoice_call: Option<Map<String, Value>>,
}

impl CommonParameters {
    fn read(reader: &mut Reader<'_>) -> Self {
        let parameters = Self {
            sync_remote_order_status: reader.flag("sync_remote_order_status"),
            remote_bill_fulfillment_call: reader.flag("remote_bill_fulfillment_call"),
            remote_invoice_call: reader.json("remote_invoice_call"),
        };
        reader.finish();
        parameters
    }
}
