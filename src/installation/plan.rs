//! The difference between what is installed and what is wanted. It is pure: the same two give the same difference.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    installed::Installed,
    items::{Item, Section, items},
    read::Installation,
};
use crate::scenarios::rules::ScenarioKind;

/// What an installation would change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Each entry that is different, section by section.
    pub changes: Vec<Change>,
    /// Two entries of the files that are the same thing by an id: (section, id, index of the second).
    pub shared: Option<(Section, i64, usize)>,
}

/// An entry that is different.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its section.
    pub section: Section,
    /// What it is called: in the files, or, where it is gone, as it is installed.
    pub name: String,
    /// The id under which it is installed.
    pub id: Option<i64>,
    /// Its place among the entries of its section in the files; none where it is gone.
    pub wanted: Option<usize>,
    /// What is different.
    pub what: What,
    /// The keys that somebody changed since the last installation, and that this one would set back. `""`: all of it.
    pub undone: Vec<String>,
}

/// What is different about an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It is new.
    Added,
    /// Keys are different.
    Changed(Vec<Difference>),
    /// It was made over HTTP; from now on the files decide it.
    Adopted,
    /// No file has it any more.
    Gone,
}

/// A key that is different.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// What is installed; none: nothing.
    pub before: Option<Value>,
    /// What is wanted; none: nothing.
    pub after: Option<Value>,
}

impl Plan {
    /// The difference. `base` is the installation that was applied last, where its files are known.
    #[must_use]
    pub fn between(installed: &Installed, wanted: &Installation, base: Option<&Installation>) -> Self {
        let (wanted_items, base_items) = (items(wanted), base.map(items));
        let mut plan = Self::default();
        for section in Section::ALL {
            let side = |items: &[Item]| -> Vec<Item> {
                items.iter().filter(|item| item.section == section).cloned().collect()
            };
            let base = base_items.as_deref().map(side);
            let comparison = Comparison {
                section,
                installed: side(&installed.items),
                wanted: side(&wanted_items),
                base: base.map(|base| base.into_iter().map(|item| (item.name.clone(), item)).collect()),
                marks: installed,
            };
            comparison.add_to(&mut plan);
        }
        plan
    }

    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.what == What::Adopted)
    }

    /// Whether there is something that the files decide from now on, though it stays as it is.
    #[must_use]
    pub fn adopts(&self) -> bool {
        self.changes.iter().any(|change| change.what == What::Adopted)
    }

    /// The changes of a section.
    pub fn of(&self, section: Section) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.section == section)
    }

    /// The ids of what is gone of a section.
    #[must_use]
    pub fn gone(&self, section: Section) -> Vec<i64> {
        self.of(section).filter(|change| change.what == What::Gone).filter_map(|change| change.id).collect()
    }

    /// The names of what is gone of a section.
    pub fn names_gone(&self, section: Section) -> impl Iterator<Item = &str> {
        self.of(section).filter(|change| change.what == What::Gone).map(|change| change.name.as_str())
    }

    /// The entries of the files that are written, by their place in the section, each with the id it is installed under.
    pub fn written(&self, section: Section) -> impl Iterator<Item = (usize, Option<i64>)> {
        self.of(section).filter_map(|change| Some((change.wanted?, change.id)))
    }
}

/// The two sides of a section.
struct Comparison<'a> {
    section: Section,
    installed: Vec<Item>,
    wanted: Vec<Item>,
    base: Option<HashMap<String, Item>>,
    marks: &'a Installed,
}

impl Comparison<'_> {
    fn add_to(&self, plan: &mut Plan) {
        let matches = self.matches();
        let mut taken = HashSet::new();
        for (at, item) in self.wanted.iter().enumerate() {
            let Some(of) = matches[at] else {
                plan.changes.push(self.added(at, item));
                continue;
            };
            let same = &self.installed[of];
            if !taken.insert(of) {
                plan.shared.get_or_insert((self.section, same.id.unwrap_or_default(), at));
            }
            plan.changes.extend(self.changed(at, item, same));
        }
        for (at, item) in self.installed.iter().enumerate() {
            if !taken.contains(&at) && self.goes(item) {
                plan.changes.push(self.gone(item));
            }
        }
    }

    /// For each wanted entry the place of the installed one that is the same: by its id, else by its name, else, for
    /// states, by the stable code that nothing else has.
    fn matches(&self) -> Vec<Option<usize>> {
        let by_id = |item: &Item| self.installed.iter().position(|other| other.id.is_some() && other.id == item.id);
        let by_name = |item: &Item| self.installed.iter().position(|other| other.name == item.name);
        let mut matches: Vec<Option<usize>> =
            self.wanted.iter().map(|item| if item.id.is_some() { by_id(item) } else { by_name(item) }).collect();
        if self.section == Section::States {
            for at in 0..matches.len() {
                let code = |item: &Item| (item.keys.get("entity").cloned(), item.keys.get("enum_value").cloned());
                if matches[at].is_none() && self.wanted[at].id.is_none() {
                    let same = |of: &usize| {
                        code(&self.installed[*of]) == code(&self.wanted[at]) && !matches.contains(&Some(*of))
                    };
                    matches[at] = (0..self.installed.len()).find(same);
                }
            }
        }
        matches
    }

    fn change(&self, name: &str, id: Option<i64>, wanted: Option<usize>, what: What, undone: Vec<String>) -> Change {
        Change { section: self.section, name: name.to_owned(), id, wanted, what, undone }
    }

    /// An entry that is not installed, though the installation before had it, was taken away by somebody.
    fn added(&self, at: usize, item: &Item) -> Change {
        let was_there = self.base.as_ref().is_some_and(|base| base.contains_key(&item.name));
        let undone = if was_there { vec![String::new()] } else { Vec::new() };
        self.change(&item.name, None, Some(at), What::Added, undone)
    }

    fn changed(&self, at: usize, item: &Item, same: &Item) -> Option<Change> {
        let differences = self.differences(&same.keys, &item.keys);
        if differences.is_empty() {
            let is_new_to_files = self.marks.made_by_hand.contains(&(self.section, same.name.clone()));
            return is_new_to_files.then(|| self.change(&item.name, same.id, Some(at), What::Adopted, Vec::new()));
        }
        let undone = self.by_hand(same, &differences);
        Some(self.change(&item.name, same.id, Some(at), What::Changed(differences), undone))
    }

    /// The keys of an installed entry that somebody changed since the last installation, among those that are different.
    fn by_hand(&self, installed: &Item, differences: &[Difference]) -> Vec<String> {
        match &self.base {
            Some(base) => {
                let Some(before) = base.get(&installed.name) else { return Vec::new() };
                let since = self.differences(&before.keys, &installed.keys);
                let is_undone = |key: &String| since.iter().any(|change| change.key == *key);
                differences.iter().map(|difference| difference.key.clone()).filter(is_undone).collect()
            }
            None if self.marks.changed_since.contains(&(self.section, installed.name.clone())) => {
                differences.iter().map(|difference| difference.key.clone()).collect()
            }
            None => Vec::new(),
        }
    }

    /// Whether an installed entry that no file names goes: one that is the files' own, and still in use.
    fn goes(&self, item: &Item) -> bool {
        match self.section {
            Section::States
            | Section::Transitions
            | Section::CargoCompanies
            | Section::CargoCompanyConditions
            | Section::Inventory
            | Section::InvoiceServices
            | Section::TimeZone => true,
            Section::StockLocations => {
                let is_active = !item.keys.contains_key("is_active");
                is_active && self.base.as_ref().is_some_and(|base| base.contains_key(&item.name))
            }
            Section::Scenarios | Section::DenialReasons | Section::CancellationReasons | Section::SenderAddresses => {
                !self.marks.made_by_hand.contains(&(self.section, item.name.clone()))
            }
        }
    }

    fn gone(&self, item: &Item) -> Change {
        let is_by_hand = match &self.base {
            Some(base) => base.get(&item.name).is_some_and(|base| !self.differences(&base.keys, &item.keys).is_empty()),
            None => self.marks.changed_since.contains(&(self.section, item.name.clone())),
        };
        let undone = if is_by_hand { vec![String::new()] } else { Vec::new() };
        self.change(&item.name, item.id, None, What::Gone, undone)
    }

    /// The keys that are different.
    fn differences(&self, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
        let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
        let differences = keys.filter_map(|key| {
            let (before, after) = (before.get(key), after.get(key));
            let is_same = match (before, after) {
                (Some(before), Some(after)) => is_same(before, after),
                // The first company of the installation carries where a location names none.
                (None, Some(_)) if self.section == Section::StockLocations && key == "cargo_company" => true,
                _ => false,
            };
            (!is_same).then(|| Difference { key: key.clone(), before: before.cloned(), after: after.cloned() })
        });
        differences.collect()
    }
}

/// Numbers are the same however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        (one, other) => one == other,
    }
}

/// Whether orders find a scenario: there is an active one that distributes them.
pub(super) fn distributes<'a>(
    mut definitions: impl Iterator<Item = &'a crate::scenarios::definition::Definition>,
) -> bool {
    definitions.any(|definition| definition.is_active && definition.kind == ScenarioKind::Distribution)
}
