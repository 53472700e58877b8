//! A plan in lines for people.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{
    items::Section,
    plan::{Change, Difference, Plan, What},
    touched::{Touched, counted},
};

/// Most names of a kind of change in the short form.
const MOST_NAMES: usize = 5;

/// Every change in a line, with what it touches.
#[must_use]
pub fn long(plan: &Plan, touched: &Touched) -> String {
    let mut text = String::new();
    for section in Section::ALL {
        let mut changes = plan.of(section).peekable();
        if changes.peek().is_none() {
            continue;
        }
        line(&mut text, format_args!("{}", section.as_str()));
        for change in changes {
            let (sign, keys) = match &change.what {
                What::Added => ('+', String::new()),
                What::Changed(differences) => ('~', format!(": {}", keys(differences))),
                What::Adopted => ('~', ": decided by the files from now on".to_owned()),
                What::Gone => ('-', String::new()),
            };
            let standing = standing(change, touched);
            let standing = if standing.is_empty() { String::new() } else { format!(" ({})", standing.join(", ")) };
            line(&mut text, format_args!("  {sign} {}{keys}{standing}", change.name));
        }
    }
    line(&mut text, format_args!("{}", total(plan)));
    text
}

/// A change as data.
#[derive(Debug, Serialize)]
pub struct PlanRow<'a> {
    /// Its section.
    section: &'static str,
    /// What it is called.
    name: &'a str,
    /// `added`, `changed`, `adopted` (made over HTTP, decided by the files from now on) or `gone`.
    change: &'static str,
    /// The keys that differ.
    keys: Vec<KeyRow<'a>>,
    /// What it touches, for people.
    touches: Vec<String>,
}

/// A key that differs. Secrets, and what is longer than a line, are not shown: both sides are null.
#[derive(Debug, Serialize)]
struct KeyRow<'a> {
    key: &'a str,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

/// Every change, with what it touches.
#[must_use]
pub fn rows<'a>(plan: &'a Plan, touched: &Touched) -> Vec<PlanRow<'a>> {
    let row = |change: &'a Change| {
        let (word, differences): (_, &[Difference]) = match &change.what {
            What::Added => ("added", &[]),
            What::Changed(differences) => ("changed", differences),
            What::Adopted => ("adopted", &[]),
            What::Gone => ("gone", &[]),
        };
        let keys = differences.iter().map(|Difference { key, before, after }| {
            let is_shown = shown(key, before.as_ref()).is_some() && shown(key, after.as_ref()).is_some();
            let (before, after) = (before.as_ref().filter(|_| is_shown), after.as_ref().filter(|_| is_shown));
            KeyRow { key, before, after }
        });
        let (section, name) = (change.section.as_str(), change.name.as_str());
        PlanRow { section, name, change: word, keys: keys.collect(), touches: standing(change, touched) }
    };
    Section::ALL.into_iter().flat_map(|section| plan.of(section)).map(row).collect()
}

/// The sections that change, a line each, with the first names.
#[must_use]
pub fn short(plan: &Plan) -> String {
    let mut text = String::new();
    for section in Section::ALL {
        let named = |word: &str, is_it: fn(&What) -> bool| {
            let names: Vec<&str> =
                plan.of(section).filter(|change| is_it(&change.what)).map(|change| &*change.name).collect();
            let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > MOST_NAMES { ", …" } else { "" };
            (!names.is_empty()).then(|| format!("{} {word} ({shown}{more})", names.len()))
        };
        let parts = [
            named("added", |what| *what == What::Added),
            named("changed", |what| matches!(what, What::Changed(_) | What::Adopted)),
            named("gone", |what| *what == What::Gone),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            line(&mut text, format_args!("{}: {}", section.as_str(), parts.join(", ")));
        }
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // A string takes everything.
    writeln!(text, "{words}").ok();
}

fn total(plan: &Plan) -> String {
    let count = |is_it: fn(&What) -> bool| plan.changes.iter().filter(|change| is_it(&change.what)).count();
    format!(
        "{} added, {} changed, {} gone",
        count(|what| *what == What::Added),
        count(|what| matches!(what, What::Changed(_) | What::Adopted)),
        count(|what| *what == What::Gone)
    )
}

fn keys(differences: &[Difference]) -> String {
    let said = differences.iter().map(|difference| {
        let Difference { key, before, after } = difference;
        match (shown(key, before.as_ref()), shown(key, after.as_ref())) {
            (Some(before), Some(after)) => format!("{key} {before} → {after}"),
            _ => format!("{key} changed"),
        }
    });
    said.collect::<Vec<_>>().join(", ")
}

/// A value that fits in a line and is no secret.
fn shown(key: &str, value: Option<&Value>) -> Option<String> {
    match value {
        _ if key == "auth" => None,
        None => Some("nothing".to_owned()),
        Some(Value::String(text)) => Some(format!("{text:?}")),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
        Some(Value::Array(values)) if values.iter().all(Value::is_string) && values.len() < 6 => {
            Some(Value::from(values.clone()).to_string())
        }
        Some(_) => None,
    }
}

/// What a change touches.
fn standing(change: &Change, touched: &Touched) -> Vec<String> {
    let Some(id) = change.id else { return Vec::new() };
    match change.section {
        Section::States => touched.in_state(id),
        Section::Transitions => {
            let waiting = touched.at_transitions.get(&id).and_then(|count| counted(*count, "package"));
            waiting.map(|packages| format!("{packages} could use it")).into_iter().collect()
        }
        Section::StockLocations => {
            let counts = [(&touched.open_packages, "open package"), (&touched.users, "user")];
            counts.iter().filter_map(|(counts, noun)| counted(*counts.get(&id)?, noun)).collect()
        }
        _ => Vec::new(),
    }
}
