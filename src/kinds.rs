//! Kinds of commands as data: name, parameters, needs.
//!
//! The table of transitions refers to kinds, and so do the check of an installation and the documentation. The decision
//! of a kind is a function beside its data; only the dispatcher calls it.

pub mod common;
pub mod names;

use serde_json::{Map, Value};

/// A kind of command. The installation's transitions say where it applies.
#[derive(Debug)]
pub struct Kind {
    /// `UPPER_SNAKE`, as in an installation, and as the `command` key of a listed transition.
    pub identifier: &'static str,
    /// Other names for it in an installation.
    pub aliases: &'static [&'static str],
    /// The object it moves, and for a transfer the end that runs it.
    pub moves: Moves,
    /// A sentence for the documentation.
    pub summary: &'static str,
    /// Its own parameters.
    pub parameters: &'static [Parameter],
    /// Names of the common parameters it accepts, of [`common::COMMON`].
    pub common: &'static [&'static str],
    /// The `input_parameters` of an example request, as JSON.
    pub example: &'static str,
    /// When it may give items a new place.
    pub plans: Plans,
    /// Facts that it needs besides its package.
    pub looks_up: &'static [Lookup],
    /// True if it never changes the state: its transitions lead where they start.
    pub stays: bool,
    /// True if it has a second outcome, so that its transitions name an `otherwise` state.
    pub has_otherwise: bool,
    /// Slugs of package states that it leads to by itself; an installation must have them.
    pub needs_states: &'static [&'static str],
    /// The outcome in which its package has ended, because the package's items go on in others.
    pub gives_items_away: Option<StateKey>,
    /// True if the items that it excludes its location for were looked for there and not found.
    pub reports_missing: bool,
    /// The commands whose work it does in one step: their transitions from the same state, to this end if one is given,
    /// must be there too.
    pub leans_on: &'static [(&'static str, Option<StateKey>)],
    /// The command that leads back, if a package could not leave its state without one.
    pub undone_by: Option<&'static str>,
    /// An event type of its own, besides those of its states.
    pub event: Option<&'static str>,
}

impl Kind {
    /// A plain command on packages without parameters: every kind says how it differs.
    pub const BASE: Self = Self {
        identifier: "",
        aliases: &[],
        moves: Moves::Package,
        summary: "",
        parameters: &[],
        common: &[],
        example: "{}",
        plans: Plans::Never,
        looks_up: &[],
        stays: false,
        has_otherwise: false,
        needs_states: &[],
        gives_items_away: None,
        reports_missing: false,
        leans_on: &[],
        undone_by: None,
        event: None,
    };

    /// The entity that it moves: `package` or `transfer`.
    #[must_use]
    pub const fn entity(&self) -> &'static str {
        match self.moves {
            Moves::Package => "package",
            Moves::Transfer(_) => "transfer",
        }
    }

    /// True if it plans with this input.
    #[must_use]
    pub fn plans_with(&self, input: &Map<String, Value>) -> bool {
        match self.plans {
            Plans::Never => false,
            Plans::Always => true,
            Plans::With(parameter) => input.get(parameter).is_some_and(|value| !value.is_null()),
        }
    }

    /// True if it leads back to the state before its source.
    #[must_use]
    pub fn leads_back(&self) -> bool {
        self.looks_up.contains(&Lookup::StateBefore)
    }

    /// True if it refuses a request without parameters.
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

/// The kind with this identifier or alias.
#[must_use]
pub fn find(kinds: &[&'static Kind], identifier: &str) -> Option<&'static Kind> {
    kinds.iter().copied().find(|kind| kind.identifier == identifier || kind.aliases.contains(&identifier))
}

/// The object that a command moves. A user who is limited to some locations runs the commands of these locations: on a
/// package at one of them, on a transfer whose end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// A package. Its location runs the command.
    Package,
    /// A transfer. This end runs the command.
    Transfer(End),
}

/// An end of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The location that sends the goods.
    Source,
    /// The location that packs them.
    Destination,
}

/// A state that a transition names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKey {
    /// Where it starts.
    Source,
    /// Where it leads.
    Destination,
    /// Where it leads by its second outcome.
    Otherwise,
}

/// When a command may give items a new place. Then it has a transaction of its own, and knows the available stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Never.
    Never,
    /// Always.
    Always,
    /// If this parameter is given.
    With(&'static str),
}

/// A parameter of a command.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key in `input_parameters`.
    pub name: &'static str,
    /// JSON Schema of its value, as text.
    pub schema: &'static str,
    /// True if it is required.
    pub required: bool,
    /// Its purpose.
    pub summary: &'static str,
    /// How its value is kept with the move, under its name; none for a parameter that only steers the command.
    pub recorded: Option<Recorded>,
}

impl Parameter {
    /// One that may be left out and is not recorded: every parameter says how it differs.
    pub const OPTIONAL: Self = Self { name: "", schema: "{}", required: false, summary: "", recorded: None };
    /// The same, where the command refuses without it.
    pub const REQUIRED: Self = Self { required: true, ..Self::OPTIONAL };
}

/// How a recorded parameter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Text that is not blank; a number is its digits.
    Text {
        /// Longest taken.
        most_characters: usize,
    },
    /// A whole number; a string of digits is one.
    Integer,
}

/// A fact that some commands need besides their package. It is read only for kinds that ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The package's state before; the command leads back there.
    StateBefore,
    /// The active denial reasons.
    DenialReasons,
    /// The upstream's keys of the package's order lines, and the available stock of the products in the request.
    Products,
}
