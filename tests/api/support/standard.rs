//! The kinds of commands and the standard workflow, as tests read them. Tests that go through all of either ask here, so
//! that a new command, state or transition is tried by them without a word in any of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::LazyLock,
};

use oms::{
    commands,
    installation::read::{Entity, Installation},
    kinds::{self, Kind},
};
use serde_json::{Value, json};

use super::{STANDARD, read_installation};

/// The kinds of commands on an entity.
pub fn kinds_of(entity: &str) -> impl Iterator<Item = &'static Kind> {
    commands::kinds().iter().copied().filter(move |kind| kind.entity() == entity)
}

/// The kind of a command.
#[track_caller]
pub fn kind(identifier: &str) -> &'static Kind {
    kinds::find(commands::kinds(), identifier).expect("a command of this version")
}

/// Parameters with which a command does something, for a test that knows nothing more of it.
pub fn plain_input(kind: &Kind) -> Value {
    if kind.requires_parameters() { kind.example() } else { json!({}) }
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
