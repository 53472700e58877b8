//! The kinds of commands and the standard workflow, as tests read them. Tests that go through all of either ask here, so
//! that a new command, state or transition is tried by them without a word in any of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::LazyLock,
};

use oms::{
    commands,
    installation::read::{Entity, Installation},
    kinds::{self, Plans},
};
use serde_json::Value;

use super::{STANDARD, read_installation};

/// A kind of command.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that tests ask for")]
pub struct Kind {
    pub identifier: &'static str,
    /// `package` or `transfer`.
    pub entity: &'static str,
    /// Whether it gives items new places.
    pub plans: bool,
    /// Whether it leaves the state as it is.
    pub stays: bool,
    /// Whether it has a second outcome.
    pub has_otherwise: bool,
    /// Whether it leads back to the state before.
    pub leads_back: bool,
    /// Names of the parameters that it refuses without.
    pub required: Vec<&'static str>,
    /// The documented example of its parameters.
    pub example: Value,
}

impl Kind {
    fn of(kind: &kinds::Kind) -> Self {
        let parameters = kind.parameters.iter();
        Self {
            identifier: kind.identifier,
            entity: kind.entity,
            plans: kind.plans != Plans::Never,
            stays: kind.stays,
            has_otherwise: kind.has_otherwise,
            leads_back: kind.leads_back(),
            required: parameters.filter(|parameter| parameter.required).map(|parameter| parameter.name).collect(),
            example: kind.example(),
        }
    }

    /// Parameters with which it does something, for a test that knows nothing more of it.
    pub fn plain_input(&self) -> Value {
        if self.required.is_empty() { serde_json::json!({}) } else { self.example.clone() }
    }
}

/// Every kind of command.
pub fn all_kinds() -> &'static [Kind] {
    static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| commands::kinds().iter().map(|kind| Kind::of(kind)).collect());
    &KINDS
}

pub fn kinds_of(entity: &str) -> impl Iterator<Item = &'static Kind> {
    all_kinds().iter().filter(move |kind| kind.entity == entity)
}

#[track_caller]
pub fn kind(identifier: &str) -> &'static Kind {
    all_kinds().iter().find(|kind| kind.identifier == identifier).expect("a command of this version")
}

/// The standard installation.
pub fn standard() -> &'static Installation {
    static READ: LazyLock<Installation> = LazyLock::new(|| read_installation(&[STANDARD]));
    &READ
}

/// A transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub command: String,
    pub slug: String,
    pub source: String,
    pub destination: String,
    pub otherwise: Option<String>,
}

impl Row {
    /// Where it may lead.
    pub fn outcomes(&self) -> impl Iterator<Item = &str> {
        [Some(&self.destination), self.otherwise.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

/// The transitions of an entity.
pub fn rows_of(installation: &Installation, entity: Entity) -> Vec<Row> {
    let rows = installation.transitions.iter().filter(|transition| transition.entity == entity);
    rows.map(|transition| Row {
        command: transition.command.clone(),
        slug: transition.slug(),
        source: transition.source.clone(),
        destination: transition.destination.clone(),
        otherwise: transition.otherwise.clone(),
    })
    .collect()
}

/// A step of a way: a transition, and where it leads.
pub type Step = (Row, String);

/// The shortest way from a state to each that can be reached by these transitions, the first listed among equals.
pub fn ways(rows: &[Row], from: &str) -> BTreeMap<String, Vec<Step>> {
    let mut ways = BTreeMap::from([(from.to_owned(), Vec::new())]);
    let mut queue = VecDeque::from([from.to_owned()]);
    while let Some(state) = queue.pop_front() {
        for row in rows.iter().filter(|row| row.source == state) {
            for outcome in row.outcomes() {
                if !ways.contains_key(outcome) {
                    let step = (row.clone(), outcome.to_owned());
                    let way = ways[&state].iter().cloned().chain([step]).collect();
                    ways.insert(outcome.to_owned(), way);
                    queue.push_back(outcome.to_owned());
                }
            }
        }
    }
    ways
}

/// The commands of these transitions are exactly the kinds of an entity.
#[track_caller]
pub fn assert_every_kind_has_a_row(rows: &[Row], entity: &str) {
    let commands: BTreeSet<&str> = rows.iter().map(|row| row.command.as_str()).collect();
    assert_eq!(commands, kinds_of(entity).map(|kind| kind.identifier).collect());
}
