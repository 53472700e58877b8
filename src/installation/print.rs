//! A plan in lines for people.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{
    items::Section,
    moving::Moving,
    plan::{Change, Difference, Plan, What},
    touched::Touched,
};
use crate::logging::one_line;

/// Most names of a kind of change in the short form.
const MOST_NAMES: usize = 5;

/// Every change in a line, with what it touches, and the packages that are moved.
#[must_use]
pub fn long(plan: &Plan, touched: &Touched, moves: &[Moving]) -> String {
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
            let touches = touched.by(change);
            let touches = if touches.is_empty() { String::new() } else { format!(" ({})", touches.join(", ")) };
            line(&mut text, format_args!("  {sign} {}{keys}{touches}", change.name));
        }
    }
    line(&mut text, format_args!("{}", total(plan)));
    for moving in moves {
        let packages = moving.waiting(touched).unwrap_or_else(|| "packages".to_owned());
        line(&mut text, format_args!("{packages} in {} are moved to {}", moving.from, moving.to));
    }
    text
}

/// A change as data.
#[derive(Debug, Serialize)]
pub struct PlanRow<'a> {
    /// Its section.
    section: &'static str,
    /// What it is called.
    name: &'a str,
    /// `added`, `changed`, `adopted` (made over HTTP, decided by the files from now on), `gone`, or of packages `moved`.
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
    before: Option<Cow<'a, Value>>,
    after: Option<Cow<'a, Value>>,
}

/// The section of packages that are moved.
const MOVED: &str = "moved";

/// Every change, with what it touches, and the packages that are moved.
#[must_use]
pub fn rows<'a>(plan: &'a Plan, touched: &Touched, moves: &'a [Moving]) -> Vec<PlanRow<'a>> {
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
            KeyRow { key, before: before.map(Cow::Borrowed), after: after.map(Cow::Borrowed) }
        });
        let (section, name) = (change.section.as_str(), change.name.as_str());
        PlanRow { section, name, change: word, keys: keys.collect(), touches: touched.by(change) }
    };
    let moved = |moving: &'a Moving| {
        let to = KeyRow { key: "to", before: None, after: Some(Cow::Owned(Value::from(&*moving.to))) };
        let touches = moving.waiting(touched).into_iter().collect();
        PlanRow { section: MOVED, name: &moving.from, change: "moved", keys: vec![to], touches }
    };
    let changes = Section::ALL.into_iter().flat_map(|section| plan.of(section)).map(row);
    changes.chain(moves.iter().map(moved)).collect()
}

/// The sections that change, a line each, with the first names and what these touch.
#[must_use]
pub fn short(plan: &Plan, touched: &Touched) -> String {
    let mut text = String::new();
    for section in Section::ALL {
        let named = |word: &str, is_it: fn(&What) -> bool| {
            let with_touches = |change: &&Change| {
                let touches = touched.by(change);
                if touches.is_empty() {
                    change.name.clone()
                } else {
                    format!("{}: {}", change.name, touches.join(" and "))
                }
            };
            let changes: Vec<&Change> = plan.of(section).filter(|change| is_it(&change.what)).collect();
            let shown: Vec<String> = changes.iter().take(MOST_NAMES).map(with_touches).collect();
            let more = if changes.len() > MOST_NAMES { ", …" } else { "" };
            (!changes.is_empty()).then(|| format!("{} {word} ({}{more})", changes.len(), shown.join(", ")))
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

/// Adds a line. Names may be from anybody who writes over HTTP: each stays in its line.
fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.push_str(&one_line(&words.to_string()));
    text.push('\n');
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
