//! What a kind of command is, as data: its name, its parameters, what it needs.
//!
//! The table of transitions refers to kinds, and so do the check of an installation and the documentation. What a kind
//! decides is a function beside its data; only the dispatcher calls it.

pub mod common;

use serde_json::{Map, Value};

/// A kind of command. Where it applies is a matter of the installation's transitions.
#[derive(Debug)]
pub struct Kind {
    /// `UPPER_SNAKE`, as in an installation and in the `command` key of a listed transition.
    pub identifier: &'static str,
    /// Other names an installation may use for it.
    pub aliases: &'static [&'static str],
    /// The entity it moves: `package` or `transfer`.
    pub entity: &'static str,
    /// One sentence for the documentation.
    pub summary: &'static str,
    /// Its own parameters.
    pub parameters: &'static [Parameter],
    /// Names of the common parameters it accepts, of [`common::COMMON`].
    pub common: &'static [&'static str],
    /// `input_parameters` of an example request, as JSON.
    pub example: &'static str,
    /// When it may give items a new place.
    pub plans: Plans,
    /// Facts it needs beyond its package.
    pub looks_up: &'static [Lookup],
    /// Whether it leaves the state as it is: its transitions lead where they start.
    pub stays: bool,
    /// Whether it has a second outcome, so that its transitions name an `otherwise` state.
    pub has_otherwise: bool,
    /// Slugs of package states that it leads to by itself, and that an installation must have.
    pub needs_states: &'static [&'static str],
    /// The command that leads back, where a package that cannot go back would be stuck.
    pub undone_by: Option<&'static str>,
    /// The event of its own, besides those of the states it leads to.
    pub event: Option<&'static str>,
}

impl Kind {
    /// A plain command on packages without parameters: every kind says how it differs.
    pub const BASE: Self = Self {
        identifier: "",
        aliases: &[],
        entity: "package",
        summary: "",
        parameters: &[],
        common: &[],
        example: "{}",
        plans: Plans::Never,
        looks_up: &[],
        stays: false,
        has_otherwise: false,
        needs_states: &[],
        undone_by: None,
        event: None,
    };

    /// Whether it plans with this input.
    #[must_use]
    pub fn plans_with(&self, input: &Map<String, Value>) -> bool {
        match self.plans {
            Plans::Never => false,
            Plans::Always => true,
            Plans::With(parameter) => input.get(parameter).is_some_and(|value| !value.is_null()),
        }
    }

    /// Whether it leads back to the state before its source.
    #[must_use]
    pub fn leads_back(&self) -> bool {
        self.looks_up.contains(&Lookup::StateBefore)
    }

    /// Whether it refuses a request without parameters.
    #[must_use]
    pub fn requires_parameters(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.required)
    }

    /// The example request, parsed.
    #[must_use]
    pub fn example(&self) -> Value {
        serde_json::from_str(self.example).unwrap_or_default()
    }
}

/// The kind of that identifier or alias.
#[must_use]
pub fn find(kinds: &[&'static Kind], identifier: &str) -> Option<&'static Kind> {
    kinds.iter().copied().find(|kind| kind.identifier == identifier || kind.aliases.contains(&identifier))
}

/// When a command may give items a new place: then it has a transaction of its own, and knows what is available where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// It never does.
    Never,
    /// It always may.
    Always,
    /// It may where this parameter is given.
    With(&'static str),
}

/// A parameter of a command.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key in `input_parameters`.
    pub name: &'static str,
    /// JSON Schema of its value, as text.
    pub schema: &'static str,
    /// Whether the command refuses without it.
    pub required: bool,
    /// What it is for.
    pub summary: &'static str,
}

/// A fact that some commands need beyond their package. It is read only where a kind asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The state the package was in before; the command leads back there.
    StateBefore,
    /// The active denial reasons.
    DenialReasons,
    /// The upstream's keys of the package's order lines, and what is available of the products a request names.
    Products,
}
